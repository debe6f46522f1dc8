"""What payers are told: their own, and nothing of anybody else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import openpyxl
import polars as pl
import pytest
import sqlalchemy as sa
from billing_cases import session
from billing_warehouse import billed_hours, hour, ms, on, organize, price, use, waive_all
from sqlalchemy import Engine
from typer.testing import CliRunner

from apps.commands.billing import app
from pipelines import billing
from pipelines.statement_files import file_names, write_all, write_statement
from pipelines.statement_page import page
from pipelines.statements import Payer, Statement, read_statements
from warehouse import store
from warehouse.errors import Problem

SEPTEMBER, OCTOBER = ms("2026-10-02 12:00"), ms("2026-11-02 12:00")
PORT, CITY, CENTER = Payer("client", "PORT", "Port Authority"), "CITY", "4711"
WHY = "use that became known later; the project was corrected"


def _payers(engine: Engine) -> None:
    """Give B to the client CITY, US to the cost center 4711, and the program fem a daily cap."""
    with store.writing(engine) as connection:
        for text in (
            "INSERT INTO client (id, code, name) VALUES (2, 'CITY', '=City <b>&</b> \"أب\"')",
            "INSERT INTO cost_center (id, code, name) VALUES (1, '4711', 'Research')",
            "UPDATE project SET client_id = 2, name = 'Secret tunnel' WHERE number = 'B'",
            "UPDATE project SET client_id = NULL, cost_center_id = 1 WHERE number = 'US'",
        ):
            connection.execute(sa.text(text))


def two_months(engine: Engine) -> tuple[str, str]:
    """September: an hour of A. October: two more for PORT, B of CITY, US of 4711; late and corrected use."""
    organize(engine)
    _payers(engine)
    billed_hours(engine, ["2026-09-07", "2026-10-07", "2026-10-08"])
    price(engine, 2, 1_000_000, currency="USD")
    price(engine, 3, 2_000_000, application_id=2, daily_cap_minor=15_000)
    use(engine, hour(11, "2026-10-07", person=2, minutes=20), hour(12, "2026-10-08", person=3))
    use(engine, hour(14, "2026-10-12", person=2, application="fem"))
    on(engine, 11, "US", at_="2026-10-07 09:00")
    on(engine, 12, "B", at_="2026-10-08 09:00", phase="01", task="X")
    on(engine, 14, "A", at_="2026-10-12 09:00")
    first = _close(engine, "2026-09", SEPTEMBER)
    late = session(21, ("2026-09-07 12:00", "2026-09-07 12:30", "input"))
    use(engine, late, received="2026-10-20 08:00")
    on(engine, 21, "A", at_="2026-09-07 12:00", created="2026-10-20 08:00")
    return first, _close(engine, "2026-10", OCTOBER)


def _close(engine: Engine, period: str, now: int) -> str:
    run = billing.draft(engine, period, "generic", "pat", now)
    waive_all(engine, run, now)
    billing.approve(engine, run, "ann", now)
    billing.close(engine, run, "ann", now)
    return run


@pytest.fixture(scope="module")
def closed(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, str]]:
    path = tmp_path_factory.mktemp("statements") / "warehouse.sqlite"
    shutil.copyfile(empty_warehouse, path)
    engine = store.open_warehouse(f"sqlite:///{path}")
    yield engine, two_months(engine)[1]
    engine.dispose()


def read(closed: tuple[Engine, str], **which: str) -> Statement:
    (found,), _ = read_statements(*closed, "ann", OCTOBER, **which)
    return found


def words(path: Path) -> str:
    """Return all that a workbook's file says, its parts unpacked."""
    with ZipFile(path) as parts:
        return "\n".join(parts.read(name).decode() for name in parts.namelist())


def rows(path: Path, sheet: str) -> list[tuple[Any, ...]]:
    found = openpyxl.load_workbook(path)[sheet].iter_rows(min_row=5, values_only=True)
    return [row for row in found if row[0] is not None]


def totals(path: Path, sheet: str) -> list[tuple[Any, ...]]:
    """What stands below the table of a sheet."""
    found = openpyxl.load_workbook(path)[sheet].iter_rows(min_row=5, values_only=True)
    return [tuple(value for value in row if value is not None) for row in found if row[0] is None]


# --- What it says ------------------------------------------------------------------------------------------


def test_a_statement_adds_up_what_one_client_owes(closed: tuple[Engine, str], tmp_path: Path) -> None:
    statement, path = read(closed, client="PORT"), tmp_path / "port.xlsx"
    assert (statement.payer, statement.organization) == (PORT, "Trial")
    assert statement.totals.rows() == [("EUR", "V19", 3_500, 33_000, 4_500, 37_500)]
    write_statement(statement, path)
    assert rows(path, "Charges") == [
        ("A", "Project A", None, None, "The cad", "use", "h", 2, 90, "EUR", 180, "V19"),
        ("A", "Project A", None, None, "The fem", "use", "h", 1, 200, "EUR", 200, "V19"),
        ("A", "Project A", None, None, "The fem", "cap", "each", -1, None, "EUR", -50, "V19"),
    ]
    assert [(row[0], row[6], row[8], row[11], row[13]) for row in rows(path, "Adjustments")] == [
        ("2026-09", "booked again", 1.5, 135, WHY),
        ("2026-09", "taken back", -1, -90, WHY),
    ]
    assert [totals(path, sheet) for sheet in ("Charges", "Adjustments", "Lines")] == [
        [("Total", "EUR", 330)], [("Total", "EUR", 45)], [("Total", "EUR", 375)],
    ]  # fmt: skip


def test_every_line_of_it_can_be_multiplied_again(closed: tuple[Engine, str], tmp_path: Path) -> None:
    path = tmp_path / "port.xlsx"
    write_statement(read(closed, client="PORT"), path)
    lines = rows(path, "Lines")
    assert [row[9] * row[10] for row in lines] == [row[12] for row in lines]
    assert sum(row[12] for row in lines) == 375


def test_a_cost_center_pays_under_its_code_or_the_name_that_the_workbook_shows(
    closed: tuple[Engine, str],
) -> None:
    by_code, by_name = read(closed, payer="4711"), read(closed, payer="cost center 4711")
    assert by_code.totals.rows() == by_name.totals.rows() == [("USD", "V19", 333, 3_330, 0, 3_330)]


def test_what_it_is_is_said_of_bills_drafts_and_showback(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    notes = [read((engine, run), client="PORT").note]
    billing.approve(engine, run, "ann", SEPTEMBER)
    billing.close(engine, run, "ann", SEPTEMBER)
    notes.append(read((engine, run), client="PORT").note)
    use(engine, hour(5, "2026-10-07"))
    on(engine, 5, "A", at_="2026-10-07 09:00")
    shown = billing.draft(engine, "2026-10", "generic", "pat", OCTOBER, showback=True)
    notes.append(read((engine, shown), client="PORT").note)
    assert notes == [
        "Draft: it may still change, and is no bill",
        "Charges for the use of software; amounts net of tax",
        "For information, not billed",
    ]


def test_who_is_billed_nothing_is_told_who_is(closed: tuple[Engine, str]) -> None:
    with pytest.raises(Problem, match=r"run 2026-10/1 bills nothing to 'NOBODY'; it bills: CITY, PORT, 4711"):
        read(closed, client="NOBODY")


def test_a_void_run_has_no_statements(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    billing.void(engine, run, "ann", "wrong rates", SEPTEMBER)
    with pytest.raises(Problem, match="is void: nobody owes anything for it"):
        read_statements(engine, run, "ann", SEPTEMBER)


def test_projects_that_nobody_pays_for_are_told(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    with store.writing(engine) as connection:
        connection.execute(sa.text("UPDATE project SET client_id = NULL"))
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    assert read_statements(engine, run, "ann", SEPTEMBER) == ([], ["A"])


def told_rows(statement: Statement) -> list[list[str]]:
    """Return the cells of the page's tables, row by row."""
    body = page(statement).split("<tbody>", 1)[1]
    return [
        re.findall(r"<td[^>]*>(.*?)</td>", row)
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", body)
        if "<td" in row
    ]


def test_a_page_tells_no_quantity_of_fixed_amounts_and_a_total_once(closed: tuple[Engine, str]) -> None:
    assert told_rows(read(closed, client="PORT")) == [
        ["Total EUR", "V19", "3.500 h", "330.00 EUR", "45.00 EUR", "375.00 EUR"],
        ["A", "Project A", "3.500 h", "330.00 EUR", "45.00 EUR", "375.00 EUR"],
        ["A", "", "The cad", "use", "2.000 h", "90.00 EUR/h", "180.00 EUR", "V19"],
        ["A", "", "The fem", "use", "1.000 h", "200.00 EUR/h", "200.00 EUR", "V19"],
        ["A", "", "The fem", "cap", "", "", "-50.00 EUR", "V19"],
        ["Sum of A", "", "", "330.00 EUR", ""],
        [
            "2026-09",
            "A",
            "",
            "The cad",
            f"booked again: {WHY}",
            "1.500 h",
            "90.00 EUR/h",
            "135.00 EUR",
            "V19",
        ],
        ["2026-09", "A", "", "The cad", f"taken back: {WHY}", "-1.000 h", "90.00 EUR/h", "-90.00 EUR", "V19"],
        ["Sum of A", "", "", "45.00 EUR", ""],
    ]


def test_a_currency_of_two_tax_codes_is_summed_below_them(closed: tuple[Engine, str]) -> None:
    one = read(closed, client="PORT")
    further = one.totals.with_columns(tax_code=pl.lit("V7"), amount_minor=pl.lit(100, pl.Int64))
    both = replace(one, totals=pl.concat([one.totals, further.select(one.totals.columns)]))
    assert [(row[0], row[1], row[5]) for row in told_rows(both)[:3]] == [
        ("EUR", "V19", "375.00 EUR"),
        ("EUR", "V7", "1.00 EUR"),
        ("Total EUR", "", "376.00 EUR"),
    ]


def test_a_corrected_cap_is_told_as_a_fixed_amount(closed: tuple[Engine, str]) -> None:
    one = read(closed, client="PORT")
    cap = one.charges.filter(pl.col("what") == "cap").with_columns(
        period=pl.lit("2026-09"), reason=pl.lit(WHY), what=pl.lit("taken back")
    )
    (row,) = told_rows(replace(one, adjustments=cap.select(one.adjustments.columns)))[6:]
    assert row[4:7] == [f"taken back (a fixed amount): {WHY}", "", ""]


def test_what_rounds_to_nothing_is_among_the_lines_alone(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    price(engine, 3, 2_000_000, application_id=2)
    use(engine, session(31, ("2026-09-08 09:00", "2026-09-08 09:00:01", "input"), application="fem"))
    on(engine, 31, "A", at_="2026-09-08 09:00")
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    statement = read((engine, run), client="PORT")
    told = ("application_name", "quantity", "amount_minor")
    assert statement.charges.select(told).rows() == [("The cad", 1_000, 9_000)]
    assert statement.lines.select(told).rows() == [("The cad", 1_000, 9_000), ("The fem", 0, 0)]


# --- What it does not say ----------------------------------------------------------------------------------

OTHERS = {
    "PORT": ("Secret", "CITY", "4711", "Research", ">B<", "The fem and cad"),
    "CITY": ("Port Authority", "PORT", "4711", "Project A", "Project US", "USD"),
    "4711": ("Port Authority", "PORT", "CITY", "Project A", "Secret", "EUR"),
}
NOBODY = (
    "Ada", "Ben Sample", "Cy()", ">0007<", ">0008<", "user1", "ws1", "H-", "P-", "Berlin", "idle", "Idle",
    "ause",
)  # fmt: skip


@pytest.mark.parametrize("whose", OTHERS)
def test_no_statement_names_another_payer_a_person_a_device_or_idle_time(
    closed: tuple[Engine, str], tmp_path: Path, whose: str
) -> None:
    statement, path = read(closed, payer=whose), tmp_path / "statement.xlsx"
    write_statement(statement, path)
    for told in (words(path), page(statement)):
        body = told.split("</style>")[-1]
        assert [name for name in (*OTHERS[whose], *NOBODY) if name in body] == []
        assert whose in body


def test_reading_statements_shows_no_name_and_is_on_record(closed: tuple[Engine, str]) -> None:
    engine, run = closed
    views = "SELECT count(*) AS n FROM audit_event WHERE action = 'name shown'"
    before = store.read(engine, views).item()
    read(closed, client="PORT")
    assert store.read(engine, views).item() == before
    with engine.connect() as connection:
        action, subject, detail = connection.execute(
            sa.text("SELECT action, subject, detail FROM audit_event ORDER BY id DESC LIMIT 1")
        ).one()
    assert (action, subject, json.loads(detail)) == ("billing statement PORT", run, {"people": 0})


# --- Files -------------------------------------------------------------------------------------------------


def test_all_payers_get_a_file_each_with_the_same_bytes_every_time(
    closed: tuple[Engine, str], tmp_path: Path
) -> None:
    digests = set()
    for name in ("first", "second"):
        statements, left_out = read_statements(*closed, "ann", OCTOBER)
        files = write_all(statements, tmp_path / name, "xlsx")
        assert [path.name for path in files] == [
            "statement-2026-10-1-CITY.xlsx",
            "statement-2026-10-1-PORT.xlsx",
            "statement-2026-10-1-4711.xlsx",
        ]
        assert left_out == []
        digests |= {(path.name, sha256(path.read_bytes()).hexdigest()) for path in files}
    assert len(digests) == 3


def test_codes_that_no_file_system_takes_get_names_of_their_own(closed: tuple[Engine, str]) -> None:
    one = read(closed, client="PORT")
    odd = [Statement(**{**vars(one), "number": f"2026-10/1 {code}"}) for code in ("A/1", "a.1", "A 1", "أب")]
    assert file_names(odd, "pdf") == [
        "statement-2026-10-1-A-1.pdf",
        "statement-2026-10-1-a.1.pdf",
        "statement-2026-10-1-A-1-2.pdf",
        "statement-2026-10-1.pdf",
    ]


def test_text_of_others_neither_runs_in_the_page_nor_in_the_workbook(
    closed: tuple[Engine, str], tmp_path: Path
) -> None:
    statement, path = read(closed, client="CITY"), tmp_path / "city.xlsx"
    assert "=City &lt;b&gt;&amp;&lt;/b&gt; &quot;أب&quot;" in page(statement)
    assert "<script" not in page(statement)
    write_statement(statement, path)
    assert "<f>" not in words(path)


@pytest.mark.browser
def test_a_statement_is_printed_the_same_every_time_with_nothing_of_this_machine(
    closed: tuple[Engine, str], tmp_path: Path
) -> None:
    statement = read(closed, client="PORT")
    printed = []
    for name in ("first.pdf", "second.pdf"):
        write_statement(statement, tmp_path / name)
        printed.append((tmp_path / name).read_bytes())
    assert printed[0] == printed[1]
    assert b"D:20261102120000" in printed[0]
    told = ["pdftotext", "-layout", str(tmp_path / "first.pdf"), "-"]
    text = " ".join(subprocess.run(told, capture_output=True, check=True, text=True).stdout.split())
    assert "Statement 2026-10/1 PORT" in text
    assert "375.00 EUR" in text
    assert "the project was corrected" in text
    assert [name for name in (*NOBODY, *OTHERS["PORT"], str(tmp_path)) if name in text] == []
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".pdf") == [
        "first.pdf",
        "second.pdf",
    ]


def test_without_a_browser_the_remedy_is_said_and_nothing_is_written(
    closed: tuple[Engine, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = read(closed, client="PORT")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("BROWSER_PATH", raising=False)
    with pytest.raises(Problem, match=r"a PDF is printed by Chromium, .* and none is on the PATH"):
        write_statement(statement, tmp_path / "port.pdf")
    assert not list(tmp_path.glob("*.pdf"))


# --- The command -------------------------------------------------------------------------------------------


def run_command(closed: tuple[Engine, str], *arguments: str) -> Any:
    engine, run = closed
    url = f"sqlite:///{engine.url.database}"
    return CliRunner().invoke(app, ["statement", run, *arguments, "--warehouse", url])


def test_the_command_writes_one_statement_or_all(closed: tuple[Engine, str], tmp_path: Path) -> None:
    one = run_command(closed, "--client", "PORT", "--out", str(tmp_path / "port.xlsx"))
    assert (one.exit_code, one.output.strip()) == (0, str(tmp_path / "port.xlsx"))
    all_ = run_command(closed, "--out-dir", str(tmp_path / "all"), "--format", "xlsx")
    assert all_.exit_code == 0
    assert len(list((tmp_path / "all").iterdir())) == 3
    same = tmp_path / "all" / "statement-2026-10-1-PORT.xlsx"
    assert same.read_bytes() == (tmp_path / "port.xlsx").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--client", "PORT"], "give --out FILE for one payer, or --out-dir DIR"),
        (["--out", "x.pdf"], "say whose"),
        (["--client", "PORT", "--payer", "PORT", "--out", "x.pdf"], "not both"),
    ],
)
def test_unclear_use_of_the_command_is_refused(
    closed: tuple[Engine, str], arguments: list[str], says: str
) -> None:
    told = run_command(closed, *arguments)
    assert told.exit_code == 2
    assert says in " ".join(told.output.replace("│", " ").split())


def test_an_ending_that_nothing_writes_is_refused_before_anything_is_read(
    closed: tuple[Engine, str], tmp_path: Path
) -> None:
    told = run_command(closed, "--client", "PORT", "--out", str(tmp_path / "port.doc"))
    assert isinstance(told.exception, Problem)
    assert "port.doc is neither a PDF nor a workbook" in str(told.exception)
