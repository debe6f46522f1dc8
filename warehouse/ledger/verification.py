"""Whether anything that was closed or audited has been changed since, and whether it agrees with itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import polars as pl
from sqlalchemy import Engine

from warehouse import store
from warehouse.ledger.agreement import Agreement
from warehouse.ledger.batch_events import broken_batches
from warehouse.ledger.events import broken_closings, broken_events, rate_ends, read_events
from warehouse.ledger.links import FORMS, Read, batches, form_of
from warehouse.ledger.names import broken_erasures
from warehouse.ledger.release_events import broken_releases
from warehouse.ledger.runs import Run
from warehouse.ledger.seals import broken_seals
from warehouse.ledger.stored_runs import StoredRun, stored_runs
from warehouse.ledger.walk import Walk

SHOWN = 1_000
"""So many breaks of one run are named one by one; the rest is counted."""


def verify(engine: Engine) -> list[str]:
    """Check the audit events, the closed runs, their lines, and what these rest on.

    Everything is read as of one instant, a batch of lines at a time.

    Returns
    -------
    list[str]
        One sentence per row that is not what was written, or does not agree with what it is made of; empty
        where all is well.
    """
    with _reading(engine) as read:
        told, closed = read_events(read), stored_runs(read)
        found = [*broken_events(told), *_broken_order(closed)]
        for stored in closed:
            found += _limited(stored.run, list(_broken_run(read, stored, rate_ends(told))))
        found += broken_closings(told, [stored.run for stored in closed])
        found += broken_batches(read, told)
        found += broken_releases(read, told)
        return found + list(broken_erasures(read, told))


def broken_chains(engine: Engine) -> list[str]:
    """Check the chains alone, of events and of the runs that are closed; return sentences as `verify`."""
    with _reading(engine) as read:
        closed = [stored for stored in stored_runs(read) if stored.run.status == "closed"]
        found = [*broken_events(read_events(read)), *_broken_order(closed)]
        for run, _ in closed:
            walk = Walk(run)
            for batch in batches(read, run.id):
                found += walk.over(batch)
            found += walk.end()
        return found


def link_of(engine: Engine, run: Run, line: int) -> dict[str, str | None] | None:
    """Return what the chain says of a line of a closed run: before, text and digest; None in the first form.

    SHA-256 of `before`, a bar and `text` is `digest`.
    """
    if run.chain_version == 1:
        return None
    form = form_of(run)
    with _reading(engine) as read:
        before: str | None = form.header_digest(run)
        for batch in batches(read, run.id):
            numbers = batch.lines["line_number"].to_list()
            digests = [before, *batch.lines["digest"]]
            if line in numbers:
                place = numbers.index(line)
                text = str(form.texts(batch)[place])
                return {"before": digests[place], "text": text, "digest": digests[place + 1]}
            before = digests[-1]
    return None


@contextmanager
def _reading(engine: Engine) -> Iterator[Read]:
    with store.snapshot(engine) as snapshot:

        def read(sql: str, columns: pl.Schema, parameters: Mapping[str, Any]) -> pl.DataFrame:
            return snapshot.read_as(sql, columns, parameters)

        yield read


def _limited(run: Run, found: list[str]) -> list[str]:
    rest = len(found) - SHOWN
    return found if rest <= 0 else [*found[:SHOWN], f"run {run.number}: {rest:,} further breaks"]


def _broken_order(closed: list[StoredRun]) -> Iterator[str]:
    """Check that each closed run follows the one closed before it."""
    previous = None
    for run, _ in closed:
        if run.status != "closed":
            yield f"run {run.number}: it was closed, and its status says {run.status!r}"
        if run.previous_digest != previous:
            yield f"run {run.number}: the run that it follows in the chain is not there"
        previous = run.digest


def _broken_run(read: Read, stored: StoredRun, ends: Mapping[str, str | None]) -> Iterator[str]:
    """Check one closed run: its chain, what its lines come to, and what it rests on."""
    run, unreadable = stored
    if unreadable:
        yield f"run {run.number}: {' and '.join(dict.fromkeys(unreadable))} cannot be read any more"
    if run.chain_version not in FORMS:
        yield f"run {run.number}: nobody closes runs in version {run.chain_version} of the chain"
        return
    walk, agreement = Walk(run), Agreement(read, run)
    for batch in batches(read, run.id):
        yield from walk.over(batch)
        yield from agreement.of(batch)
    yield from walk.end()
    if not unreadable:
        yield from agreement.end()
        yield from broken_seals(read, run, ends) if run.chain_version > 1 else ()
