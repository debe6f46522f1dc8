"""The command line: exit status, one clear line on stderr, what is printed."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, running
from listed_projects import BRIDGE, LEAVE, MALL, ORDER, TOWER, project_list
from small_manager import SmallManager

from collector.agent.cli import load_sensor, main
from collector.agent.home import Home
from collector.agent.project_list import store
from collector.agent.spool import Spool
from collector.protocol import CollectionPolicy, MonitoredApplication, Signature, WatchRecord

POLICY = CollectionPolicy(
    version=4,
    applications=(MonitoredApplication(code="cad", name="CAD", signatures=(Signature(executable="cad"),)),),
)


@pytest.fixture
def manager() -> Iterator[SmallManager]:
    with SmallManager() as made:
        made.policy = asdict(POLICY)
        yield made


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PROCESS_METER_AGENT_HOME", str(tmp_path / "agent"))
    monkeypatch.delenv("PROCESS_METER_ENROLLMENT_TOKEN", raising=False)
    return Home(tmp_path / "agent")


def enroll(manager: SmallManager, *arguments: str) -> int:
    return main(["enroll", f"http://127.0.0.1:{manager.port}", *arguments])


def test_enroll_keeps_the_key_and_the_policy_and_says_what_is_metered(
    manager: SmallManager, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert enroll(manager, "--token", "-starts-with-a-dash", "--zone", "Europe/Berlin") == 0
    (asked,) = manager.enrollments
    assert (asked["token"], asked["zone"], asked["protocol"]) == ("-starts-with-a-dash", "Europe/Berlin", 1)
    assert home.enrolled().agent == "agent-1"
    assert json.loads(home.policy.read_text())["version"] == 4
    assert "It meters: CAD." in capsys.readouterr().out


def test_the_token_comes_from_a_file_the_environment_or_standard_input(
    manager: SmallManager, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("from-file\n")
    assert enroll(manager, "--token-file", str(tmp_path / "token")) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("from-input\n"))
    assert enroll(manager, "--token", "-") == 0
    monkeypatch.setenv("PROCESS_METER_ENROLLMENT_TOKEN", "from-environment")
    assert enroll(manager) == 0
    assert [asked["token"] for asked in manager.enrollments] == [
        "from-file",
        "from-input",
        "from-environment",
    ]


def test_enrolling_again_puts_the_former_spool_aside(
    manager: SmallManager, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    enroll(manager, "--token", "x")
    Spool(home.spool).close()
    assert enroll(manager, "--token", "x") == 0
    assert "spool.sqlite.former-1" in capsys.readouterr().out
    assert not home.spool.exists()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            (403, {"error": "The token is unknown", "remedy": "ask for a new one"}),
            "The token is unknown; ask for a new one\n",
        ),
        ((200, {"agent": 7}), "names no agent"),
        ((200, {"agent": "a", "key": "b", "policy": {}}), "Collection policy: applications"),
    ],
)
def test_a_refused_enrollment_leaves_nothing_and_is_one_line(
    manager: SmallManager,
    home: Home,
    capsys: pytest.CaptureFixture[str],
    answer: tuple[int, dict[str, Any]],
    said: str,
) -> None:
    manager.enrollment_answer = lambda _: answer
    assert enroll(manager, "--token", "x") == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not home.config.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["enroll", "http://meter.example.org", "--token", "x"], "give an https URL"),
        (["enroll", "http://127.0.0.1:9", "--token-file", "/absent"], "cannot be read"),
        (["enroll", "http://127.0.0.1:9"], "There is no token"),
        (["run"], "not enrolled"),
        (["status"], "not enrolled"),
        (["show-my-data"], "there is no spool yet"),
        (["project", "set", " "], "A number is empty"),
        (["project", "set", "a\nb"], "unprintable"),
        (["project", "set", "1", "--task", "x" * 101], "too long"),
        (["project", "set", "1", "--field", "order"], "give NAME=VALUE"),
        (["project", "set", "1", "--field", "order=a\tb"], "printable"),
        (["project", "set", "1", *(f"--field={n}=x" for n in range(9))], "There are 9 fields"),
    ],
)
def test_failure_is_exit_one_and_one_line(
    home: Home, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["dance"], ["project"], ["enroll"], ["project", "set"]])
def test_wrong_use_is_exit_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["enroll", "run", "status", "project", "show-my-data"])
def test_every_command_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"example: process-meter-agent {command}" in capsys.readouterr().out


def test_a_project_is_set_and_shown(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["project", "show"]) == 0
    assert main(["project", "set", "0042", "--phase", "10"]) == 0
    assert main(["project", "show", "--home", str(home.folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "No project is set."
    assert lines[1] == "Project 0042 is in force from now on, for billed applications."
    assert lines[2].startswith("project 0042, phase 10, since 20")
    project = home.project()
    assert project is not None
    assert (project.number, project.phase, project.task) == ("0042", "10", None)


def test_a_project_is_set_with_its_fields_and_what_will_be_objected_to_is_said(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    store(home.projects, [project_list(BRIDGE, MALL, rules=[ORDER])])
    assert main(["project", "set", "0815", "--phase", "10", "--field", "order=WO-00017"]) == 0
    assert main(["project", "set", "0815", "--phase", "99", "--task", "A"]) == 0
    assert main(["project", "show"]) == 0
    assert capsys.readouterr().out.splitlines()[:-1] == [
        "Project 0815 is in force from now on, for billed applications.",
        "Project 0815 is in force from now on, for billed applications.",
        "It will be put up for correction: phase 99 is not a phase of project 0815.",
        "It will be put up for correction: the field Work order is missing.",
    ]
    assert [(each.phase, each.fields) for each in home.recent()] == [
        ("99", {}),
        ("10", {"order": "WO-00017"}),
    ]


def test_open_projects_are_listed_recent_ones_first_and_one_with_its_phases(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["project", "list"]) == 0
    store(home.projects, [project_list(BRIDGE, LEAVE, MALL, TOWER)])
    main(["project", "set", "LEAVE"])
    assert main(["project", "list"]) == 0
    assert main(["project", "list", "acme", "bridge"]) == 0
    assert main(["project", "list", "0815"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "There is no list of open projects here yet; any number can be set.",
        "Project LEAVE is in force from now on, for billed applications.",
        "LEAVE  Leave  never billed  (recent)",
        "0815  Harbor Bridge  Port Authority",
        "4711  Mall East  ACME",
        "4712  Tower Bridge  ACME",
        "4712  Tower Bridge  ACME",
        "acme bridge  as typed: it is not in the list",
        "0815  Harbor Bridge  Port Authority",
        "  phase 10  Design",
        "    task A  Drawings",
        "    task B  Models",
        "  phase 20  Site",
        "  phase 30  Handover",
    ]


def test_only_so_many_projects_are_remembered_and_each_once(home: Home) -> None:
    for number in (*range(12), 7):
        main(["project", "set", str(number)])
    assert [each.number for each in home.recent()] == ["7", "11", "10", "9", "8", "6", "5", "4"]


def test_status_of_an_agent_that_never_ran(
    manager: SmallManager, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    enroll(manager, "--token", "x")
    capsys.readouterr()
    assert main(["status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["running"], told["policy_version"], told["backlog"]) == (False, 4, 0)
    assert told["applications"] == ["CAD"]
    assert main(["status"]) == 0
    assert "running:        no" in capsys.readouterr().out


def test_show_my_data_prints_all_that_waits(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.make()
    with Spool(home.spool) as spool:
        record = WatchRecord(
            start_ms=1_793_955_600_000,
            end_ms=1_793_955_601_000,
            sees_focus=True,
            sees_input=True,
            sees_lock=False,
        )
        desk = Desk()
        desk.at(0, instances=running(10), focus_pid=10, input=0)
        desk.at(5)
        spool.commit([record], desk.meter.document())
        assert main(["show-my-data"]) == 0
    out = capsys.readouterr().out
    assert "Never recorded: window titles" in out
    assert "start_ms = 2026-11-06T09:00:00.000+00:00    (from)" in out
    assert "application = editor    (which application)" in out
    assert "stretch 2026-11-06T09:00:00.000+00:00 to 2026-11-06T09:00:05.000+00:00: input" in out
    assert "prompt = -    (whether you were asked for a project at launch, and what became of it)" in out
    assert "Project set: none" in out


@pytest.mark.parametrize(
    ("platform", "environment", "reason"),
    [
        ("linux", {}, "there is no display"),
        ("linux", {"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}, "does not see a Wayland desktop yet"),
        ("linux", {"DISPLAY": ":0", "XDG_SESSION_TYPE": "wayland"}, "does not see a Wayland desktop yet"),
        ("win32", {}, "does not see the desktop of win32 yet"),
        ("darwin", {"DISPLAY": ":0"}, "does not see the desktop of darwin yet"),
    ],
)
def test_a_desktop_that_cannot_be_seen_is_held_and_says_so(
    platform: str, environment: dict[str, str], reason: str
) -> None:
    sensor = load_sensor(platform, environment)
    assert sensor.name == "none"
    (spot,) = sensor.look().blind_spots
    assert reason in spot
    assert spot.endswith("every session is metered as held")


def test_an_x11_desktop_is_seen() -> None:
    assert load_sensor("linux", {"DISPLAY": ":0"}).name == "x11"
