"""A closed run on its way to accounting: what a target could not take, the batch, and the lock.

The first export of a run to a target opens a batch, whose id stands in the file where the layout has room.
The same export again writes the same bytes under the same id. While a batch stands, the run goes to no other
target; whoever took it out of accounting again voids it, and the next export is another batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine

from pipelines.acting import require_reason, require_staff
from pipelines.book import open_book
from pipelines.exports import (
    Document,
    Fault,
    Target,
    Value,
    ajera,
    focus,
    generic,
    journal,
    quickbooks_iif,
    quickbooks_invoice,
    vantagepoint,
    vantagepoint_expense,
)
from pipelines.whole_file import whole_file
from warehouse import ledger, store
from warehouse.errors import Problem
from warehouse.ledger import Run
from warehouse.ledger.batches import Batch, add_batch, batches_of, void_batch

TARGETS: dict[str, Target] = {
    "generic": generic,
    "vantagepoint": vantagepoint,
    "vantagepoint-expense": vantagepoint_expense,
    "ajera": ajera,
    "quickbooks-iif": quickbooks_iif,
    "quickbooks-invoice": quickbooks_invoice,
    "journal": journal,
    "focus": focus,
}
"""The accounting targets by name: modules of `pipelines.exports`."""

SHOWN = 20
"""Faults that a refusal lists; `check` gives all of them."""


@dataclass(frozen=True)
class Exported:
    """What an export made: its batch, the rows of its files, and the first export if it was not this one."""

    batch: str
    rows: int
    files: list[Path]
    before: Batch | None

    def told(self) -> str:
        """Say in a sentence whether this was the first time."""
        if self.before is None:
            return f"{self.rows:,} {'row' if self.rows == 1 else 'rows'}, batch {self.batch}"
        at = datetime.fromtimestamp(self.before.at_ms / 1000, UTC)
        return f"exported before on {at:%Y-%m-%d %H:%M} UTC by {self.before.actor}, batch {self.batch}"


def find_target(name: str) -> Target:
    """Return a target by its name.

    Raises
    ------
    Problem
        There is none.
    """
    if name not in TARGETS:
        raise Problem(f"unknown target {name!r}", f"use one of {', '.join(TARGETS)}")
    return TARGETS[name]


def batch_id(run: Run, target: str, issue: int = 1) -> str:
    """Return the id of a run's n-th batch for a target: `2026-10/1-VP-3f2a91c4`, the same at any time.

    A run that is not closed has no digest yet: its id ends with `unclosed`, and is as long.
    """
    stem = f"{run.number}-{TARGETS[target].CODE}"
    if run.digest is None:
        return f"{stem}-unclosed"
    facts = "\n".join((run.number, target, run.digest, str(issue)))
    return f"{stem}-{sha256(facts.encode()).hexdigest()[:8]}"


def documents(run: Run, lines: pl.DataFrame, mapping: Path | None = None) -> list[Document]:
    """Lay a run out for the target it was drafted for, as its first batch does.

    Parameters
    ----------
    lines
        `Book.lines`, all of them.
    mapping
        The target's mapping file; None: its defaults.
    """
    target = find_target(run.target)
    return target.documents(run, lines, batch_id(run, run.target), target.read_mapping(mapping))


def rows(
    run: Run, lines: pl.DataFrame, batch: str | None = None, mapping: Path | None = None
) -> tuple[list[str], list[tuple[Value, ...]]]:
    """Return columns and rows for the workbook: text, whole numbers, Decimal, dates, or None.

    Where the target gets several files, a column `File` in front says which, and a row has nothing under the
    columns of the others.
    """
    target = find_target(run.target)
    settings = target.read_mapping(mapping)
    made = target.documents(run, lines, batch or batch_id(run, run.target), settings)
    if len(made) == 1:
        return made[0].columns, made[0].rows
    columns = list(dict.fromkeys(name for document in made for name in document.columns))
    found = []
    for document in made:
        named = [dict(zip(document.columns, row, strict=True)) for row in document.rows]
        found += [(document.suffix or "main", *(row.get(name) for name in columns)) for row in named]
    return ["File", *columns], found


# --- Check -------------------------------------------------------------------------------------------------


def check(  # noqa: PLR0913, PLR0917 - what of, for which target, by whom, when, and laid out how
    engine: Engine, run: str, target: str, actor: str, now_ms: int, mapping: Path | None = None
) -> list[Fault]:
    """Name everything that keeps a run from being imported by a target; the run may still be a draft.

    It reads the names of people, which is an audited event.

    Raises
    ------
    Problem
        There is no such run or target, the mapping file is none, or the actor is not of the billing staff.
    """
    module = find_target(target)
    settings = module.read_mapping(mapping)
    with engine.connect() as connection:
        found = ledger.find_run(connection, run)
        issued = batches_of(connection, found.id)
    book = open_book(engine, run, actor, f"export check {target}", now_ms)
    batch = batch_id(found, target, _issue(issued, target))
    return _run_faults(found, target, issued) + module.faults(found, book.lines, batch, settings)


def _run_faults(run: Run, target: str, issued: Sequence[Batch]) -> list[Fault]:
    """Name what keeps a run as a whole from a target."""
    found = []
    if run.status == "void":
        found.append(Fault(None, "is void", "export the run that took its place"))
    if run.showback:
        found.append(Fault(None, "is showback", "it is shown to its payers, and never exported"))
    if run.quantum_per_hour != TARGETS[target].QUANTUM_PER_HOUR:
        what = f"was drafted for {run.target}, which {target} cannot take"
        found.append(Fault(None, what, f"export it with --target {run.target}"))
    standing = _standing(issued)
    if standing and standing.target != target:
        what = f"was exported to {standing.target}, batch {standing.batch}"
        void_it = f"process-meter billing void-export {run.number} --target {standing.target} --reason TEXT"
        remedy = f"take that batch out of accounting, then void it: `{void_it}`"
        found.append(Fault(None, what, remedy))
    return found


def _standing(issued: Sequence[Batch]) -> Batch | None:
    return next((batch for batch in issued if batch.voided_ms is None), None)


def _issue(issued: Sequence[Batch], target: str) -> int:
    """Return the number of the batch that stands, or else of the next one."""
    return 1 + sum(batch.target == target and batch.voided_ms is not None for batch in issued)


# --- Export ------------------------------------------------------------------------------------------------


def export(  # noqa: PLR0913, PLR0917 - what of, for which target, to where, by whom, when, and laid out how
    engine: Engine,
    run: str,
    target: str,
    out: Path,
    actor: str,
    now_ms: int,
    mapping: Path | None = None,
) -> Exported:
    """Write a closed run as the import file of an accounting target, and record its batch.

    Parameters
    ----------
    out
        The main file, replaced if it exists; a second one, as credits, gets its name from it.

    Raises
    ------
    Problem
        The run is not closed, showback, drafted in another quantum than the target takes, or exported to
        another target; a line could not be imported; the same batch was exported with other contents; the
        actor is not of the billing staff. Nothing is written then.
    """
    module = find_target(target)
    settings = module.read_mapping(mapping)
    with engine.connect() as connection:
        found = ledger.find_run(connection, run)
        issued = batches_of(connection, found.id)
    if found.status != "closed":
        raise Problem(f"run {run} is {found.status}", "only a closed run can be exported")
    _refuse(found, target, _run_faults(found, target, issued))
    batch = batch_id(found, target, _issue(issued, target))
    book = open_book(engine, run, actor, f"export {target}", now_ms)
    _refuse(found, target, module.faults(found, book.lines, batch, settings))
    made = module.documents(found, book.lines, batch, settings)
    with ExitStack() as files:
        paths = [out.with_name(f"{out.stem}{each.suffix}{out.suffix}") for each in made]
        drafts = [files.enter_context(whole_file(path)) for path in paths]
        digest = _write(module, made, drafts, settings)
        total = sum(len(each.rows) for each in made)
        before = _record(engine, Batch(found.id, target, batch, digest, total, actor, now_ms), run)
    return Exported(batch, total, paths, before)


def _refuse(run: Run, target: str, faults: Sequence[Fault]) -> None:
    """Refuse with the list that `check` gives."""
    if not faults:
        return
    if faults[0].line is None:
        raise Problem(f"run {run.number} {faults[0].what}", faults[0].remedy)
    shown = [f"  {fault}" for fault in faults[:SHOWN]]
    if len(faults) > SHOWN:
        shown.append(f"  and {len(faults) - SHOWN:,} more: `process-meter billing check-export {run.number}`")
    raise Problem("\n".join([f"run {run.number} cannot be imported by {target}:", *shown]))


def _write(module: Target, made: Sequence[Document], drafts: Sequence[Path], settings: Any) -> str:
    """Write the documents and return the digest of their files."""
    total = sha256()
    for document, draft in zip(made, drafts, strict=True):
        module.write(document, draft, settings)
        total.update(draft.read_bytes())
    return total.hexdigest()


def _record(engine: Engine, made: Batch, run: str) -> Batch | None:
    """Record the batch, or that it was exported again; return it as it was recorded before."""
    with store.writing(engine) as connection:
        ledger.serialize(connection)
        issued = batches_of(connection, made.run_id)
        before = _standing(issued)
        _refuse_overtaken(made, before, issued, run)
        if before is None:
            add_batch(connection, made)
        detail = {
            "target": made.target,
            "batch": made.batch,
            "digest": made.digest,
            "rows": made.row_count,
            "again": before is not None,
        }
        ledger.record_event(connection, made.actor, "billing export", run, detail, made.at_ms)
    return before


def _refuse_overtaken(made: Batch, before: Batch | None, issued: Sequence[Batch], run: str) -> None:
    """Refuse what somebody else's batch or voiding has overtaken, and other contents under the same id."""
    overtaken = before.batch != made.batch if before else made.batch in [batch.batch for batch in issued]
    if overtaken:
        raise Problem(f"run {run} was exported or voided by somebody else just now", "look at it again")
    if before and before.digest != made.digest:
        raise Problem(
            f"batch {made.batch} was exported with other contents: another mapping file, or another version",
            "use the same mapping, or void the batch first: `process-meter billing void-export`",
        )


# --- Void --------------------------------------------------------------------------------------------------


def void(engine: Engine, run: str, target: str, actor: str, reason: str, now_ms: int) -> str:  # noqa: PLR0913, PLR0917 - who voids what, of which run, why and when
    """Void the batch that stands, which somebody took out of accounting again; return its id.

    Raises
    ------
    Problem
        There is no such run or target, no batch of it stands, no reason is given, or the actor is not of the
        billing staff.
    """
    find_target(target)
    reason = require_reason(reason, "to void an export")
    with store.writing(engine) as connection:
        ledger.serialize(connection)
        require_staff(connection, actor, f"void the export of run {run}")
        standing = _require_standing(connection, run, target)
        void_batch(connection, standing.batch, actor, reason, now_ms)
        detail = {"target": target, "batch": standing.batch, "reason": reason}
        ledger.record_event(connection, actor, "billing void-export", run, detail, now_ms)
    return standing.batch


def _require_standing(connection: Connection, run: str, target: str) -> Batch:
    standing = _standing(batches_of(connection, ledger.find_run(connection, run).id))
    if standing is None or standing.target != target:
        where = f": it was exported to {standing.target}" if standing else ""
        raise Problem(f"run {run} has no export to {target} that stands{where}", "there is nothing to void")
    return standing
