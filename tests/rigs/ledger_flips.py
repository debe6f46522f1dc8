"""A small ledger with everything that verification checks, and single values of it changed by a superuser."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, NamedTuple

import polars as pl
import sqlalchemy as sa
from billing_cases import session
from billing_warehouse import hour, ms, on, organize, price, use, waive_all
from sqlalchemy import Connection, Engine

from pipelines import billing
from warehouse import ledger, schema, store
from warehouse.ledger import SignOff
from warehouse.ledger.batches import Batch, add_batch, void_batch

SEPTEMBER, OCTOBER = ms("2026-10-02 12:00"), ms("2026-11-02 12:00")

NO_CONTENT = {("audit_event", "id"), ("export_batch", "id"), ("billed_name", "id")}
"""Numbers that say nothing: rows are found by another column."""

ORDER = {"line_review": "charge_line_id", "project_sign_off": "billing_run_id",
         "billing_exception": "billing_run_id"}  # fmt: skip
"""Tables whose ids only say in which order the rows of one line or run came about."""


def closed_ledger(engine: Engine) -> None:
    """Close two months: usage, a reversal and its replacement, a converted rate, reviews, exports, ..."""
    organize(engine)
    price(engine, 1, 900_000, application_id=1, increment_ms=360_000, direction="up")
    price(engine, 2, 800_000, currency="USD", application_id=2, cost_rate_scaled=400_000)
    rate = {"id": 1, "from_currency": "USD", "to_currency": "EUR", "from_on": "2026-01-01",
            "factor_scaled": 92_000_000, "author": "rita", "created_ms": 0}  # fmt: skip
    store.append(engine, "conversion_rate", pl.DataFrame([rate]))
    for number, (day, application) in enumerate(
        [("2026-09-07", "cad"), ("2026-09-08", "cad"), ("2026-09-09", "fem"), ("2026-10-05", "cad")], 1
    ):
        use(engine, hour(number, day, application=application))
        on(engine, number, "A", at_=f"{day} 09:00")
    use(engine, hour(8, "2026-09-10"))  # no project
    _close(engine, "2026-09", SEPTEMBER)
    use(engine, session(9, ("2026-09-08 12:00", "2026-09-08 13:00", "input")), received="2026-10-20 08:00")
    on(engine, 9, "A", at_="2026-09-08 12:00", created="2026-10-20 08:00")
    _close(engine, "2026-10", OCTOBER)


def _close(engine: Engine, period: str, now_ms: int) -> None:
    run = billing.draft(engine, period, "generic", "pat", now_ms)
    billing.review(engine, run, 1, "dispute", "ada", "not mine", now_ms)
    billing.review(engine, run, 1, "accept", "pm", "it was", now_ms)
    waive_all(engine, run, now_ms)
    with store.writing(engine) as connection:
        found = ledger.find_run(connection, run)
        for action in ("withdraw", "sign"):
            ledger.add_sign_off(connection, found.id, SignOff(1, action, "pm", "fine", "00ff", now_ms))
    billing.approve(engine, run, "ann", now_ms)
    billing.close(engine, run, "ann", now_ms)
    with store.writing(engine) as connection:
        _export(connection, found.id, run, now_ms)


def _export(connection: Connection, run_id: int, run: str, now_ms: int) -> None:
    """Export, and void the batch of September again."""
    batch = Batch(run_id, "generic", f"{run}-GEN-1", "ab" * 32, 5, "ann", now_ms)
    add_batch(connection, batch)
    told = {"target": "generic", "batch": batch.batch, "digest": batch.digest, "rows": 5, "again": False}
    ledger.record_event(connection, "ann", "billing export", run, told, now_ms)
    if now_ms == SEPTEMBER:
        void_batch(connection, batch.batch, "bob", "imported twice", now_ms)
        told = {"target": "generic", "batch": batch.batch, "reason": "imported twice"}
        ledger.record_event(connection, "bob", "billing void-export", run, told, now_ms)


# --- Which values, and how one of them is changed ----------------------------------------------------------

_RUN_OF = {
    "billing_run": "SELECT id, number, NULL FROM billing_run",
    "charge_line": "SELECT l.id, r.number, l.line_number FROM charge_line l"
                   " JOIN billing_run r ON r.id = l.billing_run_id",
    "charge_share": "SELECT l.id, r.number, l.line_number FROM charge_line l"
                    " JOIN billing_run r ON r.id = l.billing_run_id",
    "line_review": "SELECT v.id, r.number, l.line_number FROM line_review v"
                   " JOIN charge_line l ON l.id = v.charge_line_id"
                   " JOIN billing_run r ON r.id = l.billing_run_id",
    "project_sign_off": "SELECT s.id, r.number, NULL FROM project_sign_off s"
                        " JOIN billing_run r ON r.id = s.billing_run_id",
    "billing_exception": "SELECT e.id, r.number, NULL FROM billing_exception e"
                         " JOIN billing_run r ON r.id = e.billing_run_id",
    "billed_name": "SELECT n.id, r.number, NULL FROM billed_name n"
                   " JOIN billing_run r ON r.id = n.billing_run_id",
    "export_batch": "SELECT b.id, r.number, NULL FROM export_batch b"
                    " JOIN billing_run r ON r.id = b.billing_run_id",
}  # fmt: skip
_WORDS = {
    "audit_event": "audit event {}",
    "rate": "rate version {}",
    "conversion_rate": "conversion rate",
    "project_sign_off": "signature",
    "billing_exception": "an exception of kind",
    "export_batch": "export batch",
    "billed_name": "name",
}
TABLES = (*_RUN_OF, "audit_event", "rate", "conversion_rate")


class Flip(NamedTuple):
    """One value of one row: where it is, and which words verification has to say of it."""

    table: str
    column: str
    key: dict[str, Any]
    before: Any
    after: Any
    says: tuple[str, ...]


def columns() -> list[tuple[str, str]]:
    """List every table and column of the ledger whose values mean something."""
    every = [(table, column.name) for table in TABLES for column in schema.metadata.tables[table].columns]
    return [pair for pair in every if pair not in NO_CONTENT]


def flip(connection: Connection, table: str, column: str, draw: Random) -> Flip | None:
    """Choose a row and change one bit of a value of it; None where the database takes no such change."""
    stored = schema.metadata.tables[table]
    shown = [sa.cast(c, sa.Text) if isinstance(c.type, sa.JSON) else c for c in stored.columns]
    rows = connection.execute(sa.select(*shown).order_by(*stored.primary_key.columns)).all()
    row = dict(zip(stored.columns.keys(), draw.choice(rows), strict=True))
    is_json = isinstance(stored.columns[column].type, sa.JSON)
    after = _changed(row[column], stored.columns[column], draw)
    if is_json and (not _is_other(row[column], after) or (_refuses(connection) and not _is_json(after))):
        return None
    if column == "id" and table in ORDER and _stays_in_place(table, row, after, rows):
        return None
    key = {name: row[name] for name in stored.primary_key.columns.keys()}  # noqa: SIM118
    made = Flip(table, column, key, row[column], after, _says(connection, table, key))
    try:
        with connection.begin_nested():
            _write(connection, made, after)
    except (sa.exc.IntegrityError, sa.exc.DataError):
        return None
    return made


def _stays_in_place(table: str, row: dict[str, Any], after: int, rows: Sequence[sa.Row[Any]]) -> bool:
    """Whether a row with another id still comes after the same rows of its line or run."""
    others = [
        each.id for each in rows if getattr(each, ORDER[table]) == row[ORDER[table]] and each.id != row["id"]
    ]
    return [each < row["id"] for each in others] == [each < after for each in others]


def undo(connection: Connection, made: Flip) -> None:
    """Put the value back."""
    key = made.key | ({made.column: made.after} if made.column in made.key else {})
    _write(connection, made._replace(key=key), made.before)


def _refuses(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _is_other(before: str, after: str) -> bool:
    return not _is_json(after) or json.loads(before) != json.loads(after)


def _changed(value: Any, column: sa.Column[Any], draw: Random) -> Any:
    if isinstance(column.type, sa.Boolean):
        return not value
    if value is None:
        return 1 if isinstance(column.type, sa.Integer) else "x"
    if isinstance(value, int):
        return value ^ (1 << draw.randrange(24))
    if not value:
        return "x"
    place = draw.randrange(len(value))
    # The lowest five bits of a character: what comes out is text in either database.
    return value[:place] + (chr(ord(value[place]) ^ (1 << draw.randrange(5)))) + value[place + 1 :]


def _write(connection: Connection, made: Flip, value: Any) -> None:
    stored = schema.metadata.tables[made.table]
    is_json = isinstance(stored.columns[made.column].type, sa.JSON) and _refuses(connection)
    where = " AND ".join(f'"{name}" = :key_{name}' for name in made.key)
    given = "CAST(:value AS JSON)" if is_json else ":value"
    change = sa.text(f'UPDATE "{made.table}" SET "{made.column}" = {given} WHERE {where}')
    done = connection.execute(
        change, {"value": value, **{f"key_{name}": key for name, key in made.key.items()}}
    )
    assert done.rowcount == 1


def _says(connection: Connection, table: str, key: dict[str, Any]) -> tuple[str, ...]:
    """Say which words have to stand together in one sentence."""
    words = [_WORDS[table].format(key["id"])] if table in _WORDS else []
    if table in _RUN_OF:
        which = key.get("id", key.get("charge_line_id"))
        rows = connection.execute(sa.text(_RUN_OF[table]))
        words += next(
            [f"run {run}", *([f"line {line}"] if line else [])]
            for number, run, line in rows
            if number == which
        )
    return tuple(words)


@contextmanager
def as_superuser(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that no guard and no reference holds back."""
    off, on_again = ("PRAGMA foreign_keys=OFF", "PRAGMA foreign_keys=ON")
    if engine.dialect.name == "postgresql":
        off, on_again = (f"SET session_replication_role = {role}" for role in ("replica", "origin"))
    with engine.connect() as connection:
        for statement in (off, None, on_again):
            if statement is None:
                with connection.begin():
                    yield connection
            else:
                connection.exec_driver_sql(statement)
                connection.commit()


def unnamed(engine: Engine, table: str, column: str, seed: int) -> str | None:
    """Change one value, verify, put it back; say what verification failed to name. None: all is well."""
    with as_superuser(engine) as connection:
        made = flip(connection, table, column, Random(seed))
    if made is None:
        return None
    found = billing.verify(engine)
    with as_superuser(engine) as connection:
        undo(connection, made)
    if any(all(word in sentence for word in made.says) for sentence in found):
        return None
    return f"{made} was not named by {found}"
