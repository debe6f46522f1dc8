"""The question at launch as the agent puts it: when, to whom, and what becomes of answers and of windows."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from desk import NINE, POLICY, Desk, drawing, project, running

from collector.agent.home import Home
from collector.agent.meter import Meter
from collector.agent.prompting import REST_MS, Prompting
from collector.agent.sample import Project
from collector.protocol import ProjectRecord, Record, SessionRecord

ASKING = replace(
    POLICY,
    applications=tuple(replace(each, name=each.code.upper(), prompt=True) for each in POLICY.applications),
)
CODES = {"number": "0815", "phase": "10", "task": None, "author": "ana", "fields": {"order": "7"}}


@dataclass
class Office:
    """A written desk whose agent may ask; windows are opened, answered and closed by the test."""

    home: Home
    desk: Desk = field(default_factory=lambda: Desk(policy=ASKING))
    windows: list[Pane] = field(default_factory=list)
    told: list[Record] = field(default_factory=list)
    prompting: Prompting = field(init=False)

    def __post_init__(self) -> None:
        self.home.make()
        self.prompting = Prompting(self.home, self.open)

    def open(self, folder: Path) -> Pane:
        self.windows.append(Pane(json.loads((folder / "question.json").read_text())))
        return self.windows[-1]

    def at(self, second: float, **seen: Any) -> None:
        """Take one sample, and let the agent ask; what is decided is stored at once."""
        self.told += self.desk.at(second, **seen)
        self.told += self.prompting.step(self.desk.meter, self.desk.policy, round(second * 1000))
        self.prompting.forget()

    def answer(self, outcome: str, **more: Any) -> None:
        """Answer the newest window, and close it."""
        window = self.windows[-1]
        document = {"outcome": outcome, "sessions": window.question["sessions"], **more}
        self.home.answer.write_text(json.dumps(document))
        window.status = 0

    def asked(self) -> list[list[str]]:
        """Return which applications each window named."""
        return [window.question["applications"] for window in self.windows]

    def prompts(self) -> list[str | None]:
        """Return what the manager was told of the questions, in order."""
        return [record.prompt for record in self.told if isinstance(record, SessionRecord)]

    def entries(self) -> list[ProjectRecord]:
        """Return what was stated of projects."""
        return [record for record in self.told if isinstance(record, ProjectRecord)]


@dataclass
class Pane:
    """A window that stays open until a test ends it."""

    question: dict[str, Any]
    status: int | None = None

    def poll(self) -> int | None:
        return self.status


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(Home(tmp_path / "agent"))


def chosen(second: float = 5) -> dict[str, Any]:
    return {**CODES, "set_ms": NINE + round(second * 1000)}


def test_an_answer_holds_for_the_session_as_a_whole(office: Office) -> None:
    office.at(0)
    office.at(2, instances=running(10, since=1))
    office.at(3)
    office.answer("entered", project=chosen())
    office.at(6)
    office.at(7)

    assert office.asked() == [["EDITOR"]]
    (entry,) = office.entries()
    assert (entry.from_ms, entry.to_ms, entry.instance) == (NINE + 1_000, None, None)
    assert (entry.project, entry.phase, entry.task, entry.fields) == ("0815", "10", None, {"order": "7"})
    assert (entry.author, entry.reason) == ("ana", "entered at launch")
    assert office.prompts() == [None, "asked", "entered"]
    assert office.home.recent() == [Project(**chosen())]
    assert not office.home.answer.exists()


def test_a_program_that_ends_at_once_asks_nothing(office: Office) -> None:
    office.at(0)
    office.at(1, instances=running(10, since=0.5))
    office.at(2, instances=())
    office.at(9)

    assert office.asked() == []


def test_nobody_is_asked_twice_for_one_launch_however_many_processes_there_are(office: Office) -> None:
    office.at(0, instances=running(10))
    office.at(2)
    office.answer("dismissed")
    office.at(3, instances=running(10, 11))
    office.at(4, instances=())
    office.at(6, instances=running(12, since=5))
    office.at(9)

    assert office.asked() == [["EDITOR"]]
    assert office.prompts() == [None, "asked", "dismissed"]
    assert office.entries() == []


def test_what_is_launched_while_a_window_is_open_is_asked_about_after_it(office: Office) -> None:
    office.at(0, instances=running(10))
    office.at(2, instances=(*running(10), *running(20, code="cad", since=1.5)))
    office.at(4)
    assert office.asked() == [["EDITOR"]]
    office.answer("dismissed")
    office.at(5)
    office.at(6)
    assert office.asked() == [["EDITOR"], ["CAD"]]


def test_two_that_wait_are_one_question_and_one_answer(office: Office) -> None:
    office.at(0, instances=(*running(10), *running(20, code="cad")))
    office.at(2)
    office.answer("kept", project=chosen())
    office.at(3)

    assert office.asked() == [["CAD", "EDITOR"]]
    assert [(each.session, each.reason) for each in office.entries()] == [
        (f"{number:032x}", "kept at launch") for number in (1, 2)
    ]


def test_an_answer_after_the_close_is_stated_all_the_same(office: Office) -> None:
    office.at(0, instances=running(10))
    office.at(2)
    office.at(3, instances=())
    office.at(9)
    assert office.desk.sessions()[-1].state == "closed"
    office.answer("entered", project=chosen(10))
    office.at(11)

    assert [(each.session, each.from_ms) for each in office.entries()] == [(f"{1:032x}", NINE)]


def test_a_project_of_the_command_line_stays_in_force_where_the_question_is_put_off(office: Office) -> None:
    office.at(0, project=project("4711", -60))
    office.at(2, instances=running(10, since=1))
    office.at(3)
    office.answer("dismissed")
    office.at(4)

    assert [(each.project, each.from_ms) for each in office.entries()] == [("4711", NINE + 1_000)]


def test_an_answer_outranks_what_was_set_before_and_is_outranked_by_what_is_set_after(office: Office) -> None:
    office.at(0, project=project("4711", -60))
    office.at(2, instances=running(10, since=1))
    office.at(3)
    office.answer("entered", project=chosen())
    office.at(6)
    office.at(7)
    office.at(9, project=project("9999", 8))

    assert [(each.project, (each.from_ms - NINE) / 1000) for each in office.entries()] == [
        ("4711", 1),
        ("0815", 1),
        ("9999", 8),
    ]


def test_where_the_policy_asks_nobody_no_window_is_opened(office: Office) -> None:
    office.desk.policy = POLICY
    office.at(0, instances=running(10))
    office.at(2)
    office.desk.policy = ASKING
    office.at(3)
    assert (office.asked(), office.prompting.describe(POLICY)) == ([], "off")

    office.at(4, instances=(*running(10), *running(20, code="cad", since=3)))
    office.at(6)
    assert (office.asked(), office.prompting.describe(ASKING)) == ([["CAD"]], "at launch")


def test_a_window_that_dies_does_no_harm_and_is_told_once(office: Office) -> None:
    office.at(0, instances=running(10))
    office.at(2)
    office.windows[-1].status = -9
    office.at(3)
    office.at(4, instances=(*running(10), *running(20, code="cad", since=3)))
    assert office.prompting.describe(ASKING) == "the window that asks for the project ended with status -9"
    office.at(6)

    assert office.asked() == [["EDITOR"], ["CAD"]]
    assert office.prompts() == [None, "asked", None, "asked"]


def test_where_no_window_can_be_opened_it_is_tried_again_after_ten_minutes(office: Office) -> None:
    office.at(0, instances=running(10))
    office.at(2)
    office.answer("unable", reason="there is no display")
    office.at(3)
    office.at(4)
    assert office.prompting.describe(ASKING) == "there is no display"
    assert office.prompts() == [None, "asked", None]
    office.at(3 + REST_MS / 1000 - 1)
    assert len(office.windows) == 1
    office.at(3 + REST_MS / 1000)
    assert len(office.windows) == 2


def test_a_window_that_cannot_be_started_is_told(office: Office) -> None:
    def fail(_: Path) -> Pane:
        raise OSError("no processes left")

    office.prompting.start = fail
    office.at(0, instances=running(10))
    office.at(2)

    assert office.prompting.complaint == (
        "the window that asks for the project cannot be started: no processes left"
    )
    assert office.prompts() == [None]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"outcome": "asked?", "sessions": []}',
        '{"outcome": "entered", "sessions": [], "project": {"number": "1"}}',
        '{"outcome": "entered", "sessions": [["1"]], "project": {}}',
        '{"outcome": "dismissed", "sessions": 7}',
    ],
)
def test_an_answer_that_is_none_is_told_and_forgotten(office: Office, text: str) -> None:
    office.at(0)
    office.home.answer.write_text(text)
    office.at(1)

    assert "an answer was not understood" in office.prompting.complaint
    assert office.entries() == []
    assert not office.home.answer.exists()


def test_an_answer_outlives_the_agent_and_nobody_is_asked_meanwhile(office: Office) -> None:
    office.at(0, instances=running(10))
    office.at(2)
    office.desk.restart(drawing(2))
    office.prompting = Prompting(office.home, office.open)
    with office.home.asking() as alone:  # the window that the former agent had opened
        assert alone
        office.at(3, instances=(*running(10), *running(20, code="cad", since=1)))
        office.at(4)
        assert office.asked() == [["EDITOR"]]
        office.answer("entered", project=chosen())
        office.at(5)
    office.at(6)

    assert [(each.session, each.project) for each in office.entries()] == [(f"{1:032x}", "0815")]
    assert office.asked() == [["EDITOR"], ["CAD"]]


def test_an_answer_that_was_taken_and_not_stored_is_taken_again(office: Office) -> None:
    office.at(0, instances=running(10))
    office.at(2)
    before = office.desk.meter.document()
    office.answer("entered", project=chosen())
    first = office.prompting.step(office.desk.meter, ASKING, 3_000)
    assert office.prompting.step(office.desk.meter, ASKING, 3_100) == []

    office.desk.meter = Meter(lambda: "f" * 32, before)
    office.prompting.recover()
    assert office.prompting.step(office.desk.meter, ASKING, 4_000) == first != []


def test_an_answer_that_was_stored_and_comes_once_more_states_nothing(office: Office) -> None:
    office.at(0, instances=running(10))
    office.at(2)
    office.answer("entered", project=chosen())
    office.at(3)
    office.answer("entered", project=chosen())
    office.at(4)

    assert len(office.entries()) == 1


def test_what_was_asked_and_entered_is_written_down_with_the_meter(office: Office) -> None:
    office.at(0, instances=running(10))
    office.at(2)
    office.answer("entered", project=chosen())
    office.at(3)
    (session,) = json.loads(json.dumps(office.desk.meter.document()))["sessions"]

    assert (session["asks"], session["prompt"]) == (True, "entered")
    assert session["entered"] == asdict(Project(**chosen()))
