"""What a row of a rates file says a rate comes to, and what of it cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from warehouse.errors import Problem
from warehouse.money import HOUR_MS, minor_digits, scale_rate
from warehouse.tabular import CLEAR, Row

DIRECTIONS = ("up", "nearest", "down")
LEVELS = ("line", "session", "month")
TIER_KINDS = ("graduated", "volume", "package")
OPTIONAL = (
    *("increment_minutes", "direction", "level", "minimum_minutes"),
    *("cost_rate", "daily_cap", "monthly_cap", "tier_kind", "tiers", "package_hours", "free_hours"),
)
DEFAULTS: Mapping[str, Any] = {
    "increment_ms": 0,
    "direction": "nearest",
    "level": "line",
    "minimum_ms": 0,
    "tiers": [],
    "free_ms": 0,
}
EDGE_MS = HOUR_MS // 20
"""Edges of tiers and packages are multiples of it: whole quanta in thousandths of an hour and in minutes."""
LONGEST_HOURS = 10_000
LARGEST_CAP = 10**9
"""In major units: whatever is more caps nothing, and is a slip of the decimal point."""
Values = dict[str, Any]


def values_of(row: Row, currency: str | None) -> Values:
    """Return the columns of `rate` that a row gives: None for an empty cell, `CLEAR` for a dash.

    Raises
    ------
    Problem
        Names file, row and column.
    """
    increment = _milliseconds(row, "increment_minutes", "increment")
    direction = row.choice("direction", DIRECTIONS)
    if increment and direction is None:
        raise row.problem(
            "direction", "an increment needs a direction", f"write one of {', '.join(DIRECTIONS)}"
        )
    return {
        "rate_scaled": _rate(row, "rate", row.text("rate") or ""),
        "valid_to_on": row.day("valid_to"),
        "increment_ms": increment,
        "direction": direction,
        "level": row.choice("level", LEVELS),
        "minimum_ms": _or_clear(row, "minimum_minutes", 0, _minimum),
        "cost_rate_scaled": _or_clear(row, "cost_rate", CLEAR, _cost_rate),
        "daily_cap_minor": _cap(row, "daily_cap", currency),
        "monthly_cap_minor": _cap(row, "monthly_cap", currency),
        "tier_kind": _or_clear(row, "tier_kind", CLEAR, _tier_kind),
        "tiers": _or_clear(row, "tiers", [], _tiers),
        "package_ms": _or_clear(row, "package_hours", CLEAR, _package),
        "free_ms": _or_clear(row, "free_hours", 0, _hours),
    }


def _or_clear(row: Row, column: str, cleared: object, read: Any) -> Any:
    """Read a cell; an empty one leaves what is stored, a dash takes it away."""
    text = row.text(column)
    if text is None:
        return None
    return cleared if text == CLEAR else read(row, column)


def _rate(row: Row, column: str, text: str) -> int:
    try:
        return scale_rate(text)
    except Problem as problem:
        raise row.problem(column, problem.message, problem.remedy) from None


def _cost_rate(row: Row, column: str) -> int:
    return _rate(row, column, row.text(column) or "")


def _tier_kind(row: Row, column: str) -> str | None:
    return row.choice(column, TIER_KINDS)


def _milliseconds(row: Row, column: str, what: str) -> int | None:
    minutes = row.decimal(column)
    if minutes is None:
        return None
    milliseconds = minutes * 60_000
    if milliseconds != int(milliseconds) or milliseconds > 86_400_000:
        raise row.problem(
            column,
            f"{minutes} minutes are no {what}",
            "write whole milliseconds of at most a day, such as 15",
        )
    return int(milliseconds)


def _minimum(row: Row, column: str) -> int | None:
    return _milliseconds(row, column, "minimum")


def _hours(row: Row, column: str) -> int:
    return _edge(row, column, row.decimal(column) or Decimal(0))


def _package(row: Row, column: str) -> int:
    size = _hours(row, column)
    if size == 0:
        raise row.problem(column, "a package of 0 hours holds nothing", "write how many hours it holds")
    return size


def _edge(row: Row, column: str, hours: Decimal) -> int:
    """Return hours in ms: whole quanta of every target."""
    milliseconds = hours * HOUR_MS
    if milliseconds % EDGE_MS:
        raise row.problem(column, f"{hours} hours are no multiple of 0.05", "write it in steps of 3 minutes")
    if hours > LONGEST_HOURS:
        raise row.problem(column, f"{hours} hours are over {LONGEST_HOURS}", "check the decimal point")
    return int(milliseconds)


def _tiers(row: Row, column: str) -> list[list[int]]:
    """Read `50: 9.00; 100: 7.50`: from 50 hours on 9.00, from 100 on 7.50."""
    found: list[list[int]] = []
    for text in row.codes(column):
        hours, colon, price = (part.strip() for part in text.partition(":"))
        if not colon:
            raise row.problem(column, f"{text!r} is no tier", "write hours and rate, as 50: 9.00; 100: 7.50")
        at = Row(row.file, row.number, {column: hours}, row.origins)
        edge = _edge(row, column, at.decimal(column) or Decimal(0))
        before = found[-1][0] if found else 0
        if edge <= before:
            after = f"after {before / HOUR_MS:g} hours" if before else "above 0 hours"
            raise row.problem(
                column,
                f"the tier from {hours or '0'} hours does not begin {after}",
                "write the tiers in order; the rate itself is the price before the first of them",
            )
        found.append([edge, _rate(row, column, price)])
    return found


def _cap(row: Row, column: str, currency: str | None) -> int | str | None:
    """Read `40`, `40.00` or `40.00 EUR`: an amount of the rate's own currency, in minor units."""
    text = row.text(column)
    if text is None or text == CLEAR:
        return text
    number, _, named = text.partition(" ")
    if named.strip() and named.strip() != currency:
        raise row.problem(
            column,
            f"a cap in {named.strip()} on a rate in {currency}",
            f"write it in {currency}: it is converted where the rate is",
        )
    amount = Row(row.file, row.number, {column: number}, row.origins).decimal(column) or Decimal(0)
    minor = amount.scaleb(minor_digits(currency or ""))
    if minor != int(minor):
        raise row.problem(column, f"{number} is finer than {currency} can be paid", "round it")
    if not 0 < amount <= LARGEST_CAP:
        wrong = "caps everything" if amount == 0 else "is over a thousand million"
        raise row.problem(column, f"a cap of {number} {wrong}", "check it; a dash takes a cap away")
    return int(minor)


def refuse_contradictions(row: Row, rate: Mapping[str, Any]) -> None:
    """Refuse terms that cannot be kept together, whether this row gives them or they are stored.

    Parameters
    ----------
    rate
        The columns of `rate` as they would be.

    Raises
    ------
    Problem
        Names file, row and column.
    """
    kind, tiers, level = rate.get("tier_kind"), rate.get("tiers") or [], rate["level"]
    daily, monthly = rate.get("daily_cap_minor"), rate.get("monthly_cap_minor")
    faults: Sequence[tuple[Any, str, str, str]] = (
        (kind in ("graduated", "volume") and not tiers, "tiers",
         f"tier_kind {kind} has no tiers", "write them, as 50: 9.00; 100: 7.50"),
        (tiers and kind is None, "tier_kind",
         "there are tiers, and nothing says how they count", f"write one of {', '.join(TIER_KINDS)}"),
        (kind == "package" and not rate.get("package_ms"), "package_hours",
         "tier_kind package has no size", "write how many hours a package holds"),
        (rate.get("package_ms") and kind != "package", "tier_kind",
         "package_hours is given, and this is no package", "write package, or take package_hours away"),
        (level == "month" and (kind or rate.get("free_ms")), "level",
         "the month is rounded after all its hours are priced",
         "write line or session beside tiers or free_hours"),
        (kind == "package" and daily, "daily_cap",
         "packages are charged for the period, not for a day", "write a monthly_cap"),
        (daily and monthly and daily > monthly, "daily_cap",
         "the cap of a day is over that of the month", "swap them"),
    )  # fmt: skip
    for is_wrong, column, message, remedy in faults:
        if is_wrong:
            raise row.problem(column, message, remedy)
