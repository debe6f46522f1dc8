"""What is seen of a fleet, and which agents need looking after, on a week that can be counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
import small_warehouse
import sqlalchemy as sa
from small_warehouse import WINDOW
from sqlalchemy import Engine

from pipelines.answers import application_ranking, fleet_coverage
from pipelines.answers.fleet_coverage import Thresholds
from pipelines.answers.question import ask
from pipelines.queries import query
from warehouse.directory import pseudonym, pseudonym_key
from warehouse.errors import Problem
from warehouse.metrics.fleet import Limits
from warehouse.store import append

NOW = datetime(2026, 10, 12, 12, tzinfo=UTC)
LEVELS = (
    "seen 80 % or more",
    "seen 50 % to 80 %",
    "seen under 50 %",
    "not seen once",
    "never heard from",
    "no workday counted",
)


@pytest.fixture
def week(engine: Engine) -> Engine:
    """Machine 3 was never watched, and 1 on three of five days; 4 has no agent; 7 is in no directory."""
    small_warehouse.fill(engine, with_charges=False)
    day = small_warehouse.at_ms(small_warehouse.DAYS[3], 2)
    run(
        engine,
        f"DELETE FROM watch_interval WHERE host_id = 1 AND start_ms > {day}",
        "INSERT INTO host (id, name, kind, zone, in_directory, valid_from_on) "
        "VALUES (7, 'ws7', 'laptop', 'UTC', false, '1970-01-01')",
    )
    enroll(
        engine,
        agent(1),
        agent(2, clock_offset_ms=-61_500),
        agent(3, last_heard_ms=None, version="0.1.0"),
        agent(5, backlog=1001, version="0.1.0"),
        agent(6, last_heard_ms=ms(NOW - timedelta(days=5))),
        agent(7),
        agent(8, host_id=1, revoked_ms=1),
    )
    return engine


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def agent(number: int, **facts: Any) -> dict[str, Any]:
    fixed = {"id": f"agent{number}", "host_id": number, "version": "0.2.0", "system": "", "enrolled_ms": 0}
    said = {"revoked_ms": None, "last_heard_ms": ms(NOW), "clock_offset_ms": 0, "backlog": 0}
    return fixed | said | facts


def enroll(engine: Engine, *agents: dict[str, Any]) -> None:
    append(engine, "agent", pl.DataFrame(list(agents), infer_schema_length=None))


def host(engine: Engine, number: int) -> str:
    return pseudonym("H", number, pseudonym_key(engine.url))


def test_the_week_machine_by_machine(week: Engine) -> None:
    found = fleet_coverage.answer(ask(week, **WINDOW, now=NOW))
    by_host = {row[1]: (row[0], *row[2:]) for row in found.hosts.rows()}
    assert by_host == {
        host(week, 3): ("Berlin", 0.0, 4),
        host(week, 1): ("Berlin", 0.6, 1),
        **{host(week, number): ("Berlin", 1.0, 0) for number in (2, 4, 5, 6)},
        host(week, 7): ("Not in the directory", None, 5),
    }
    assert found.hosts["host"].to_list()[:2] == [host(week, 3), host(week, 1)]
    assert found.levels == LEVELS
    assert found.share == 23 / 30
    assert found.offices.rows() == [("HQ", "Berlin", 6, 1, 23, 30, 23 / 30)]
    assert found.claims["machines"] == (
        "**77 % of the fleet's workdays were seen.** Of 6 machines in the directory 4 were seen on 80 % of "
        "workdays or more, and **1 was never heard from**."
    )
    assert found.claims["offices"] == (
        "**No office is blind**: each has 50 % of its host-workdays observed or more. Least seen is Berlin, "
        "77 %."
    )


def test_the_agents_that_need_looking_after(week: Engine) -> None:
    found = fleet_coverage.answer(ask(week, **WINDOW, now=NOW))
    assert found.agents.select("agent", "findings", "clock_offset_seconds", "coverage", "office").rows() == [
        (None, "no agent", None, 1.0, "Berlin"),
        ("agent3", "never heard, old version", 0.0, 0.0, "Berlin"),
        ("agent6", "silent", 0.0, 1.0, "Berlin"),
        ("agent2", "clock is off", -61.5, 1.0, "Berlin"),
        ("agent5", "backlog, old version", 0.0, 1.0, "Berlin"),
        ("agent7", "not in the directory", 0.0, None, "Not in the directory"),
        ("agent1", None, 0.0, 0.6, "Berlin"),
        ("agent8", "revoked", 0.0, 0.6, "Berlin"),
    ]
    assert found.claims["agents"] == (
        "**5 of 6 agents need looking after**: 1 never heard from, 1 silent, 1 on a machine whose clock is "
        "off, 1 with a backlog, 2 of an old version and 1 on a machine that is not in the directory, some of "
        "them for more than one reason. 1 machine of the directory has no agent; 1 agent was revoked."
    )
    assert found.results == {
        "fleet_coverage": 23 / 30,
        "machines": dict(zip(LEVELS, (4, 1, 0, 0, 1, 1), strict=True)),
        "blind_offices": [],
        "agents": {
            "no agent": 1, "never heard": 1, "silent": 1, "clock is off": 1, "backlog": 1, "old version": 2,
            "not in the directory": 1, "revoked": 1,
        },
    }  # fmt: skip


def test_thresholds_are_the_asker_s(week: Engine) -> None:
    limits = Limits(silent_days=6, backlog=2000, clock_seconds=90, version="0.1.0")
    asked = ask(week, **WINDOW, now=NOW)
    found = fleet_coverage.answer(asked, Thresholds(well_percent=100, blind_percent=80), limits)
    assert found.claims["offices"] == (
        "**Berlin** (77 %) is blind: less than 80 % of the host-workdays were observed. Peaks and unused "
        "seats of people there are not to be trusted."
    )
    assert dict(found.hosts.select("host", "level").iter_rows())[host(week, 1)] == 2
    assert found.results["blind_offices"] == ["HQ"]
    assert found.claims["agents"].startswith(
        "**2 of 6 agents need looking after**: 1 never heard from and 1 on a machine that is not in the "
        "directory. "
    )


def test_a_machine_just_at_a_threshold_has_reached_it(week: Engine) -> None:
    found = fleet_coverage.answer(ask(week, **WINDOW, now=NOW), Thresholds(60, 60))
    assert dict(found.hosts.select("host", "level").iter_rows())[host(week, 1)] == 0


def test_the_window_ends_today_where_none_is_given(week: Engine) -> None:
    asked = ask(week, days=30, up_to_today=True, now=NOW)
    assert (str(asked.first_day), str(asked.end_day)) == ("2026-09-12", "2026-10-12")
    found = fleet_coverage.answer(asked)
    assert found.share == 23 / 120
    assert found.hosts["level"].to_list()[0] == 4


def test_a_machine_without_an_agent_and_unwatched_in_the_window_counts_as_never_heard_from(
    week: Engine,
) -> None:
    found = fleet_coverage.answer(ask(week, start="2027-01-01", end="2027-02-01", now=NOW))
    assert sorted(found.hosts.select("host", "level").rows(), key=lambda row: -row[1])[:3] == [
        (host(week, 7), 5),
        *sorted([(host(week, 3), 4), (host(week, 4), 4)]),
    ]
    assert found.hosts["level"].to_list() == [4, 4, 3, 3, 3, 3, 5]


def test_agents_are_told_of_before_there_is_a_directory(engine: Engine) -> None:
    run(
        engine,
        "INSERT INTO host (id, name, kind, zone, in_directory, valid_from_on) "
        "VALUES (1, 'ws1', 'laptop', 'UTC', false, '1970-01-01')",
    )
    enroll(engine, agent(1))
    found = fleet_coverage.answer(ask(engine, days=30, up_to_today=True, now=NOW))
    assert found.share is None
    assert found.hosts["level"].to_list() == [5]
    assert found.agents["findings"].to_list() == ["not in the directory"]
    assert found.claims["machines"].endswith("Import it with `process-meter directory import FILE`.")
    assert found.claims["offices"] == "No office has a machine in the directory yet."


def test_a_warehouse_without_agents_says_how_to_get_them(engine: Engine) -> None:
    with pytest.raises(Problem, match=r"No agent has enrolled yet.*process-meter-agent enroll URL --token"):
        fleet_coverage.answer(ask(engine, **WINDOW, now=NOW))


def test_a_query_and_a_footer_say_why_nothing_was_seen(week: Engine) -> None:
    asked = {"start": "2026-10-05", "end": "2026-10-12"}
    assert "note" not in query(week, "fleet_coverage", asked)
    run(week, "DELETE FROM watch_interval")
    assert "note" not in query(week, "fleet_coverage", asked)
    run(week, "DELETE FROM agent")
    found = query(week, "fleet_coverage", asked)
    assert isinstance(found, dict)
    assert found["fleet_coverage"] == 0.0
    assert found["note"] == (
        "No agent has enrolled yet, so no machine is watched; draw a token with `process-meter manager token "
        "new`, then run `process-meter-agent enroll URL --token TOKEN` on each machine"
    )
    told = dict(application_ranking.answer(ask(week, **WINDOW, now=NOW)).footer.lines())["Fleet coverage"]
    assert told == ("0.0 % of host-workdays observed: no machine was watched, see the report fleet_coverage")


@pytest.mark.parametrize(("well", "blind"), [(80, 81), (101, 50), (80, -1)])
def test_thresholds_that_are_no_scale_are_refused(well: float, blind: float) -> None:
    with pytest.raises(Problem, match="is no scale"):
        Thresholds(well, blind)
