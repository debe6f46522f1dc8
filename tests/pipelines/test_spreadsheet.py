"""Frames to sheets: what a spreadsheet, and another reader, finds in the cells."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import openpyxl
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.spreadsheet import Column, Kind, Spreadsheet, Table, write_table
from pipelines.spreadsheet_limits import writable
from pipelines.spreadsheet_rows import CHUNK_ROWS, widths
from warehouse.errors import Problem

MADE = datetime(2026, 11, 2, 12, tzinfo=UTC)
ILLEGAL = [chr(code) for code in (*range(9), 11, 12, *range(14, 32))] + ["\ufffe", "\uffff"]
LEGAL = st.characters(exclude_categories=["Cs"], exclude_characters=ILLEGAL)
TEXTS = st.lists(st.text(LEGAL, max_size=40), min_size=1, max_size=20)


def a_table(kind: Kind, values: list[Any], dtype: Any = None, **more: Any) -> Table:
    frame = pl.DataFrame({"value": pl.Series(values, dtype=dtype), **more})
    return Table("Sheet", "Title", "Basis", [Column("Value", "value", kind, 10)], frame)


def write(path: Path, *tables: Table) -> Path:
    made = Spreadsheet()
    for table in tables:
        write_table(made, writable(table))
    made.save(path / "made.xlsx", MADE)
    return path / "made.xlsx"


def cells(path: Path) -> list[Any]:
    return [row[0] for row in openpyxl.load_workbook(path)["Sheet"].iter_rows(min_row=5)]


@pytest.mark.parametrize(
    ("kind", "value", "dtype", "shown"),
    [
        ("integer", -1_234, pl.Int64, -1_234),
        ("hours", 1_333, pl.Int64, 1.333),
        ("hours", -5, pl.Int64, -0.005),
        ("hours", 1.25, pl.Float64, 1.25),
        ("time", 1_800_000, pl.Int64, 0.5),
        ("time", -1, pl.Int64, -0.000000277778),
        ("rate", 333_333, pl.Int64, 33.3333),
        ("plain", Decimal("0.10"), pl.Decimal(38, 2), 0.1),
        ("date", date(2026, 2, 28), pl.Date, datetime(2026, 2, 28)),  # noqa: DTZ001 - cells have no zone
        ("date", date(1900, 1, 31), pl.Date, datetime(1900, 1, 31)),  # noqa: DTZ001
        ("text", "=1+1", pl.String, "=1+1"),
        ("text", " a  b\n", pl.String, " a  b\n"),
        ("text", "<&>\"'", pl.String, "<&>\"'"),
        ("text", "أب 🙂", pl.String, "أب 🙂"),
        ("text", None, pl.String, None),
        ("prose", "x\0y", pl.String, "x␀y"),
    ],
)
def test_a_cell_holds_what_people_read(
    tmp_path: Path, kind: Kind, value: Any, dtype: Any, shown: Any
) -> None:
    (cell,) = cells(write(tmp_path, a_table(kind, [value], dtype)))
    assert cell.value == shown
    assert cell.data_type != "f"


def test_instants_are_shown_to_the_millisecond_and_money_with_its_currencys_decimals(tmp_path: Path) -> None:
    instant = datetime(2026, 10, 25, 1, 59, 59, 999_000, tzinfo=UTC)
    path = write(tmp_path, a_table("instant", [instant], pl.Datetime("ms", "UTC")))
    assert cells(path)[0].value == instant.replace(tzinfo=None)
    digits = pl.Series([2, 0, 3], dtype=pl.Int64)
    money = cells(write(tmp_path, a_table("money", [-105, 105, 1], pl.Int64, digits=digits)))
    assert [(cell.value, cell.number_format) for cell in money] == [
        (-1.05, "#,##0.00;[Red]-#,##0.00"),
        (105, "#,##0;[Red]-#,##0"),
        (0.001, "#,##0.000;[Red]-#,##0.000"),
    ]


@settings(max_examples=20)
@given(st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=20))
def test_whole_units_are_written_exactly(
    tmp_path_factory: pytest.TempPathFactory, amounts: list[int]
) -> None:
    digits = pl.Series([2] * len(amounts), dtype=pl.Int64)
    path = write(tmp_path_factory.mktemp("money"), a_table("money", amounts, pl.Int64, digits=digits))
    with ZipFile(path) as parts:
        text = parts.read("xl/worksheets/sheet1.xml").decode()
    told = [Decimal(part.split("</v>")[0]) for part in text.split("<v>")[1:]]
    assert told == [Decimal(amount).scaleb(-2) for amount in amounts]


@given(TEXTS)
def test_any_text_is_written_as_it_is(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    found = cells(write(tmp_path_factory.mktemp("text"), a_table("text", texts)))
    assert [cell.value or "" for cell in found] == texts
    assert {cell.data_type for cell in found} <= {"s", "n"}


@pytest.mark.parametrize("letter", sorted(ILLEGAL))
def test_a_letter_that_no_workbook_can_hold_is_refused_and_nothing_is_written(
    tmp_path: Path, letter: str
) -> None:
    says = "sheet Sheet, row 5, column Value: the text holds a control character"
    with pytest.raises(Problem, match=says):
        write(tmp_path, a_table("text", [f"a{letter}b"]))
    assert list(tmp_path.iterdir()) == []


def test_what_a_spreadsheet_would_decode_is_escaped(tmp_path: Path) -> None:
    with ZipFile(write(tmp_path, a_table("text", ["_x003D_1+1"]))) as parts:
        assert b"_x005F_x003D_1+1" in parts.read("xl/worksheets/sheet1.xml")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (a_table("text", ["ok", "a\x0bb"]), "row 6, column Value: the text holds a control character"),
        (a_table("text", ["🙂" * 16_384]), "row 5, column Value: the text is longer than 32,767 characters"),
        (a_table("hours", [float("nan")]), "row 5, column Value: it is not a number"),
        (a_table("date", [date(1899, 12, 31)]), "row 5, column Value: the day is before 1900"),
    ],
)
def test_what_no_workbook_can_hold_is_named_by_sheet_row_and_column(table: Table, says: str) -> None:
    with pytest.raises(Problem, match=f"sheet Sheet, {says}; correct it where it was entered"):
        writable(table)


def test_prose_that_is_too_long_is_cut_and_says_so_and_its_row_is_no_higher_than_rows_can_be(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, a_table("prose", ["x" * 40_000]))
    (cell,) = cells(path)
    assert str(cell.value).endswith("xxx ... (cut here: it has 40000 characters)")
    assert len(str(cell.value)) < 32_767
    assert openpyxl.load_workbook(path)["Sheet"].row_dimensions[5].height == 409


def test_a_row_is_as_high_as_its_prose_has_lines(tmp_path: Path) -> None:
    column = Column("Value", "value", "prose", 40)
    texts = [
        "the account belongs to no person of it.",
        "THE ACCOUNT BELONGS TO NO PERSON OF IT.",
        "word " * 16,
    ]
    table = Table("Sheet", "Title", "Basis", [column], pl.DataFrame({"value": texts}))
    rows = openpyxl.load_workbook(write(tmp_path, table))["Sheet"].row_dimensions
    assert [rows[number].height for number in (5, 6, 7)] == [None, 27, 40.5]


def test_long_chinese_prose_is_measured_in_characters_and_kept(tmp_path: Path) -> None:
    (cell,) = cells(write(tmp_path, a_table("prose", ["字" * 20_000])))
    assert cell.value == "字" * 20_000


def test_a_control_character_in_a_title_is_refused_by_its_place(tmp_path: Path) -> None:
    made = Spreadsheet()
    sheet = made.sheet("Run", {})
    with pytest.raises(Problem, match="sheet Run, row 1, column B: the text holds a control character"):
        sheet.append([None, sheet.cell("text", "a\0b")])


def test_a_sheet_longer_than_a_piece_is_whole_and_in_order(tmp_path: Path) -> None:
    count = 2 * CHUNK_ROWS + 3
    path = write(tmp_path, a_table("integer", list(range(count)), pl.Int64))
    book = openpyxl.load_workbook(path, read_only=True)
    found = [row[0] for row in book["Sheet"].iter_rows(min_row=5, values_only=True)]
    assert found == list(range(count))


def test_the_same_tables_give_the_same_bytes_and_no_part_is_in_the_64_bit_form(tmp_path: Path) -> None:
    digests = set()
    for _ in range(2):
        path = write(tmp_path, a_table("text", ["a", "=b", None]), a_table("integer", [1]))
        digests.add(sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1
    with ZipFile(path) as parts:
        assert {part.extract_version for part in parts.infolist()} == {20}
        assert {part.extra for part in parts.infolist()} == {b""}


def test_columns_widen_for_their_values_up_to_a_limit(tmp_path: Path) -> None:
    table = a_table("text", ["x" * 20, "y" * 200])
    assert widths(table) == {0: 36}
    digits = pl.Series([2], dtype=pl.Int64)
    assert widths(a_table("money", [-123_456_789_012], pl.Int64, digits=digits)) == {0: 18}
