"""Every notebook obeys the house rules: titles, parameters, size; claims, calls and pictures alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest

from pipelines.report_parameters import KINDS, declared_parameters

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MAY_IMPORT = (
    "apps.charts",
    "apps.notebook",
    "apps.tables",
    "apps.tiles",
    "pipelines.answers",
    "pipelines.results",
    "warehouse.frames",
    "warehouse.metrics",
    "warehouse.portable",
)
SQL_WORDS = ("select ", "insert into", "update ", "delete from", " join ")

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code(path: Path) -> list[str]:
    return [cell.source for cell in read(path).cells if cell.cell_type == "code"]


def parsed(path: Path) -> Iterator[ast.AST]:
    for source in code(path):
        yield from ast.walk(ast.parse(source))


def imported(node: ast.AST) -> list[str]:
    """Full names of what an import brings, such as `apps.charts`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def test_the_reports_are_these() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "application_ranking",
        "billing_reconciliation",
        "charges_by_application",
        "charges_by_project",
        "compliance",
        "concurrent_use",
        "contract_calendar",
        "cost_recovery",
        "denials",
        "e2p_charges",
        "executive_summary",
        "fleet_coverage",
        "harvest_ledger",
        "heatmap",
        "idle_definition",
        "negotiation_pack",
        "peak_and_average",
        "peak_demand",
        "peak_witness",
        "project_data_quality",
        "session_detail",
        "session_summary",
        "unbilled_time",
        "unused_licenses",
        "use_duration",
        "utilization",
        "utilization_by_group",
        "vendor_reconciliation",
        "what_if",
    ]


@every_notebook
def test_it_is_valid_stripped_and_carries_its_schedule_and_audience(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert {
        (tuple(cell.outputs), cell.execution_count) for cell in notebook.cells if cell.cell_type == "code"
    } == {((), None)}
    assert set(notebook.metadata) == {"kernelspec", "language_info", "process_meter"}
    assert set(notebook.metadata.process_meter) - {"of_record"} == {"audience", "schedule"}


@every_notebook
def test_it_begins_with_its_question_and_two_sentences(path: Path) -> None:
    title, _, text = read(path).cells[0].source.partition("\n\n")
    assert title.startswith("# ")
    assert title.endswith("?")
    assert text.count(". ") + text.endswith(".") == 2


@every_notebook
def test_it_is_short_and_ends_with_how_it_is_computed(path: Path) -> None:
    cells = read(path).cells
    assert len(cells) <= 25
    assert max(len(source.splitlines()) for source in code(path)) <= 12
    assert cells[-1].source.startswith("## How this is computed")


@every_notebook
def test_its_parameters_are_plain_typed_and_explained(path: Path) -> None:
    (cell,) = [cell for cell in read(path).cells if "parameters" in cell.metadata.get("tags", [])]
    assert read(path).cells[1] == cell
    statements = ast.parse(cell.source).body
    names = [statement.target.id for statement in statements]
    found = declared_parameters(path)
    # Papermill misses what it cannot read: compare with Python's own view.
    assert [parameter.name for parameter in found] == names
    for parameter in found:
        assert type(parameter.default) is KINDS[parameter.kind]
        assert parameter.help


@every_notebook
def test_imports_stand_in_one_cell_and_reach_only_what_reports_may_use(path: Path) -> None:
    with_imports = [source for source in code(path) if "import " in source]
    assert len(with_imports) == 1
    for node in parsed(path):
        for name in imported(node):
            assert name.startswith(MAY_IMPORT), name


@every_notebook
def test_it_defines_nothing_queries_nothing_and_computes_no_money(path: Path) -> None:
    for node in parsed(path):
        assert not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | ast.BinOp
        )
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not any(word in node.value.lower() for word in SQL_WORDS)


@every_notebook
def test_each_heading_is_followed_by_one_call_that_shows(path: Path) -> None:
    cells = read(path).cells
    for cell, following in pairwise(cells[1:]):
        if cell.cell_type == "markdown":
            assert cell.source.startswith("## ")
            assert "show(" in following.source


@every_notebook
def test_it_says_what_was_counted_and_hands_back_its_results(path: Path) -> None:
    assert code(path)[-1].splitlines() == [
        "show(tables.footer(answer.footer.lines()))",
        "hand_back(answer.results)",
    ]
