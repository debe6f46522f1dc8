from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from warehouse.metrics.corrections import Corrections, corrections

KEY = ("day", "person_id", "application", "office", "project", "phase", "task", "rate_id")
LINE: dict[str, Any] = {
    "kind": pl.String, "day": pl.Date, "person_id": pl.Int64, "application": pl.String, "office": pl.String,
    "project": pl.String, "phase": pl.String, "task": pl.String, "rate_id": pl.Int64, "billable": pl.Boolean,
    "active_ms": pl.Int64, "pause_ms": pl.Int64, "buffer_ms": pl.Int64, "quantity": pl.Int64,
    "rate_scaled": pl.Int64, "currency": pl.String, "amount_minor": pl.Int64, "tax_code": pl.String,
    "session_count": pl.Int64, "unit": pl.String, "cost_minor": pl.Int64, "review": pl.String,
}  # fmt: skip
SHARE = {"session": pl.Int64, "active_ms": pl.Int64, "pause_ms": pl.Int64, "buffer_ms": pl.Int64}

Book = dict[tuple[int, str], dict[int, int]]
"""By day and project, the active milliseconds of each session."""


def frames(book: Book, number: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    lines, shares = [], []
    for place, ((day, project), sessions) in enumerate(sorted(book.items()), 1):
        active = sum(sessions.values())
        lines.append(
            {"kind": "usage", "day": date(2026, 9, day), "person_id": 1, "application": "cad",
             "project": project, "rate_id": 1, "billable": True, "active_ms": active, "pause_ms": 0,
             "buffer_ms": 0, "quantity": active // 3600, "rate_scaled": 10_000, "currency": "EUR",
             "amount_minor": active // 36_000, "session_count": len(sessions), "unit": "hour",
             number: place}
        )  # fmt: skip
        shares += [
            {number: place, "session": session, "active_ms": active, "pause_ms": 0, "buffer_ms": 0}
            for session, active in sessions.items()
        ]
    schema = {**LINE, number: pl.Int64}
    full = [{name: row.get(name) for name in schema} for row in lines]
    return pl.DataFrame(full, schema=schema), pl.DataFrame(shares, schema={number: pl.Int64, **SHARE})


def correct(old: Book, new: Book) -> Corrections:
    return corrections(*frames(old, "line_id"), *frames(new, "line"))


def test_what_is_the_same_needs_no_correction() -> None:
    book = {(7, "A"): {1: 3_600_000}}
    assert correct(book, book).lines.is_empty()


def test_a_changed_line_is_reversed_and_replaced_and_a_new_one_is_usage() -> None:
    found = correct({(7, "A"): {1: 3_600_000}}, {(7, "A"): {1: 1_800_000}, (7, "B"): {1: 1_800_000}})
    assert found.lines.select(
        "line", "kind", "project", "active_ms", "amount_minor", "original_line_id"
    ).rows() == [
        (1, "reversal", "A", -3_600_000, -100, 1),
        (2, "replacement", "A", 1_800_000, 50, 1),
        (3, "usage", "B", 1_800_000, 50, None),
    ]
    assert found.shares.rows() == [(1, 1, -3_600_000, 0, 0), (2, 1, 1_800_000, 0, 0), (3, 1, 1_800_000, 0, 0)]


def test_a_line_that_is_no_more_is_reversed_alone() -> None:
    found = correct({(7, "A"): {1: 3_600_000}}, {})
    assert found.lines["kind"].to_list() == ["reversal"]


def test_the_same_time_of_another_session_is_another_line() -> None:
    found = correct({(7, "A"): {1: 3_600_000}}, {(7, "A"): {2: 3_600_000}})
    assert found.lines["kind"].to_list() == ["reversal", "replacement"]


BOOKS = st.dictionaries(
    st.tuples(st.integers(1, 3), st.sampled_from("AB")),
    st.dictionaries(st.integers(1, 3), st.sampled_from([1_800_000, 3_600_000]), min_size=1),
)


@given(BOOKS, BOOKS)
def test_what_stood_and_its_corrections_sum_to_what_should_stand(old: Book, new: Book) -> None:
    found = correct(old, new)
    before, after = frames(old, "line_id")[0], frames(new, "line")[0]
    for value in ("active_ms", "quantity", "amount_minor"):
        sums: dict[Any, int] = {}
        for frame in (before, found.lines):
            for *key, amount in frame.select(*KEY, value).rows():
                sums[tuple(key)] = sums.get(tuple(key), 0) + amount
        wanted = {tuple(key): amount for *key, amount in after.select(*KEY, value).rows()}
        assert {key: amount for key, amount in sums.items() if amount} == wanted
    reversed_lines = found.lines.filter(pl.col("kind") == "reversal")["original_line_id"].to_list()
    assert len(set(reversed_lines)) == len(reversed_lines)
