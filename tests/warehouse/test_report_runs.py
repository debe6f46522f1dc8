"""The row of a run says how it ended."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from sqlalchemy import Engine

from warehouse import report_runs

BEGUN, ENDED = 1_791_000_000_000, 1_791_000_004_500


def instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def test_a_run_is_running_until_it_is_finished(both_engines: Engine) -> None:
    run = report_runs.start(both_engines, "utilization", {"start": "2026-01-01"}, "utilization/1", BEGUN)
    row = report_runs.report_runs(both_engines).row(0, named=True)
    assert (row["run"], row["name"], row["status"], row["output"]) == (
        run,
        "utilization",
        "running",
        "utilization/1",
    )
    assert (row["started"], row["ended"]) == (instant(BEGUN), None)
    assert (json.loads(row["parameters"]), json.loads(row["results"])) == ({"start": "2026-01-01"}, {})

    report_runs.finish(both_engines, run, status="done", results={"peak": 7}, at_ms=ENDED)
    row = report_runs.report_runs(both_engines).row(0, named=True)
    assert (row["status"], row["ended"], json.loads(row["results"])) == ("done", instant(ENDED), {"peak": 7})


def test_the_newest_run_comes_first_and_only_its_row_changes(engine: Engine) -> None:
    first = report_runs.start(engine, "utilization", {}, "a", BEGUN)
    second = report_runs.start(engine, "peak_demand", {}, "b", BEGUN)
    report_runs.finish(engine, second, status="failed", results={"error": "no data"}, at_ms=ENDED)
    rows = report_runs.report_runs(engine)
    assert rows["run"].to_list() == [second, first]
    assert rows["status"].to_list() == ["failed", "running"]


def test_an_empty_warehouse_has_no_runs(engine: Engine) -> None:
    assert report_runs.report_runs(engine).is_empty()
