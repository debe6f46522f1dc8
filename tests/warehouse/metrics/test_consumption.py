"""Where several rights cover the same use, each use consumes one: literal days, and against plain Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from use_cases import CELL, WEIGHTS, Session, at, described, session, stated, weekends

from warehouse.metrics.concurrency import peak
from warehouse.metrics.consumption import consumed_intervals, consumption, uses
from warehouse.metrics.states import BASES
from warehouse.periods import DAY

LONG_AGO = date(2026, 1, 1)
WINDOW = at(0), at(24 * 60)


class Right(NamedTuple):
    code: str
    metric: str
    quantity: int
    applications: tuple[str, ...] = ("cad",)
    order: int = 1
    valid_from: date | None = LONG_AGO
    valid_to: date | None = None
    offices: tuple[str, ...] | None = None


class Seat(NamedTuple):
    entitlement: str
    person: str | None
    host: str | None = None
    valid_from: date | None = LONG_AGO
    valid_to: date | None = None


def bought(*rights: Right) -> pl.LazyFrame:
    schema: dict[str, Any] = {
        "entitlement": pl.String,
        "metric": pl.String,
        "quantity": pl.Int64,
        "consumption_order": pl.Int64,
        "valid_from": pl.Date,
        "valid_to": pl.Date,
        "offices": pl.List(pl.String),
    }
    rows = [
        (r.code, r.metric, r.quantity, r.order, r.valid_from, r.valid_to, r.offices and list(r.offices))
        for r in rights
    ]
    return pl.LazyFrame(rows, schema=schema, orient="row")


def covers(*rights: Right) -> pl.LazyFrame:
    rows = [(right.code, application) for right in rights for application in right.applications]
    return pl.LazyFrame(rows, schema={"entitlement": pl.String, "application": pl.String}, orient="row")


def seated(*seats: Seat) -> pl.LazyFrame:
    kinds = dict.fromkeys(("entitlement", "person", "host"), pl.String)
    return pl.LazyFrame(
        list(seats), schema=kinds | {"valid_from": pl.Date, "valid_to": pl.Date}, orient="row"
    )


def consumed(
    sessions: list[Session], rights: list[Right], *seats: Seat, basis: str = "run", zone: str = "UTC"
) -> pl.LazyFrame:
    used = uses(stated(*sessions), described(*sessions), basis, *WINDOW)
    return consumption(used, bought(*rights), covers(*rights), seated(*seats), zone, WEIGHTS)


def told(found: pl.LazyFrame) -> list[tuple[Any, ...]]:
    """Session, right, start and end in minutes."""
    minutes = [((pl.col(name) - at(0)).dt.total_minutes()).alias(name) for name in ("start", "end")]
    return found.select("session", "entitlement", *minutes).collect().rows()


def people(*spans: tuple[int, int], **facts: Any) -> list[Session]:
    """One session for each span of minutes, of P-1, P-2, ..."""
    return [session(n, (*span, "active"), person=f"P-{n}", **facts) for n, span in enumerate(spans, start=1)]


FIRST, SECOND = Right("A", "concurrent", 1), Right("B", "concurrent", 1, order=2)


def test_two_rights_of_one_product_are_never_each_set_against_the_whole_demand() -> None:
    found = consumed(people((0, 60), (10, 60), (20, 60)), [FIRST, SECOND])
    assert told(found) == [(1, "A", 0, 60), (2, "B", 10, 60), (3, "B", 20, 60)]
    peaks = peak(consumed_intervals(found, bought(FIRST, SECOND), *WINDOW))
    # Three at once; one is beyond, and counts against the last right.
    assert peaks.select("entitlement", "peak").collect().rows() == [("A", 1), ("B", 2)]


def test_a_use_keeps_its_license_to_its_end_and_an_end_at_the_same_instant_frees_one() -> None:
    found = consumed(people((0, 30), (10, 60), (20, 40), (30, 50)), [FIRST, SECOND])
    assert told(found) == [(1, "A", 0, 30), (2, "B", 10, 60), (3, "B", 20, 40), (4, "A", 30, 50)]


def test_a_holder_uses_the_own_seat_first_and_a_seat_serves_nobody_else() -> None:
    seats = Right("SEATS", "named_user", 2, order=2)
    found = consumed(people((0, 60), (0, 60)), [FIRST, seats], Seat("SEATS", "P-1"))
    assert told(found) == [(1, "A", 0, 60), (2, "A", 0, 60)], "the contract lets the shared one go first"
    first = seats._replace(order=1)
    found = consumed(people((0, 60), (0, 60)), [FIRST, first], Seat("SEATS", "P-1"))
    assert told(found) == [(1, "SEATS", 0, 60), (2, "A", 0, 60)]


def test_at_the_same_order_a_suite_is_used_up_before_a_single_right_and_counts_a_person_once() -> None:
    suite, single = Right("Z", "concurrent", 1, ("cad", "bim")), Right("A", "concurrent", 1)
    both = [session(1, (0, 60, "active")), session(2, (30, 90, "active"), application="bim")]
    other = session(3, (40, 80, "active"), person="P-2")
    assert told(consumed([*both, other], [suite, single])) == [
        (1, "Z", 0, 60), (2, "Z", 30, 90), (3, "A", 40, 80),
    ]  # fmt: skip


def test_whoever_uses_without_a_seat_is_charged_to_the_right_whose_seat_is_missing() -> None:
    seats = Right("SEATS", "named_user", 2)
    found = consumed(people((0, 60), (0, 60)), [seats], Seat("SEATS", "P-1"))
    assert found.select("session", "entitlement", "is_seated").collect().rows() == [
        (1, "SEATS", True), (2, "SEATS", False),
    ]  # fmt: skip


def test_a_seat_of_a_machine_serves_whoever_sits_there() -> None:
    seats = Right("DEV", "device", 1)
    sessions = [session(1, (0, 9, "active"), host="H-1"), session(2, (0, 9, "active"), host="H-2")]
    found = consumed(sessions, [seats], Seat("DEV", None, "H-1"))
    assert found.collect()["is_seated"].to_list() == [True, False]


def test_days_of_rights_and_seats_are_those_of_the_zone_and_cut_a_use_in_two() -> None:
    night = session(1, (12 * 60, 15 * 60, "active"))  # 21:00 to 24:00 UTC; midnight in Berlin is 22:00
    first = Right("A", "concurrent", 1, valid_to=date(2026, 10, 6))
    second = Right("B", "concurrent", 1, valid_from=date(2026, 10, 6))
    assert told(consumed([night], [first, second], zone="Europe/Berlin")) == [
        (1, "A", 720, 780), (1, "B", 780, 900),
    ]  # fmt: skip
    seats = Right("S", "named_user", 1)
    held = [Seat("S", "P-1", None, LONG_AGO, date(2026, 10, 6)), Seat("S", "P-1", None, date(2026, 10, 7))]
    found = consumed([night], [seats, second], *held, zone="Europe/Berlin")
    assert told(found) == [(1, "S", 720, 780), (1, "B", 780, 900)]


def test_a_right_of_one_site_serves_no_other_and_what_nothing_covers_has_no_right() -> None:
    here = Right("BER", "concurrent", 5, offices=("BER",))
    sessions = [
        session(1, (0, 9, "active")),
        session(2, (0, 9, "active"), person="P-2", office="NYC"),
        session(3, (0, 9, "active"), person="P-3", office=None),
        session(4, (0, 9, "active"), person="P-4", application="fem"),
    ]
    assert told(consumed(sessions, [here])) == [
        (1, "BER", 0, 9), (2, None, 0, 9), (3, None, 0, 9), (4, None, 0, 9),
    ]  # fmt: skip


def test_tokens_are_asked_for_by_units_times_weight_and_a_smaller_request_may_still_find_some() -> None:
    pool, more = Right("T", "token", 5), Right("U", "token", 100, order=2)
    sessions = [
        session(1, (0, 60, "held", 2)),  # 4 tokens
        session(2, (10, 60, "held", 1), person="P-2"),  # 2: not free
        session(3, (60, 70, "held", 2), person="P-2"),
    ]
    found = consumed(sessions, [pool, more])
    assert told(found) == [(1, "T", 0, 60), (2, "U", 10, 60), (3, "T", 60, 70)]
    peaks = peak(consumed_intervals(found, bought(pool, more), *WINDOW, weights=WEIGHTS))
    assert peaks.select("entitlement", "peak").collect().rows() == [("T", 4), ("U", 2)]


def test_sessions_of_nobody_known_are_one_each_and_use_before_the_window_is_carried() -> None:
    sessions = [
        session(1, (-10, 5, "active"), person=None),
        session(2, (0, 5, "active"), person=None),
        session(3, (2, 5, "active")),
    ]
    many = Right("A", "concurrent", 9)
    found = consumed_intervals(consumed(sessions, [many]), bought(many), *WINDOW)
    assert found.select("key", "start", "carried").collect().rows() == [
        (None, at(0), True), (None, at(0), False), ("P-1", at(2), False),
    ]  # fmt: skip


# --- Against plain Python

DAYS = st.sampled_from([None, date(2026, 3, 8), date(2026, 10, 25)])
APPLICATIONS = st.lists(st.sampled_from(["cad", "bim", "fem"]), min_size=1, max_size=3, unique=True).map(
    tuple
)
RIGHTS = st.lists(
    st.builds(
        Right,
        code=st.sampled_from("ABCD"),
        metric=st.sampled_from(["concurrent", "token", "named_user", "device"]),
        quantity=st.integers(0, 4),
        applications=APPLICATIONS,
        order=st.integers(1, 2),
        valid_from=DAYS,
        offices=st.sampled_from([None, ("BER",)]),
    ),
    max_size=4,
    unique_by=lambda right: right.code,
)
SEATS = st.lists(
    st.one_of(
        st.builds(Seat, st.sampled_from("ABCD"), st.sampled_from(["P-1", "P-2"]), st.none(), valid_to=DAYS),
        st.builds(Seat, st.sampled_from("ABCD"), st.none(), st.just("H-1"), valid_from=DAYS),
    ),
    max_size=3,
    unique_by=lambda seat: seat[:3],
)


class Place(NamedTuple):
    """A session in a cell of the grid."""

    session: int
    moment: datetime
    units: int
    application: str
    person: str | None
    office: str | None


Cells = set[Place]


def rank(right: Right) -> tuple[int, int, str]:
    kind = 0 if right.metric in ("named_user", "device") else 3 if right.metric == "token" else 2
    return right.order, 1 if kind == 2 and len(right.applications) > 1 else kind, right.code


def is_valid(thing: Right | Seat, moment: datetime) -> bool:
    day = moment.date()
    return (thing.valid_from or day) <= day and (thing.valid_to is None or day < thing.valid_to)


def reach(right: Right, cells: Cells) -> Cells:
    return {
        cell
        for cell in cells
        if cell.application in right.applications
        and is_valid(right, cell.moment)
        and (right.offices is None or cell.office in right.offices)
    }


def requests(cells: Cells, key_of: Callable[[Place], Any]) -> Iterator[tuple[Any, list[datetime]]]:
    """Unbroken stretches of cells of one key."""
    by_key: dict[Any, set[datetime]] = {}
    for cell in cells:
        by_key.setdefault(key_of(cell), set()).add(cell.moment)
    for key, moments in by_key.items():
        for moment in moments:
            if moment - CELL not in moments:
                run = [moment]
                while run[-1] + CELL in moments:
                    run.append(run[-1] + CELL)
                yield key, run


def admitted(right: Right, cells: Cells) -> Cells:
    weights = {"cad": 2, "bim": 3, "fem": 1}

    def key_of(cell: Place) -> Any:
        if right.metric == "token":
            return cell.session, cell.units * weights[cell.application], cell.units
        return cell.person or f"\0{cell.session}", 1, 0

    running: list[tuple[datetime, int]] = []
    lucky: set[tuple[Any, datetime]] = set()
    for key, run in sorted(requests(cells, key_of), key=lambda it: (it[1][0], it[0])):
        running = [(last, needs) for last, needs in running if last >= run[0]]
        if sum(needs for _, needs in running) + key[1] <= right.quantity:
            running.append((run[-1], key[1]))
            lucky |= {(key, moment) for moment in run}
    return {cell for cell in cells if (key_of(cell), cell.moment) in lucky}


def holds(right: Right, seats: list[Seat], cell: Place) -> bool:
    """Everybody sits at H-1."""
    return any(
        seat.entitlement == right.code
        and is_valid(seat, cell.moment)
        and (seat.person is None or seat.person == cell.person)
        for seat in seats
    )


def cells_of(sessions: list[Session]) -> Iterator[Place]:
    for each in sessions:
        facts = [each.fact(name) for name in ("application", "person", "office")]
        for start, end, state, units in each.parts:
            if state in BASES["run"]:
                for number in range((end - start) // CELL):
                    yield Place(each.session, start + CELL * number, units, *facts)


def plainly(
    sessions: list[Session], rights: list[Right], seats: list[Seat]
) -> dict[tuple[int, datetime], str | None]:
    rest = set(cells_of(sessions))
    answer: dict[tuple[int, datetime], str | None] = {}
    ordered = sorted(rights, key=rank)
    for right in ordered:
        mine = reach(right, rest)
        is_by_seat = right.metric in ("named_user", "device")
        mine = {cell for cell in mine if holds(right, seats, cell)} if is_by_seat else admitted(right, mine)
        answer |= {cell[:2]: right.code for cell in mine}
        rest -= mine
    shared = [right for right in ordered if right.metric in ("concurrent", "token")]
    for right in [*reversed(shared), *(right for right in ordered if right not in shared)]:
        mine = reach(right, rest)
        answer |= {cell[:2]: right.code for cell in mine}
        rest -= mine
    return answer | {cell[:2]: None for cell in rest}


@given(weekends(), RIGHTS, SEATS)
def test_every_moment_of_use_consumes_what_plain_python_says_and_only_once(
    story: tuple[list[Session], datetime, datetime], rights: list[Right], seats: list[Seat]
) -> None:
    sessions, start, _ = story
    used = uses(stated(*sessions), described(*sessions), "run", start - 9 * DAY, start + 9 * DAY)
    found = consumption(used, bought(*rights), covers(*rights), seated(*seats), weights=WEIGHTS).collect()
    seen = [
        ((row["session"], row["start"] + CELL * number), row["entitlement"])
        for row in found.to_dicts()
        for number in range((row["end"] - row["start"]) // CELL)
    ]
    assert len(dict(seen)) == len(seen)
    assert dict(seen) == plainly(sessions, rights, seats)
