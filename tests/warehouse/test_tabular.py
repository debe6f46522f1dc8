"""Table files as rows of text, and what is refused, with its place."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from warehouse.errors import Problem
from warehouse.tabular import Row, merged, quoted, read_table, unquoted


def _csv(folder: Path, content: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _xlsx(folder: Path, *rows: list[object], formats: dict[str, str] | None = None) -> Path:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    for cell, shape in (formats or {}).items():
        sheet[cell].number_format = shape
    path = folder / "table.xlsx"
    book.save(path)
    return path


def _cells(path: Path) -> list[tuple[int, dict[str, str]]]:
    return [
        (row.number, {k: v for k, v in row.cells.items() if v})
        for row in read_table(path, ("code",), ("name", "day"))
    ]


UNSEEN = "which nobody sees; remove it: type the text anew"


def _refusal(path: Path) -> str:
    with pytest.raises(Problem) as caught:
        _read_codes_and_days(path)
    return str(caught.value)


def _read_codes_and_days(path: Path) -> None:
    for row in read_table(path, ("code",), ("name", "day")):
        row.required("code")
        row.day("day")


# --- What is read ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_are_found_whatever_separates_them(tmp_path: Path, separator: str) -> None:
    text = f'Name{separator} CODE \n\n"a{separator} b"{separator} 007 \n'
    assert _cells(_csv(tmp_path, text)) == [(3, {"code": "007", "name": f"a{separator} b"})]


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter(tmp_path: Path) -> None:
    assert _cells(_csv(tmp_path, b"\xef\xbb\xbfcode,name\r\n1,\xc3\xa4\r\n")) == [
        (2, {"code": "1", "name": "ä"})
    ]


def test_a_row_of_several_lines_is_numbered_by_its_first(tmp_path: Path) -> None:
    text = 'code,name\n1,"two\nlines"\n2,x\n'
    assert [number for number, _ in _cells(_csv(tmp_path, text))] == [2, 4]


def test_formulas_stay_text(tmp_path: Path) -> None:
    assert _cells(_csv(tmp_path, "code,name\n=1+1,@SUM(A1)\n")) == [(2, {"code": "=1+1", "name": "@SUM(A1)"})]


def test_the_apostrophe_of_an_export_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = _csv(tmp_path, "code,name\n'=1+1,'+x\n''=1,'s-Gravenhage\n")
    assert _cells(path) == [
        (2, {"code": "=1+1", "name": "+x"}),
        (3, {"code": "'=1", "name": "'s-Gravenhage"}),
    ]


@given(st.text())
def test_whatever_is_quoted_is_no_formula_and_comes_back(text: str) -> None:
    assert not quoted(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unquoted(quoted(text)) == text


def test_cells_of_a_workbook_are_read_as_shown(tmp_path: Path) -> None:
    path = _xlsx(
        tmp_path,
        ["code", "name", "day"],
        ["007", 12.5, date(2026, 1, 2)],
        [42, 3, datetime(2026, 1, 2)],  # noqa: DTZ001
        [42, True, None],
        [None, None, None],
        [0, time(8, 0), "2026-01-02"],
        formats={"A4": "00000", "A6": "000"},
    )
    assert _cells(path) == [
        (2, {"code": "007", "name": "12.5", "day": "2026-01-02"}),
        (3, {"code": "42", "name": "3", "day": "2026-01-02"}),
        (4, {"code": "00042", "name": "yes"}),
        (6, {"code": "000", "name": "08:00", "day": "2026-01-02"}),
    ]


# --- What is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "table.csv is empty; give it a row of column names: code, ..."),
        (b"\n \n", "table.csv is empty; give it a row of column names: code, ..."),
        (b"code\n", "table.csv has column names, but no rows; add rows, or leave the import out"),
        (b"name\nx\n", "table.csv, row 1: the column 'code' is missing; add it"),
        (
            b"\ncode,nmae\n1,x\n",
            "table.csv, row 2: unknown column 'nmae'; known columns: code, name, day",
        ),
        (b"code,Code\n1,2\n", "table.csv, row 1: the column 'code' is there twice; keep one of them"),
        (
            b"code\n1,2\n",
            (
                "table.csv, row 2: there is a cell without a column name ('2'); "
                "name the column, or quote text that holds the separator"
            ),
        ),
        (b"code,name\n,x\n", "table.csv, row 2, column code: the cell is empty; fill it in"),
        *(
            (
                f"code,name\n1,a{letter}b\n".encode(),
                f"table.csv, row 2, column name: the character U+{ord(letter):04X}, {UNSEEN}",
            )
            for letter in "\0\a\x7f\x85\u061c\u200b\u200e\u200f\u2028\u202a\u202b\u202c\u202d\u202e\u2060"
            "\u2066\u2067\u2068\u2069\ufeff"
        ),
        (
            b"code,name\n1,\xe4\n",
            "table.csv, row 2: not UTF-8; save it as .xlsx, or as .csv in UTF-8",
        ),
        (
            b"PK\x03\x04\x00\x00\n",
            "table.csv is not a text file; save it as .xlsx, or as .csv in UTF-8",
        ),
        (b'code\n"1\n', "table.csv, row 2: unexpected end of data; check the quotes of this row"),
        (
            b"code,day\n1,31.12.2026\n",
            "table.csv, row 2, column day: '31.12.2026' is not a date; write it as 2026-12-31",
        ),
        (
            b"code,day\n1,2026-02-30\n",
            "table.csv, row 2, column day: '2026-02-30' is no day of the calendar; write it as 2026-12-31",
        ),
    ],
)
def test_a_bad_text_file_is_refused_with_its_place(tmp_path: Path, content: bytes, message: str) -> None:
    assert _refusal(_csv(tmp_path, content)) == message


@pytest.mark.parametrize(
    ("value", "shape", "message"),
    [
        (
            2026.1,
            "0.00",
            (
                "table.xlsx, row 2, column code: Excel holds 2026.1 as a number or date; "
                "format the column as text and type it anew"
            ),
        ),
        (
            date(2026, 1, 2),
            "yyyy-mm-dd",
            (
                "table.xlsx, row 2, column code: Excel holds 2026-01-02 as a number or date; "
                "format the column as text and type it anew"
            ),
        ),
        (
            42,
            '0000"-A"',
            (
                "table.xlsx, row 2, column code: Excel holds 42 as a number or date; "
                "format the column as text and type it anew"
            ),
        ),
        (
            12345678901234567,
            "0",
            (
                "table.xlsx, cell A2: 1.234567890123457e+16 has more digits than Excel keeps; "
                "format the cell as text"
            ),
        ),
        (
            datetime(2026, 1, 2, 9),  # noqa: DTZ001
            "yyyy-mm-dd",
            "table.xlsx, cell A2: 2026-01-02 09:00:00 is a day with a time; write the day alone",
        ),
    ],
)
def test_a_code_that_excel_may_have_changed_is_refused(
    tmp_path: Path, value: object, shape: str, message: str
) -> None:
    assert _refusal(_xlsx(tmp_path, ["code"], [value], formats={"A2": shape})) == message


def test_the_error_of_a_formula_is_refused(tmp_path: Path) -> None:
    path = _xlsx(tmp_path, ["code"], ["#REF!"])
    assert _refusal(path) == "table.xlsx, cell A2: the formula error #REF!; correct the formula"


@pytest.mark.parametrize("content", [b"", b"no workbook", b"PK\x03\x04broken", b"PK\x05\x06" + b"\x00" * 18])
def test_a_broken_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.xlsx"
    path.write_bytes(content)
    assert _refusal(path) == (
        "table.xlsx is not a workbook that can be read; save it as .xlsx, or as .csv in UTF-8"
    )


def test_other_files_are_refused(tmp_path: Path) -> None:
    assert _refusal(tmp_path / "table.xls") == (
        "table.xls is neither .csv nor .xlsx; save it as .xlsx, or as .csv in UTF-8"
    )
    absent = tmp_path / "absent.csv"
    assert _refusal(absent) == (
        f"{absent} cannot be read: No such file or directory; check the path and its permissions"
    )
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    assert _refusal(folder).startswith(f"{folder} cannot be read: ")


# --- Cells -------------------------------------------------------------------------------------------------


def _row(**cells: str) -> Row:
    return Row("table.csv", 7, cells)


def test_numbers_are_exact() -> None:
    row = _row(a="1234.50", b="0", c="7")
    assert (row.decimal("a"), row.whole("b"), row.whole("c"), row.whole("absent")) == (
        Decimal("1234.50"),
        0,
        7,
        None,
    )


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: _row(a="1,5").decimal("a"), "'1,5' is not a number; write it as 1234.50"),
        (lambda: _row(a="NaN").decimal("a"), "'NaN' is not a number; write it as 1234.50"),
        (lambda: _row(a="inf").decimal("a"), "'inf' is not a number; write it as 1234.50"),
        (lambda: _row(a="-1").decimal("a"), "-1 is negative; write 0 or more"),
        (lambda: _row(a="1.5").whole("a"), "1.5 is not a whole number; write a whole number"),
        (lambda: _row(a="maybe").flag("a"), "'maybe' is neither yes nor no; write yes or no"),
        (lambda: _row(a="x").choice("a", ("up", "down")), "unknown word 'x'; write one of up, down"),
    ],
)
def test_a_cell_that_does_not_fit_is_refused(act: object, message: str) -> None:
    assert callable(act)
    with pytest.raises(Problem) as caught:
        act()
    assert str(caught.value) == f"table.csv, row 7, column a: {message}"


def test_words_and_lists() -> None:
    row = _row(a="Yes", b="0", c="x; y;;z ", d="up")
    assert (row.flag("a"), row.flag("b"), row.flag("absent")) == (True, False, None)
    assert (row.codes("c"), row.codes("absent"), row.choice("d", ("up",))) == (["x", "y", "z"], [], "up")


def test_rows_that_agree_become_one_and_keep_their_places() -> None:
    rows = [Row("t.csv", 2, {"name": "", "zone": "UTC"}), Row("t.csv", 5, {"name": "Ada", "zone": "UTC"})]
    one = merged(rows, ("name", "zone"))
    assert one.cells == {"name": "Ada", "zone": "UTC"}
    assert str(one.problem("name", "no", "")) == "t.csv, row 5, column name: no"
    assert str(one.problem("zone", "no", "")) == "t.csv, row 2, column zone: no"


def test_rows_that_contradict_each_other_are_refused() -> None:
    rows = [Row("t.csv", 2, {"name": "Ada"}), Row("t.csv", 3, {"name": "Bob"})]
    with pytest.raises(Problem) as caught:
        merged(rows, ("name",))
    assert str(caught.value) == "t.csv, row 3, column name: 'Bob', but row 2 says 'Ada'; let the rows agree"


@pytest.mark.parametrize("name", ["क्\u200dष", "👩\u200d💻", "שלום", "नमस्ते", "e\u0301"])
def test_names_in_any_script_are_read_as_they_are(tmp_path: Path, name: str) -> None:
    (row,) = read_table(_csv(tmp_path, f"code,name\n1,{name}\n".encode()), ("code", "name"))
    assert row.text("name") == name


@given(st.binary(max_size=200), st.sampled_from([".csv", ".xlsx"]))
@example(b"code,name\n1,x\n", ".csv")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"any{suffix}"
    path.write_bytes(content)
    assert "\n" not in _read_or_refuse(path)


def _read_or_refuse(path: Path) -> str:
    try:
        return f"{len(read_table(path, ('code',), ('name',)))} rows"
    except Problem as problem:
        return str(problem)
