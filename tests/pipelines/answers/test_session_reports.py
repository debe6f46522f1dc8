"""Sessions added up and one by one, on a week that can be counted by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest
import small_warehouse
from small_warehouse import NOW, WINDOW
from sqlalchemy import Engine, text

from pipelines.answers import session_detail, session_summary
from pipelines.answers.question import ask
from pipelines.queries import query
from warehouse.errors import Problem
from warehouse.store import append

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONDAY = {"start": "2026-10-05", "end": "2026-10-06"}


@pytest.fixture
def week(engine: Engine) -> Engine:
    small_warehouse.fill(engine)
    return engine


# --- Added up


def test_the_sessions_of_an_application_with_its_idle_time_and_its_origin(week: Engine) -> None:
    found = session_summary.answer(ask(week, **WINDOW, application="cad", basis="run", now=NOW))
    assert found.applications.rows() == [
        ("cad", "Drawing", 30, 6, 60.0, 45.0, 0.0, 15.0, 0.0, 0.0, 0.0, "agent", EPOCH, EPOCH)
    ]
    assert found.by_source.rows() == [("agent", 30, 60.0, 0.0, 0.0, "0.0 %")]
    assert found.by_day.filter(pl.col("known_hours") > 0).rows() == [
        (date(2026, 10, day), "agent", 12.0, 0.0) for day in range(5, 10)
    ]
    assert found.by_day.height == 7
    assert found.claims == {
        "all": "There are **30 sessions** of 1 application, 100 % of them of Drawing.",
        "days": "The fullest day was **2026-10-05**, with 12.0 hours of sessions. 2 days had none.",
        "unknown": "**None of the 60.0 hours of session time is unknown**: all of it was watched or logged.",
        "received": "The sessions come from agent; the newest record came in on **1970-01-01**, of Drawing.",
    }
    assert found.results["session_time_hours"] == 60.0


def test_what_would_tell_the_idle_time_of_two_people_is_left_out(week: Engine) -> None:
    found = session_summary.answer(ask(week, **WINDOW, basis="run", now=NOW))
    # With the hours of the only other application those of the simulation could be worked out.
    told = ("name", "run_hours", "idle_hours", "suspended_hours", "active_hours")
    assert found.applications.select(told).rows() == [
        ("Drawing", None, None, None, 45.0),
        ("Simulation", None, None, None, 5.0),
    ]
    assert found.claims["all"].endswith(
        "Of 2 applications run, idle and suspended hours are left out: they would tell of fewer than five "
        "people."
    )


def test_what_nobody_watched_is_told_by_source(week: Engine) -> None:
    with week.begin() as connection:
        connection.execute(text("UPDATE session SET source = 'flexnet' WHERE application_id = 2"))
        connection.execute(text("UPDATE segment SET attention = 6 WHERE units = 4"))
        connection.execute(text("UPDATE segment SET attention = 7 WHERE session_id IN (1, 21)"))
    found = session_summary.answer(ask(week, **WINDOW, basis="run", now=NOW))
    assert found.by_source.select("source", "hours", "unknown_hours", "unknown").rows() == [
        ("agent", 60.0, 4.0, "6.7 %"),
        ("flexnet", 5.0, 0.0, "0.0 %"),
    ]
    assert found.claims["unknown"] == (
        "**6.2 % of the session time is unknown**, 4.0 hours, by source: agent 6.7 % of 60.0 hours. Nobody "
        "was watching then; it is never counted as use and never billed."
    )
    # A license server tells nobody's idle time.
    assert found.applications.select("name", "run_hours", "held_hours", "sources").rows() == [
        ("Drawing", 56.0, 0.0, "agent"),
        ("Simulation", 5.0, 5.0, "flexnet"),
    ]
    assert query(week, "unknown_share") == [
        {"source": "agent", "unknown_share": round(4 / 60, 12)},
        {"source": "flexnet", "unknown_share": 0.0},
    ]


def test_a_window_without_sessions_is_said_to_be_one(week: Engine) -> None:
    with pytest.raises(Problem, match="There are no sessions from 2025-01-01 to 2025-02-01"):
        session_summary.answer(ask(week, start="2025-01-01", end="2025-02-01", now=NOW))
    with pytest.raises(Problem, match="There are no sessions from 2025-01-01 to 2025-02-01"):
        session_detail.answer(session_detail.ask_days(week, start="2025-01-01", end="2025-02-01", now=NOW))


# --- One by one


def test_one_row_for_each_session_the_latest_first_and_no_idle_time(week: Engine) -> None:
    entry = {
        "session_id": [1, 1, 21], "from_ms": [0, small_warehouse.at_ms(date(2026, 10, 5), 10), 0],
        "project_number": ["0077", "0078", "0077"], "author": "ann", "reason": "test", "created_ms": 0,
        "fields": "{}",
    }  # fmt: skip
    append(week, "project_entry", pl.DataFrame(entry))
    found = session_detail.answer(session_detail.ask_days(week, **MONDAY, application="cad", now=NOW))
    assert found.sessions.height == 6
    assert [name for name in found.sessions.columns if "idle" in name] == []
    first = found.sessions.row(by_predicate=pl.col("session") == "1", named=True)
    assert (first["session"], first["name"], first["project"], first["source"]) == (
        "1",
        "Drawing",
        "several",
        "agent",
    )
    assert first["person"].startswith("P-")
    assert first["device"].startswith("H-")
    assert (first["started"], first["ended"]) == (
        datetime(2026, 10, 5, 7, tzinfo=UTC),
        datetime(2026, 10, 5, 9, tzinfo=UTC),
    )
    assert [first[f"{name}_minutes"] for name in ("run", "active", "pause", "suspended", "unknown")] == [
        *(120.0, 90.0, 0.0, 0.0, 0.0)
    ]
    assert found.stretches.filter(pl.col("session") == "1").rows() == [
        ("1", "in use", datetime(2026, 10, 5, 7, tzinfo=UTC), datetime(2026, 10, 5, 8, 30, tzinfo=UTC))
    ]
    assert found.claims == {
        "timeline": "There were **6 sessions** of 6 people, open for 12.0 hours in all.",
        "table": "**4 sessions** of 6 were on no project and 1 on several. They come from: agent. People and "
        "devices are pseudonyms.",
    }
    assert found.results == {"sessions": 6, "people": 6, "run_hours": 12.0}


def test_without_days_the_last_seven_with_evidence_are_meant(week: Engine) -> None:
    asked = session_detail.ask_days(week, now=NOW)
    assert (asked.first_day, asked.end_day) == (date(2026, 10, 3), date(2026, 10, 10))
    assert session_detail.ask_days(week, end="2026-10-08", now=NOW).first_day == date(2026, 10, 1)


def test_one_person_alone_is_asked_for_by_pseudonym(week: Engine) -> None:
    asked = session_detail.ask_days(week, **WINDOW, now=NOW)
    everybody = session_detail.answer(asked)
    assert everybody.sessions.height == 40
    someone = everybody.sessions["person"][-1]
    alone = session_detail.answer(asked, someone)
    assert alone.sessions["person"].unique().to_list() == [someone]
    assert alone.footer.rows["sessions"] == alone.sessions.height
    with pytest.raises(
        Problem, match="'P-NONE' has no session from 2026-10-05 to 2026-10-12; give a pseudonym"
    ):
        session_detail.answer(asked, "P-NONE")


def test_of_many_sessions_the_latest_are_drawn_and_the_claim_says_so(
    week: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_detail, "DRAWN", 3)
    found = session_detail.answer(session_detail.ask_days(week, **WINDOW, now=NOW))
    assert found.drawn["session"].to_list() == found.sessions["session"].to_list()[:3]
    assert set(found.stretches["session"]) == set(found.drawn["session"])
    assert found.claims["timeline"].endswith("in all. The latest 3 are drawn.")


def test_scripts_get_the_active_time_of_each_session_and_when_the_last_one_came(week: Engine) -> None:
    rows = query(week, "session_active_hours", {"application": "sim", "start": "2026-10-09"})
    assert isinstance(rows, list)
    assert [(row["application"], row["session_active_hours"]) for row in rows] == [("sim", 0.5), ("sim", 0.5)]
    assert query(week, "last_received", {"application": "cad"}) == [
        {"application": "cad", "last_received": "1970-01-01T00:00:00Z"}
    ]
