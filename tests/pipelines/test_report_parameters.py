"""Whatever a notebook does not declare is refused before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from pipelines.report_parameters import Parameter, check_parameters, declared_parameters
from warehouse.errors import Problem

PARAMETERS = (
    Parameter("start", "str", "", "first day"),
    Parameter("days", "int", 90, "length"),
    Parameter("threshold_hours", "float", 1.0, "little use"),
    Parameter("is_draft", "bool", False, "not final"),
)


def written(folder: Path, source: str) -> Path:
    path = folder / "trial.ipynb"
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    cell = new_code_cell(source, metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[new_markdown_cell("# What?"), cell], metadata=kernel), path)
    return path


def test_declared_parameters_are_read_with_type_default_and_help(tmp_path: Path) -> None:
    path = written(tmp_path, 'start: str = "x"  # first day\ndays: int = 90  # length')
    assert declared_parameters(path) == (
        Parameter("start", "str", "x", "first day"),
        Parameter("days", "int", 90, "length"),
    )


def test_a_parameter_of_a_type_that_cannot_be_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"trial\.ipynb: parameter days cannot be asked for"):
        declared_parameters(written(tmp_path, "days: list = [30]  # lengths"))


def test_text_becomes_what_the_parameter_is() -> None:
    given = {"start": "2026-01-01", "days": "30", "threshold_hours": "0.5", "is_draft": "True"}
    assert check_parameters("Report r", PARAMETERS, given) == {
        "start": "2026-01-01", "days": 30, "threshold_hours": 0.5, "is_draft": True,
    }  # fmt: skip


def test_values_of_their_own_type_are_taken_as_they_are() -> None:
    given = {"days": 30, "threshold_hours": 2, "is_draft": False}
    checked = check_parameters("Report r", PARAMETERS, given)
    assert checked == {"days": 30, "threshold_hours": 2.0, "is_draft": False}
    assert type(checked["threshold_hours"]) is float


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("strat", "Report r has no parameter 'strat'; did you mean 'start'?"),
        (
            "x",
            "Report r has no parameter 'x'; its parameters are days, is_draft, start, threshold_hours",
        ),
        ("start = __import__('os').system('id')", "Report r has no parameter"),
    ],
)
def test_a_name_that_is_not_declared_is_refused(name: str, says: str) -> None:
    with pytest.raises(Problem) as problem:
        check_parameters("Report r", PARAMETERS, {name: "1"})
    assert str(problem.value).startswith(says)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("days", "thirty", "give a whole number (length)"),
        ("days", "30.5", "give a whole number (length)"),
        ("days", True, "give a whole number (length)"),
        ("threshold_hours", "nan", "give a number (little use)"),
        ("threshold_hours", "1e999", "give a number (little use)"),
        ("is_draft", "yes", "give true or false (not final)"),
        ("is_draft", 1, "give true or false (not final)"),
        ("start", 20260101, "give text (first day)"),
        ("start", None, "give text (first day)"),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, value: Any, wanted: str) -> None:
    with pytest.raises(Problem) as problem:
        check_parameters("Report r", PARAMETERS, {name: value})
    assert str(problem.value) == f"Report r: {name} cannot be {value!r}; {wanted}"


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(Problem) as problem:
        check_parameters("Report r", PARAMETERS, {"start": "postgresql://meter:secret@host/db"})
    assert "holds a password" in str(problem.value)
    assert "secret" not in str(problem.value)
