"""A job and a moment have one row; who lost it can no longer change it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

from warehouse import job_runs
from warehouse.job_runs import JobRun
from warehouse.retention import retain

DUE, NOW = 1_791_000_000_000, 1_791_000_004_500


def test_a_job_is_begun_noted_and_ended_once_for_a_moment(both_engines: Engine) -> None:
    run = job_runs.begin(both_engines, "peaks", DUE, {"when": "0 6 * * *"}, NOW)
    assert run == JobRun("peaks", DUE, "running", 1, NOW, None, None, {"when": "0 6 * * *"}, None)
    assert job_runs.begin(both_engines, "peaks", DUE, {}, NOW) is None
    assert job_runs.unsettled(both_engines) == [run]
    assert job_runs.note(both_engines, run, {"peak": 7})
    assert job_runs.end(both_engines, run, "done", None, NOW + 1)
    assert job_runs.newest(both_engines) == {
        "peaks": JobRun("peaks", DUE, "done", 1, NOW, NOW + 1, None, {"peak": 7}, None)
    }
    assert job_runs.unsettled(both_engines) == []
    assert job_runs.begin(both_engines, "peaks", DUE, {}, NOW) is None


def test_what_failed_is_begun_again_and_told_of_once(both_engines: Engine) -> None:
    first = job_runs.begin(both_engines, "peaks", DUE, {"when": "x"}, NOW)
    assert first
    job_runs.end(both_engines, first, "failed", "no data", NOW + 1)
    second = job_runs.begin(both_engines, "peaks", DUE, {"when": "y"}, NOW + 2)
    assert second == JobRun("peaks", DUE, "running", 2, NOW + 2, None, "no data", {"when": "x"}, None)
    job_runs.end(both_engines, second, "failed", "still none", NOW + 3)
    (failed,) = job_runs.unsettled(both_engines)
    assert (failed.attempts, failed.reason, failed.told_ms) == (2, "still none", None)
    job_runs.told(both_engines, failed, NOW + 4)
    assert job_runs.unsettled(both_engines) == []
    assert job_runs.newest(both_engines)["peaks"].told_ms == NOW + 4


def test_an_attempt_that_was_taken_over_changes_nothing_any_more(engine: Engine) -> None:
    slow = job_runs.begin(engine, "peaks", DUE, {}, NOW)
    assert slow
    job_runs.end(engine, slow, "failed", "taken over", NOW + 1)
    job_runs.begin(engine, "peaks", DUE, {}, NOW + 2)
    assert not job_runs.note(engine, slow, {"late": True})
    assert not job_runs.end(engine, slow, "done", None, NOW + 3)
    row = job_runs.newest(engine)["peaks"]
    assert (row.status, row.attempts, row.result) == ("running", 2, {})


def test_a_moment_that_is_skipped_says_why_and_is_not_run(engine: Engine) -> None:
    job_runs.skip(engine, "peaks", DUE, "a later run stands for it", {"missed": 3}, NOW)
    job_runs.skip(engine, "peaks", DUE, "another reason", {}, NOW + 1)
    row = job_runs.newest(engine)["peaks"]
    assert (row.status, row.reason, row.result) == ("skipped", "a later run stands for it", {"missed": 3})
    assert job_runs.begin(engine, "peaks", DUE, {}, NOW) is None


def test_of_eight_that_begin_the_same_moment_at_once_one_does(both_engines: Engine) -> None:
    def attempt(_: int) -> bool:
        return job_runs.begin(both_engines, "peaks", DUE, {}, NOW) is not None

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [False] * 7 + [True]


def test_rows_are_kept_as_long_as_report_runs_and_then_forgotten(engine: Engine) -> None:
    job_runs.skip(engine, "peaks", DUE, "old", {}, DUE)
    job_runs.skip(engine, "peaks", DUE + 40 * 31 * 86_400_000, "new", {}, DUE)
    assert retain(engine, DUE + 38 * 31 * 86_400_000).counts["job_runs"] == 1
    assert job_runs.newest(engine)["peaks"].reason == "new"
