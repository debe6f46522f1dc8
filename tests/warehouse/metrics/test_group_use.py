"""Use by groups, sessions in the groups of their people, and the parts of a license's cost."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from use_cases import MORNING, Session, at, described, session, stated, weekends

from warehouse.errors import Problem
from warehouse.metrics.group_use import GROUPS, cost_shares, group_use, in_groups
from warehouse.metrics.utilization import usage

MINUTE_MS = 60_000


def used(sessions: list[Session], by: list[str], until: float = 60) -> pl.DataFrame:
    return group_use(stated(*sessions), described(*sessions), by, at(0), at(until)).collect()


# --- Use by groups


def test_the_use_of_each_department_and_application() -> None:
    found = used(
        [
            session(1, (0, 20, "active"), (20, 30, "idle"), department="ARC"),
            session(2, (10, 20, "pause"), (20, 90, "held"), department="ARC", person="P-2"),
            session(3, (0, 5, "unknown"), (5, 8, "suspended"), application="bim", department="CIV"),
        ],
        ["department"],
    )
    assert found.columns == [
        *("department", "application", "sessions", "people"),
        *("run_ms", "active_ms", "pause_ms", "busy_ms", "idle_ms", "held_ms", "suspended_ms", "unknown_ms"),
    ]
    assert [(*row[:4], *(ms // MINUTE_MS for ms in row[4:])) for row in found.rows()] == [
        ("ARC", "cad", 2, 2, 80, 20, 10, 30, 10, 40, 0, 0),
        ("CIV", "bim", 1, 1, 0, 0, 0, 0, 0, 0, 3, 5),
    ]


def test_a_session_of_no_length_counts_as_a_session_without_time() -> None:
    found = used([Session(1, (), at(5), at(5)), Session(2, (), at(60), at(60))], ["version"])
    assert found.select("version", "sessions", "people", "run_ms").rows() == [(None, 1, 1, 0)]


def test_a_session_in_two_groups_counts_in_each_and_once_in_all() -> None:
    one = session(1, (0, 20, "active"))
    sessions = pl.concat(
        [described(one).with_columns(group=pl.lit(name)) for name in ("Modelers", "Renderers")]
    )
    found = group_use(stated(one), sessions, ["group"], at(0), at(60)).collect()
    assert found.select("group", "sessions", "active_ms").rows() == [
        ("Modelers", 1, 20 * MINUTE_MS),
        ("Renderers", 1, 20 * MINUTE_MS),
    ]
    assert group_use(stated(one), sessions, [], at(0), at(60)).collect()["active_ms"].to_list() == [
        20 * MINUTE_MS
    ]


def test_an_unknown_group_and_an_empty_window_are_refused() -> None:
    with pytest.raises(Problem, match="use cannot be grouped by 'person'"):
        used([], ["person"])
    with pytest.raises(Problem, match="not after"):
        used([], ["office"], until=0)


@given(weekends(), st.lists(st.sampled_from([each for each in GROUPS if each != "group"]), unique=True))
def test_it_agrees_with_use_by_any_grouping(weekend: Any, by: list[str]) -> None:
    sessions, start, end = weekend
    keys = [*by, "application"]
    window = (start, end)
    found = group_use(stated(*sessions), described(*sessions), by, *window).collect()
    expected = usage(stated(*sessions), described(*sessions), keys, *window).collect()
    seen = expected.filter(pl.col("sessions") > 0)
    assert found.rows() == seen.select(found.columns).cast(found.schema).sort(keys).rows()


# --- Groups of the directory


def member(person: str, group: str, since: str, until: str | None = None) -> tuple[object, ...]:
    return person, group, date.fromisoformat(since), until and date.fromisoformat(until)


def placed(memberships: list[tuple[object, ...]], *sessions: tuple[object, ...]) -> list[tuple[object, ...]]:
    known = pl.DataFrame(
        sessions,
        {"session": pl.Int64, "person": pl.String, "started": pl.Datetime("ms", "UTC"), "zone": pl.String},
        orient="row",
    )
    schema = {"person": pl.String, "group": pl.String, "valid_from": pl.Date, "valid_to": pl.Date}
    found = in_groups(known, pl.DataFrame(memberships, schema, orient="row"))
    assert found.columns == [*known.columns, "group"]
    return found.select("session", "group").rows()


def test_a_session_has_the_groups_of_its_person_on_the_local_day_of_its_start() -> None:
    late = MORNING + timedelta(hours=13, minutes=30)  # 22:30 UTC of 5 October: in Berlin it is the 6th
    assert placed(
        [
            member("P-1", "Modelers", "2026-01-01", "2026-10-06"),
            member("P-1", "Renderers", "2026-10-06"),
            member("P-1", "Everyone", "2026-01-01"),
            member("P-1", "Everyone", "2026-02-01"),
            member("P-2", "Former", "2020-01-01", "2021-01-01"),
        ],
        (1, "P-1", late, "America/New_York"),
        (2, "P-1", late, "Europe/Berlin"),
        (3, "P-2", late, "UTC"),
        (4, None, late, "UTC"),
    ) == [(1, "Everyone"), (1, "Modelers"), (2, "Everyone"), (2, "Renderers"), (3, None), (4, None)]


def test_no_session_is_in_no_group() -> None:
    assert placed([member("P-1", "Modelers", "2026-01-01")]) == []


# --- Cost

USED = pl.DataFrame(
    [
        ("ARC", "bim", 0, 50),
        ("ARC", "cad", 1, 10),
        ("CIV", "cad", 1, 10),
        ("STR", "cad", 1, 10),
        ("STR", "fem", 7, 10),
    ],
    {"department": pl.String, "application": pl.String, "active_ms": pl.Int64, "run_ms": pl.Int64},
    orient="row",
)
COVERS = pl.DataFrame(
    {"entitlement": ["A", "B", "C", "C", "D"], "application": ["cad", "fem", "cad", "fem", "bim"]}
)


def right(code: str, quantity: int, unit_cost: int | None, currency: str | None = "EUR") -> pl.DataFrame:
    return pl.DataFrame(
        [(code, quantity, unit_cost, currency)],
        {"entitlement": pl.String, "quantity": pl.Int64, "unit_cost_minor": pl.Int64, "currency": pl.String},
        orient="row",
    )


def test_a_cost_is_divided_by_active_time_to_the_last_cent() -> None:
    assert cost_shares(USED, right("A", 10, 10), COVERS, ["department"]).collect().rows() == [
        ("ARC", "cad", "EUR", 34),
        ("CIV", "cad", "EUR", 33),
        ("STR", "cad", "EUR", 33),
    ]


def test_a_suite_is_divided_over_the_use_of_all_its_applications() -> None:
    assert cost_shares(USED, right("C", 1, 1000), COVERS, ["department"]).collect().rows() == [
        ("ARC", "cad", "EUR", 100),
        ("CIV", "cad", "EUR", 100),
        ("STR", "cad", "EUR", 100),
        ("STR", "fem", "EUR", 700),
    ]


def test_two_currencies_stay_two_amounts() -> None:
    rights = pl.concat([right("A", 1, 300), right("C", 1, 1000, "USD")])
    assert cost_shares(USED, rights, COVERS, []).collect().rows() == [
        ("cad", "EUR", 300),
        ("cad", "USD", 300),
        ("fem", "USD", 700),
    ]


def test_what_nobody_used_or_nobody_priced_is_not_divided() -> None:
    rights = pl.concat([right("A", 1, None, None), right("D", 1, 500)])
    assert cost_shares(USED, rights, COVERS, ["department"]).collect().is_empty()
    assert cost_shares(USED, rights, COVERS, ["department"], "run_ms").collect().rows() == [
        ("ARC", "bim", "EUR", 500)
    ]


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=8), st.integers(0, 10**7))
def test_the_parts_sum_to_the_cost_whenever_there_is_any_use(times: list[int], cost: int) -> None:
    frame = pl.DataFrame(
        {"office": [str(place) for place in range(len(times))], "active_ms": times}
    ).with_columns(application=pl.lit("cad"))
    parts = cost_shares(frame, right("A", 1, cost), COVERS, ["office"]).collect()
    assert parts["cost_minor"].sum() == (cost if any(times) else 0)
