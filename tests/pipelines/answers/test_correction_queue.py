"""What waits to be corrected, and how it is put right."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from billing_warehouse import billed_hours, hour, ms, on, organize, price, use, waive_all
from openpyxl import load_workbook
from sqlalchemy import Engine, text

from pipelines import billing
from pipelines.answers.correction_queue import QUEUE, answer, queue_file
from pipelines.master_files import write_table
from warehouse import ledger, schema, store
from warehouse.corrections import Corrected, Correction, correct, correct_from_file
from warehouse.errors import Problem
from warehouse.projects import Codes

NOW = ms("2026-11-03 12:00")
HOUR = 3_600_000


@pytest.fixture(scope="module")
def used(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a warehouse of October, to be copied.

    By person 1: 1 without a project, 2 on A, 6 on leave; 3 by person 2 on an unknown project; 4 by nobody;
    5 by person 3, who has no employee number, on a project that is closed.
    """
    path = tmp_path_factory.mktemp("october") / "warehouse.sqlite"
    shutil.copyfile(empty_warehouse, path)
    engine = store.open_warehouse(f"sqlite:///{path}")
    organize(engine)
    price(engine, 1, 900_000)
    use(
        engine,
        hour(1, "2026-10-05"),
        hour(2, "2026-10-06"),
        hour(3, "2026-10-07", person=2),
        hour(4, "2026-10-08", person=None),
        hour(5, "2026-10-09", person=3),
        hour(6, "2026-10-12"),
    )
    for number, project in ((2, "A"), (3, "nope"), (5, "CLOSED"), (6, "LEAVE")):
        on(engine, number, project, at_="2026-10-05 09:00")
    engine.dispose()
    return path


@pytest.fixture
def october(used: Path, tmp_path: Path) -> Iterator[Engine]:
    shutil.copyfile(used, tmp_path / "october.sqlite")
    engine = store.open_warehouse(f"sqlite:///{tmp_path / 'october.sqlite'}")
    yield engine
    engine.dispose()


def test_the_queue_says_that_the_question_at_launch_was_put_off_or_not_answered(october: Engine) -> None:
    with october.begin() as connection:
        connection.execute(text("UPDATE session SET prompt = 'dismissed' WHERE id IN (1, 3)"))
    put_off = answer(october, "2026-10", NOW).rows["reason"].to_list()
    with october.begin() as connection:
        connection.execute(text("UPDATE session SET prompt = 'asked'"))
    unanswered = answer(october, "2026-10", NOW).rows["reason"].to_list()

    assert put_off[0] == "no project was set: the question at launch was put off"
    assert unanswered[0] == "no project was set: the question at launch was not answered"
    assert put_off[1] == unanswered[1] == "project nope is not in the project master"


def test_the_queue_names_whose_when_where_why_and_how_much(october: Engine) -> None:
    found = answer(october, "2026-10", NOW)
    assert found.rows.schema == pl.Schema(dict(QUEUE))
    assert found.rows.select("session", "day", "application", "milliseconds", "fault", "reason").rows() == [
        (1, date(2026, 10, 5), "cad", HOUR, "unassigned", "no project was set"),
        (3, date(2026, 10, 7), "cad", HOUR, "invalid_project", "project nope is not in the project master"),
        (
            4, date(2026, 10, 8), "cad", HOUR, "unknown_person",
            "the account belongs to no person of the directory",
        ),
        (5, date(2026, 10, 9), "cad", HOUR, "closed_project", "project CLOSED is closed from 2026-08-01"),
    ]  # fmt: skip
    assert (found.billable_ms, found.assigned_ms) == (6 * HOUR, 2 * HOUR)
    assert found.rows["person"].str.contains(r"^[PA]-").all()
    assert found.rows["project"].to_list() == [None, "nope", None, "CLOSED"]
    assert len(found.without_number) == 1
    assert found.without_number == found.rows.filter(pl.col("session") == 5)["person"].to_list()
    assert all(found.rows["remedy"])


def test_what_is_corrected_leaves_the_queue_and_stays_in_the_sum(october: Engine) -> None:
    correct(october, [Correction(1, Codes("A"), "forgot")], "user1", NOW - 1)
    found = answer(october, "2026-10", NOW)
    assert found.rows["session"].to_list() == [3, 4, 5]
    assert (found.billable_ms, found.assigned_ms) == (6 * HOUR, 3 * HOUR)


def test_the_queue_is_what_the_draft_does_not_bill(october: Engine) -> None:
    run = billing.draft(october, "2026-10", "generic", "pat", NOW)
    found = answer(october, "2026-10", NOW)
    with october.connect() as connection:
        totals = ledger.find_run(connection, run).totals
    waiting = found.billable_ms - found.assigned_ms
    assert waiting == totals["tie_out_ms"]["not_assigned"] == 4 * HOUR
    assert found.assigned_ms == totals["tie_out_ms"]["billed"] + totals["tie_out_ms"]["non_chargeable"]


def test_rows_have_the_deadline_of_their_period(october: Engine) -> None:
    assert answer(october, "2026-10", NOW).rows["deadline"].to_list() == [None] * 4
    with store.writing(october) as connection:
        connection.execute(schema.organization.update().values(settings={"correction_days": 2}))
    rows = answer(october, "2026-10", NOW).rows
    assert rows.select("period", "deadline", "is_late").unique().rows() == [
        ("2026-10", datetime(2026, 11, 2, 23, tzinfo=UTC), True)
    ]
    assert not answer(october, "2026-10", ms("2026-11-02 22:59")).rows["is_late"].any()


def test_without_a_name_the_newest_period_that_has_begun_is_meant(october: Engine) -> None:
    assert answer(october, None, ms("2026-10-31 22:59")).period == "2026-10"
    assert answer(october, None, ms("2026-10-31 23:00")).period == "2026-11"
    with pytest.raises(Problem, match="No fiscal period has begun"):
        answer(october, None, ms("2026-07-01 00:00"))
    with pytest.raises(Problem, match="there is no fiscal period 'May'"):
        answer(october, "May", NOW)


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_the_queue_is_written_filled_in_and_read_again(october: Engine, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"queue.{ending}"
    write_table(queue_file(october, answer(october, "2026-10", NOW)), path)
    filled = _filled_in(path, {"1": "A", "3": "B", "5": "A"})
    assert correct_from_file(october, filled, "root", NOW - 1, on_server=True) == Corrected(3, 0)
    assert correct_from_file(october, filled, "root", NOW - 1, on_server=True) == Corrected(0, 3)
    assert answer(october, "2026-10", NOW).rows["session"].to_list() == [4]


def _filled_in(path: Path, projects: dict[str, str]) -> Path:
    """Fill in the projects by session, as somebody with a spreadsheet would; always to a CSV file."""
    if path.suffix == ".xlsx":
        rows = [
            ["" if cell is None else str(cell) for cell in row] for row in load_workbook(path).active.values
        ]
    else:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    header, *body = rows
    assert [row[0] for row in body] == list(projects)
    assert body[0][1:3] == ["2026-10-05 11:00:00+02:00", "2026-10-05 12:00:00+02:00"]
    for row in body:
        row[header.index("project")], row[header.index("reason")] = projects[row[0]], "filled in"
    filled = path.with_name("filled.csv")
    with filled.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *body])
    return filled


# --- Closed periods ----------------------------------------------------------------------------------------


def _close(engine: Engine, period: str, now_ms: int) -> None:
    run = billing.draft(engine, period, "generic", "pat", now_ms)
    waive_all(engine, run, now_ms)
    billing.approve(engine, run, "ann", now_ms)
    billing.close(engine, run, "ann", now_ms)


def test_a_session_of_a_closed_period_is_corrected_and_the_next_draft_reverses_it(
    engine: Engine,
) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    _close(engine, "2026-09", ms("2026-10-02 12:00"))
    use(engine, hour(2, "2026-10-05"))
    on(engine, 2, "A", at_="2026-10-05 09:00")
    correct(engine, [Correction(1, Codes("B"), "it was B")], "user1", ms("2026-10-20 12:00"))
    run = billing.draft(engine, "2026-10", "generic", "pat", NOW)
    columns: Any = ("kind", "day", "project", "quantity", "amount_minor", "period")
    assert ledger.lines_of(engine, run).select(columns).rows() == [
        ("usage", date(2026, 10, 5), "A", 1000, 9_000, "2026-10"),
        ("reversal", date(2026, 9, 7), "A", -1000, -9_000, "2026-09"),
        ("usage", date(2026, 9, 7), "B", 1000, 9_000, "2026-09"),
    ]
