"""The project master as files: what is exported is imported again without a change."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from sqlalchemy import Engine

from pipelines.master_files import write_master
from warehouse import directory, schema, store
from warehouse.errors import Problem

DIRECTORY = """\
record,code,name,zone,currency,office,department,cost_center,valid_from
organization,,Example Engineers,Europe/Berlin,EUR,,,,
office,BER,Berlin,Europe/Berlin,EUR,,,,
department,ENG,Engineering,,,,,,
cost_center,4711,Overhead,,,,,,
person,e17,Ada Example,,,BER,ENG,4711,2024-01-01
person,=e18,Ben Sample,,,BER,ENG,,2024-01-01
"""
PROJECTS = """\
project,phase,task,name,client,client_name,cost_center,currency,chargeable,opened,closed,kind,manager,budget
0042,,,=HYPERLINK(1),C7,+Port,,KWD,,2026-01-01,2027-01-01,,e17,12500.125
0042,01,,,,,,,,,,,,
0042,01,001,,,,,,,,,,,
-7,,,@Leave,,,4711,JPY,no,,,,=e18,5000000
C7,,,Port by the hour,,,,,,,,client,,
'x,,,''=quoted,,,,,,,,,,
"""
MEMBERS = "project,person,valid_from,valid_to\n0042,e17,2026-01-01,2026-07-01\n'-7,'=e18,2026-01-01,\n"
PRESETS = """\
person,department,project,phase,task,valid_from,valid_to,reason
,ENG,0042,01,001,2026-10-01,2027-01-01,=1+1
e17,,,,,2026-10-01,,overhead
"""
TEXTS = {"projects": PROJECTS, "members": MEMBERS, "presets": PRESETS}


def bring(engine: Engine, what: str, path: Path) -> str:
    importers: dict[str, Callable[[], object]] = {
        "directory": lambda: directory.import_directory(engine, path),
        "projects": lambda: directory.import_projects(engine, path),
        "members": lambda: directory.import_members(engine, path, "eva", at_ms=1, on_server=True),
        "presets": lambda: directory.import_presets(engine, path, "eva", at_ms=1, on_server=True),
    }
    return str(importers[what]())


def _texts(folder: Path, **texts: str) -> Iterator[tuple[str, Path]]:
    for what, text in texts.items():
        path = folder / f"{what}.csv"
        path.write_text(text)
        yield what, path


def _master(engine: Engine) -> dict[str, list[Any]]:
    names = ("client", "project", "phase", "task", "project_member", "project_preset")
    with engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(schema.metadata.tables[name].select())]
            for name in names
        }


@pytest.fixture(scope="module")
def organized(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a warehouse that knows people and places, to be copied."""
    folder = tmp_path_factory.mktemp("organized")
    shutil.copyfile(empty_warehouse, folder / "warehouse.sqlite")
    engine = store.open_warehouse(f"sqlite:///{folder / 'warehouse.sqlite'}")
    for what, path in _texts(folder, directory=DIRECTORY):
        bring(engine, what, path)
    engine.dispose()
    return folder / "warehouse.sqlite"


def _copy(organized: Path, to: Path) -> Engine:
    shutil.copyfile(organized, to)
    return store.open_warehouse(f"sqlite:///{to}")


@pytest.fixture
def filled(organized: Path, tmp_path: Path) -> Iterator[Engine]:
    engine = _copy(organized, tmp_path / "filled.sqlite")
    for what, path in _texts(tmp_path, **TEXTS):
        bring(engine, what, path)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_what_is_exported_imports_unchanged_here_and_is_the_same_elsewhere(
    filled: Engine, organized: Path, tmp_path: Path, ending: str
) -> None:
    stored = _master(filled)
    other = _copy(organized, tmp_path / "other.sqlite")
    for what in ("projects", "members", "presets"):
        path = tmp_path / f"out-{what}.{ending}"
        assert write_master(filled, what, path) == {"projects": 6, "members": 2, "presets": 2}[what]
        told = bring(filled, what, path)
        assert told.count("0 new, 0 changed") == told.count("unchanged") > 0
        bring(other, what, path)
    assert _master(filled) == stored

    again = tmp_path / f"again.{ending}"
    for what in ("projects", "members", "presets"):
        write_master(other, what, again)
        told = bring(filled, what, again)
        assert told.count("0 new, 0 changed") == told.count("unchanged") > 0
    other.dispose()


def test_a_csv_holds_no_formula_and_keeps_its_zeros(filled: Engine, tmp_path: Path) -> None:
    path = tmp_path / "projects.csv"
    write_master(filled, "projects", path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbfproject,phase,task,name,")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[:4] for row in rows[1:]] == [
        ["'x", "", "", "''=quoted"],
        ["'-7", "", "", "'@Leave"],
        ["0042", "", "", "'=HYPERLINK(1)"],
        ["0042", "01", "", ""],
        ["0042", "01", "001", ""],
        ["C7", "", "", "Port by the hour"],
    ]
    cells = [cell for row in rows for cell in row]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []


def test_a_workbook_holds_text_days_and_numbers(filled: Engine, tmp_path: Path) -> None:
    path = tmp_path / "projects.xlsx"
    write_master(filled, "projects", path)
    sheet = load_workbook(path).worksheets[0]
    rows = {row[0].value: row for row in sheet.iter_rows(min_row=2) if row[1].value is None}
    names = [cell.value for cell in next(sheet.iter_rows())]
    bridge = dict(zip(names, rows["0042"], strict=True))
    assert (bridge["name"].value, bridge["name"].data_type) == ("=HYPERLINK(1)", "s")
    assert (bridge["opened"].value, bridge["budget"].value) == (datetime(2026, 1, 1), 12500.125)  # noqa: DTZ001
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:V7")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20).filter("-".__ne__),
        st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
        .map(str.strip)
        .filter(lambda name: name not in ("", "-")),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["csv", "xlsx"]),
)
def test_any_number_and_name_survive_the_way_out_and_back(
    organized: Path, tmp_path: Path, projects: dict[str, str], ending: str
) -> None:
    engine = _copy(organized, tmp_path / "any.sqlite")
    with store.writing(engine) as connection:
        for number, name in projects.items():
            connection.execute(
                schema.project.insert().values(number=number, name=name, currency="EUR", kind="project")
            )
    path = tmp_path / f"any.{ending}"
    write_master(engine, "projects", path)
    told = bring(engine, "projects", path)
    assert told == f"projects: 0 new, 0 changed, {len(projects)} unchanged"
    engine.dispose()


@pytest.mark.parametrize(
    ("what", "name", "message"),
    [
        ("clients", "a.csv", "there is no file of 'clients'; name one of projects, members, presets"),
        ("projects", "a.txt", "a.txt is neither .csv nor .xlsx; end its name with one of them"),
        ("projects", "a.csv", "there are no projects yet; import them first: `process-meter project --help`"),
    ],
)
def test_what_cannot_be_written_is_one_clear_sentence(
    engine: Engine, tmp_path: Path, what: str, name: str, message: str
) -> None:
    with pytest.raises(Problem) as caught:
        write_master(engine, what, tmp_path / name)
    assert str(caught.value) == message
    assert not (tmp_path / name).exists()


def test_text_that_no_workbook_holds_is_named_and_no_half_file_is_left(
    filled: Engine, tmp_path: Path
) -> None:
    with store.writing(filled) as connection:
        connection.execute(schema.project.update().where(schema.project.c.number == "C7").values(name="\x01"))
    with pytest.raises(Problem) as caught:
        write_master(filled, "projects", tmp_path / "bad.xlsx")
    assert str(caught.value) == (
        "row 7, column name: a character that no workbook can hold; correct it, or write a .csv"
    )
    assert not (tmp_path / "bad.xlsx").exists()
