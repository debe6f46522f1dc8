"""Tables as other programs write them, and the mappings that the documentation shows."""

# ruff: noqa: DTZ001  cells of a table have no zone

from __future__ import annotations

import gzip
import re
import tomllib
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from collector.importers.records import (
    Denial,
    Hold,
    Installation,
    Options,
    Reading,
    Record,
    SetAside,
    Step,
    Tally,
    VendorCount,
)
from collector.importers.table import FIELDS, read
from warehouse.errors import Problem

DOCS = Path(__file__).parents[3] / "docs" / "importers" / "table.md"
NINE = 1_772_442_000_000  # 2026-03-02 09:00:00 UTC
HOUR = 3_600_000
SESSIONS: dict[str, Any] = {
    "records": "sessions",
    "columns": {"application": "App", "user": "User", "host": "Host", "start": "Start", "end": "End"},
    "format": {"dates": "iso"},
}
HEAD = "App,User,Host,Start,End\n"
GOOD = "draw,ada,desk1,2026-03-02T09:00:00,2026-03-02T10:00:00\n"


def mapping(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {**SESSIONS}
    for name, value in changes.items():
        found[name] = {**found.get(name, {}), **value} if isinstance(value, dict) else value
    return found


def csv(folder: Path, text: str, name: str = "usage.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def records(path: Path, said: dict[str, Any] | None = None, **options: Any) -> list[Record]:
    given = {"zone": "UTC", "mapping": SESSIONS if said is None else said, **options}
    return list(read([path], Options(**given), Tally()))


def holds(path: Path, said: dict[str, Any] | None = None, **options: Any) -> list[Hold]:
    return [record for record in records(path, said, **options) if isinstance(record, Hold)]


def reasons(path: Path, said: dict[str, Any] | None = None, **options: Any) -> list[str]:
    return [record.reason for record in records(path, said, **options) if isinstance(record, SetAside)]


# --- The worked examples of the documentation ---------------------------------------------------------------


def example(heading: str) -> tuple[dict[str, Any], bytes]:
    section = DOCS.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    (toml,) = re.findall(r"```toml\n(.*?)```", section, re.DOTALL)
    (table,) = re.findall(r"```csv\n(.*?)```", section, re.DOTALL)
    return tomllib.loads(toml), table.encode()


def from_docs(folder: Path, heading: str) -> list[Record]:
    said, table = example(heading)
    path = folder / "example.csv"
    path.write_bytes(table)
    return records(path, said)


def test_the_documented_mapping_of_sessions_gives_them(tmp_path: Path) -> None:
    ada, bob = from_docs(tmp_path, "Sessions")
    assert isinstance(ada, Hold)
    assert isinstance(bob, Hold)
    assert ada == Hold(
        key=ada.key,
        application="DRAW",
        account=r"EXAMPLE\ada",
        host="DESK-17",
        started_ms=NINE - HOUR,
        ended_ms=NINE - HOUR + 5_430_000,
        known_until_ms=NINE - HOUR + 5_430_000,
        steps=(Step(NINE - HOUR, "held", 1),),
        project="0042",
    )
    assert bob.steps == (Step(NINE - HOUR + 900_000, "held", 2),)
    assert bob.project is None


def test_the_documented_mapping_of_capacity_gives_readings(tmp_path: Path) -> None:
    server = "licenses.example.com"
    assert from_docs(tmp_path, "Capacity") == [
        Reading(server, NINE - HOUR, "DRAW", issued=20, in_use=11),
        Reading(server, NINE - HOUR + 900_000, "DRAW", issued=20, in_use=14),
    ]


def test_the_documented_mapping_of_denials_gives_them(tmp_path: Path) -> None:
    assert from_docs(tmp_path, "Denials") == [
        Denial("", NINE, "denied", "DRAW", "ada", reason="Licensed number of users already reached"),
        Denial("", NINE + 60_000, "queued", "DRAW", "bob"),
    ]


def test_the_documented_mapping_of_installations_gives_them(tmp_path: Path) -> None:
    assert from_docs(tmp_path, "Installations") == [
        Installation("DESK-17", "Draw Professional 2026", "26.1", "2026-03-02"),
        Installation("DESK-18", "Draw Professional 2026", "26.0", "2026-03-01"),
    ]


DAY = 24 * HOUR
BORROWED = mapping(columns={"borrowed_until": "Until"})


def test_a_borrowed_license_counts_until_it_is_returned_or_its_borrowing_ends(tmp_path: Path) -> None:
    day, until = "2026-03-02T09:00:00", "2026-03-02T11:00:00"
    ends = ["2026-03-02T10:00:00", "", "2026-03-02T12:00:00"]
    rows = "".join(f"draw,ada{number},desk1,{day},{end},{until}\n" for number, end in enumerate(ends))
    text = f"App,User,Host,Start,End,Until\n{rows}"
    returned = [hold.ended_ms for hold in holds(csv(tmp_path, text), BORROWED)]
    assert returned == [NINE + HOUR, NINE + 2 * HOUR, NINE + 2 * HOUR]
    wrong = f"App,User,Host,Start,End,Until\ndraw,bob,desk1,{day},,2026-03-01T09:00:00\n{rows}"
    assert reasons(csv(tmp_path, wrong), BORROWED) == ["borrowed_until before start"]


VENDOR: dict[str, Any] = {
    "records": "vendor_counts",
    "columns": {"product": "P", "count": "N", "unit": "U", "day": "D"},
    "format": {"dates": "iso"},
}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("draw,1,seats,2026-03-02", "unit is none of licenses, devices, user_days, tokens"),
        ("draw,,tokens,2026-03-02", "no count"),
        (",1,tokens,2026-03-02", "no product"),
        ("draw,1,tokens,", "no day"),
    ],
)
def test_a_count_that_says_too_little_is_set_aside(tmp_path: Path, row: str, reason: str) -> None:
    path = csv(tmp_path, f"P,N,U,D\n{row}\ndraw,1,tokens,2026-03-02\n")
    assert reasons(path, VENDOR) == [reason]


def test_a_mapping_of_counts_says_a_day_or_an_interval(tmp_path: Path) -> None:
    both = {**VENDOR, "columns": {**VENDOR["columns"], "start": "S"}}
    with pytest.raises(Problem, match="needs either 'day', or 'start' with 'end' or 'duration'"):
        records(csv(tmp_path, "P,N,U,D\n"), both)


def test_the_day_of_a_count_is_that_of_its_zone(tmp_path: Path) -> None:
    (count,) = records(
        csv(tmp_path, "P,N,U,D\ndraw,1,tokens,2026-03-29\n"), {**VENDOR, "zone": "Europe/Berlin"}
    )
    assert isinstance(count, VendorCount)
    assert count.end_ms - count.start_ms == 23 * HOUR, "the clocks go forward"


def test_the_documented_mapping_of_vendor_s_counts_gives_them(tmp_path: Path) -> None:
    midnight = NINE - 9 * HOUR
    assert from_docs(tmp_path, "Vendor's counts") == [
        VendorCount("draw-suite", midnight, midnight + DAY, "tokens", 35, "account 4711"),
        VendorCount("draw-suite", midnight + DAY, midnight + 2 * DAY, "tokens", 42, "account 4711"),
    ]


def test_the_documentation_names_every_field_and_key() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for fields in FIELDS.values():
        for name in (*fields.needed, *fields.others):
            assert re.search(rf"\b{name}\b", text), name
    for key in ("dates", "unit", "decimal", "delimiter", "encoding", "sheet", "header_row"):
        assert f"`[format] {key}`" in text


# --- Files --------------------------------------------------------------------------------------------------


def workbook(folder: Path, rows: list[list[Any]], sheet: str = "Usage") -> Path:
    book = Workbook()
    notes = book.active
    assert notes is not None
    notes.title = "Notes"
    page = book.create_sheet(sheet)
    for row in rows:
        page.append(row)
    path = folder / "usage.xlsx"
    book.save(path)
    return path


def test_date_cells_of_a_workbook_need_no_format(tmp_path: Path) -> None:
    rows = [
        ["App", "User", "Host", "Start", "End"],
        ["draw", "ada", "desk1", datetime(2026, 3, 2, 10), datetime(2026, 3, 2, 11, 30)],
        [None, None, None, None, None],
        ["draw", 4711, "desk2", datetime(2026, 3, 2, 10), None],
    ]
    said = mapping(zone="Europe/Berlin", format={"sheet": "Usage"})
    del said["format"]["dates"]
    ada, number = holds(workbook(tmp_path, rows), said)
    assert (ada.started_ms, ada.ended_ms) == (NINE, NINE + 5_400_000)
    assert (number.account, number.ended_ms, number.known_until_ms, number.steps) == ("4711", None, NINE, ())


def test_durations_of_a_workbook_need_no_unit(tmp_path: Path) -> None:
    rows = [
        ["App", "User", "Host", "Start", "Time"],
        ["draw", "ada", "desk1", datetime(2026, 3, 2, 9), timedelta(hours=26)],
    ]
    said = {**SESSIONS, "columns": {**SESSIONS["columns"], "duration": "Time"}, "format": {"sheet": "Usage"}}
    del said["columns"]["end"]
    (ada,) = holds(workbook(tmp_path, rows), said)
    assert ada.ended_ms == NINE + 26 * HOUR


def test_a_formula_with_an_error_is_set_aside(tmp_path: Path) -> None:
    rows = [
        ["App", "User", "Host", "Start", "End"],
        ["draw", "ada", "desk1", datetime(2026, 3, 2, 9), datetime(2026, 3, 2, 10)],
        ["#N/A", "ada", "desk1", datetime(2026, 3, 2, 9), datetime(2026, 3, 2, 10)],
    ]
    assert reasons(workbook(tmp_path, rows), mapping(format={"sheet": "Usage"})) == [
        "a formula with an error"
    ]


def test_parquet_keeps_its_own_times(tmp_path: Path) -> None:
    berlin = datetime(2026, 3, 2, 10, tzinfo=timezone(timedelta(hours=1)))
    frame = pl.DataFrame(
        {
            "App": ["draw"],
            "User": ["ada"],
            "Host": ["desk1"],
            "Start": [berlin],
            "End": [datetime(2026, 3, 2, 10)],
            "Title": ["secret"],
        },
        schema_overrides={"Start": pl.Datetime("ms", "UTC")},
    )
    frame.write_parquet(tmp_path / "usage.parquet")
    (ada,) = holds(tmp_path / "usage.parquet", mapping(format={"dates": "iso"}))
    assert (ada.started_ms, ada.ended_ms) == (NINE, NINE + HOUR)


def test_the_same_table_is_the_same_in_every_form(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["App", "User", "Host", "Start", "End", "Seats"],
        ["draw", "ada", "desk1", datetime(2026, 3, 2, 9, 0, 1), datetime(2026, 3, 2, 10), 2],
        ["draw", "bob", "desk2", datetime(2026, 3, 2, 9, 30), None, 1],
        ["calc", None, "desk2", datetime(2026, 3, 2, 9, 30), None, 1],
    ]
    said = mapping(columns={"units": "Seats"})
    text = "\n".join(",".join("" if cell is None else str(cell) for cell in row) for row in rows)
    frame = pl.DataFrame(rows[1:], schema=rows[0], orient="row")
    frame.write_parquet(tmp_path / "usage.parquet")
    found = records(csv(tmp_path, text), said)
    assert [type(record).__name__ for record in found] == ["Hold", "Hold", "SetAside"]
    assert records(tmp_path / "usage.parquet", said)[:2] == found[:2]
    book = workbook(tmp_path, rows)
    assert records(book, {**said, "format": {"sheet": "Usage"}})[:2] == found[:2]


def test_gzipped_tab_separated_and_cp1252_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "usage.tsv.gz"
    path.write_bytes(gzip.compress((HEAD + GOOD).replace(",", "\t").replace("ada", "Zoë").encode("cp1252")))
    (zoe,) = holds(path, mapping(format={"encoding": "cp1252"}))
    assert zoe.account == "Zoë"


def test_quoted_cells_may_hold_separators_and_line_ends(tmp_path: Path) -> None:
    row = '"Draw,\nthe program",ada,desk1,2026-03-02T09:00:00,2026-03-02T10:00:00\n'
    bad = "draw,,desk1,2026-03-02T09:00:00,2026-03-02T10:00:00\n"
    found = records(csv(tmp_path, HEAD + row + bad))
    assert isinstance(found[0], Hold)
    assert found[0].application == "Draw,\nthe program"
    assert isinstance(found[1], SetAside)
    assert found[1].place == "usage.csv, row 4"


def test_a_header_may_stand_further_down(tmp_path: Path) -> None:
    path = csv(tmp_path, "Usage report,\nMarch,\n" + HEAD + GOOD)
    assert len(holds(path, mapping(format={"header_row": 3}))) == 1


# --- Times, zones, numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dates", "written", "zone", "instant"),
    [
        ("iso", "2026-03-02T09:00:00Z", "Europe/Berlin", NINE),
        ("iso", "2026-03-02 10:00", "Europe/Berlin", NINE),
        ("%d/%m/%Y %H:%M", "02/03/2026 09:00", "UTC", NINE),
        ("%m/%d/%Y %I:%M %p", "03/02/2026 09:00 AM", "UTC", NINE),
        ("%Y%m%d %H%M%S %z", "20260302 040000 -0500", "Asia/Tokyo", NINE),
        ("unix", "1772442000.5", "Asia/Tokyo", NINE + 500),
        ("unix_ms", "1772442000001", "Asia/Tokyo", NINE + 1),
    ],
)
def test_times_are_read_as_declared(
    tmp_path: Path, dates: str, written: str, zone: str, instant: int
) -> None:
    path = csv(tmp_path, HEAD + f"draw,ada,desk1,{written},\n")
    (ada,) = holds(path, mapping(format={"dates": dates}), zone=zone)
    assert ada.started_ms == instant


def test_the_zone_of_the_mapping_outranks_the_command_and_a_zone_column_both(tmp_path: Path) -> None:
    text = "App,User,Host,Start,End,Zone\n" + GOOD.replace("\n", ",\n") + GOOD.replace("\n", ",Asia/Tokyo\n")
    said = mapping(zone="Europe/Berlin", columns={"zone": "Zone"})
    berlin, tokyo = holds(csv(tmp_path, text), said, zone="America/New_York")
    assert berlin.started_ms == NINE - HOUR
    assert tokyo.started_ms == NINE - 9 * HOUR


def test_local_times_that_the_clock_showed_twice_or_never_are_set_aside(tmp_path: Path) -> None:
    rows = [
        "draw,ada,desk1,2026-10-25T02:30:00,2026-10-25T04:00:00\n",
        "draw,ada,desk1,2026-03-29T01:00:00,2026-03-29T02:30:00\n",
        "draw,ada,desk1,2026-10-25T02:30:00+01:00,2026-10-25T04:00:00\n",
    ]
    path = csv(tmp_path, HEAD + "".join(rows))
    assert reasons(path, zone="Europe/Berlin") == [
        "start: the clock showed this local time twice",
        "end: the clock never showed this local time",
    ]
    assert len(holds(path, zone="Europe/Berlin")) == 1


@pytest.mark.parametrize(
    ("unit", "written", "milliseconds"),
    [
        ("ms", "1500", 1_500),
        ("s", "1.5", 1_500),
        ("min", "90", 5_400_000),
        ("h", "0.25", 900_000),
        ("h:m:s", "25:00:01", 90_001_000),
        ("s", "0", 0),
    ],
)
def test_durations_have_a_unit(tmp_path: Path, unit: str, written: str, milliseconds: int) -> None:
    path = csv(tmp_path, f"App,User,Host,Start,Took\ndraw,ada,desk1,2026-03-02T09:00:00,{written}\n")
    said = {**mapping(format={"unit": unit}), "columns": {**SESSIONS["columns"], "duration": "Took"}}
    del said["columns"]["end"]
    (ada,) = holds(path, said)
    assert ada.ended_ms == NINE + milliseconds
    assert bool(ada.steps) == (milliseconds > 0)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",ada,desk1,2026-03-02T09:00,2026-03-02T10:00,1", "no application"),
        ("draw,,desk1,2026-03-02T09:00,2026-03-02T10:00,1", "no user"),
        ("draw,ada,,2026-03-02T09:00,2026-03-02T10:00,1", "no host"),
        ("draw,ada,desk1,,2026-03-02T10:00,1", "no start"),
        ("draw,ada,desk1,2.3.2026,2026-03-02T10:00,1", "start is not written as declared"),
        ("draw,ada,desk1,2026-03-02T09:00,2026-03-02T08:59,1", "end before start"),
        ("draw,ada,desk1,2026-03-02T09:00,2026-03-02T10:00,-1", "negative units"),
        ("draw,ada,desk1,2026-03-02T09:00,2026-03-02T10:00,1.5", "units is not a whole number"),
        ("draw,ada,desk1,2026-03-02T09:00,2026-03-02T10:00,many", "units is not a number"),
        ("draw,ada,desk1,2026-03-02T09:00,2026-03-02T10:00,1e999999999", "units is too large"),
        ("draw,ada,desk1,0026-03-02T09:00,2026-03-02T10:00,1", "start is not a time between 1970 and 2100"),
        ('draw,"ada"x,desk1,2026-03-02T09:00,2026-03-02T10:00,1', "quotes that do not close"),
    ],
)
def test_a_row_that_cannot_be_used_is_set_aside_with_its_reason(
    tmp_path: Path, row: str, reason: str
) -> None:
    text = HEAD.replace("\n", ",Seats\n") + row + "\n" + GOOD.replace("\n", ",3\n")
    path = csv(tmp_path, text)
    said = mapping(columns={"units": "Seats"})
    assert reasons(path, said) == [reason]
    assert [hold.steps for hold in holds(path, said)] == [(Step(NINE, "held", 3),)]


def test_what_is_kept_of_a_row_are_its_mapped_cells_alone(tmp_path: Path) -> None:
    text = "App,User,Host,Start,End,Title\n" + "draw,,desk1,2026-03-02T09:00,2026-03-02T10:00,secret\n"
    (aside,) = [
        r for r in records(csv(tmp_path, text + GOOD.replace("\n", ",\n"))) if isinstance(r, SetAside)
    ]
    assert aside.record == (
        "application=draw | user= | host=desk1 | start=2026-03-02T09:00 | end=2026-03-02T10:00"
    )


def test_times_that_do_not_fit_the_pattern_raise_a_doubt_about_all_others(tmp_path: Path) -> None:
    rows = "draw,ada,desk1,02/03/2026,\ndraw,ada,desk1,02/25/2026,\n"
    tally = Tally()
    said = mapping(format={"dates": "%d/%m/%Y"})
    list(read([csv(tmp_path, HEAD + rows)], Options(zone="UTC", mapping=said), tally))
    (doubt,) = tally.notes
    assert doubt == (
        "usage.csv: 1 times are not written %d/%m/%Y; if it has day and month swapped, the other times are "
        "wrong, too"
    )


def test_a_long_line_is_set_aside_in_bounded_memory(tmp_path: Path) -> None:
    path = csv(tmp_path, HEAD + GOOD + "x" * 10_000_000 + "\n" + GOOD)
    assert reasons(path) == ["quotes that do not close"]
    assert len(holds(path)) == 2


def test_a_constant_stands_for_a_column_and_the_command_for_the_application(tmp_path: Path) -> None:
    path = csv(tmp_path, "User,Start,End\nada,2026-03-02T09:00,2026-03-02T10:00\n")
    said = {
        "records": "sessions",
        "columns": {"user": "User", "host": {"value": "cloud"}, "start": "Start", "end": "End"},
        "format": {"dates": "iso"},
    }
    (ada,) = holds(path, {**said, "columns": {**said["columns"], "units": {"value": 4}}}, application="SUITE")
    assert (ada.application, ada.host, ada.steps[0].units) == ("SUITE", "cloud", 4)


# --- The same row again -------------------------------------------------------------------------------------


def test_a_longer_row_is_the_same_session_and_another_start_is_not(tmp_path: Path) -> None:
    rows = [
        "draw,ada,desk1,2026-03-02T09:00,\n",
        "draw,ADA,desk1,2026-03-02T09:00,2026-03-02T10:00\n",
        "draw,ada,desk1,2026-03-02T09:01,2026-03-02T10:00\n",
    ]
    opened, longer, other = holds(csv(tmp_path, HEAD + "".join(rows)))
    assert opened.key == longer.key != other.key


def test_a_mapped_id_is_the_session_of_its_application(tmp_path: Path) -> None:
    rows = [
        "draw,ada,desk1,2026-03-02T09:00,2026-03-02T10:00,7\n",
        "draw,ada,desk1,2026-03-02T09:00,2026-03-02T10:00,8\n",
        "draw,ada,desk1,2026-03-02T09:02,2026-03-02T10:00,7\n",
        "calc,ada,desk1,2026-03-02T09:00,2026-03-02T10:00,7\n",
    ]
    text = HEAD.replace("\n", ",Id\n") + "".join(rows)
    seven, eight, corrected, elsewhere = holds(csv(tmp_path, text), mapping(columns={"id": "Id"}))
    assert seven.key == corrected.key
    assert len({seven.key, eight.key, elsewhere.key}) == 3
    assert seven.subject == "7"


# --- What is refused as a whole -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            {},
            "A table needs a mapping that says what its rows are; write records = one of sessions, capacity",
        ),
        ({"records": "people"}, "A table needs a mapping"),
        (
            mapping(colums={}),
            "Unknown key 'colums' in the mapping; known keys: applications, columns, format",
        ),
        (mapping(columns={"titel": "T"}), r"Unknown key 'titel' in the mapping's \[columns\]"),
        (mapping(columns={"units": 3}), "The mapping's 'units' is neither a column nor a constant"),
        (mapping(columns={"duration": "End"}), "needs either 'end' or 'duration'"),
        (mapping(format={"date": "iso"}), r"Unknown key 'date' in the mapping's \[format\]"),
        (mapping(format={"decimal": ";"}), r"Unknown decimal ';' in \[format\]; write one of \., ,"),
        (mapping(format={"unit": "d"}), r"Unknown unit 'd' in \[format\]"),
        (mapping(format={"delimiter": "||"}), r"The delimiter in \[format\] is not one character"),
        (mapping(format={"encoding": "klingon"}), r"Unknown encoding 'klingon' in \[format\]"),
        (mapping(format={"header_row": 0}), r"The header_row in \[format\] is not a row"),
        (mapping(format={"header_row": "1"}), "The mapping's 'header_row' is not a whole number"),
        (mapping(zone="Mars/Base"), "Mars/Base"),
        (
            mapping(columns={"units": "Seats"}),
            "usage.csv has no column 'Seats', which the mapping names for",
        ),
        (
            {**mapping(), "format": {}},
            "usage.csv: the column 'Start' holds times as text, and the",
        ),
        (
            {"records": "capacity", "columns": {"issued": "App"}},
            "The mapping names no column for 'at'; add at = ",
        ),
    ],
)
def test_a_mapping_that_means_nothing_is_refused(tmp_path: Path, said: Any, message: str) -> None:
    with pytest.raises(Problem, match=message):
        records(csv(tmp_path, HEAD + GOOD), said)


def test_durations_without_a_unit_are_refused(tmp_path: Path) -> None:
    said = {**mapping(), "columns": {**SESSIONS["columns"], "duration": "End"}}
    del said["columns"]["end"]
    with pytest.raises(Problem, match=r"usage\.csv: the mapping does not say in which unit durations are"):
        records(csv(tmp_path, HEAD + "draw,ada,desk1,2026-03-02T09:00,90\n"), said)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("usage.csv", b"", "usage.csv is empty"),
        ("usage.csv", b"App,User\0", "usage.csv is a binary file"),
        ("usage.csv", HEAD.encode(), "usage.csv has no rows"),
        ("usage.csv", HEAD.encode() + b"draw,,,,\n", "No row of usage.csv can be used .1 times: no user."),
        ("usage.csv", (HEAD + GOOD.replace("ada", "Zoë")).encode("cp1252"), "UTF-8"),
        ("usage.csv", HEAD.replace(",", ";").encode(), "has no column 'App'.*its columns: App;User;Host"),
        ("usage.csv", b"App,App,User,Host,Start,End\n", "usage.csv has the column 'App' twice"),
        ("usage.csv.gz", gzip.compress(HEAD.encode() * 99, mtime=0)[:-9], "gzip file that is cut short"),
        ("usage.pdf", b"%PDF", "usage.pdf is no table; save it as .csv"),
        ("usage.xlsx", b"PK\x03\x04 broken", "usage.xlsx is not a workbook that can be read"),
        ("usage.parquet", b"PAR1 broken", "usage.parquet is not a Parquet file that can be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Problem, match=message):
        records(tmp_path / name)


@pytest.mark.parametrize("name", ["absent.csv", "absent.xlsx", "absent.parquet"])
def test_an_absent_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Problem, match=f"There is no file {name}"):
        records(tmp_path / name)


def test_an_absent_sheet_is_named_with_those_there(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["App"]])
    with pytest.raises(Problem, match=r"usage\.xlsx has no sheet 'Use'; its sheets: Notes, Usage"):
        records(path, mapping(format={"sheet": "Use"}))


def test_numbers_in_a_time_column_of_a_workbook_are_refused_until_declared(tmp_path: Path) -> None:
    path = workbook(
        tmp_path, [["App", "User", "Host", "Start", "End"], ["draw", "ada", "d", 1772442000, None]]
    )
    with pytest.raises(Problem, match="the column 'Start' holds times as numbers"):
        records(path, {**mapping(), "format": {"sheet": "Usage"}})
    (ada,) = holds(path, {**mapping(), "format": {"sheet": "Usage", "dates": "unix"}})
    assert ada.started_ms == NINE


def test_a_day_of_an_installation_may_be_a_date_or_a_local_time(tmp_path: Path) -> None:
    said = {"records": "installations", "columns": {"host": "H", "program": "P", "seen": "S"}}
    frame = pl.DataFrame({"H": ["d"], "P": ["Draw"], "S": [date(2026, 3, 2)]})
    frame.write_parquet(tmp_path / "a.parquet")
    late = frame.with_columns(S=pl.lit(datetime(2026, 3, 1, 23, 30)).dt.replace_time_zone("UTC"))
    late.write_parquet(tmp_path / "b.parquet")
    day = Installation("d", "Draw", "", "2026-03-02")
    assert records(tmp_path / "a.parquet", said) == [day]
    assert records(tmp_path / "b.parquet", said, zone="Europe/Berlin") == [day]


anything = st.one_of(
    st.text(max_size=12),
    st.decimals().map(str),
    st.datetimes().map(str),
    st.sampled_from(["1:2:3", "9" * 5000 + ":00:00", "\x00", '"', "2026-03-29T02:30", "1e400"]),
)


@given(
    st.lists(st.lists(anything, min_size=5, max_size=5), max_size=3),
    st.sampled_from(["iso", "unix", "%d.%m.%Y"]),
)
def test_whatever_a_table_holds_each_row_is_a_session_or_set_aside_or_the_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], dates: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "any.csv"
    path.write_text(HEAD + "".join(",".join(row) + "\n" for row in rows), encoding="utf-8", newline="")
    for said in (mapping(format={"dates": dates}), _lasting(dates)):
        tally = Tally()
        try:
            found = list(read([path], Options(zone="Europe/Berlin", mapping=said), tally))
        except Problem:
            continue
        assert len(found) == tally.read


def _lasting(dates: str) -> dict[str, Any]:
    columns = {"application": "App", "user": "User", "host": "Host", "start": "Start", "duration": "End"}
    return {"records": "sessions", "columns": columns, "format": {"dates": dates, "unit": "h:m:s"}}
