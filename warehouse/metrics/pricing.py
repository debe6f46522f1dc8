"""From worked time to priced lines: rate version, quantity, tiers, amount, caps; integers throughout.

Quantity first: milliseconds are rounded by the rate's increment and minimum at the rate's level, then to the
run's quantum, and only the rounded quantity is multiplied by the rate. So whoever multiplies the two again
gets the same cents.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import polars as pl

from warehouse import money
from warehouse.errors import Problem
from warehouse.metrics import caps, packages, quantities, tiers
from warehouse.metrics.conversion import converted_rate, factors
from warehouse.metrics.quantities import KINDS_MS, LINE_KEYS, WORK_KEYS
from warehouse.metrics.scopes import eras, fitting
from warehouse.metrics.tariff import Tariff
from warehouse.metrics.tracing import Trace

SCOPES = ("person_id", "project", "office", "application")
"""What a rate may be limited to; the earlier, the more it counts."""

_WANTED = ("day", *SCOPES, "currency")

__all__ = ["KINDS_MS", "LINE_KEYS", "ORDER", "SCOPES", "WORK_KEYS", "Lines", "lines", "with_price",
           "with_rate"]  # fmt: skip


# --- The rate version --------------------------------------------------------------------------------------


def with_rate(work: pl.DataFrame, rates: pl.DataFrame, newest: int | None = None) -> pl.DataFrame:
    """Find the rate version of each row: the most special one that is valid on its day, in its currency.

    Precedence: person-project, project-application, office-application, application, default.

    Parameters
    ----------
    work
        `day`, the columns of `SCOPES`, `currency` (the payer's), ...
    rates
        The frame `rates` of warehouse/frames.py; null in a scope means any.
    newest
        The newest rate version known when the period was billed: what came later counts only where none of
        those fits. None: all count alike.

    Returns
    -------
    pl.DataFrame
        The rows with `rate_id`, `rate_scaled`, `increment_ms`, `direction`, `level`; null where no rate fits.

    Raises
    ------
    Problem
        Two rates of the same scope are valid on the same day: naming both.
    """
    best = _best(_own(work.select(_WANTED).unique(), rates), newest)
    terms = rates.select("rate_id", "rate_scaled", "increment_ms", "direction", "level")
    priced = best.join(terms, on="rate_id", how="left")
    return work.join(priced, on=_WANTED, how="left", nulls_equal=True)


def with_price(work: pl.DataFrame, tariff: Tariff, newest: int | None = None) -> pl.DataFrame:
    """Find the rate version of what is charged, in whichever currency there is one.

    A rate in the payer's currency goes before every other, by the precedence of `with_rate`; where none fits,
    the most special one in another currency does (of several the first code that can be converted).

    Parameters
    ----------
    work
        What `with_rate` takes, `chargeable` and `fault`.
    newest
        As in `with_rate`.

    Returns
    -------
    pl.DataFrame
        The rows with `rate_id` (null where no rate fits, or fits and cannot be converted), `rate_currency`
        (null where it is the payer's) and `conversion_scaled`; all null where nothing is charged.

    Raises
    ------
    Problem
        Two rates of the same scope and currency are valid on the same day: naming both.
    """
    is_charged = pl.col("chargeable") & pl.col("fault").is_null()
    asked = work.select(is_charged.alias("charged"), *_asked(work, tariff))
    wanted = asked.filter("charged").select(_WANTED).unique()
    found = _found(wanted, tariff, newest)
    if newest is not None:
        # A rate that was known then goes before a later one, whichever of them needs no conversion.
        then = replace(tariff, rates=tariff.rates.filter(pl.col("rate_id") <= newest))
        old = _found(wanted, then, newest).drop_nulls("rate_id")
        found = pl.concat([old, found.join(old, on=_WANTED, how="anti", nulls_equal=True)])
    known = asked.join(found, on=_WANTED, how="left", nulls_equal=True, maintain_order="left")
    names = ("rate_id", "rate_currency", "conversion_scaled")
    return work.hstack(known.select(pl.when("charged").then(name).alias(name) for name in names))


def _asked(work: pl.DataFrame, tariff: Tariff) -> list[pl.Expr]:
    """Say of each row only what a rate may depend on: so there are few different questions.

    Who or what no rate names is as good as any, and a day as the first one between the same edges.
    """
    rates = tariff.rates
    first = eras(work["day"], rates["valid_from"], rates["valid_to"], tariff.conversions["from_on"])
    named = [
        pl.when(pl.col(name).is_in(rates[name].drop_nulls().unique().implode())).then(name).alias(name)
        for name in SCOPES
    ]
    return [pl.col("day").replace_strict(first, return_dtype=pl.Date), *named, pl.col("currency")]


def _found(wanted: pl.DataFrame, tariff: Tariff, newest: int | None) -> pl.DataFrame:
    """Find rates in the payer's currency, and in others where there is none."""
    own = _best(_own(wanted, tariff.rates), newest)
    none = (pl.lit(None, pl.String).alias("rate_currency"), pl.lit(None, pl.Int64).alias("conversion_scaled"))
    rest = wanted.join(own, on=_WANTED, how="anti", nulls_equal=True)
    return pl.concat([own.with_columns(none), _foreign(rest, tariff, newest)])


def _own(wanted: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    return fitting(wanted, rates, SCOPES, "rate_id", ("currency",))


def _foreign(wanted: pl.DataFrame, tariff: Tariff, newest: int | None) -> pl.DataFrame:
    """Find the best rate in another currency, and the factor in force; without one it prices nothing."""
    found = pl.DataFrame(schema=wanted.schema | {"rate_id": pl.Int64, "weight": pl.Int32})
    if not wanted.is_empty():
        found = fitting(wanted, tariff.rates, SCOPES, "rate_id")
    currencies = tariff.rates.select("rate_id", rate_currency="currency")
    best = factors(_best(found.join(currencies, on="rate_id"), newest, "rate_currency"), tariff.conversions)
    first = best.sort(pl.col("conversion_scaled").is_null(), "rate_currency").unique(
        _WANTED, keep="first", maintain_order=True
    )
    is_known = pl.col("conversion_scaled").is_not_null()
    return first.select(
        *_WANTED, pl.when(is_known).then("rate_id").alias("rate_id"), "rate_currency", "conversion_scaled"
    )


def _best(found: pl.DataFrame, newest: int | None, *also: str) -> pl.DataFrame:
    """Keep the most special rate versions; of one currency there must be one."""
    if newest is not None:
        raised = pl.col("weight") + 2 ** len(SCOPES)
        found = found.with_columns(
            weight=pl.when(pl.col("rate_id") <= newest).then(raised).otherwise("weight")
        )
    best = found.filter(pl.col("weight") == pl.col("weight").max().over(_WANTED)).drop("weight")
    double = best.filter(pl.len().over(*_WANTED, *also) > 1).sort("day", "rate_id")
    if not double.is_empty():
        first, second = double["rate_id"].unique().sort().to_list()[:2]
        raise Problem(
            f"rate versions {first} and {second} are both valid on {double['day'][0]} for the same scope",
            "end the one before the other begins",
        )
    return best


# --- Lines -------------------------------------------------------------------------------------------------


class Lines(NamedTuple):
    """Charge lines and what leads from them to the sessions.

    Attributes
    ----------
    lines
        One row per line: `line` (1, 2, ... ordered by project, phase, task, day, person and application, by
        code point), `kind` (usage, month_rounding, package, cap), `LINE_KEYS`, `billable`, `KINDS_MS`,
        `quantity` (quanta; an hour's worth of them, or minus it, where the unit is each), `rate_scaled` (the
        price of the unit), `currency`, `amount_minor`, `tax_code`, `session_count`, `unit` (hour; each: a
        fixed amount, once), `rate_currency` and `conversion_scaled` (null where the rate is in the line's own
        currency), `cost_minor` (null: not known), `note` (null: nothing to say).
    shares
        line, session, active_ms, pause_ms, buffer_ms.
    notices
        `kind` (cap, below_minimum), `session` (null), `milliseconds`, `detail`: one row per rate version
        that capped or raised something.
    """

    lines: pl.DataFrame
    shares: pl.DataFrame
    notices: pl.DataFrame


def lines(work: pl.DataFrame, trace: Trace, rates: pl.DataFrame, quantum_per_hour: int) -> Lines:
    """Make charge lines of worked time.

    Parameters
    ----------
    work
        One row per `LINE_KEYS`: `place` (its number, from 0), the columns of `KINDS_MS`, `session_count`,
        `currency`, `tax_code`, `chargeable`, and what `with_price` adds. What is chargeable has a rate.
    trace
        What the rows are made of.
    rates
        The frame `rates`.
    quantum_per_hour
        Quanta of the run's target in an hour.
    """
    terms = rates.select("rate_id", *quantities.TERMS)
    known = work.join(terms, on="rate_id", how="left", maintain_order="left")
    usage = quantities.usage(known, trace, quantum_per_hour)
    months = quantities.month_rounding(usage, quantum_per_hour)
    split = tiers.split(pl.concat([usage, months], how="diagonal"), trace, rates, quantum_per_hour)
    hours = _priced(split.lines, quantum_per_hour)
    fixed = packages.lines(split.packaged, rates, quantum_per_hour)
    charged = pl.concat([hours, fixed], how="diagonal")
    both = pl.concat([charged, caps.lines(charged, quantum_per_hour)], how="diagonal")
    numbered = _numbered(both)
    notices = pl.concat([quantities.raised(usage), caps.notices(numbered)])
    shares = _shares(numbered.select("line", "place"), trace, split.shares)
    return Lines(numbered.drop("place"), shares, notices)


def _priced(hours: pl.DataFrame, quantum_per_hour: int) -> pl.DataFrame:
    """Multiply quantities by the rate, and by what the hour costs the firm itself."""
    quantity, currency = pl.col("quantity"), pl.col("currency")
    cost = converted_rate(pl.col("cost_rate_scaled"))
    return hours.with_columns(
        amount_minor=money.amount_minor_expr(quantity, quantum_per_hour, pl.col("rate_scaled"), currency),
        cost_minor=money.amount_minor_expr(quantity, quantum_per_hour, cost, currency),
        unit=pl.lit("hour"),
    )


ORDER = ("project", "phase", "task", "day", "person_id", "application", "office", "rate_id", "kind",
         "rate_scaled")  # fmt: skip
"""By what lines are numbered: usage before packages, rounding and caps, the dearer before the cheaper."""


def _numbered(both: pl.DataFrame) -> pl.DataFrame:
    """Order the lines, number them, and keep the columns that they are to have, and `place`."""
    order = both.select(_rank(both[name]) for name in ORDER)
    at = order.select(pl.arg_sort_by(ORDER, descending=[False] * 8 + [True, True])).to_series()
    kept = both.select(
        "kind", *LINE_KEYS, pl.col("chargeable").alias("billable"), *KINDS_MS, "quantity",
        "rate_scaled", "currency", "amount_minor", "tax_code", "session_count", "unit", "rate_currency",
        "conversion_scaled", "cost_minor", "note", "place",
    )  # fmt: skip
    return kept[at].select(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("line"), pl.all())


def _rank(column: pl.Series) -> pl.Series:
    """Return numbers in the order of a column: of text, which has few values, they sort much faster."""
    if column.dtype != pl.String:
        return column
    words = column.unique().drop_nulls().sort()
    return column.cast(pl.Enum(words)).to_physical()


def _shares(lines: pl.DataFrame, trace: Trace, parts: pl.DataFrame) -> pl.DataFrame:
    """List the sessions of all lines; those of lines in parts are given."""
    columns = ("line", "session", *KINDS_MS)
    whole = trace.of(lines.filter((pl.col("place") >= 0) & (pl.col("place") < trace.size))).select(columns)
    cut = parts.join(lines, on="place").select(columns).sort("line", "session")
    return whole if cut.is_empty() else whole.merge_sorted(cut, key="line")
