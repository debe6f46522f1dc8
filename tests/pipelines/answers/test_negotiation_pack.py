"""What the pack says of the one vendor of the week that can be counted by hand (see small_warehouse)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
import small_warehouse
from small_warehouse import NOW
from sqlalchemy import Engine

from pipelines.answers.negotiation_pack import NegotiationPack, Term, answer, question_of
from warehouse.errors import Problem
from warehouse.store import upgrade


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = upgrade(f"sqlite:///{tmp_path_factory.mktemp('pack') / 'week.sqlite'}")
    small_warehouse.fill(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def pack(week: Engine) -> NegotiationPack:
    question = question_of(week, application="cad", end="2026-10-12", now=NOW)
    return answer(question, "maker", offer=Term(discount=10, growth=20, true_up=50))


def test_a_pack_goes_back_no_further_than_there_are_sessions(week: Engine) -> None:
    asked = question_of(week, end="2026-10-12", now=NOW)
    assert (asked.first_day, asked.end_day) == (date(2026, 10, 1), date(2026, 10, 12))
    assert question_of(week, months=1, now=NOW).first_day == date(2026, 10, 1)
    with pytest.raises(Problem, match="a pack over 37 months; give 1 to 36"):
        question_of(week, months=37)


def test_the_vendor_s_licenses_stand_side_by_side_the_dearest_first(pack: NegotiationPack) -> None:
    assert pack.vendor == "Maker"
    assert pack.licenses.select("name", "owned", "peak", "cost").rows() == [
        ("Simulation", 30, 40, "36,000.00 EUR"),
        ("Drawing", 5, 6, "6,000.00 EUR"),
    ]
    assert pack.positions["product"].sort().to_list() == ["Drawing", "Drawing LT", "Simulation"]
    assert "Drawing by 1" in pack.claims["compliance"]


def test_the_offer_is_worked_out_for_what_is_enough(pack: NegotiationPack) -> None:
    # Needed are 6, 8 (7.2) and 9 (8.64), at 1,200.00 less 10 %, rising by 3 %; added ones cost half more.
    assert pack.years.select("need", "held", "added", "price", "cost", "at_list").rows() == [
        (6, 6, 0, "1,080.00 EUR", "6,480.00 EUR", "7,200.00 EUR"),
        (8, 8, 2, "1,112.40 EUR", "10,011.60 EUR", "9,888.00 EUR"),
        (9, 9, 1, "1,145.77 EUR", "10,884.83 EUR", "11,457.72 EUR"),
    ]
    assert pack.claims["term"] == (
        "A commitment to 6 for 3 years costs **27,376.43 EUR**; just what is needed each year, at list "
        "price and without a commitment, costs 28,545.72 EUR."
    )
    # Eight cost 8,640.00, 8,899.20 and 10,884.83; nine 9,720.00, 10,011.60 and 10,311.95, which is too much.
    assert pack.walk_away == 8
    assert pack.results["walk_away"] == 8
    assert pack.claims["walk_away"].startswith("**Commit to no more than 8**")


def test_a_vendor_that_sells_nothing_here_is_named_with_those_who_do(week: Engine) -> None:
    asked = question_of(week, end="2026-10-12", now=NOW)
    with pytest.raises(Problem, match=r"No license of a vendor 'Nobody' is owned; known are Maker"):
        answer(asked, "Nobody")
