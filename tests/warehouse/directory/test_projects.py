"""Importing projects: what is stored, what is refused with its place."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from sqlalchemy import Engine

from warehouse import directory, frames


def test_projects_come_with_client_phases_and_tasks(filled: Engine) -> None:
    opened, closed = date(2026, 1, 1), date(2027, 1, 1)
    assert frames.projects(filled).drop("project_id").collect().rows() == [
        ("0042", "Harbor bridge", "C7", "Port of Example", None, "NYC", "USD", None, True, opened, closed,
         "project", None, None, None),
        ("ADMIN", "Office work", None, None, "4711", None, "EUR", None, False, None, None,
         "project", None, None, None),
    ]  # fmt: skip
    assert frames.phases(filled).select("project", "phase", "name").collect().rows() == [
        ("0042", "01", "Design")
    ]
    assert frames.tasks(filled).select("phase", "task", "name").collect().rows() == [
        ("01", "001", "Sketches"),
        ("01", "002", "002"),
    ]


def test_an_empty_cell_leaves_and_a_dash_removes(filled: Engine, files: Any) -> None:
    told = files.bring(filled, "projects", "project,name,client,closed,opened\n0042,,,-,\n")
    assert told == "projects: 0 new, 1 changed, 0 unchanged"
    row = frames.projects(filled).collect().row(0, named=True)
    assert (row["name"], row["client"], row["opened_on"], row["closed_on"]) == (
        "Harbor bridge",
        "C7",
        date(2026, 1, 1),
        None,
    )


def test_a_new_payer_takes_the_place_of_the_old_one(filled: Engine, files: Any) -> None:
    files.bring(filled, "projects", "project,cost_center\n0042,4711\n")
    files.bring(filled, "projects", "project,client\nADMIN,C7\n")
    assert frames.projects(filled).select("project", "client", "cost_center").collect().rows() == [
        ("0042", None, "4711"),
        ("ADMIN", "C7", None),
    ]


def test_numbers_of_a_workbook_keep_their_zeros(filled: Engine, tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Project", "Name", "Opened"])
    sheet.append([7, "Pier", date(2026, 3, 1)])
    sheet.append(["0008", "Quay", "2026-04-01"])
    sheet["A2"].number_format = "0000"
    book.save(tmp_path / "projects.xlsx")

    directory.import_projects(filled, tmp_path / "projects.xlsx")

    found = frames.projects(filled).select("project", "opened_on").collect().rows()
    assert found[2:] == [("0007", date(2026, 3, 1)), ("0008", date(2026, 4, 1))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "project,name\n1,A\n2,B\n1,A\n",
            "row 4, column project: 1 is already in row 2; remove one of them",
        ),
        (
            "project,phase,task,name\n1,01,1,A\n1,01,1,A\n",
            "row 3, column project: 1 / 01 / 1 is already in row 2; remove one of them",
        ),
        (
            "project,phase,name\n1,01,A\n1,02,B\n",
            "row 3, column name: 'B', but row 2 says 'A'; let the rows agree",
        ),
        ("project,task,name\n1,01,A\n", "row 2, column task: task 01 has no phase; name its phase"),
        ("project\n1\n", "row 2, column name: project 1 is new and has no name; give it one"),
        (
            "project,name,client\n1,A,C9\n",
            "row 2, column client: unknown client 'C9'; give its name in the column client_name",
        ),
        (
            "project,name,client_name\n1,A,Port\n",
            "row 2, column client_name: there is no client of this name's; name its code in client",
        ),
        (
            "project,name,office\n1,A,LON\n",
            (
                "row 2, column office: unknown office 'LON'; "
                "import it first: `process-meter directory import FILE`"
            ),
        ),
        (
            "project,name,client,cost_center\n1,A,C7,4711\n",
            "row 2, column cost_center: the project has a client, too; let one of them pay",
        ),
        (
            "project,name,currency\n1,A,euro\n",
            "row 2, column currency: 'euro' is not a currency; give its ISO 4217 code, such as EUR",
        ),
        (
            "project,name,opened\n1,A,1.1.2026\n",
            "row 2, column opened: '1.1.2026' is not a date; write it as 2026-12-31",
        ),
        (
            "project,closed\n0042,2025-01-01\n",
            "row 2, column closed: 2025-01-01 is not after opened 2026-01-01; swap or widen them",
        ),
        (
            "project,name,chargeable\n2,B,yes\n1,A,maybe\n",
            "row 3, column chargeable: 'maybe' is neither yes nor no; write yes or no",
        ),
        (
            "number,name\n1,A\n",
            (
                "row 1: unknown column 'number'; known columns: project, phase, task, name, "
                "client, client_name, cost_center, office, currency, tax_code, chargeable, opened, closed, "
                "kind, manager, budget, not_to_exceed, phase_name, phase_chargeable, phase_opened, "
                "phase_closed, task_name"
            ),
        ),
    ],
)
def test_a_bad_project_file_changes_nothing(filled: Engine, files: Any, text: str, message: str) -> None:
    assert files.refusal(filled, "projects", text) == message
