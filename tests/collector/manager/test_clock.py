from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.manager.clock import is_doubtful, is_inside_a_quarter, quarters, trusted_offset
from warehouse.evidence import HeardAgent

MINUTE = 60_000


@pytest.mark.parametrize(
    ("before_ms", "measured_ms", "trusted_ms"),
    [
        (0, 20_000, 0),  # held up on its way
        (20_000, 300, 0),  # the next one was not
        (3_600_100, 3_600_000, 3_600_000),
        (3_600_000, 3_620_000, 3_600_000),
        (0, -3_600_000, -3_600_000),  # no delay looks like a fast clock
        (-3_600_000, 3_600_000, 0),
        (0, -2_000, 0),
    ],
)
def test_a_slow_clock_is_believed_only_twice_in_a_row(
    before_ms: int, measured_ms: int, trusted_ms: int
) -> None:
    heard = HeardAgent(host_id=1, clock_offset_ms=before_ms, last_heard_ms=1)

    assert trusted_offset(heard, measured_ms) == trusted_ms


@pytest.mark.parametrize(
    ("last_heard_ms", "measured_ms", "doubtful"),
    [(None, 2_001, True), (None, 2_000, False), (None, -3_600_000, False), (1, 3_600_000, False)],
)
def test_a_clock_that_seems_slow_at_first_contact_is_measured_again(
    last_heard_ms: int | None, measured_ms: int, doubtful: bool
) -> None:
    assert is_doubtful(HeardAgent(1, 0, last_heard_ms), measured_ms) is doubtful


def test_what_crosses_a_quarter_is_cut_at_it() -> None:
    assert list(quarters(14 * MINUTE, 31 * MINUTE)) == [
        (14 * MINUTE, 15 * MINUTE),
        (15 * MINUTE, 30 * MINUTE),
        (30 * MINUTE, 31 * MINUTE),
    ]


@given(start=st.integers(0, 10**13), length=st.integers(1, 10**7))
def test_pieces_tile_the_whole_and_cross_no_quarter(start: int, length: int) -> None:
    pieces = list(quarters(start, start + length))

    assert pieces[0].start_ms == start
    assert pieces[-1].end_ms == start + length
    assert all(is_inside_a_quarter(*piece) for piece in pieces)
    assert all(before.end_ms == after.start_ms for before, after in itertools.pairwise(pieces))
