"""Who had a license open, minute by minute, on a week that can be counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import small_warehouse
from small_warehouse import NOW, WINDOW
from sqlalchemy import Engine

from collector.importers.records import Options
from collector.importing.files import import_files
from pipelines.answers import concurrent_use
from pipelines.answers.question import ask
from warehouse.errors import Problem


@pytest.fixture
def week(engine: Engine) -> Engine:
    small_warehouse.fill(engine)
    return engine


def test_a_day_minute_by_minute(week: Engine) -> None:
    found = concurrent_use.answer(ask(week, **WINDOW, application="cad", now=NOW))
    assert (found.name, found.unit, found.owned, found.step) == ("Drawing", "people", 5, "minute")
    changes = found.by_minute.filter(
        pl.struct("active", "idle").ne_missing(pl.struct("active", "idle").shift(1))
    )
    assert changes.select(
        pl.col("minute").dt.to_string("%H:%M"), "active", "pause", "idle", "held"
    ).rows() == [
        ("22:00", 0.0, 0.0, 0.0, 0.0),  # midnight in Berlin
        ("07:00", 6.0, 0.0, 0.0, 0.0),
        ("08:30", 0.0, 0.0, 6.0, 0.0),
        ("09:00", 0.0, 0.0, 0.0, 0.0),
    ]
    assert found.by_minute.height == 24 * 60
    assert found.by_hour.rows() == [
        (datetime(2026, 10, 5, 7, tzinfo=UTC), 6.0, 0.0, 0.0, 0.0, 5),
        (datetime(2026, 10, 5, 8, tzinfo=UTC), 3.0, 0.0, 3.0, 0.0, 5),
    ]
    assert found.claims == {
        "use": "**Drawing** had the most people in the minute of 2026-10-05 09:00: 6 open, 6 of them at "
        "work; 5 are owned.",
        "idle": "Of the time that licenses were open and seen, **25 % was idle**: nobody was at work. More "
        "were open than are owned in 120 minutes, and more at work in 90.",
    }
    assert found.results["active_sum"] == 540.0


@pytest.mark.parametrize(("days", "step", "rows"), [(2, "minute", 2880), (5, "quarter of an hour", 480)])
def test_more_days_are_shown_in_longer_steps(week: Engine, days: int, step: str, rows: int) -> None:
    found = concurrent_use.answer(ask(week, **WINDOW, application="cad", now=NOW), "2026-10-05", days)
    assert (found.step, found.by_minute.height) == (step, rows)


@pytest.mark.parametrize(
    ("day", "days", "says"),
    [
        ("5.10.", 1, "day '5.10.' is not a date; write it as 2026-10-05"),
        ("2026-09-30", 1, "2026-09-30 is not in the window from 2026-10-05 to 2026-10-12"),
        ("2026-10-05", 0, "give one day or more"),
    ],
)
def test_what_cannot_be_followed_is_refused(week: Engine, day: str, days: int, says: str) -> None:
    with pytest.raises(Problem) as refused:
        concurrent_use.answer(ask(week, **WINDOW, now=NOW), day, days)
    assert says in str(refused.value)


def test_a_license_servers_log_tells_what_was_open_and_says_so(engine: Engine, tmp_path: Path) -> None:
    log = tmp_path / "debug.log"
    log.write_text(
        " 8:00:00 (vendord) TIMESTAMP 10/5/2026\n"
        ' 9:00:00 (vendord) OUT: "SOLVER" ann@pc1\n'
        '10:00:00 (vendord) IN: "SOLVER" ann@pc1\n'
    )
    import_files(engine, "flexnet", [log], Options(zone="UTC"), actor="test", at_ms=1)
    found = concurrent_use.answer(ask(engine, **WINDOW, now=NOW))
    assert found.by_hour["held"].to_list() == [1.0]
    assert found.claims["use"].endswith("of 2026-10-05 09:00: 1 open.")
    assert found.claims["idle"].startswith("Whether anyone was at work is not known")
