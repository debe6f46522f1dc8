"""What the machine can check about the shape of the code."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("apps", "collector", "pipelines", "warehouse")
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc"}


def _sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def _function_lengths() -> dict[str, int]:
    lengths: dict[str, int] = {}
    for path in _sources():
        if "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                # A docstring is documentation: it does not make a function long.
                spoken = ast.get_docstring(node) is not None
                first = node.body[1] if spoken and len(node.body) > 1 else node.body[0]
                lengths[f"{path.relative_to(ROOT)}:{node.name}"] = (node.end_lineno or 0) - first.lineno + 1
    return lengths


def test_functions_are_short() -> None:
    lengths = _function_lengths()
    assert statistics.median(lengths.values()) <= 10
    assert sorted(lengths.values())[int(len(lengths) * 0.9)] <= 30
    assert [f"{name} has {length} lines" for name, length in lengths.items() if length > 60] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [str(path) for path in _sources() if path.stem in FORBIDDEN_NAMES] == []


def test_nothing_is_imported_dynamically() -> None:
    names = {"import_module", "__import__"}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in _sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Name) and node.id in names)
        or (isinstance(node, ast.Attribute) and node.attr in names)
    ]
    assert found == []


def test_a_broad_except_stands_only_in_loops_and_at_the_edges_of_processes() -> None:
    # The lookout is the loop's second thread: it hands whatever a display library raises on to the loop.
    # The schedule's loop outlives whatever a job raises, and writes it into the job's row.
    loops = {"collector/agent/service.py", "collector/agent/lookout.py", "pipelines/schedule_loop.py"}
    # A log that is read in a process of its own: whatever it is, the other side has to know.
    # An act on a page: whoever pressed the button is told, and the server's output has the rest.
    allowed = {*loops, "collector/importing/apart.py", "apps/cli.py", "apps/forms.py"}
    found = {
        str(path.relative_to(ROOT))
        for path in _sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    }
    assert found <= allowed


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_has_exactly_the_five_top_level_folders(wheel: Path) -> None:
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {
        "apps",
        "collector",
        "notebooks",
        "pipelines",
        "warehouse",
    }


def test_the_wheel_carries_notebooks_screens_units_and_migrations(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    carried = {
        *(f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")),
        *(f"apps/{path.name}" for path in (ROOT / "apps").glob("*.ipynb")),
        *(f"pipelines/service_units/{p.name}" for p in (ROOT / "pipelines/service_units").glob("*.[st]*")),
        *(
            f"warehouse/migrations/versions/{p.name}"
            for p in (ROOT / "warehouse/migrations/versions").glob("*.py")
        ),
    }
    assert carried <= names
    assert len(carried) >= 11


def test_the_agent_imports_the_standard_library_psutil_and_xlib_alone() -> None:
    allowed = {*sys.stdlib_module_names, "psutil", "Xlib", "collector"}
    found = {
        name.split(".")[0]
        for path in (ROOT / "collector" / "agent").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert found - allowed == set()
