"""`process-meter schedule`: what is listed, what is run, and one line for what is wrong."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

import pytest
from billing_warehouse import organize
from mail_server import mail_server, write_settings
from sqlalchemy import Engine

from apps import cli
from apps.commands import schedule as commands
from apps.identity import operating_system_identity
from pipelines import schedule_loop
from pipelines.schedule_work import Bench, Made
from warehouse.errors import Problem

MIRROR = '[reports]\nnotebooks = false\n[jobs.mirror]\nkind = "mirror"\ncron = "* * * * *"\n'


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run one command in this process; return exit code, stdout and stderr."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["process-meter", "schedule", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.fixture
def place(engine: Engine, tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a schedule, an organization, and the environment that names both."""
    organize(engine)
    path = tmp_path / "schedule.toml"
    path.write_text(MIRROR, encoding="utf-8")
    monkeypatch.setenv("PROCESS_METER_WAREHOUSE", warehouse_url)
    monkeypatch.setenv("PROCESS_METER_SCHEDULE", str(path))
    return tmp_path


def at(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let the commands believe that it is some moment, UTC."""
    moment = datetime.fromisoformat(f"{text}+00:00")
    monkeypatch.setattr(commands, "now_ms", lambda: round(moment.timestamp() * 1000))


def test_what_is_due_is_done_once_by_the_account_that_runs_it_and_listed(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    actors = []

    def work(bench: Bench, *_: object) -> Made:
        actors.append(bench.actor)
        return Made("done")

    monkeypatch.setattr(schedule_loop, "work", work)
    at(monkeypatch, "2026-10-02 04:00:30")
    assert run(capsys, "run", "--once") == (0, "Nothing is due.\n", "")
    at(monkeypatch, "2026-10-02 04:01:10")
    assert run(capsys, "run", "--once") == (0, "", "mirror: done\n")
    assert run(capsys, "run", "--once") == (0, "Nothing is due.\n", "")
    assert actors == [operating_system_identity()]
    assert run(capsys, "list") == (
        0,
        "mirror  2026-10-02 06:02  * * * * *\n        done for 2026-10-02 06:01\n",
        "",
    )
    code, out, _ = run(capsys, "list", "--json")
    (row,) = json.loads(out)
    assert (code, row["job"], row["next_due"]) == (0, "mirror", "2026-10-02T06:02:00+02:00")


def test_a_job_that_failed_makes_the_command_fail_and_says_when_it_is_tried_again(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Made:
        raise Problem("no room", "make some")

    monkeypatch.setattr(schedule_loop, "work", fail)
    at(monkeypatch, "2026-10-02 04:00:30")
    run(capsys, "run", "--once")
    at(monkeypatch, "2026-10-02 04:01:10")
    assert run(capsys, "run", "--once") == (1, "", "mirror: failed: no room; make some\n")
    _, out, _ = run(capsys, "list")
    assert "failed for 2026-10-02 06:01: no room; make some; again at 2026-10-02 06:02" in out


def test_before_the_first_run_nothing_ran_and_what_was_deleted_is_still_listed(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, "2026-10-02 04:00:30")
    assert "never ran" in run(capsys, "list")[1]
    run(capsys, "run", "--once")
    (place / "schedule.toml").write_text("[reports]\nnotebooks = false\n", encoding="utf-8")
    assert run(capsys, "list")[1] == (
        "mirror  not scheduled any more  \n"
        "        skipped for 2026-10-02 06:00: the schedule begins here: what was due before is not run\n"
        f"Nothing is scheduled: write jobs into {place / 'schedule.toml'}, as docs/schedule.md shows.\n"
    )


def test_a_job_whose_periods_are_over_says_how_it_gets_further_ones(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "schedule.toml").write_text(
        '[reports]\nnotebooks = false\n[jobs.month_end]\nkind = "billing"\ndays_after_end = 2\nat = "06:00"',
        encoding="utf-8",
    )
    at(monkeypatch, "2026-09-15 04:00:00")
    assert run(capsys, "list")[1].startswith("month_end  2026-10-02 06:00")
    at(monkeypatch, "2030-01-01 04:00:00")
    due, _, remedy = run(capsys, "list")[1].splitlines()
    assert due.startswith("month_end  nothing ahead")
    assert remedy == (
        "month_end: no fiscal period is left to end. Import more: `process-meter calendar import FILE`"
    )


def test_a_wrong_schedule_is_one_line_that_names_job_and_key(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "schedule.toml").write_text(MIRROR.replace("* * * * *", "often"), encoding="utf-8")
    said = (
        "process-meter: schedule.toml, jobs.mirror.cron: 'often' is no cron text: it has 1 fields, not 5; "
        "write minute, hour, day, month and weekday, as 0 6 1 * *\n"
    )
    for arguments in (["list"], ["run"], ["run", "--once"]):
        assert run(capsys, *arguments) == (1, "", said)


def test_a_test_mail_goes_to_a_real_server_and_to_nobody_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with mail_server(tmp_path, "none") as box:
        settings = write_settings(tmp_path, box, "none")
        sent = run(capsys, "test-mail", str(settings), "ann@example.com")
        assert sent == (0, "The mail server has taken a message for ann@example.com.\n", "")
        assert box.envelopes == [("meter@example.com", ["ann@example.com"])]
        code, _, said = run(capsys, "test-mail", str(settings), "ann")
        assert (code, "'ann' is no e-mail address" in said) == (1, True)


def test_units_are_written_for_the_program_that_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "units", str(tmp_path))
    assert (code, len(out.splitlines())) == (0, 3)
    program = Path("process-meter").resolve()
    text = (tmp_path / "process-meter-schedule.service").read_text(encoding="utf-8")
    assert f"ExecStart={program} schedule run\n" in text
