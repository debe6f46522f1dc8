"""Rating of 10 million usage rows to charge lines, against Polars' plain group-by and sum of the same frame.

A usage row is what one session worked on one local day on one project: 5,000 people with three of 30 programs
and two of 2,000 projects each, on 23 days. Rating says who pays, finds the rate version, rounds, prices, cuts
at free hours and tiers, caps, and leads each line back to its sessions; the plain sum does nothing but add up
the milliseconds of each line. Rates of every kind take part; both must find the same milliseconds.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import Any

import polars as pl
from racing import lap, race, show, started, tell

from warehouse.metrics.charges import PLACE_KEYS, Rated, rate_work
from warehouse.metrics.quantities import KINDS_MS, WORK_KEYS
from warehouse.metrics.tariff import PRESETS, Tariff, Terms

ROWS, ROUNDS, LIMIT = 10_000_000, 3, 4.0
SEED, PEOPLE, APPLICATIONS, PROJECTS, OFFICES = 20261005, 5_000, 30, 2_000, 8
FIRST, HOUR_MS = date(2026, 10, 1), 3_600_000
TERMS = Terms(FIRST, date(2026, 11, 1))


def usage(rows: int) -> pl.DataFrame:
    """Sessions of up to an hour: three programs and two projects each; some without a project."""
    row = pl.int_range(rows, eager=True).alias("session").to_frame()
    dice, other = (pl.col("session").hash(SEED + place) for place in (0, 1))
    person = (dice % PEOPLE).cast(pl.Int64)
    mine = row.with_columns(
        day=(pl.lit(FIRST) + pl.duration(days=(other % 23).cast(pl.Int64))).cast(pl.Date),
        person_id=person,
        application=pl.format("app-{}", (person * 7 + (other // 23 % 3).cast(pl.Int64)) % APPLICATIONS),
        office=pl.format("O{}", person % OFFICES),
        number=(person * 13 + (dice // PEOPLE % 2).cast(pl.Int64)) % PROJECTS,
        active_ms=(other // 7 % HOUR_MS).cast(pl.Int64) + 1,
        pause_ms=(other // 11 % 300_000).cast(pl.Int64),
        buffer_ms=pl.lit(0, pl.Int64),
    )
    is_set = pl.col("session") % 50 != 0
    return mine.with_columns(
        project=pl.when(is_set).then(pl.format("{}-00", 1000 + pl.col("number"))),
        phase=pl.when(is_set).then(pl.format("{}0", 1 + pl.col("number") % 4)),
        task=pl.lit(None, pl.String),
        department=pl.format("D{}", pl.col("person_id") % 40),
        cost_center=pl.format("CC-{}", pl.col("person_id") % 20),
        unfit=pl.lit(None, pl.String),
    ).select("session", *PLACE_KEYS, *KINDS_MS)


def tariff() -> Tariff:
    """Projects with four phases, in two currencies; for every third application a rate of another kind."""
    number = pl.int_range(PROJECTS, eager=True).alias("number").to_frame()
    days = {name: pl.lit(None, pl.Date) for name in ("opened_on", "closed_on")}
    currency = pl.when(pl.col("number") % 5 == 0).then(pl.lit("USD")).otherwise(pl.lit("EUR"))
    projects = number.select(
        project=pl.format("{}-00", 1000 + pl.col("number")), currency=currency, tax_code=pl.lit("V19"),
        chargeable=pl.col("number") % 97 != 0, kind=pl.lit("project"),
        cost_center=pl.lit(None, pl.String), **days,
    )  # fmt: skip
    phases = projects.join(pl.DataFrame({"phase": ["10", "20", "30", "40"]}), how="cross").select(
        "project", "phase", "chargeable", *days
    )
    tasks = pl.DataFrame(schema={"project": pl.String, "phase": pl.String, "task": pl.String})
    conversions = pl.DataFrame(
        {"from_currency": ["EUR"], "to_currency": ["USD"], "from_on": [FIRST], "factor_scaled": [108_123_456]}
    )
    everybody = {"preset": 1, "project": "1001-00", "phase": "20", "valid_from": FIRST}
    presets = pl.DataFrame([{name: everybody.get(name) for name in PRESETS}], schema=dict(PRESETS))
    return Tariff(projects, phases, tasks, rates(), conversions=conversions, presets=presets)


def rates() -> pl.DataFrame:
    kinds: tuple[dict[str, Any], ...] = (
        {"increment_ms": 360_000, "direction": "up"},
        {"increment_ms": 900_000, "direction": "up", "level": "session", "minimum_ms": 900_000},
        {"increment_ms": 900_000, "level": "month"},
        {
            "tier_kind": "graduated",
            "tiers": [[20 * HOUR_MS, 80_000], [60 * HOUR_MS, 60_000]],
            "free_ms": HOUR_MS,
        },
        {"tier_kind": "volume", "tiers": [[40 * HOUR_MS, 70_000]]},
        {"daily_cap_minor": 4_000, "monthly_cap_minor": 50_000, "cost_rate_scaled": 50_000},
    )
    rows = [
        {
            "rate_id": place,
            "application": f"app-{place}",
            "rate_scaled": 100_000 + 1_000 * place,
            **kinds[place % 6],
        }
        for place in range(1, APPLICATIONS)
    ] + [{"rate_id": 100, "rate_scaled": 95_000}, {"rate_id": 101, "office": "O3", "rate_scaled": 85_000}]
    plain = {"increment_ms": 0, "direction": "nearest", "level": "line", "minimum_ms": 0, "free_ms": 0}
    full = [
        {"currency": "EUR", "valid_from": FIRST, **plain, **row, "tiers": json.dumps(row.get("tiers", []))}
        for row in rows
    ]
    numbers = ("rate_id", "person_id", "rate_scaled", "increment_ms", "cost_rate_scaled", "minimum_ms",
               "daily_cap_minor", "monthly_cap_minor", "package_ms", "free_ms")  # fmt: skip
    words = ("project", "office", "application", "currency", "direction", "level", "tier_kind", "tiers")
    columns = {
        **dict.fromkeys(numbers, pl.Int64), **dict.fromkeys(words, pl.String),
        "valid_from": pl.Date, "valid_to": pl.Date,
    }  # fmt: skip
    return pl.DataFrame([{name: row.get(name) for name in columns} for row in full], schema=columns)


def run(contestant: str, rows: int) -> None:
    """Do what is raced, and answer with the milliseconds that it found.

    A few rows go first, so that nothing is loaded or started on the clock; then all of them, once: that what
    is measured repeats itself is for the rounds to show, each in a process of its own.
    """
    work, answer = (rated, milliseconds_rated) if contestant == "rating" else (summed, milliseconds)
    work(usage(rows // 100))
    worked = usage(rows)
    lap(lambda: work(worked), answer, times=1, warm=False)


def rated(worked: pl.DataFrame) -> Rated:
    return rate_work(worked, tariff(), TERMS)


def milliseconds_rated(found: Rated) -> int:
    return milliseconds(found.lines) + int(found.unbilled["milliseconds"].sum())


def summed(worked: pl.DataFrame) -> pl.DataFrame:
    return worked.group_by(WORK_KEYS).agg(pl.col(KINDS_MS).sum())


def milliseconds(rows: pl.DataFrame) -> int:
    return sum(int(rows[name].sum()) for name in KINDS_MS)


def main() -> None:
    turn = started()
    if turn is not None:
        run(turn[0], int(turn[1]))
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    laps = race(__file__, ("rating", "plain group-by-sum"), rows, rounds=ROUNDS)
    print(f"{rows:,} usage rows")
    show(laps)
    tell(laps, "rating", "plain group-by-sum", LIMIT)


if __name__ == "__main__":
    main()
