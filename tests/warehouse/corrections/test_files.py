"""Corrections in bulk, from a table file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from billing_warehouse import ms
from openpyxl import Workbook
from sqlalchemy import Engine

from warehouse import store
from warehouse.corrections import Corrected, correct_from_file
from warehouse.errors import Problem

NOW = ms("2026-10-20 12:00")
NINE, HALF = ms("2026-10-05 09:00"), ms("2026-10-05 09:30")
Bring = Callable[..., Corrected]


@pytest.fixture
def bring(week: Engine, tmp_path: Path) -> Bring:
    def corrected(text: str, actor: str = "user1") -> Corrected:
        (tmp_path / "october.csv").write_text(text)
        return correct_from_file(week, tmp_path / "october.csv", actor, NOW)

    return corrected


GOOD = """\
session,from,to,project,phase,task,reason
1,,2026-10-05 11:30,A,,,forgot
1,2026-10-05T09:30:00Z,,B,01,X,"forgot, too"
2,,,LEAVE,-,,at home
"""


def test_a_file_is_written_and_again_does_no_harm(bring: Bring, week: Engine, entries: Any) -> None:
    assert str(bring(GOOD)) == "corrections: 3 new, 0 unchanged"
    written = entries(week)
    assert [row[1:7] for row in written[2:]] == [
        (1, NINE, HALF, "A", None, None),
        (1, HALF, None, "B", "01", "X"),
        (2, ms("2026-10-06 09:00"), None, "LEAVE", None, None),
    ]
    assert bring(GOOD) == Corrected(0, 3)
    assert entries(week) == written


def test_a_workbook_will_do_and_fields_have_columns_of_their_names(
    week: Engine, settings: Any, entries: Any, tmp_path: Path
) -> None:
    settings(week, project_fields=[{"name": "order", "pattern": "[0-9]{3}"}])
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Session", "Project", "Order", "Reason"])
    sheet.append([1, "A", "007", "forgot"])
    book.save(tmp_path / "october.xlsx")
    assert correct_from_file(week, tmp_path / "october.xlsx", "user1", NOW).new == 1
    assert entries(week)[-1][7] == {"order": "007"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "1,,,A,,,x\n2,,,nope,,,x\n",
            (
                "row 3, column project: project nope is not in the project master; choose one of the project "
                "master, or import it: `process-meter project import FILE`"
            ),
        ),
        ("1,,,A,,,\n", "row 2, column reason: a correction needs a reason; say why, for whoever asks later"),
        (
            "1,,,A,,,x\n3,,,A,,,x\n",
            (
                "row 3, column session: session 3 is neither user1's own nor of a project that user1 "
                "manages; let its person, the project's manager or the billing staff do it"
            ),
        ),
        ("s1,,,A,,,x\n", "row 2, column session: 's1' is not a number; write it as 1234.50"),
        (
            f"{2**63},,,A,,,x\n",
            "row 2, column session: the cell holds no session; give the number of one",
        ),
        (",,,A,,,x\n", "row 2, column session: the cell holds no session; give the number of one"),
        ("1,nine,,A,,,x\n", "row 2, column from: 'nine' is no instant; write it as 2026-10-05 09:30"),
        (
            "1,,2026-10-05 11:30,A,,,x\n1,2026-10-05 11:29,,B,,,x\n",
            (
                "row 3, column session: session 1 is already corrected by row 2; "
                "let their stretches be apart, or remove one of them"
            ),
        ),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(
    bring: Bring, week: Engine, rows: str, message: str
) -> None:
    with pytest.raises(Problem) as caught:
        bring("session,from,to,project,phase,task,reason\n" + rows)
    assert str(caught.value) == f"october.csv, {message}"
    assert store.read(week, "SELECT count(*) FROM project_entry").item() == 2
