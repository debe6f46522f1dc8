"""The question for a project at launch, on a real desktop: answered, kept, dismissed, answered offline."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from desktop import Desktop
from listed_projects import BRIDGE, LEAVE, MALL, ORDER, TOWER, project_list
from prompt_desk import PromptDesk
from running_agent import RunningAgent
from small_manager import SmallManager, acknowledge

from collector.agent.home import Home
from collector.agent.sample import Project
from collector.agent.spool import SpoolReader

pytestmark = [
    pytest.mark.desktop,
    pytest.mark.skipif(
        find_spec("_tkinter") is None, reason="NOT TESTED, missing here: tkinter (python3-tk)"
    ),
]

USED_LAST = Project("0815", "20", None, "ana", 4_000_000_000_000)
"""Of a day far ahead: it is the one that was chosen last."""
TERMINALS = ("gis", "survey", "render")
"""Copies of xterm, one for each launch: what is launched again within 5 s is the same session."""
POLICY = {
    "version": 1,
    "applications": [
        {
            "code": code,
            "name": name,
            "billed": True,
            "prompt": True,
            "signatures": [{"executable": code}],
        }
        for code, name in (
            ("mousepad", "Draftline CAD"),
            *((code, f"Terralume {code}") for code in TERMINALS),
        )
    ],
    "gap_floor_ms": 1_000,
    "poll_ms": 200,
    "checkpoint_ms": 60_000,
    "delivery_ms": 500,
    "presence_ms": 500,
    "policy_refresh_ms": 60_000,
    "projects_refresh_ms": 60_000,
}


@pytest.fixture(scope="module")
def manager() -> Iterator[SmallManager]:
    with SmallManager() as made:
        made.policy = POLICY
        made.project_list = (200, project_list(BRIDGE, LEAVE, MALL, TOWER, rules=[ORDER], version="7"))
        yield made


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, manager: SmallManager) -> Iterator[PromptDesk]:
    folder = tmp_path_factory.mktemp("prompt")
    for code in TERMINALS:
        shutil.copy(str(shutil.which("xterm")), folder / code)
    with Desktop(folder) as desktop:
        agent = RunningAgent(folder, manager, desktop.environment())
        agent.enroll()
        agent.start()
        agent.wait_until(home(agent).projects.exists, "the list of projects")
        yield PromptDesk(desktop, agent)
        agent.end()


def home(agent: RunningAgent) -> Home:
    return Home(agent.folder / "agent")


def launch(desk: PromptDesk, code: str) -> subprocess.Popen[bytes]:
    return desk.desktop.launch(str(desk.agent.folder / code))


def sessions(desk: PromptDesk, prompt: str) -> list[dict[str, Any]]:
    """Return the sessions of which the manager was told that this became of their question."""
    return [row for row in desk.agent.manager.records("session") if row.get("prompt") == prompt]


def newest(desk: PromptDesk, prompt: str) -> list[dict[str, Any]]:
    desk.agent.wait_until(lambda: sessions(desk, prompt), f"{prompt} to be told")
    return sessions(desk, prompt)


def test_typing_goes_on_in_the_application_and_a_project_is_picked_by_search_and_a_phase_typed(
    desk: PromptDesk,
) -> None:
    pad = desk.desktop.launch("mousepad")
    window = desk.wait_for_window()
    desk.type("abc")
    assert desk.desktop.focused_pid() == pad.pid
    desk.enter_by_pointer()
    desk.type("port auth")
    desk.key("Tab", "Tab")
    desk.type("10")
    desk.key("Tab")
    desk.type("Models")
    desk.key("Tab")
    desk.type("WO-00017")
    desk.key("Return")
    desk.wait_until_answered()
    desk.agent.wait_until(lambda: desk.agent.manager.records("project"), "the project to be told")
    (entry,) = desk.agent.manager.records("project")
    (session,) = newest(desk, "entered")
    assert {name: entry[name] for name in ("project", "phase", "task", "fields", "reason", "to_ms")} == {
        "project": "0815",
        "phase": "10",
        "task": "B",
        "fields": {"order": "WO-00017"},
        "reason": "entered at launch",
        "to_ms": None,
    }
    assert (entry["session"], entry["from_ms"]) == (session["session"], session["started_ms"])
    assert window != desk.window()
    assert "mousepad, open since" in desk.agent.command("project", "show").stdout
    desk.desktop.end(pad)


def test_one_is_asked_after_the_other_and_enter_keeps_the_project_and_escape_puts_it_off(
    desk: PromptDesk,
) -> None:
    home(desk.agent).remember(USED_LAST)
    known = len(desk.agent.manager.records("project"))
    gis = launch(desk, "gis")
    first = desk.wait_for_window()
    survey = launch(desk, "survey")
    desk.agent.wait_until(lambda: len(desk.agent.manager.batches[-1]["presence"]) >= 2, "both to be open")
    assert desk.window() == first
    desk.enter_by_pointer()
    desk.key("Return")
    kept = newest(desk, "kept")  # by then the first window is gone; the second one may get its number
    desk.enter_by_pointer()
    desk.type("tower")
    desk.key("Escape")
    desk.wait_until_answered()
    assert {row["application"] for row in kept} == {"gis"}
    assert {row["application"] for row in newest(desk, "dismissed")} == {"survey"}
    (entry,) = desk.agent.manager.records("project")[known:]
    assert (entry["project"], entry["phase"], entry["reason"]) == ("0815", "20", "kept at launch")
    assert desk.agent.status()["project_prompt"] == "at launch"
    for child in (gis, survey):
        desk.desktop.end(child)


def test_offline_the_list_is_at_hand_the_answer_waits_in_the_spool_and_objections_are_said_first(
    desk: PromptDesk,
) -> None:
    known = len(desk.agent.manager.records("project"))
    desk.agent.manager.answer = lambda _: (503, {"error": "away"})
    try:
        render = launch(desk, "render")
        desk.enter_by_keyboard()
        desk.type("tower")
        desk.key("Return")
        desk.key("Return")
        desk.wait_until_answered()
        desk.agent.wait_until(lambda: spooled(desk, "project"), "the project to wait")
        (entry,) = spooled(desk, "project")
        assert (entry["project"], entry["phase"], "fields" in entry) == ("4712", None, False)
        desk.desktop.end(render)
    finally:
        desk.agent.manager.answer = acknowledge
    told = desk.agent.manager.records
    desk.agent.wait_until(lambda: len(told("project")) == known + 1, "the project to be told", 60)
    assert told("project")[-1] == entry


def spooled(desk: PromptDesk, kind: str) -> list[dict[str, Any]]:
    reader = SpoolReader(home(desk.agent).spool)
    found = [row for _, row, _ in reader.records() if row["kind"] == kind]
    reader.close()
    return found


# --- Hosts on which nobody can be asked --------------------------------------------------------------------


def asked(folder: Path, environment: dict[str, str], *before: str) -> dict[str, Any]:
    """Run the process that asks, and return its answer."""
    place = Home(folder / "agent")
    place.make()
    question = {"applications": ["CAD"], "sessions": [["0" * 32, "cad", 1]]}
    place.question.write_text(json.dumps(question))
    code = "\n".join(
        [*before, "from collector.agent.prompt_process import main", f"main({str(place.folder)!r})"]
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return dict(json.loads(place.answer.read_text()))


def test_without_a_display_it_says_so(tmp_path: Path) -> None:
    bare = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    answer = asked(tmp_path, bare)
    assert (answer["outcome"], answer["sessions"]) == ("unable", [["0" * 32, "cad", 1]])
    assert answer["reason"].startswith("no window can be opened, so nobody is asked: ")


def test_a_python_without_tkinter_says_so(tmp_path: Path) -> None:
    answer = asked(tmp_path, dict(os.environ), "import sys", "sys.modules['tkinter'] = None")
    assert answer["outcome"] == "unable"
    assert "apt install python3-tk" in answer["reason"]
