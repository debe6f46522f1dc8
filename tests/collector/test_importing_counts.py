"""Vendors' counts in the warehouse: found by product, corrected by a later export, never doubled."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from collector.importers.records import Options
from collector.importing.files import import_files, mapping_of, shipped_mappings
from collector.importing.report import Report
from warehouse import frames

PRODUCTS = (
    "INSERT INTO product (id, code, name, vendor) VALUES"
    " (1, 'draw', 'Draw Professional', 'V'), (2, 'twin-a', 'Twin', 'V'), (3, 'twin-b', 'Twin', 'V')"
)


def bring(engine: Engine, folder: Path, rows: str, mapping: str = "user-days") -> Report:
    path = folder / "usage.csv"
    path.write_text(rows, encoding="utf-8")
    options = Options(mapping=mapping_of(Path(mapping)))
    return import_files(engine, "table", [path], options, actor="test", at_ms=0)


@pytest.fixture
def stocked(both_engines: Engine) -> Engine:
    with both_engines.begin() as connection:
        connection.execute(text(PRODUCTS))
    return both_engines


HEAD = "Date,Product,Users\n"
FIRST = HEAD + "2026-03-02,Draw Professional,12\n2026-03-03,draw,13\n"


def stored(engine: Engine) -> list[tuple[object, ...]]:
    return frames.vendor_counts(engine).select("product", "unit", "start", "count").collect().rows()


def test_counts_are_stored_once_and_corrected_by_a_later_export(stocked: Engine, tmp_path: Path) -> None:
    days = [datetime(2026, 3, day, tzinfo=UTC) for day in (2, 3)]
    assert bring(stocked, tmp_path, FIRST).kept["count"] == 2
    assert stored(stocked) == [("draw", "user_days", days[0], 12), ("draw", "user_days", days[1], 13)]

    report = bring(stocked, tmp_path, FIRST.replace(",13", ",15"))
    assert (report.kept["count"], report.known["count"]) == (2, 1)
    assert stored(stocked) == [("draw", "user_days", days[0], 12), ("draw", "user_days", days[1], 15)]


def test_counts_of_a_product_that_nobody_knows_are_set_aside(stocked: Engine, tmp_path: Path) -> None:
    report = bring(stocked, tmp_path, FIRST + "2026-03-02,Paint,3\n2026-03-02,Twin,4\n")
    assert (report.kept["count"], dict(report.aside)) == (2, {"no product of this name is known": 2})
    assert [row[0] for row in stored(stocked)] == ["draw", "draw"]


def test_the_shipped_mapping_of_intervals_makes_ten_minutes(stocked: Engine, tmp_path: Path) -> None:
    bring(stocked, tmp_path, "Interval,Product,Devices\n2026-03-02T09:00:00Z,draw,7\n", "ten-minutes")
    (row,) = frames.vendor_counts(stocked).collect().to_dicts()
    assert (row["unit"], row["count"], (row["end"] - row["start"]).total_seconds()) == ("devices", 7, 600)


def test_the_shipped_mappings_are_these() -> None:
    assert shipped_mappings() == ["ten-minutes", "user-days"]
