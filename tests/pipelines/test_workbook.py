from __future__ import annotations

import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import openpyxl
import pytest
import sqlalchemy as sa
from billing_cases import at, session
from billing_warehouse import billed_hours, hour, ms, on, organize, price, use, waive_all
from sqlalchemy import Engine

from pipelines import billing
from pipelines.workbook import write_workbook
from warehouse import store
from warehouse.errors import Problem

SEPTEMBER, OCTOBER = ms("2026-10-02 12:00"), ms("2026-11-02 12:00")
SHEETS = [
    "Run", "Summary", "Charges", "Sessions", "Non-chargeable", "Held", "Exceptions", "Adjustments",
    "Rates used", "Reconciliation", "Import", "Definitions", "Audit log",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _same_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give both databases the same pseudonyms."""
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "pseudonym.key").write_bytes(b"k" * 32)
    monkeypatch.setenv("PROCESS_METER_KEYS", str(keys))


def closed_runs(engine: Engine) -> tuple[str, str]:
    """Close September and October: two currencies, a held line, a free code, late usage, exceptions."""
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-10-07", "2026-10-08"])
    price(engine, 2, 1_000_000, currency="USD")
    use(engine, hour(11, "2026-10-07", person=2, minutes=20), hour(12, "2026-10-08", person=3))
    use(engine, hour(13, "2026-10-09", person=2), hour(14, "2026-10-12", person=2))
    for number, project in ((11, "US"), (12, "B"), (13, "LEAVE")):
        on(engine, number, project, at_="2026-10-07 09:00", phase="01" if project == "B" else None)
    first = _close(engine, "2026-09", SEPTEMBER)
    late = session(21, ("2026-09-07 12:00", "2026-09-07 12:30", "input"))
    use(engine, late, received="2026-10-20 08:00")
    on(engine, 21, "A", at_="2026-09-07 12:00", created="2026-10-20 08:00")
    return first, _close(engine, "2026-10", OCTOBER, hold=1)


def _close(engine: Engine, period: str, now: int, hold: int | None = None) -> str:
    run = billing.draft(engine, period, "generic", "pat", now)
    if hold:
        billing.review(engine, run, hold, "hold", "pm", "ask the client", now)
    waive_all(engine, run, now)
    billing.approve(engine, run, "ann", now)
    billing.close(engine, run, "ann", now)
    return run


def write(engine: Engine, run: str, folder: Path, name: str = "run.xlsx", now: int = OCTOBER) -> Path:
    path = folder / name
    write_workbook(engine, run, path, actor="ann", now_ms=now)
    return path


def rows(path: Path, sheet: str) -> list[dict[str, Any]]:
    found = list(openpyxl.load_workbook(path)[sheet].iter_rows(min_row=4, values_only=True))
    return [dict(zip(found[0], row, strict=True)) for row in found[1:] if row[0] is not None]


def test_the_workbook_has_its_sheets_with_tables_filters_frozen_panes_and_print_set_up(
    engine: Engine, tmp_path: Path
) -> None:
    _, run = closed_runs(engine)
    book = openpyxl.load_workbook(write(engine, run, tmp_path))
    assert book.sheetnames == SHEETS
    for name in ("Summary", "Charges", "Sessions", "Non-chargeable", "Held", "Exceptions", "Adjustments"):
        sheet = book[name]
        assert len(sheet.tables) == 1, name
        assert next(iter(sheet.tables.values())).autoFilter is not None
        assert sheet.freeze_panes == "A5"
        assert sheet.print_title_rows == "$4:$4"
        assert sheet.page_setup.orientation == "landscape"
        assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (1, 0)
    assert len(book["Summary"]._charts) == 1


def test_charges_show_what_is_billed_with_names_and_numbers(engine: Engine, tmp_path: Path) -> None:
    _, run = closed_runs(engine)
    charges = rows(write(engine, run, tmp_path), "Charges")
    # Line 1, the hour of the 7th, is held.
    assert [row["Line"] for row in charges] == [2, 3, 5, 6, 7]
    assert charges[0] == {
        "Line": 2, "Date": at("2026-10-08 00:00").replace(tzinfo=None), "Employee number": "0007",
        "Person": "Ada Example", "Application": "The cad", "Unit": "h", "Client": "Port Authority",
        "Project number": "A", "Project name": "Project A", "Phase": None, "Task": None, "Office": "BER",
        "Active h": 1, "Pause h": 0, "Buffer h": 0, "Raw h": 1, "Quantity": 1, "Rate": 90,
        "Rate version": "1", "Currency": "EUR",
        "Amount": 90, "Tax code": "V19", "Billable": "yes", "Sessions": 1, "Note": None,
    }  # fmt: skip
    assert [(row["Quantity"], row["Amount"], row["Currency"]) for row in charges[1:]] == [
        (1, 90, "EUR"),
        (0.333, 33.3, "USD"),
        (-1, -90, "EUR"),
        (1.5, 135, "EUR"),
    ]


def test_the_other_sheets_tell_the_rest(engine: Engine, tmp_path: Path) -> None:
    _, run = closed_runs(engine)
    path = write(engine, run, tmp_path)
    summary = [
        (row["Project"], row["Amount"], row["Adjustments"], row["Total"]) for row in rows(path, "Summary")
    ]
    assert summary == [
        ("A", 90, 45, 135),
        ("B", 90, 0, 90),
        ("US", 33.3, 0, 33.3),
        (None, 180, 45, 225),
        (None, 33.3, 0, 33.3),
    ]
    assert [(row["Line"], row["Amount"], row["State"], row["Reason"]) for row in rows(path, "Held")] == [
        (1, 90, "held", "ask the client")
    ]
    assert [(row["Project number"], row["Raw h"]) for row in rows(path, "Non-chargeable")] == [("LEAVE", 1)]
    assert [(row["What"], row["Hours"]) for row in rows(path, "Exceptions")] == [
        ("no project", 1),
        ("late or corrected", 0.5),
        ("late or corrected", 0),
    ]
    assert [
        (row["What"], row["Original run"], row["Original line"], row["Reversed amount"], row["Booked amount"])
        for row in rows(path, "Adjustments")
    ] == [("reversal", "2026-09/1", 1, -90, None), ("replacement", "2026-09/1", 1, None, 135)]
    late = [row["Arrived"] for row in rows(path, "Sessions") if row["Line"] == 7]
    assert late == ["late", "late"]
    assert [
        (row["Rate version"], row["Rate per hour"], row["Lines"]) for row in rows(path, "Rates used")
    ] == [
        ("1", 90, 5),
        ("2", 100, 1),
    ]


def totals(path: Path, sheet: str) -> list[dict[str, Any]]:
    """What stands in the rows below a table."""
    found = list(openpyxl.load_workbook(path)[sheet].iter_rows(min_row=4, values_only=True))
    named = [dict(zip(found[0], row, strict=True)) for row in found[1:] if row[0] is None]
    return [{title: value for title, value in row.items() if value is not None} for row in named]


def test_what_is_held_adjusted_and_not_chargeable_is_summed_below_its_lines(
    engine: Engine, tmp_path: Path
) -> None:
    _, run = closed_runs(engine)
    path = write(engine, run, tmp_path)

    assert totals(path, "Held") == [{"Person": "Total", "Currency": "EUR", "Amount": 90}]
    assert totals(path, "Adjustments") == [
        {"What": "Total", "Currency": "EUR", "Reversed amount": -90, "Booked amount": 135, "State": "billed"}
    ]
    assert totals(path, "Non-chargeable") == [
        {"Person": "Total", "Active h": 1, "Pause h": 0, "Buffer h": 0, "Raw h": 1, "Quantity": 1}
    ]


def test_idle_time_of_a_person_is_nowhere_in_it(engine: Engine, tmp_path: Path) -> None:
    _, run = closed_runs(engine)
    book = openpyxl.load_workbook(write(engine, run, tmp_path))
    for name in ("Charges", "Sessions", "Held", "Non-chargeable", "Adjustments"):
        assert not [cell.value for cell in book[name][4] if "idle" in str(cell.value).lower()]


def test_a_closed_run_gives_the_same_bytes_a_year_later_and_on_both_databases(
    engine: Engine, postgres_engine: Engine, tmp_path: Path
) -> None:
    digests = set()
    for number, each in enumerate((engine, postgres_engine)):
        first, run = closed_runs(each)
        for again in range(2):
            for one in (first, run):
                path = write(each, one, tmp_path, f"{number}-{again}.xlsx", OCTOBER + again * 31_536_000_000)
                digests.add((one, sha256(path.read_bytes()).hexdigest()))
        # What happens afterwards does not change it: a name, a new end of a session, another period's draft.
        with store.writing(each) as connection:
            connection.execute(sa.text("UPDATE project SET name = 'Renamed' WHERE id = 1"))
            connection.execute(sa.text("UPDATE session SET ended_ms = ended_ms + 1000"))
    assert len(digests) == 2
    again = write(engine, run, tmp_path, "later.xlsx")
    assert (run, sha256(again.read_bytes()).hexdigest()) in digests


def test_the_file_says_nothing_of_clock_or_machine(engine: Engine, tmp_path: Path) -> None:
    _, run = closed_runs(engine)
    with ZipFile(write(engine, run, tmp_path)) as parts:
        assert parts.namelist() == sorted(parts.namelist())
        assert {part.date_time for part in parts.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        core = parts.read("docProps/core.xml").decode()
    assert core.count("2026-11-02T12:00:00Z") == 2
    assert "openpyxl" not in core


def test_text_never_becomes_a_formula(engine: Engine, tmp_path: Path) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    wicked = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "#N/A", "2026-01-01", "أب", "🙂", "true"]
    with store.writing(engine) as connection:
        for number, name in enumerate(wicked, 100):
            connection.execute(
                sa.text(
                    "INSERT INTO project (id, number, name, client_id, currency) "
                    "VALUES (:id, :no, :name, 1, 'EUR')"
                ),
                {"id": number, "no": f"P{number}", "name": name},
            )
    for number in range(100, 100 + len(wicked)):
        use(engine, hour(number, "2026-09-08", person=2))
        on(engine, number, f"P{number}", at_="2026-09-08 09:00", entry=number)
    with store.writing(engine) as connection:  # one person at a time in one program
        connection.execute(
            sa.text("UPDATE session SET account_id = 3, started_ms = started_ms WHERE id > 104")
        )
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    book = openpyxl.load_workbook(write(engine, run, tmp_path))
    cells = [row[8] for row in book["Charges"].iter_rows(min_row=5) if row[0].value is not None]
    assert {cell.data_type for cell in cells} == {"s"}
    quoted = {cell.value for cell in cells if cell.quotePrefix}
    assert quoted <= {"=1+1", "+1", "-1", "@SUM(A1)", "\tx"}
    formulas = [
        (sheet.title, cell.coordinate)
        for sheet in book
        for row in sheet.iter_rows()
        for cell in row
        if cell.data_type == "f" and sheet.title != "Reconciliation"
    ]
    assert formulas == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a\x00b", "the text holds a control character"),
        ("a\x0bb", "the text holds a control character"),
        ("x" * 40_000, "the text is longer than 32,767 characters"),
    ],
)
def test_what_no_workbook_can_hold_is_refused_and_nothing_is_written(
    engine: Engine, tmp_path: Path, name: str, says: str
) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    with store.writing(engine) as connection:
        connection.execute(sa.text("UPDATE project SET name = :name WHERE id = 1"), {"name": name})
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    with pytest.raises(Problem, match=f"sheet Summary, row 5, column Project name: {says}"):
        write(engine, run, tmp_path)
    assert [path.name for path in tmp_path.glob("*.xlsx*")] == []


def test_a_place_that_cannot_be_written_is_named(engine: Engine, tmp_path: Path) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    with pytest.raises(Problem, match=r"absent/run\.xlsx cannot be written: No such file or directory"):
        write(engine, run, tmp_path, "absent/run.xlsx")
    with pytest.raises(Problem, match="is a folder; name a file"):
        write(engine, run, tmp_path, ".")


def test_every_view_of_a_name_is_on_record(engine: Engine, tmp_path: Path) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    write(engine, run, tmp_path)
    with engine.connect() as connection:
        events = connection.execute(
            sa.text("SELECT actor, action, subject FROM audit_event ORDER BY id")
        ).all()
    assert [tuple(event) for event in events][-2:] == [
        ("ann", "name shown", events[-2].subject),
        ("ann", "billing workbook", "2026-09/1"),
    ]
    assert events[-2].subject.startswith("P-")
    assert billing.verify(engine) == []


def test_a_run_without_anything_on_a_sheet_says_so(engine: Engine, tmp_path: Path) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    book = openpyxl.load_workbook(write(engine, run, tmp_path))
    assert book["Adjustments"]["A5"].value == "None in this run."
    assert len(book["Adjustments"].tables) == 0


@pytest.mark.office
def test_libreoffice_recalculates_the_control_cells_to_zero_and_makes_a_pdf(
    engine: Engine, tmp_path: Path
) -> None:
    _, run = closed_runs(engine)
    path = write(engine, run, tmp_path)
    office = ["soffice", f"-env:UserInstallation=file://{tmp_path}/office", "--headless", "--convert-to"]
    for kind in ("xlsx:Calc MS Excel 2007 XML", "pdf"):
        subprocess.run(
            [*office, kind, "--outdir", str(tmp_path / "out"), str(path)],
            check=True,
            capture_output=True,
            timeout=240,
        )
    sheet = openpyxl.load_workbook(tmp_path / "out" / "run.xlsx", data_only=True)["Reconciliation"]
    values = {str(row[0].value): [cell.value for cell in row[2:5]] for row in sheet.iter_rows()}
    assert values["Sum of all differences"][2] == 0
    assert values["Amounts of the charges"][:2] == [33.3, 33.3]
    assert values["Billed time, by formula"][0] == values["Billed time, by the lines (held ones included)"][0]
    assert values["Active time of all lines"][0] == values["Active time of all lines"][1] > 0
    text = subprocess.run(
        ["pdftotext", "-layout", str(tmp_path / "out" / "run.pdf"), "-"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "Billing run 2026-10/1" in text
    assert "225.00 EUR + 33.30 USD" in text
    for error in ("#REF!", "#NAME?", "#VALUE!", "Err:"):
        assert error not in text


def test_the_workbook_of_a_void_run_has_nobodys_name_for_nothing_was_billed(
    engine: Engine, tmp_path: Path
) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    write_workbook(engine, run, tmp_path / "draft.xlsx", "pm", SEPTEMBER)
    billing.void(engine, run, "ann", "wrong rates", SEPTEMBER)
    write_workbook(engine, run, tmp_path / "void.xlsx", "pm", SEPTEMBER)
    sheets = {name: str(_cells(tmp_path / f"{name}.xlsx")) for name in ("draft", "void")}
    assert [name in text for text in sheets.values() for name in ("Ada", "P-")] == [True, False, False, True]
    views = "SELECT count(*) AS views FROM audit_event WHERE action = 'name shown'"
    assert store.read(engine, views).item() == 1


def _cells(path: Path) -> list[Any]:
    book = openpyxl.load_workbook(path, read_only=True)
    return [cell for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row if cell]
