"""From a project that is picked by key strokes at launch to its charge line; and what becomes of Escape."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from desktop import Desktop
from manager_rig import rows, running
from prompt_desk import PromptDesk
from running_agent import RunningAgent
from sqlalchemy import Engine

from apps.identity import operating_system_identity
from collector.agent.home import Home
from collector.manager import enrollment, policies
from collector.manager.http import wall_clock_ms
from pipelines import billing
from pipelines.answers import correction_queue
from warehouse.directory import import_calendar, import_directory, import_projects, import_rates
from warehouse.store import upgrade

pytestmark = [
    pytest.mark.desktop,
    pytest.mark.skipif(
        find_spec("_tkinter") is None, reason="NOT TESTED, missing here: tkinter (python3-tk)"
    ),
]

TODAY = datetime.now(UTC).date()
MONTH, FIRST = f"{TODAY:%Y-%m}", TODAY.replace(day=1)
NEXT = (FIRST + timedelta(days=32)).replace(day=1)
AFTERWARDS_MS = int(datetime.combine(NEXT, time(12), UTC).timestamp() * 1000)
POLICY = """
[collection]
gap_floor_seconds = 1
poll_seconds = 0.2
delivery_seconds = 0.5
presence_seconds = 0.5
prompt = "at_launch"

[[collection.applications]]
code = "cad"
name = "Draftline CAD"
billed = true
signatures = [{ executable = "draftline" }]

[[collection.applications]]
code = "gis"
name = "Terralume GIS"
billed = true
signatures = [{ executable = "terralume" }]

[license]
idle_timeout_seconds = 60
[billing]
idle_timeout_seconds = 60
"""
FILES = {
    "directory": "record,code,name,zone,currency,office,employee_number,accounts,valid_from\n"
    "organization,,Trial,Etc/UTC,USD,,,,\noffice,HQ,Headquarters,Etc/UTC,USD,,,,\n"
    "person,P1,Ada Example,,,HQ,0042,{me},2020-01-01\n",
    "calendar": f"record,name,starts_on,ends_on\nperiod,{MONTH},{FIRST},{NEXT}\n",
    "projects": "project,phase,task,name,client,client_name,currency,phase_name\n"
    "0815,10,A,Harbor Bridge,PORT,Port Authority,USD,Design\n4711,,,Mall East,ACME,Acme,USD,\n",
    "rates": "application,rate,currency,valid_from,direction,level\ncad,3600.00,USD,2020-01-01,up,line\n"
    "gis,3600.00,USD,2020-01-01,up,line\n",
}


@dataclass
class RealManager:
    """A manager with a warehouse, as the rig of the running agent knows a manager."""

    url: str
    engine: Engine

    @property
    def batches(self) -> list[Any]:
        """One entry for each agent that was heard."""
        return rows(self.engine, "SELECT id FROM agent WHERE last_heard_ms IS NOT NULL")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("warehouse")
    opened = upgrade(f"sqlite:///{folder / 'warehouse.sqlite'}")
    for name, content in FILES.items():
        (folder / f"{name}.csv").write_text(content.replace("{me}", operating_system_identity()))
    import_directory(opened, folder / "directory.csv")
    import_calendar(opened, folder / "calendar.csv")
    import_projects(opened, folder / "projects.csv")
    policies.apply_text(opened, POLICY, "policy.toml", "admin", 1)
    import_rates(opened, folder / "rates.csv", "rates")
    yield opened
    opened.dispose()


@pytest.fixture(scope="module")
def played(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A desk at which a project was picked for the CAD, and the question of the GIS was put off."""
    folder = tmp_path_factory.mktemp("desk")
    token = enrollment.new_token(engine, 1, timedelta(hours=1), "admin", wall_clock_ms())
    with running(engine, None) as client, Desktop(folder) as desktop:
        manager = RealManager(f"http://{client.host}:{client.port}", engine)
        agent = RunningAgent(folder, manager, desktop.environment())
        enrolled = agent.command("enroll", manager.url, "--token", token, "--zone", "Etc/UTC")
        assert enrolled.returncode == 0, enrolled.stderr
        try:
            agent.start()
            agent.wait_until(Home(folder / "agent").projects.exists, "the list of projects")
            play(PromptDesk(desktop, agent), folder)
            agent.wait_until(lambda: len(closed(engine)) == 2, "both sessions to be stored")
        finally:
            agent.end()
        yield engine


def play(desk: PromptDesk, folder: Path) -> None:
    for name in ("draftline", "terralume"):
        shutil.copy(str(shutil.which("xterm")), folder / name)
    cad = desk.desktop.launch(str(folder / "draftline"))
    desk.enter_by_keyboard()
    desk.type("harbor")
    desk.key("Tab", "Tab")
    desk.type("Design")
    desk.key("Return")
    desk.wait_until_answered()
    gis = desk.desktop.launch(str(folder / "terralume"))
    desk.enter_by_pointer()
    desk.key("Escape")
    desk.wait_until_answered()
    for program in (gis, cad):
        desk.type("work")
        desk.desktop.end(program)


def closed(engine: Engine) -> list[tuple[Any, ...]]:
    return rows(
        engine,
        "SELECT application.code, session.prompt FROM session "
        "JOIN application ON application.id = session.application_id "
        "WHERE session.ended_ms IS NOT NULL ORDER BY application.code",
    )


def test_the_answer_is_an_entry_of_the_whole_session_and_what_was_put_off_is_known_as_that(
    played: Engine,
) -> None:
    assert closed(played) == [("cad", "entered"), ("gis", "dismissed")]
    assert rows(
        played,
        "SELECT application.code, project_number, phase_number, task_number, reason, author, "
        "from_ms - session.started_ms, to_ms FROM project_entry JOIN session ON session.id = session_id "
        "JOIN application ON application.id = session.application_id",
    ) == [("cad", "0815", "10", None, "entered at launch", operating_system_identity(), 0, None)]
    assert rows(played, "SELECT reason FROM quarantine") == []


def test_the_queue_of_corrections_says_that_it_was_put_off(played: Engine) -> None:
    found = correction_queue.answer(played, MONTH, AFTERWARDS_MS).rows
    assert set(found.select("application", "fault", "reason").rows()) == {
        ("gis", "unassigned", "no project was set: the question at launch was put off")
    }


def test_the_draft_charges_the_project_and_leaves_what_was_put_off_without_one(played: Engine) -> None:
    number = billing.draft(played, MONTH, "generic", "preparer", AFTERWARDS_MS)

    lines = rows(
        played,
        "SELECT application.code, project.number, phase.number, line.amount_minor > 0 FROM charge_line line "
        "JOIN application ON application.id = line.application_id "
        "JOIN project ON project.id = line.project_id LEFT JOIN phase ON phase.id = line.phase_id",
    )
    assert set(lines) == {("cad", "0815", "10", True)}
    (waiting,) = [row for row in billing.exceptions(played, number) if row["kind"] == "unassigned"]
    assert rows(
        played,
        "SELECT application.code, prompt FROM session "
        "JOIN application ON application.id = application_id WHERE session.id = :session",
        session=waiting["session"],
    ) == [("gis", "dismissed")]
