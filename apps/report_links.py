"""Links to the newest page of each executed report, where the server has one."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from apps import page

FOLDER = "PROCESS_METER_REPORTS"
"""Environment variable: the reports folder of the server that made this kernel."""


def link(name: str, text: str, folder: Path | None = None) -> Markup:
    """Return a link to the newest page of a report; nothing where there is none."""
    found = newest(name, folder or Path(os.environ.get(FOLDER, "reports")))
    return page.link(text, f"reports/{quote(found)}") if found else Markup("")


def newest(name: str, folder: Path) -> str | None:
    """Return the newest page of a report, relative to the reports folder; runs are folders named by time."""
    pages = sorted((folder / name).glob(f"*/{name}.html"))
    return pages[-1].relative_to(folder).as_posix() if pages else None
