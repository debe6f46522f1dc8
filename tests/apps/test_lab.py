"""JupyterLab as an analyst meets it: a folder that is theirs, one kernel that reads, SQL beside frames."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import polars as pl
import pytest
import small_warehouse
import sqlalchemy as sa
from IPython.core.interactiveshell import InteractiveShell
from running_lab import SHOTS, errors, opened, run_all, served

from apps.lab import serving, sql
from apps.lab.kernels import NAME, OneKernel
from pipelines.reports import NOTEBOOKS
from warehouse import frames
from warehouse.errors import Problem
from warehouse.store import READ_ONLY, WarehouseProblem, append, open_warehouse, upgrade


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    address = f"sqlite:///{tmp_path_factory.mktemp('week') / 'warehouse.sqlite'}"
    engine = upgrade(address)
    small_warehouse.fill(engine)
    engine.dispose()
    return address


# --- A warehouse that is only read -------------------------------------------------------------------------


def test_a_warehouse_opened_to_be_read_gives_frames_and_takes_nothing(warehouse_url: str) -> None:
    filled = open_warehouse(warehouse_url)
    small_warehouse.fill(filled)
    reading = open_warehouse(warehouse_url, read_only=True)
    start, end = frames.span(reading) or pytest.fail("nothing there")
    assert frames.segments(reading, start, end).collect().height == 260
    with pytest.raises(WarehouseProblem, match=r"read-?only"):
        append(reading, "department", pl.DataFrame({"code": ["d"], "name": ["D"]}))
    with pytest.raises(sa.exc.SQLAlchemyError, match=r"read-?only"), reading.begin() as connection:
        connection.execute(sa.text("DELETE FROM segment"))
    for engine in (reading, filled):
        assert frames.segments(engine, start, end).collect().height == 260
        engine.dispose()


def test_the_environment_of_a_kernel_makes_every_connection_read(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(READ_ONLY, "1")
    engine = open_warehouse(url)
    with pytest.raises(sa.exc.OperationalError, match="readonly"), engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM segment"))
    engine.dispose()


# --- SQL in a cell -----------------------------------------------------------------------------------------


@pytest.fixture
def magic(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[sql.Sql]:
    monkeypatch.setenv("PROCESS_METER_WAREHOUSE", url)
    shell = InteractiveShell()
    made = sql.Sql(shell)
    yield made
    if made.engine:
        made.engine.dispose()


def test_a_query_gives_a_frame_and_binds_the_notebooks_names(magic: sql.Sql) -> None:
    assert magic.shell is not None
    magic.shell.user_ns["code"] = "x' OR 'a' = 'a"
    answer = magic.sql("", "SELECT count(*) AS n FROM application WHERE code = :code;\n")
    assert answer is not None
    assert answer.to_dict(as_series=False) == {"n": [0]}
    magic.shell.user_ns["code"] = ["cad", "lt"]
    assert magic.sql("kept", "SELECT code FROM application WHERE code IN :code ORDER BY code") is None
    assert magic.shell.user_ns["kept"]["code"].to_list() == ["cad", "lt"]


@pytest.mark.parametrize(
    ("line", "cell", "says"),
    [
        ("", "SELECT :since", "%%sql asks for :since; set since in a cell before"),
        ("two names", "SELECT 1", "cannot keep its answer as 'two names'"),
        ("", "DELETE FROM segment", "readonly"),
        ("", "SELECT a FROM nowhere", "no such table"),
    ],
)
def test_what_cannot_be_asked_is_one_clear_line(magic: sql.Sql, line: str, cell: str, says: str) -> None:
    with pytest.raises(Problem) as refused:
        magic.sql(line, cell)
    assert says in str(refused.value)


# --- The folder and the kernel -----------------------------------------------------------------------------


def test_the_folder_gets_what_is_missing_and_keeps_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "utilization.ipynb").write_text("mine")
    new = serving.prepare(tmp_path)
    names = {path.name for path in NOTEBOOKS.glob("*.ipynb")} - {"utilization.ipynb"} | {"exploring.ipynb"}
    assert {path.name for path in new} == names
    assert (tmp_path / "reports" / "utilization.ipynb").read_text() == "mine"
    assert serving.prepare(tmp_path) == []


def test_every_notebook_gets_the_one_kernel_whatever_it_asks_for() -> None:
    found = OneKernel()
    assert list(found.get_all_specs()) == [NAME]
    for name in (NAME, "python3"):
        spec = found.get_kernel_spec(name)
        assert (spec.display_name, spec.argv[0], spec.env[READ_ONLY]) == (
            "Process Meter",
            sys.executable,
            "1",
        )
    assert (Path(spec.resource_dir) / "logo-svg.svg").is_file()


def test_exploring_teaches_in_ten_cells() -> None:
    notebook = nbformat.read(serving.FIRST, as_version=4)
    assert len(notebook.cells) == 10
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_without_a_warehouse_nothing_is_served(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"There is no warehouse at .*absent\.sqlite"):
        serving.serve_lab(f"sqlite:///{tmp_path}/absent.sqlite", tmp_path / "mine", 0)
    assert not (tmp_path / "mine").exists()


# --- In a browser ------------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.timeout(900)
def test_an_analyst_finds_the_tile_and_runs_notebooks_as_they_are(url: str, tmp_path: Path) -> None:
    with served(url, tmp_path) as address, opened(address) as page:
        notebook = run_all(page, tmp_path / "exploring.ipynb")
        assert errors(notebook) == []
        assert "cad" in str(notebook.cells[-1].outputs)
        SHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SHOTS / "lab-exploring.png")
        page.keyboard.press("Control+Shift+l")
        tile = page.locator(".jp-LauncherCard[title='Process Meter']").first
        tile.wait_for()
        assert page.get_by_text("Jupyter news").count() == 0
        page.screenshot(path=SHOTS / "lab-launcher.png")
