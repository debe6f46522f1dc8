"""A run's lines with what the chain takes of them, a batch at a time; and their digests at the close."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any, NamedTuple

import polars as pl
import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse.ledger import chain, first_form, second_form
from warehouse.ledger.runs import Run
from warehouse.ledger.words import Words
from warehouse.store.bulk import insert

Read = Callable[[str, pl.Schema, Mapping[str, Any]], pl.DataFrame]
"""Runs a SELECT with `:name` parameters and returns Int64 and String columns."""

BATCH = 100_000
"""So many lines are in memory at a time, with all that stands behind them."""

FORMS: Mapping[int, ModuleType] = {1: first_form, 2: second_form, 3: chain}
"""The forms that runs are closed in, by `chain_version`."""

_OF_LINE = pl.Schema({"charge_line_id": pl.Int64})
_STORED = pl.Schema([*second_form.LINE.items(), ("digest", pl.String())])
_ORIGINAL = pl.Schema({"original_run": pl.String, "original_line": pl.Int64})
LINES = pl.Schema([*_STORED.items(), *_ORIGINAL.items()])
SHARES = pl.Schema([*_OF_LINE.items(), *chain.SHARE.items()])
REVIEWS = pl.Schema([*_OF_LINE.items(), *second_form.REVIEW.items()])

_LEAST = -(2**63)
_WHICH = "charge_line.billing_run_id = :run AND charge_line.line_number >= :least"
# A line that corrects one which is not there must not look like one that corrects none.
_SELECT_LINES = f"""
    SELECT {", ".join(f"charge_line.{name}" for name in _STORED)},
           CASE WHEN charge_line.original_line_id IS NOT NULL THEN coalesce(other.number, '?') END
               AS original_run,
           original.line_number AS original_line
    FROM charge_line
    LEFT JOIN charge_line AS original ON original.id = charge_line.original_line_id
    LEFT JOIN billing_run AS other ON other.id = original.billing_run_id
    WHERE {_WHICH} ORDER BY charge_line.line_number LIMIT {BATCH}
"""  # noqa: S608  our own columns' names
_SELECT_SHARES = f"""
    SELECT charge_share.charge_line_id, charge_share.session_id, charge_share.active_ms,
           charge_share.pause_ms, charge_share.buffer_ms
    FROM charge_line JOIN charge_share ON charge_share.charge_line_id = charge_line.id
    WHERE {_WHICH} AND charge_line.line_number <= :last
    ORDER BY charge_line.line_number, charge_share.session_id
"""  # noqa: S608
_SELECT_REVIEWS = f"""
    SELECT line_review.charge_line_id, line_review.id, line_review.action, line_review.actor,
           line_review.reason, line_review.at_ms, CAST(line_review.detail AS TEXT)
    FROM charge_line JOIN line_review ON line_review.charge_line_id = charge_line.id
    WHERE {_WHICH} AND charge_line.line_number <= :last
    ORDER BY charge_line.line_number, line_review.id
"""  # noqa: S608


class Batch(NamedTuple):
    """Some of a run's lines, in their order.

    Attributes
    ----------
    lines
        `LINES`, the stored `digest` among them, and what `Words.told` adds.
    shares, reviews
        Those of these lines: `charge_line_id`, and `chain.SHARE`, or `id` and `chain.REVIEW`.
    """

    lines: pl.DataFrame
    shares: pl.DataFrame
    reviews: pl.DataFrame


def batches(read: Read, run_id: int) -> Iterator[Batch]:
    """Read a run's lines, their shares and acts of review; the next ones while these are worked on."""
    words = Words(read)
    with ThreadPoolExecutor(1) as ahead:
        least: int | None = _LEAST
        coming = ahead.submit(_batch, read, words, run_id, _LEAST)
        while least is not None and (batch := coming.result()) is not None:
            least = _next_least(batch.lines["line_number"], least)
            if least is not None:
                coming = ahead.submit(_batch, read, words, run_id, least)
            yield batch


def _next_least(numbers: pl.Series, least: int) -> int | None:
    """Return from which number on the next lines are; None after the last ones.

    SQLite keeps anything in any column: what is no number reads as the least one, and comes last.
    """
    following = int(numbers[-1]) + 1
    return following if numbers.len() == BATCH and least < following < 2**63 else None


def _batch(read: Read, words: Words, run_id: int, least: int) -> Batch | None:
    which = {"run": run_id, "least": least}
    lines = read(_SELECT_LINES, LINES, which)
    if lines.is_empty():
        return None
    which["last"] = lines["line_number"][-1]
    return Batch(
        words.told(lines), read(_SELECT_SHARES, SHARES, which), read(_SELECT_REVIEWS, REVIEWS, which)
    )


def within(connection: Connection) -> Read:
    """Read in an open transaction, with what it has written itself."""

    def read(sql: str, columns: pl.Schema, parameters: Mapping[str, Any]) -> pl.DataFrame:
        rows = connection.execute(sa.text(sql), dict(parameters)).all()
        return pl.DataFrame(
            [pl.Series(name, [row[place] for row in rows], dtype) for place, (name, dtype) in
             enumerate(columns.items())]
        )  # fmt: skip

    return read


def form_of(run: Run) -> ModuleType:
    """Return the form of the chain that a run is closed in; of an unknown version, the newest one."""
    return FORMS.get(run.chain_version, chain)


def chained(link: Callable[[str, str], str], before: str, texts: Iterable[str]) -> list[str]:
    """Digest links one upon the other."""
    digests = []
    for text in texts:
        before = link(before, text)
        digests.append(before)
    return digests


# --- Sealing -----------------------------------------------------------------------------------------------

_SEALED = sa.Table(
    "sealed_line",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("digest", sa.Text),
)
_MAKE_ROOM = "CREATE TEMPORARY TABLE sealed_line (id BIGINT PRIMARY KEY, digest TEXT)"
_GIVE = """
    UPDATE charge_line SET digest = (SELECT digest FROM sealed_line WHERE sealed_line.id = charge_line.id)
    WHERE id IN (SELECT id FROM sealed_line)
"""


def seal(connection: Connection, run: Run) -> str:
    """Chain the lines of a run that is being closed; write their digests and return the run's own.

    Parameters
    ----------
    run
        As it stands when it is closed, with the columns of `seals.sealing`: without them, it is closed in the
        chain's first form.
    """
    form = form_of(run)
    header = digest = str(form.header_digest(run))
    connection.execute(sa.text(_MAKE_ROOM))
    for batch in batches(within(connection), run.id):
        digests = chained(form.link, digest, form.texts(batch))
        digest = digests[-1]
        rows = batch.lines.select("id", digest=pl.Series(digests, dtype=pl.String))
        insert(connection, _SEALED, rows)
    connection.execute(sa.text(_GIVE))
    connection.execute(sa.text("DROP TABLE sealed_line"))
    return str(form.end(digest, header))
