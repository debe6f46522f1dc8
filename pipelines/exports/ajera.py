"""The accounting target `ajera`: Deltek Ajera's in-house expenses.

A row per line: billing units x billing rate is the billing amount. For what both a key and a description (of
projects and phases also an ID) can say, the file has one column, never two. Units is the last column, since a
blank one at the end is not recognized; what Ajera has imported it does not take back as a whole, so the batch
id stands in every note.

- Corrections and roundings are negative units; a fixed amount is one unit.
- What is not chargeable, held or written off is left out.
- The cost rate is the cost amount divided by the units, to four decimals; both are 0 where none is known.
- A file per currency, since a company has one.

Columns and rules: https://help.deltek.com/Products/Ajera/7/Content/Setting_up_input_file_TandE.htm
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Annotated

import polars as pl

from pipelines.exports import (
    DATE_FORMATS,
    VALUES,
    Column,
    Document,
    Fault,
    Posting,
    Row,
    Value,
    amount,
    billed,
    by_currency,
    cell_faults,
    charged,
    cost,
    fill,
    hours,
    laid_out,
    pattern,
    price_faults,
    text_of,
    write_csv,
)
from pipelines.mapping_file import choice, codes, one_line, read_settings
from warehouse.ledger import Run

QUANTUM_PER_HOUR = 1000
CODE = "AJ"
TITLE = "in-house expenses of Deltek Ajera (CSV)"
ENDING = ".csv"

NAMES = {"key": "Key", "id": "ID", "description": "Description"}


@dataclass(frozen=True)
class Settings(Posting):
    """Settings of `--mapping`.

    Attributes
    ----------
    activity, project, phase
        By what Ajera finds each: its key, ID or description; phase: also `none`, no such column.
    activities, projects, phases
        From our codes to Ajera's; a phase is written `project/phase`. Without them an activity is the
        application's name, a project its number and a phase its number; keys need a table.
    notes
        Pattern.
    """

    activity: Annotated[str, choice("key", "description")] = "description"
    project: Annotated[str, choice("key", "id", "description")] = "id"
    phase: Annotated[str, choice("key", "id", "description", "none")] = "id"
    activities: Annotated[Mapping[str, str], codes(one_line(255, 1))] = field(default_factory=dict)
    projects: Annotated[Mapping[str, str], codes(one_line(255, 1))] = field(default_factory=dict)
    phases: Annotated[Mapping[str, str], codes(one_line(255, 1))] = field(default_factory=dict)
    notes: Annotated[str, pattern] = "{person}, {batch} line {line}"


def read_mapping(path: Path | None) -> Settings:
    """Read the settings; see `mapping_file.read_settings`."""
    return read_settings(Settings, path)


def faults(run: Run, lines: pl.DataFrame, batch: str, mapping: Settings) -> list[Fault]:
    """Name lines whose key is no number, of a closed day, or with text that cannot be looked up."""
    rows, columns = billed(charged(run, lines, batch)), _columns(mapping)
    found = [
        fault
        for row in rows
        for fault in (*cell_faults(row, columns), *_key_faults(row, columns), *price_faults(row))
    ]
    return found + mapping.faults(rows)


def documents(run: Run, lines: pl.DataFrame, batch: str, mapping: Settings) -> list[Document]:
    """Lay out what is billed, a row per line; several currencies are several documents."""
    columns = _columns(mapping)
    parts = by_currency(billed(charged(run, lines, batch)))
    return [laid_out(rows, columns, suffix) for suffix, rows in parts]


def write(document: Document, path: Path, mapping: Settings) -> None:
    """Write it as CSV."""
    write_csv(document, path, DATE_FORMATS[mapping.date_format])


def _columns(mapping: Settings) -> list[Column]:
    phase = Column(f"Phase {NAMES.get(mapping.phase, '')}", lambda row: _phase(mapping, row), "code", 255)
    return [
        Column(
            f"Activity {NAMES[mapping.activity]}",
            lambda row: _activity(mapping, row),
            "code",
            255,
            missing="the application {application} has no activity",
        ),
        Column("Billing Amount", amount),
        Column("Billing Rate", VALUES["unit_price"]),
        Column("Billing Units", hours),
        Column("Cost Amount", cost),
        Column("Cost Rate", _cost_rate),
        Column("Date", mapping.posted_on),
        Column("Notes", lambda row: fill(mapping.notes, row), "prose"),
        *([] if mapping.phase == "none" else [phase]),
        Column(
            f"Project {NAMES[mapping.project]}",
            lambda row: _project(mapping, row),
            "code",
            255,
            missing="it has no project",
        ),
        Column("Units", hours),
    ]


def _activity(mapping: Settings, row: Row) -> str:
    return mapping.activities.get(text_of(row["application"])) or text_of(row["application_name"])


def _project(mapping: Settings, row: Row) -> str:
    by_itself = row["project_name"] if mapping.project == "description" else row["project"]
    return mapping.projects.get(text_of(row["project"])) or text_of(by_itself)


def _phase(mapping: Settings, row: Row) -> Value:
    by_itself = text_of(row["phase"])
    return mapping.phases.get(f"{row['project']}/{by_itself}") or by_itself


def _cost_rate(row: Row) -> Decimal:
    return (cost(row) / hours(row)).quantize(Decimal("0.0001"), ROUND_HALF_UP)


def _key_faults(row: Row, columns: list[Column]) -> list[Fault]:
    """Name keys that are no number, as Ajera's are."""
    found = []
    for column in columns:
        value = column.value(row) if column.name.endswith(" Key") else "0"
        if value and not (str(value).isascii() and str(value).isdigit()):
            table = {"Activity": "activities", "Project": "projects", "Phase": "phases"}[column.name[:-4]]
            what = f"the {column.name} {str(value)[:40]!r} is no number"
            found.append(Fault(row["line"], what, f"write it under [{table}] in the mapping file"))
    return found
