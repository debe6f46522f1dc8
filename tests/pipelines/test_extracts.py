"""Evidence, usage and charges as files that other programs read back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import small_warehouse
from openpyxl import load_workbook
from sqlalchemy import Engine

from apps import cli
from pipelines import extracts
from pipelines.extracts import extract, window_of
from warehouse import frames
from warehouse.errors import Problem
from warehouse.periods import INSTANT
from warehouse.store import upgrade

OCTOBER = (date(2026, 10, 1), date(2026, 11, 1))
ROWS = {"segments": 260, "sessions": 40, "usage": 70, "charges": 3}


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = upgrade(f"sqlite:///{tmp_path_factory.mktemp('week') / 'warehouse.sqlite'}")
    small_warehouse.fill(engine)
    yield engine
    engine.dispose()


def written(week: Engine, kind: str, file_format: str, folder: Path, days: Any = OCTOBER) -> Path:
    path = folder / f"{kind}.{file_format}"
    extract(week, kind, window_of(week, *days), file_format, path)
    assert [each.name for each in folder.iterdir()] == [path.name]
    return path


@pytest.mark.parametrize("kind", ROWS)
def test_the_three_formats_hold_the_same_rows(week: Engine, tmp_path: Path, kind: str) -> None:
    table = {}
    for file_format in extracts.FORMATS:
        folder = tmp_path / file_format
        folder.mkdir()
        table[file_format] = written(week, kind, file_format, folder)
    exact = pl.read_parquet(table["parquet"])
    text = pl.read_csv(table["csv"], infer_schema=False)
    sheet = [list(row) for row in load_workbook(table["xlsx"]).active.iter_rows(values_only=True)]
    assert exact.height == text.height == len(sheet) - 1 == ROWS[kind]
    assert exact.columns == text.columns == [str(name).removesuffix(" (UTC)") for name in sheet[0]]
    first = exact.row(0, named=True)
    for place, name in enumerate(exact.columns):
        assert sheet[1][place] == plain(first[name]), name
        assert (text[name][0] is None) == (first[name] in (None, "")), name


def plain(value: Any) -> Any:
    """Write a value as a sheet gives it back."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, date):
        return datetime.combine(value, time())
    return value or None if isinstance(value, str) else value


def test_segments_are_those_of_the_frame_with_their_application(week: Engine, tmp_path: Path) -> None:
    found = pl.read_parquet(written(week, "segments", "parquet", tmp_path))
    whole = frames.segments(week, *[window_of(week, *OCTOBER).start, window_of(week, *OCTOBER).end]).collect()
    assert (
        found.drop("application")
        .sort("session", "start")
        .equals(whole.select(found.drop("application").columns).sort("session", "start"))
    )
    assert found.group_by("application").len().sort("application").rows() == [("cad", 240), ("sim", 20)]


def test_a_window_takes_what_overlaps_it_and_leaves_out_its_last_day(week: Engine, tmp_path: Path) -> None:
    days = (date(2026, 10, 6), date(2026, 10, 8))
    found = pl.read_parquet(written(week, "sessions", "parquet", tmp_path, days))
    assert sorted(set(found["started"].dt.date())) == [date(2026, 10, 6), date(2026, 10, 7)]


def test_usage_has_no_idle_time_and_no_true_name(week: Engine, tmp_path: Path) -> None:
    found = pl.read_parquet(written(week, "usage", "parquet", tmp_path))
    assert found.columns == [
        *("hour", "person", "application", "project"),
        *("active_hours", "pause_hours", "busy_hours", "held_hours", "unknown_hours"),
    ]
    assert found["busy_hours"].sum() == 50.0
    assert found["person"].str.starts_with("P-").all()


def test_amounts_of_charges_are_exact_in_units_of_their_currency(week: Engine, tmp_path: Path) -> None:
    found = pl.read_parquet(written(week, "charges", "parquet", tmp_path))
    assert [f"{amount:f} {currency}" for amount, currency in found.select("amount", "currency").rows()][
        :1
    ] == ["900.0000 EUR"]
    assert "person_id" not in found.columns


def test_text_that_begins_like_a_formula_stays_text(tmp_path: Path) -> None:
    frame = pl.LazyFrame(
        {"name": ["=1+1", "plain", "@x", None], "at": [datetime(2026, 10, 5, tzinfo=UTC)] * 4}
    ).cast({"at": INSTANT})
    assert extracts._csv(frame, tmp_path / "a.csv") == 4
    lines = (tmp_path / "a.csv").read_text(encoding="utf-8-sig").splitlines()
    assert lines[1:] == [
        "'=1+1,2026-10-05T00:00:00.000Z", "plain,2026-10-05T00:00:00.000Z", "'@x,2026-10-05T00:00:00.000Z",
        ",2026-10-05T00:00:00.000Z",
    ]  # fmt: skip
    extracts._xlsx(frame, tmp_path / "a.xlsx")
    cells = [row[0] for row in load_workbook(tmp_path / "a.xlsx").active.iter_rows(min_row=2)]
    assert [(cell.value, cell.data_type) for cell in cells[:3]] == [
        ("=1+1", "s"),
        ("plain", "s"),
        ("@x", "s"),
    ]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["bell \x07"], "name of row 1 holds a character that no workbook can hold; take parquet or csv"),
        (["x" * 32_768], "name of row 1 holds more than 32,767 characters"),
    ],
)
def test_what_no_sheet_holds_is_refused(tmp_path: Path, names: list[str], says: str) -> None:
    with pytest.raises(Problem) as refused:
        extracts._xlsx(pl.LazyFrame({"name": names}), tmp_path / "a.xlsx")
    assert says in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_more_rows_than_a_sheet_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extracts, "SHEET_ROWS", 2)
    with pytest.raises(Problem, match="3 rows are more than the 2 that a sheet holds; take parquet or csv"):
        extracts._xlsx(pl.LazyFrame({"n": [1, 2, 3]}), tmp_path / "a.xlsx")


@pytest.mark.parametrize(
    ("kind", "file_format", "days", "says"),
    [
        ("segment", "csv", OCTOBER, "kind cannot be 'segment'; did you mean 'segments'?"),
        ("usage", "xls", OCTOBER, "format cannot be 'xls'; did you mean 'xlsx'?"),
        ("usage", "csv", OCTOBER[::-1], "the end 2026-10-01 is not after the start 2026-11-01"),
    ],
)
def test_what_cannot_be_asked_leaves_nothing(  # noqa: PLR0917
    week: Engine, tmp_path: Path, kind: str, file_format: str, days: Any, says: str
) -> None:
    with pytest.raises(Problem) as refused:
        extract(week, kind, window_of(week, *days), file_format, tmp_path / "out")
    assert says in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_the_file_and_says_how_many_rows(
    week: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url, path = week.url.render_as_string(hide_password=False), tmp_path / "use.csv"
    asked = ["export", "usage", "--from", "2026-10-01", "--to", "2026-11-01", "--format", "csv", "--out"]
    monkeypatch.setattr(sys, "argv", ["process-meter", *asked, str(path), "--warehouse", url])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert capsys.readouterr().out == f"{path}: 70 rows\n"
    assert len(path.read_text(encoding="utf-8-sig").splitlines()) == 71
