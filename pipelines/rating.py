"""What a fiscal period comes to: its evidence up to a cut-off, charged, with the figures that prove it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from typing import Any

import polars as pl
from sqlalchemy import Engine

from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics import utilization
from warehouse.metrics.charges import (
    Charges,
    Evidence,
    Tariff,
    Terms,
    billable,
    charge,
    with_buffer,
)
from warehouse.metrics.local_days import PLACED
from warehouse.metrics.overlap import POLICIES
from warehouse.metrics.states import Policy, states
from warehouse.periods import day_bounds

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """A fiscal period, [starts_on, ends_on)."""

    name: str
    id: int
    starts_on: date
    ends_on: date

    def window(self) -> tuple[datetime, datetime]:
        """Return instants that the period's days lie between in every zone."""
        first, last = (datetime.combine(day, time(), UTC) for day in (self.starts_on, self.ends_on))
        return first - DAY, last + DAY


def find_period(engine: Engine, name: str) -> Period:
    """Return a fiscal period by its name.

    Raises
    ------
    Problem
        There is none of that name.
    """
    known = frames.periods(engine).collect()
    for row in known.filter(pl.col("period") == name).to_dicts():
        return Period(row["period"], row["period_id"], row["starts_on"], row["ends_on"])
    span = f"known are {known['period'][0]} to {known['period'][-1]}" if known.height else "none is known"
    raise Problem(
        f"there is no fiscal period {name!r}: {span}", "import it: `process-meter calendar import FILE`"
    )


def over_at(engine: Engine, period: Period) -> datetime:
    """Return when a period is over: when its last office has midnight."""
    zones = {str(frames.organization(engine)["zone"]), *frames.offices(engine).collect()["zone"]}
    return max(day_bounds(zone, period.ends_on)[0] for zone in zones)


def refuse_unfinished(engine: Engine, period: Period, now: datetime) -> None:
    """Refuse a period that is not over yet in every office.

    Raises
    ------
    Problem
        Naming the moment at which it will be.
    """
    over = over_at(engine, period)
    if now < over:
        raise Problem(
            f"period {period.name} is not over before {over:%Y-%m-%d %H:%M} UTC, when its last office has "
            "midnight",
            "draft it after that",
        )


@dataclass(frozen=True)
class Inputs:
    """All that a period's charges are made of, as known at the cut-off."""

    period: Period
    cut_off: datetime
    segments: pl.DataFrame
    sessions: pl.DataFrame
    placements: pl.DataFrame
    entries: pl.DataFrame
    tariff: Tariff

    def of_people(self, people: set[int]) -> Inputs:
        """Keep the sessions of some people alone."""
        sessions = self.sessions.filter(pl.col("person_id").is_in(list(people)))
        kept = [
            rows.join(sessions, on="session", how="semi", maintain_order="left")
            for rows in (self.segments, self.entries)
        ]
        return replace(self, sessions=sessions, segments=kept[0], entries=kept[1])

    def stated(self, policy: Policy) -> pl.DataFrame:
        """Give every segment its state; what may still change by the cut-off is provisional."""
        return states(self.segments.lazy(), policy, as_of=self.cut_off).collect()

    def digest(self) -> str:
        """Digest every value that the charges depend on."""
        tables = (
            self.segments, self.sessions.select(_SESSION_INPUTS), self.placements, self.entries,
            self.tariff.projects, self.tariff.phases, self.tariff.tasks, self.tariff.rates,
            self.tariff.conversions, self.tariff.members, self.tariff.presets,
            pl.DataFrame({"rule": [repr(rule) for rule in self.tariff.fields]}, {"rule": pl.String}),
        )  # fmt: skip
        return _digest(tables)


_SESSION_INPUTS = ("session", "application", "person_id", *PLACED, "started")
_BESIDE_A_CODE = ("project_id", "phase_id", "task_id", "office_id", "period_id")
"""Numbers of rows that are told by a code: the digest must not depend on how a database counts."""


def _digest(tables: Iterable[pl.DataFrame]) -> str:
    total = sha256()
    for table in tables:
        for column in table.drop(_BESIDE_A_CODE, strict=False).iter_columns():
            total.update(_bytes(column))
    return total.hexdigest()


def _bytes(column: pl.Series) -> bytes:
    """Write a column in one way on every system: numbers as 8 bytes each, text by lines."""
    name = column.name.encode() + b"\0"
    if column.dtype == pl.String:
        text = pl.concat_str(column.str.len_chars().cast(pl.String), pl.lit("="), column).fill_null("")
        return name + (pl.select(text.str.join("\n")).item() or "").encode()
    if column.dtype == pl.Float64:
        return name + column.fill_null(-1).to_numpy().astype("<f8").tobytes()
    numbers = column.to_physical().cast(pl.Int64).fill_null(-(2**63))
    return name + numbers.to_numpy().astype("<i8").tobytes()


def collect(
    engine: Engine, period: Period, cut_off: datetime, *, also: Collection[str] = frozenset()
) -> Inputs:
    """Read what is known of a period at a cut-off: what was received later belongs to a later run.

    `also` names applications to read beside those that are billed today.
    """
    is_billed = pl.col("billed") | pl.col("application").is_in(list(also))
    billed = frames.applications(engine).filter(is_billed).collect()["application"].to_list()
    start, end = period.window()
    known = (pl.col("received") <= cut_off, pl.col("created") <= cut_off)
    return Inputs(
        period,
        cut_off,
        frames.segments(engine, start, end, billed).filter(known[0]).collect(),
        frames.sessions(engine, start, end, billed).filter(known[0]).sort("session").collect(),
        frames.people(engine).select("person_id", *PLACED, "valid_from").collect(),
        frames.project_entries(engine, start, end).filter(known[1]).sort("entry").collect(),
        tariff_of(engine),
    )


def tariff_of(engine: Engine) -> Tariff:
    """Read what may be charged to whom, and at which price."""
    return Tariff(
        frames.projects(engine).collect(),
        frames.phases(engine).collect(),
        frames.tasks(engine).collect(),
        frames.rates(engine).collect(),
        frames.conversions(engine).collect(),
        frames.project_members(engine).drop("person").collect(),
        frames.project_presets(engine).drop("person").collect(),
        frames.project_fields(engine),
    )


def charges_of(inputs: Inputs, stated: pl.DataFrame, policy: Policy, terms: Terms) -> Charges:
    """Charge a period."""
    evidence = Evidence(stated, inputs.sessions, inputs.placements, inputs.entries)
    return charge(evidence, inputs.tariff, policy, terms)


# --- The figures of a draft --------------------------------------------------------------------------------


def amounts(lines: pl.DataFrame) -> dict[str, int]:
    """Sum the amounts of lines by currency, in minor units."""
    sums = lines.filter("billable").group_by("currency").agg(pl.col("amount_minor").sum()).sort("currency")
    return dict(sums.iter_rows())


def alternatives(inputs: Inputs, policy: Policy, terms: Terms, charges: Charges) -> dict[str, Any]:
    """Say what the period would come to if it were charged in another way; nothing else is changed.

    Returns
    -------
    dict
        buffer_0, buffer_t (the whole timeout), lower_bound, upper_bound (all unknown time busy): each
        `billed_ms` and `amount_minor` by currency. `overlaps`: the same by overlap policy.
    """
    billed = charges.billable

    def total(found: Charges) -> dict[str, Any]:
        return {"billed_ms": found.tie_out_ms["billed"], "amount_minor": amounts(found.lines)}

    def other(changed: Policy, other_terms: Terms) -> dict[str, Any]:
        if (changed, other_terms) == (policy, terms):
            return total(charges)
        again = billable(billed.used, changed, other_terms)
        return total(again.charged(inputs.tariff, other_terms))

    def resolved(overlap: str) -> dict[str, Any]:
        if overlap == terms.overlap:
            return total(charges)
        return total(billed.charged(inputs.tariff, replace(terms, overlap=overlap)))

    return {
        "buffer_0": other(with_buffer(policy, is_whole_timeout=False), terms),
        "buffer_t": other(with_buffer(policy, is_whole_timeout=True), terms),
        "lower_bound": total(charges),
        "upper_bound": other(policy, replace(terms, is_unknown_busy=True)),
        "overlaps": {overlap: resolved(overlap) for overlap in POLICIES},
    }


def coverage(engine: Engine, inputs: Inputs, stated: pl.DataFrame) -> dict[str, float | None]:
    """Measure session coverage for the basis busy, and fleet coverage, over the period in the main zone."""
    zone = str(frames.organization(engine)["zone"])
    days = (inputs.period.starts_on, inputs.period.ends_on)
    start, end = (day_bounds(zone, day)[0] for day in days)
    watches = frames.watches(engine, start, end)
    fleet = (watches, frames.hosts(engine), frames.offices(engine), frames.holidays(engine), start, end)
    return {
        "session_coverage": _share(lambda: utilization.session_coverage(stated.lazy(), "busy", start, end)),
        "fleet_coverage": _share(lambda: utilization.fleet_coverage(*fleet).share),
    }


def _share(measure: Any) -> float | None:
    """Round a share to a millionth; None where there is nothing to cover."""
    try:
        return round(float(measure()), 6)
    except Problem:
        return None


def control_totals(inputs: Inputs, lines: pl.DataFrame, shares: pl.DataFrame) -> dict[str, int]:
    """Count what went in and what came out."""
    return {
        "segments": inputs.segments.height,
        "sessions": inputs.sessions.height,
        "project_entries": inputs.entries.height,
        "rate_versions": inputs.tariff.rates.height,
        "people": lines["person_id"].n_unique(),
        "projects": lines["project"].n_unique(),
        "lines": lines.height,
        "shares": shares.height,
        "quantity": int(lines.filter("billable", pl.col("unit") == "hour")["quantity"].sum()),
    }


def words(engine: Engine, lines: pl.DataFrame) -> dict[str, Any]:
    """Return the names, agreements and rates that stand behind the lines today.

    A closed run keeps them, whatever they become.
    """
    projects = frames.projects(engine).join(lines.lazy().select("project").unique(), on="project", how="semi")
    applications = frames.applications(engine).select("application", "name").collect()
    used = applications.filter(pl.col("application").is_in(lines["application"].unique().implode()))
    rates = frames.rates(engine).join(lines.lazy().select("rate_id").unique(), on="rate_id", how="semi")
    days = pl.col("valid_from", "valid_to").dt.to_string("%Y-%m-%d")
    return {
        "organization": frames.organization(engine)["name"],
        "applications": dict(used.sort("application").iter_rows()),
        "projects": {
            number: dict(zip(_PROJECT_WORDS, values, strict=True))
            for number, *values in projects.select("project", *_PROJECT_WORDS)
            .sort("project")
            .collect()
            .iter_rows()
        },
        "rates": rates.sort("rate_id").with_columns(days).collect().to_dicts(),
    }


_PROJECT_WORDS = (
    "name", "client", "client_name", "cost_center", "office", "budget_minor", "not_to_exceed_minor",
)  # fmt: skip


def calendar_digest(engine: Engine) -> str:
    """Digest the fiscal periods, the offices' hours and their holidays: the version of the calendar."""
    tables = (frames.periods(engine), frames.offices(engine), frames.holidays(engine))
    return _digest(table.collect() for table in tables)
