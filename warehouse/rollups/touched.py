"""Which sessions may have other rollups than before: what changed between two stands."""

from __future__ import annotations

import polars as pl
from sqlalchemy import Engine

from warehouse import store
from warehouse.rollups.stand import Stand

MANY = 1_000
"""So many changed accounts or applications, and all is derived anew."""

TOUCHED = {"session": pl.Int64, "application": pl.Int64, "from_ms": pl.Int64, "to_ms": pl.Int64}
"""One row per session and stretch of it whose rollups may have changed; `application` is its id, null where
nobody knows any more which one it was."""


def touched(engine: Engine, known: Stand, new: Stand, timeout_ms: int) -> pl.DataFrame | None:
    """Find the sessions of which something changed between two stands, as `TOUCHED`; None: all of them.

    Parameters
    ----------
    timeout_ms
        The longest idle timeout. What lands can turn a pause next to it idle, but none that is further away.
    """
    accounts, applications = known.changed(new, "account"), known.changed(new, "application")
    if len(accounts) + len(applications) > MANY:
        return None
    landed: store.Parameters = {"after": known.landing, "through": new.landing}
    whole: store.Parameters = {
        **landed,
        "entry": known.entry,
        "newest": new.entry,
        "accounts": accounts,
        "applications": applications,
    }
    # Sessions have no index by account or application: they are searched only for something.
    among = " UNION ".join([*_WHOLE, *([_OF_OTHERS] if accounts or applications else [])])
    found = [
        _read(engine, _LANDED, landed).with_columns(
            pl.col("from_ms") - timeout_ms, pl.col("to_ms") + timeout_ms
        ),
        _read(engine, _BEFORE.format(among=among), whole),
        _read(engine, _NOW.format(among=among), whole),
    ]
    return pl.concat(found).filter(pl.col("from_ms") < pl.col("to_ms"))


def _read(engine: Engine, sql: str, parameters: store.Parameters) -> pl.DataFrame:
    return store.read(engine, sql, parameters).select(
        pl.col(name).cast(kind) for name, kind in TOUCHED.items()
    )


_LANDED = """
    SELECT landing.session_id AS session, session.application_id AS application,
           min(landing.from_ms) AS from_ms, max(landing.to_ms) AS to_ms
    FROM landing LEFT JOIN session ON session.id = landing.session_id
    WHERE landing.id > :after AND landing.id <= :through
    GROUP BY landing.session_id, session.application_id
"""

# Replaced, or gone; with a new statement of its project; and where instances have projects of their own, the
# last one in focus carries on, however long: all that comes after what landed may be another one's.
_WHOLE = (
    "SELECT session_id FROM landing WHERE id > :after AND id <= :through AND replaced",
    "SELECT session_id FROM project_entry WHERE id > :entry AND id <= :newest",
    """
    SELECT landing.session_id
    FROM landing JOIN project_entry ON project_entry.session_id = landing.session_id
    WHERE landing.id > :after AND landing.id <= :through AND project_entry.instance IS NOT NULL
    """,
)
# Somebody else's now, or under another rule.
_OF_OTHERS = "SELECT id FROM session WHERE account_id IN :accounts OR application_id IN :applications"

_BEFORE = """
    SELECT session_id AS session, application_id AS application, min(hour_ms) AS from_ms,
           max(hour_ms) + 3600000 AS to_ms
    FROM use_hour WHERE session_id IN ({among}) GROUP BY session_id, application_id
"""
_NOW = """
    SELECT id AS session, application_id AS application, started_ms AS from_ms,
           coalesce(ended_ms, (SELECT max(end_ms) FROM segment WHERE session_id = session.id), started_ms)
           AS to_ms
    FROM session WHERE id IN ({among})
"""
