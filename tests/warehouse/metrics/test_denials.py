"""Denials, told apart by parameters: literal requests, and properties over generated ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from use_cases import at, described, session

from warehouse.errors import Problem
from warehouse.metrics.denials import Rules, classified, with_free
from warehouse.periods import INSTANT

FULL = "Licensed number of users already reached. (-4,342)"
ASKED = {
    "application": pl.String,
    "kind": pl.String,
    "person": pl.String,
    "account": pl.String,
    "at": INSTANT,
    "reason": pl.String,
}


def asked(*rows: tuple[Any, ...]) -> pl.LazyFrame:
    """Requests: (minute, person[, reason, kind, application]), each refused."""
    whole = [(*row, *(FULL, "denied", "cad")[len(row) - 2 :]) for row in rows]
    return pl.LazyFrame(
        [(app, kind, who, None, at(minute), reason) for minute, who, reason, kind, app in whole],
        schema=ASKED,
        orient="row",
    )


def classes(denials: pl.LazyFrame, sessions: pl.LazyFrame, **rules: Any) -> list[Any]:
    return classified(denials, sessions, Rules(**rules)).collect()["class"].to_list()


WORKS = described(session(1, (10, 60, "active")))


def test_who_gets_in_within_the_retry_window_was_not_truly_denied() -> None:
    found = classified(asked((0, "P-1"), (0, "P-2")), WORKS).collect()
    assert found.select("person", "class", "attempt", "served").rows() == [
        ("P-1", "retried", 1, at(10)),
        ("P-2", "real", 2, None),
    ]


def test_another_retry_window_sorts_the_same_denials_anew() -> None:
    assert classes(asked((0, "P-1")), WORKS, retry_window_ms=599_999) == ["real"]
    assert classes(asked((0, "P-1")), WORKS, retry_window_ms=600_000) == ["retried"]
    assert classes(asked((10, "P-1")), WORKS, retry_window_ms=0) == ["retried"]


def test_trying_again_and_again_is_one_attempt_and_ends_as_its_last_request() -> None:
    tries = asked((-20, "P-1"), (-8, "P-1"), (4, "P-1"), (55, "P-1"), (65, "P-1"))
    found = classified(tries, WORKS).collect()
    assert found.select("attempt", "class").rows() == [
        (1, "retried"), (1, "retried"), (1, "retried"), (2, "real"), (2, "real"),
    ]  # fmt: skip


def test_a_denial_after_the_last_success_of_its_attempt_is_real() -> None:
    found = classified(asked((5, "P-1"), (15, "P-1")), WORKS).collect()
    assert found.select("attempt", "class", "served").rows() == [(1, "retried", at(10)), (1, "real", None)]


def test_a_program_that_closes_at_once_has_found_no_license() -> None:
    short = described(session(1, (10, 10.5, "active")))
    assert classes(asked((0, "P-1")), short) == ["real"]
    assert classes(asked((0, "P-1")), short, lasting_ms=30_000) == ["retried"]
    open_yet = short.with_columns(ended=pl.lit(None, INSTANT))
    assert classes(asked((0, "P-1")), open_yet) == ["retried"]


@pytest.mark.parametrize(
    ("reason", "kind", "expected"),
    [
        ("User/host on EXCLUDE list for feature. (-38,348)", "denied", "policy"),
        ("Checkout exceeds MAX specified in options file. (-87,147)", "denied", "policy"),
        (FULL, "denied", "real"),
        (None, "queued", "real"),
        (None, "unsupported", "policy"),
        ("Something that no version said before", "denied", "real"),
    ],
)
def test_a_rule_said_no_where_the_servers_words_tell_of_one(
    reason: str | None, kind: str, expected: str
) -> None:
    assert classes(asked((0, "P-9", reason, kind)), WORKS) == [expected]


def test_words_of_policy_are_parameters() -> None:
    assert classes(asked((0, "P-9")), WORKS, policy_reasons=["already REACHED"]) == ["policy"]
    assert classes(asked((0, "P-9", "on EXCLUDE list")), WORKS, policy_reasons=[]) == ["real"]


def test_a_rule_stays_a_rule_although_the_person_got_in_later() -> None:
    assert classes(asked((0, "P-1", "on EXCLUDE list"), (1, "P-1")), WORKS) == ["policy", "retried"]


def test_another_application_is_no_success_and_nobody_is_no_person() -> None:
    assert classes(asked((0, "P-1", FULL, "denied", "bim")), WORKS) == ["real"]
    nobody = described(session(1, (10, 60, "active"), person=None, account=None))
    found = classified(asked((0, None), (1, None)), nobody).collect()
    assert found.select("class", "attempt").rows() == [("real", 1), ("real", 2)]


def test_an_account_of_nobody_known_is_followed_by_its_name() -> None:
    guest = described(session(1, (10, 60, "active"), person=None, account="A-7"))
    assert classes(asked((0, None)).with_columns(account=pl.lit("A-7")), guest) == ["retried"]


@pytest.mark.parametrize(
    "rules", [{"retry_window_ms": -1}, {"lasting_ms": -1}, {"policy_reasons": ("max", " ")}]
)
def test_rules_that_cannot_be_are_refused(rules: Any) -> None:
    with pytest.raises(Problem):
        Rules(**rules)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 90),
            st.sampled_from(["P-1", "P-2", None]),
            st.sampled_from([FULL, "on EXCLUDE list", None]),
            st.sampled_from(["denied", "unsupported", "queued"]),
            st.sampled_from(["cad", "bim"]),
        ),
        max_size=12,
    ),
    st.lists(st.tuples(st.integers(0, 90), st.sampled_from(["P-1", "P-2"])), max_size=5),
    st.integers(0, 30),
)
def test_classes_equal_a_count_request_by_request(
    requests: list[tuple[Any, ...]], launches: list[tuple[int, str]], minutes: int
) -> None:
    sessions = [session(n, (m, m + 5, "active"), person=who) for n, (m, who) in enumerate(launches)]
    window = timedelta(minutes=minutes)
    found = classified(
        asked(*requests), described(*sessions), Rules(retry_window_ms=minutes * 60_000)
    ).collect()
    assert found.height == len(requests)
    rows = found.to_dicts()
    for place, row in enumerate(rows):
        assert row["class"] == _expected(rows, place, launches, window)


def _expected(rows: list[Any], place: int, launches: list[tuple[int, str]], window: timedelta) -> str:
    def is_policy(row: Any) -> bool:
        return row["kind"] == "unsupported" or "EXCLUDE" in (row["reason"] or "")

    def served(row: Any) -> bool:
        starts = [at(m) for m, who in launches if who == row["person"] and row["application"] == "cad"]
        return any(row["at"] <= start <= row["at"] + window for start in starts)

    me = rows[place]
    if is_policy(me):
        return "policy"
    if me["person"] is None:
        return "real"
    last: datetime = me["at"]
    for row in rows[place:]:
        if (row["person"], row["application"]) != (me["person"], me["application"]) or is_policy(row):
            continue
        if row["at"] - last > window:
            break
        last = row["at"]
        if served(row):
            return "retried"
    return "real"


# --- Free seats --------------------------------------------------------------------------------------------

STEPS = {"entitlement": pl.String, "at": INSTANT, "demand": pl.Int64}
CAPACITY = {"entitlement": pl.String, "start": INSTANT, "end": INSTANT, "units": pl.Int64}


def test_free_seats_are_those_of_the_moment_before_and_never_clamped() -> None:
    demand = pl.LazyFrame([("x", at(0), 2), ("x", at(10), 4), ("x", at(20), 0)], schema=STEPS, orient="row")
    capacity = pl.LazyFrame([("x", at(0), at(60), 3)], schema=CAPACITY, orient="row")
    moments = [(name, at(minute)) for name, minute in (("x", 30), ("x", 15), ("x", 10), ("x", 70), ("y", 5))]
    denials = pl.LazyFrame(moments, schema={"entitlement": pl.String, "at": INSTANT}, orient="row")
    assert with_free(denials, demand, capacity).collect()["free"].to_list() == [3, -1, 1, None, None]


def test_nobody_was_there_before_the_first_change() -> None:
    demand = pl.LazyFrame(schema=STEPS)
    capacity = pl.LazyFrame([("x", at(0), at(60), 3)], schema=CAPACITY, orient="row")
    denials = pl.LazyFrame([("x", at(5))], schema={"entitlement": pl.String, "at": INSTANT}, orient="row")
    assert with_free(denials, demand, capacity).collect()["free"].to_list() == [3]
