"""The demo from its first row to its last line, on a small sample; and what can be in its way."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.request import urlopen

import polars as pl
import psutil
import pytest
from drafted_run import copied, events, file_of
from sqlalchemy import Engine

from collector.manager.policy_file import parse
from pipelines import billing, budgets, this_machine
from pipelines.children import free_port
from pipelines.demo import run_demo
from pipelines.demo_home import Home, make_sample, open_sample, sample_settings
from pipelines.local_programs import PROGRAMS
from pipelines.sample import bills
from pipelines.sample.load import load
from pipelines.sample.plan import HOUR_MS, Plan, instant_ms
from pipelines.sample.projects import AGREED
from warehouse import frames
from warehouse.errors import Problem
from warehouse.store import upgrade

TODAY = date(2026, 11, 24)
TINY = Plan(today=TODAY, until_ms=instant_ms(TODAY) + 15 * HOUR_MS, people=14, months=3, earlier_months=0)


def _silent(_step: str, _share: float) -> None:
    pass


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path / "demo")
    found.prepare()
    return found


# --- The whole demo ----------------------------------------------------------------------------------------

DEMO = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from pipelines.demo import run_demo
from pipelines.sample.plan import Plan
today = datetime.now(UTC).date()
plan = Plan(today=today, people=14, months=3, earlier_months=0)
home, port, serve = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "serve"
run_demo(home, port=port, serve=serve, browser=False, approver="root", plan=plan)
"""


def _demo(home: Path, port: int, how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", DEMO, str(home), str(port), how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _lines_until(process: subprocess.Popen[str], word: str, seconds: float = 240) -> list[str]:
    assert process.stdout is not None
    lines: list[str] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not any(word in line for line in lines):
        line = process.stdout.readline()
        assert line or process.poll() is None, "".join(lines)
        lines.append(line)
    return lines


@pytest.mark.timeout(900)
def test_demo_serves_until_ctrl_c_and_a_second_run_harms_nothing(tmp_path: Path) -> None:
    home, port = tmp_path / "demo", free_port()
    with _demo(home, port, "serve") as first:
        said = "".join(_lines_until(first, "what is recorded about you"))
        assert "Ready after" in said
        for link in ("", "overview", "live"):
            with urlopen(f"http://127.0.0.1:{port}/{link}") as page:
                assert page.status == 200
        children = [psutil.Process(pid) for pid, _ in json.loads((home / "running.json").read_text())[1:]]
        assert len(children) == 3
        first.send_signal(signal.SIGINT)
        rest, _ = first.communicate(timeout=120)
    assert "Ended. Everything stays in" in rest
    assert first.returncode == 0
    assert [child for child in children if child.is_running()] == []
    before = {path: path.read_bytes() for path in (home / "bills").glob("*.csv")}

    with _demo(home, port, "list") as second:
        said, _ = second.communicate(timeout=240)
    assert second.returncode == 0, said
    assert "was closed before, and stays as it is" in said
    assert "warehouse.sqlite" in said
    assert said.count(".ipynb") == said.count(".html") == 4
    assert {path: path.read_bytes() for path in (home / "bills").glob("*.csv")} == before
    assert len(list((home / "reports" / "utilization").iterdir())) == 2
    assert not (home / "running.json").exists()


# --- The sample in its folder ------------------------------------------------------------------------------


def test_sample_is_there_whole_and_says_what_it_is(home: Home) -> None:
    loaded = make_sample(home, TINY, "root", _silent)
    engine = open_sample(home)
    assert sample_settings(engine) == {"made_on": "2026-11-24", "seed": 2026, "people": 14}
    with sqlite3.connect(home.warehouse) as raw:
        assert raw.execute("SELECT count(*) FROM segment").fetchone() == (loaded.segments,)
    raw.close()
    engine.dispose()
    assert not (home.folder / "loading").exists()


def test_an_interrupted_sample_is_made_anew(home: Home) -> None:
    def interrupt(step: str, _share: float) -> None:
        if step == "segments":
            raise KeyboardInterrupt

    home.agent.mkdir()
    with pytest.raises(KeyboardInterrupt):
        make_sample(home, TINY, "root", interrupt)
    assert not home.warehouse.exists()
    make_sample(home, TINY, "root", _silent)
    open_sample(home).dispose()
    assert not home.agent.exists()


def test_a_warehouse_of_somebody_else_is_left_alone(home: Home) -> None:
    upgrade(home.url).dispose()
    with pytest.raises(Problem, match="not the demo's sample; name another folder with --home"):
        open_sample(home)


def test_a_file_that_is_no_warehouse_is_left_alone(home: Home) -> None:
    home.warehouse.write_text("my notes")
    with pytest.raises(Problem, match=r"cannot be used: .*; name another folder with --home"):
        open_sample(home)
    assert home.warehouse.read_text() == "my notes"


def test_a_taken_port_is_one_line_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Problem, match=f"port {port} of 127.0.0.1 is taken; .*--port"):
            run_demo(tmp_path / "demo", port=port, serve=True, browser=False, approver="root")
    assert not (tmp_path / "demo").exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match="cannot be made: Not a directory; name another folder with --home"):
        Home(tmp_path / "file" / "demo").prepare()


# --- The bills ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def billed_file(tmp_path_factory: pytest.TempPathFactory, empty_warehouse: Path) -> Path:
    """A sample of 40 people whose last two bills were closed."""

    def filled(engine: Engine) -> None:
        plan = Plan(today=TODAY, until_ms=TINY.horizon_ms, people=40, months=3, earlier_months=0)
        load(engine, plan)
        bills.close_month_before_last(engine, plan, "root")
        assert bills.close_last_month(engine, TODAY, "root", plan.horizon_ms) == ("2026-10/1", True)

    return file_of(tmp_path_factory.mktemp("billed"), empty_warehouse, filled)


@pytest.fixture
def billed(billed_file: Path, tmp_path: Path) -> Iterator[Engine]:
    with copied(billed_file, tmp_path) as engine:
        yield engine


def test_last_months_bill_adjusts_the_month_before_and_holds_a_disputed_line(billed: Engine) -> None:
    runs = {run["run"]: run for run in billing.show(billed)["runs"]}
    assert [(run["status"], run["approved_by"]) for run in runs.values()] == [("closed", "root")] * 2
    assert {run["prepared_by"] for run in runs.values()} == {"service:sample-billing"}
    lines = frames.charge_lines(billed, "2026-10/1").collect()
    adjusted = lines.filter(pl.col("period_incurred") == "2026-09")
    assert adjusted.filter(pl.col("kind") == "reversal").height > 0
    assert adjusted.filter(pl.col("kind") != "reversal").height > 0
    held = lines.filter(pl.col("review") == "hold")
    # The line and the cap's line under which it is; two that were held before are released: their reversals.
    assert held["kind"].to_list() == ["usage", "cap", "reversal", "reversal"]
    assert sum(runs["2026-10/1"]["held_minor"].values()) == held["amount_minor"].sum()
    assert set(lines["currency"]) == {"USD", "EUR", "AUD"}
    assert billing.verify(billed) == []


def test_the_older_bill_was_disputed_held_written_off_transferred_waived_and_signed(billed: Engine) -> None:
    lines = frames.charge_lines(billed, "2026-09/1").drop_nulls("review").collect()
    assert sorted(lines["review"]) == ["accept", "hold", "hold", "writeoff"]
    assert set(lines.filter(pl.col("review") == "hold")["kind"]) == {"usage", "cap"}
    acts = Counter(action for _, action in events(billed))
    assert {name: acts[f"billing {name}"] for name in ("dispute", "transfer", "release")} == {
        "dispute": 2, "transfer": 1, "release": 2,
    }  # fmt: skip
    for run in ("2026-09/1", "2026-10/1"):
        assert {row["state"] for row in billing.sign_offs(billed, run)} == {"signed", "not needed"}
        dealt = {row["state"] for row in billing.exceptions(billed, run) if row["blocks"]}
        assert dealt == {"waived"}
    signed = [row for row in billing.sign_offs(billed, "2026-09/1") if row["state"] == "signed"]
    assert [row["by"] == "root" for row in signed] == [False] * (len(signed) - 1) + [True]
    released = frames.charge_lines(billed, "2026-10/1").filter(pl.col("note").str.contains("held line"))
    assert sorted(released.collect()["review"].to_list(), key=str) == [None, None, "hold", "hold"]


def test_projects_have_managers_and_some_a_budget(billed: Engine) -> None:
    projects = frames.projects(billed).collect()
    managed = projects.drop_nulls("manager_id")
    assert set(managed["client"]) == set(projects["client"].drop_nulls())
    assert managed["cost_center"].drop_nulls().is_empty()
    left = budgets.standing(billed, "2026-10/1").drop_nulls("budget_minor")
    assert set(left["project"]) == {number for number, (budget, _) in AGREED.items() if budget}
    assert (left["budget_left_minor"] > 0).any()


def test_a_closed_bill_stays_closed(billed: Engine) -> None:
    assert bills.close_last_month(billed, TODAY, "root", TINY.horizon_ms + HOUR_MS) == ("2026-10/1", False)


def test_period_names_go_back_over_new_year() -> None:
    assert bills.period_name(date(2027, 1, 3), -2) == "2026-11"


# --- The policy of this machine ----------------------------------------------------------------------------


def test_policy_of_this_machine_meters_the_sample_and_the_programs_found() -> None:
    found = [program for program in PROGRAMS if program.code in ("xterm", "libreoffice")]
    documents = parse(this_machine.policy_text(found), "policy.toml")
    metered = {row["code"]: row for row in documents["collection"]["applications"]}
    assert {"draftline-cad", "xterm", "libreoffice"} <= set(metered)
    assert metered["libreoffice"]["signatures"] == [{"executable": "soffice.bin"}, {"executable": "soffice"}]
    assert metered["draftline-cad"]["product"] == "draftline-suite"
    assert not metered["xterm"]["billed"]
