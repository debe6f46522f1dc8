"""How the figures of a what-if report read: its table and its claims."""

from __future__ import annotations

from typing import Any

import polars as pl

from pipelines.answers.prices import YearlyPrices
from pipelines.answers.wording import count, listing, safe
from warehouse.metrics.growth import FEW_MONTHS, LEAST_MONTHS
from warehouse.metrics.license_mix import CheapestMix
from warehouse.metrics.licenses import SEAT_METRICS
from warehouse.money import format_minor

WITHOUT = "Without a price this cannot be said."
NO_PRICE = (
    "**No price is known**, so this report counts licenses and no money: give the entitlement its unit cost "
    "with `process-meter entitlement import`."
)

ROWS = 25
"""A table of the curve has about so many rows."""


def table(
    curve: pl.DataFrame,
    row: dict[str, Any],
    enough: int,
    mix: CheapestMix | None,
    prices: YearlyPrices | None,
) -> pl.DataFrame:
    """Show the curve in even steps, with the rows that decide, amounts as people read them."""
    step = max(1, -(-curve.height // ROWS))
    here = None if mix is None else int(mix.products["concurrent"].sum()) + mix.tokens
    marked = [enough, row["owned"], row["peak"], here]
    shown = curve.filter((pl.col("n") % step == 0) | pl.col("n").is_in([n for n in marked if n is not None]))
    currency = prices.currency if prices else ""
    amounts = {
        kind: [_money(minor, currency) for minor in shown[f"{kind}_minor"]]
        for kind in ("cost", "rent", "buy")
    }
    words = [licenses_of(mix) if mix and n == here else None for n in shown["n"]]
    return shown.select("n", "minutes_short", "people_affected", "turned_away").with_columns(
        **{kind: pl.Series(texts, dtype=pl.String) for kind, texts in amounts.items()},
        mix=pl.Series(words, dtype=pl.String),
    )


def _money(minor: int | None, currency: str) -> str | None:
    return None if minor is None else format_minor(minor, currency)


def licenses_of(mix: CheapestMix) -> str:
    """Name the licenses of a mix: 7 named seats and 10 concurrent licenses."""
    bought = mix.products.select(pl.col("named", "concurrent", "rented").sum()).row(0, named=True)
    parts = [
        count(bought["named"], "named seat") if bought["named"] else "",
        count(bought["concurrent"], "concurrent license") if bought["concurrent"] else "",
        count(bought["rented"], "month of a rented license", "months of a rented license")
        if bought["rented"]
        else "",
        count(mix.tokens, "token") if mix.tokens else "",
    ]
    return listing(filter(None, parts)) or "nothing"


# --- The claims --------------------------------------------------------------------------------------------


def on_curve(row: dict[str, Any], curve: pl.DataFrame, prices: YearlyPrices | None) -> str:
    """Say what the number that is owned would have meant."""
    at = row["owned"] if row["owned"] is not None else max(row["peak"] - 1, 0)
    met = curve.filter(pl.col("n") == at).row(0, named=True)
    has = f"With the {at:,} that are owned" if row["owned"] is not None else f"With {at:,}"
    cost = "" if prices is None else f", for {format_minor(met['cost_minor'], prices.currency)} a year"
    if not met["minutes_short"]:
        return (
            f"{has}{cost}, **{safe(row['name'])} would never have been short**: the peak was {row['peak']:,}."
        )
    return (
        f"{has}{cost}, **{safe(row['name'])} would have been short for "
        f"{met['minutes_short']:,.0f} minutes**: {count(met['turned_away'], 'request')} of "
        f"{met['launches']:,} would have been turned away, of "
        f"{count(met['people_affected'], 'person', 'people')}."
    )


def on_enough(row: dict[str, Any], prices: YearlyPrices | None, enough: int, level: str) -> str:
    """Say how many of one kind are enough."""
    words = f"For {level}, **{enough:,} {row['unit']} at once are enough**; the peak was {row['peak']:,}."
    if row["owned"] is None:
        return words
    if row["metric"] in SEAT_METRICS:
        return (
            f"{words} That holds if people may share them; each of the {row['owned']:,} that are owned "
            "belongs to one holder."
        )
    left = row["owned"] - enough
    if left == 0:
        return f"{words} That is what is owned."
    what = f"{abs(left):,} {'fewer' if left > 0 else 'more'} than are owned"
    money = "" if prices is None else f", {format_minor(abs(left) * prices.unit, prices.currency)} a year"
    return f"{words} That is {what}{money}."


def on_mix(row: dict[str, Any], prices: YearlyPrices | None, mix: CheapestMix | None, level: str) -> str:
    """Say which mix is the cheapest, and how sure that is."""
    if prices is None or mix is None:
        return NO_PRICE
    cost = format_minor(mix.cost_minor, prices.currency)
    proof = "no mix that does so costs less"
    if not mix.is_optimal:
        bound = format_minor(mix.bound_minor, prices.currency)
        proof = f"the search was ended by its time limit: none can cost less than {bound}"
    return (
        f"For {level}, **{licenses_of(mix)}** would have done, for {cost} a year; {proof}. "
        f"{safe(row['name'])} would have been short of one or more for {mix.minutes_short:,.0f} minutes."
    )


def on_seats(mix: CheapestMix | None) -> str:
    """Say for how many a seat of their own pays."""
    if mix is None:
        return WITHOUT
    everybody = count(int(mix.products["people"].sum()), "person", "people")
    if mix.seats.is_empty():
        return f"**Nobody**: of {everybody}, none uses so much at busy times that a seat would pay."
    return f"In the cheapest mix **{mix.seats.height:,} of {everybody}** have a seat. Names are pseudonyms."


def on_rent(prices: YearlyPrices | None, curve: pl.DataFrame, enough: int) -> str:
    """Weigh renting against buying."""
    if prices is None:
        return WITHOUT
    if prices.rent is None or prices.buy is None:
        return "Only one way to pay is known for this license, so there is nothing to weigh against it."
    at = curve.filter(pl.col("n") == enough).row(0, named=True)
    ways = {"subscribed for the year": at["cost_minor"], "rented by the month": at["rent_minor"],
            "bought": at["buy_minor"]}  # fmt: skip
    ordered = sorted(ways.items(), key=lambda way: way[1])
    listed = "; ".join(f"{way} {format_minor(minor, prices.currency)}" for way, minor in ordered)
    return f"The {enough:,} that are enough cost least a year **{ordered[0][0]}**: {listed}."


def on_pooling(pooled: pl.DataFrame) -> str:
    """Say what one pool saves against one per place."""
    sums = pooled.filter(pl.col("place").is_not_null()).group_by("kind", maintain_order=True).agg(
        pl.col("peak").sum(), places=pl.len()
    )  # fmt: skip
    if sums.is_empty():
        return (
            "No office is known for these sessions, so whether pooling saves cannot be said: import offices."
        )
    together = pooled.filter(pl.col("place").is_null())["peak"][0]
    parts = [
        f"a pool for each of {count(places, kind, 'time zones' if kind == 'zone' else '')} needs {apart:,}"
        for kind, apart, places in sums.iter_rows()
    ]
    saved = sums["peak"][0] - together
    return f"**One pool needs {together:,}**; {' and '.join(parts)}. Sharing saves {saved:,} at the peak."


def on_growth(line: pl.DataFrame) -> str:
    """Say where demand is heading, and on how many months that rests."""
    months = line["months"][0] if line.height else 0
    if months < LEAST_MONTHS:
        return (
            f"A trend needs at least {LEAST_MONTHS} whole months, and there are {months}: widen the window."
        )
    last, ahead = line.filter(pl.col("demand").is_not_null()).row(-1, named=True), line.row(-1, named=True)
    few = f" It rests on {months} months only, and knows no season." if months < FEW_MONTHS else ""
    return (
        f"The monthly peak moves from {last['line']:,.1f} to **{ahead['line']:,.1f} in twelve months**, if "
        f"it goes on as it did; four in five such months would lie between {ahead['lower']:,.1f} and "
        f"{ahead['upper']:,.1f}.{few}"
    )


def on_bounds(row: dict[str, Any], most: int) -> str:
    """Say how high the peak may have been."""
    if most == row["peak"]:
        return "Time that nobody watched would not have raised the peak, even if all of it had been use."
    return f"If all time that nobody watched was use, the peak is {most:,} rather than {row['peak']:,}."
