"""The sheets of one rich run: a cap, a converted currency, cost, a budget, a signature, a waiver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC
from hashlib import sha256
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
import sqlalchemy as sa
from billing_warehouse import billed_hours, hour, ms, on, organize, price, use, waive_all
from closed_periods import close_period
from sqlalchemy import Engine

from pipelines import billing, exporting, signing_off
from pipelines.workbook import write_workbook
from warehouse import store
from warehouse.errors import Problem
from warehouse.ledger.audit import canonical
from warehouse.retention import erase

SEPTEMBER = ms("2026-10-02 12:00")
TWELVE = [
    "Run", "Summary", "Charges", "Sessions", "Non-chargeable", "Exceptions", "Adjustments", "Rates used",
    "Reconciliation", "Import", "Definitions", "Audit log",
]  # fmt: skip


def month(engine: Engine) -> str:
    """Ada: 2 h of cad on A, capped at 100 EUR; Ben: 1 h of fem on US at 80 EUR, in USD; one set nowhere."""
    organize(engine)
    price(
        engine, 1, 900_000, application_id=1, daily_cap_minor=10_000, cost_rate_scaled=400_000,
        increment_ms=900_000, direction="up", minimum_ms=1_800_000,
    )  # fmt: skip
    price(engine, 2, 800_000, application_id=2)
    with store.writing(engine) as connection:
        connection.execute(
            sa.text(
                "INSERT INTO conversion_rate (from_currency, to_currency, from_on, factor_scaled, author, "
                "created_ms) VALUES ('EUR', 'USD', '2026-09-01', 112500000, 'rita', 0)"
            )
        )
        connection.execute(
            sa.text("UPDATE project SET budget_minor = 5000, not_to_exceed_minor = 9000, manager_id = 2 "
                    "WHERE number = 'A'")
        )  # fmt: skip
    use(engine, hour(1, "2026-09-07", minutes=120), hour(2, "2026-09-08", person=2, application="fem"))
    use(engine, hour(3, "2026-09-09", person=2))
    on(engine, 1, "A", at_="2026-09-07 09:00")
    on(engine, 2, "US", at_="2026-09-08 09:00")
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    signing_off.sign(engine, run, "A", "user2", "", SEPTEMBER)
    waive_all(engine, run, SEPTEMBER)
    billing.approve(engine, run, "ann", SEPTEMBER)
    billing.close(engine, run, "ann", SEPTEMBER)
    return run


@pytest.fixture(scope="module")
def closed(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, str]]:
    path = tmp_path_factory.mktemp("rich") / "warehouse.sqlite"
    path.write_bytes(empty_warehouse.read_bytes())
    engine = store.open_warehouse(f"sqlite:///{path}")
    (path.parent / "pseudonym.key").write_bytes(b"k" * 32)
    yield engine, month(engine)
    engine.dispose()


@pytest.fixture(scope="module")
def written(closed: tuple[Engine, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(*closed, tmp_path_factory.mktemp("book"))


@pytest.fixture(scope="module")
def book(written: Path) -> openpyxl.Workbook:
    return openpyxl.load_workbook(written)


def write(engine: Engine, run: str, folder: Path, now: int = SEPTEMBER) -> Path:
    path = folder / f"{now}.xlsx"
    with pytest.MonkeyPatch.context() as patch:  # the same pseudonyms, whatever each test calls its home
        patch.setenv("PROCESS_METER_KEYS", str(Path(engine.url.database or "").parent))
        write_workbook(engine, run, path, "ann", now)
    return path


def rows(book: openpyxl.Workbook, sheet: str, header: int = 4) -> list[dict[str, Any]]:
    found: list[Any] = list(book[sheet].iter_rows(min_row=header, values_only=True))
    titles = found[0][: found[0].index(None)] if None in found[0] else found[0]  # a chart's data come after
    return [dict(zip(titles, row, strict=False)) for row in found[1:] if row[0] is not None]


def facts(book: openpyxl.Workbook) -> dict[str, Any]:
    return {str(row[0]).strip(): row[1] for row in book["Run"].iter_rows(values_only=True, max_col=2)}


def test_a_run_of_which_nothing_is_held_has_exactly_the_twelve_sheets(book: openpyxl.Workbook) -> None:
    assert book.sheetnames == TWELVE


def test_charges_show_caps_conversions_and_own_cost(book: openpyxl.Workbook) -> None:
    shown = (
        "Unit",
        "Quantity",
        "Rate",
        "Currency",
        "Amount",
        "Note",
        "Rate was in",
        "Conversion",
        "Own cost",
    )
    assert [tuple(row[name] for name in shown) for row in rows(book, "Charges")] == [
        ("h", 2, 90, "EUR", 180, None, None, None, 80),
        ("each", -1, 80, "EUR", -80, "daily cap of 100.00 EUR", None, None, None),
        ("h", 1, 90, "USD", 90, None, "EUR", "1.125", None),
    ]


def test_hours_of_the_summary_are_hours_alone_and_cost_stands_beside_the_total(
    book: openpyxl.Workbook,
) -> None:
    found = [
        (row["Project"], row["Hours"], row["Total"], row["Own cost"])
        for row in rows(book, "Summary")
        if row["Project"] in ("A", "US") or str(row["Payer"]).startswith("Total")
    ]
    assert found[:2] == [("A", 2, 100, 80), ("US", 1, 90, None)]
    assert found[2:4] == [(None, 2, 100, 80), (None, 1, 90, None)]


def test_budgets_stand_under_the_summary_as_a_table_of_their_own(book: openpyxl.Workbook) -> None:
    sheet = book["Summary"]
    assert sorted(sheet.tables) == ["Budgets", "Summary"]
    header = int(sheet.tables["Budgets"].ref.split(":")[0][1:])
    told = [tuple(row.values())[:10] for row in rows(book, "Summary", header)]
    assert told == [
        ("A", "budget", "Project A", "200 %", "over", "EUR", 50, 0, 100, -50),
        ("A", "not to exceed", "Project A", "111 %", "over", "EUR", 90, 0, 100, -10),
    ]


def test_exceptions_say_who_settled_or_waived_them_and_why(book: openpyxl.Workbook) -> None:
    told = {row["What"]: row for row in rows(book, "Exceptions")}
    assert set(told) >= {"no project", "over the budget", "over the limit"}
    assert (told["over the budget"]["Settlement"], told["over the budget"]["Settled by"]) == ("informs", None)
    assert told["over the budget"]["Why"] == "a budget is a plan: its owner is told"
    row = told["over the limit"]
    assert (row["Settlement"], row["Settled by"], row["Why"]) == ("waived", "ben", "known")
    assert row["Settled at (UTC)"].isoformat() == "2026-10-02T12:00:00"
    assert "project A is 10.00 EUR over its not-to-exceed amount of 90.00 EUR" in row["Detail"]


def test_rates_tell_minimum_cap_cost_and_increment(book: openpyxl.Workbook) -> None:
    first, second = rows(book, "Rates used")
    shown = ("Increment (min)", "Minimum (min)", "Cap of a day", "Cap of a period", "Cost rate", "Author")
    assert [first[name] for name in shown] == [15, 30, 100, None, 40, "rita"]
    assert [second[name] for name in shown] == [None, None, None, None, None, "rita"]


def test_the_run_tells_signatures_settlements_and_own_cost(book: openpyxl.Workbook) -> None:
    told = facts(book)
    assert told["Projects signed by their managers"] == "1 of 2 billed ones"
    assert told["Project A"] == "signed by user2, 2026-10-02 12:00 UTC"
    assert told["Own cost of the billed hours, where known"] == "80.00 EUR"
    assert told["Exceptions by now"] == "0 settled, 2 waived, 0 open, 2 that only inform"
    assert told["Rate card: rate versions used"] == 2


def test_the_import_sheet_has_the_plain_values_of_the_targets_own_columns(book: openpyxl.Workbook) -> None:
    found = rows(book, "Import")
    assert list(found[0])[:4] == ["project no", "phase", "task", "employee"]
    numbers = [(row["quantity"], row["unit price"], row["amount"]) for row in found]
    assert numbers == [(2, 90, 180), (-1, 80, -80), (1, 90, 90)]
    assert {cell.data_type for cell in book["Import"]["A"][4:7]} == {"s"}  # numbers of projects are text
    assert found[0]["date"].isoformat() == "2026-09-07T00:00:00"


def test_the_charges_end_with_their_total_by_currency_outside_of_the_table(book: openpyxl.Workbook) -> None:
    sheet = book["Charges"]
    below = [
        tuple(value for value in row if value is not None) for row in sheet.iter_rows(8, values_only=True)
    ]
    assert below == [("Total", "EUR", 100), ("Total", "USD", 90)]
    assert sheet.tables["Charges"].ref.endswith("7")


def test_the_run_is_printed_upright_and_of_a_small_one_only_the_charges_need_large_paper(
    book: openpyxl.Workbook,
) -> None:
    assert (book["Run"].page_setup.orientation, book["Run"].page_setup.paperSize) == ("portrait", 9)
    assert [sheet.title for sheet in book if sheet.page_setup.paperSize == 8] == ["Charges"]


def test_the_import_sheet_says_by_which_mapping_it_is_laid_out(
    engine: Engine, book: openpyxl.Workbook, tmp_path: Path
) -> None:
    assert book["Import"]["A2"].value == (
        "As the import file is with the target's default mapping, in its first batch; for a mapping of your "
        "own, write the workbook with --mapping FILE; quantities and amounts are those of the charges"
    )
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    close_period(engine, "2026-09", SEPTEMBER)
    mapping, out = tmp_path / "own.toml", tmp_path / "own.xlsx"
    mapping.write_text('[columns]\n"Cost code" = "project"\n"Batch" = "batch"\n', encoding="utf-8")
    write_workbook(engine, "2026-09/1", out, "ann", SEPTEMBER, mapping)
    sheet = openpyxl.load_workbook(out)["Import"]
    file = tmp_path / "own.csv"
    exported = exporting.export(engine, "2026-09/1", "generic", file, "ann", SEPTEMBER, mapping)
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=4, max_col=2)]
    assert rows == [["Cost code", "Batch"], ["A", exported.batch]]
    assert file.read_text(encoding="utf-8").splitlines() == [",".join(row) for row in rows]
    digest = sha256(mapping.read_bytes()).hexdigest()
    assert sheet["A2"].value.startswith(
        f"As the import file is with the mapping own.toml (SHA-256 {digest[:16]}...), in its first batch; "
    )


def test_whoever_is_renamed_after_the_close_changes_no_byte_and_whoever_is_erased_is_gone(
    engine: Engine, tmp_path: Path
) -> None:
    run = "2026-09/1"
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    draft = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    rename(engine, "Ada Before")
    waive_all(engine, draft, SEPTEMBER)
    billing.approve(engine, draft, "ann", SEPTEMBER)
    billing.close(engine, draft, "ann", SEPTEMBER)
    first = write(engine, run, tmp_path).read_bytes()
    rename(engine, "Ada After")
    again = write(engine, run, tmp_path)
    assert again.read_bytes() == first
    charges = openpyxl.load_workbook(again)["Charges"]
    assert [cell.value for cell in charges[5]][2:4] == ["0007", "Ada Before"]

    erase(engine, "p1", "dpo", "asked", SEPTEMBER)
    charges = openpyxl.load_workbook(write(engine, run, tmp_path))["Charges"]
    assert [cell.value for cell in charges[5]][2:4] == [None, "erased person"]
    assert billing.verify(engine) == []


def rename(engine: Engine, name: str) -> None:
    with store.writing(engine) as connection:
        connection.execute(sa.text("UPDATE person SET name = :name WHERE id = 1"), {"name": name})


def test_a_run_of_a_version_that_kept_no_names_shows_those_of_today(engine: Engine, tmp_path: Path) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    close_period(engine, "2026-09", SEPTEMBER)
    with store.writing(engine) as connection:
        connection.execute(sa.text("DELETE FROM billed_name"))
    rename(engine, "Ada Today")
    charges = openpyxl.load_workbook(write(engine, "2026-09/1", tmp_path))["Charges"]
    assert [cell.value for cell in charges[5]][2:4] == ["0007", "Ada Today"]


def test_a_mapping_that_is_none_is_refused_before_names_are_shown(engine: Engine, tmp_path: Path) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    close_period(engine, "2026-09", SEPTEMBER)
    mapping, out = tmp_path / "own.toml", tmp_path / "own.xlsx"
    mapping.write_text('[columns]\n"Cost code" = "color"\n', encoding="utf-8")
    with pytest.raises(Problem, match="there is no field 'color'"):
        write_workbook(engine, "2026-09/1", out, "ann", SEPTEMBER, mapping)
    assert not out.exists()
    with engine.connect() as connection:
        told = sa.text("SELECT count(*) FROM audit_event WHERE action = 'name shown'")
        assert connection.scalar(told) == 0


def test_the_audit_log_is_a_chain_that_ends_with_the_close_and_can_be_computed_again(
    closed: tuple[Engine, str], book: openpyxl.Workbook
) -> None:
    _, run = closed
    events = rows(book, "Audit log")
    assert [row["Act"] for row in events][:2] == ["billing draft", "billing sign"]
    assert events[-1]["Act"] == "billing close"
    assert str(book["Audit log"]["A1"].value).endswith(f"head {events[-1]['Digest (SHA-256)']}")
    for row in events:
        at = round(row["At (UTC)"].replace(tzinfo=UTC).timestamp() * 1000)
        told = [
            row["Digest of the event before"],
            at,
            row["Actor"],
            row["Act"],
            run,
            json.loads(row["Detail"]),
        ]
        assert sha256(canonical(told)).hexdigest() == row["Digest (SHA-256)"]


def test_what_is_changed_afterwards_changes_no_byte(
    closed: tuple[Engine, str], written: Path, tmp_path: Path
) -> None:
    """A rate that ends, a budget that grows, a new manager, an export: the workbook is of the close."""
    engine, run = closed
    with store.writing(engine) as connection:
        connection.execute(sa.text("UPDATE rate SET valid_to_on = '2027-01-01', author = 'zoe'"))
        connection.execute(sa.text("UPDATE project SET budget_minor = 1, manager_id = 3, name = 'New'"))
        connection.execute(sa.text("UPDATE application SET name = 'New'"))
    later = write(engine, run, tmp_path, SEPTEMBER + 31_536_000_000)
    assert sha256(later.read_bytes()).hexdigest() == sha256(written.read_bytes()).hexdigest()


def test_numbers_that_name_a_thing_have_no_separators_and_columns_fit_their_numbers(
    book: openpyxl.Workbook,
) -> None:
    assert book["Charges"]["A5"].number_format == "0"
    assert book["Charges"]["U5"].number_format == "#,##0.00;[Red]-#,##0.00"
    assert book["Charges"].column_dimensions["U"].width >= len("-1,234.00")


def test_a_showback_run_says_that_nothing_is_imported(engine: Engine, tmp_path: Path) -> None:
    organize(engine)
    price(engine, 1, 900_000)
    use(engine, hour(1, "2026-09-07"))
    on(engine, 1, "A", at_="2026-09-07 09:00")
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER, showback=True)
    made = openpyxl.load_workbook(write(engine, run, tmp_path))
    assert made["Import"]["A1"].value == "Showback: nothing is imported"
    assert made["Import"]["A5"].value == "None in this run."
    assert facts(made)["Showback"] == "For information: neither billed nor exported"


def test_tiers_packages_and_allowances_are_told_in_words(engine: Engine, tmp_path: Path) -> None:
    organize(engine)
    price(
        engine, 1, 900_000, free_ms=1_800_000, tier_kind="graduated",
        tiers=json.dumps([[3_600_000, 800_000], [36_000_000, 700_000]]),
    )  # fmt: skip
    use(engine, hour(1, "2026-09-07", minutes=120))
    on(engine, 1, "A", at_="2026-09-07 09:00")
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    made = openpyxl.load_workbook(write(engine, run, tmp_path))
    assert [row["Tiers"] for row in rows(made, "Rates used")] == [
        "the first 0.5 h free; graduated: 80.00 EUR/h from 1 h, 70.00 EUR/h from 10 h"
    ]
    charges = pl.DataFrame(rows(made, "Charges"))
    assert charges["Amount"].sum() > 0
