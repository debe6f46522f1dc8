"""Charges against a second implementation: minute by minute, plain Python, fractions for the rounding."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import ceil, floor
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from billing_cases import ENTRY, INSTANT, PLACEMENT, SESSION, at, frame, rate, tariff
from hypothesis import given
from hypothesis import strategies as st

from warehouse.metrics import tie_out
from warehouse.metrics.charges import Charges, Evidence, Terms, charge
from warehouse.metrics.states import STATES, Policy, Rule
from warehouse.schema import ATTENTIONS

BASE = at("2026-10-24 21:00")  # an hour before the long day of Berlin begins
MINUTE = timedelta(minutes=1)
PERIOD = (date(2026, 10, 24), date(2026, 10, 26))
ZONES = {"BER": "Europe/Berlin", "NYC": "America/New_York"}
LOOKS = [
    ("active", "input"),
    ("active", "locked"),
    ("pause", "no_input"),
    ("pause", "background"),
    ("idle", "no_input"),
    ("idle", "background"),
    ("idle", "locked"),
    ("idle", "disconnected"),
    ("held", "held"),
    ("suspended", "suspended"),
    ("unknown", "unobserved"),
]


@dataclass(frozen=True)
class Cell:
    """One minute of one session."""

    session: int
    minute: int
    state: str
    attention: str
    since: int
    gap_start: int
    instance: int | None


@dataclass(frozen=True)
class Case:
    sessions: list[dict[str, Any]]
    cells: list[Cell]
    entries: list[dict[str, Any]]
    placements: list[dict[str, Any]]


MOVE = {"person_id": 1, "office": "NYC", "zone": ZONES["NYC"], "valid_from": date(2026, 10, 25)}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    placements = [
        {"person_id": 1, "office": "BER", "zone": ZONES["BER"], "valid_from": date(2026, 1, 1)},
        *draw(st.sampled_from([[], [MOVE]])),
    ]
    sessions, cells = [], []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        start, length = draw(st.sampled_from([0, 40, 55, 58, 1555, 1610])), draw(st.integers(1, 30))
        person = draw(st.sampled_from([1, 1, 2, None]))
        office, _ = home(placements, person, BASE + start * MINUTE)
        sessions.append(
            {
                "session": number,
                "application": draw(st.sampled_from(["cad", "cad", "fem"])),
                "person_id": person,
                "office": office,
                "zone": ZONES[office],
                "started": BASE + start * MINUTE,
                "ended": draw(st.sampled_from([BASE + (start + length) * MINUTE, None])),
            }
        )
        cells += draw(minutes(number, start, length))
    entries = draw(st.lists(entry_of(len(sessions)), max_size=6))
    for number, one in enumerate(entries, 1):
        one["entry"] = number
    return Case(sessions, cells, entries, placements)


@st.composite
def minutes(draw: st.DrawFn, session: int, start: int, length: int) -> list[Cell]:
    cells = []
    while length > 0:
        stretch = min(length, draw(st.integers(1, 8)))
        look, since = draw(st.sampled_from(LOOKS)), start - draw(st.integers(0, 2))
        instance = draw(st.sampled_from([None, None, 1, 2]))
        cells += [
            Cell(session, minute, *look, since, start, instance) for minute in range(start, start + stretch)
        ]
        start, length = start + stretch, length - stretch
    return cells


@st.composite
def entry_of(draw: st.DrawFn, sessions: int) -> dict[str, Any]:
    start = draw(st.sampled_from([0, 41, 45, 57, 59, 60, 62, 1550, 1560, 1615]))
    project = draw(st.sampled_from(["A", "B", "US", "LEAVE", "CLOSED", "nope"]))
    return {
        "session": draw(st.integers(1, sessions)),
        "instance": draw(st.sampled_from([None, None, 1, 2])),
        "start": BASE + start * MINUTE,
        "end": draw(st.sampled_from([None, BASE + (start + draw(st.integers(1, 20))) * MINUTE])),
        "project": project,
        "phase": draw(st.sampled_from([None, "01"])) if project == "B" else None,
    }


def frames(case: Case) -> Evidence:
    stated = pl.DataFrame(
        [
            {
                "session": cell.session,
                "application": case.sessions[cell.session - 1]["application"],
                "start": BASE + cell.minute * MINUTE,
                "end": BASE + (cell.minute + 1) * MINUTE,
                "attention": cell.attention,
                "state": cell.state,
                "since": BASE + cell.since * MINUTE,
                "gap_start": BASE + cell.gap_start * MINUTE if cell.state in ("pause", "idle") else None,
                "instance": cell.instance,
                "provisional": False,
            }
            for cell in case.cells
        ],
        schema={
            "session": pl.Int64,
            "application": pl.String,
            "start": INSTANT,
            "end": INSTANT,
            "attention": pl.Enum(ATTENTIONS),
            "state": pl.Enum(STATES),
            "since": INSTANT,
            "gap_start": INSTANT,
            "instance": pl.Int32,
            "provisional": pl.Boolean,
        },
    )
    return Evidence(
        stated, frame(SESSION, case.sessions), frame(PLACEMENT, case.placements), frame(ENTRY, case.entries)
    )


# --- The second implementation -----------------------------------------------------------------------------


def home(placements: list[dict[str, Any]], person: int | None, instant: datetime) -> tuple[str, date]:
    """Office and local day of a person at an instant."""
    found = ("BER", ZONES["BER"])
    for placement in sorted(placements, key=lambda row: row["valid_from"]):
        begins = datetime.combine(placement["valid_from"], datetime.min.time(), ZoneInfo(placement["zone"]))
        if placement["person_id"] == person and begins <= instant:
            found = (placement["office"], placement["zone"])
    return found[0], instant.astimezone(ZoneInfo(found[1])).date()


def entry_at(case: Case, cell: Cell) -> dict[str, Any] | None:
    before = [
        other.instance
        for other in case.cells
        if other.session == cell.session and other.minute <= cell.minute and other.instance is not None
    ]
    focused = before[-1] if before else None
    instant = BASE + cell.minute * MINUTE
    fitting = [
        one
        for one in case.entries
        if one["session"] == cell.session
        and one["start"] <= instant
        and (one["end"] is None or instant < one["end"])
        and (one["instance"] is None or focused is None or one["instance"] == focused)
    ]
    return max(fitting, key=lambda one: one["entry"]) if fitting else None


def kind_of(cell: Cell, buffer: int) -> int | None:
    if cell.state in ("active", "pause"):
        return ("active", "pause").index(cell.state)
    can_buffer = cell.state == "idle" and cell.attention not in ("locked", "disconnected")
    return 2 if can_buffer and cell.minute < cell.gap_start + buffer else None


def portions(case: Case, cells: list[Cell], buffer: int, overlap: str) -> dict[Cell, Fraction]:
    """Which part of each billable minute counts."""
    claims = defaultdict(list)
    for cell in cells:
        session = case.sessions[cell.session - 1]
        focused = cell.attention in ("input", "no_input")
        if overlap == "foreground" and not focused:
            continue
        key = (session["person_id"], "" if overlap == "foreground" else session["application"], cell.minute)
        claims[key].append(cell)
    counted = {}
    for rivals in claims.values():
        best = min(rivals, key=lambda cell: (kind_of(cell, buffer), -cell.since, cell.session))
        for cell in rivals:
            if overlap == "full":
                counted[cell] = Fraction(1)
            elif overlap == "equal_split":
                counted[cell] = Fraction(1, len(rivals))
            elif cell is best:
                counted[cell] = Fraction(1)
    return counted


def second_opinion(case: Case, buffer: int, overlap: str) -> tuple[dict[Any, list[int]], dict[str, int]]:
    """Milliseconds by session, day, office and codes; and the categories that the tie-out names."""
    shares: dict[Any, list[int]] = defaultdict(lambda: [0, 0, 0])
    totals: dict[str, int] = defaultdict(int)
    mine = []
    for cell in case.cells:
        session = case.sessions[cell.session - 1]
        _, day = home(case.placements, session["person_id"], BASE + cell.minute * MINUTE)
        if PERIOD[0] <= day < PERIOD[1]:
            mine.append(cell)
    billable = [cell for cell in mine if kind_of(cell, buffer) is not None]
    known = [cell for cell in billable if case.sessions[cell.session - 1]["person_id"] is not None]
    totals["run"] = 60_000 * sum(cell.state in ("active", "pause", "idle", "held") for cell in mine)
    totals["held"] = 60_000 * sum(cell.state == "held" for cell in mine)
    totals["idle_beyond_buffer"] = 60_000 * sum(
        cell.state == "idle" and cell not in billable for cell in mine
    )
    totals["unknown_person"] = 60_000 * (len(billable) - len(known))
    counted = portions(case, known, buffer, overlap)
    totals["overlap"] = 60_000 * len(known) - int(60_000 * sum(counted.values()))
    for cell, portion in counted.items():
        session = case.sessions[cell.session - 1]
        office, day = home(case.placements, session["person_id"], BASE + cell.minute * MINUTE)
        entry = entry_at(case, cell)
        milliseconds = int(60_000 * portion)
        fault = (
            {"CLOSED": "closed_project", "nope": "invalid_project"}.get(entry["project"])
            if entry
            else "unassigned"
        )
        if fault:
            totals[fault] += milliseconds
            continue
        assert entry is not None
        key = (
            cell.session,
            day,
            session["person_id"],
            session["application"],
            office,
            entry["project"],
            entry["phase"],
        )
        shares[key][kind_of(cell, buffer) or 0] += milliseconds
    return shares, totals


def half_away(value: Fraction) -> int:
    return floor(value + Fraction(1, 2)) if value >= 0 else -floor(-value + Fraction(1, 2))


def by_increment(milliseconds: int, step: int, direction: str) -> int:
    steps = Fraction(milliseconds, step)
    return step * {"up": ceil(steps), "down": floor(steps), "nearest": half_away(steps)}[direction]


def lines_of(
    shares: dict[Any, list[int]], terms: dict[str, Any], per_hour: int
) -> dict[Any, tuple[int, ...]]:
    """Quantity and amount by day, person, application, office, project, phase; US has no rate."""
    grouped: dict[Any, list[list[int]]] = defaultdict(list)
    for (_, *key), kinds in shares.items():
        if key[4] != "US":
            grouped[tuple(key)].append(kinds)
    lines = {}
    for key, kinds_of_sessions in grouped.items():
        raw = [sum(kinds) for kinds in kinds_of_sessions]
        step, direction, level = terms["increment_ms"], terms["direction"], terms["level"]
        if key[4] == "LEAVE" or level == "month":
            rounded = sum(raw)
        elif level == "session":
            rounded = sum(by_increment(one, step, direction) for one in raw)
        else:
            rounded = by_increment(sum(raw), step, direction)
        quantity = half_away(Fraction(rounded * per_hour, 3_600_000))
        price = 0 if key[4] == "LEAVE" else Fraction(terms["rate_scaled"], 10_000)
        amount = half_away(Fraction(quantity, per_hour) * price * 100)
        sums = [sum(kinds[place] for kinds in kinds_of_sessions) for place in range(3)]
        lines[key] = (*sums, quantity, amount)
    return lines


def as_dict(charges: Charges, kind: str) -> dict[Any, tuple[int, ...]]:
    lines = charges.lines.filter(pl.col("kind") == kind)
    keys = lines.select("day", "person_id", "application", "office", "project", "phase").rows()
    values = lines.select("active_ms", "pause_ms", "buffer_ms", "quantity", "amount_minor").rows()
    return dict(zip(keys, values, strict=True))


TERMS = st.fixed_dictionaries(
    {
        "rate_scaled": st.sampled_from([1, 333_333, 900_000]),
        "increment_ms": st.sampled_from([60_000, 360_000, 900_000]),
        "direction": st.sampled_from(["up", "nearest", "down"]),
        "level": st.sampled_from(["line", "session", "month"]),
    }
)


@pytest.mark.parametrize("overlap", ["union", "full", "foreground", "equal_split"])
@given(case=cases(), buffer=st.integers(0, 5), terms=TERMS, per_hour=st.sampled_from([1000, 60]))
def test_both_implementations_agree(
    overlap: str, case: Case, buffer: int, terms: dict[str, Any], per_hour: int
) -> None:
    policy = Policy(1, Rule(buffer_ms=buffer * 60_000))
    price = rate(1, 0) | terms
    charges = charge(frames(case), tariff(price), policy, Terms(*PERIOD, per_hour, overlap))
    shares, totals = second_opinion(case, buffer, overlap)
    expected = lines_of(shares, terms, per_hour)
    assert as_dict(charges, "usage") == expected

    # Every session's share of every line.
    lines = charges.lines.select("line", "day", "person_id", "application", "office", "project", "phase")
    traced = {
        tuple(row[:7]): row[7:]
        for row in charges.shares.join(lines, on="line")
        .select(
            "session", "day", "person_id", "application", "office", "project", "phase",
            "active_ms", "pause_ms", "buffer_ms",
        )
        .rows()
    }  # fmt: skip
    assert traced == {key: tuple(kinds) for key, kinds in shares.items() if key[5] != "US"}

    # The month's one further line, by person, application, project and phase.
    if terms["level"] == "month":
        months: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
        for (_, person, application, _, project, phase), values in expected.items():
            if project != "LEAVE":
                months[person, application, project, phase][0] += sum(values[:3])
                months[person, application, project, phase][1] += values[3]
        wanted = {}
        for month, (raw, billed) in months.items():
            rounded = by_increment(raw, terms["increment_ms"], terms["direction"])
            quantity = half_away(Fraction(rounded * per_hour, 3_600_000)) - billed
            if quantity:
                wanted[month] = quantity
        found = {
            (key[1], key[2], key[4], key[5]): values[3]
            for key, values in as_dict(charges, "month_rounding").items()
        }
        assert found == wanted

    # The tie-out, term by term.
    terms_ms = charges.tie_out_ms
    for name in ("run", "held", "idle_beyond_buffer", "overlap"):
        assert terms_ms[name] == totals[name], name
    for name in tie_out.NOT_ASSIGNED:
        assert charges.not_assigned_ms[name] == totals[name], name
    assert terms_ms["without_rate"] == sum(sum(kinds) for key, kinds in shares.items() if key[5] == "US")
    assert terms_ms["non_chargeable"] == sum(sum(kinds) for key, kinds in shares.items() if key[5] == "LEAVE")
    assert terms_ms["billed"] == charges.lines.filter("billable")["quantity"].sum() * (3_600_000 // per_hour)


@given(case=cases(), buffer=st.integers(0, 5))
def test_no_millisecond_of_a_session_is_on_two_lines(case: Case, buffer: int) -> None:
    charges = charge(
        frames(case), tariff(rate(1, 900_000)), Policy(1, Rule(buffer_ms=buffer * 60_000)), Terms(*PERIOD)
    )
    by_session = charges.shares.group_by("session").agg(
        pl.sum_horizontal("active_ms", "pause_ms", "buffer_ms").sum().alias("billed")
    )
    billable: dict[int, int] = defaultdict(int)
    for cell in case.cells:
        billable[cell.session] += 60_000 * (kind_of(cell, buffer) is not None)
    for session, billed in by_session.rows():
        assert billed <= billable[session]
