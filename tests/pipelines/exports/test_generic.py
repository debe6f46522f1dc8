from __future__ import annotations

import csv
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from billing_warehouse import billed_hours, hour, ms, on, organize, price, use
from sqlalchemy import Engine

from pipelines import billing, exporting
from pipelines.exports import generic
from warehouse import store
from warehouse.errors import Problem

SEPTEMBER = ms("2026-10-02 12:00")


def closed(engine: Engine, hold: int | None = None) -> str:
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    if hold:
        billing.review(engine, run, hold, "hold", "pm", "ask", SEPTEMBER)
    billing.approve(engine, run, "ann", SEPTEMBER)
    billing.close(engine, run, "ann", SEPTEMBER)
    return run


def export(engine: Engine, run: str, out: Path, mapping: Path | None = None) -> list[dict[str, str]]:
    exporting.export(engine, run, "generic", out, "ann", SEPTEMBER, mapping)
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def month(engine: Engine) -> None:
    """An hour of A, a third of an hour of B whose cents must be rounded, an hour of leave."""
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    price(engine, 2, 333_333, project_id=2, application_id=1)
    use(engine, hour(11, "2026-09-08", person=2, minutes=20), hour(12, "2026-09-09", person=2))
    on(engine, 11, "B", at_="2026-09-08 09:00", phase="01", task="X")
    on(engine, 12, "LEAVE", at_="2026-09-09 09:00")


def test_default_columns_and_rows(engine: Engine, tmp_path: Path) -> None:
    month(engine)
    rows = export(engine, closed(engine), tmp_path / "out.csv")
    assert list(rows[0]) == [
        "project no", "phase", "task", "employee", "date", "application", "quantity", "unit price",
        "currency", "amount", "billable", "account", "note",
    ]  # fmt: skip
    assert [list(row.values())[:11] for row in rows] == [
        ["A", "", "", "0007", "2026-09-07", "The cad", "1.000", "90.0000", "EUR", "90.00", "Y"],
        ["B", "01", "X", "0008", "2026-09-08", "The cad", "0.333", "33.3333", "EUR", "11.10", "Y"],
        ["LEAVE", "", "", "0008", "2026-09-09", "The cad", "1.000", "0.0000", "EUR", "0.00", "N"],
    ]


def test_whoever_multiplies_again_gets_the_same_cents(engine: Engine, tmp_path: Path) -> None:
    month(engine)
    for row in export(engine, closed(engine), tmp_path / "out.csv"):
        product = Decimal(row["quantity"]) * Decimal(row["unit price"])
        assert product.quantize(Decimal("0.01"), ROUND_HALF_UP) == Decimal(row["amount"])


def test_held_lines_are_left_out(engine: Engine, tmp_path: Path) -> None:
    month(engine)
    rows = export(engine, closed(engine, hold=1), tmp_path / "out.csv")
    assert [row["project no"] for row in rows] == ["B", "LEAVE"]


def test_the_same_run_gives_the_same_bytes(engine: Engine, tmp_path: Path) -> None:
    month(engine)
    run = closed(engine)
    for name in ("one.csv", "two.csv"):
        export(engine, run, tmp_path / name)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_a_mapping_names_columns_fixed_texts_and_the_delimiter(engine: Engine, tmp_path: Path) -> None:
    month(engine)
    mapping = tmp_path / "map.toml"
    mapping.write_text(
        'delimiter = ";"\n[columns]\n"WBS1" = "project"\nAccount = { text = "4711" }\nHours = "quantity"\n'
    )
    exporting.export(engine, closed(engine), "generic", tmp_path / "out.csv", "ann", SEPTEMBER, mapping)
    assert (tmp_path / "out.csv").read_text().splitlines()[:2] == ["WBS1;Account;Hours", "A;4711;1.000"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[columns]\nA = 'amuont'", "column 'A': there is no field 'amuont'; use one of run, line, date"),
        ("[columns]\nA = { txt = 'x' }", "column 'A': a fixed column has one key, text"),
        ("delimiter = ';;'\n[columns]\nA = 'run'", "delimiter: ';;' is no single character"),
        ("[columns]", r"has no table \[columns\]"),
        ("[columns", "cannot be read"),
    ],
)
def test_a_mapping_that_is_none_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "map.toml"
    path.write_text(text)
    with pytest.raises(Problem, match=says):
        generic.read_mapping(path)


def change(engine: Engine, sql: str, **values: Any) -> None:
    with store.writing(engine) as connection:
        connection.execute(sa.text(sql), values)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (
            "UPDATE person SET employee_number = NULL WHERE id = 1",
            "line 1: Ada Example has no employee number",
        ),
        (
            "UPDATE project SET number = '=A' WHERE id = 1",
            "line 1: the project no '=A' begins like a formula",
        ),
        (
            "UPDATE application SET name = 'a' || char(10) || 'b'",
            "line 1: the application 'a\\nb' holds a control character",
        ),
    ],
)
def test_a_line_that_accounting_could_not_take_is_named_and_nothing_is_written(
    engine: Engine, tmp_path: Path, sql: str, says: str
) -> None:
    month(engine)
    change(engine, "DELETE FROM project_entry WHERE id = 1")
    change(engine, sql)
    on(engine, 1, "=A" if "=A" in sql else "A", at_="2026-09-07 09:00", entry=99)
    run = closed(engine)
    with pytest.raises(Problem) as refused:
        export(engine, run, tmp_path / "out.csv")
    assert says in str(refused.value)
    assert list(tmp_path.glob("*out.csv*")) == []


def test_prose_that_a_spreadsheet_would_run_gets_an_apostrophe(engine: Engine, tmp_path: Path) -> None:
    month(engine)
    change(engine, "UPDATE application SET name = '=2+2'")
    assert export(engine, closed(engine), tmp_path / "out.csv")[0]["application"] == "'=2+2"


def test_only_a_closed_run_is_exported_and_only_for_a_known_target(engine: Engine, tmp_path: Path) -> None:
    month(engine)
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    with pytest.raises(Problem, match="run 2026-09/1 is draft; only a closed run can be exported"):
        exporting.export(engine, run, "generic", tmp_path / "out.csv", "ann", SEPTEMBER)
    with pytest.raises(Problem, match="unknown target 'abacus'; use one of generic"):
        exporting.export(engine, run, "abacus", tmp_path / "out.csv", "ann", SEPTEMBER)
