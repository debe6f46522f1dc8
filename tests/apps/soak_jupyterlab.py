"""Every report as an analyst opens it: in JupyterLab, as it is, on the sample organization."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest
from playwright.sync_api import Page
from running_lab import SHOTS, errors, opened, run_all, served, wait_until_idle

from apps.notebook import PLOTLY
from pipelines.demo_home import Home, make_sample, plan_now
from pipelines.reports import NOTEBOOKS
from pipelines.sample import bills
from warehouse.store import open_warehouse

NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
MANY_SECONDS = 600
"""A report takes seconds; the machine may be busy with other things."""

DRAWN = """
async () => {
    const charts = [...document.querySelectorAll('.jp-Notebook .js-plotly-plot')];
    const sizes = [];
    for (const chart of charts) {
        chart.scrollIntoView();
        await new Promise(done => setTimeout(done, 300));
        const drawing = chart.querySelector('svg.main-svg').getBoundingClientRect();
        sizes.push([drawing.width, drawing.height]);
    }
    return sizes;
}
"""
"""Width and height of each chart, as drawn."""


FROM_ITS_TOP = """
() => {
    const notebook = document.querySelector('.jp-WindowedPanel-outer');
    notebook.scrollTop = 0;
    return notebook.scrollHeight;
}
"""
"""Scroll back, and say how tall the whole notebook is."""


class Lab(NamedTuple):
    """A JupyterLab that serves a folder, and a page of Chromium in it."""

    page: Page
    folder: Path
    base: str
    token: str

    def show(self, name: str) -> None:
        """Open a report beside no other."""
        self.page.goto(f"{self.base}/lab/tree/reports/{name}.ipynb?reset&token={self.token}")

    def sessions(self) -> list[dict[str, Any]]:
        """What the server says of its kernels."""
        found: list[dict[str, Any]] = self.page.request.get(self._api("sessions")).json()
        return found

    def shut_down(self) -> None:
        """End the kernels: thirty of them would not fit into the memory."""
        for session in self.sessions():
            self.page.request.delete(self._api(f"sessions/{session['id']}"))

    def _api(self, what: str) -> str:
        return f"{self.base}/api/{what}?token={self.token}"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of the sample organization of this very day, with the bills of the last two months closed."""
    home = Home(tmp_path_factory.mktemp("sample"))
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    plan = plan_now(now_ms)
    make_sample(home, plan, "ann", lambda _what, _part: None)
    engine = open_warehouse(home.url)
    bills.close_last_month(engine, plan.today, "ann", now_ms)
    engine.dispose()
    return home.url


@pytest.fixture(scope="module")
def lab(sample: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("analysis")
    with served(sample, folder) as address, opened(address) as page:
        place = urlsplit(address)
        yield Lab(page, folder, f"{place.scheme}://{place.netloc}", parse_qs(place.query)["token"][0])


@pytest.mark.browser
@pytest.mark.timeout(MANY_SECONDS + 300)
@pytest.mark.parametrize("name", NAMES)
def test_a_report_runs_as_it_is(lab: Lab, name: str) -> None:
    path = lab.folder / "reports" / f"{name}.ipynb"
    lab.show(name)
    try:
        notebook = run_all(lab.page, path, seconds=MANY_SECONDS)
        assert errors(notebook) == []
        _require_the_notebook_itself(notebook, name)
        _require_what_it_shows(lab.page, notebook)
        wait_until_idle(lab.page)
        assert _states(lab) == [(f"reports/{name}.ipynb", "idle")]
        _keep_picture(lab.page, name)
    finally:
        lab.shut_down()


def _require_the_notebook_itself(notebook: Any, name: str) -> None:
    """Its outputs and the numbers of its cells are all that running it has changed on disk."""
    nbformat.validate(notebook)
    shipped = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in shipped.cells]
    ran = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert ran == list(range(1, len(ran) + 1))


def _require_what_it_shows(page: Page, notebook: Any) -> None:
    """Each chart that a cell gave is drawn, and so is each table; a report has at least its footer."""
    given = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    charts = [data[PLOTLY] for data in given if PLOTLY in data]
    sources = "".join(cell.source for cell in notebook.cells)
    assert charts or "charts." not in sources, "no chart was given"
    sizes = page.evaluate(DRAWN)
    assert len(sizes) == len(charts)
    assert all(width > 300 and height > 60 for width, height in sizes), sizes
    tables = [data for data in given if "<table" in data.get("text/html", "")]
    assert tables
    assert page.locator(".jp-RenderedHTML table").count() >= len(tables)
    assert page.locator(".jp-RenderedMarkdown h2").get_by_text("What was counted").count() == 1


def _states(lab: Lab) -> list[tuple[str, str]]:
    """Path and state of every kernel's notebook; the server hears of a state a moment after the page."""
    give_up_at = time.monotonic() + 30
    while time.monotonic() < give_up_at:
        states = [(each["path"], each["kernel"]["execution_state"]) for each in lab.sessions()]
        if all(state == "idle" for _, state in states):
            break
        time.sleep(0.3)
    return states


def _keep_picture(page: Page, name: str) -> None:
    """Keep how the whole report looks, for people."""
    SHOTS.mkdir(exist_ok=True)
    tall = page.evaluate(FROM_ITS_TOP)
    page.set_viewport_size({"width": 1440, "height": min(tall, 12_000) + 150})
    page.wait_for_timeout(1_000)
    page.screenshot(path=SHOTS / f"lab-{name}.png")
    page.set_viewport_size({"width": 1440, "height": 1000})
