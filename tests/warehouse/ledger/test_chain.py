from __future__ import annotations

from hashlib import sha256

import polars as pl
import pytest
import sqlalchemy as sa
from billing_warehouse import billed_hours, ms, organize
from hypothesis import given
from hypothesis import strategies as st
from ledger_flips import as_superuser, closed_ledger
from sqlalchemy import Engine

from pipelines import billing
from warehouse import ledger, store
from warehouse.ledger import chain, links, second_form
from warehouse.retention import retain

SEPTEMBER = ms("2026-10-02 12:00")
PAIR = pl.Schema({"first": pl.String, "second": pl.String, "third": pl.Int64})


def text_of(*values: str | int | None) -> str:
    row = pl.DataFrame([values], schema=PAIR, orient="row")
    return str(row.select(chain.row_text(PAIR)).item())


def test_a_rows_text_tells_nothing_from_an_empty_text_and_counts_bytes() -> None:
    assert text_of("usage", None, -5) == "5:usage|~|-5"
    assert text_of("", "ü|~", None) == "0:|4:ü|~|~"


values = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(values, values, values, values)
def test_two_rows_of_one_text_are_the_same_row(
    first: str | None, second: str | None, third: str | None, fourth: str | None
) -> None:
    same = (first, second) == (third, fourth)
    assert (text_of(first, second, 1) == text_of(third, fourth, 1)) is same


def test_a_run_that_was_closed_in_the_first_form_still_verifies(both_engines: Engine) -> None:
    organize(both_engines)
    billed_hours(both_engines, ["2026-09-07", "2026-09-08"])
    run = billing.draft(both_engines, "2026-09", "generic", "pat", SEPTEMBER)
    billing.approve(both_engines, run, "ann", SEPTEMBER)
    with store.writing(both_engines) as connection:
        ledger.move(connection, ledger.find_run(connection, run), "closed", closed_by="ann", closed_ms=1)
        digest = ledger.seal(connection, ledger.find_run(connection, run))
        ledger.replace_run(connection, ledger.find_run(connection, run).id, {"digest": digest})
        ledger.record_event(connection, "ann", "billing close", run, {"digest": digest}, 1)
    assert billing.verify(both_engines) == []
    with store.writing(both_engines) as connection:
        assert ledger.find_run(connection, run).chain_version == 1
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        connection.execute(sa.text("UPDATE charge_line SET tax_code = 'V7' WHERE line_number = 2"))
    found = billing.verify(both_engines)
    assert found == ["run 2026-09/1: line 2, or what it follows (line 1), was changed"]


def test_a_run_that_was_closed_in_the_second_form_still_verifies_also_after_retention(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "VERSION", 2)
    closed_ledger(engine)
    retain(engine, ms("2030-01-01 12:00"))
    assert billing.verify(engine) == []
    with engine.connect() as connection:
        of_session = "SELECT session_id, session_number FROM billing_exception WHERE kind = 'unassigned'"
        assert connection.execute(sa.text(of_session)).one() == (None, 8)
        assert {run.chain_version for run in ledger.closed_runs(connection)} == {2}
    with as_superuser(engine) as connection:
        connection.execute(sa.text("UPDATE charge_line SET original_line_id = 1 WHERE kind = 'reversal'"))
        connection.execute(sa.text("UPDATE line_review SET id = 99 WHERE id = 2"))
        connection.execute(sa.text("UPDATE project_sign_off SET id = 99 WHERE id = 4"))
    assert billing.verify(engine) == [
        "run 2026-09/1: line 1, or what it follows (the run itself), was changed",
        "run 2026-10/1: line 2, or what it follows (line 1), was changed",
        "run 2026-10/1: signature 4 is not what it was when the run was closed",
        "run 2026-10/1: signature 99 is not what it was when the run was closed",
    ]


LINE = {
    "id": 7, "line_number": 3, "kind": "reversal", "day_on": "2026-09-09", "person_id": 1,
    "application_id": 2, "office_id": 1, "project_id": 4, "phase_id": 5, "task_id": None, "rate_id": 2,
    "billable": 1,
    "active_ms": -3_600_000, "pause_ms": 0, "buffer_ms": 0, "quantity": -1_000, "rate_scaled": 736_000,
    "currency": "EUR", "amount_minor": -7_360, "tax_code": "V19", "session_count": 1, "original_line_id": 6,
    "fiscal_period_id": 9, "note": None, "unit": "hour", "rate_currency": "USD",
    "conversion_scaled": 92_000_000, "cost_minor": -3_680, "digest": None, "original_run": "2026-09/1",
    "original_line": 2, "application": "fem", "office": "BER", "project": "B", "phase": "01", "task": None,
    "period": "2026-09",
}  # fmt: skip


def test_a_lines_text_has_codes_and_in_the_second_form_numbers() -> None:
    known = {**links.LINES, **chain.LINE}
    batch = links.Batch(
        pl.DataFrame([LINE], schema=known, orient="row"),
        pl.DataFrame([(7, 3, -3_600_000, 0, 0)], schema=links.SHARES, orient="row"),
        pl.DataFrame([(7, 8, "accept", "pm", "ok", 5, '{"b":1, "a":2}')], schema=links.REVIEWS, orient="row"),
    )
    assert chain.texts(batch).item() == (
        "3|8:reversal|10:2026-09-09|1|3:fem|3:BER|1:B|2:01|~|2|1|-3600000|0|0|-1000|736000|3:EUR|-7360|3:V19|"
        "1|9:2026-09/1|2|7:2026-09|~|4:hour|3:USD|92000000|-3680|3|-3600000|0|0|"
        '6:accept|2:pm|2:ok|5|13:{"a":2,"b":1}'
    )
    assert second_form.texts(batch).item() == (
        "7|3|8:reversal|10:2026-09-09|1|2|1|4|5|~|2|1|-3600000|0|0|-1000|736000|3:EUR|-7360|3:V19|1|6|9|~|"
        '4:hour|3:USD|92000000|-3680|3|-3600000|0|0|8|6:accept|2:pm|2:ok|5|13:{"a":2,"b":1}'
    )


def test_the_chain_of_a_run_is_what_anybody_computes_of_its_texts(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-09-08"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    billing.approve(engine, run, "ann", SEPTEMBER)
    billing.close(engine, run, "ann", SEPTEMBER)
    with engine.connect() as connection:
        closed = ledger.find_run(connection, run)
        batch = next(links.batches(links.within(connection), closed.id))
    header = sha256(chain.header_text(closed).encode()).hexdigest()
    digest = header
    for text in chain.texts(batch):
        digest = sha256(f"{digest}|{text}".encode()).hexdigest()
    assert batch.lines["digest"][-1] == digest
    assert closed.digest == sha256(f"{digest}|{header}".encode()).hexdigest()


# --- Cells that hold what does not belong there ------------------------------------------------------------

CELLS = pl.Schema({"number": pl.Int64, "text": pl.String})


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        ("1, 'a'", (1, "a")),
        ("NULL, NULL", (None, None)),
        ("2, ''", (2, "")),
        ("3, 'null'", (3, "null")),
        ("4, 'say \"so\", \\n'", (4, 'say "so", \\n')),
        ("5, 'one' || char(10) || 'two'", (5, "one\ntwo")),
        ("-9223372036854775807, 'ü]'", (-9223372036854775807, "ü]")),
        ("6.5, 'a'", (-(2**63), "a")),
        ("'x', 'a'", (-(2**63), "a")),
        ("7, CAST(x'41ff' AS TEXT)", (7, "A\ufffd")),
        ("8, x'41'", (8, "b'A'")),
    ],
)
def test_what_is_in_a_cell_is_read_as_itself_or_as_what_cannot_be_taken_for_another(
    engine: Engine, cells: str, read: tuple[int | None, str | None]
) -> None:
    with store.snapshot(engine) as snapshot:
        found = snapshot.read_as(f"SELECT {cells} UNION ALL SELECT 9, 'z'", CELLS)
    assert found.rows() == [read, (9, "z")]
