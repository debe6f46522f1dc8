"""What the what-if report says of the week that can be counted by hand (see small_warehouse)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small_warehouse
import sqlalchemy as sa
from small_warehouse import NOW, WINDOW
from sqlalchemy import Engine

from pipelines.answers.prices import Offers
from pipelines.answers.question import ask
from pipelines.answers.what_if import WhatIf, answer
from warehouse.errors import Problem
from warehouse.store import upgrade


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder: Path = tmp_path_factory.mktemp("what_if")
    engine = upgrade(f"sqlite:///{folder / 'week.sqlite'}")
    small_warehouse.fill(engine)
    yield engine
    engine.dispose()


def asked(engine: Engine, application: str = "cad", **more: Any) -> WhatIf:
    return answer(ask(engine, **WINDOW, application=application, now=NOW), **more)


def test_every_number_of_licenses_is_worked_out(week: Engine) -> None:
    found = asked(week)
    columns = (
        "n",
        "minutes_short",
        "people_affected",
        "turned_away",
        "cost_minor",
        "rent_minor",
        "buy_minor",
    )
    # Six people from 09:00 to 10:30 on five days. A license costs 1,200.00 a year, a month's rent 144.00, and
    # one that is bought 3,600.00 for five years and 720.00 of maintenance a year.
    assert found.curve.select(columns).rows()[3:] == [
        (3, 450.0, 3, 15, 360_000, 518_400, 432_000),
        (4, 450.0, 2, 10, 480_000, 691_200, 576_000),
        (5, 450.0, 1, 5, 600_000, 864_000, 720_000),
        (6, 0.0, 0, 0, 720_000, 1_036_800, 864_000),
    ]
    assert (found.owned, found.peak, found.enough, found.at_most) == (5, 6, 6, 6)


def test_the_cheapest_mix_gives_everybody_a_seat_where_all_work_at_once(week: Engine) -> None:
    found = asked(week)
    assert found.mix is not None
    assert found.mix.products.select("named", "concurrent", "rented").row(0) == (6, 0, 0)
    assert found.seats.height == 6
    assert found.results == {
        "pool": "cad-product", "basis": "busy", "owned": 5, "peak": 6, "enough": 6, "named": 6,
        "concurrent": 0, "rented": 0, "tokens": 0, "cost_minor": 360_000, "bound_minor": 360_000,
        "currency": "EUR",
    }  # fmt: skip
    dear = asked(week, offers=Offers(named=120))
    assert dear.mix is not None
    assert dear.claims["mix"].startswith(
        "For 99 % of use served, **6 concurrent licenses** would have done, for 7,200.00 EUR a year; no mix"
    )


def test_the_claims_say_what_the_figures_mean(week: Engine) -> None:
    claims = asked(week).claims
    assert claims["curve"] == (
        "With the 5 that are owned, for 6,000.00 EUR a year, **Drawing would have been short for 450 "
        "minutes**: 5 requests of 30 would have been turned away, of 1 person."
    )
    assert claims["enough"] == (
        "For 99 % of use served, **6 people at once are enough**; the peak was 6. That is 1 more than are "
        "owned, 1,200.00 EUR a year."
    )
    assert claims["rent"] == (
        "The 6 that are enough cost least a year **subscribed for the year**: subscribed for the year "
        "7,200.00 EUR; bought 8,640.00 EUR; rented by the month 10,368.00 EUR."
    )
    assert claims["pooling"] == (
        "**One pool needs 6**; a pool for each of 1 office needs 6 and a pool for each of 1 zone needs 6. "
        "Sharing saves 0 at the peak."
    )
    assert claims["growth"] == "A trend needs at least 3 whole months, and there are 0: widen the window."
    assert claims["bounds"].startswith("Time that nobody watched would not have raised the peak")


def test_minutes_a_month_are_another_service_level(week: Engine) -> None:
    assert asked(week, minutes_a_month=450).enough == 5
    found = asked(week, minutes_a_month=449)
    assert found.enough == 6
    assert "at most 449 minutes short a month" in found.claims["enough"]


def test_tokens_are_one_pool(week: Engine) -> None:
    # Two people, four licenses of five tokens each, on five days: 40 at once, 30 owned.
    found = asked(week, "sim")
    assert found.results == {
        "pool": "sim-product:token", "basis": "busy", "owned": 30, "peak": 40, "enough": 40, "named": 0,
        "concurrent": 0, "rented": 0, "tokens": 40, "cost_minor": 4_800_000, "bound_minor": 4_800_000,
        "currency": "EUR",
    }  # fmt: skip
    # Who comes second is turned away; of two at the same instant that is now the one, now the other.
    assert found.curve.row(30, named=True)["turned_away"] == 5
    assert found.curve.row(30, named=True)["people_affected"] == 2
    assert found.claims["rent"].startswith("Only one way to pay is known")


def test_without_a_price_it_counts_licenses_and_says_what_is_missing(week: Engine, tmp_path: Path) -> None:
    bare = upgrade(f"sqlite:///{tmp_path / 'bare.sqlite'}")
    small_warehouse.fill(bare)
    with bare.begin() as connection:
        for table in ("assignment", "entitlement_application", "entitlement"):
            connection.execute(sa.text(f"DELETE FROM {table}"))
    found = asked(bare)
    bare.dispose()
    assert (found.mix, found.currency, found.owned) == (None, "", None)
    assert found.table["cost"].to_list() == [None] * 7
    assert "No price is known" in found.claims["mix"]
    assert found.claims["curve"].startswith("With 5, **Drawing would have been short for 450 minutes**")


def test_what_cannot_be_asked_is_refused_in_one_line(week: Engine) -> None:
    with pytest.raises(Problem, match=r"a service level of 101 %; give 0 to 100"):
        asked(week, service_percent=101)
    with pytest.raises(Problem, match=r"a negative price, or a purchase for less than a year"):
        Offers(rent=-1)
    with pytest.raises(Problem, match=r"There are no moments of busy time of lt"):
        asked(week, "lt")
