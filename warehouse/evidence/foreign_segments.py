"""Segments of foreign sessions, cut at quarters inside the database: no row of them passes through Python."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse.evidence.foreign_lists import among, one_list, run_among
from warehouse.evidence.inserting import append
from warehouse.evidence.stored import QUARTER_MS as QUARTER
from warehouse.landing import let_readers_wait
from warehouse.store.months import DAY_MS, make_room

Piece = tuple[int, int, int, int, int, int]
"""A stretch of constant evidence of one session, not cut yet: session, start, end, position of its attention,
units, last input."""
_PIECE = ("session_id", "start_ms", "end_ms", "attention", "units", "since_ms")

_scratch = sa.MetaData()
_piece = sa.Table(
    "import_piece",
    _scratch,
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in _PIECE),
    prefixes=["TEMPORARY"],
)
_quarter = sa.Table(  # SQLite's wheel has no generate_series
    "import_quarter", _scratch, sa.Column("place", sa.Integer, primary_key=True), prefixes=["TEMPORARY"]
)


def make_scratch(connection: Connection) -> None:
    """Make the tables in which pieces wait for being cut; they are gone when the transaction fails."""
    _scratch.create_all(connection, checkfirst=False)


def drop_scratch(connection: Connection) -> None:
    """Drop the tables that `make_scratch` made."""
    _scratch.drop_all(connection, checkfirst=False)


def lay_out(connection: Connection, pieces: Sequence[Piece]) -> None:
    """Put pieces in the scratch table, in the order in which their segments are to be stored."""
    append(connection, _piece, _PIECE, pieces)
    if connection.dialect.name == "sqlite" and pieces:
        known = connection.scalar(sa.select(sa.func.max(_quarter.c.place)))
        longest = max((piece[2] - 1) // QUARTER - piece[1] // QUARTER for piece in pieces)
        first = -1 if known is None else known
        append(connection, _quarter, ["place"], [(place,) for place in range(first + 1, longest + 1)])


# Both databases: place n of a piece is its n-th quarter of an hour. The left table of CROSS JOIN stays the
# outer one in SQLite, so that segments come in the order of their primary key.
_CUT = f"""
    SELECT session_id, {{greatest}}(start_ms, (start_ms / {QUARTER} + place) * {QUARTER}) AS start_ms,
           {{least}}(end_ms, (start_ms / {QUARTER} + place + 1) * {QUARTER}) AS end_ms,
           attention, units, since_ms
    FROM import_piece CROSS JOIN {{quarters}}
"""  # noqa: S608 - a number of our own
_CUTS = {
    "sqlite": _CUT.format(
        greatest="max",
        least="min",
        quarters=f"import_quarter WHERE place <= (end_ms - 1) / {QUARTER} - start_ms / {QUARTER}",
    ),
    "postgresql": _CUT.format(
        greatest="greatest",
        least="least",
        quarters=f"generate_series(0, (end_ms - 1) / {QUARTER} - start_ms / {QUARTER}) AS quarter(place)",
    ),
}

_DIFFERING = """
    SELECT session.id FROM session LEFT JOIN (
        SELECT cut.session_id, count(*) AS total, count(segment.session_id) AS kept
        FROM ({cut}) AS cut LEFT JOIN segment
          ON segment.session_id = cut.session_id AND segment.start_ms = cut.start_ms
         AND segment.end_ms = cut.end_ms AND segment.attention = cut.attention
         AND segment.units = cut.units AND segment.since_ms = cut.since_ms
        GROUP BY cut.session_id
    ) AS made ON made.session_id = session.id
    WHERE {suspects} AND (made.kept <> made.total OR coalesce(made.total, 0) <> (
        SELECT count(*) FROM segment WHERE segment.session_id = session.id
    ))
"""

_STORE = """
    INSERT INTO segment (session_id, start_ms, end_ms, attention, cpu_percent, units, inhibiting, since_ms,
                         policy_version, received_ms)
    SELECT session_id, start_ms, end_ms, attention, 0, units, FALSE, since_ms, 0, :at_ms FROM ({cut}) AS cut
"""


def differing(connection: Connection, suspects: Collection[int]) -> set[int]:
    """Return which of these sessions have other segments than those laid out would give."""
    if not suspects:
        return set()
    condition = among(connection, "session.id")
    statement = _DIFFERING.format(cut=_CUTS[connection.dialect.name], suspects=condition)
    found = connection.execute(sa.text(statement), {"these": one_list(connection, suspects)})
    return {int(row[0]) for row in found}


def take_back(connection: Connection, sessions: Collection[int]) -> None:
    """Take pieces of sessions out of the scratch table again."""
    run_among(connection, "DELETE FROM import_piece", "session_id", sessions)


def drop_segments(connection: Connection, sessions: Collection[int]) -> None:
    """Delete the stored segments of sessions."""
    run_among(connection, "DELETE FROM segment", "session_id", sessions)


def store_pieces(connection: Connection, at_ms: int) -> None:
    """Cut what is laid out, store it as segments, and clear the scratch table."""
    if connection.dialect.name == "postgresql":
        make_room(connection, connection.scalars(sa.text(_DAYS)))
    statement = _STORE.format(cut=_CUTS[connection.dialect.name])
    connection.execute(sa.text(statement), {"at_ms": at_ms})
    connection.execute(sa.delete(_piece))


def land_pieces(connection: Connection, at_ms: int) -> None:
    """Note in bulk, as `landing.land` does one by one, that segments came to the sessions laid out."""
    let_readers_wait(connection)
    connection.execute(sa.text(_LAND), {"at_ms": at_ms})


_LAND = """
    INSERT INTO landing (session_id, from_ms, to_ms, replaced, at_ms)
    SELECT session_id, min(start_ms), max(end_ms), FALSE, :at_ms FROM import_piece
    GROUP BY session_id ORDER BY session_id
"""
_DAYS = f"""
    SELECT DISTINCT day FROM import_piece
    CROSS JOIN generate_series(start_ms / {DAY_MS}, (end_ms - 1) / {DAY_MS}) AS days(day)
"""  # noqa: S608 - a number of our own
