from __future__ import annotations

import io
import re
from base64 import b64decode
from datetime import date
from decimal import Decimal

import polars as pl
from openpyxl import load_workbook

from apps.downloads import links
from apps.page import Column

FRAME = pl.DataFrame(
    {
        "product": ["=HYPERLINK(1)", "CAD, Suite"],
        "peak": [12, None],
        "share": [0.94123, 1.0],
        "hours": [1234.56, 0.0],
        "due": [date(2026, 12, 15), None],
        "at_risk": [123450, 5000],
        "currency": ["EUR", "JPY"],
    }
)
COLUMNS = [
    Column("product", "Product"),
    Column("peak", "Peak", "count"),
    Column("share", "Coverage", "share"),
    Column("hours", "Hours", "hours"),
    Column("due", "Notice by", "day"),
    Column("at_risk", "At risk", "money"),
]


def _contents(html: str) -> dict[str, bytes]:
    found = re.findall(r'download="([^"]+)" href="data:[^"]*?;base64,([^"]+)"', html)
    return {name: b64decode(content) for name, content in found}


def test_the_csv_holds_what_the_table_shows_and_no_formula() -> None:
    text = _contents(links("renewals", FRAME, COLUMNS))["renewals.csv"].decode("utf-8-sig")
    assert text.splitlines() == [
        "Product,Peak,Coverage,Hours,Notice by,At risk,currency",
        "'=HYPERLINK(1),12,0.941,1234.6,2026-12-15,1234.50,EUR",
        '"CAD, Suite",,1.0,0.0,,5000,JPY',
    ]


def test_the_workbook_holds_the_same_and_text_stays_text() -> None:
    file = io.BytesIO(_contents(links("renewals", FRAME, COLUMNS))["renewals.xlsx"])
    sheet = load_workbook(file)["Data"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert rows[0] == ["Product", "Peak", "Coverage", "Hours", "Notice by", "At risk", "currency"]
    assert rows[1][:4] == ["=HYPERLINK(1)", 12, 0.941, 1234.6]
    assert sheet["A2"].data_type == "s"
    assert sheet["A2"].quotePrefix
    assert Decimal(str(rows[1][5])) == Decimal("1234.5")
    assert rows[2] == ["CAD, Suite", None, 1, 0, None, 5000, "JPY"]
