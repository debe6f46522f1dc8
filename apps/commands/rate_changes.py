"""What was changed of a rate, in words and units of people: prices in currency, times in minutes or hours."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from warehouse.money import format_minor, format_rate

if TYPE_CHECKING:
    from warehouse.directory import Change

NOTHING = "none"
SCOPE = ("application", "project", "office", "person")
Row = Mapping[str, Any]
"""A row of `frames.rates`, and `person`."""


def change_words(change: Change, rates: Mapping[int, Row]) -> str:
    """Say in a line what a change has made of a rate or conversion.

    Parameters
    ----------
    rates
        The rates that there are, by version.
    """
    if isinstance(change.rate, str):
        pair, first = change.rate.split()
        return f"conversion {pair} from {first}  {_became('factor', change, _factor)}"
    rate = rates.get(change.rate, {})
    subject = f"rate {change.rate}, {scope_words(rate)}"
    if change.what in ("new", "stored"):
        currency = str(change.after.get("currency") or rate.get("currency"))
        said = [f"{label} {tell(change.after[name], currency)}" for name, (label, tell) in TERMS.items()
                if change.after.get(name) not in (None, [])]  # fmt: skip
        return f"{subject}  {change.what}: {', '.join(said)}"
    label, tell = TERMS.get(change.what, (change.what.replace("_", " "), _plain))
    return f"{subject}  {_became(label, change, lambda value: tell(value, str(rate.get('currency'))))}"


def scope_words(rate: Row) -> str:
    """Say what a rate is for: `cad / BER`, or `any`."""
    return " / ".join(str(rate[name]) for name in SCOPE if rate.get(name)) or "any"


def _became(label: str, change: Change, tell: Callable[[Any], str]) -> str:
    before, after = (
        NOTHING if value in (None, []) else tell(value) for value in (change.before, change.after)
    )
    return f"{label}: {before} -> {after}"


def _plain(value: Any, _: str) -> str:
    return str(value)


def _minutes(value: Any, _: str) -> str:
    return f"{value / 60_000:g} min"


def _hours(value: Any, _: str = "") -> str:
    return f"{value / 3_600_000:g} h"


def _tiers(value: Any, currency: str) -> str:
    tiers = json.loads(value) if isinstance(value, str) else value
    return "; ".join(f"from {_hours(at)} {format_rate(price, currency)}" for at, price in tiers)


def _factor(value: Any) -> str:
    return f"{Decimal(value).scaleb(-8):f}"


TERMS: Mapping[str, tuple[str, Callable[[Any, str], str]]] = {
    "rate_scaled": ("price", format_rate),
    "valid_from_on": ("valid from", _plain),
    "valid_to_on": ("valid to", _plain),
    "increment_ms": ("increment", _minutes),
    "direction": ("rounded", _plain),
    "level": ("rounded by", _plain),
    "minimum_ms": ("at least", _minutes),
    "free_ms": ("free time", _hours),
    "tier_kind": ("kind of tiers", _plain),
    "tiers": ("tiers", _tiers),
    "package_ms": ("package of", _hours),
    "daily_cap_minor": ("cap of a day", format_minor),
    "monthly_cap_minor": ("cap of a period", format_minor),
    "cost_rate_scaled": ("own cost", format_rate),
}
"""What a rate says, by the name it is stored under: its words, and how a value is told in a currency."""
