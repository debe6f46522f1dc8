"""JupyterLab as the command line starts it, and an analyst at its menu in Chromium."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Page, sync_playwright

SHOTS = Path(__file__).parent.parent.parent / "test-output"
IDLE = "Process Meter | Idle"
"""What the bar at the foot says of the kernel."""
ENDED = r"""
() => {
    const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(it => it.textContent);
    const said = document.querySelector('[data-mime-type="application/vnd.jupyter.stderr"]');
    return prompts.length > 3
        && !prompts.some(it => it.includes('*'))
        && (said !== null || prompts.every(it => /\[\d+\]/.test(it)));
}
"""
"""Every code cell has its number, or one stopped the rest."""


@contextlib.contextmanager
def served(url: str, folder: Path) -> Iterator[str]:
    """JupyterLab through the command line; gives the address with its token."""
    command = [sys.executable, "-m", "apps.cli", "apps", "lab", "--folder", str(folder), "--no-browser"]
    command += ["--port", str(free_port()), "--warehouse", url]
    own = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "run"),
    }
    said = folder / "lab.log"
    with said.open("w") as log, subprocess.Popen(command, stdout=log, stderr=log, env=own) as lab:
        try:
            yield _address(lab, said)
        finally:
            lab.terminate()
            lab.wait(60)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def _address(lab: subprocess.Popen[bytes], said: Path) -> str:
    give_up_at = time.monotonic() + 120
    while time.monotonic() < give_up_at:
        found = re.search(r"http://127\.0\.0\.1:\d+/\S*\?token=\w+", said.read_text())
        if found:
            return found[0]
        assert lab.poll() is None, said.read_text()
        time.sleep(0.2)
    raise AssertionError(said.read_text())


@contextlib.contextmanager
def opened(address: str) -> Iterator[Page]:
    """A page of Chromium at an address, wide as an office's screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(address)
        yield page
        browser.close()


def run_all(page: Page, path: Path, *, seconds: int = 150) -> Any:
    """Press the menu's `Run All Cells`, wait, save, and read the notebook back.

    Raises
    ------
    AssertionError
        It was not saved as it ended.
    """
    page.locator(".jp-RenderedMarkdown h1").first.wait_for(timeout=120_000)
    # Cells that are sent to a kernel while it starts are forgotten; an analyst sees it idle first.
    wait_until_idle(page)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).first.click()
    page.wait_for_function(ENDED, timeout=seconds * 1000)
    page.keyboard.press("Control+s")
    give_up_at = time.monotonic() + 90
    while time.monotonic() < give_up_at:
        # JupyterLab writes into the file that is there, which is empty for a moment.
        text = path.read_text(encoding="utf-8")
        if text.endswith("}\n"):
            notebook = nbformat.reads(text, as_version=4)
            if _has_ended(notebook):
                return notebook
        time.sleep(0.3)
    raise AssertionError(f"{path.name} was not saved")


def wait_until_idle(page: Page) -> None:
    """Wait until the bar at the foot says that the kernel has nothing to do."""
    page.get_by_text(IDLE, exact=True).wait_for(timeout=120_000)


def errors(notebook: Any) -> list[str]:
    """What the cells that stopped said."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    return [output.evalue for output in outputs if output.output_type == "error"]


def _has_ended(notebook: Any) -> bool:
    ran = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    return all(ran) or bool(errors(notebook))
