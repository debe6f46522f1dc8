"""Periods closed one after the other, whatever they hold, as a firm does a few days into the next."""

from __future__ import annotations

from sqlalchemy import Engine

from pipelines import billing
from pipelines.signing_off import WAITING
from warehouse import ledger
from warehouse.ledger import Run


def close_period(engine: Engine, period: str, now_ms: int, target: str = "generic") -> Run:
    """Draft a period, waive what blocks it, sign every project, approve and close it."""
    number = billing.draft(engine, period, target, "pat", now_ms)
    make_ready(engine, number, now_ms)
    billing.approve(engine, number, "ann", now_ms)
    billing.close(engine, number, "ann", now_ms)
    return run_of(engine, number)


def make_ready(engine: Engine, number: str, now_ms: int) -> None:
    """Waive and sign whatever keeps a draft from being approved."""
    for kind in billing.show(engine, number)["blocking"]:
        billing.waive(engine, number, "cleo", "known", now_ms, kind=kind)
    for row in billing.sign_offs(engine, number):
        if row["state"] in WAITING:
            billing.sign(engine, number, row["project"], "cleo", "agreed on the phone", now_ms)


def run_of(engine: Engine, number: str) -> Run:
    """Return a run by its number."""
    with engine.connect() as connection:
        return ledger.find_run(connection, number)
