"""How good the project data of a period are: no valid project, not chargeable, corrected afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl
from sqlalchemy import Engine

from pipelines import rating
from pipelines.answers import correction_queue
from pipelines.answers.footer import Footer, source
from pipelines.answers.wording import count, hours, listing, share
from pipelines.rating import Inputs, Period
from warehouse import frames
from warehouse.errors import Problem
from warehouse.money import HOUR_MS
from warehouse.store import open_warehouse

GROUPS = {
    "unassigned": "missing",
    "invalid_project": "invalid",
    "invalid_field": "invalid",
    "not_a_member": "invalid",
    "closed_project": "closed",
}
"""In which column the time of a fault is shown; of all others in `unknown`: nobody's account, or no payer."""
PARTS = ("valid", "non_chargeable", "missing", "invalid", "closed", "unknown")


@dataclass(frozen=True)
class ProjectDataQuality:
    """Billable time of a period by what its project data are worth.

    Attributes
    ----------
    by_office
        One row per office, most time first: office ("no office": nobody's), hours (all billable), missing,
        invalid (unknown codes, fields, not a member), closed, unknown (account or payer), valid,
        non_chargeable (hours, Float64; they sum to hours), wrong_share, non_chargeable_share (0-1),
        corrections (entries made after the session had ended).
    by_reason
        One row per sentence that says what is wrong, most time first: reason, hours, people, sessions.
    claims
        Markdown sentences: "whole", "reasons", "corrections".
    """

    period: str
    by_office: pl.DataFrame
    by_reason: pl.DataFrame
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(
    engine: Engine | None = None, period: str = "", *, now: datetime | None = None
) -> ProjectDataQuality:
    """Judge the project data of a fiscal period, as far as was received by now.

    Parameters
    ----------
    period
        Its name; empty: the newest that has begun.

    Raises
    ------
    Problem
        There is no such period, or it has no billable time.
    """
    opened, moment = engine or open_warehouse(), now or datetime.now(UTC)
    found = rating.find_period(opened, period or correction_queue.newest_period(opened, moment))
    inputs, time = correction_queue.assigned(opened, found, moment)
    if time.is_empty():
        raise Problem(
            f"Period {found.name} has no billable time, as far as was received",
            "see which applications are billed: `process-meter manager policy show`",
        )
    by_office, by_reason = _by_office(time, inputs), _by_reason(time)
    return ProjectDataQuality(
        found.name,
        by_office,
        by_reason,
        _claims(found, by_office, by_reason),
        _footer(opened, found, inputs, time, moment),
        _results(found, by_office),
    )


def _part() -> pl.Expr:
    group = pl.col("fault").replace_strict(GROUPS, default="unknown", return_dtype=pl.String)
    is_free = pl.when("chargeable").then(pl.lit("valid")).otherwise(pl.lit("non_chargeable"))
    return pl.when(pl.col("fault").is_null()).then(is_free).otherwise(group)


def _by_office(time: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    sums = [
        (pl.col("milliseconds").filter(pl.col("part") == part).sum() / HOUR_MS).round(6).alias(part)
        for part in PARTS
    ]
    wrong = pl.sum_horizontal("missing", "invalid", "closed", "unknown")
    offices = time.with_columns(part=_part()).group_by("office").agg(
        (pl.col("milliseconds").sum() / HOUR_MS).round(6).alias("hours"), *sums
    )  # fmt: skip
    return (
        offices.join(_corrections(time, inputs), on="office", how="left", nulls_equal=True)
        .with_columns(
            pl.col("corrections").fill_null(0),
            wrong_share=wrong / pl.col("hours"),
            non_chargeable_share=pl.col("non_chargeable") / pl.col("hours"),
        )
        .sort("hours", "office", descending=[True, False], nulls_last=True)
        .with_columns(pl.col("office").fill_null("no office"))
    )


def _corrections(time: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """Count the entries that somebody made after the session had ended, by office."""
    ended = inputs.sessions.select("session", "ended").drop_nulls()
    offices = time.group_by("session").agg(pl.col("office").first())
    later = inputs.entries.join(ended, on="session").filter(pl.col("created") > pl.col("ended"))
    return later.join(offices, on="session").group_by("office").agg(corrections=pl.len().cast(pl.Int64))


def _by_reason(time: pl.DataFrame) -> pl.DataFrame:
    wrong = time.filter(pl.col("fault").is_not_null())
    grouped = wrong.group_by("reason").agg(
        (pl.col("milliseconds").sum() / HOUR_MS).round(6).alias("hours"),
        people=pl.col("person_id").n_unique().cast(pl.Int64),
        sessions=pl.col("session").n_unique().cast(pl.Int64),
    )
    return grouped.sort("hours", "reason", descending=[True, False])


# --- The claims --------------------------------------------------------------------------------------------


def _sums(by_office: pl.DataFrame) -> dict[str, float]:
    return {name: float(by_office[name].sum()) for name in ("hours", *PARTS)}


def _claims(found: Period, by_office: pl.DataFrame, by_reason: pl.DataFrame) -> dict[str, str]:
    sums = _sums(by_office)
    wrong = sum(sums[part] for part in ("missing", "invalid", "closed", "unknown"))
    parts = [
        f"{hours(sums[part])} {words}"
        for part, words in (
            ("missing", "have no project"),
            ("invalid", "name one that is not valid"),
            ("closed", "name one that is closed"),
            ("unknown", "are nobody's"),
        )
        if sums[part]
    ]
    whole = (
        f"Of {hours(sums['hours'])} of billable time in period {found.name}, **{hours(wrong)} "
        f"({share(wrong / sums['hours'])}) cannot be charged** as they are"
    )
    corrections = int(by_office["corrections"].sum())
    return {
        "whole": f"{whole}: {listing(parts)}." if parts else f"{whole}.",
        "reasons": _claim_reasons(by_reason),
        "corrections": f"{count(corrections, 'entry was', 'entries were')} made after the session had ended.",
    }


def _claim_reasons(by_reason: pl.DataFrame) -> str:
    if by_reason.is_empty():
        return "Nothing is wrong: all billable time has a valid project."
    return (
        f"{count(by_reason.height, 'reason')}; each row can be put right: on the page My time, or with "
        "`process-meter project check` and `project correct`."
    )


def _footer(engine: Engine, found: Period, inputs: Inputs, time: pl.DataFrame, now: datetime) -> Footer:
    coverage = rating.coverage(engine, inputs, inputs.stated(frames.policy(engine, "billing")))
    return Footer(
        basis="billable: busy time and the buffer of each idle gap, as the billing policy says",
        key="time by session, local day and project entry in force",
        window=f"fiscal period {found.name}, {found.starts_on} to before {found.ends_on}",
        zone=str(frames.organization(engine)["zone"]),
        calendar="local days of each person's home office",
        session_coverage=coverage["session_coverage"],
        fleet_coverage=coverage["fleet_coverage"],
        policy=f"billing policy, version {frames.policy(engine, 'billing').version}",
        rows={"entries": inputs.entries.height, "stretches": time.height},
        made_at=now,
        source=source(engine),
    )


def _results(found: Period, by_office: pl.DataFrame) -> dict[str, object]:
    return {"period": found.name, **{name: round(value, 3) for name, value in _sums(by_office).items()}}
