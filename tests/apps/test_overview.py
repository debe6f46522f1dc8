from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest
import small_warehouse
from markupsafe import Markup
from sqlalchemy import Engine

from apps import ahead, overview
from warehouse.errors import Problem

NOW = datetime(2026, 10, 12, 12, tzinfo=UTC)


def test_the_windows_are_whole_days_up_to_yesterday() -> None:
    assert [(w.code, w.first_day, w.end_day) for w in overview.windows(date(2028, 2, 29))] == [
        ("30", date(2028, 1, 30), date(2028, 2, 29)),
        ("90", date(2027, 12, 1), date(2028, 2, 29)),
        ("365", date(2027, 2, 28), date(2028, 2, 29)),
    ]


@pytest.fixture
def screen(engine: Engine) -> Markup:
    small_warehouse.fill(engine)
    return ahead.make(engine, NOW)["overview"]


def test_the_key_figures_are_those_of_the_week(screen: Markup) -> None:
    # Six people, five days, two hours of CAD of which 90 minutes have input; two people, half an hour of SIM.
    assert "<dt>Run time</dt><dd>65 h<small>applications open</small></dd>" in screen
    assert "<dt>Busy</dt><dd>50 h<small>76.9 % of run time</small></dd>" in screen
    assert "<dt>Idle</dt><dd>15 h<small>23.1 % of run time</small></dd>" in screen
    assert "<dt>Session coverage</dt><dd>100.0 %<small>of session time known</small></dd>" in screen
    assert screen.count("<dt>Run time</dt><dd>65 h") == 3


def test_what_two_people_did_is_shown_with_what_six_did_or_not_at_all(screen: Markup) -> None:
    use = re.findall(r"<td data-label=\"Application\">([^<]+)</td>", screen)
    assert set(use) == {"Other applications"}
    assert '<td class="n" data-label="Idle h">15.0</td>' in screen


def test_peaks_stand_against_what_is_owned(screen: Markup) -> None:
    rows = re.findall(r"<tr><td data-label=\"License\">(.*?)</tr>", screen)
    drawing = next(row for row in rows if row.startswith("Drawing<"))
    assert re.findall(r"data-label=\"(Owned|Peak)\">(\d+)<", drawing) == [("Owned", "5"), ("Peak", "6")]


def test_the_screen_names_its_moment_window_zone_and_policy(screen: Markup) -> None:
    assert 'As of <span class="c">2026-10-12 14:00</span> Europe/Berlin.' in screen
    assert "the last day not included, Europe/Berlin" in screen
    assert "license policy, version 3" in screen


def test_a_window_without_use_says_so_and_the_others_are_shown(engine: Engine) -> None:
    small_warehouse.fill(engine)
    later = ahead.make(engine, datetime(2026, 12, 24, tzinfo=UTC))["overview"]
    assert later.count("<h2>Nothing in this window</h2>") == 1
    assert later.count("<dt>Run time</dt><dd>65 h") == 2


def test_a_warehouse_without_sessions_says_what_to_do(engine: Engine) -> None:
    small_warehouse.fill(engine)
    with pytest.raises(Problem, match="There are no sessions from 2022-12-31") as problem:
        ahead.make(engine, datetime(2023, 12, 31, 12, tzinfo=UTC))
    said = ahead.nothing(problem.value)
    assert "There are no sessions from" in said["renewals"]
    assert "<h2>No data yet</h2>" in said["overview"]
