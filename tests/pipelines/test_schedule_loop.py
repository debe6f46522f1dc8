"""The schedule at work on a fake clock: a month end from due time to e-mail, and all that goes wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
import small_warehouse
from billing_warehouse import billed_hours, ms, organize
from fake_clock import FakeClock, Over
from mail_server import Box, mail_server, write_settings
from sqlalchemy import Engine

from pipelines import billing, schedule_loop
from pipelines.schedule_file import read_schedule
from pipelines.schedule_loop import Clock, Scheduler
from pipelines.schedule_overview import overview
from pipelines.schedule_work import Made
from warehouse import job_runs, leases, store
from warehouse.errors import Problem
from warehouse.store import open_warehouse

SERVICE = "svc-meter"
MONTH_END = """
[mail]
settings = "mail.toml"
[reports]
notebooks = false
[jobs.month_end]
kind = "billing"
days_after_end = 2
at = "06:00"
recipients = ["ann@example.com", "ben@example.com"]
"""
MIRROR = "[reports]\nnotebooks = false\n[jobs.mirror]\nkind = 'mirror'\ncron = '0 6 * * *'\n"
PEAKS = """
[mail]
settings = "mail.toml"
[reports]
notebooks = false
[jobs.peaks]
kind = "report"
report = "peak_demand"
cron = "0 6 * * *"
recipients = ["ann@example.com"]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with mail_server(tmp_path_factory.mktemp("mail")) as running:
        yield running


@pytest.fixture
def box(server: Box) -> Box:
    for list_ in (server.raw, server.envelopes, server.answers):
        list_.clear()
    server.refused.clear()
    return server


def scheduler(engine: Engine, folder: Path, clock: FakeClock, name: str = "one", **more: Any) -> Scheduler:
    said: list[str] = []
    made = Scheduler(
        engine,
        load=lambda: read_schedule(folder / "schedule.toml"),
        clock=Clock(clock.now_ms, clock.sleep),
        actor=SERVICE,
        holder=name,
        say=said.append,
        **more,
    )
    made.said = said
    return made


def write(folder: Path, text: str, box: Box | None = None) -> None:
    (folder / "schedule.toml").write_text(text, encoding="utf-8")
    if box:
        write_settings(folder, box)


def does(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object] = lambda: None) -> list[int]:
    """Let every job do this instead of its own work; return the moments for which it was done."""
    done: list[int] = []

    def work(_bench: object, _job: object, due_ms: int) -> Made:
        done.append(due_ms)
        act()
        return Made("It is done", ("It was done.",), (("peak", "40"),), ("Read it.",))

    monkeypatch.setattr(schedule_loop, "work", work)
    return done


def enroll(engine: Engine, *heard: str | None) -> None:
    """Enroll agents that were last heard at these moments."""
    agents = [
        {"id": f"a{place}", "host_id": 1, "version": "1", "system": "x",
         "enrolled_ms": ms("2026-08-01 00:00"), "last_heard_ms": ms(moment) if moment else None}
        for place, moment in enumerate(heard)
    ]  # fmt: skip
    store.append(engine, "agent", pl.DataFrame(agents, schema_overrides={"last_heard_ms": pl.Int64}))


# --- A month end -------------------------------------------------------------------------------------------


def test_a_month_end_goes_by_itself_from_due_time_to_e_mail(engine: Engine, tmp_path: Path, box: Box) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-09-08"])
    enroll(engine, "2026-10-01 08:00", "2026-10-02 03:00")
    write(tmp_path, MONTH_END, box)
    clock = FakeClock("2026-10-01 18:00", "2026-10-02 09:00")
    with pytest.raises(Over):
        scheduler(engine, tmp_path, clock).forever()

    run = job_runs.newest(engine)["month_end"]
    # Two days after 30 September, at 06:00 in Berlin.
    assert (run.due_ms, run.status, run.attempts) == (ms("2026-10-02 04:00"), "done", 1)
    draft = billing.show(engine, "2026-09/1")
    assert (draft["status"], draft["prepared_by"], draft["billed_minor"]) == (
        "draft",
        SERVICE,
        {"EUR": 18_000},
    )
    (mail,) = box.mails()
    assert box.envelopes == [("meter@example.com", ["ann@example.com", "ben@example.com"])]
    assert mail["Subject"] == "billing draft 2026-09/1, 180.00 EUR"
    body = mail.get_body(("plain",))
    assert body
    text = body.get_content().replace("\r\n", "\n")
    assert text.startswith("Fiscal period 2026-09 has ended. Its draft is run 2026-09/1.\n\n")
    assert "The period is complete: all 2 agents have been heard since its end" in text
    assert "billed             180.00 EUR\n" in text
    assert "Somebody else than svc-meter approves it, a person closes it; no schedule does." in text
    (workbook,) = mail.iter_attachments()
    assert workbook.get_filename() == "2026-09-1.xlsx"
    sheets = openpyxl.load_workbook(BytesIO(workbook.get_content())).sheetnames
    assert sheets[:3] == ["Run", "Summary", "Charges"]
    events = store.read(engine, "SELECT actor, action, subject FROM audit_event ORDER BY id").rows()
    assert (SERVICE, "billing draft", "2026-09/1") in events
    assert events[-1] == (SERVICE, "billing mail", "2026-09/1")

    # A second loop, on another machine and a day later, does nothing.
    clock.set("2026-10-03 12:00")
    assert scheduler(engine, tmp_path, clock, "two").once().ran == []
    assert len(box.raw) == 1
    (row,) = overview(engine, read_schedule(tmp_path / "schedule.toml"), clock.now_ms())
    assert (row["status"], row["last_due"]) == ("done", "2026-10-02T06:00:00+02:00")
    assert row["next_due"] == "2026-11-02T06:00:00+01:00"


def test_a_period_that_is_not_complete_is_drafted_and_says_so(
    engine: Engine, tmp_path: Path, box: Box
) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    enroll(engine, "2026-10-01 08:00", "2026-09-21 03:00", None)
    write(tmp_path, MONTH_END, box)
    clock = FakeClock("2026-10-01 12:00")
    scheduler(engine, tmp_path, clock).once()
    clock.set("2026-10-02 04:00")
    (run,) = scheduler(engine, tmp_path, clock).once().ran
    assert run.status == "done"
    (mail,) = box.mails()
    assert mail["Subject"] == "NOT COMPLETE: billing draft 2026-09/1, 90.00 EUR"
    body = mail.get_body(("plain",))
    assert body
    assert "of 3 agents 2 have not been heard since its end. Draft it again" in body.get_content()


def test_a_run_that_people_went_on_with_is_left_as_it_is_and_sent(
    engine: Engine, tmp_path: Path, box: Box
) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    write(tmp_path, MONTH_END, box)
    clock = FakeClock("2026-10-01 12:00")
    scheduler(engine, tmp_path, clock).once()
    billing.draft(engine, "2026-09", "generic", "pat", ms("2026-10-01 14:00"))
    clock.set("2026-10-02 04:00")
    assert [run.status for run in scheduler(engine, tmp_path, clock).once().ran] == ["done"]
    shown = billing.show(engine, "2026-09/1")
    assert (shown["prepared_by"], shown["status"]) == ("pat", "draft")
    body = box.mails()[0].get_body(("plain",))
    assert body
    assert "Run 2026-09/1 of it is draft." in body.get_content()


# --- A report ----------------------------------------------------------------------------------------------


def test_a_report_is_run_kept_and_sent_with_its_figures(engine: Engine, tmp_path: Path, box: Box) -> None:
    small_warehouse.fill(engine)
    parameters = "[jobs.peaks.parameters]\nstart = '@last_week'\nend = '@this_week'\n"
    write(tmp_path, f"{PEAKS}formats = ['html', 'xlsx']\n{parameters}", box)
    clock = FakeClock("2026-10-11 12:00")
    scheduler(engine, tmp_path, clock).once()
    clock.set("2026-10-12 04:00")
    (run,) = scheduler(engine, tmp_path, clock).once().ran
    assert (run.status, run.reason) == ("done", None)
    folder = tmp_path / "reports" / "peak_demand" / "20261012T040000Z"
    assert {path.suffix for path in folder.iterdir()} == {".html", ".ipynb", ".json", ".xlsx"}
    (mail,) = box.mails()
    body = mail.get_body(("plain",))
    assert body
    text = body.get_content().replace("\r\n", "\n")
    assert "It was asked with start = 2026-10-05, end = 2026-10-12." in text
    assert "peak              40\n" in text
    files = {part.get_filename(): part for part in mail.iter_attachments()}
    assert sorted(files) == ["peak_demand.html", "peak_demand.xlsx"]
    sheet = openpyxl.load_workbook(BytesIO(files["peak_demand.xlsx"].get_content()))["Key figures"]
    assert ("peak", 40) in list(sheet.iter_rows(values_only=True, max_col=2))


# --- Mail that does not go ---------------------------------------------------------------------------------


def test_while_the_mail_server_is_down_the_outcome_is_kept_and_only_its_delivery_is_tried_again(
    engine: Engine, tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    organize(engine)
    done = does(monkeypatch)
    write(tmp_path, PEAKS, box)
    settings = tmp_path / "mail.toml"
    right = settings.read_text()
    clock = FakeClock("2026-10-01 12:00")
    scheduler(engine, tmp_path, clock).once()
    settings.write_text(right.replace(f"port = {box.port}", "port = 1"))
    clock.set("2026-10-02 04:00")
    first = scheduler(engine, tmp_path, clock).once()
    (failed,) = first.failed
    assert "it is made, and could not be mailed: the mail server localhost:1 took no mail" in (
        failed.reason or ""
    )
    assert first.next_ms == clock.ms + 60_000
    assert job_runs.newest(engine)["peaks"].result["made"]["figures"] == [["peak", "40"]]
    clock.ms += 60_000
    assert scheduler(engine, tmp_path, clock).once().next_ms == clock.ms + 5 * 60_000
    settings.write_text(right)
    clock.ms += 5 * 60_000
    assert [run.status for run in scheduler(engine, tmp_path, clock).once().ran] == ["done"]
    assert (len(done), len(box.raw)) == (1, 1)


def test_who_refuses_gets_it_later_and_who_has_it_gets_it_once(
    engine: Engine, tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    organize(engine)
    does(monkeypatch)
    write(tmp_path, PEAKS.replace('["ann@example.com"]', '["ann@example.com", "ben@example.com"]'), box)
    box.refused["ben@example.com"] = "450 4.2.2 mailbox full"
    clock = FakeClock("2026-10-01 12:00")
    scheduler(engine, tmp_path, clock).once()
    clock.set("2026-10-02 04:00")
    (failed,) = scheduler(engine, tmp_path, clock).once().failed
    assert "could not be mailed to ben@example.com: 450 4.2.2 mailbox full" in (failed.reason or "")
    box.refused.clear()
    clock.ms += 60_000
    scheduler(engine, tmp_path, clock).once()
    assert [to for _, to in box.envelopes] == [["ann@example.com"], ["ben@example.com"]]
    assert len({mail["Message-ID"] for mail in box.mails()}) == 1


# --- Jobs that fail ----------------------------------------------------------------------------------------


def test_a_failure_is_tried_four_times_and_told_once_with_its_reason(
    engine: Engine, tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    organize(engine)

    def fail() -> None:
        raise Problem("rates 3 and 4 collide", "end one of them")

    done = does(monkeypatch, fail)
    write(tmp_path, PEAKS, box)
    clock = FakeClock("2026-10-01 12:00", "2026-10-02 05:30")
    loop = scheduler(engine, tmp_path, clock)
    with pytest.raises(Over):
        loop.forever()
    assert len(done) == 4
    row = job_runs.newest(engine)["peaks"]
    # At 04:00, and 1, 5 and 25 minutes after each failure.
    assert (row.status, row.attempts, row.started_ms) == ("failed", 4, ms("2026-10-02 04:31"))
    assert row.told_ms == ms("2026-10-02 04:31")
    (mail,) = box.mails()
    assert mail["To"] == "it@example.com"
    assert mail["Subject"] == "Scheduled job peaks failed: rates 3 and 4 collide; end one of them"


def test_a_bug_in_a_job_is_a_failure_like_any_other_and_shows_no_password(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    organize(engine)

    def fail() -> None:
        raise KeyError("postgresql://me:secret@host/meter\nsecond line")

    does(monkeypatch, fail)
    write(tmp_path, MIRROR)
    clock = FakeClock("2026-10-01 12:00")
    scheduler(engine, tmp_path, clock).once()
    clock.set("2026-10-02 04:00")
    (failed,) = scheduler(engine, tmp_path, clock).once().failed
    assert failed.reason == "KeyError: 'postgresql://host/meter\\nsecond line'"


def test_without_a_mail_server_a_final_failure_is_told_in_the_log_once(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    organize(engine)

    def fail() -> None:
        raise Problem("no room", "make some")

    does(monkeypatch, fail)
    write(tmp_path, MIRROR)
    clock = FakeClock("2026-10-01 12:00", "2026-10-02 12:00")
    loop = scheduler(engine, tmp_path, clock)
    with pytest.raises(Over):
        loop.forever()
    told = [line for line in loop.said if "given up" in line]
    assert told == [
        "mirror, due 2026-10-02 06:00 (Europe/Berlin): given up after 4 attempts: no room; make some"
    ]


def test_a_failure_nobody_could_be_told_of_is_told_when_the_mail_server_is_back(
    engine: Engine, tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    organize(engine)

    def fail() -> None:
        raise Problem("no room", "make some")

    does(monkeypatch, fail)
    write(tmp_path, PEAKS, box)
    right = (tmp_path / "mail.toml").read_text()
    (tmp_path / "mail.toml").write_text(right.replace(f"port = {box.port}", "port = 1"))
    clock = FakeClock("2026-10-01 12:00", "2026-10-02 05:00")
    with pytest.raises(Over):
        scheduler(engine, tmp_path, clock).forever()
    assert job_runs.newest(engine)["peaks"].told_ms is None
    (tmp_path / "mail.toml").write_text(right)
    scheduler(engine, tmp_path, clock).once()
    assert [mail["To"] for mail in box.mails()] == ["it@example.com"]
    assert job_runs.newest(engine)["peaks"].told_ms == clock.ms


def test_a_schedule_that_becomes_wrong_is_said_once_and_the_loop_goes_on_when_it_is_right(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    organize(engine)
    done = does(monkeypatch)
    write(tmp_path, MIRROR)
    clock = FakeClock("2026-10-01 12:00", "2026-10-02 12:00")
    loop = scheduler(engine, tmp_path, clock)
    slept = clock.sleep

    def sleep(seconds: float) -> None:
        slept(seconds)
        wrong = ms("2026-10-01 14:00") <= clock.ms < ms("2026-10-01 20:00")
        write(tmp_path, MIRROR.replace("0 6", "0 66") if wrong else MIRROR)

    loop.clock = Clock(clock.now_ms, sleep)
    with pytest.raises(Over):
        loop.forever()
    complaints = [line for line in loop.said if "cannot be kept" in line]
    assert len(complaints) == 1
    assert "jobs.mirror.cron" in complaints[0]
    assert done == [ms("2026-10-02 04:00")]


def test_a_schedule_that_is_wrong_from_the_start_runs_nothing(engine: Engine, tmp_path: Path) -> None:
    organize(engine)
    write(tmp_path, MIRROR.replace("0 6", "0 66"))
    with pytest.raises(Problem, match=r"jobs.mirror.cron: '0 66 \* \* \*' is no cron text"):
        scheduler(engine, tmp_path, FakeClock("2026-10-01 12:00")).forever()
    assert job_runs.newest(engine) == {}


# --- One at a time, and processes that die -----------------------------------------------------------------


def test_of_two_schedulers_at_once_one_runs_what_is_due(
    both_urls: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = [open_warehouse(both_urls) for _ in range(2)]
    organize(engines[0])
    done = does(monkeypatch, lambda: time.sleep(0.3))
    write(tmp_path, MIRROR)
    clock = FakeClock("2026-10-01 12:00")
    scheduler(engines[0], tmp_path, clock).once()
    clock.set("2026-10-02 04:00")
    together, found = threading.Barrier(2), []

    def look(number: int) -> None:
        mine = scheduler(engines[number], tmp_path, clock, f"machine {number}")
        together.wait()
        found.append(mine.once())

    threads = [threading.Thread(target=look, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [ms("2026-10-02 04:00")]
    assert sorted(len(each.ran) for each in found) == [0, 1]
    assert job_runs.newest(engines[0])["mirror"].status == "done"
    assert leases.held(engines[0], "schedule") is None
    for engine in engines:
        engine.dispose()


def test_a_lease_is_renewed_while_a_long_job_runs(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    organize(engine)
    clock = FakeClock("2026-10-01 12:00")
    rivals: list[bool] = []

    def ten_minutes() -> None:
        for _ in range(10):
            clock.ms += 60_000
            before = leases.held(engine, "schedule")
            give_up_at = time.monotonic() + 60
            while leases.held(engine, "schedule") == before:  # the renewing thread sees the new time
                assert time.monotonic() < give_up_at, "the lease was not renewed"
                time.sleep(0.005)
            rivals.append(leases.take(engine, "schedule", "rival", clock.ms, 1))

    does(monkeypatch, ten_minutes)
    write(tmp_path, MIRROR)
    scheduler(engine, tmp_path, clock).once()
    clock.set("2026-10-02 04:00")
    (run,) = scheduler(engine, tmp_path, clock, renew_seconds=0.01).once().ran
    assert (run.status, rivals) == ("done", [False] * 10)


def test_who_was_overtaken_while_it_stood_still_changes_and_sends_nothing(
    engine: Engine, tmp_path: Path, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    organize(engine)
    clock = FakeClock("2026-10-01 12:00")
    slept, others = [], []

    def stand_still() -> None:
        if not slept:
            slept.append(600_000)  # as a machine does with its lid closed
            clock.ms += slept[0]
            others.append(scheduler(engine, tmp_path, clock, "two").once())

    done = does(monkeypatch, stand_still)
    write(tmp_path, PEAKS, box)
    scheduler(engine, tmp_path, clock).once()
    clock.set("2026-10-02 04:00")
    found = scheduler(engine, tmp_path, clock, renew_seconds=3600).once()
    assert (found.ran, found.other) == ([], "another process")
    assert [[run.status for run in each.ran] for each in others] == [["done"]]
    assert (len(done), len(box.raw)) == (2, 1)
    row = job_runs.newest(engine)["peaks"]
    assert (row.status, row.attempts) == ("done", 2)


KILLED = """
import sys, time
from pathlib import Path
from pipelines import schedule_loop
from pipelines.schedule_file import read_schedule
from pipelines.schedule_loop import Clock, Scheduler
from warehouse.store import open_warehouse
schedule_loop.work = lambda *_: (print("working", flush=True), time.sleep(60))
clock = Clock(lambda: int(sys.argv[3]), time.sleep)
load = lambda: read_schedule(Path(sys.argv[2]))
Scheduler(open_warehouse(sys.argv[1]), load, clock, "svc", "killed", print).once()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
def test_what_a_killed_process_left_is_taken_over_when_its_lease_has_run_out(
    warehouse_url: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    organize(engine)
    write(tmp_path, MIRROR)
    clock = FakeClock("2026-10-01 12:00")
    scheduler(engine, tmp_path, clock).once()
    clock.set("2026-10-02 04:00")
    arguments = [warehouse_url, str(tmp_path / "schedule.toml"), str(clock.ms)]
    child = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    assert child.stdout.readline() == "working\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert job_runs.newest(engine)["mirror"].status == "running"

    done = does(monkeypatch)
    assert scheduler(engine, tmp_path, clock).once().other == "killed"
    clock.ms += 120_000
    loop = scheduler(engine, tmp_path, clock)
    assert [run.status for run in loop.once().ran] == ["done"]
    assert loop.said == [
        "mirror: the process that ran it ended in the middle",
        "mirror: done",
    ]
    row = job_runs.newest(engine)["mirror"]
    assert (done, row.status, row.attempts) == ([ms("2026-10-02 04:00")], "done", 2)


def test_a_loop_that_is_ended_in_the_middle_of_a_job_says_so_and_gives_its_lease_back(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    organize(engine)

    def stop() -> None:
        raise SystemExit(0)

    does(monkeypatch, stop)
    write(tmp_path, MIRROR)
    clock = FakeClock("2026-10-01 12:00")
    scheduler(engine, tmp_path, clock).once()
    clock.set("2026-10-02 04:00")
    with pytest.raises(SystemExit):
        scheduler(engine, tmp_path, clock).once()
    row = job_runs.newest(engine)["mirror"]
    assert (row.status, row.reason) == ("failed", "it was stopped in the middle")
    assert leases.held(engine, "schedule") is None


def test_mirror_and_retain_do_their_work(engine: Engine, tmp_path: Path) -> None:
    small_warehouse.fill(engine)
    write(tmp_path, MIRROR + "[jobs.retain]\nkind = 'retain'\ncron = '0 6 * * *'\n")
    clock = FakeClock("2026-10-10 12:00")
    scheduler(engine, tmp_path, clock).once()
    clock.set("2026-10-11 04:00")
    found = scheduler(engine, tmp_path, clock).once()
    assert [(run.job, run.status) for run in found.ran] == [("mirror", "done"), ("retain", "done")]
    assert found.ran[0].result["made"]["figures"] == [("segments in the mirror", "260")]
    assert found.ran[1].result["made"]["says"] == ["Nothing is older than it is kept for."]
