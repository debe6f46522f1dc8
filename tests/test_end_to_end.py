"""From a key stroke in a real program to the amount in a workbook, on both databases.

One script is played once on one real desktop, metered by three whole lines at the same time: SQLite,
PostgreSQL, and one whose agent is killed in mid-session and started again. The first two lose their manager
for over 20 seconds in the middle.
"""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from fractions import Fraction
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from desktop import Desktop
from line import Line
from sqlalchemy import Engine

from apps.identity import operating_system_identity
from pipelines import billing
from pipelines.workbook import write_workbook
from warehouse import frames
from warehouse.metrics.states import states
from warehouse.store import open_warehouse

pytestmark = [pytest.mark.desktop, pytest.mark.timeout(900)]

IDLE_TIMEOUT_S = 5
RATE = "3600.00"  # an hour; so that one quantum (0.001 h) costs 3.60
TODAY = date.today()  # noqa: DTZ011 - the office of this test is in the machine's own zone
MONTH = f"{TODAY:%Y-%m}"
NEXT_MONTH = (TODAY.replace(day=1) + timedelta(days=32)).replace(day=1)
AFTERWARDS_MS = int(datetime.combine(NEXT_MONTH, clock(12), UTC).timestamp() * 1000)

ALWAYS = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))

POLICY = f"""
[collection]
gap_floor_seconds = 1
poll_seconds = 0.25
checkpoint_seconds = 1
delivery_seconds = 1
presence_seconds = 1

[[collection.applications]]
code = "mousepad"
name = "Mousepad"
billed = true
signatures = [{{ executable = "mousepad" }}]

[[collection.applications]]
code = "xterm"
name = "XTerm"
signatures = [{{ executable = "xterm" }}]

[license]
idle_timeout_seconds = {IDLE_TIMEOUT_S}

[billing]
idle_timeout_seconds = {IDLE_TIMEOUT_S}
"""


@dataclass
class Script:
    """What was done, in wall-clock seconds; the agents know nothing of it."""

    launched: float = 0
    typed: float = 0
    killed: float = 0
    stored: float = 0
    """Up to when the agent had stored what it saw when it was killed."""
    revived: float = 0
    watched: float = 0
    """When its successor was known to watch."""
    idle_from: float = 0
    resumed: float = 0
    left: float = 0
    """The last stroke before the editor lost the focus."""
    closed: float = 0
    manager_stopped: float = 0
    manager_started: float = 0

    def busy_seconds(self) -> float:
        """Return the seconds that the editor was neither closed nor idle."""
        return self.closed - self.launched - self.idle_seconds()

    def idle_seconds(self) -> float:
        """Return the long pause and the time behind the other program; both are over the timeout.

        So is the time that the editor takes to open, where the machine is busy.
        """
        gaps = (
            self.typed - self.launched,
            self.resumed - self.idle_from,
            self.closed - self.left,
        )
        return sum(gap for gap in gaps if gap >= IDLE_TIMEOUT_S)


def play(desktop: Desktop, steady: list[Line], killed: Line) -> Script:
    """Play the day of somebody at a desk."""
    script = Script(launched=time.time())
    editor = desktop.launch("mousepad")
    script.typed, _ = desktop.type_for(4)
    script.killed = time.time()
    killed.kill_agent()
    script.stored = killed.checkpoint()
    desktop.type_for(4)
    script.revived = time.time()
    killed.start_agent()
    while not killed.is_watching():
        desktop.type_for(0.5)
    script.watched = time.time()
    _, script.idle_from = desktop.type_for(4)
    script.manager_stopped = time.time()
    for line in steady:
        line.stop_manager()
    time.sleep(9)
    script.resumed, script.left = desktop.type_for(5)
    terminal = desktop.launch("xterm")
    desktop.type_for(7)
    script.closed = desktop.end(editor)
    desktop.wait_for_focus(terminal.pid)
    desktop.type_for(2)
    desktop.end(terminal)
    script.manager_started = time.time()
    for line in steady:
        line.start_manager()
    return script


@pytest.fixture(scope="module")
def played(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: str
) -> Iterator[tuple[Script, Mapping[str, Line]]]:
    folder = tmp_path_factory.mktemp("day")
    urls = {
        "sqlite": f"sqlite:///{folder / 'sqlite.db'}",
        "killed": f"sqlite:///{folder / 'killed.db'}",
        "postgresql": postgres_server,
    }
    with Desktop(folder) as desktop:
        lines = {name: Line(name, url, folder, desktop.environment()) for name, url in urls.items()}
        try:
            organize(lines["sqlite"])
            organize(lines["postgresql"])
            shutil.copyfile(folder / "sqlite.db", folder / "killed.db")
            with ThreadPoolExecutor() as pool:
                list(pool.map(watch, lines.values()))
            script = play(desktop, [lines["sqlite"], lines["postgresql"]], lines["killed"])
            deliver(list(lines.values()))
            yield script, lines
        finally:
            for line in lines.values():
                line.stop()


def deliver(lines: list[Line]) -> None:
    """Wait until both sessions of each line are closed and stored, and end the agents."""
    for line in lines:
        wait_for(line, lambda engine: sessions(engine)["ended"].count() == 2)
        line.stop_agent()


def organize(line: Line) -> None:
    """Set an organization up as an administrator does, by the command line alone."""
    me, host, zone = operating_system_identity(), socket.gethostname().lower(), "Europe/Berlin"
    files = {
        "directory": (
            "record,code,name,zone,currency,office,employee_number,accounts,valid_from",
            f"organization,,Trial,{zone},USD,,,,",
            f"office,HQ,Headquarters,{zone},USD,,,,",
            f"person,P1,Ada Example,,,HQ,0042,{me},2020-01-01",
            f"host,{host},,,,HQ,,,2020-01-01",
        ),
        "calendar": ("record,name,starts_on,ends_on", f"period,{MONTH},{TODAY:%Y-%m}-01,{NEXT_MONTH}"),
        "project": ("project,name,client,client_name,currency", "0815,Harbor Bridge,PORT,Port Authority,USD"),
        "rate": (
            "application,rate,currency,valid_from,direction,level",
            f"mousepad,{RATE},USD,2020-01-01,nearest,line",
        ),
    }
    line.run("warehouse", "upgrade")
    folder = line.folder / f"{line.name}-files"
    folder.mkdir()
    policy = folder / "policy.toml"
    policy.write_text(POLICY)
    line.run("manager", "policy", "apply", str(policy))
    for noun, rows in files.items():
        path = folder / f"{noun}.csv"
        path.write_text("\n".join(rows) + "\n")
        line.run(noun, "import", str(path))


def watch(line: Line) -> None:
    """Start a line: its manager, and an agent that enrolls, names its project and is heard."""
    line.start_manager()
    line.enroll()
    line.agent_run("project", "set", "0815")
    line.start_agent()
    # What is launched before the agent watches would be unobserved at first.
    wait_for(line, lambda engine: line.is_watching() and not heard(engine).null_count())


def wait_for(line: Line, condition: Callable[[Engine], bool]) -> None:
    """Wait until something is true of a line's warehouse."""
    engine = open_warehouse(line.url)
    end = time.monotonic() + 150
    while not condition(engine):
        assert time.monotonic() < end, line.log(f"{line.name}-agent")
        time.sleep(0.5)
    engine.dispose()


def heard(engine: Engine) -> pl.Series:
    return frames.agents(engine).collect()["last_heard"]


def sessions(engine: Engine, *applications: str) -> pl.DataFrame:
    return frames.sessions(engine, *ALWAYS, applications=applications or None).collect()


@dataclass
class Evidence:
    """What one line holds about the editor."""

    session: Mapping[str, object]
    stated: pl.DataFrame

    def first(self, state: str, after: float = 0) -> float:
        """Return when a state first begins at or after an instant, in wall-clock seconds."""
        starts = self.stated.filter(pl.col("state") == state)["start"].dt.epoch("ms") / 1000
        return min(start for start in starts if start >= after)

    def seconds(self, *wanted: str) -> float:
        """Return how long the session was in any of these states."""
        rows = self.stated.filter(pl.col("state").is_in(wanted))
        return sum((rows["end"] - rows["start"]).dt.total_milliseconds()) / 1000


def evidence(line: Line, application: str) -> Evidence:
    """Read the one session of an application from a line's warehouse."""
    engine = open_warehouse(line.url)
    found = sessions(engine, application)
    segments = frames.segments(engine, *ALWAYS, applications=[application])
    stated = states(segments, frames.policy(engine, "billing")).collect().sort("start")
    engine.dispose()
    assert found.height == 1, found
    return Evidence(found.row(0, named=True), stated)


def seconds(instant: object) -> float:
    assert isinstance(instant, datetime)
    return instant.timestamp()


STEADY = pytest.mark.parametrize("name", ["sqlite", "postgresql"])
EVERY = pytest.mark.parametrize("name", ["sqlite", "postgresql", "killed"])
Played = tuple[Script, Mapping[str, Line]]


@STEADY
def test_launch_idle_resume_and_close_are_the_scripts(played: Played, name: str) -> None:
    script, lines = played
    found = evidence(lines[name], "mousepad")
    assert seconds(found.session["started"]) == pytest.approx(script.launched, abs=1.5)
    assert found.first("active") == pytest.approx(script.typed, abs=1.5)
    assert found.first("idle", after=script.typed) == pytest.approx(script.idle_from, abs=1.5)
    assert found.first("active", after=script.idle_from) == pytest.approx(script.resumed, abs=1.5)
    assert found.first("idle", after=script.resumed) == pytest.approx(script.left, abs=1.5)
    assert seconds(found.session["ended"]) == pytest.approx(script.closed, abs=1.5)


@STEADY
def test_busy_and_idle_seconds_are_the_scripts(played: Played, name: str) -> None:
    script, lines = played
    found = evidence(lines[name], "mousepad")
    assert found.seconds("active", "pause") == pytest.approx(script.busy_seconds(), abs=2)
    assert found.seconds("idle") == pytest.approx(script.idle_seconds(), abs=2)
    assert found.seconds("unknown", "suspended", "held") == 0


def test_the_script_left_the_manager_down_for_20_seconds_and_the_editor_idle_beyond_the_timeout(
    played: Played,
) -> None:
    script, _ = played
    assert script.manager_started - script.manager_stopped > 20
    assert script.resumed - script.idle_from > IDLE_TIMEOUT_S
    assert script.closed - script.left > IDLE_TIMEOUT_S


@EVERY
def test_segments_tile_each_session_to_the_millisecond(played: Played, name: str) -> None:
    _, lines = played
    for application in ("mousepad", "xterm"):
        found = evidence(lines[name], application)
        starts, ends = found.stated["start"].to_list(), found.stated["end"].to_list()
        assert starts == [found.session["started"], *ends[:-1]]
        assert ends[-1] == found.session["ended"]


@EVERY
def test_nothing_was_set_aside(played: Played, name: str) -> None:
    _, lines = played
    assert '"quarantine": 0' in lines[name].run("warehouse", "status", "--json")


def test_the_hole_of_a_killed_agent_is_unknown_and_never_active(played: Played) -> None:
    script, lines = played
    found = evidence(lines["killed"], "mousepad")
    hole = found.stated.filter(pl.col("attention") == "unobserved")
    inside = hole.filter(pl.col("start").dt.epoch("ms") / 1000 > script.launched + 1.5)
    assert seconds(inside["start"].min()) == pytest.approx(script.stored, abs=0.1)
    assert script.stored < script.killed
    assert script.revived < seconds(inside["end"].max()) < script.watched
    assert set(hole["state"]) == {"unknown"}
    steady = evidence(lines["sqlite"], "mousepad")
    lost = found.seconds("unknown")
    assert found.seconds("active", "pause") == pytest.approx(steady.seconds("active", "pause") - lost, abs=2)


@STEADY
def test_the_amount_in_the_workbook_is_the_one_worked_out_by_hand(
    played: Played, name: str, tmp_path: Path
) -> None:
    _, lines = played
    engine = open_warehouse(lines[name].url)
    run = bill(engine)
    path = tmp_path / "run.xlsx"
    write_workbook(engine, run, path, "accountant", AFTERWARDS_MS)
    engine.dispose()

    rows = sheet(path, "Charges")
    busy = evidence(lines[name], "mousepad").stated.filter(pl.col("state").is_in(["active", "pause"]))
    by_day = busy.group_by(pl.col("start").dt.convert_time_zone("Europe/Berlin").dt.date()).agg(
        (pl.col("end") - pl.col("start")).dt.total_milliseconds().sum().alias("ms")
    )
    quantities = [round(Fraction(ms, 3_600)) for ms in by_day["ms"]]  # in thousandths of an hour
    by_hand = sum(quantities) * Fraction(RATE) / 1000
    assert {row["project number"] for row in rows} == {"0815"}
    assert {row["person"] for row in rows} == {"Ada Example"}
    assert sum(Fraction(str(row["amount"])) for row in rows) == by_hand
    assert by_hand > 0


def bill(engine: Engine) -> str:
    """Bill the month as two people would, on the first day of the next one."""
    run = billing.draft(engine, MONTH, "generic", "preparer", AFTERWARDS_MS)
    billing.approve(engine, run, "approver", AFTERWARDS_MS)
    billing.close(engine, run, "approver", AFTERWARDS_MS)
    return run


def sheet(path: Path, name: str) -> list[dict[str, object]]:
    """Read one sheet of the workbook by its header row."""
    rows = list(openpyxl.load_workbook(path)[name].iter_rows(values_only=True))
    top = next(i for i, row in enumerate(rows) if "amount" in [str(cell).lower() for cell in row])
    names = [str(cell).lower() for cell in rows[top]]
    return [dict(zip(names, row, strict=True)) for row in rows[top + 1 :] if isinstance(row[0], int)]
