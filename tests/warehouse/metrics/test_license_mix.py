"""The cheapest mix of licenses: small cases by hand, and its optimum against trying out every mix."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, product
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from use_cases import at

from warehouse.errors import Problem
from warehouse.metrics.license_mix import CheapestMix, Prices, Service, cheapest_mix
from warehouse.periods import INSTANT

USE = {"product": pl.String, "person": pl.String, "start": INSTANT, "end": INSTANT, "units": pl.Int64}
SPAN = {"period": pl.String, "start": INSTANT, "end": INSTANT}
ALL_SERVED = Service(share_of_use=Fraction(1))

Use = tuple[str, str | None, int, int, int]
"""Product, person, start and end in minutes after 09:00, units."""


def uses(*rows: Use) -> pl.LazyFrame:
    return pl.LazyFrame([(p, who, at(s), at(e), u) for p, who, s, e, u in rows], schema=USE, orient="row")


def spans(*edges: int) -> pl.LazyFrame:
    rows = [(f"m{n}", at(edges[n - 1]), at(edges[n])) for n in range(1, len(edges))]
    return pl.LazyFrame(rows, schema=SPAN, orient="row")


def mix(
    rows: list[Use], prices: dict[str, Prices], service: Service = ALL_SERVED, **asked: Any
) -> CheapestMix:
    return cheapest_mix(uses(*rows), spans(*asked.pop("edges", (0, 60, 120))), prices, service, **asked)


def bought(found: CheapestMix) -> list[tuple[Any, ...]]:
    return found.products.select("product", "named", "concurrent", "rented").rows()


# Ann works all the time; of Ben, Cem and Dia one works at a time, half an hour each.
OFFICE: list[Use] = [
    ("cad", "ann", 0, 120, 1),
    ("cad", "ben", 0, 30, 1),
    ("cad", "cem", 30, 60, 1),
    ("cad", "dia", 60, 90, 1),
]


def test_who_works_all_the_time_gets_a_seat_and_the_others_share() -> None:
    found = mix(OFFICE, {"cad": Prices(named=600, concurrent=1000)})
    assert bought(found) == [("cad", 1, 1, 0)]
    assert found.seats.rows() == [("cad", "ann")]
    assert (found.cost_minor, found.bound_minor, found.is_optimal) == (1600, 1600, True)
    assert (found.shortage_minutes, found.minutes_short) == (0.0, 0.0)
    assert found.products.select("people", "peak").row(0) == (4, 2)


def test_seats_as_dear_as_shared_licenses_are_never_bought() -> None:
    found = mix(OFFICE, {"cad": Prices(named=1001, concurrent=1000)})
    assert (bought(found), found.cost_minor) == ([("cad", 0, 2, 0)], 2000)


def test_cheap_seats_are_bought_for_everybody() -> None:
    found = mix(OFFICE, {"cad": Prices(named=200, concurrent=1000)})
    assert (bought(found), found.cost_minor) == ([("cad", 4, 0, 0)], 800)


@pytest.mark.parametrize(
    ("service", "cost", "short"),
    [
        # 210 minutes of use; with one seat for Ann, 90 minutes of the others are not served: 42.9 %.
        (Service(share_of_use=Fraction(57, 100)), 600, 90.0),
        # One shared license is short for 90 minutes as well: a second seat it is.
        (Service(share_of_use=Fraction(58, 100)), 1200, 60.0),
        (Service(minutes_a_period=60), 600, 90.0),  # 60 in the first hour, 30 in the second
        (Service(minutes_a_period=59), 1200, 60.0),
        (Service(minutes_a_period=0), 1600, 0.0),
        (Service(share_of_use=Fraction(0)), 0, 210.0),
    ],
)
def test_less_service_costs_less(service: Service, cost: int, short: float) -> None:
    found = mix(OFFICE, {"cad": Prices(named=600, concurrent=1000)}, service)
    assert (found.cost_minor, found.bound_minor, found.shortage_minutes) == (cost, cost, short)


def test_a_license_needed_for_one_month_is_rented() -> None:
    rows: list[Use] = [("cad", "ann", 0, 120, 1), ("cad", "ben", 70, 80, 1)]
    found = mix(rows, {"cad": Prices(concurrent=1000, rented=600)})
    assert bought(found) == [("cad", 0, 1, 1)]
    assert found.rented.rows() == [("cad", "m2", 1)]
    assert found.cost_minor == 1600


def test_products_draw_on_one_pool_of_tokens_by_weight() -> None:
    rows: list[Use] = [
        ("fem", "ann", 0, 30, 1),  # 5 tokens
        ("cfd", "ben", 30, 60, 2),  # 2 x 3 tokens
        ("cfd", "ann", 60, 90, 1),  # 3 tokens, beside 3
        ("cfd", "ben", 60, 90, 1),
    ]
    prices = {"fem": Prices(weight=5), "cfd": Prices(weight=3)}
    found = mix(rows, prices, token_minor=100)
    assert (found.tokens, found.cost_minor, bought(found)) == (6, 600, [("cfd", 0, 0, 0), ("fem", 0, 0, 0)])


def test_tokens_serve_what_is_above_the_concurrent_licenses() -> None:
    # Two at once for most of the time, four for a moment: the tokens of the moment serve both products.
    rows: list[Use] = [
        ("fem", "ann", 0, 60, 1), ("fem", "ben", 0, 60, 1), ("fem", "cem", 10, 20, 1),
        ("cfd", "dia", 60, 120, 1), ("cfd", "eve", 70, 80, 1),
    ]  # fmt: skip
    prices = {name: Prices(concurrent=200, weight=2) for name in ("fem", "cfd")}
    found = mix(rows, prices, token_minor=125)
    # Six tokens cost 750; a license of fem leaves two of four at once to tokens, as many as cfd needs alone.
    assert found.is_optimal
    assert (found.tokens, found.cost_minor, bought(found)) == (4, 700, [("cfd", 0, 0, 0), ("fem", 0, 1, 0)])


def test_use_without_a_known_person_gets_no_seat() -> None:
    rows: list[Use] = [("cad", None, 0, 60, 1), ("cad", None, 0, 60, 1), ("cad", "ann", 0, 60, 1)]
    found = mix(rows, {"cad": Prices(named=1, concurrent=1000)})
    assert (bought(found), found.cost_minor) == ([("cad", 1, 2, 0)], 2001)
    with pytest.raises(Problem, match=r"cannot serve the people without a name"):
        mix(rows, {"cad": Prices(named=1)})


def test_without_use_nothing_is_bought() -> None:
    found = mix([], {"cad": Prices(named=1, concurrent=1000)})
    assert (bought(found), found.cost_minor, found.is_optimal) == ([("cad", 0, 0, 0)], 0, True)


def test_no_time_gives_a_mix_that_serves_and_an_honest_bound() -> None:
    found = mix(OFFICE, {"cad": Prices(named=600, concurrent=1000)}, seconds=0)
    assert (found.cost_minor, found.bound_minor, found.is_optimal) == (2000, 0, False)


def test_the_solver_says_nothing_on_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    mix(OFFICE, {"cad": Prices(named=600, concurrent=1000)})
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("prices", "service", "token", "says"),
    [
        ({"a": Prices(1), "b": Prices(1)}, ALL_SERVED, None, "2 products without a pool of tokens"),
        ({"a": Prices()}, ALL_SERVED, None, "a is sold in no way"),
        ({"a": Prices(named=-1)}, ALL_SERVED, None, "a has a negative price"),
        ({"a": Prices(weight=0)}, ALL_SERVED, 5, "a has a negative price, or a weight below 1"),
        ({"a": Prices(1)}, Service(), None, "a service level is a share of use or minutes a period"),
        ({"a": Prices(1)}, Service(Fraction(3, 2)), None, "a service level of 3/2"),
        ({"a": Prices(1)}, Service(minutes_a_period=-1), None, "a service level of -1"),
    ],
)
def test_what_cannot_be_solved_is_refused(
    prices: dict[str, Prices], service: Service, token: int | None, says: str
) -> None:
    with pytest.raises(Problem) as problem:
        mix(OFFICE, prices, service, token_minor=token)
    assert str(problem.value).startswith(says)


# --- Against trying out every mix ---------------------------------------------------------------------------

CELL = 10
EDGES = (0, 40, 80)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Use], dict[str, Prices], Service, int | None]:
    """Up to four people, two products and eight cells of ten minutes in two periods."""
    names = draw(st.sampled_from([["cad"], ["cad", "fem"]]))
    rows: list[Use] = []
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, 7))
        end = draw(st.integers(start + 1, 8))
        who = draw(st.sampled_from(["ann", "ben", "cem", None]))
        units = draw(st.integers(1, 2))
        rows.append((draw(st.sampled_from(names)), who, start * CELL, end * CELL, units))
    price = st.none() | st.integers(0, 9)
    token = draw(st.integers(0, 5)) if len(names) > 1 else draw(st.none() | st.integers(1, 5))
    prices = {
        name: Prices(draw(price), draw(st.integers(1, 9)), draw(price), draw(st.integers(1, 3)))
        for name in names
    }
    service = draw(
        st.builds(Service, st.sampled_from([Fraction(n, 20) for n in (0, 10, 15, 18, 20)]))
        | st.builds(Service, st.none(), st.sampled_from([0, 10, 15, 40]))
    )
    return rows, prices, service, token


@given(cases())
def test_no_mix_that_serves_is_cheaper(
    case: tuple[list[Use], dict[str, Prices], Service, int | None],
) -> None:
    rows, prices, service, token = case
    found = mix(rows, prices, service, token_minor=token, edges=EDGES)
    assert found.is_optimal
    assert found.cost_minor == cheapest(rows, prices, service, token)


def cheapest(rows: list[Use], prices: dict[str, Prices], service: Service, token: int | None) -> int | None:
    """Cost of the cheapest mix that serves: all are tried, each with as few tokens as do."""
    candidates = sorted({(row[0], row[1]) for row in rows if row[1] and prices[row[0]].named is not None})
    seatings = (each for number in range(len(candidates) + 1) for each in combinations(candidates, number))
    best: int | None = None
    for seats in seatings:
        seated = sum(prices[name].named or 0 for name, _ in seats)
        left = [[demand(rows, name, cell, set(seats)) for cell in range(8)] for name in sorted(prices)]
        pools = [pool(prices[name], max(cells)) for name, cells in zip(sorted(prices), left, strict=True)]
        for chosen in product(*pools):
            cost = seated + sum(each[0] for each in chosen)
            if best is not None and cost >= best:
                continue
            owned, rented = tuple(each[1] for each in chosen), tuple(n for each in chosen for n in each[2])
            tokens = fewest_tokens(rows, left, owned, rented, prices, service, token)
            if tokens is not None:
                cost += tokens * (token or 0)
                best = cost if best is None else min(best, cost)
    return best


def pool(price: Prices, most: int) -> list[tuple[int, int, tuple[int, int]]]:
    """Cost, licenses owned and rented in either period, of each pool that is not above the most at once."""
    return [
        (owned * (price.concurrent or 0) + sum(rents) * (price.rented or 0), owned, rents)
        for owned in range(most + 1)
        for rents in product(range(most - owned + 1) if price.rented is not None else (0,), repeat=2)
    ]


def demand(rows: list[Use], name: str, cell: int, seats: set[Any]) -> int:
    inside = (row for row in rows if row[0] == name and row[2] <= cell * CELL < row[3])
    return sum(row[4] for row in inside if (row[0], row[1]) not in seats)


def fewest_tokens(  # noqa: PLR0917 - a mix, its prices and the service level
    rows: list[Use],
    left: list[list[int]],
    owned: Any,
    rented: Any,
    prices: Any,
    service: Service,
    token: int | None,
) -> int | None:
    names = sorted(prices)
    weight = [prices[name].weight if token is not None else 1 for name in names]
    over = [
        sum(
            weight[n] * max(0, left[n][cell] - owned[n] - rented[2 * n + cell // 4])
            for n in range(len(names))
        )
        for cell in range(8)
    ]
    all_use = sum(weight[names.index(row[0])] * row[4] * (row[3] - row[2]) for row in rows)
    for tokens in range(max(over, default=0) + 1) if token is not None else (0,):
        short = [CELL * max(0, each - tokens) for each in over]
        if service.minutes_a_period is not None:
            serves = max(sum(short[:4]), sum(short[4:])) <= service.minutes_a_period
        else:
            serves = sum(short) <= all_use * (1 - (service.share_of_use or 0))
        if serves:
            return tokens
    return None
