"""What an account may see of a run: own lines, those of projects it manages, or all of it."""

from __future__ import annotations

import polars as pl
from sqlalchemy import Engine

from pipelines.acting import find_actor
from warehouse import frames, ledger
from warehouse.errors import Problem


def visible_lines(engine: Engine, run: str, account: str) -> pl.DataFrame:
    """Return the lines of a run that an account may see.

    Parameters
    ----------
    account
        The signed-in or the operating-system identity.

    Returns
    -------
    pl.DataFrame
        One row per line, by number: the columns of `frames.charge_lines`, and `is_mine` (the line is of the
        account's person) and `is_managed` (its project is). Billing staff sees all lines.

    Raises
    ------
    Problem
        There is no such run.
    """
    with engine.connect() as connection:
        ledger.find_run(connection, run)
        actor = find_actor(connection, account)
        managed = ledger.managed_projects(connection, actor.person_id)
    lines = frames.charge_lines(engine, run).with_columns(
        is_mine=pl.lit(value=False) if actor.person_id is None else pl.col("person_id") == actor.person_id,
        is_managed=pl.col("project").is_in(list(managed)),
    )
    return lines.filter(pl.lit(actor.is_staff) | pl.col("is_mine") | pl.col("is_managed")).collect()


def refuse_stranger(engine: Engine, account: str, run: str | None = None, line: int | None = None) -> None:
    """Refuse to show a run, or one line, to whoever has no part in it.

    A line is shown to its person, the manager of its project and billing staff; a run as a whole to
    billing staff and to whoever manages a project.

    Raises
    ------
    Problem
        Naming the account; there is no such run or line.
    """
    with engine.connect() as connection:
        actor = find_actor(connection, account)
        if run is None or line is None:
            if not ledger.managed_projects(connection, actor.person_id):
                actor.require_staff("see runs as a whole")
            return
        party = ledger.party_of(connection, ledger.find_run(connection, run).id, line)
        if party is None:
            raise Problem(f"run {run} has no line {line}", f"see them: `process-meter billing lines {run}`")
        actor.require_part(party, f"see line {line} of run {run}")
