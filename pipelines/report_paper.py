"""The page of a report on paper: printed to PDF by a browser of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from warehouse.errors import Problem

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "chrome",
)
"""Programs that print a page the same way, the free one first."""
LONGEST_SECONDS = 120
DRAWING_MS = 20_000
"""Of the page's own time, which does not pass while it works: every chart is drawn long before."""


def find_browser() -> str:
    """Find the browser that prints.

    Raises
    ------
    Problem
        There is none.
    """
    named = os.environ.get("BROWSER_PATH")
    for program in (named, *BROWSERS) if named else BROWSERS:
        found = shutil.which(program)
        if found:
            return found
    raise Problem(
        "a PDF is printed by Chromium, Chrome or Edge, and none is on the PATH",
        "install one (Debian: apt install chromium), name it in BROWSER_PATH, or take --html and print that",
    )


def print_page(browser: str, page: Path, pdf: Path) -> Path:
    """Print a page that is a file to a PDF beside it; written beside and renamed.

    Raises
    ------
    Problem
        The browser did not print it.
    """
    partial = pdf.with_suffix(".partial.pdf")
    with tempfile.TemporaryDirectory(prefix="process-meter-", ignore_cleanup_errors=True) as profile:
        try:
            done = subprocess.run(
                [browser, *_options(profile, partial), page.absolute().as_uri()],
                capture_output=True,
                check=False,
                timeout=LONGEST_SECONDS,
            )
        except subprocess.TimeoutExpired:
            done = None
    if done is None or done.returncode or not partial.exists():
        partial.unlink(missing_ok=True)
        raise Problem(f"{Path(browser).name} did not print {page.name}", f"open {page} and print it by hand")
    return partial.replace(pdf)


def _options(profile: str, pdf: Path) -> list[str]:
    options = [
        "--headless",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-pdf-header-footer",  # the browser's own names the file's place on this machine
        f"--user-data-dir={profile}",
        "--window-size=750,1000",  # charts are drawn as wide as they fit between the margins
        f"--virtual-time-budget={DRAWING_MS}",
        f"--print-to-pdf={pdf.absolute()}",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium refuses to start as root with it; the page is our own
    return options
