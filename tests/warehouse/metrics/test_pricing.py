"""The worked example of docs/billing.md, and what holds of every bill whatever its rates."""

from __future__ import annotations

from datetime import date

from billing_cases import rate
from rating_cases import HOUR, MINUTE, rated, rows, use

from warehouse.metrics import tie_out

EXAMPLE = rate(
    1, 120_000, increment_ms=6 * MINUTE, direction="up", minimum_ms=15 * MINUTE, free_ms=2 * HOUR,
    tier_kind="graduated", tiers=[[10 * HOUR, 90_000]], daily_cap_minor=6_000,
)  # fmt: skip


def day(number: int) -> date:
    return date(2026, 10, number)


def test_the_worked_example_of_the_documentation() -> None:
    found = rated(use(5, 4), use(5, 237, "B"), use(6, 360), use(7, 261), at=EXAMPLE)
    assert rows(found, "kind", "project", "day", "quantity", "rate_scaled", "amount_minor") == [
        ("usage", "A", day(5), 250, 0, 0),
        ("usage", "A", day(6), 6000, 120_000, 7200),
        ("cap", "A", day(6), -1000, 120_000, -1200),
        ("usage", "A", day(7), 1750, 120_000, 2100),
        ("usage", "A", day(7), 2650, 90_000, 2385),
        ("usage", "B", day(5), 2250, 120_000, 2700),
        ("usage", "B", day(5), 1750, 0, 0),
    ]
    assert found.lines["amount_minor"].sum() == 13_185
    terms = tie_out.line_terms(found.lines, found.unbilled, 3_600)
    assert (terms["billed"], terms["rounding"]) == (14_650 * 3_600, 17 * MINUTE)
