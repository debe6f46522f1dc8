"""The collection policy on the host: read strictly, and kept as a last good copy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from collector.agent.errors import AgentProblem
from collector.agent.home import write_private
from collector.protocol import CollectionPolicy, MonitoredApplication, Signature

NO_POLICY = CollectionPolicy(version=0, applications=())
"""Until a manager has given one: nothing is metered, the host is watched."""

_LEAST_MS = {
    "gap_floor_ms": 1_000,
    "poll_ms": 100,
    "checkpoint_ms": 1_000,
    "delivery_ms": 500,
    "presence_ms": 500,
    "policy_refresh_ms": 1_000,
    "projects_refresh_ms": 1_000,
}


def decode_policy(document: object) -> CollectionPolicy:
    """Check a policy as a manager sent it.

    Fields that this agent does not know are passed over: a newer manager may send them.

    Raises
    ------
    AgentProblem
        A field is missing, of another type, or out of range; names it.
    """
    row = _mapping(document, "policy")
    timings = {name: _number(row, name, least) for name, least in _LEAST_MS.items()}
    timings["poll_ms"] = min(timings["poll_ms"], timings["gap_floor_ms"] // 2)
    applications = row.get("applications")
    if not isinstance(applications, list):
        raise _wrong("applications", "is not a list")
    return CollectionPolicy(
        version=_number(row, "version", 0),
        applications=tuple(_application(given, number) for number, given in enumerate(applications, 1)),
        **timings,
    )


def load_policy(path: Path) -> CollectionPolicy:
    """Return the last good copy; `NO_POLICY` when there is none, or it is damaged."""
    try:
        return decode_policy(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, AgentProblem):
        return NO_POLICY


def store_policy(path: Path, policy: CollectionPolicy) -> None:
    """Keep a policy as the last good copy."""
    write_private(path, json.dumps(asdict(policy)))


def _application(given: object, number: int) -> MonitoredApplication:
    place = f"applications #{number}"
    row = _mapping(given, place)
    signatures = row.get("signatures")
    if not isinstance(signatures, list) or not signatures:
        raise _wrong(f"{place} signatures", "is not a list, or empty")
    return MonitoredApplication(
        code=_text(row, "code", place),
        name=_text(row, "name", place),
        billed=row.get("billed") is True,
        prompt=row.get("prompt") is True,
        signatures=tuple(_signature(each, place) for each in signatures),
    )


def _signature(given: object, place: str) -> Signature:
    row = _mapping(given, f"{place} signature")
    optional = ("arguments", "window_class", "parent")
    return Signature(
        executable=_text(row, "executable", place),
        **{name: _text(row, name, place) for name in optional if row.get(name) is not None},
    )


def _mapping(given: object, place: str) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise _wrong(place, "is not an object")
    return given


def _text(row: Mapping[str, Any], name: str, place: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise _wrong(f"{place} {name}", "is no text, or empty")
    return value


def _number(row: Mapping[str, Any], name: str, least: int) -> int:
    defaults = {each.name: each.default for each in fields(CollectionPolicy)}
    value = row.get(name, defaults[name])
    if value is MISSING or isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _wrong(name, f"is not a whole number of at least {least}")
    return value


def _wrong(place: str, what: str) -> AgentProblem:
    return AgentProblem(f"Collection policy: {place} {what}", "the last good policy stays in force")
