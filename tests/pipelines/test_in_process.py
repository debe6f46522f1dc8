"""Reports run in this process leave what a kernel leaves, and leave this process as it was."""

from __future__ import annotations

import atexit
import builtins
import gc
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import small_warehouse
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell, new_notebook
from sqlalchemy import Engine

from pipelines import in_process, kernel
from pipelines.kernel import NotebookStopped
from pipelines.reports import NOTEBOOKS
from warehouse.store import open_warehouse, upgrade


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = upgrade(f"sqlite:///{tmp_path_factory.mktemp('week') / 'warehouse.sqlite'}")
    small_warehouse.fill(engine)
    yield engine
    engine.dispose()


def run(folder: Path, engine: Engine, *sources: str) -> Any:
    """Run cells of our own; return those cells as they were executed."""
    cells = [new_code_cell(source) for source in sources]
    spec = {"name": "python3", "language": "python", "display_name": "Python 3"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": spec}), folder / "trial.ipynb")
    in_process.execute(folder / "trial.ipynb", folder / "ran.ipynb", {}, {}, engine)
    return nbformat.read(folder / "ran.ipynb", as_version=4).cells


def executed(path: Path) -> list[tuple[int | None, Any]]:
    cells = nbformat.read(path, as_version=4).cells
    return [
        (cell.get("execution_count"), untimed(cell.get("outputs", [])))
        for cell in cells
        if cell.cell_type == "code"
    ]


def untimed(outputs: Any) -> str:
    """Leave out the minute at which a report was made."""
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d [\w/]+, from|id=\\?\"t\w+|#t\w+", "", str(outputs))


def test_every_output_of_a_report_equals_the_kernels(week: Engine, tmp_path: Path) -> None:
    report, url = NOTEBOOKS / "peak_demand.ipynb", week.url.render_as_string(hide_password=False)
    environment = {"PROCESS_METER_WAREHOUSE": url}
    kernel.execute(report, tmp_path / "kernel.ipynb", small_warehouse.WINDOW, environment)
    in_process.execute(report, tmp_path / "here.ipynb", small_warehouse.WINDOW, {}, week)
    found = executed(tmp_path / "here.ipynb")
    assert found == executed(tmp_path / "kernel.ipynb")
    assert sum("application/vnd.plotly.v1+json" in text for _, text in found) == 4


def test_text_values_and_displays_come_in_their_order(week: Engine, tmp_path: Path) -> None:
    (cell,) = run(
        tmp_path,
        week,
        "import sys\nprint('a')\nprint('b')\nprint('c', file=sys.stderr)\n"
        "display({'text/plain': 'd'}, raw=True)\n1 + 1",
    )
    assert [(output.output_type, output.get("text"), output.get("data")) for output in cell.outputs] == [
        ("stream", "a\nb\n", None),
        ("stream", "c\n", None),
        ("display_data", None, {"text/plain": "d"}),
        ("execute_result", None, {"text/plain": "2"}),
    ]
    assert (cell.execution_count, cell.outputs[-1].execution_count) == (1, 1)


def test_an_error_ends_the_run_and_keeps_what_was_made(week: Engine, tmp_path: Path) -> None:
    with pytest.raises(NotebookStopped, match="ZeroDivisionError in cell 2: division by zero"):
        run(tmp_path, week, "print('before')", "1 / 0", "print('after')")
    cells = nbformat.read(tmp_path / "ran.ipynb", as_version=4).cells
    kept = [[output.output_type for output in cell.outputs] for cell in cells if cell.cell_type == "code"]
    assert kept == [["stream"], ["error"], []]


def test_an_interrupt_is_not_the_notebooks_own_error(week: Engine, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, week, "raise KeyboardInterrupt")


def test_the_lent_warehouse_is_the_default_one_while_it_runs(week: Engine, tmp_path: Path) -> None:
    (cell,) = run(
        tmp_path, week, "from warehouse.store import open_warehouse\nprint(open_warehouse().url.database)"
    )
    assert cell.outputs[0].text.strip() == week.url.database


def test_the_process_is_left_as_it_was(week: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEFORE", "there")
    before = (sys.modules["__main__"], sys.stdout, sys.displayhook, sys.excepthook, dict(os.environ))
    nbformat.write(
        new_notebook(
            cells=[new_code_cell("import os\nprint(os.environ['BEFORE'], os.environ['ADDED'])\nx = 1")],
            metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}},
        ),
        tmp_path / "trial.ipynb",
    )
    added = {"BEFORE": "changed", "ADDED": "new"}
    in_process.execute(tmp_path / "trial.ipynb", tmp_path / "ran.ipynb", {}, added, week)
    (cell,) = nbformat.read(tmp_path / "ran.ipynb", as_version=4).cells
    assert cell.outputs[0].text == "changed new\n"
    assert before == (sys.modules["__main__"], sys.stdout, sys.displayhook, sys.excepthook, dict(os.environ))
    assert not hasattr(sys.modules["__main__"], "x")
    assert not hasattr(builtins, "__IPYTHON__")
    assert not InteractiveShell.initialized()


def test_two_runs_share_no_names(week: Engine, tmp_path: Path) -> None:
    run(tmp_path, week, "kept = 1")
    with pytest.raises(NotebookStopped, match="NameError in cell 1: name 'kept' is not defined"):
        run(tmp_path, week, "kept")


def test_where_a_notebook_runs_already_another_is_not_run_beside_it(
    week: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert in_process.available()
    monkeypatch.setattr(InteractiveShell, "_instance", object())
    monkeypatch.setattr(InteractiveShell, "instance", classmethod(lambda cls: cls._instance))
    assert not in_process.available()


@pytest.fixture
def first_run(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(in_process.InProcess, "has_loaded", False)
    yield
    atexit.unregister(gc.freeze)
    gc.unfreeze()


@pytest.mark.usefixtures("first_run")
def test_imports_of_the_first_run_are_kept_from_the_collector_and_those_of_later_ones_are_not(
    week: Engine, tmp_path: Path
) -> None:
    source = "import colorsys, gc\nprint(gc.get_freeze_count() > 1000)"
    for kept in ("True\n", "False\n"):
        (cell,) = run(tmp_path, week, source)
        assert cell.outputs[0].text == kept
        gc.unfreeze()


@pytest.mark.usefixtures("first_run")
def test_an_import_that_fails_is_told_by_its_cell(week: Engine, tmp_path: Path) -> None:
    with pytest.raises(
        NotebookStopped, match="ModuleNotFoundError in cell 2: No module named 'no_such_module'"
    ):
        run(tmp_path, week, "print('before')", "import no_such_module")
    assert gc.isenabled()


@pytest.mark.usefixtures("first_run")
def test_a_cell_that_is_no_python_is_told_by_itself(week: Engine, tmp_path: Path) -> None:
    with pytest.raises(NotebookStopped, match=r"invalid syntax \(<ipython-input-2-"):
        run(tmp_path, week, "import json", "1 +")


def test_a_report_on_sqlite_loads_nothing_that_it_does_not_use(week: Engine, tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", LOADED, week.url.render_as_string(), str(tmp_path)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    loaded = set(told.stdout.split())
    unused = {"IPython.core.completer", "nbconvert", "numpy", "psycopg", "sqlalchemy.dialects.postgresql"}
    assert unused & loaded == set()
    assert {"great_tables", "papermill", "plotly", "pipelines.answers.unused_licenses"} <= loaded


LOADED = """
import sys
from pathlib import Path
from pipelines.reports import run_report
window = {"start": "2026-10-05", "end": "2026-10-12"}
run_report("unused_licenses", window, out=Path(sys.argv[2]), url=sys.argv[1], html=False)
print(*(name for name, module in sys.modules.items() if module is not None))
"""


def test_a_warehouse_is_lent_only_for_its_time(week: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from warehouse.store import lending

    monkeypatch.setenv("PROCESS_METER_WAREHOUSE", week.url.render_as_string(hide_password=False))
    with lending(week):
        assert open_warehouse() is week
    own = open_warehouse()
    assert own is not week
    own.dispose()
