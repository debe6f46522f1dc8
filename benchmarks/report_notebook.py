"""One report, cold: in this program's own process at most 0.7 seconds, through a kernel at most 3.6.

Each run is a fresh interpreter that finds the report, checks its parameters, executes it and keeps the
notebook, from its start to its end. The report has one chart and two tables over a warehouse of a week: this
is what a run costs before its data cost anything. Both notebooks must hold equal outputs.

Beside it, in the same rounds, an interpreter that only imports the libraries that the report stands on: no
run can be shorter. The modules of this program are compiled before, as an installation compiles them: the
first round does it, and is not counted. Processor time is given, too, for machines that are busy.

    python benchmarks/report_notebook.py [rounds]
"""

from __future__ import annotations

import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "rigs"))

import small_warehouse

from warehouse.store import upgrade

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
LIMITS = {"in process": 0.7, "kernel": 3.6}
RUN = """
import sys
from pathlib import Path
from pipelines.reports import run_report
url, out, kernel = sys.argv[1:]
window = {"start": "2026-10-05", "end": "2026-10-12"}
options = {"html": False, "kernel": kernel == "kernel"}
print(run_report("unused_licenses", window, out=Path(out), url=url, **options).notebook)
"""
LIBRARIES = """
import gc
gc.disable()
import pipelines  # says which checks of formats are not asked for
import great_tables, IPython.core.interactiveshell, papermill, polars, sqlalchemy.dialects.sqlite
import plotly.graph_objects
plotly.graph_objects.Figure, plotly.graph_objects.layout.Template  # loaded when first asked for
gc.freeze()
"""
COMPILED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Took:
    """What one interpreter took from its start to its end: by the clock, and of the processor."""

    seconds: float
    processor: float


def run(code: str, *arguments: str) -> tuple[Took, str]:
    began, worked = time.perf_counter(), of_children()
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True, env=COMPILED
    )
    return Took(time.perf_counter() - began, of_children() - worked), done.stdout.strip()


def of_children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def outputs(notebook: str) -> str:
    cells = nbformat.read(notebook, as_version=4).cells
    text = str([cell.outputs for cell in cells if cell.cell_type == "code"])
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d [\w/]+, from|\bt[0-9a-f]{12}\b", "", text)  # when it was made


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/warehouse.sqlite"
        engine = upgrade(url)
        small_warehouse.fill(engine)
        engine.dispose()
        took: dict[str, list[Took]] = {name: [] for name in (*LIMITS, "libraries alone")}
        seen = set()
        for _ in range(ROUNDS + 1):
            for way in LIMITS:
                spent, notebook = run(RUN, url, folder, way)
                took[way].append(spent)
                seen.add(outputs(notebook))
            took["libraries alone"].append(run(LIBRARIES)[0])
    assert len(seen) == 1, "a kernel and this process gave different outputs"
    for name, each in took.items():
        tell(name, each[1:])  # the first round compiles, and reads the libraries from disk


def tell(name: str, each: list[Took]) -> None:
    """Print the median by the clock, against its limit where it has one, and of the processor."""
    seconds = statistics.median(took.seconds for took in each)
    processor = statistics.median(took.processor for took in each)
    share = f", {seconds / LIMITS[name]:.2f} of {LIMITS[name]} s" if name in LIMITS else ""
    print(f"{name}: {seconds:.2f} s{share}; of the processor {processor:.2f} s")


if __name__ == "__main__":
    main()
