"""What a person sees of themselves: own pseudonyms, own sessions, and who looked at the name."""

from __future__ import annotations

from datetime import datetime

import polars as pl
from sqlalchemy import Engine

from warehouse import store
from warehouse.directory import pseudonym, pseudonym_key
from warehouse.frames.evidence import OF_APPLICATIONS, OVERLAPPING, sessions_where
from warehouse.frames.reading import Columns, select, window_ms
from warehouse.mirror import stored
from warehouse.periods import INSTANT

NAME_VIEWS: Columns = {"at": INSTANT, "actor": pl.String, "action": pl.String}


def own_pseudonyms(engine: Engine, account: str) -> list[str]:
    """Return the pseudonyms under which an account and the person behind it appear; none, if unknown.

    Parameters
    ----------
    account
        As the operating system knows it; upper and lower case are the same.

    Returns
    -------
    list[str]
        Of every account of the person, or of this one where nobody owns it, and of the person.
    """
    rows = store.read(engine, _ACCOUNTS, {"name": account.lower()}).cast(pl.Int64)
    if rows.is_empty():
        return []
    key = pseudonym_key(engine.url)
    found = [pseudonym("A", number, key) for number in rows["account"]]
    return found + [pseudonym("P", number, key) for number in rows["person"].drop_nulls().unique()]


# A shared account tells nobody about the others who use it.
_ACCOUNTS = """
    SELECT account.id AS account, account.person_id AS person FROM account
    WHERE (account.name = :name OR account.person_id =
           (SELECT person_id FROM account WHERE name = :name AND NOT shared)) AND NOT account.shared
    ORDER BY account.id
"""


def own_sessions(
    engine: Engine, account: str, start: datetime, end: datetime, applications: list[str]
) -> pl.LazyFrame:
    """Return the sessions of some applications under an account and every account of its person.

    Returns
    -------
    pl.LazyFrame
        The columns and rows of `frames.sessions`, those of an account that several people use left out.
    """
    return sessions_where(engine, _OWN, _own(engine, account, start, end, applications))


def own_segments(
    engine: Engine, account: str, start: datetime, end: datetime, applications: list[str]
) -> pl.LazyFrame:
    """Return every closed segment of `own_sessions`, also beyond the window's edges.

    Returns
    -------
    pl.LazyFrame
        The columns of `frames.segments`, in order of session and start; read from SQL, for they are few.
    """
    parameters = _own(engine, account, start, end, applications)
    with store.snapshot(engine) as now:
        found = stored.of_sessions(now, _OWN, parameters)
    return found.lazy().select(*stored.SEGMENTS)


_OWN = f"session.account_id IN :accounts AND {OVERLAPPING}{OF_APPLICATIONS}"


def _own(
    engine: Engine, account: str, start: datetime, end: datetime, applications: list[str]
) -> store.Parameters:
    rows = store.read(engine, _ACCOUNTS, {"name": account.lower()}).cast(pl.Int64)
    return {
        **window_ms(start, end),
        "accounts": rows["account"].to_list() or [0],
        "applications": applications,
    }


def name_views(engine: Engine, pseudonyms: list[str]) -> pl.LazyFrame:
    """Return who had the name behind one of these pseudonyms shown, newest first.

    Returns
    -------
    pl.LazyFrame
        `at`, `actor`, `action`: one row per audited view.
    """
    sql = """
        SELECT at_ms AS at, actor, action FROM audit_event
        WHERE action LIKE 'name %' AND subject IN :pseudonyms ORDER BY id DESC
    """
    return select(engine, sql, NAME_VIEWS, {"pseudonyms": pseudonyms or [""]})
