"""Find the report notebooks, check what they are asked with, run them through Papermill, keep their outputs.

A run is a folder `<out>/<name>/<UTC stamp>/` with the executed notebook, its page for the browser, that page
on paper, and `results.json`; files are written beside and renamed. A run that fails keeps the notebook as far
as it came.

Reports that this program ships run in this process (in_process.py); those of record, and notebooks of others,
in a kernel of their own (kernel.py). The outputs are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.lasting import lasting

with lasting():
    import nbformat
    from papermill.execute import ERROR_MARKER_TAG
    from sqlalchemy import Engine

    from pipelines import in_process
    from pipelines.kernel import NotebookStopped, execute
    from pipelines.report_paper import find_browser, print_page
    from pipelines.report_parameters import Parameter, check_parameters, declared_parameters, nearest
    from pipelines.results import RESULTS_PATH, read_back
    from warehouse import report_runs
    from warehouse.errors import Problem
    from warehouse.store import open_warehouse

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
ON_REQUEST = "on request"
"""What a notebook says instead of a cron text when it is run by people alone."""


class ReportFailed(Problem):
    """A report that began and did not end; its notebook is kept as far as it came."""


@dataclass(frozen=True)
class Report:
    """One notebook: what it asks, and with which parameters."""

    name: str
    title: str
    question: str
    parameters: tuple[Parameter, ...]
    path: Path
    of_record: bool = False
    """It tells of money that is owed, and runs apart from everything else."""
    schedule: str = ON_REQUEST
    """When it runs by itself: a cron text, in the organization's time zone."""

    def as_dict(self) -> dict[str, object]:
        """Give the report as plain JSON."""
        return asdict(self) | {
            "path": str(self.path),
            "parameters": [asdict(item) for item in self.parameters],
        }


@dataclass(frozen=True)
class ReportResult:
    """What one run left: folder, executed notebook, page and paper (None unless asked), key figures."""

    folder: Path
    notebook: Path
    html: Path | None
    results: dict[str, object]
    pdf: Path | None = None


def list_reports(folder: Path = NOTEBOOKS) -> list[Report]:
    """Find every report, by name."""
    return [_read_report(path) for path in sorted(folder.glob("*.ipynb"))]


def find_report(name: str, folder: Path = NOTEBOOKS) -> Report:
    """Find one report.

    Raises
    ------
    Problem
        No notebook has that name.
    """
    names = sorted(path.stem for path in folder.glob("*.ipynb"))
    if name not in names:
        raise Problem(f"There is no report {name!r}", nearest(name, names, "the reports are"))
    return _read_report(folder / f"{name}.ipynb")


def run_report(  # noqa: PLR0913  the options of one command
    name: str,
    parameters: Mapping[str, object] | None = None,
    *,
    out: Path,
    url: str | None = None,
    html: bool = True,
    pdf: bool = False,
    kernel: bool = False,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    notebooks: Path = NOTEBOOKS,
) -> ReportResult:
    """Run one report, with this very interpreter.

    Parameters
    ----------
    parameters
        Values by name, as text or as their own type; those left out keep the notebook's default.
    out
        The reports folder.
    url
        The warehouse; None: the default one. It travels by the environment, never into the notebook.
    html, pdf
        Whether to write the page, and the page on paper.
    kernel
        Run in a kernel of its own, though it could run in this process.

    Raises
    ------
    Problem
        Unknown report, unknown or mistyped parameter, no warehouse, no browser to make the PDF: nothing
        was run.
    ReportFailed
        The notebook stopped; one line says why and where it is kept.
    """
    report = find_report(name, notebooks)
    values = check_parameters(f"Report {name}", report.parameters, parameters or {})
    browser = find_browser() if pdf else None
    engine = open_warehouse(url)
    try:
        folder = _new_folder(out / name, clock())
        output = folder.relative_to(out).as_posix()
        with _recorded(engine, name, values, output, clock) as ending:
            files = _execute(report, values, folder, engine, kernel=kernel)
            result = _published(report, *files, html=html, browser=browser)
            ending.update(status="done", results=result.results)
        return result
    finally:
        engine.dispose()


def run_reports(
    asked: Mapping[str, Mapping[str, object]], *, out: Path, url: str | None = None, at_once: int = 2
) -> dict[str, ReportResult | Problem]:
    """Run several reports; those in kernels side by side.

    Parameters
    ----------
    asked
        Parameters by report.
    out, url
        As for `run_report`.
    at_once
        How many kernels work side by side; each reads the warehouse for itself and needs its memory.

    Returns
    -------
    dict
        What each left, or why it stopped, in the order asked.
    """

    def run(name: str) -> ReportResult | Problem:
        try:
            return run_report(name, asked[name], out=out, url=url)
        except Problem as problem:
            return problem

    with ThreadPoolExecutor(max_workers=at_once) as pool:
        return dict(zip(asked, pool.map(run, asked), strict=True))


@contextmanager
def _recorded(
    engine: Engine, name: str, values: Mapping[str, object], output: str, clock: Callable[[], datetime]
) -> Iterator[dict[str, Any]]:
    """Keep the run's row of `report_run` in step, also when it is interrupted."""
    run = report_runs.start(engine, name, values, output, _ms(clock()))
    ending: dict[str, Any] = {"status": "failed", "results": {"error": "interrupted"}}
    try:
        yield ending
    except Problem as problem:
        ending["results"] = {"error": str(problem)}
        raise
    finally:
        report_runs.finish(engine, run, **ending, at_ms=_ms(clock()))


def _execute(
    report: Report, values: dict[str, Any], folder: Path, engine: Engine, *, kernel: bool
) -> tuple[Path, str]:
    """Run a report's cells; return where its notebook is and, unless it reached its end, why it stopped."""
    notebook, results = folder / f"{report.name}.ipynb", folder / "results.json"
    partial = folder / f"{report.name}.partial.ipynb"
    environment = {
        "PROCESS_METER_WAREHOUSE": engine.url.render_as_string(hide_password=False),
        RESULTS_PATH: str(results.absolute()),
    }
    stopped = ""
    try:
        if kernel or not _may_run_here(report):
            execute(report.path, partial, values, environment)
        else:
            in_process.execute(report.path, partial, values, environment, engine)
    except NotebookStopped as error:
        stopped = str(error)
    finally:
        _keep(partial, notebook)
    return notebook, stopped


def _may_run_here(report: Report) -> bool:
    return report.path.parent == NOTEBOOKS and not report.of_record and in_process.available()


def _published(
    report: Report, notebook: Path, stopped: str, *, html: bool, browser: str | None
) -> ReportResult:
    """Make the page, and from it the paper; of a report that stopped, too."""
    folder = notebook.parent
    page_path = paper = None
    if html or browser:
        executed = nbformat.read(notebook, as_version=4)
        page_path = _write_page(folder / f"{report.name}.html", executed, report.title)
    if page_path and browser:
        paper = print_page(browser, page_path, folder / f"{report.name}.pdf")
        if not html:
            page_path.unlink()
            page_path = None
    if stopped:
        raise ReportFailed(f"Report {report.name} stopped: {stopped}", f"what it had made is in {folder}")
    return ReportResult(folder, notebook, page_path, read_back(folder / "results.json"), paper)


def _keep(partial: Path, notebook: Path) -> None:
    """Give the executed notebook its own name, without the places of this machine and Papermill's banners."""
    found: nbformat.NotebookNode = nbformat.read(partial, as_version=4)
    found.cells = [cell for cell in found.cells if ERROR_MARKER_TAG not in cell.metadata.get("tags", [])]
    for place in ("input_path", "output_path"):
        found.metadata.get("papermill", {}).pop(place, None)
    nbformat.write(found, partial)
    partial.replace(notebook)


def _write_page(path: Path, notebook: nbformat.NotebookNode, title: str) -> Path:
    from pipelines.report_page import page  # noqa: PLC0415 - nbconvert takes long to load; only a page needs it

    partial = path.with_suffix(".partial.html")
    partial.write_text(page(notebook, title), encoding="utf-8")
    return partial.replace(path)


def _new_folder(parent: Path, now: datetime) -> Path:
    """Make a folder named by the instant; a second run within the same second gets a number."""
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in range(1, 1000):
        folder = parent / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise Problem(
                f"The reports folder {parent} cannot be written: {error.strerror}", "name another with --out"
            ) from None
        return folder
    raise Problem(f"{parent} has a thousand runs of this very second", "wait a second")


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


# --- What a notebook says about itself ---------------------------------------------------------------------


def _read_report(path: Path) -> Report:
    notebook = nbformat.read(path, as_version=4)
    first = notebook.cells[0].source.strip() if notebook.cells else ""
    title, _, rest = first.partition("\n")
    if not title.startswith("# "):
        raise Problem(
            f"{path.name} has no title", "begin its first cell with `# ` and the question it answers"
        )
    about = notebook.metadata.get("process_meter", {})
    parameters = declared_parameters(path)
    return Report(
        path.stem,
        title.removeprefix("# ").strip(),
        rest.strip(),
        parameters,
        path,
        bool(about.get("of_record")),
        str(about.get("schedule", ON_REQUEST)),
    )
