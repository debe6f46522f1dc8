"""One report, cold: in this program's own process at most 0.7 seconds, through a kernel at most 3.6.

Each run is a fresh interpreter that finds the report, checks its parameters, executes it and keeps the
notebook, from its start to its end. The report has one chart and two tables over a warehouse of a week: this
is what a run costs before its data cost anything. Both notebooks must hold equal outputs.

    python benchmarks/report_notebook.py [rounds]
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
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


def run(url: str, out: str, way: str) -> tuple[float, str]:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", RUN, url, out, way], check=True, capture_output=True, text=True
    )
    return time.perf_counter() - began, outputs(done.stdout.strip())


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
        seconds: dict[str, list[float]] = {way: [] for way in LIMITS}
        seen = set()
        for _ in range(ROUNDS + 1):
            for way, taken in seconds.items():
                took, made = run(url, folder, way)
                taken.append(took)
                seen.add(made)
    assert len(seen) == 1, "a kernel and this process gave different outputs"
    for way, limit in LIMITS.items():
        typical = statistics.median(seconds[way][1:])  # the first round reads the libraries from disk
        print(f"{way}: {typical:.2f} s, {typical / limit:.2f} of {limit} s")


if __name__ == "__main__":
    main()
