"""Figures that were made ahead (apps/ahead.py), kept in a folder of the server and shown at once.

Light on purpose: the kernel of a screen that only shows them is ready in a fraction of a second.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from IPython.display import HTML, display
from markupsafe import Markup

FOLDER = "PROCESS_METER_SCREENS"
"""Environment variable: where the server of this kernel keeps the figures."""
PATIENCE_SECONDS = 600.0


def find(folder: str, name: str) -> Markup | None:
    """Return figures that were made ahead; None while they are not there yet."""
    try:
        return Markup((Path(folder) / f"{name}.html").read_text(encoding="utf-8"))  # noqa: S704 - our own
    except FileNotFoundError:
        return None


def keep(folder: Path, made: dict[str, Markup]) -> None:
    """Write figures so that a reader finds the old ones or the new ones, never half of them."""
    for name, html in made.items():
        partial = folder / f"{name}.partial"
        partial.write_text(html, encoding="utf-8")
        partial.replace(folder / f"{name}.html")


def show(name: str) -> None:
    """Show figures that are made ahead; while they are made for the first time, say so and wait.

    Without a server that makes them ahead (in JupyterLab) they are made here and now.
    """
    folder = os.environ.get(FOLDER)
    display(HTML(_await(folder, name) if folder else _make(name)))


def _await(folder: str, name: str) -> Markup:
    found, until = find(folder, name), time.monotonic() + PATIENCE_SECONDS
    if found is None:
        display(HTML(WAITING))
    while found is None and time.monotonic() < until:
        time.sleep(0.1)
        found = find(folder, name)
    return LATE if found is None else found


WAITING = Markup(
    '<p class="waiting" role="status">The last twelve months are being read, for the first time since the '
    "screens were started. The figures appear here in a moment.</p>"
)
LATE = Markup(
    '<section class="trouble" role="alert"><h2>This cannot be shown now</h2><p>The figures were not made in '
    "time: reload the page.</p></section>"
)


def _make(name: str) -> Markup:
    from apps import ahead  # noqa: PLC0415 - heavy, and needed without a server alone
    from warehouse.errors import Problem  # noqa: PLC0415
    from warehouse.store import open_warehouse  # noqa: PLC0415

    try:
        engine = open_warehouse()
        try:
            return ahead.make(engine)[name]
        finally:
            engine.dispose()
    except Problem as problem:
        return ahead.nothing(problem)[name]
