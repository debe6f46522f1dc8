"""What all imports have in common: repetition, all or nothing, and the page that explains them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from warehouse import schema
from warehouse.directory import calendar, licenses, members, people, presets, projects, rate_terms, rates

PAGE = (Path(__file__).parents[3] / "docs" / "importing.md").read_text()


def _everything(engine: Engine) -> dict[str, list[Any]]:
    with engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(table.select().order_by(*table.primary_key))]
            for name, table in schema.metadata.tables.items()
        }


def test_every_import_repeats_without_doubling(bare: Engine, files: Any, samples: dict[str, str]) -> None:
    for what, text in samples.items():
        told = files.bring(bare, what, text)
        assert told.count("0 changed, 0 unchanged") == told.count("new")
    stored = _everything(bare)

    for what, text in samples.items():
        told = files.bring(bare, what, text)
        assert told.count(": 0 new, 0 changed") == told.count("new")
    assert _everything(bare) == stored


@pytest.mark.parametrize(
    "columns",
    [
        (
            "project",
            "phase",
            "task",
            *projects.PROJECT_COLUMNS,
            *projects.PHASE_COLUMNS,
            *projects.TASK_COLUMNS,
            *projects.KINDS,
        ),
        (*members.MEMBER_COLUMNS, *presets.PRESET_COLUMNS),
        (*rates.REQUIRED, *rates.OPTIONAL, *rate_terms.DIRECTIONS, *rate_terms.LEVELS),
        (*licenses.ENTITLEMENT_COLUMNS, *licenses.ENTITLEMENT_OPTIONS),
        (*licenses.METRICS, *licenses.COUNTING_RULES),
        (*calendar.RECORDS, "record", "office", "day", "starts_on", "ends_on"),
        (*people.COLUMNS, *people.RECORDS, *people.EMPLOYMENTS, *people.HOST_KINDS),
    ],
)
def test_the_page_on_importing_names_every_column_and_word(columns: tuple[str, ...]) -> None:
    words = set(PAGE.replace(",", " ").replace("`", " ").replace("|", " ").split())
    assert set(columns) - words == set()


def test_the_examples_of_the_page_can_be_imported(filled: Engine, files: Any) -> None:
    starts = {"directory": "record,code", "projects": "project,phase", "rates": "rate,currency"}
    blocks = [block.strip() + "\n" for block in PAGE.split("```")[1::2]]
    for what, start in starts.items():
        (example,) = [block for block in blocks if block.startswith(start)]
        assert "unchanged" in files.bring(filled, what, example)
