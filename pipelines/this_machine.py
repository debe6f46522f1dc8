"""Meter this very machine: a policy with the common programs found here, and an agent of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipelines.children import (
    LOOPBACK,
    Child,
    Children,
    agent_command_line,
    answers,
    command_line,
    free_port,
    run,
    wait_until,
)
from pipelines.demo_home import Home
from pipelines.local_programs import Program
from pipelines.sample.policies import collection_document
from warehouse.errors import Problem


def start_manager(home: Home, children: Children) -> str:
    """Start the manager on the loopback address, at an earlier run's port if it is free; return its URL."""
    kept = home.folder / "manager.port"
    port = free_port(int(kept.read_text(encoding="ascii")) if kept.exists() else None)
    command = command_line("manager", "serve", "--port", str(port), "--warehouse", home.url)
    manager = children.start("manager", command)
    wait_until(manager, lambda: answers(port), "answering")
    kept.write_text(str(port), encoding="ascii")
    return f"http://{LOOPBACK}:{port}"


def apply_policy(home: Home, programs: Iterable[Program]) -> None:
    """Put a policy in force that meters the sample's applications and these programs; once for each text."""
    text = policy_text(programs)
    draft = home.folder / "policy.partial.toml"
    if home.policy.exists() and home.policy.read_text(encoding="utf-8") == text:
        return
    draft.write_text(text, encoding="utf-8")
    run(command_line("manager", "policy", "apply", str(draft), "--warehouse", home.url))
    draft.replace(home.policy)


def policy_text(programs: Iterable[Program]) -> str:
    """Write the collection policy as TOML: the sample's applications, then the programs of this machine."""
    local = [
        {
            "code": program.code,
            "name": program.name,
            "billed": False,
            "signatures": [{"executable": name} for name in program.executables],
        }
        for program in programs
    ]
    known = collection_document()["applications"]
    codes = {row["code"] for row in known}
    tables = [*known, *(row for row in local if row["code"] not in codes)]
    return "".join(f"[[collection.applications]]\n{_table(row)}\n" for row in tables)


def _table(row: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in row.items())


def _value(value: object) -> str:
    """Write a value as TOML, which for texts and flags is JSON."""
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_value(item)}' for key, item in value.items())} }}"
    return json.dumps(value)


def start_agent(home: Home, children: Children, manager: str) -> Child:
    """Enroll an agent with the manager, unless it is, and let it meter this machine until the run ends."""
    enrolled_with = home.agent / "enrolled-with"
    if not enrolled_with.exists() or enrolled_with.read_text(encoding="utf-8") != manager:
        _enroll(home.agent, manager, _token(home))
        enrolled_with.write_text(manager, encoding="utf-8")
    agent = children.start("agent", agent_command_line("run", "--home", str(home.agent)))
    agent.require_alive()
    return agent


def _token(home: Home) -> str:
    return run(command_line("manager", "token", "new", "--expires", "10m", "--warehouse", home.url)).strip()


def _enroll(agent: Path, manager: str, token: str) -> None:
    agent.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = agent_command_line("enroll", manager, "--token", "-", "--home", str(agent))
    try:
        run(command, given=f"{token}\n")
    except Problem as problem:
        if "time zone" not in problem.message:
            raise
        # A bare container does not say where it is; nothing was sent yet, so the token is still good.
        run([*command, "--zone", "Etc/UTC"], given=f"{token}\n")
