"""Rating of 1 million usage segments to charge lines, against Polars' plain group-by-sum of the same frame.

The sum is the least that any bill costs, so the ratio says what project, overlap, local day, line, rate and
tie-out add to it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from statistics import median
from time import perf_counter
from typing import Any

import polars as pl

from warehouse.metrics.charges import Evidence, Tariff, Terms, charge
from warehouse.metrics.states import STATES, Policy, Rule
from warehouse.periods import INSTANT
from warehouse.schema import ATTENTIONS

SEGMENTS, SESSIONS, PEOPLE, PROJECTS, ROUNDS = 1_000_000, 30_000, 1_500, 300, 5
SEED = 20261005
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata")
OFFICES = ("BER", "NYC", "BLR")
APPLICATIONS = ("cad", "bim", "fem", "gis")
PERIOD_START_MS = 1_790_812_800_000  # 2026-10-01 00:00 UTC
DAY_MS, MINUTE_MS = 86_400_000, 60_000
TERMS = Terms(date(2026, 10, 1), date(2026, 11, 1))
POLICY = Policy(default=Rule(buffer_ms=120_000), applications={"fem": Rule(buffer_ms=0)})


def words(number: pl.Expr, names: tuple[str, ...]) -> pl.Expr:
    return (number % len(names)).cast(pl.Int64).replace_strict(dict(enumerate(names)), return_dtype=pl.String)


def sessions() -> pl.DataFrame:
    """Sessions of some 33 minutes; one in twenty overlaps the one before, of the same person and program."""
    row = pl.int_range(SESSIONS, eager=True).to_frame("session")
    dice, place = pl.col("session").hash(SEED), pl.col("session") // PEOPLE
    person = pl.col("session") % PEOPLE
    slot = place * (DAY_MS // 2) + 8 * 60 * MINUTE_MS
    shift = pl.when(dice % 20 == 0).then(-DAY_MS // 2 + 15 * MINUTE_MS).otherwise(0)
    return row.with_columns(
        person_id=person,
        application=words(person, APPLICATIONS),
        office=words(person, OFFICES),
        zone=words(person, ZONES),
        department=pl.lit(None, pl.String),
        cost_center=pl.lit(None, pl.String),
        started=(PERIOD_START_MS + DAY_MS + slot + shift).cast(INSTANT),
    ).with_columns(ended=pl.col("started") + pl.duration(minutes=SEGMENTS // SESSIONS + 1))


def stated(about: pl.DataFrame) -> pl.DataFrame:
    """Minutes of work: half of them active, the rest in gaps of five."""
    minute = pl.int_range(SEGMENTS, eager=True).to_frame("row")
    per_session = -(-SEGMENTS // SESSIONS)
    known = minute.with_columns(session=pl.col("row") // per_session, minute=pl.col("row") % per_session)
    dice = (pl.col("row") // 5).hash(SEED) % 8
    state = dice.cast(pl.Int64).replace_strict(
        {number: STATES[number] if number < 6 else "active" for number in range(8)},
        return_dtype=pl.Enum(STATES),
    )
    attention = state.replace_strict(
        dict(
            zip(STATES, ("input", "no_input", "background", "suspended", "held", "unobserved"), strict=True)
        ),
        return_dtype=pl.Enum(ATTENTIONS),
    )
    start = pl.col("started") + pl.duration(minutes="minute")
    gap = pl.col("started") + pl.duration(minutes=pl.col("minute") - pl.col("minute") % 5)
    return known.join(about, on="session", maintain_order="left").select(
        "session", "application", start.alias("start"), (start + pl.duration(minutes=1)).alias("end"),
        attention.alias("attention"), state.alias("state"), gap.alias("since"), gap.alias("gap_start"),
        pl.lit(None, pl.Int32).alias("instance"), pl.lit(False).alias("provisional"),
    )  # fmt: skip


def entries(about: pl.DataFrame) -> pl.DataFrame:
    """One project at launch, and for one session in ten another one in the middle."""
    dice = pl.col("session").hash(SEED + 1)
    number = pl.format("P{}", dice % PROJECTS)
    first = about.select("session", start="started", project=number)
    second = about.filter(pl.col("session") % 10 == 3).select(
        "session", start=pl.col("started") + pl.duration(seconds=915), project=pl.format("P{}", dice % 7)
    )
    return pl.concat([first, second]).with_row_index("entry").select(
        pl.col("entry").cast(pl.Int64), "session", pl.lit(None, pl.Int32).alias("instance"), "start",
        pl.lit(None, INSTANT).alias("end"), "project", pl.lit(None, pl.String).alias("phase"),
        pl.lit(None, pl.String).alias("task"),
    )  # fmt: skip


def tariff() -> Tariff:
    none = pl.lit(None, pl.Date)
    projects = pl.select(project=pl.format("P{}", pl.int_range(PROJECTS))).with_columns(
        currency=pl.lit("EUR"), tax_code=pl.lit("V19"), chargeable=pl.lit(True), opened_on=none,
        closed_on=none, kind=pl.lit("project"), cost_center=pl.lit(None, pl.String),
    )  # fmt: skip
    phases = projects.clear().select("project", "chargeable", "opened_on", "closed_on", phase=pl.lit(""))
    tasks = projects.clear().select("project", phase=pl.lit(""), task=pl.lit(""))
    rates = pl.DataFrame(
        [(1, None, None), (2, None, "cad"), (3, "BER", "cad"), (4, None, "fem")],
        schema={"rate_id": pl.Int64, "office": pl.String, "application": pl.String},
        orient="row",
    ).with_columns(
        person_id=pl.lit(None, pl.Int64), project=pl.lit(None, pl.String), currency=pl.lit("EUR"),
        rate_scaled=pl.col("rate_id") * 100_000, valid_from=pl.lit(date(2026, 1, 1)), valid_to=none,
        increment_ms=pl.lit(360_000, pl.Int64), direction=pl.lit("up"), level=pl.lit("line"),
        minimum_ms=pl.lit(0, pl.Int64), free_ms=pl.lit(0, pl.Int64), tiers=pl.lit("[]"),
        tier_kind=pl.lit(None, pl.String),
        **dict.fromkeys(
            ("cost_rate_scaled", "daily_cap_minor", "monthly_cap_minor", "package_ms"), pl.lit(None, pl.Int64)
        ),
    )  # fmt: skip
    return Tariff(projects, phases, tasks, rates)


def seconds(work: Callable[[], Any]) -> float:
    """Median of several rounds."""
    taken = []
    for _ in range(ROUNDS):
        began = perf_counter()
        work()
        taken.append(perf_counter() - began)
    return median(taken)


def main() -> None:
    about = sessions()
    evidence = Evidence(stated(about), about, pl.DataFrame(schema=PLACEMENTS), entries(about))
    prices = tariff()
    length_ms = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    bare = seconds(lambda: evidence.stated.group_by("session", "state").agg(length_ms.sum()))
    ours = seconds(lambda: charge(evidence, prices, POLICY, TERMS))
    lines = charge(evidence, prices, POLICY, TERMS)
    print(f"{evidence.stated.height:,} segments to {lines.lines.height:,} lines: {ours:.3f} s")
    print(f"bare group-by-sum {bare:.3f} s; tie-out {lines.tie_out_ms}")
    print(f"ratio {ours / bare:.1f}")


PLACEMENTS = {
    "person_id": pl.Int64,
    **dict.fromkeys(("office", "department", "cost_center", "zone"), pl.String),
    "valid_from": pl.Date,
}

if __name__ == "__main__":
    main()
