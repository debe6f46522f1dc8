"""Reports through the real Papermill, in real kernels, on a week that can be counted by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import polars as pl
import pytest
import small_warehouse
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from playwright.sync_api import Browser, Page, sync_playwright
from small_warehouse import WINDOW

from apps import tables
from pipelines import report_page, reports
from pipelines.answers import session_detail
from pipelines.reports import ReportFailed, ReportResult, list_reports, run_report, run_reports
from warehouse.errors import Problem
from warehouse.report_runs import report_runs
from warehouse.store import open_warehouse, upgrade

ASKED: dict[str, dict[str, object]] = {
    "utilization": WINDOW,
    "peak_demand": WINDOW,
    "unused_licenses": WINDOW,
    "e2p_charges": {},
}
SHOTS = Path(__file__).parent.parent.parent / "test-output"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of the week; only report runs are added to it."""
    address = f"sqlite:///{tmp_path_factory.mktemp('week') / 'warehouse.sqlite'}"
    engine = upgrade(address)
    small_warehouse.fill(engine)
    engine.dispose()
    return address


@pytest.fixture(scope="module")
def done(url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ReportResult]:
    """All four reports, run once."""
    ran = run_reports(ASKED, out=tmp_path_factory.mktemp("reports"), url=url)
    assert {name: result for name, result in ran.items() if isinstance(result, Problem)} == {}
    return {name: result for name, result in ran.items() if isinstance(result, ReportResult)}


def rows(url: str) -> list[dict[str, Any]]:
    engine = open_warehouse(url)
    found = report_runs(engine).to_dicts()
    engine.dispose()
    return found


def notebook_folder(folder: Path, *sources: str) -> Path:
    """Write a report of our own, `trial`."""
    cells = [
        new_markdown_cell("# Does it work?\n\nIt is tried. It is seen."),
        new_code_cell('word: str = "x"  # any', metadata={"tags": ["parameters"]}),
        *(new_code_cell(source) for source in sources),
    ]
    kernel = {"name": "of-another-machine", "language": "python", "display_name": "Python"}
    folder.mkdir()
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / "trial.ipynb")
    return folder


# --- What there is -----------------------------------------------------------------------------------------


def test_reports_are_the_notebooks_with_their_questions_and_parameters() -> None:
    found = {report.name: report for report in list_reports()}
    assert list(found) == sorted(path.stem for path in reports.NOTEBOOKS.glob("*.ipynb"))
    assert found["utilization"].title.startswith("How much of the time that applications are open")
    as_json = json.loads(json.dumps(found["e2p_charges"].as_dict()))
    assert as_json["parameters"] == [
        {
            "name": "period",
            "kind": "str",
            "default": "",
            "help": "fiscal period, as 2026-10; empty: the newest closed one",
        }
    ]


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("utilisation", {}, "There is no report 'utilisation'; did you mean 'utilization'?"),
        ("utilization", {"ends": "2026-01-01"}, "has no parameter 'ends'; did you mean 'end'?"),
        ("unused_licenses", {"days": "many"}, "days cannot be 'many'; give a whole number"),
    ],
)
def test_what_cannot_be_asked_leaves_nothing(
    tmp_path: Path, warehouse_url: str, name: str, parameters: dict[str, object], says: str
) -> None:
    with pytest.raises(Problem) as problem:
        run_report(name, parameters, out=tmp_path / "reports", url=warehouse_url)
    assert says in str(problem.value)
    assert not (tmp_path / "reports").exists()
    assert rows(warehouse_url) == []


def test_without_a_warehouse_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="There is no warehouse at"):
        run_report("utilization", out=tmp_path / "reports", url=f"sqlite:///{tmp_path / 'none.sqlite'}")
    assert not (tmp_path / "reports").exists()


# --- A run that ends ---------------------------------------------------------------------------------------


def test_a_run_leaves_notebook_page_and_results_and_nothing_half_written(
    done: dict[str, ReportResult],
) -> None:
    for name, result in done.items():
        left = {path.name for path in result.folder.iterdir()}
        assert left == {f"{name}.html", f"{name}.ipynb", "results.json"}
        assert datetime.strptime(result.folder.name, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def test_key_figures_come_back_and_are_recorded(done: dict[str, ReportResult], url: str) -> None:
    assert done["utilization"].results["busy_hours"] == 50.0
    assert done["peak_demand"].results["peak"] == 40
    assert done["unused_licenses"].results["cost_a_year"] == {"EUR": "2,400.00 EUR"}
    assert done["e2p_charges"].results["amount_minor"] == {"EUR": 89_000, "USD": 1_500}
    recorded = {row["name"]: row for row in rows(url) if row["name"] in done}
    for name, result in done.items():
        row = recorded[name]
        assert (row["status"], json.loads(row["results"])) == ("done", result.results)
        assert json.loads(row["parameters"]) == ASKED[name]
        assert row["output"] == f"{name}/{result.folder.name}"


def test_the_executed_notebook_names_no_place_of_this_machine_and_no_warehouse(
    done: dict[str, ReportResult], url: str
) -> None:
    for result in done.values():
        assert result.html is not None
        for path in (result.notebook, result.html, result.folder / "results.json"):
            text = path.read_text(encoding="utf-8")
            assert "sqlite:" not in text
            assert str(Path(url.removeprefix("sqlite:///")).parent) not in text
            assert str(result.folder) not in text


def test_the_page_has_prose_and_no_code(done: dict[str, ReportResult]) -> None:
    text = (done["utilization"].html or Path()).read_text(encoding="utf-8")
    assert "in use for 77 %" in text
    assert "hand_back" not in text
    assert "City of &lt;b&gt;Rivers&lt;/b&gt;" in (done["e2p_charges"].html or Path()).read_text(
        encoding="utf-8"
    )


def test_a_value_is_text_and_never_code(tmp_path: Path, warehouse_url: str) -> None:
    folder = notebook_folder(
        tmp_path / "notebooks", "from pipelines.results import hand_back\nhand_back({'word': word})"
    )
    word = '"; raise SystemExit(3)  # \\" \n {{7*7}} $HOME'
    result = run_report("trial", {"word": word}, out=tmp_path / "out", url=warehouse_url, notebooks=folder)
    assert result.results == {"word": word}


def test_the_kernel_is_this_interpreter_with_this_code_and_its_own_settings(
    tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = tmp_path / "elsewhere"
    (stray / "warehouse").mkdir(parents=True)
    (stray / "warehouse" / "__init__.py").write_text("raise RuntimeError('a stranger')")
    monkeypatch.chdir(stray)
    folder = notebook_folder(
        tmp_path / "notebooks",
        "import os, sys, warehouse\nfrom pipelines.results import hand_back",
        "url = os.environ['PROCESS_METER_WAREHOUSE']\n"
        "hand_back({'python': sys.executable, 'code': warehouse.__file__, 'url': url})",
    )
    result = run_report("trial", out=tmp_path / "out", url=warehouse_url, notebooks=folder, html=False)
    import sys

    import warehouse

    assert result.html is None
    assert result.results == {"python": sys.executable, "code": warehouse.__file__, "url": warehouse_url}


def test_two_runs_of_one_second_have_folders_of_their_own(tmp_path: Path) -> None:
    moment = datetime(2026, 11, 3, 12, tzinfo=UTC)
    folders = [reports._new_folder(tmp_path / "r", moment).name for _ in range(3)]
    assert folders == ["20261103T120000Z", "20261103T120000Z-2", "20261103T120000Z-3"]


def test_what_a_library_tells_its_operator_is_in_the_notebook_and_not_on_the_page(
    tmp_path: Path, warehouse_url: str
) -> None:
    folder = notebook_folder(
        tmp_path / "notebooks", "import sys\nprint('for them', file=sys.stderr)\nprint('for you')"
    )
    result = run_report("trial", out=tmp_path / "out", url=warehouse_url, notebooks=folder)
    page = (result.html or Path()).read_text(encoding="utf-8")
    assert ("for you" in page, "for them" in page) == (True, False)
    assert "for them" in result.notebook.read_text(encoding="utf-8")


# --- A run that stops --------------------------------------------------------------------------------------


def test_a_period_without_data_is_one_line_and_keeps_its_evidence(tmp_path: Path, warehouse_url: str) -> None:
    engine = open_warehouse(warehouse_url)
    small_warehouse.fill(engine)
    engine.dispose()
    out = tmp_path / "reports"
    with pytest.raises(ReportFailed) as failed:
        run_report("utilization", {"start": "2025-01-01", "end": "2025-02-01"}, out=out, url=warehouse_url)
    (folder,) = (out / "utilization").iterdir()
    why = (
        "There are no sessions from 2025-01-01 to 2025-02-01; sessions are held from 2026-10-05 to 2026-10-09"
        ": choose a window there"
    )
    assert str(failed.value) == f"Report utilization stopped: {why}; what it had made is in {folder}"
    assert sorted(path.name for path in folder.iterdir()) == ["utilization.html", "utilization.ipynb"]
    page = (folder / "utilization.html").read_text(encoding="utf-8")
    assert f"The report stops here. {why}." in page
    assert "How this is computed" in page
    assert "All figures by application" not in page, "a heading of nothing"
    assert "Traceback" not in page
    (row,) = rows(warehouse_url)
    assert (row["status"], json.loads(row["results"])) == ("failed", {"error": str(failed.value)})


def test_an_error_in_a_notebook_is_named_with_its_cell_and_its_traceback_stays_in_the_notebook(
    tmp_path: Path, warehouse_url: str
) -> None:
    folder = notebook_folder(tmp_path / "notebooks", "print('before')", "1 / 0", "print('after')")
    with pytest.raises(
        ReportFailed, match="Report trial stopped: ZeroDivisionError in cell 4: division by zero"
    ):
        run_report("trial", out=tmp_path / "out", url=warehouse_url, notebooks=folder)
    (kept,) = (tmp_path / "out" / "trial").iterdir()
    notebook = nbformat.read(kept / "trial.ipynb", as_version=4)
    assert [cell.get("outputs", []) != [] for cell in notebook.cells] == [False, False, True, True, False]
    assert len(notebook.cells[3].outputs[0].traceback) > 1
    page = (kept / "trial.html").read_text(encoding="utf-8")
    assert "The report stops here because of an error in it." in page
    assert "ZeroDivisionError" not in page


def test_a_kernel_that_dies_is_one_line_too(tmp_path: Path, warehouse_url: str) -> None:
    folder = notebook_folder(tmp_path / "notebooks", "import os\nos._exit(3)")
    with pytest.raises(ReportFailed, match="its kernel ended too early"):
        run_report("trial", out=tmp_path / "out", url=warehouse_url, notebooks=folder, html=False)
    assert [row["status"] for row in rows(warehouse_url)] == ["failed"]


def test_an_interrupted_run_is_recorded_as_failed(warehouse_url: str) -> None:
    engine = open_warehouse(warehouse_url)
    with (
        pytest.raises(KeyboardInterrupt),
        reports._recorded(engine, "trial", {}, "trial/1", lambda: datetime.now(UTC)),
    ):
        raise KeyboardInterrupt
    engine.dispose()
    assert [(row["status"], row["results"]) for row in rows(warehouse_url)] == [
        ("failed", '{"error": "interrupted"}')
    ]


# --- In the browser ----------------------------------------------------------------------------------------

CHARTS = {"utilization": 2, "peak_demand": 4, "unused_licenses": 1, "e2p_charges": 2}
ALL_DRAWN = "[...document.querySelectorAll('.chart')].every(chart => chart.querySelector('.main-svg'))"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-background-networking"],
        )
        yield opened
        opened.close()


def seen(browser: Browser, path: Path, width: int) -> tuple[Page, list[str], list[str]]:
    """Open a page; return it with what it asked for beyond itself, and what the browser complained of."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.goto(path.as_uri())
    page.wait_for_function(ALL_DRAWN)
    return (
        page,
        [address for address in asked if address != path.as_uri() and not address.startswith("data:")],
        said,
    )


def session_page() -> str:
    """The page of a report whose table has the fifteen columns of sessions."""
    at, minutes = datetime(2026, 11, 27, 18, 24, tzinfo=UTC), dict.fromkeys(session_detail.HEADINGS, 775.8)
    texts = {"session": "139093", "person": "P-D97D4AC9", "name": "Clashlight Coordination"}
    texts |= {"version": "2026.1", "device": "H-758FDF44", "project": "0211-00", "source": "sample"}
    row = minutes | texts | {"started": at, "ended": at, "received": at}
    table = tables.table(pl.DataFrame([row]), session_detail.HEADINGS)
    shown = new_output("display_data", {"text/html": table.as_raw_html()})
    return report_page.page(new_notebook(cells=[new_code_cell("", outputs=[shown])]), "Sessions")


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scrolls"), [(1440, False), (390, True)])
def test_a_table_of_many_columns_scrolls_on_a_phone_alone_and_never_the_page(
    chromium: Browser, width: int, scrolls: bool
) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 900})
    page.set_content(session_page())
    frame = "document.querySelector('.gt_table').parentElement"
    assert page.evaluate(f"{frame}.scrollWidth > {frame}.clientWidth") is scrolls
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("name", CHARTS)
def test_charts_are_visible_in_the_page_and_nothing_leaves_the_machine(
    done: dict[str, ReportResult], chromium: Browser, width: int, name: str
) -> None:
    html = done[name].html
    assert html is not None
    page, asked, said = seen(chromium, html, width)
    assert (asked, said) == ([], [])
    assert page.locator(".chart").count() == CHARTS[name]
    for chart in page.locator(".chart").all():
        box = chart.locator(".bars .point path, .scatterlayer .lines path").first.bounding_box()
        assert box is not None
        assert box["width"] * box["height"] > 20
        assert box["x"] + box["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator(".modebar").count() == 0
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"report-{name}-{width}.png", full_page=True)
    page.close()


@pytest.mark.browser
def test_the_page_runs_no_script_that_a_name_smuggles_in(
    tmp_path: Path, warehouse_url: str, chromium: Browser
) -> None:
    smuggled = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
    folder = notebook_folder(
        tmp_path / "notebooks", f"from IPython.display import HTML, display\ndisplay(HTML({smuggled!r}))"
    )
    result = run_report("trial", out=tmp_path / "out", url=warehouse_url, notebooks=folder)
    assert result.html is not None
    page = chromium.new_page()
    page.goto(result.html.as_uri())
    assert page.title() == "Does it work? · Process Meter"
    page.close()
