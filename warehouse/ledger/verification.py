"""Whether anything that was closed or audited has been changed since."""

from __future__ import annotations

from sqlalchemy import Engine

from warehouse.ledger.audit import broken_events
from warehouse.ledger.lines import broken_lines
from warehouse.ledger.runs import Run, closed_runs


def verify(engine: Engine) -> list[str]:
    """Check the audit events, the closed runs and their lines.

    Returns
    -------
    list[str]
        One sentence per row that is not what was written; empty where all is well.
    """
    with engine.connect() as connection:
        closed = closed_runs(connection)
        found = broken_events(connection) + _broken_order(closed)
        for run in closed:
            found += broken_lines(connection, run)
    return found


def _broken_order(closed: list[Run]) -> list[str]:
    """Check that each closed run follows the one closed before it."""
    previous, found = None, []
    for run in closed:
        if run.previous_digest != previous:
            found.append(f"run {run.number}: the run that it follows in the chain is not there")
        previous = run.digest
    return found
