"""On PostgreSQL nothing that was closed or audited can be changed by mistake, whatever program tries."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from warehouse import ledger, store


@pytest.fixture(scope="module")
def closed(small_engine: Engine) -> Engine:
    """A warehouse with a closed run and its lines, a draft with one line, and an audited event."""
    with store.writing(small_engine) as connection:
        for statement in _DRAFT:
            connection.execute(sa.text(statement))
        ledger.record_event(connection, "ada", "billing close", "2026-10/1", {}, 1)
    return small_engine


_DRAFT = (
    "CREATE TEMPORARY TABLE run ON COMMIT DROP AS SELECT * FROM billing_run",
    "UPDATE run SET id = 2, number = '2026-10/2', status = 'draft'",
    "INSERT INTO billing_run SELECT * FROM run",
    "CREATE TEMPORARY TABLE line ON COMMIT DROP AS SELECT * FROM charge_line WHERE id = 1",
    "UPDATE line SET id = 9, billing_run_id = 2",
    "INSERT INTO charge_line SELECT * FROM line",
    "INSERT INTO charge_share VALUES (9, 1, 0, 0, 0)",
)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("UPDATE audit_event SET actor = 'eve'", "UPDATE of audit_event"),
        ("DELETE FROM audit_event", "DELETE of audit_event"),
        ("TRUNCATE audit_event", "TRUNCATE of audit_event"),
        ("UPDATE billing_run SET totals = '{\"a\": 1}' WHERE id = 1", "closed billing run 2026-10/1"),
        ("UPDATE billing_run SET status = 'draft' WHERE id = 1", "closed billing run 2026-10/1"),
        ("DELETE FROM billing_run WHERE id = 1", "closed billing run 2026-10/1"),
        ("UPDATE charge_line SET amount_minor = 1 WHERE id = 2", "UPDATE of a charge line"),
        ("UPDATE charge_line SET billing_run_id = 2 WHERE id = 2", "UPDATE of a charge line"),
        ("UPDATE charge_line SET billing_run_id = 1 WHERE id = 9", "UPDATE of a charge line"),
        ("DELETE FROM charge_line WHERE id = 2", "DELETE of a charge line"),
        (
            "INSERT INTO charge_line SELECT (jsonb_populate_record(l, '{\"id\": 10}')).* FROM charge_line l",
            "INSERT of a charge line",
        ),
        ("UPDATE charge_share SET charge_line_id = 2", "UPDATE of charge_share"),
        ("INSERT INTO charge_share VALUES (1, 1, 0, 0, 0)", "INSERT of charge_share"),
        (
            "INSERT INTO line_review SELECT 1, id, 'accept', 'eve', '', 1 FROM charge_line WHERE id = 1",
            "INSERT of line_review",
        ),
        ("TRUNCATE charge_line CASCADE", "TRUNCATE of"),
    ],
)
def test_what_is_closed_or_audited_stays(closed: Engine, change: str, refusal: str) -> None:
    with pytest.raises(IntegrityError, match=f"{refusal}.* is refused"), store.writing(closed) as connection:
        connection.execute(sa.text(change))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE charge_line SET amount_minor = 1 WHERE id = 9",
        "UPDATE charge_share SET active_ms = 1 WHERE charge_line_id = 9",
        "DELETE FROM charge_share WHERE charge_line_id = 9",
        "UPDATE billing_run SET status = 'void' WHERE id = 2",
    ],
)
def test_what_is_open_can_be_changed(closed: Engine, change: str) -> None:
    with closed.connect() as connection:
        assert connection.execute(sa.text(change)).rowcount == 1


def test_a_run_that_is_being_closed_gets_each_digest_once(closed: Engine) -> None:
    line = sa.text("UPDATE charge_line SET digest = :digest WHERE billing_run_id = 1 AND id = 1")
    run = sa.text("UPDATE billing_run SET digest = :digest WHERE id = 1")
    for seal in (line, run):
        with closed.connect() as connection:
            assert connection.execute(seal, {"digest": "aa"}).rowcount == 1
            with pytest.raises(IntegrityError, match="is refused"):
                connection.execute(seal, {"digest": "bb"})
