"""The three screens as a reader sees them: one real server on a real warehouse, in a real browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, sync_playwright
from sqlalchemy import Engine, text

from apps import page as pieces
from apps.ahead import MADE
from apps.overview import windows
from collector.manager import presence
from pipelines.answers import fleet, renewals
from pipelines.answers.question import AS_LICENSED, ask
from pipelines.sample.load import load
from pipelines.sample.plan import Plan
from warehouse import evidence, frames
from warehouse.metrics.states import states
from warehouse.metrics.utilization import usage
from warehouse.money import format_minor
from warehouse.periods import day_bounds
from warehouse.store import upgrade, writing

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]  # the first one waits for the figures

SHOTS = Path(__file__).parent.parent.parent / "test-output"
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
SERVE = (
    "import sys; from apps.serve import serve; serve(sys.argv[1], 0, ready=lambda at: print(at, flush=True))"
)
PATIENCE_MS = 120_000
HARMLESS = ("Unsatisfied version", "No satisfying version")
"""What JupyterLab says about versions of its own parts."""


@dataclass
class Seen:
    """One page in one size, and what its browser asked for and said."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> Seen:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._said)
        return self

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" or (message.type == "warning" and not message.text.startswith(HARMLESS)):
            self.complaints.append(message.text)


@pytest.fixture(scope="module")
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, now: datetime) -> Iterator[Engine]:
    """Thirty people of the sample over two months, up to this moment."""
    engine = upgrade(f"sqlite:///{tmp_path_factory.mktemp('screens') / 'warehouse.sqlite'}")
    until_ms = round(now.timestamp() * 1000)
    load(engine, Plan(today=now.date(), until_ms=until_ms, people=30, months=2, earlier_months=0))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def address(warehouse: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The start page of a server of its own, once the figures are made."""
    command = [sys.executable, "-P", "-c", SERVE, str(warehouse.url)]
    folder = tmp_path_factory.mktemp("server")
    own = {**os.environ, "TMPDIR": str(folder)}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=own)
    try:
        assert server.stdout is not None
        found = server.stdout.readline().strip()
        _until_made(server, folder)
        yield found
    finally:
        server.terminate()
        assert server.wait(60) == 0
        if server.stdout is not None:
            server.stdout.close()


def _until_made(server: subprocess.Popen[str], folder: Path) -> None:
    """Wait for the figures where the server keeps them: each page that were asked for them would slow it."""
    give_up_at = time.monotonic() + 200
    while not list(folder.glob(f"process-meter-*/figures/{MADE}")):
        assert server.poll() is None, "the server ended"
        assert time.monotonic() < give_up_at, "the figures were not made in time"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    opened = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
    )
    yield opened
    opened.close()


@contextmanager
def visit(browser: Browser, address: str, size: str) -> Iterator[Seen]:
    """Open a page, and check what holds of every page when it has been looked at."""
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(PATIENCE_MS)
    seen = Seen(page).listen()
    page.goto(address)
    page.wait_for_selector("main h1")
    yield seen
    name = urlsplit(address).path.strip("/") or "landing"
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("main").count() == 1
    assert page.locator(".trouble").count() == 0
    assert "Traceback" not in page.inner_text("body")
    assert seen.complaints == []
    outside = [url for url in seen.requests if urlsplit(url).hostname not in ("127.0.0.1", None)]
    assert outside == []
    page.close()


def _figure(page: Page, what: str) -> str:
    """The key figure of that name which is in sight."""
    return page.locator(f"dt:text-is('{what}') + dd:visible").first.inner_text().split("\n")[0]


@pytest.mark.parametrize("size", SIZES)
def test_the_start_page_shows_money_at_risk_and_fleet_coverage(
    browser: Browser, address: str, warehouse: Engine, now: datetime, size: str
) -> None:
    window = windows(now.astimezone().date())[-1]
    question = ask(warehouse, start=f"{window.first_day}", end=f"{window.end_day}", key=AS_LICENSED, now=now)
    at_risk = renewals.answer(question).at_risk_minor
    covered = fleet.answer(warehouse, now)
    with visit(browser, address, size) as seen:
        keys = [key.replace("\n", " ") for key in seen.page.locator(".key").all_inner_texts()]
        assert keys[: len(at_risk)] == [format_minor(minor, currency) for currency, minor in at_risk.items()]
        assert keys[len(at_risk)] == pieces.shown(covered.share, "share")
        assert (
            _figure(seen.page, "Workdays watched") == f"{covered.observed_workdays:,} of {covered.workdays:,}"
        )
        assert seen.page.get_by_text("There is no billing run yet").count() == 1
        with seen.page.expect_download() as download:
            seen.page.click("a[download='fleet-coverage.csv']")
        rows = download.value.path().read_text(encoding="utf-8-sig").splitlines()
        assert len(rows) == covered.by_office.height + 1


@pytest.mark.parametrize("size", SIZES)
def test_the_overview_shows_use_by_state_and_lets_the_window_be_chosen(
    browser: Browser, address: str, warehouse: Engine, now: datetime, size: str
) -> None:
    hours = {code: _hours(warehouse, now, code) for code in ("30", "90")}
    with visit(browser, f"{address}overview", size) as seen:
        for code in ("30", "90"):
            seen.page.click(f"label[for=w{code}]")
            for what in ("run", "busy", "idle"):
                name = "Run time" if what == "run" else what.capitalize()
                assert _figure(seen.page, name) == f"{hours[code][f'{what}_ms'] / 3_600_000:,.0f} h"
            seen.page.wait_for_selector(f"[data-window='{code}'] .js-plotly-plot")
        assert seen.page.locator(".modebar-container:visible").count() == 0


def _hours(engine: Engine, now: datetime, code: str) -> dict[str, int]:
    zone = str(frames.organization(engine)["zone"])
    window = next(window for window in windows(now.date()) if window.code == code)
    start, end = day_bounds(zone, window.first_day)[0], day_bounds(zone, window.end_day)[0]
    stated = states(frames.segments(engine, start, end), frames.policy(engine, "license"), now)
    used = usage(stated, frames.sessions(engine, start, end), [], start, end, zone)
    return used.collect().row(0, named=True)


def _open_sessions(engine: Engine, how_many: int) -> int:
    """Let one agent report so many sessions with input; return how many are open in all."""
    agent, host = _one_agent(engine)
    now_ms = round(time.time() * 1000)
    rows = [
        evidence.PresenceRow(
            session_key=f"{agent}:{number}", application_id=1, account="reader", attention=0,
            attention_since_ms=now_ms, since_ms=now_ms, started_ms=now_ms, heard_ms=now_ms,
        )
        for number in range(how_many)
    ]  # fmt: skip
    with writing(engine) as connection:
        evidence.replace_presence(connection, agent, host, rows)
    return presence.live(engine, frames.policy(engine, "license"), datetime.now(UTC)).height


def _one_agent(engine: Engine) -> tuple[str, int]:
    with engine.connect() as connection:
        agent, host = connection.execute(text("SELECT id, host_id FROM agent ORDER BY id LIMIT 1")).one()
    return str(agent), int(host)


@pytest.mark.parametrize("size", SIZES)
def test_the_live_screen_follows_what_is_open_without_a_reload(
    browser: Browser, address: str, warehouse: Engine, size: str
) -> None:
    before = _open_sessions(warehouse, 3)
    with visit(browser, f"{address}live", size) as seen:
        assert _figure(seen.page, "Open") == str(before)
        assert _figure(seen.page, "At work") == "3"
        after = _open_sessions(warehouse, 2)
        assert after == before - 1
        seen.page.wait_for_function(
            "open => [...document.querySelectorAll('.widget-html-content .figures dd')][0]?.innerText"
            ".startsWith(open + '\\n')",
            arg=str(after),
        )
        assert _figure(seen.page, "At work") == "2"
        assert seen.page.locator(".figures:visible").count() == 1
        assert seen.page.get_by_text("P-").count() + seen.page.get_by_text("A-").count() > 0


@pytest.mark.parametrize("size", SIZES)
def test_the_billing_page_says_how_to_make_the_first_draft(browser: Browser, address: str, size: str) -> None:
    with visit(browser, f"{address}billing", size) as seen:
        seen.page.get_by_label("Period").wait_for()
        seen.page.locator(".widget-html-content h2", has_text="is being collected").wait_for()


@pytest.mark.parametrize("path", ["", "house/house.css", "reports/peak_demand/1/peak_demand.html"])
def test_a_stranger_s_name_for_this_machine_is_refused(address: str, path: str) -> None:
    request = Request(f"{address}{path}", headers={"Host": "evil.example.com"})
    with pytest.raises(URLError, match="403"):
        urlopen(request)


@pytest.mark.parametrize(
    "path", ["voila/tree", "voila/render/landing.ipynb", "landing.ipynb", "voila/files/serve.py", "apps"]
)
def test_nothing_but_the_screens_has_an_address(address: str, path: str) -> None:
    with pytest.raises(URLError, match=r"40[34]"):
        urlopen(f"{address}{path}")
