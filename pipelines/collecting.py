"""A period before its draft: who is still to be heard, what is still unknown, and what it comes to so far."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from sqlalchemy import Engine

from pipelines import drafting, rating, settling
from warehouse import evidence, frames, ledger
from warehouse.errors import Problem
from warehouse.metrics.bounds import LOOK_BACK, Counting, silent_hosts
from warehouse.metrics.charges import Charges, Terms
from warehouse.metrics.states import Policy, states
from warehouse.metrics.utilization import host_workdays
from warehouse.money import HOUR_MS, rounded
from warehouse.periods import day_bounds

QUANTUM_PER_HOUR = 1000
"""In which a bill is foretold: the draft's target may take another one."""

HEARD_WITHIN = timedelta(days=4)
"""In a period that is not over, an agent is out when nothing was heard of it for so long.

Machines are off over a long weekend.
"""

LISTED = 20
"""So many agents are listed by name; of the others only how many they are."""


@dataclass(frozen=True)
class _Asked:
    """Which period is looked at, when, and under which policy."""

    engine: Engine
    period: rating.Period
    now: datetime
    policy: Policy
    terms: Terms

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """From the first midnight of the period to the last one, in the organization's zone."""
        zone = str(frames.organization(self.engine)["zone"])
        start, end = (day_bounds(zone, day)[0] for day in (self.period.starts_on, self.period.ends_on))
        return start, end


def collecting(engine: Engine, period: str, now_ms: int) -> dict[str, Any]:
    """Say how complete a fiscal period is, and what its bill comes to so far, as plain JSON.

    It changes nothing, and works before the period is over, and after its draft or close as well.

    Parameters
    ----------
    period
        Name of a fiscal period that has begun.
    now_ms
        UTC, in milliseconds: what was received by then counts.

    Returns
    -------
    dict
        - period, starts_on, ends_on, as_of; is_over, and over_at: when the last office has midnight;
        - status: `collecting` until there is a draft, then that of `run`, its number (null: none yet);
        - agents: in_force, out (not heard since the period's end, or for four days while it lasts; or never
          at all), with_backlog, listed (those that are out or have a backlog, under pseudonyms);
        - sessions: all, open, provisional (whose state may still change);
        - unknown_hours, held_hours, and silent_hours: of machines nobody heard of, at their own mean of 30
          days; session_coverage and fleet_coverage (null: there is nothing to cover);
        - lower_bound and upper_bound: billed_ms, and amount_minor by currency. The upper one takes unknown
          time for busy, and has silent_minor in it: silent hours at the average price of their application;
        - exceptions to be expected: kind, count, milliseconds, blocks.

    Raises
    ------
    Problem
        Unknown period, one that has not begun, rates that collide.
    """
    asked = _asked(engine, period, datetime.fromtimestamp(now_ms / 1000, UTC))
    inputs = rating.collect(engine, asked.period, asked.now)
    stated = inputs.stated(asked.policy)
    known = rating.charges_of(inputs, stated, asked.policy, asked.terms)
    most = rating.charges_of(inputs, stated, asked.policy, replace(asked.terms, is_unknown_busy=True))
    silent_ms = _silent_ms(asked, stated)
    silent = _at_average_price(silent_ms, known.lines)
    return {
        **_standing(asked),
        "agents": _agents(asked),
        "sessions": _sessions(inputs, stated),
        "unknown_hours": round(known.outside_ms["unknown"] / HOUR_MS, 3),
        "held_hours": round(known.tie_out_ms["held"] / HOUR_MS, 3),
        "silent_hours": round(sum(silent_ms.values()) / HOUR_MS, 3),
        **_coverage(asked, inputs, stated),
        "lower_bound": _total(known),
        "upper_bound": _plus(_total(most), silent),
        "silent_minor": silent,
        "exceptions": _expected(known.unbilled),
    }


def _asked(engine: Engine, name: str, now: datetime) -> _Asked:
    period = rating.find_period(engine, name)
    with engine.connect() as connection:
        newest = evidence.newest_policy(connection, "billing")
    document = newest.document if newest else {}
    policy = frames.policy(engine, "billing") if newest else Policy()
    terms = drafting.terms_of(period, QUANTUM_PER_HOUR, document)
    asked = _Asked(engine, period, now, policy, terms)
    if now <= asked.bounds[0]:
        raise Problem(f"period {name} has not begun yet", f"ask on or after {period.starts_on}")
    return asked


def _standing(asked: _Asked) -> dict[str, Any]:
    """Say which period it is, whether it is over, and which run it has."""
    with asked.engine.connect() as connection:
        run = ledger.standing_run(connection, asked.period.id)
    over = rating.over_at(asked.engine, asked.period)
    return {
        "period": asked.period.name,
        "starts_on": asked.period.starts_on.isoformat(),
        "ends_on": asked.period.ends_on.isoformat(),
        "as_of": asked.now.isoformat(),
        "status": run.status if run else "collecting",
        "run": run.number if run else None,
        "is_over": asked.now >= over,
        "over_at": over.isoformat(),
    }


# --- Who is still to be heard ------------------------------------------------------------------------------


def _agents(asked: _Asked) -> dict[str, Any]:
    """Count the agents that were enrolled in the period, and those that are still out."""
    start, end = asked.bounds
    heard_since = min(end, asked.now - HEARD_WITHIN)
    is_out = pl.col("last_heard").is_null() | (pl.col("last_heard") < heard_since)
    in_force = frames.agents(asked.engine).filter(
        pl.col("enrolled") < end, pl.col("revoked").is_null() | (pl.col("revoked") > start)
    )
    found = in_force.with_columns(is_out=is_out & pl.col("revoked").is_null()).collect()
    waiting = found.filter(pl.col("is_out") | (pl.col("backlog") > 0)).sort(
        "last_heard", "host", nulls_last=False
    )
    return {
        "in_force": found.height,
        "out": int(found["is_out"].sum()),
        "with_backlog": int((found["backlog"] > 0).sum()),
        "listed": [
            {
                "agent": row["agent"],
                "host": row["host"],
                "last_heard": row["last_heard"].isoformat() if row["last_heard"] else None,
                "backlog": row["backlog"],
                "is_out": row["is_out"],
            }
            for row in waiting.head(LISTED).to_dicts()
        ],
    }


def _sessions(inputs: rating.Inputs, stated: pl.DataFrame) -> dict[str, int]:
    return {
        "all": inputs.sessions.height,
        "open": inputs.sessions["ended"].null_count(),
        "provisional": stated.filter("provisional")["session"].n_unique(),
    }


def _coverage(asked: _Asked, inputs: rating.Inputs, stated: pl.DataFrame) -> dict[str, float | None]:
    """Measure both coverages of what is past: nobody could be watched tomorrow."""
    last = min(asked.period.ends_on, asked.now.date() + timedelta(days=1))
    past = replace(asked.period, ends_on=max(last, asked.period.starts_on + timedelta(days=1)))
    return rating.coverage(asked.engine, replace(inputs, period=past), stated)


# --- What it comes to --------------------------------------------------------------------------------------


def _total(charges: Charges) -> dict[str, Any]:
    return {"billed_ms": charges.tie_out_ms["billed"], "amount_minor": rating.amounts(charges.lines)}


def _plus(total: dict[str, Any], more: dict[str, int]) -> dict[str, Any]:
    amounts: dict[str, int] = total["amount_minor"]
    currencies = sorted({*amounts, *more})
    summed = {name: amounts.get(name, 0) + more.get(name, 0) for name in currencies}
    return {**total, "amount_minor": summed}


def _silent_ms(asked: _Asked, stated: pl.DataFrame) -> dict[str, int]:
    """Say how long silent machines would have used each billed application, at their own mean of 30 days."""
    engine, (start, end) = asked.engine, asked.bounds
    first, until = start - LOOK_BACK, min(end, asked.now)
    hosts = frames.hosts(engine).collect()
    codes = stated["application"].unique().cast(pl.String).to_list()
    if not hosts["in_directory"].any() or not codes:
        return {}
    watches = frames.watches(engine, first, until).collect().lazy()
    offices, holidays = frames.offices(engine), frames.holidays(engine)
    workdays = host_workdays(watches, hosts.lazy(), offices, holidays, first, until)
    sessions = frames.sessions(engine, first, until, codes).collect()
    segments = frames.segments(engine, first, until, codes).filter(pl.col("received") <= asked.now)
    silent = silent_hosts(
        states(segments, asked.policy, as_of=asked.now), sessions.lazy(), Counting("session", "busy"),
        workdays, watches, start, until,
    )  # fmt: skip
    length = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    sums = silent.group_by("application").agg(ms=(pl.col("mean") * length).sum().round(0).cast(pl.Int64))
    return {str(code): ms for code, ms in sums.sort("application").collect().iter_rows()}


def _at_average_price(silent_ms: dict[str, int], lines: pl.DataFrame) -> dict[str, int]:
    """Price time at what each application's hours came to: by currency, in minor units.

    An application's time counts in each of its currencies by that currency's share of its hours.
    """
    worked = pl.sum_horizontal("active_ms", "pause_ms", "buffer_ms").sum()
    of_application = worked.over("application")
    priced = (
        lines.with_columns(all_ms=of_application)
        .filter("billable")
        .group_by("application", "currency")
        .agg(pl.col("amount_minor").sum(), pl.col("all_ms").first())
        .filter(pl.col("all_ms") > 0)
    )
    found: dict[str, int] = {}
    for application, currency, amount, all_ms in priced.sort("application", "currency").iter_rows():
        part = rounded(amount * silent_ms.get(str(application), 0), all_ms)
        found[currency] = found.get(currency, 0) + part
    return {currency: amount for currency, amount in sorted(found.items()) if amount}


def _expected(unbilled: pl.DataFrame) -> list[dict[str, Any]]:
    """Sum up by kind the exceptions that a draft of today would have."""
    sums = unbilled.group_by("kind").agg(count=pl.len(), milliseconds=pl.col("milliseconds").sum())
    return [{**row, "blocks": settling.kind_of(row["kind"]).blocks} for row in sums.sort("kind").to_dicts()]
