"""What a person sees of themselves: their own pseudonyms, and who looked at their name."""

from __future__ import annotations

import polars as pl
from sqlalchemy import Engine

from warehouse import store
from warehouse.directory import pseudonym, pseudonym_key
from warehouse.frames.reading import Columns, select
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
