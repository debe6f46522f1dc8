"""What missing data can change about a peak, on a week that can be counted by hand."""

from __future__ import annotations

import pytest
import small_warehouse
import sqlalchemy as sa
from small_warehouse import NOW, WINDOW
from sqlalchemy import Engine

from pipelines.answers import peak_demand
from pipelines.answers.demand import one_pool
from pipelines.answers.missing import Missing, missing
from pipelines.answers.question import ask


@pytest.fixture
def week(engine: Engine) -> Engine:
    small_warehouse.fill(engine)
    return engine


def change(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


UNHEARD = "1 machine unheard of in this time and the 30 days before is in neither"
FRIDAY = {"start": "2026-10-09", "end": "2026-10-10"}
FRIDAY_MS = 1_791_514_800_000  # 9 October 2026, 05:00 in Berlin
OF_HOST = "(SELECT id FROM session WHERE host_id = 1)"
SILENT_ON_FRIDAY = (
    f"DELETE FROM watch_interval WHERE host_id = 1 AND start_ms >= {FRIDAY_MS}",
    f"DELETE FROM segment WHERE start_ms >= {FRIDAY_MS} AND session_id IN {OF_HOST}",
    f"DELETE FROM session WHERE host_id = 1 AND started_ms >= {FRIDAY_MS}",
)


def of_cad(engine: Engine, **asked: str) -> Missing:
    return missing(one_pool(ask(engine, application="cad", now=NOW, **asked)))


def test_a_week_that_was_seen_whole_has_one_peak_and_a_machine_never_heard_is_named(week: Engine) -> None:
    found = of_cad(week, **WINDOW)
    assert found == Missing(6, 6, 1)
    assert found.words == f"6, whatever the missing data hold; {UNHEARD}"
    assert found.claim == ""


def test_a_machine_that_was_silent_today_counts_for_its_mean_of_the_days_before_the_window(
    week: Engine,
) -> None:
    change(week, *SILENT_ON_FRIDAY)
    # On Monday to Thursday it was used for 1.5 of 10 hours: 5 + 0.15 people, rounded up.
    found = of_cad(week, **FRIDAY)
    assert (found.lower, found.upper) == (5, 6)
    assert found.words == f"5 is certain, 6 is possible; {UNHEARD}"


def test_the_report_says_it_in_its_claim_its_footer_and_its_results(week: Engine) -> None:
    change(week, *SILENT_ON_FRIDAY)
    found = peak_demand.answer(ask(week, application="cad", **FRIDAY, now=NOW))
    assert found.claims["peak"].endswith(
        "While data are missing, the peak lies **between 5 and 6**: the first is what is known; for the "
        "second, time that nobody watched counts as use, and silent machines count at their own mean."
    )
    assert dict(found.footer.lines())["Peak, with what is missing"].startswith("5 is certain, 6 is possible")
    assert found.results["peak_upper_bound"] == 6
    spared = peak_demand.answer(ask(week, application="cad", **FRIDAY, now=NOW), with_bounds=False)
    assert "Peak, with what is missing" not in dict(spared.footer.lines())


def test_unknown_time_counts_as_use_in_the_upper_bound(week: Engine) -> None:
    # Nobody watched the first machine on Monday morning.
    change(
        week,
        "UPDATE segment SET attention = 7 WHERE start_ms < 1791201600000 AND session_id IN "
        "(SELECT id FROM session WHERE host_id = 1 AND application_id = 1)",
    )
    monday = of_cad(week, start="2026-10-05", end="2026-10-06")
    assert (monday.lower, monday.upper) == (5, 6)


def test_a_warehouse_without_a_directory_has_no_silent_machines(week: Engine) -> None:
    change(week, "UPDATE host SET in_directory = FALSE")
    assert of_cad(week, **WINDOW) == Missing(6, 6, 0)
