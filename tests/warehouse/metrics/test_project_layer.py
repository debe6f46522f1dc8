"""The dated layer of project entries, against a count of single milliseconds."""

from __future__ import annotations

import itertools
from typing import Any

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from warehouse.metrics.project_layer import ALL_INSTANCES, NO_INSTANCE, in_force, lanes

LENGTH = 24
PIECE = {"session": pl.Int64, "instance": pl.Int32, "start_ms": pl.Int64, "end_ms": pl.Int64}
ENTRY = {
    "entry": pl.Int64, "session": pl.Int64, "instance": pl.Int32, "start_ms": pl.Int64, "end_ms": pl.Int64,
}  # fmt: skip
Pieces = list[tuple[int, int | None, int, int]]
Entries = list[tuple[int, int, int | None, int, int | None]]


@st.composite
def told(draw: st.DrawFn) -> tuple[Pieces, Entries]:
    """Draw two sessions that change the process in focus, and entries of any stretch, process and order."""
    pieces: Pieces = []
    for number in (1, 2):
        edges = sorted(draw(st.sets(st.integers(0, LENGTH), min_size=2, max_size=6)))
        for start, end in itertools.pairwise(edges):
            if draw(st.booleans()):  # else a hole: time that cannot be billed
                pieces.append((number, draw(st.sampled_from([None, 10, 11])), start, end))
    entries: Entries = []
    for number in range(1, draw(st.integers(0, 6)) + 1):
        start = draw(st.integers(-3, LENGTH + 3))
        end = draw(st.none() | st.integers(start, LENGTH + 6))
        instance = draw(st.sampled_from([None, None, 10, 11]))
        entries.append((number, draw(st.sampled_from([1, 2])), instance, start, end))
    return pieces, entries


def by_counting(pieces: Pieces, entries: Entries) -> dict[tuple[int, int], int | None]:
    """Say millisecond by millisecond which entry is in force: the highest of those that cover it and fit.

    Where a session has entries for single processes, one fits the process that has the focus, or had it last;
    before any had it, every one does.
    """
    found: dict[tuple[int, int], int | None] = {}
    last: dict[int, int] = {}
    for session, instance, start, end in sorted(pieces, key=lambda piece: (piece[0], piece[2])):
        if instance is not None:
            last[session] = instance
        focus = last.get(session)
        for moment in range(start, end):
            fitting = [
                number
                for number, of, process, first, until in entries
                if of == session
                and first <= moment
                and (until is None or moment < until)
                and (process is None or focus is None or process == focus)
            ]
            found[session, moment] = max(fitting, default=None)
    return found


@example(([(1, 10, 0, 8)], [(1, 1, None, 0, None), (2, 1, None, 3, 5), (3, 1, 11, 0, None)]))
@given(told())
def test_the_project_in_force_is_the_one_that_a_count_of_milliseconds_finds(
    case: tuple[Pieces, Entries],
) -> None:
    pieces, entries = case
    rows = pl.DataFrame(pieces, PIECE, orient="row").sort("session", "start_ms")
    said = pl.DataFrame(entries, ENTRY, orient="row")
    found = in_force(lanes(rows, said), said)

    by_layer: dict[tuple[int, int], Any] = {}
    for session, start, end, entry in found.select("session", "start_ms", "end_ms", "entry").iter_rows():
        for moment in range(start, end):
            assert (session, moment) not in by_layer
            by_layer[session, moment] = entry
    assert by_layer == by_counting(pieces, entries)


def test_a_session_without_entries_for_single_processes_has_one_lane() -> None:
    rows = pl.DataFrame([(1, None, 0, 1), (1, 10, 1, 2), (1, None, 2, 3)], PIECE, orient="row")
    whole = pl.DataFrame([(1, 1, None, 0, None)], ENTRY, orient="row")
    single = pl.DataFrame([(1, 1, 10, 0, None)], ENTRY, orient="row")
    assert lanes(rows, whole)["lane"].to_list() == [ALL_INSTANCES] * 3
    assert lanes(rows, single)["lane"].to_list() == [NO_INSTANCE, 10, 10]
