"""How long records are kept, and what is left of a person who is erased."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
import sqlalchemy as sa
from billing_cases import session
from billing_warehouse import billed_hours, hour, ms, on, organize, use, waive_all
from sqlalchemy import Engine

from pipelines import billing
from pipelines.workbook import write_workbook
from warehouse import frames, ledger, schema, store
from warehouse.check import check
from warehouse.errors import Problem
from warehouse.landing import LANDINGS, since
from warehouse.retention import Limits, erase, retain
from warehouse.upkeep import upkeep

CLOSED, NOW = ms("2026-10-02 12:00"), ms("2026-11-02 12:00")
LATER = ms("2029-11-02 12:00")
DAY = 86_400_000


def rows(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    return store.read(engine, sql).rows()


def count(engine: Engine, table: str) -> int:
    return int(rows(engine, f"SELECT count(*) FROM {table}")[0][0])


def everything(engine: Engine) -> dict[str, list[Any]]:
    with engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(table.select().order_by(*table.primary_key))]
            for name, table in schema.metadata.tables.items()
        }


@pytest.fixture
def billed(engine: Engine) -> Engine:
    return bill(engine)


def bill(engine: Engine) -> Engine:
    """Close September, in which Ada and Ben used an hour each; in October they did so again."""
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    use(engine, hour(2, "2026-09-08", person=2))
    on(engine, 2, "A", at_="2026-09-08 09:00")
    _close(engine, "2026-09", CLOSED)
    use(engine, hour(3, "2026-10-07"), hour(4, "2026-10-07", person=2))
    on(engine, 3, "A", at_="2026-10-07 09:00")
    return engine


def _close(engine: Engine, period: str, now: int) -> str:
    run = billing.draft(engine, period, "generic", "pat", now)
    waive_all(engine, run, now)
    billing.approve(engine, run, "ann", now)
    billing.close(engine, run, "ann", now)
    return run


def _landed(engine: Engine) -> pl.DataFrame:
    """Return what has landed after the evidence came in."""
    with engine.connect() as connection:
        landed = since(connection, 0)
    return landed.filter("replaced").drop("landing")


# --- Erasing -----------------------------------------------------------------------------------------------


def test_a_person_is_forgotten_and_the_closed_bill_still_stands(both_engines: Engine, tmp_path: Path) -> None:
    billed = bill(both_engines)
    before = frames.charge_lines(billed).collect()

    told = erase(billed, "p1", "dpo", "asked on 1 November", NOW)

    assert told.code == "erased-1"
    assert told.lines() == [
        "sessions: 1 gone", "segments: 4 gone", "project entries: 1 gone", "names in closed bills: 1 gone",
        "what closed bills stand on is kept, under erased-1",
    ]  # fmt: skip
    assert rows(billed, "SELECT code, name, email, employee_number FROM person WHERE id = 1") == [
        ("erased-1", "erased person", None, None)
    ]
    assert rows(billed, "SELECT name FROM account WHERE person_id = 1") == [("erased-1",)]
    assert rows(billed, "SELECT id FROM session ORDER BY id") == [(1,), (2,), (4,)]
    assert ledger.verify(billed) == []
    assert frames.charge_lines(billed).collect().equals(before)
    book = tmp_path / "run.xlsx"
    write_workbook(billed, "2026-09/1", book, "pat", NOW)
    cells = {str(cell) for sheet in openpyxl.load_workbook(book) for row in sheet.values for cell in row}
    assert "erased person" in cells
    assert not {cell for cell in cells if "Ada" in cell or "0007" in cell}
    assert any("Ben Sample" in cell for cell in cells)

    assert retain(billed, LATER + 366 * DAY).counts["sessions"] == 1
    assert rows(billed, "SELECT id FROM session ORDER BY id") == [(1,), (2,)]
    assert _landed(billed)["session"].to_list() == [3, 4]
    assert ledger.verify(billed) == []


NAME_OF_1 = "run 2026-09/1: the name of person 1 is not what it was when the run was closed"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE billed_name SET name = 'Eve' WHERE person_id = 1", [NAME_OF_1]),
        (
            "UPDATE billed_name SET name = NULL, employee_number = NULL, salt = NULL WHERE person_id = 1",
            [NAME_OF_1, "names erased from closed runs: 1, and audited events tell of 0"],
        ),
        (
            "DELETE FROM billed_name WHERE person_id = 1",
            ["run 2026-09/1: its list of names is not what it was when the run was closed"],
        ),
    ],
)
def test_a_name_that_was_changed_or_taken_away_without_an_erasure_is_found(
    billed: Engine, change: str, found: list[str]
) -> None:
    with store.writing(billed) as connection:
        connection.execute(sa.text(change))
    assert ledger.verify(billed) == found


def test_the_next_bill_is_made_without_the_erased_person(billed: Engine) -> None:
    erase(billed, "p1", "dpo", "asked", NOW)
    run = billing.draft(billed, "2026-10", "generic", "pat", NOW)
    assert ledger.lines_of(billed, run)["person_id"].to_list() == []
    assert _close(billed, "2026-10", NOW) == "2026-10/1"
    assert ledger.verify(billed) == []


def test_mirror_and_rollups_learn_what_is_gone(billed: Engine) -> None:
    start, end = ms("2026-10-07 09:00"), ms("2026-10-07 10:00")
    erase(billed, "p1", "dpo", "asked", NOW)
    assert _landed(billed).rows() == [(3, start, start, end, True)]
    assert LANDINGS.names()[1:] == ["session", "started_ms", "from_ms", "to_ms", "replaced"]


def test_the_audit_says_that_somebody_was_erased_and_not_who(billed: Engine) -> None:
    erase(billed, "p1", "dpo", "asked on 1 November", NOW)
    action = rows(billed, "SELECT actor, action, subject, detail FROM audit_event ORDER BY id")[-1]
    assert action[:3] == ("dpo", "erase", "a person")
    detail = json.loads(action[3]) if isinstance(action[3], str) else action[3]
    assert detail == {
        "reason": "asked on 1 November",
        "sessions": 1,
        "segments": 4,
        "names_in_closed_bills": 1,
        "project_entries": 1,
    }


def test_nothing_names_an_erased_person_any_more(engine: Engine) -> None:
    _tell_of_ada_everywhere(engine)
    erase(engine, "p1", "dpo", "asked", NOW)
    texts = [
        str(cell)
        for name, table in everything(engine).items()
        if name not in ("audit_event", "mark")  # the warehouse's own number may hold any letters
        for row in table
        for cell in row
    ]
    assert [text for text in texts if "ada" in text.lower() or "0007" in text] == ["OUT adam@ws1"]
    assert rows(engine, "SELECT record FROM quarantine ORDER BY id") == [("erased",), ("OUT adam@ws1",)]
    assert count(engine, "denial") == 1
    assert count(engine, "presence") == 0
    assert rows(engine, "SELECT valid_to_on FROM assignment") == [("2026-11-02",)]
    assert rows(engine, "SELECT valid_to_on FROM placement WHERE person_id = 1") == [("2026-11-02",)]
    file = Path(str(engine.url.database))
    assert not [name for name in _files(file) if b"Ada Example" in name.read_bytes()]


def _files(file: Path) -> list[Path]:
    return [path for path in file.parent.glob(f"{file.name}*") if path.is_file()]


def _tell_of_ada_everywhere(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    _close(engine, "2026-09", CLOSED)
    told: dict[str, list[dict[str, Any]]] = {
        "client_device": [{"id": 1, "name": "adas-tablet"}],
        "directory_entry": [{"person_id": 1, "source": "hq", "entry": "uid=ada"}],
        "product": [{"id": 1, "code": "p", "name": "P", "vendor": "V"}],
        "entitlement": [
            {"id": 1, "code": "e", "product_id": 1, "metric": "named_user", "quantity": 1,
             "valid_from_on": "2026-01-01", "unit_cost_minor": 0, "currency": "EUR",
             "counting_rule": "exact_sweep"}
        ],
        "assignment": [{"entitlement_id": 1, "person_id": 1, "valid_from_on": "2026-01-01"}],
        "quarantine": [
            {"agent_id": "import:x", "epoch": str(number), "sequence": 0, "reason": "odd", "record": record,
             "received_ms": 0}
            for number, record in enumerate(["OUT Ada@ws1", "OUT adam@ws1"])
        ],
        "denial": [
            {"key": "k", "source": "flexnet", "server": "s", "kind": "denied", "application_id": 1,
             "account_id": 1, "host_id": 1, "at_ms": 1, "received_ms": 1}
        ],
        "foreign_event": [
            {"key": 1, "source": "flexnet", "server": "s", "at_ms": 1, "sequence": 0, "kind": "start",
             "account_id": 1, "subject": ""}
        ],
    }  # fmt: skip
    with store.writing(engine) as connection:
        connection.execute(sa.text("UPDATE account SET name = 'example\\ada' WHERE id = 1"))
        connection.execute(sa.text("UPDATE person SET email = 'ada@example.com' WHERE id = 1"))
        for name, table in told.items():
            connection.execute(sa.insert(schema.metadata.tables[name]), table)
        connection.execute(sa.text("UPDATE session SET client_device_id = 1"))


@pytest.mark.parametrize(
    ("person", "reason", "message"),
    [
        ("p9", "asked", "nobody has the code 'p9'; give the code of the directory"),
        ("p1", " ", "to erase a person needs a reason; give one with --reason TEXT"),
        ("p1", "Ada Example has asked", "the reason names the person, and the audit would keep it; leave"),
        ("p1", "for user1", "the reason names the person, and the audit would keep it; leave"),
    ],
)
def test_what_cannot_be_erased_is_told(engine: Engine, person: str, reason: str, message: str) -> None:
    organize(engine)
    before = everything(engine)
    with pytest.raises(Problem) as caught:
        erase(engine, person, "dpo", reason, NOW)
    assert str(caught.value).startswith(message)
    assert everything(engine) == before


def test_a_run_under_way_is_finished_first(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "generic", "pat", CLOSED)
    message = r"run 2026-09/1 is in draft and has lines of this person; close it or void it first"
    with pytest.raises(Problem, match=message):
        erase(engine, "p1", "dpo", "asked", NOW)
    billing.void(engine, run, "pat", "begin anew", NOW)
    assert erase(engine, "p1", "dpo", "asked", NOW).counts["sessions"] == 1
    with pytest.raises(Problem, match=r"erased-1 is erased already; there is nothing left to erase"):
        erase(engine, "erased-1", "dpo", "asked", NOW)


def test_a_trial_takes_nothing_away(billed: Engine) -> None:
    before = everything(billed)
    told = erase(billed, "p1", "dpo", "asked", NOW, dry_run=True)
    assert told.lines()[0] == "sessions: 1 would go"
    assert retain(billed, LATER + 366 * DAY, dry_run=True).counts["sessions"] == 2
    assert everything(billed) == before


def test_what_is_left_checks_out_with_mirror_and_rollups(billed: Engine) -> None:
    upkeep(billed)
    erase(billed, "p1", "dpo", "asked", NOW)
    retain(billed, LATER + 366 * DAY)
    upkeep(billed)
    assert [str(finding) for finding in check(billed)] == []
    window = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    assert frames.segments(billed, *window).collect()["session"].unique().sort().to_list() == [1, 2]
    assert frames.use_hours(billed, *window).collect()["session"].to_list() == [1, 2]


# --- Keeping -----------------------------------------------------------------------------------------------


def test_unbilled_evidence_goes_after_37_months_and_billed_evidence_stays(billed: Engine) -> None:
    assert retain(billed, ms("2029-11-07 09:59")).counts["sessions"] == 0
    told = retain(billed, ms("2029-11-07 10:01"), actor="ops")
    assert told.lines() == ["sessions: 2 gone", "segments: 8 gone", "project entries: 1 gone"]
    assert rows(billed, "SELECT id FROM session ORDER BY id") == [(1,), (2,)]
    assert ledger.verify(billed) == []
    assert _landed(billed)["session"].to_list() == [3, 4]
    assert rows(billed, "SELECT actor, action, subject FROM audit_event ORDER BY id")[-1] == (
        "ops", "retain", "warehouse"
    )  # fmt: skip
    assert retain(billed, ms("2029-11-07 10:01")).lines() == ["Nothing is older than it is kept for."]


def test_an_open_session_stays_while_it_is_heard_of(engine: Engine) -> None:
    organize(engine)
    use(engine, session(1, ("2026-09-07 09:00", "2026-09-07 10:00", "input")))
    with store.writing(engine) as connection:
        connection.execute(sa.text("UPDATE session SET ended_ms = NULL"))
        connection.execute(
            sa.text(
                "INSERT INTO agent (id, host_id, version, system, enrolled_ms) VALUES ('a', 1, '1', 'x', 0)"
            )
        )
        presence = {"agent_id": "a", "session_key": "s1", "application_id": 1, "account_id": 1, "host_id": 1,
                    "attention": 0, "attention_since_ms": 0, "since_ms": 0, "started_ms": 0}  # fmt: skip
        connection.execute(sa.insert(schema.presence).values(**presence, heard_ms=LATER))
    assert retain(engine, LATER).counts["sessions"] == 0
    assert retain(engine, LATER + 8 * DAY).counts["presences"] == 1
    assert retain(engine, LATER + 8 * DAY).counts["sessions"] == 1


def test_each_kind_of_record_has_its_own_end(engine: Engine) -> None:
    organize(engine)
    settings = {"retention": {"set_aside_days": 10, "import_months": 1}}
    quarantine = {"agent_id": "a", "epoch": "e", "reason": "odd", "record": "x"}
    run = {"source": "flexnet", "digest": "d", "actor": "ann"}
    account = {"name": "gone", "person_id": None}
    with store.writing(engine) as connection:
        connection.execute(sa.update(schema.organization).values(settings=settings))
        for age in (9, 11):
            old = {**quarantine, "sequence": age, "received_ms": NOW - age * DAY}
            connection.execute(sa.insert(schema.quarantine).values(old))
        for age in (30, 32):
            connection.execute(sa.insert(schema.import_run).values(**run, at_ms=NOW - age * DAY))
        connection.execute(sa.insert(schema.account).values(account))
    assert retain(engine, NOW).lines() == [
        "import runs: 1 gone", "quarantines: 1 gone", "names of accounts: 2 gone"
    ]  # fmt: skip
    names = rows(engine, "SELECT name FROM account WHERE person_id IS NULL ORDER BY id")
    assert names == [("erased-9",), ("erased-10",)]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"evidence": 3}, "retention.evidence: unknown key; known ones: evidence_months, import_months,"),
        (
            {"evidence_months": 0},
            "retention.evidence_months: 0 does not fit; write a whole number, 1 to 1200",
        ),
        ({"evidence_months": True}, "retention.evidence_months: True does not fit;"),
    ],
)
def test_a_setting_that_does_not_fit_names_the_key(document: dict[str, Any], message: str) -> None:
    with pytest.raises(Problem) as caught:
        Limits(document, NOW)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("now", "months", "before"),
    [
        ("2026-11-02 12:00", 37, "2023-10-02 12:00"),
        ("2028-02-29 00:00", 12, "2027-02-28 00:00"),
        ("2026-03-31 00:00", 1, "2026-02-28 00:00"),
        ("2026-01-15 00:00", 1, "2025-12-15 00:00"),
    ],
)
def test_months_are_counted_by_the_calendar(now: str, months: int, before: str) -> None:
    assert Limits({"evidence_months": months}, ms(now)).before_ms("evidence_months") == ms(before)
