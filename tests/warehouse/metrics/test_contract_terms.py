"""A contract worked out by hand, year by year, and the quantity at which to walk away."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.errors import Problem
from warehouse.metrics.contract_terms import COLUMNS, Terms, term, walk_away_quantity

OFFER = Terms(
    quantity=100,
    need=90,
    list_price_minor=100_000,
    years=3,
    growth=Fraction(5, 100),
    uplift=Fraction(3, 100),
    discount=Fraction(15, 100),
    step_down=Fraction(1, 10),
    true_up=Fraction(1, 5),
)


def test_a_contract_is_worked_out_year_by_year() -> None:
    years = term(OFFER).collect()
    assert tuple(years.columns) == COLUMNS
    assert years.rows() == [
        # 1,000.00 less 15 % is 850.00, for 100; 90 at list.
        (1, 90, 100, 0, 0, 10, 85_000, 8_500_000, 9_000_000),
        # Needed are 94.5, so 95; up to ten may be given back: five are. 875.50 each; 1,030.00 at list.
        (2, 95, 95, 0, 5, 0, 87_550, 8_317_250, 9_785_000),
        # 99.225, so 100: five more, each with a fifth on top of 901.765. 101 x 901.765 = 91,078.265.
        (3, 100, 100, 5, 0, 0, 90_177, 9_107_827, 10_609_000),
    ]


def test_what_may_not_be_given_back_stays() -> None:
    years = term(replace(OFFER, growth=Fraction(-1, 2), step_down=Fraction(1, 10))).collect()
    assert years.select("need", "held", "given_back", "unused").rows() == [
        (90, 100, 0, 10), (45, 90, 10, 45), (23, 81, 9, 58),
    ]  # fmt: skip


def test_more_than_this_is_not_worth_committing_to() -> None:
    # 29,394,000 at list. 123 cost 10,455,000 + 111 x 87,550 + 100 x 90,176.5 = 29,190,...; 124 cost more.
    assert walk_away_quantity(OFFER) == 123
    most, more = (term(replace(OFFER, quantity=n)).collect().sum() for n in (123, 124))
    assert most["cost_minor"][0] <= most["at_list_minor"][0]
    assert more["cost_minor"][0] > more["at_list_minor"][0]


def test_without_a_discount_any_surplus_is_too_much_and_a_surcharge_makes_no_offer_worth_it() -> None:
    plain = replace(OFFER, discount=Fraction(0), growth=Fraction(0), true_up=Fraction(0))
    assert walk_away_quantity(plain) == 90
    growing = replace(plain, growth=Fraction(1, 10), true_up=Fraction(1, 2), step_down=Fraction(0))
    assert walk_away_quantity(growing) is None


@given(
    st.builds(
        Terms,
        quantity=st.integers(0, 30), need=st.integers(1, 20), list_price_minor=st.integers(100, 10_000),
        years=st.integers(1, 4), growth=st.fractions(-1, 1, max_denominator=10),
        uplift=st.fractions(0, 1, max_denominator=10),
        discount=st.fractions(0, Fraction(9, 10), max_denominator=10),
        step_down=st.fractions(0, 1, max_denominator=10), true_up=st.fractions(0, 2, max_denominator=10),
    )
)  # fmt: skip
def test_beyond_the_walk_away_quantity_no_commitment_is_worth_it(terms: Terms) -> None:
    def gain(quantity: int) -> int:
        years = term(replace(terms, quantity=quantity)).collect()
        return int((years["at_list_minor"] - years["cost_minor"]).sum())

    found = walk_away_quantity(terms)
    least = -1 if found is None else found
    assert found is None or gain(found) >= 0
    assert all(gain(quantity) < 0 for quantity in range(least + 1, least + 12))
    years = term(terms).collect()
    assert (years["held"] >= years["need"]).all()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"quantity": -1}, "a negative quantity, need or price"),
        ({"years": 0}, "a term of 0 years; give 1 to 10"),
        ({"discount": Fraction(2)}, "a discount or step-down outside 0 to 100 %"),
        ({"growth": Fraction(-2)}, "a growth or uplift below -100 %"),
    ],
)
def test_terms_that_cannot_be_are_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(Problem) as problem:
        term(replace(OFFER, **wrong))
    assert str(problem.value).startswith(says)


def test_an_offer_for_nothing_has_no_walk_away_quantity() -> None:
    with pytest.raises(Problem, match="an offer that costs nothing"):
        walk_away_quantity(replace(OFFER, discount=Fraction(1)))
