"""Prices against a second implementation in plain Python with fractions, on random bills."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from dataclasses import replace as changed
from datetime import date
from fractions import Fraction
from math import ceil, floor
from typing import Any

import polars as pl
from billing_cases import frame, rate, tariff
from hypothesis import given, settings
from hypothesis import strategies as st
from rating_cases import HOUR, MINUTE, WORKED, rated, use

from warehouse.metrics import tie_out
from warehouse.metrics.charges import Rated
from warehouse.metrics.tariff import CONVERSIONS, Tariff
from warehouse.money import amount_minor, spread, spread_over

# --- The second implementation -----------------------------------------------------------------------------


def half_away(value: Fraction) -> int:
    return floor(value + Fraction(1, 2)) if value >= 0 else -floor(-value + Fraction(1, 2))


@dataclass
class Line:
    day: date
    project: str
    quantity: int
    scaled: int
    kind: str = "usage"
    amount: int = 0


WAYS: dict[str, Callable[[Fraction], int]] = {"up": ceil, "down": floor, "nearest": half_away}


def quantity_of(milliseconds: Iterable[int], terms: dict[str, Any], per_hour: int) -> int:
    """Quanta of one line, given its sessions' shares."""

    def by_increment(ms: int) -> int:
        step = int(terms["increment_ms"]) or 1
        steps = Fraction(ms, step)
        return max(step * WAYS[terms["direction"]](steps), int(terms["minimum_ms"]))

    shares = list(milliseconds)
    level = terms["level"]
    whole = sum(by_increment(ms) for ms in shares) if level == "session" else by_increment(sum(shares))
    return half_away(Fraction(whole * per_hour, HOUR))


def price_at(hours: Fraction, terms: dict[str, Any]) -> int:
    """The price of the quantum that begins after so many paid hours."""
    found: int = terms["rate_scaled"]
    for from_ms, scaled in terms["tiers"]:
        if hours >= Fraction(from_ms, HOUR):
            found = scaled
    return found


def second_bill(
    uses: list[dict[str, Any]], terms: dict[str, Any], factor: Fraction, per_hour: int
) -> list[Line]:
    """Walk through the period quantum by quantum, as one would with a stopwatch and a price list."""
    work: dict[tuple[date, str], list[int]] = defaultdict(list)
    for told in uses:
        work[told["day"], told["project"]].append(told["active_ms"] + told["pause_ms"] + told["buffer_ms"])
    quantities = {key: quantity_of(shares, terms, per_hour) for key, shares in sorted(work.items())}
    free, kind = Fraction(terms["free_ms"] * per_hour, HOUR), terms["tier_kind"]
    total = max(sum(quantities.values()) - free, Fraction(0))
    prices: dict[tuple[date, str, int], int] = defaultdict(int)
    position = 0
    for (day, project), quantity in quantities.items():
        for _ in range(quantity):
            paid = Fraction(position) - free
            if paid < 0 or kind == "package":
                scaled = 0
            else:
                scaled = (
                    price_at((total if kind == "volume" else paid) / per_hour, terms)
                    if kind
                    else terms["rate_scaled"]
                )
            prices[day, project, half_away(scaled * factor)] += 1
            position += 1
    lines = [Line(day, project, quantity, scaled) for (day, project, scaled), quantity in prices.items()]
    for line in lines:
        line.amount = half_away(Fraction(line.quantity, per_hour) * Fraction(line.scaled, 10_000) * 100)
    return lines


def packages_of(lines: list[Line], terms: dict[str, Any], factor: Fraction, per_hour: int) -> int:
    """What the packages of a period cost together."""
    size = Fraction(terms["package_ms"] or HOUR, HOUR)
    paid = Fraction(sum(line.quantity for line in lines), per_hour) - Fraction(terms["free_ms"], HOUR)
    prices = [
        half_away(price_at(number * size, terms) * factor) for number in range(max(ceil(paid / size), 0))
    ]
    return sum(half_away(size * Fraction(price, 10_000) * 100) for price in prices)


# --- Random bills ------------------------------------------------------------------------------------------

MINUTES = st.one_of(st.integers(1, 240), st.sampled_from([0.06, 59.97, 60, 120, 180, 359.94, 360.06]))
USES = st.lists(
    st.builds(
        lambda day, minutes, project, pause, session: use(
            day, minutes, project, pause=pause, **({"session": 90 + day} if session else {})
        ),
        st.integers(5, 8), MINUTES, st.sampled_from("AB"), st.sampled_from([0, 0, 7]), st.just(False),
    ),
    min_size=1, max_size=7,
)  # fmt: skip
EDGES = st.sets(st.integers(1, 60), min_size=1, max_size=3).map(sorted)


@st.composite
def terms_of(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from([None, "graduated", "volume", "package"]))
    edges = draw(EDGES) if kind else []
    scaled = st.sampled_from([0, 1, 90_000, 120_000, 333_333])
    return {
        "rate_scaled": draw(scaled),
        "increment_ms": draw(st.sampled_from([0, 6 * MINUTE, 15 * MINUTE])),
        "direction": draw(st.sampled_from(["up", "nearest", "down"])),
        "level": draw(st.sampled_from(["line", "session"])),
        "minimum_ms": draw(st.sampled_from([0, 10 * MINUTE])),
        "tier_kind": kind,
        "tiers": [[edge * HOUR // 5, draw(scaled)] for edge in edges],
        "package_ms": draw(st.sampled_from([HOUR, 3 * HOUR])) if kind == "package" else None,
        "free_ms": draw(st.sampled_from([0, 0, HOUR // 2, 3 * HOUR])),
    }


FACTORS = st.sampled_from([None, 92_345_678, 150_000_000])
PER_HOUR = st.sampled_from([1000, 60])


def priced(uses: list[dict[str, Any]], terms: dict[str, Any], factor: int | None, per_hour: int) -> Rated:
    known = terms if factor is None else {**terms, "currency": "USD"}
    row = {"from_currency": "USD", "to_currency": "EUR", "from_on": date(2026, 1, 1), "factor_scaled": factor}
    conversions = frame(dict(CONVERSIONS), [row] if factor else [])
    at: Tariff = changed(tariff(rate(1, 0) | known | {"tiers": rate(1, 0, tiers=terms["tiers"])["tiers"]}),
                         conversions=conversions)  # fmt: skip
    return rated(*uses, at=at, per_hour=per_hour)


@given(USES, terms_of(), FACTORS, PER_HOUR)
def test_both_implementations_price_alike(
    uses: list[dict[str, Any]], terms: dict[str, Any], factor: int | None, per_hour: int
) -> None:
    found = priced(uses, terms, factor, per_hour).lines
    exact = Fraction(factor or 10**8, 10**8)
    lines = second_bill(uses, terms, exact, per_hour)
    usage = found.filter(kind="usage").select("day", "project", "quantity", "rate_scaled", "amount_minor")
    wanted = {(line.day, line.project, line.scaled): (line.quantity, line.amount) for line in lines}
    told = {
        (day, project, scaled): (quantity, amount) for day, project, quantity, scaled, amount in usage.rows()
    }
    assert {key: value for key, value in told.items() if value[0]} == wanted
    packages = found.filter(kind="package")["amount_minor"].sum()
    assert packages == (packages_of(lines, terms, exact, per_hour) if terms["tier_kind"] == "package" else 0)


@given(
    USES, terms_of(), FACTORS, PER_HOUR, st.sampled_from([None, 1, 1_000]), st.sampled_from([None, 1, 2_500])
)
def test_what_holds_of_every_bill(  # noqa: PLR0917
    uses: list[dict[str, Any]],
    terms: dict[str, Any],
    factor: int | None,
    per_hour: int,
    daily: int | None,
    monthly: int | None,
) -> None:
    capped = terms | {"daily_cap_minor": daily, "monthly_cap_minor": monthly}
    found = priced(uses, capped, factor, per_hour)
    lines = found.lines
    # Quantity x rate = amount on every line, of hours and of fixed amounts.
    for quantity, scaled, currency, amount in lines.select(
        "quantity", "rate_scaled", "currency", "amount_minor"
    ).rows():
        assert amount == amount_minor(quantity, per_hour, scaled, currency)
    # Every millisecond is on one line, and every line is the sum of its shares.
    kinds = ["active_ms", "pause_ms", "buffer_ms"]
    given_ms = pl.DataFrame([{name: told.get(name) for name in WORKED} for told in uses], schema=WORKED)
    assert found.shares.select(pl.col(kinds).sum()).rows() == given_ms.select(pl.col(kinds).sum()).rows()
    sums = found.shares.group_by("line").agg(pl.col(kinds).sum())
    joined = lines.select("line", *kinds).join(sums, on="line", how="left", suffix="_shared")
    for name in kinds:
        assert (joined[name] == joined[f"{name}_shared"].fill_null(0)).all()
    # The tie-out: what is billed less the rounding is what was worked.
    tied = tie_out.line_terms(lines, found.unbilled, HOUR // per_hour)
    assert tied["billed"] - tied["rounding"] == int(given_ms.select(pl.sum_horizontal(kinds)).sum().item())
    # No two lines differ in nothing but their amount.
    keys = ["kind", "day", "project", "rate_scaled"]
    assert lines.filter(unit="hour").select(keys).is_duplicated().sum() == 0
    # Caps hold exactly: where one took something off, what is left is the cap.
    exact = Fraction(factor or 10**8, 10**8)
    by_day = lines.filter(kind="usage").group_by("day").agg(pl.col("amount_minor").sum())
    day_cap = None if daily is None else half_away(daily * exact)
    days = sum(min(amount, day_cap) if day_cap is not None else amount for amount in by_day["amount_minor"])
    whole = days + lines.filter(kind="package")["amount_minor"].sum()
    assert lines["amount_minor"].sum() == (
        whole if monthly is None else min(whole, half_away(monthly * exact))
    )
    assert (lines.group_by("project").agg(pl.col("amount_minor").sum())["amount_minor"] >= 0).all()


@settings(max_examples=12)
@given(terms_of(), st.integers(1, 600), st.integers(1, 60), PER_HOUR)
def test_more_time_never_costs_less_unless_a_volume_tier_is_cheaper(
    terms: dict[str, Any], minutes: int, more: int, per_hour: int
) -> None:
    if terms["tier_kind"] == "volume":
        terms = terms | {"tier_kind": "graduated"}
    less, longer = (
        priced([use(5, length)], terms, None, per_hour).lines["amount_minor"].sum()
        for length in (minutes, minutes + more)
    )
    # Each line that a tier adds is rounded to the cent on its own.
    assert longer >= less - len(terms["tiers"])


@given(
    st.lists(
        st.tuples(st.integers(0, 10**12), st.lists(st.integers(0, 10**9), min_size=1, max_size=6)), max_size=5
    ).filter(lambda groups: all(sum(weights) for _, weights in groups))
)
def test_amounts_are_spread_over_groups_as_over_one(groups: list[tuple[int, list[int]]]) -> None:
    rows = [
        (group, place, total, weight)
        for group, (total, weights) in enumerate(groups)
        for place, weight in enumerate(weights)
    ]
    columns = dict.fromkeys(["group", "place", "total", "weight"], pl.Int64)
    found = spread_over(
        pl.DataFrame(rows, schema=columns, orient="row"), "total", "weight", ["group"], ["place"]
    )
    for group, (total, weights) in enumerate(groups):
        parts = found.filter(group=group)["part"].to_list()
        assert parts == spread(total, weights)
        assert sum(parts) == total
