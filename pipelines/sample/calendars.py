"""Offices, their holidays by rule, and monthly fiscal periods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from pipelines.sample.plan import Plan, add_months

Rule = Callable[[int], date | None]


@dataclass(frozen=True, slots=True)
class Office:
    """One office: where it is, when it works, in which currency it thinks."""

    code: str
    name: str
    zone: str
    country: str
    currency: str
    opens_minute: int
    closes_minute: int
    lunch_minute: int


OFFICES = (
    Office("BOS", "Boston", "America/New_York", "US", "USD", 510, 1050, 735),
    Office("LON", "London", "Europe/London", "GB", "GBP", 540, 1065, 765),
    Office("MUC", "Munich", "Europe/Berlin", "DE", "EUR", 480, 1020, 720),
    Office("BLR", "Bengaluru", "Asia/Kolkata", "IN", "INR", 570, 1110, 795),
    Office("SYD", "Sydney", "Australia/Sydney", "AU", "AUD", 510, 1035, 750),
)
OFFICE_ID = {office.code: place for place, office in enumerate(OFFICES, start=1)}


def easter(year: int) -> date:
    """Return Easter Sunday (the anonymous Gregorian computus)."""
    a, (b, c) = year % 19, divmod(year, 100)
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    rest = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    month, day = divmod(h + rest - 7 * ((a + 11 * h + 22 * rest) // 451) + 114, 31)
    return date(year, month, day + 1)


def _fixed(month: int, day: int) -> Rule:
    return lambda year: date(year, month, day)


def _observed(month: int, day: int) -> Rule:
    """Return the rule of a day off that moves to Monday when it falls on a weekend."""

    def rule(year: int) -> date:
        found = date(year, month, day)
        return found + timedelta(days=max(0, 7 - found.weekday()) if found.weekday() >= 5 else 0)

    return rule


def _from_easter(days: int) -> Rule:
    return lambda year: easter(year) + timedelta(days=days)


def _weekday(month: int, weekday: int, number: int, plus_days: int = 0) -> Rule:
    """Return the rule of the `number`-th such weekday (Monday is 0) of a month, -1 the last; days later."""

    def rule(year: int) -> date:
        first = add_months(date(year, month, 1), 0 if number > 0 else 1)
        ahead = (weekday - first.weekday()) % 7
        return first + timedelta(days=ahead + 7 * (number - 1 if number > 0 else number) + plus_days)

    return rule


def _listed(*days: str) -> Rule:
    """Lunar holidays follow no rule a program should carry: they are listed while known."""
    known = {date.fromisoformat(day).year: date.fromisoformat(day) for day in days}
    return known.get


HOLIDAYS: dict[str, tuple[tuple[str, Rule], ...]] = {
    "US": (
        ("New Year's Day", _observed(1, 1)),
        ("Martin Luther King Day", _weekday(1, 0, 3)),
        ("Presidents' Day", _weekday(2, 0, 3)),
        ("Patriots' Day", _weekday(4, 0, 3)),
        ("Memorial Day", _weekday(5, 0, -1)),
        ("Independence Day", _observed(7, 4)),
        ("Labor Day", _weekday(9, 0, 1)),
        ("Thanksgiving", _weekday(11, 3, 4)),
        ("Day after Thanksgiving", _weekday(11, 3, 4, plus_days=1)),
        ("Christmas Day", _observed(12, 25)),
    ),
    "GB": (
        ("New Year's Day", _observed(1, 1)),
        ("Good Friday", _from_easter(-2)),
        ("Easter Monday", _from_easter(1)),
        ("Early May bank holiday", _weekday(5, 0, 1)),
        ("Spring bank holiday", _weekday(5, 0, -1)),
        ("Summer bank holiday", _weekday(8, 0, -1)),
        ("Christmas Day", _fixed(12, 25)),
        ("Boxing Day", _fixed(12, 26)),
    ),
    "DE": (
        ("Neujahr", _fixed(1, 1)),
        ("Heilige Drei Könige", _fixed(1, 6)),
        ("Karfreitag", _from_easter(-2)),
        ("Ostermontag", _from_easter(1)),
        ("Tag der Arbeit", _fixed(5, 1)),
        ("Christi Himmelfahrt", _from_easter(39)),
        ("Pfingstmontag", _from_easter(50)),
        ("Fronleichnam", _from_easter(60)),
        ("Mariä Himmelfahrt", _fixed(8, 15)),
        ("Tag der Deutschen Einheit", _fixed(10, 3)),
        ("Allerheiligen", _fixed(11, 1)),
        ("1. Weihnachtstag", _fixed(12, 25)),
        ("2. Weihnachtstag", _fixed(12, 26)),
    ),
    "IN": (
        ("Republic Day", _fixed(1, 26)),
        ("Holi", _listed("2024-03-25", "2025-03-14", "2026-03-04", "2027-03-22", "2028-03-11")),
        ("May Day", _fixed(5, 1)),
        ("Independence Day", _fixed(8, 15)),
        ("Gandhi Jayanti", _fixed(10, 2)),
        ("Kannada Rajyotsava", _fixed(11, 1)),
        ("Diwali", _listed("2023-11-13", "2024-10-31", "2025-10-20", "2026-11-09", "2027-10-29")),
        ("Christmas Day", _fixed(12, 25)),
    ),
    "AU": (
        ("New Year's Day", _observed(1, 1)),
        ("Australia Day", _observed(1, 26)),
        ("Good Friday", _from_easter(-2)),
        ("Easter Monday", _from_easter(1)),
        ("Anzac Day", _fixed(4, 25)),
        ("King's Birthday", _weekday(6, 0, 2)),
        ("Labour Day", _weekday(10, 0, 1)),
        ("Christmas Day", _fixed(12, 25)),
        ("Boxing Day", _fixed(12, 26)),
    ),
}


def holidays(plan: Plan) -> pl.DataFrame:
    """Return one row per office and holiday, from the first year of evidence to the next one."""
    years = range(plan.start.year, plan.today.year + 2)
    found = {
        (OFFICE_ID[office.code], day.isoformat()): name
        for office in OFFICES
        for name, rule in HOLIDAYS[office.country]
        for day in map(rule, years)
        if day is not None
    }
    rows = [(office, day, name) for (office, day), name in sorted(found.items())]
    return pl.DataFrame(rows, schema=["office_id", "day_on", "name"], orient="row")


def offices() -> pl.DataFrame:
    """Return the offices as rows of their table."""
    rows = [
        (OFFICE_ID[o.code], o.code, o.name, o.zone, o.currency, o.opens_minute, o.closes_minute, "12345")
        for o in OFFICES
    ]
    columns = ["id", "code", "name", "zone", "currency", "opens_minute", "closes_minute", "business_weekdays"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def fiscal_periods(plan: Plan) -> pl.DataFrame:
    """Return one row per month, from the pilot's first to the one after the current."""
    months = plan.months + plan.earlier_months + 2
    firsts = [add_months(plan.start, number) for number in range(months + 1)]
    return pl.DataFrame(
        {
            "id": range(1, months + 1),
            "name": [f"{first:%Y-%m}" for first in firsts[:-1]],
            "starts_on": [first.isoformat() for first in firsts[:-1]],
            "ends_on": [first.isoformat() for first in firsts[1:]],
        }
    )
