"""From asking for a screen to seeing its key figures, and its first chart, against what a reader bears.

Loads the sample year into a warehouse of its own (or takes one: `first_paint.py URL`), serves the screens,
and opens each in a browser of its own, three times. A ratio under 1 keeps the promise.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

from playwright.sync_api import Browser, sync_playwright

FIGURES_LIMIT_SECONDS = 2.0
CHART_LIMIT_SECONDS = 5.0
MADE_LIMIT_SECONDS = 60.0
ROUNDS = 3
SERVE = (
    "import sys; from apps.serve import serve; serve(sys.argv[1], 0, ready=lambda at: print(at, flush=True))"
)
SCREENS = {"": ".key", "overview": ".figures dd", "live": ".figures dd"}
"""Address -> where its first key figure is."""


def sample(folder: Path) -> str:
    from pipelines.sample.load import load
    from pipelines.sample.plan import Plan
    from warehouse.store import upgrade

    url = f"sqlite:///{folder / 'warehouse.sqlite'}"
    engine, now = upgrade(url), datetime.now(UTC)
    load(engine, Plan(today=now.date(), until_ms=round(now.timestamp() * 1000)))
    engine.dispose()
    return url


@contextmanager
def served(url: str) -> Iterator[str]:
    command = [sys.executable, "-P", "-c", SERVE, url]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait(30)


def seconds_until_made(address: str) -> float:
    """How long after the start the first visitor waits for the figures of twelve months."""
    began = time.monotonic()
    with urlopen(f"{address}overview", timeout=600) as answer:
        answer.read()
    return time.monotonic() - began


def look(browser: Browser, address: str, figure: str) -> tuple[float, float | None]:
    """Seconds until the first key figure, and until the first chart where there is one."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    began = time.monotonic()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(figure, timeout=60_000)
    figures = time.monotonic() - began
    chart = None
    if address.endswith("overview"):
        page.wait_for_selector(".js-plotly-plot .main-svg", timeout=60_000)
        chart = time.monotonic() - began
    page.close()
    return figures, chart


def report(what: str, seconds: float, limit: float) -> None:
    print(f"{what:46} {seconds:6.2f} s of {limit:4.0f} s   ratio {seconds / limit:5.2f}")


def measure(url: str) -> None:
    with served(url) as address, sync_playwright() as playwright:
        report("start to figures of twelve months", seconds_until_made(address), MADE_LIMIT_SECONDS)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
        )
        for name, figure in SCREENS.items():
            looks = []
            for _ in range(ROUNDS):
                time.sleep(6)  # a reader reads; meanwhile the next kernel warms up
                looks.append(look(browser, f"{address}{name}", figure))
            report(
                f"{name or 'start'}: key figures",
                statistics.median(f for f, _ in looks),
                FIGURES_LIMIT_SECONDS,
            )
            charts = [chart for _, chart in looks if chart is not None]
            if charts:
                report(f"{name}: first chart", statistics.median(charts), CHART_LIMIT_SECONDS)
        browser.close()


def main() -> None:
    if len(sys.argv) > 1:
        measure(sys.argv[1])
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(sample(Path(folder)))


if __name__ == "__main__":
    main()
