"""Corrections in bulk: one row per session or stretch of it; what is wrong is named by its cell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from warehouse import frames
from warehouse.corrections.correcting import Corrected, Correction, CorrectionRefused, correct
from warehouse.corrections.sessions import find_session
from warehouse.errors import Problem
from warehouse.periods import zone_of
from warehouse.projects import Codes, FieldRule, shown
from warehouse.tabular import CLEAR, Row, read_table

REQUIRED = ("session", "project", "reason")
OPTIONAL = ("from", "to", "phase", "task")
CORRECTION_COLUMNS = ("session", "from", "to", "project", "phase", "task", "reason")
NOTES = ("person", "application", "hours", "fault")
"""What the queue tells of a row beside; whoever corrects may leave it there, and nothing reads it."""


def correct_from_file(
    engine: Engine, path: Path | str, actor: str, now_ms: int, *, on_server: bool = False
) -> Corrected:
    """Write the corrections of a table file, all or none; docs/projects.md has the columns.

    Parameters
    ----------
    actor, now_ms, on_server
        See `correct`.

    Raises
    ------
    Problem
        Names file, row and column: what `correct` refuses, a session or an instant that is none, two rows of
        one session that overlap.
    """
    rules = frames.project_fields(engine)
    rows = read_table(Path(path), REQUIRED, (*OPTIONAL, *NOTES, *(rule.name for rule in rules)))
    corrections = [_correction(engine, row, rules) for row in rows]
    _refuse_overlaps(rows, corrections)
    try:
        return correct(engine, corrections, actor, now_ms, on_server=on_server)
    except CorrectionRefused as refused:
        row = rows[refused.place]
        raise row.problem(refused.column, refused.message, refused.remedy) from None


def _correction(engine: Engine, row: Row, rules: Sequence[FieldRule]) -> Correction:
    number = row.whole("session")
    if number is None or number >= 2**63:
        raise row.problem("session", "the cell holds no session", "give the number of one")
    fields = {rule.name: text for rule in rules if (text := row.text(rule.name)) not in (None, CLEAR)}
    return Correction(
        number,
        Codes(row.required("project"), _code(row, "phase"), _code(row, "task")),
        row.text("reason") or "",
        _instant(engine, row, "from", number),
        _instant(engine, row, "to", number),
        {name: text for name, text in fields.items() if text is not None},
    )


def _code(row: Row, column: str) -> str | None:
    code = row.code(column)
    return None if code == CLEAR else code


def _instant(engine: Engine, row: Row, column: str, session: int) -> int | None:
    text = row.text(column)
    if text is None or text == CLEAR:
        return None
    try:
        return instant_of(engine, session, text)
    except Problem as problem:
        raise row.problem(column, problem.message, problem.remedy) from None


def instant_of(engine: Engine, session: int, text: str) -> int:
    """Read an instant as people write it, in UTC milliseconds.

    Parameters
    ----------
    text
        `2026-10-05 09:30`, with seconds and milliseconds if need be; in the zone of the home office of the
        session's person, unless it has an offset, such as `2026-10-05 09:30+02:00`.

    Raises
    ------
    Problem
        It is no instant, or one that the clocks skipped or showed twice.
    """
    remedy = "write it as 2026-10-05 09:30"
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Problem(f"{shown(text)!r} is no instant", remedy) from None
    if moment.tzinfo is None:
        with engine.connect() as connection:
            name = find_session(connection, session).place.zone
        first, second = (moment.replace(tzinfo=zone_of(name), fold=fold) for fold in (0, 1))
        if first.utcoffset() != second.utcoffset():
            message = f"the clocks of {name} skip {text.strip()}, or show it twice"
            raise Problem(message, f"give it with its offset, such as {moment.isoformat(' ')}+00:00")
        moment = first
    if not datetime(1970, 1, 2, tzinfo=UTC) <= moment <= datetime(9000, 1, 1, tzinfo=UTC):
        raise Problem(f"{shown(text)!r} is no instant of our time", remedy)
    return round(moment.timestamp() * 1000)


def _refuse_overlaps(rows: Sequence[Row], corrections: Sequence[Correction]) -> None:
    """Refuse two rows for one moment of a session: the same file again would not be the same again."""
    known: dict[int, list[tuple[int, float, Row]]] = {}
    for row, correction in zip(rows, corrections, strict=True):
        first = correction.from_ms or 0
        last = float("inf") if correction.to_ms is None else correction.to_ms
        for other_first, other_last, other in known.setdefault(correction.session, []):
            if first < other_last and other_first < last:
                message = f"session {correction.session} is already corrected by row {other.number}"
                raise row.problem("session", message, "let their stretches be apart, or remove one of them")
        known[correction.session].append((first, last, row))
