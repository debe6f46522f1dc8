"""Segments, sessions, usage and charges as files: Parquet, CSV, XLSX, for other tools and for a look.

People, accounts and machines are pseudonyms. A file is there whole or not at all; text stays text, so that no
cell becomes a formula in a spreadsheet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import polars as pl
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from sqlalchemy import Engine

from pipelines.report_parameters import nearest
from pipelines.spreadsheet import ILLEGAL, LONGEST_TEXT
from pipelines.whole_file import whole_file
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.hourly import Evidence, by_chunks
from warehouse.metrics.states import states
from warehouse.money import HOUR_MS, major
from warehouse.periods import day_bounds

Kind = Literal["segments", "sessions", "usage", "charges"]
Format = Literal["parquet", "csv", "xlsx"]

KINDS: tuple[Kind, ...] = get_args(Kind)
FORMATS: tuple[Format, ...] = get_args(Format)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
SHEET_ROWS = 1_048_575
"""Rows that an Excel sheet has below its header."""
MEASURES = ("active", "pause", "busy", "held", "unknown")


@dataclass(frozen=True)
class Window:
    """Whole local days [first_day, end_day) of `zone`, and the same as instants."""

    first_day: date
    end_day: date
    start: datetime
    end: datetime


def window_of(engine: Engine, first_day: date, end_day: date) -> Window:
    """Return whole days of the organization's zone, else of UTC.

    Raises
    ------
    Problem
        The end is not after the start.
    """
    if end_day <= first_day:
        raise Problem(
            f"the end {end_day} is not after the start {first_day}", "the end is the first day left out"
        )
    zone = frames.home_zone(engine) or "UTC"
    return Window(first_day, end_day, day_bounds(zone, first_day)[0], day_bounds(zone, end_day)[0])


def extract(engine: Engine, kind: str, window: Window, file_format: str, path: Path) -> int:
    """Write a file; return its number of rows.

    Parameters
    ----------
    kind
        `segments`: closed evidence that overlaps the window, whole (`frames.segments`), with its application.
        `sessions`: those that overlap it (`frames.sessions`). `usage`: hours by UTC hour, person, application
        and project (`metrics.hourly_usage`) under the license policy; no idle time, which no one is told of a
        person. `charges`: charge lines of every run whose day lies in it (`frames.charge_lines`), `amount` in
        units of its currency.
    file_format
        `parquet`: typed, instants in UTC. `csv`: UTF-8 with a byte order mark, instants as ISO 8601 UTC; an
        apostrophe keeps text that begins like a formula from being one. `xlsx`: one sheet, instants in UTC.

    Raises
    ------
    Problem
        An unknown kind or format, more rows or longer text than a sheet holds, a folder that cannot be
        written: nothing is left behind.
    """
    for name, given, known in (("kind", kind, KINDS), ("format", file_format, FORMATS)):
        if given not in known:
            raise Problem(f"{name} cannot be {given!r}", nearest(given, known, "give one of"))
    found = _READERS[kind](engine, window)
    with whole_file(path) as draft:
        return _WRITERS[file_format](found, draft)


# --- What there is -----------------------------------------------------------------------------------------


def _segments(engine: Engine, window: Window) -> pl.LazyFrame:
    sessions = frames.sessions(engine, window.start, window.end).select("session", _application="application")
    inside = (pl.col("start") < window.end) & (pl.col("end") > window.start)
    found = frames.segments(engine, window.start, window.end).filter(inside)
    others = [name for name in frames.SEGMENTS if name not in ("session", "application")]
    return found.join(sessions, on="session", how="left", maintain_order="left").select(
        "session", pl.col("_application").cast(pl.String).alias("application"), *others
    )


def _sessions(engine: Engine, window: Window) -> pl.LazyFrame:
    return frames.sessions(engine, window.start, window.end).drop("person_id", "host_id")


def _usage(engine: Engine, window: Window) -> pl.LazyFrame:
    policy = frames.policy(engine, "license")

    def read(start: datetime, end: datetime) -> Evidence:
        stated = states(frames.segments(engine, start, end), policy)
        return stated, frames.sessions(engine, start, end), frames.project_entries(engine, start, end)

    chunks = list(by_chunks(read, window.start, window.end))
    # Polars multiplies by the reciprocal: an hour would read 0.9999999999999999.
    hours = [(pl.col(f"{name}_ms") / HOUR_MS).round(12).alias(f"{name}_hours") for name in MEASURES]
    return pl.concat(chunks).lazy().select("hour", "person", "application", "project", *hours)


def _charges(engine: Engine, window: Window) -> pl.LazyFrame:
    inside = pl.col("day").is_between(window.first_day, window.end_day, closed="left")
    lines = frames.charge_lines(engine).filter(inside).drop("person_id").collect()
    pairs = lines.select("amount_minor", "currency").iter_rows()
    amounts = [major(amount, currency) for amount, currency in pairs]
    return lines.with_columns(pl.Series("amount", amounts, pl.Decimal(38, 4))).lazy()


_READERS: dict[str, Callable[[Engine, Window], pl.LazyFrame]] = {
    "segments": _segments,
    "sessions": _sessions,
    "usage": _usage,
    "charges": _charges,
}

# --- How it is written -------------------------------------------------------------------------------------


def _parquet(frame: pl.LazyFrame, path: Path) -> int:
    found = frame.collect()
    found.write_parquet(path)
    return found.height


def _csv(frame: pl.LazyFrame, path: Path) -> int:
    text = [name for name, kind in frame.collect_schema().items() if kind == pl.String]
    safe = [
        pl.when(_begins_like_a_formula(name)).then("'" + pl.col(name)).otherwise(name).alias(name)
        for name in text
    ]
    found = frame.with_columns(safe).collect()
    found.write_csv(path, include_bom=True, datetime_format="%Y-%m-%dT%H:%M:%S%.3fZ")
    return found.height


def _begins_like_a_formula(name: str) -> pl.Expr:
    return pl.any_horizontal(pl.col(name).str.starts_with(sign) for sign in FORMULA_STARTS)


def _xlsx(frame: pl.LazyFrame, path: Path) -> int:
    found = frame.with_columns(pl.col(pl.Enum, pl.Categorical).cast(pl.String)).collect()
    _refuse_beyond_sheet(found)
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Data")
    sheet.freeze_panes = "A2"
    heading = [
        f"{name} (UTC)" if isinstance(kind, pl.Datetime) else name for name, kind in found.schema.items()
    ]
    sheet.append(heading)
    for row in found.iter_rows():
        sheet.append([_cell(sheet, value) for value in row])
    book.save(path)
    return found.height


_ELSE = "take parquet or csv, or a shorter window"


def _refuse_beyond_sheet(found: pl.DataFrame) -> None:
    if found.height > SHEET_ROWS:
        raise Problem(f"{found.height:,} rows are more than the {SHEET_ROWS:,} that a sheet holds", _ELSE)
    for name in found.select(pl.col(pl.String)).columns:
        for wrong, what in (
            (found[name].str.contains(ILLEGAL), "a character that no workbook can hold"),
            (found[name].str.len_chars() > LONGEST_TEXT, f"more than {LONGEST_TEXT:,} characters"),
        ):
            rows = wrong.fill_null(value=False).arg_true()
            if rows.len():
                raise Problem(f"{name} of row {rows[0] + 1:,} holds {what}", _ELSE)


def _cell(sheet: Any, value: Any) -> Any:
    if isinstance(value, datetime):
        value = value.replace(tzinfo=None)
    cell = WriteOnlyCell(sheet, value=value)
    if isinstance(value, str):
        cell.data_type = "s"  # openpyxl makes a formula of text that starts with "="
        cell.quotePrefix = True
    return cell


_WRITERS: dict[str, Callable[[pl.LazyFrame, Path], int]] = {
    "parquet": _parquet,
    "csv": _csv,
    "xlsx": _xlsx,
}
