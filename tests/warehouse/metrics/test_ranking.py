"""Applications in order of their use."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from use_cases import CELL, Session, at, cells, described, session, stated, weekends

from warehouse.errors import Problem
from warehouse.metrics.ranking import ranking
from warehouse.metrics.states import BASES

HOUR_MS = 3_600_000
DAY = 24 * 60


def ranked(*sessions: Session, basis: str = "busy", zone: str = "UTC") -> list[tuple[Any, ...]]:
    window = at(-9 * 60), at(3 * DAY)
    return ranking(stated(*sessions), described(*sessions), basis, *window, zone).collect().rows()


def test_applications_stand_in_order_of_use_with_people_days_and_the_last_time() -> None:
    cad = session(1, (0, 60, "active"), (60, 120, "pause"), (120, 180, "idle"))
    again = session(2, (DAY, DAY + 30, "active"), person="P-2", account="A-2")
    fem = session(3, (0, 30, "active"), application="fem", person="P-2", account="A-2")
    held = session(4, (0, 300, "held"), application="bim")
    assert ranked(cad, again, fem, held) == [
        ("cad", 2, 2, 2.5 * HOUR_MS, 2, at(DAY + 30)),
        ("fem", 1, 1, 0.5 * HOUR_MS, 1, at(30)),
        ("bim", 1, 0, 0, 0, None),
    ]
    assert ranked(cad, held, basis="run")[0] == ("bim", 1, 1, 5 * HOUR_MS, 1, at(300))


def test_a_launch_alone_is_a_session_and_no_use() -> None:
    opened = Session(1, started=at(5), ended=at(5))
    assert ranked(opened) == [("cad", 1, 0, 0, 0, None)]


def test_days_are_those_of_the_zone() -> None:
    late = session(1, (12 * 60, 15 * 60, "active"))  # 21:00 to 24:00 UTC is one day there, and two in Berlin
    assert [ranked(late, zone=zone)[0][4] for zone in ("UTC", "Europe/Berlin")] == [1, 2]


@pytest.mark.parametrize(
    ("basis", "zone", "says"), [("use", "UTC", "unknown basis"), ("run", "Mars", "Mars")]
)
def test_what_cannot_be_asked_is_refused(basis: str, zone: str, says: str) -> None:
    with pytest.raises(Problem, match=says):
        ranked(basis=basis, zone=zone)


@given(weekends(), st.sampled_from(list(BASES)), st.sampled_from(["Europe/Berlin", "America/New_York"]))
def test_it_equals_a_count_cell_by_cell(case: Any, basis: str, zone: str) -> None:
    sessions, start, end = case
    found = ranking(stated(*sessions), described(*sessions), basis, start, end, zone).collect()
    counted: dict[str, dict[str, Any]] = defaultdict(lambda: defaultdict(set) | {"ms": 0, "last": None})
    for each in sessions:
        entry = counted[each.fact("application")]
        if start <= each.started < end:
            entry["sessions"].add(each.session)
        for cell in cells(start, end):
            states = [state for first, last, state, _ in each.parts if first <= cell < last]
            if not states:
                continue
            entry["sessions"].add(each.session)
            if states[0] in BASES[basis]:
                entry["people"].add(each.fact("person") or each.fact("account"))
                entry["days"].add(cell.astimezone(ZoneInfo(zone)).date())
                entry["ms"] += CELL // timedelta(milliseconds=1)
                entry["last"] = max(entry["last"] or datetime.min.replace(tzinfo=UTC), cell + CELL)
    assert {row[0]: row[1:] for row in found.rows()} == {
        name: (len(it["sessions"]), len(it["people"]), it["ms"], len(it["days"]), it["last"])
        for name, it in counted.items()
        if it["sessions"]
    }
