"""Which applications are used most, by how many people, and which are hardly used at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.answers.evidence import Evidence, gather, no_use
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.question import Question
from pipelines.answers.wording import count, hours, listing, safe, share
from warehouse import frames
from warehouse.metrics.ranking import ranking
from warehouse.money import HOUR_MS

FORGOTTEN_DAYS = 30
"""An application last used longer ago than this before the window's end is named as forgotten."""


@dataclass(frozen=True)
class Ranking:
    """Applications by their use.

    Attributes
    ----------
    applications
        One row per metered application, most hours first: application, name, sessions, hours (Float64, of the
        question's basis), share (of all hours, 0-1), people, days_used, last_used (Datetime UTC; null: not
        used in the window). Metered ones that nobody opened stand last, with zeros.
    claims
        Markdown sentences: "all", "forgotten".
    """

    applications: pl.DataFrame
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(question: Question, evidence: Evidence | None = None) -> Ranking:
    """Rank the applications of a question.

    Raises
    ------
    Problem
        The window holds no use of the basis.
    """
    found = evidence or gather(question)
    ranked = ranking(
        found.stated, found.sessions, question.basis, question.start, question.end, question.zone
    ).collect()
    if not ranked["use_ms"].sum():
        raise no_use(question, found)
    applications = _named(question, ranked)
    return Ranking(
        applications=applications,
        claims={
            "all": _claim_all(question, applications),
            "forgotten": _claim_forgotten(question, applications),
        },
        footer=footer_of(question, found, key="time of every session; people once, accounts merged"),
        results=_results(applications),
    )


def _named(question: Question, ranked: pl.DataFrame) -> pl.DataFrame:
    """Add names, and the metered applications that nobody opened."""
    metered = pl.col("metered") & (
        pl.lit(not question.application)
        | (pl.col("application") == question.application)
        | (pl.col("product") == question.application).fill_null(value=False)
    )
    names = frames.applications(question.engine).with_columns(pl.col("application").cast(pl.String)).collect()
    unopened = names.filter(metered).join(ranked, on="application", how="anti").select("application")
    all_of_them = pl.concat([ranked, unopened], how="diagonal").with_columns(
        pl.col("sessions", "people", "use_ms", "days_used").fill_null(0)
    )
    in_all = pl.col("use_ms").sum()
    return all_of_them.join(
        names.select("application", "name"), on="application", how="left", maintain_order="left"
    ).select(
        "application",
        pl.coalesce("name", "application").alias("name"),
        "sessions",
        hours=pl.col("use_ms") / HOUR_MS,
        share=pl.col("use_ms") / in_all,
        people="people",
        days_used="days_used",
        last_used="last_used",
    )


def _claim_all(question: Question, applications: pl.DataFrame) -> str:
    used = applications.filter(pl.col("hours") > 0)
    first = used.row(0, named=True)
    most = used.filter(pl.col("share").cum_sum() - pl.col("share") < 0.8)
    return (
        f"**{safe(first['name'])} is used most**: {hours(first['hours'])} of {question.basis} time by "
        f"{count(first['people'], 'person', 'people')}, {share(first['share'])} of all. Of "
        f"{count(applications.height, 'application')}, {most.height:,} "
        f"{'makes' if most.height == 1 else 'make'} up {share(float(most['share'].sum()))} of the use."
    )


def _claim_forgotten(question: Question, applications: pl.DataFrame) -> str:
    unused = applications.filter(pl.col("hours") == 0)["name"].to_list()
    since = question.end - timedelta(days=FORGOTTEN_DAYS)
    old = applications.filter(pl.col("last_used") < since) if question.start < since else applications.clear()
    parts = []
    if unused:
        parts.append(
            f"**Nobody used {listing(map(safe, unused[:5]))}**{_more(len(unused) - 5)} in the window."
        )
    if old.height:
        last = old.sort("last_used", "name").row(0, named=True)
        parts.append(
            f"{count(old.height, 'application')} {'was' if old.height == 1 else 'were'} used, but not in the "
            f"last {FORGOTTEN_DAYS} days; {safe(last['name'])} last on "
            f"{last['last_used'].astimezone(ZoneInfo(question.zone)):%Y-%m-%d}."
        )
    return " ".join(parts) or f"Every application was used in the last {FORGOTTEN_DAYS} days of the window."


def _more(number: int) -> str:
    return f" and {number:,} more" if number > 0 else ""


def _results(applications: pl.DataFrame) -> dict[str, object]:
    def plain(row: dict[str, Any]) -> dict[str, object]:
        return {name: row[name] for name in ("application", "sessions", "people", "days_used")} | {
            "hours": round(row["hours"], 3)
        }

    return {
        "applications": [plain(row) for row in applications.to_dicts()],
        "used": applications.filter(pl.col("hours") > 0).height,
        "hours": round(float(applications["hours"].sum()), 3),
    }
