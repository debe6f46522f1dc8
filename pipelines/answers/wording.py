"""How figures read in prose: counts, hours, shares, days, names."""

from __future__ import annotations

import re
from collections.abc import Iterable

MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&$])")


def count(number: int, one: str, many: str = "") -> str:
    """Write a number with its noun: 1 seat, 1,234 seats."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def enough(number: int) -> str:
    """Write how many are enough: 1 is enough, 12 are enough."""
    return f"{number:,} {'is' if number == 1 else 'are'} enough"


def hours(number: float) -> str:
    """Write hours: 12,345 hours; below 100 with one decimal."""
    return f"{number:,.0f} hours" if number >= 100 else f"{number:,.1f} hours"


def number(value: float) -> str:
    """Write a number with one decimal, and a whole one without any."""
    return f"{value:,.1f}".removesuffix(".0")


def share(part: float | None) -> str:
    """Write a part of a whole: 62 %; what cannot be said is said so."""
    return "an unknown share" if part is None else f"{part * 100:.0f} %"


def safe(name: str) -> str:
    """Escape what Markdown would read as markup: names come from files that people write."""
    return MARKDOWN.sub(r"\\\1", name)


def listing(names: Iterable[str]) -> str:
    """Join names: a, b and c."""
    found = list(names)
    return " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)
