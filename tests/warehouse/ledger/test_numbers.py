"""Numbers that a database gives to rows: no closed run is digested with those of what billing writes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from billing_cases import session
from billing_warehouse import billed_hours, hour, ms, on, organize, use, waive_all
from ledger_flips import as_superuser, closed_ledger
from sqlalchemy import Engine

from pipelines import billing
from warehouse import ledger, schema, store
from warehouse.ledger import SignOff
from warehouse.ledger.events import broken_closings
from warehouse.ledger.release_events import broken_releases
from warehouse.ledger.run_events import events_of
from warehouse.ledger.words import Words
from warehouse.retention import retain

SEPTEMBER, OCTOBER = ms("2026-10-02 12:00"), ms("2026-11-02 12:00")


@pytest.fixture
def one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same pseudonyms in every warehouse: names are sealed under that key."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "pseudonym.key").write_bytes(b"k" * 32)
    monkeypatch.setenv("PROCESS_METER_KEYS", str(tmp_path / "own"))


def closed_twice(engine: Engine, *, restless: bool) -> list[str | None]:
    """Close two months, the second one correcting the first; return the heads of their chains.

    Restless: other rows come and go meanwhile, so that all that is written gets other numbers.
    """
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-09-08", "2026-10-07"])
    use(engine, hour(8, "2026-09-10"))  # no project
    if restless:
        _renumber_projects(engine)
        billing.draft(engine, "2026-10", "generic", "pat", OCTOBER)
    _close(engine, "2026-09", SEPTEMBER, restless=restless)
    use(engine, session(9, ("2026-09-08 12:00", "2026-09-08 13:00", "input")), received="2026-10-20 08:00")
    on(engine, 9, "A", at_="2026-09-08 12:00", created="2026-10-20 08:00")
    _close(engine, "2026-10", OCTOBER, restless=restless)
    assert billing.verify(engine) == []
    with engine.connect() as connection:
        return [run.digest for run in ledger.closed_runs(connection)]


def _renumber_projects(engine: Engine) -> None:
    columns = ("project.id", "phase.project_id", "phase.id", "task.phase_id", "task.id")
    with as_superuser(engine) as connection:
        for table, column in (each.split(".") for each in columns):
            connection.execute(sa.text(f"UPDATE {table} SET {column} = {column} + 100"))


def _close(engine: Engine, period: str, now_ms: int, *, restless: bool) -> None:
    run = billing.draft(engine, period, "generic", "pat", now_ms)
    billing.review(engine, run, 1, "dispute", "ada", "not mine", now_ms)
    billing.review(engine, run, 1, "accept", "pm", "it was", now_ms)
    if restless:
        _fail(engine, run)
        billing.draft(engine, period, "generic", "pat", now_ms)
    waive_all(engine, run, now_ms)
    with store.writing(engine) as connection:
        found = ledger.find_run(connection, run)
        project = ledger.project_lines(connection, found.id)[0]
        signed = SignOff(project.project_id, "sign", "pm", "fine", project.lines_digest, now_ms)
        ledger.add_sign_off(connection, found.id, signed)
    billing.approve(engine, run, "ann", now_ms)
    billing.close(engine, run, "ann", now_ms)


def _fail(engine: Engine, run: str) -> None:
    """Write what the database numbers, and take it back: PostgreSQL counts on from there."""
    with engine.connect() as connection, connection.begin() as failing:
        found = ledger.find_run(connection, run)
        line = ledger.line_id(connection, found.id, 1) or 0
        ledger.add_reviews(connection, [ledger.Review(line, "hold", "pm", "no", 1)])
        ledger.add_exceptions(connection, found.id, [("over_limit", "A")])
        project = ledger.project_lines(connection, found.id)[0].project_id
        ledger.add_sign_off(connection, found.id, SignOff(project, "sign", "pm", "no", "", 1))
        ledger.record_event(connection, "pm", "billing hold", run, {}, 1)
        failing.rollback()


def test_the_heads_of_the_chain_are_the_same_whatever_numbers_the_rows_got(
    engine: Engine, postgres_engine: Engine, one_key: None
) -> None:
    calm = closed_twice(engine, restless=False)
    assert len(calm) == 2
    assert closed_twice(postgres_engine, restless=True) == calm
    numbers = [_numbers(each) for each in (engine, postgres_engine)]
    assert [table for table in numbers[0] if numbers[0][table] == numbers[1][table]] == []


def _numbers(engine: Engine) -> dict[str, list[int]]:
    tables = ("charge_line", "line_review", "billing_exception", "project_sign_off", "audit_event", "project")
    with engine.connect() as connection:
        return {
            table: list(connection.scalars(sa.select(schema.metadata.tables[table].c.id).order_by("id")))
            for table in tables
        }


def test_the_events_of_a_run_are_told_by_their_places_in_the_chain(postgres_engine: Engine) -> None:
    organize(postgres_engine)
    billed_hours(postgres_engine, ["2026-09-07"])
    run = billing.draft(postgres_engine, "2026-09", "generic", "pat", SEPTEMBER)
    _fail(postgres_engine, run)
    billing.review(postgres_engine, run, 1, "hold", "pm", "ask", SEPTEMBER)
    with store.writing(postgres_engine) as connection:
        ledger.record_event(connection, "ann", "import", "rates", {}, SEPTEMBER)
    _fail(postgres_engine, run)
    billing.review(postgres_engine, run, 1, "accept", "pm", "fine", SEPTEMBER)
    with postgres_engine.connect() as connection:
        found = ledger.find_run(connection, run)
    told = events_of(postgres_engine, found).select("event", "action").rows()
    assert told == [(1, "billing draft"), (2, "billing hold"), (4, "billing accept")]


# --- What the digests no longer hold is still covered by what they hold ------------------------------------


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, empty_warehouse: Path) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("numbers")
    shutil.copyfile(empty_warehouse, folder / "warehouse.sqlite")
    engine = store.open_warehouse(f"sqlite:///{folder / 'warehouse.sqlite'}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(folder))
        patch.delenv("PROCESS_METER_KEYS", raising=False)
        closed_ledger(engine)
    yield engine
    engine.dispose()


OCTOBER_RUN = "billing_run_id = (SELECT id FROM billing_run WHERE number = '2026-10/1')"
CHANGED = "run 2026-10/1: line {}, or what it follows ({}), was changed"
SEALED = "run 2026-10/1: {} is not what it was when the run was closed"
OF_PROJECT = [
    *(CHANGED.format(line, before) for line, before in ((1, "the run itself"), (2, "line 1"), (3, "line 2"))),
    *(SEALED.format(f"signature {number}") for number in (1, 2)),
]


def _swapped(table: str, whose: str) -> tuple[str, ...]:
    """Swap the ids of the first and the last row; the same once more undoes it."""
    ids = f"SELECT {{}}(id) FROM {table} WHERE {whose}"
    low, high = (ids.format(each) for each in ("min", "max"))
    return (
        f"CREATE TEMPORARY TABLE swapped AS SELECT ({low}) AS low, ({high}) AS high",
        f"UPDATE {table} SET id = -1 WHERE id = (SELECT low FROM swapped)",
        f"UPDATE {table} SET id = (SELECT low FROM swapped) WHERE id = (SELECT high FROM swapped)",
        f"UPDATE {table} SET id = (SELECT high FROM swapped) WHERE id = -1",
        "DROP TABLE swapped",
    )


def _set(table: str, column: str, value: str, before: str, whose: str) -> tuple[tuple[str, ...], ...]:
    change = f"UPDATE {table} SET {column} = {{}} WHERE {whose}"
    return (change.format(value),), (change.format(before),)


FIRST_LINE = f"SELECT id FROM charge_line WHERE line_number = 1 AND {OCTOBER_RUN}"
ACTS = _swapped("line_review", f"charge_line_id = ({FIRST_LINE})")
SIGNATURES = _swapped("project_sign_off", OCTOBER_RUN)
EXCEPTIONS = _swapped("billing_exception", OCTOBER_RUN)
OTHER_ORIGINAL = _set("charge_line", "original_line_id", "1", "2", f"kind = 'reversal' AND {OCTOBER_RUN}")
NO_ORIGINAL = _set("charge_line", "original_line_id", "77", "NULL", f"line_number = 1 AND {OCTOBER_RUN}")
OTHER_CODE = _set("project", "number", "'Z'", "'A'", "id = 1")


@pytest.mark.parametrize(
    ("change", "undo", "says"),
    [
        (ACTS, ACTS, [CHANGED.format(1, "the run itself")]),
        (SIGNATURES, SIGNATURES, [SEALED.format("signature 1"), SEALED.format("signature 2")]),
        (EXCEPTIONS, EXCEPTIONS, [SEALED.format("an exception of kind late")]),
        # The other original has the same hours and amount: it can be undone as well.
        (*OTHER_ORIGINAL, [CHANGED.format(2, "line 1")]),
        (*NO_ORIGINAL, [CHANGED.format(1, "the run itself")]),
        (
            *OTHER_CODE,
            [
                *(each.replace("2026-10/1", "2026-09/1") for each in OF_PROJECT),
                *OF_PROJECT,
            ],
        ),
    ],
    ids=["acts", "signatures", "exceptions", "another original", "no original", "a code"],
)
def test_what_a_number_stood_for_cannot_be_changed_unseen(
    closed: Engine, change: tuple[str, ...], undo: tuple[str, ...], says: list[str]
) -> None:
    try:
        _do(closed, change)
        assert billing.verify(closed) == says
    finally:
        _do(closed, undo)
    assert billing.verify(closed) == []


def _do(engine: Engine, statements: tuple[str, ...]) -> None:
    with as_superuser(engine) as connection:
        for statement in statements:
            assert connection.execute(sa.text(statement)).rowcount != 0


def test_an_exception_is_as_it_was_when_retention_has_taken_its_session_away(both_engines: Engine) -> None:
    closed_ledger(both_engines)
    retain(both_engines, ms("2030-01-01 12:00"))
    of_september = "SELECT session_id, session_number FROM billing_exception WHERE kind = 'unassigned'"
    with both_engines.connect() as connection:
        assert connection.execute(sa.text(of_september)).one() == (None, 8)
    assert billing.verify(both_engines) == []
    broken = SEALED.format("an exception of kind unassigned").replace("2026-10", "2026-09")
    for column, value, before in (
        ("session_id", "9", "NULL"),
        ("session_number", "9", "8"),
        ("session_number", "NULL", "8"),
    ):
        change, undo = _set("billing_exception", column, value, before, "kind = 'unassigned'")
        _do(both_engines, change)
        assert billing.verify(both_engines) == [broken]
        _do(both_engines, undo)


def test_an_exception_that_lost_a_session_which_is_there_is_found(closed: Engine) -> None:
    change, undo = _set("billing_exception", "session_id", "NULL", "8", "kind = 'unassigned'")
    _do(closed, change)
    found = billing.verify(closed)
    _do(closed, undo)
    assert found == [SEALED.format("an exception of kind unassigned").replace("2026-10", "2026-09")]


# --- Rows that nobody wrote --------------------------------------------------------------------------------

_COPIED = ", ".join(
    column.name
    for column in schema.charge_line.c
    if column.name not in ("id", "line_number", "original_line_id")
)
_MORE = f"INSERT INTO charge_line (id, line_number, {_COPIED}) SELECT 99, {{}}, {_COPIED} FROM charge_line"
_OF_FIRST = f"WHERE line_number = 1 AND {OCTOBER_RUN}"
_NO_NUMBER = "'abc'"
_NO_MORE = ("DELETE FROM charge_line WHERE id = 99",)
_ERASED = (
    "UPDATE person SET code = 'erased-1' WHERE id = 1",
    "CREATE TEMPORARY TABLE kept AS SELECT * FROM billed_name",
    "UPDATE billed_name SET name = NULL, employee_number = NULL, salt = NULL WHERE person_id = 1",
)
_UNERASED = (
    "UPDATE person SET code = 'p1' WHERE id = 1",
    """UPDATE billed_name SET (name, employee_number, salt) =
       (SELECT name, employee_number, salt FROM kept WHERE kept.id = billed_name.id)""",
    "DROP TABLE kept",
)
_RELEASED = "INSERT INTO line_release (charge_line_id, actor, reason, at_ms) VALUES (2, 'x', 'y', 5)"


@pytest.mark.parametrize(
    ("change", "undo", "says"),
    [
        ((f"{_MORE.format(-(2**63))} {_OF_FIRST}",), _NO_MORE, "run 2026-10/1: line 1 and maybe others"),
        (
            (f"{_MORE.format(_NO_NUMBER)} {_OF_FIRST}",),
            _NO_MORE,
            "line -9223372036854775808, or what it follows",
        ),
        ((_RELEASED,), ("DELETE FROM line_release",), "no audited event tells of this release of its line 2"),
        (_ERASED, _UNERASED, "names erased from closed runs: 2, and audited events tell of 0"),
    ],
    ids=["a line before the first", "a line without a number", "a release", "an erasure"],
)
def test_what_nobody_wrote_is_named(
    closed: Engine, change: tuple[str, ...], undo: tuple[str, ...], says: str
) -> None:
    _do(closed, change)
    found = billing.verify(closed)
    _do(closed, undo)
    assert says in "; ".join(found)
    assert billing.verify(closed) == []


def test_a_closed_run_that_nobody_closed_is_named(closed: Engine) -> None:
    with closed.connect() as connection:
        runs = ledger.closed_runs(connection)
    told = [
        {"place": 1, "action": "billing close", "subject": "2026-09/1", "detail": {"digest": runs[0].digest}}
    ]
    assert list(broken_closings(told, runs)) == ["run 2026-10/1: no audited event says that it was closed"]


def test_a_release_that_is_gone_or_changed_is_named(closed: Engine) -> None:
    event = {
        "action": "billing release", "subject": "2026-09/1", "actor": "sue", "at_ms": 5,
        "detail": {"line": 2, "reason": "agreed"},
    }  # fmt: skip
    with store.snapshot(closed) as snapshot:
        assert list(broken_releases(snapshot.read_as, [event])) == [
            "run 2026-09/1: the release of its line 2 is not what its audited event says"
        ]


def test_a_phase_or_task_of_another_project_is_not_told_by_its_number(engine: Engine) -> None:
    organize(engine)
    phases = [
        {"id": number, "project_id": project, "number": "01", "name": "Design"}
        for number, project in ((2, 1), (3, 3))
    ]
    store.append(engine, "phase", pl.DataFrame(phases))
    rows = pl.DataFrame(
        [(2, 1, 1, 1), (1, 2, None, 1), (1, 3, None, 77), (9, None, None, None)],
        schema=dict.fromkeys(("project_id", "phase_id", "task_id", "office_id"), pl.Int64),
        orient="row",
    )
    with store.snapshot(engine) as snapshot:
        told = Words(snapshot.read_as).told(rows)
    assert told.select("project", "phase", "task", "office").rows() == [
        ("B", "01", "X", "BER"),
        ("A", "01", None, "BER"),
        ("A", "\x003", None, "\x0077"),
        ("\x009", None, None, None),
    ]
