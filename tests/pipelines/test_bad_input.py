"""Names that nobody should give, from their file to workbook, statement and every import file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
from billing_warehouse import hour, ms, on, organize, price, use
from drafted_run import change, copied, file_of
from sqlalchemy import Engine

from pipelines import billing, exporting
from pipelines.statement_files import write_all
from pipelines.statement_page import page
from pipelines.statements import read_statements
from pipelines.workbook import write_workbook
from warehouse import directory
from warehouse.errors import Problem

RUN, NOW = "2026-09/1", ms("2026-10-02 12:00")
NAMES = [
    "=1+1",
    "+1",
    "-1+2",
    "@SUM(A1)",
    "\tx",
    "שלום",
    "🙂",
    "<b>x</b>",
    "'; DROP TABLE project; --",
    "x" * 255,
]
KEPT = [name.strip() for name in NAMES]
QUANTUM_1000 = [name for name, module in exporting.TARGETS.items() if module.QUANTUM_PER_HOUR == 1000]


def fill(engine: Engine, folder: Path) -> None:
    """Close a run with an hour for each of eleven projects whose names are wicked, each of its own client."""
    organize(engine)
    price(engine, 1, 900_000)
    rows = ['"{}","{}","{}","{}"'.format(f"W{n}", name, f"C{n}", name) for n, name in enumerate(NAMES, 1)]
    file = folder / "projects.csv"
    file.write_text("\n".join(["project,name,client,client_name", *rows]), "utf-8")
    directory.import_projects(engine, file, "ann", at_ms=0)
    use(engine, *(hour(n, f"2026-09-{n:02}") for n in range(1, len(NAMES) + 1)))
    for n in range(1, len(NAMES) + 1):
        on(engine, n, f"W{n}", at_=f"2026-09-{n:02} 09:00")
    billing.draft(engine, "2026-09", "generic", "pat", NOW)
    billing.approve(engine, RUN, "ann", NOW)
    billing.close(engine, RUN, "ann", NOW)


@pytest.fixture(scope="module")
def made(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of the warehouse."""
    folder = tmp_path_factory.mktemp("wicked")
    return file_of(folder, empty_warehouse, lambda engine: fill(engine, folder))


@pytest.fixture
def wicked(made: Path, tmp_path: Path) -> Iterator[Engine]:
    with copied(made, tmp_path) as engine:
        yield engine


@pytest.mark.parametrize("name", ["x" * 40_000, "a\0b", " "])
def test_a_name_that_no_sheet_could_hold_is_refused_where_it_comes_in(
    engine: Engine, tmp_path: Path, name: str
) -> None:
    organize(engine)
    file = tmp_path / "projects.csv"
    file.write_text(f'project,name,client,client_name\nW1,"{name}",C1,Somebody\n', "utf-8")
    with pytest.raises(Problem, match=r"projects\.csv"):
        directory.import_projects(engine, file, "ann", at_ms=0)


def test_the_workbook_holds_every_name_as_text_and_every_line(wicked: Engine, tmp_path: Path) -> None:
    write_workbook(wicked, RUN, tmp_path / "run.xlsx", "ann", NOW)
    sheet = openpyxl.load_workbook(tmp_path / "run.xlsx")["Charges"]
    column = [cell.value for cell in sheet[4]].index("Project name") + 1
    cells = [sheet.cell(row, column) for row in range(5, 5 + len(NAMES))]
    assert {(cell.value, cell.data_type) for cell in cells} == {(name, "s") for name in KEPT}


def test_each_client_gets_a_statement_of_its_own_whatever_it_is_called(
    wicked: Engine, tmp_path: Path
) -> None:
    made, left_out = read_statements(wicked, RUN, "ann", NOW)
    files = write_all(made, tmp_path / "statements", "xlsx")
    assert (len(files), left_out) == (len(NAMES), [])
    told = [openpyxl.load_workbook(file)["Statement"]["B4"] for file in files]
    assert {(cell.value, cell.data_type) for cell in told} == {(name, "s") for name in KEPT}


TURNED = "Acme \u202e00.1 RUE\u202c Ltd"
TOLD = r"Acme \u202e00.1 RUE\u202c Ltd"


def test_a_name_that_was_stored_with_hidden_characters_is_shown_with_all_of_them(
    wicked: Engine, tmp_path: Path
) -> None:
    """They came in before imports refused them, and are in the words of a run that was drafted then."""
    of_project = "$.words.projects.W1"
    words = f"'{of_project}.name', '{TURNED}', '{of_project}.client_name', '{TURNED}'"
    change(wicked, f"UPDATE billing_run SET totals = json_set(totals, {words})")
    change(wicked, "UPDATE billing_run SET prepared_by = 'a\u202eb'")
    write_workbook(wicked, RUN, tmp_path / "run.xlsx", "ann", NOW)
    book = openpyxl.load_workbook(tmp_path / "run.xlsx")
    texts = {cell.value for sheet in book for row in sheet.iter_rows() for cell in row}
    assert {TOLD, r"a\u202eb"} <= texts
    assert not any("\u202e" in text or "\u202c" in text for text in texts if isinstance(text, str))
    made, _ = read_statements(wicked, RUN, "ann", NOW, client="C1")
    assert (made[0].payer.name, made[0].projects["project_name"].to_list()) == (TOLD, [TOLD])
    assert TOLD in page(made[0])
    assert "\u202e" not in page(made[0])


@pytest.mark.parametrize("target", QUANTUM_1000)
def test_a_target_takes_every_line_or_names_what_it_cannot_take_and_writes_nothing(
    wicked: Engine, tmp_path: Path, target: str
) -> None:
    out = tmp_path / "made.csv"
    faults = exporting.check(wicked, RUN, target, "ann", NOW)
    if not faults:
        assert exporting.export(wicked, RUN, target, out, "ann", NOW).rows >= len(NAMES)
        return
    assert {fault.line for fault in faults} <= set(range(1, len(NAMES) + 1))
    with pytest.raises(Problem, match=f"^run {RUN} cannot be imported by {target}:\n  line"):
        exporting.export(wicked, RUN, target, out, "ann", NOW)
    assert not list(tmp_path.glob("*made*"))
