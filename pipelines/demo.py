"""The demo: a sample organization, and this very machine metered beside it, from the first row to the bill.

The choreography only. Everything lies in one folder, which `make clean` erases; a second run finds the sample
there, changes nothing that is closed, and executes the reports anew.
"""

from __future__ import annotations

import signal
import time
import webbrowser
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType

import polars as pl
from sqlalchemy import Engine

from pipelines import billing, this_machine
from pipelines.children import LOOPBACK, Child, Children, answers, command_line, is_free, wait_until
from pipelines.demo_home import Home, make_sample, open_sample, plan_now, sample_settings
from pipelines.exporting import export
from pipelines.local_programs import found_here
from pipelines.reports import ReportResult, run_report
from pipelines.sample import bills
from pipelines.sample.plan import Plan
from pipelines.telling import Teller
from pipelines.workbook import write_workbook
from warehouse import frames
from warehouse.errors import Problem
from warehouse.store import open_warehouse

REPORTS = ("peak_demand", "utilization", "unused_licenses", "e2p_charges")
"""The longest ones come first: two run at a time."""
REPORTS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Made:
    """What a run made: the reports, and the files of the bill."""

    run: str
    reports: dict[str, ReportResult]
    bills: list[Path]


def run_demo(  # noqa: PLR0913  the options of one command
    home: Path,
    *,
    port: int,
    serve: bool,
    browser: bool,
    approver: str,
    plan: Plan | None = None,
    teller: Teller | None = None,
) -> None:
    """Make the sample, meter this machine, run the reports, close a bill, and serve the screens.

    Parameters
    ----------
    home
        Folder that holds everything the demo makes.
    port
        Port of the screens on the loopback address.
    serve
        Serve until interrupted; else list the files that were made and return.
    browser
        Whether to open the start page.
    approver
        The operating-system identity, which approves and closes the bills.
    plan
        How much of the sample is made where there is none yet; everything by default.
    teller
        Who says how far it has come.

    Raises
    ------
    Problem
        The port is taken, the folder is in use or holds something else, or a part failed.
    """
    tell = teller or Teller()
    place = Home(home.absolute())
    if serve and not is_free(port):
        raise Problem(
            f"port {port} of {LOOPBACK} is taken", "stop the other program or choose another one with --port"
        )
    place.prepare()
    with _ended_by_a_signal(), Children(place.folder / "running.json", place.folder / "logs") as children:
        _provide_sample(place, plan, approver, tell)
        agent = _meter_this_machine(place, children, tell)
        made = _make(place, approver, tell)
        _say_what_was_metered(place, agent, tell)
        if serve:
            base = _serve(place, children, port, tell)
            _say_links(place, base, made, tell)
            _wait(place, children, base if browser else "", tell)
        else:
            _list_files(place, made, tell)


@contextmanager
def _ended_by_a_signal() -> Iterator[None]:
    """Treat the system's request to end like a Ctrl-C, so that the children end too."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


# --- The sample --------------------------------------------------------------------------------------------


def _provide_sample(home: Home, plan: Plan | None, approver: str, tell: Teller) -> None:
    if home.warehouse.exists():
        with tell.step("sample organization found"):
            engine = open_sample(home)
            made_on = sample_settings(engine)["made_on"]
            engine.dispose()
        tell.note(f"made on {made_on}; after `make clean` the next run makes one that ends then")
        return
    with tell.step("sample organization made and loaded") as update:
        loaded = make_sample(home, plan or plan_now(_now_ms()), approver, update)
    tell.note(f"Meridian Engineering, invented: {loaded.sessions:,} sessions in {loaded.segments:,} segments")


# --- This machine ------------------------------------------------------------------------------------------


def _meter_this_machine(home: Home, children: Children, tell: Teller) -> Child:
    programs = found_here()
    names = ", ".join(program.name for program in programs) or "none of the common programs is here"
    tell.note(f"On this machine the demo meters, until it ends: {names}")
    tell.note("Recorded: which of them runs, and when it gets input. Never titles, files or key strokes.")
    with tell.step("manager started"):
        manager = this_machine.start_manager(home, children)
    with tell.step("agent enrolled and started"):
        this_machine.apply_policy(home, programs)
        return this_machine.start_agent(home, children, manager)


def _say_what_was_metered(home: Home, agent: Child, tell: Teller) -> None:
    agent.require_alive()
    now = datetime.now(UTC)
    engine = open_warehouse(home.url)
    sessions = frames.sessions(engine, now - timedelta(days=1), now).filter(pl.col("source") == "agent")
    found = sessions.select("application").collect()["application"].unique().sort().to_list()
    engine.dispose()
    if found:
        tell.note(f"Seen on this machine so far: {', '.join(found)}")
    else:
        tell.note("Nothing of that ran on this machine so far: start one, and look at the live screen")


# --- Bills and reports -------------------------------------------------------------------------------------


def _make(home: Home, approver: str, tell: Teller) -> Made:
    """Close last month's bill first: a report tells about it."""
    engine = open_warehouse(home.url)
    try:
        with tell.step("last month's bill drafted, disputed, approved and closed"):
            # The sample's last month: a sample that has grown old holds no evidence of a later one.
            made_on = date.fromisoformat(sample_settings(engine)["made_on"])
            run, is_new = bills.close_last_month(engine, made_on, approver, _now_ms())
        if not is_new:
            tell.note(f"run {run} was closed before, and stays as it is")
        with tell.step(f"{len(REPORTS)} reports executed"):
            reports = _run_reports(home)
        with tell.step("workbooks and import files of the closed bills written"):
            files = _write_bills(home, engine, approver)
        with tell.step("chain of closed bills verified"):
            _require_unchanged(engine)
    finally:
        engine.dispose()
    return Made(run, reports, files)


def _run_reports(home: Home) -> dict[str, ReportResult]:
    def execute(name: str) -> ReportResult:
        return run_report(name, {}, out=home.reports, url=home.url)

    pool = ThreadPoolExecutor(REPORTS_AT_ONCE)
    try:
        return dict(zip(REPORTS, pool.map(execute, REPORTS), strict=True))
    finally:
        pool.shutdown(cancel_futures=True)


def _write_bills(home: Home, engine: Engine, actor: str) -> list[Path]:
    """Write a workbook and an import file for every closed run, unless they are there: neither can change."""
    files = []
    for run in [row["run"] for row in billing.show(engine)["runs"] if row["status"] == "closed"]:
        name = run.replace("/", "-")
        workbook, generic = (home.bills / f"{name}{ending}" for ending in (".xlsx", "-generic.csv"))
        if not workbook.exists():
            write_workbook(engine, run, workbook, actor, _now_ms())
        if not generic.exists():
            export(engine, run, bills.TARGET, generic, actor, _now_ms())
        files += [workbook, generic]
    return files


def _require_unchanged(engine: Engine) -> None:
    changed = billing.verify(engine)
    if changed:
        raise Problem(f"a closed bill was changed: {changed[0]}", "erase the demo with `make clean`")


# --- What to look at ---------------------------------------------------------------------------------------


def _list_files(home: Home, made: Made, tell: Teller) -> None:
    pages = [path for result in made.reports.values() for path in (result.notebook, result.html) if path]
    tell.say()
    tell.say(f"Done in {tell.elapsed_seconds:.0f} s. Made in {home.folder}:")
    for path in [home.warehouse, *pages, *made.bills]:
        tell.say(f"  {path.relative_to(home.folder)}  ({_size(path)})")


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def _serve(home: Home, children: Children, port: int, tell: Teller) -> str:
    command = command_line("apps", "serve", "--port", str(port), "--warehouse", home.url)
    with tell.step("screens started"):
        # The screens lead to the reports in their working folder.
        screens = children.start("screens", command, cwd=home.folder)
        wait_until(screens, lambda: answers(port), "answering")
    return f"http://{LOOPBACK}:{port}/"


def _wait(home: Home, children: Children, page: str, tell: Teller) -> None:
    """Open the page, if any, and wait for a Ctrl-C, or for a child that ends by itself."""
    try:
        if page:
            webbrowser.open(page)
        while True:
            for child in children.started:
                child.require_alive()
            time.sleep(0.5)
    except KeyboardInterrupt:
        tell.say(f"\nEnded. Everything stays in {home.folder} until `make clean`.")


def _say_links(home: Home, base: str, made: Made, tell: Teller) -> None:
    """Say for each kind of reader where to look, and for what."""
    notebook = made.reports["utilization"].notebook
    peaks = made.reports["peak_demand"]
    page = (peaks.html or peaks.notebook).relative_to(home.folder).as_posix()
    workbook = next(path for path in made.bills if path.name.startswith(made.run.replace("/", "-")))
    readers = (
        ("Executive", base, "renewals and the money at risk, coverage, the last bill"),
        (
            "License manager",
            f"{base}overview",
            "use and peaks: a suite bought too large, hydraulics too small",
        ),
        ("  its report", f"{base}{page}", "peak demand, with everything it rests on"),
        ("Project manager", f"{base}#billing", "what each payer is billed, and what is on hold"),
        ("Accountant", str(workbook), "the bill: adjustments of a late laptop, a disputed line, the tie-out"),
        ("Analyst", str(notebook), "an executed notebook; `jupyter lab` opens it, and its template"),
        ("Everyone", f"{base}#you", "what is recorded about you"),
        ("  and now", f"{base}live", "this machine: start a program, type, leave it, close it"),
    )
    tell.say()
    tell.say(f"Ready after {tell.elapsed_seconds:.0f} s. Ctrl-C ends everything. Look at:")
    for reader, link, what in readers:
        tell.say(f"  {reader:17}{link}\n{'':19}{what}")
