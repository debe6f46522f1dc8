"""Caps: the most that a rate charges a person for an application, in a local day and in a period.

What is beyond a cap is taken off by a line of its own, divided among the projects by what each was charged,
by the largest remainder: so the lines sum to the cap exactly.
"""

from __future__ import annotations

import polars as pl

from warehouse import money
from warehouse.metrics.conversion import converted_minor
from warehouse.metrics.quantities import KINDS_MS, LINE_KEYS
from warehouse.metrics.tiers import ACCOUNT

CODES = ("project", "phase", "task")
DAILY, MONTHLY = "daily cap", "monthly cap"
"""How the note of a cap's line begins; one that is both names both."""
_KEPT = ("tax_code", "rate_currency", "conversion_scaled")


def lines(charged: pl.DataFrame, quantum_per_hour: int) -> pl.DataFrame:
    """Make the lines that bring what was charged down to its caps.

    Days come first: what a day's cap has taken off does not count towards the period's. What belongs to the
    whole period, its rounding and its packages, counts towards no day.

    Parameters
    ----------
    charged
        Lines with `amount_minor`, `daily_cap_minor` and `monthly_cap_minor` (of the rate's currency).

    Returns
    -------
    pl.DataFrame
        Lines of kind cap, unit each, of a negative quantity; dated their day, or the last day on which their
        codes were used.
    """
    is_capped = pl.any_horizontal(pl.col("daily_cap_minor", "monthly_cap_minor").is_not_null())
    ordered = charged.filter(is_capped).sort("day", "office")
    by_day = _excess(ordered.filter(pl.col("kind") == "usage"), "daily_cap_minor", (*ACCOUNT, "day"))
    taken = by_day.with_columns(amount_minor=-pl.col("part"))
    whole = ("amount_minor", "monthly_cap_minor", "day", "office", *ACCOUNT, *CODES, *_KEPT)
    left = pl.concat([ordered.select(whole), taken.select(whole)]).sort("day", "office")
    by_period = _excess(left, "monthly_cap_minor", ACCOUNT)
    both = pl.concat([_noted(by_day, DAILY), _noted(by_period, MONTHLY)])
    merged = both.group_by(LINE_KEYS).agg(
        pl.col("part").sum(), pl.col("currency", *_KEPT).first(), pl.col("note").str.join(" and ")
    )
    price = pl.col("part") * money.rate_units_expr(pl.col("currency"))
    return merged.with_columns(
        *(pl.lit(0, pl.Int64).alias(name) for name in (*KINDS_MS, "session_count")),
        kind=pl.lit("cap"), unit=pl.lit("each"), quantity=pl.lit(-quantum_per_hour, pl.Int64),
        amount_minor=-pl.col("part"), rate_scaled=price, chargeable=pl.lit(value=True),
    ).drop("part")  # fmt: skip


def _excess(charged: pl.DataFrame, cap: str, over: tuple[str, ...]) -> pl.DataFrame:
    """Divide what is beyond a cap among the codes: `part`, and `cap_minor` in the payer's currency."""
    capped = charged.filter(pl.col(cap).is_not_null())
    # A period's cap is converted by the factor of its first day: it holds on each line's day.
    first = capped.with_columns(pl.col("conversion_scaled").first().over(over))
    known = first.with_columns(cap_minor=converted_minor(pl.col(cap)))
    kept = [name for name in ("day", "office", "monthly_cap_minor", "cap_minor", *_KEPT) if name not in over]
    sums = known.group_by(*over, *CODES).agg(pl.col("amount_minor").sum(), pl.col(kept).last())
    beyond = pl.col("amount_minor").sum().over(over) - pl.col("cap_minor")
    excess = sums.with_columns(excess=beyond, weight=pl.col("amount_minor").clip(0))
    parts = money.spread_over(excess.filter(pl.col("excess") > 0), "excess", "weight", over, CODES)
    return parts.filter(pl.col("part") > 0)


def _noted(taken: pl.DataFrame, what: str) -> pl.DataFrame:
    """Say on each line which cap it is."""
    caps = taken.select("cap_minor", "currency").unique()
    words = [f"{what} of {money.format_minor(*row)}" for row in caps.iter_rows()]
    notes = caps.with_columns(note=pl.Series(words, dtype=pl.String))
    named = taken.join(notes, on=["cap_minor", "currency"])
    return named.select(*LINE_KEYS, "part", "currency", *_KEPT, "note")


def together(lines: pl.DataFrame) -> pl.DataFrame:
    """Tell which lines are billed together or not at all: those on the same codes under one cap.

    A cap's line takes off what the lines on its codes are too dear by. Billed without one of them it would
    take off too much; held alone it would let the others go beyond the cap.

    Parameters
    ----------
    lines
        `line`, `kind`, `billable`, `original_line_id`, `note`, `day`, `ACCOUNT` and `CODES`: all lines of a
        period, or all that share account and codes. What corrects another line is left out; of a closed
        period `ledger.lines_like` tells what stands by now.

    Returns
    -------
    pl.DataFrame
        line: Int64, cap: Int64 (number of the first cap's line that it goes with), by line.
    """
    keys = [*ACCOUNT, *CODES]
    own = lines.filter("billable", pl.col("original_line_id").is_null())
    caps = own.filter(pl.col("kind") == "cap").select(*keys, "day", "note", cap="line")
    is_monthly = pl.col("note").str.contains(MONTHLY, literal=True).any().over(keys)
    monthly = caps.filter(is_monthly).group_by(keys).agg(pl.col("cap").min())
    daily = caps.filter(~is_monthly).drop("note")
    of_a_day = own.filter(pl.col("kind").is_in(["usage", "cap"]))
    both = [
        own.join(monthly, on=keys, nulls_equal=True),
        of_a_day.join(daily, on=[*keys, "day"], nulls_equal=True),
    ]
    return pl.concat([rows.select("line", "cap") for rows in both]).sort("line")


def notices(lines: pl.DataFrame) -> pl.DataFrame:
    """Tell which rate versions were capped: kind, session, milliseconds (0), detail."""
    taken = lines.filter(pl.col("kind") == "cap").group_by("rate_id", "application", "currency").agg(
        pl.col("amount_minor").sum(), count=pl.len()
    )  # fmt: skip
    ordered = taken.sort("rate_id", "application", "currency")
    rows = [
        f"the cap of rate version {rate} took {money.format_minor(-amount, currency)} off {application}, "
        f"in {count} {'line' if count == 1 else 'lines'}"
        for rate, application, currency, amount, count in ordered.rows()
    ]
    return pl.DataFrame({"detail": pl.Series(rows, dtype=pl.String)}).select(
        pl.lit("cap").alias("kind"), pl.lit(None, pl.Int64).alias("session"),
        pl.lit(0, pl.Int64).alias("milliseconds"), "detail",
    )  # fmt: skip
