"""What the last billing run charges, what is on hold in review, and what no project took."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy import Engine

from pipelines.answers import e2p_charges
from warehouse import frames
from warehouse.ledger import NOT_BILLED


@dataclass(frozen=True)
class LastPeriod:
    """The newest closed billing run, or the newest one where none is closed.

    Attributes
    ----------
    billed_minor, held_minor
        Amount by currency: of the billable lines that are neither held nor written off, and of the held ones.
    not_assigned_ms
        Billable time that no project took; None where the run does not say.
    by_payer
        One row per payer and currency, largest first: payer, lines (Int64), amount_minor, held_minor,
        currency.
    """

    run: str
    period: str
    status: str
    billed_minor: dict[str, int]
    held_minor: dict[str, int]
    not_assigned_ms: int | None
    by_payer: pl.DataFrame
    made_at: datetime


def answer(engine: Engine, now: datetime) -> LastPeriod:
    """Read the run.

    Raises
    ------
    Problem
        There is no run, or it charges nothing.
    """
    charges = e2p_charges.answer(engine, now=now)
    lines = frames.charge_lines(engine, charges.run).filter("billable").collect()
    held = lines.filter(pl.col("review") == "hold")
    totals = frames.runs(engine).filter(pl.col("run") == charges.run).collect()["totals"].item()
    return LastPeriod(
        run=charges.run,
        period=charges.period,
        status=charges.status,
        billed_minor=_by_currency(lines.filter(_is_billed())),
        held_minor=_by_currency(held),
        not_assigned_ms=_not_assigned(json.loads(totals or "{}")),
        by_payer=_by_payer(lines.join(_payers(engine), on="project", how="left")),
        made_at=now,
    )


def _is_billed() -> pl.Expr:
    return ~pl.col("review").is_in(NOT_BILLED).fill_null(value=False)


def _payers(engine: Engine) -> pl.DataFrame:
    cost_center = pl.lit("cost center ") + pl.col("cost_center")
    payer = pl.coalesce("client_name", "client", cost_center, pl.lit("no payer"))
    return frames.projects(engine).select("project", payer=payer).collect()


def _by_currency(lines: pl.DataFrame) -> dict[str, int]:
    sums = lines.group_by("currency").agg(pl.col("amount_minor").sum()).sort("currency")
    return dict(sums.iter_rows())


def _by_payer(lines: pl.DataFrame) -> pl.DataFrame:
    amount = pl.col("amount_minor")
    return (
        lines.group_by("payer", "currency")
        .agg(
            lines=pl.len().cast(pl.Int64),
            amount_minor=amount.filter(_is_billed()).sum(),
            held_minor=amount.filter(pl.col("review") == "hold").sum(),
        )
        .select("payer", "lines", "amount_minor", "held_minor", "currency")
        .sort("currency", "amount_minor", "payer", descending=[False, True, False])
    )


def _not_assigned(totals: dict[str, dict[str, int]]) -> int | None:
    return totals.get("tie_out_ms", {}).get("not_assigned")
