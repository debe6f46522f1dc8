"""`process-meter demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    home: Annotated[Path, typer.Option(help="Folder that holds everything the demo makes.")] = Path(".demo"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the screens.")] = 8866,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Make everything, then exit.")] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
) -> None:
    """Load a sample organization, meter this machine, run the reports, close a bill, serve the screens."""
    from apps.identity import operating_system_identity
    from pipelines.demo import run_demo

    run_demo(
        home, port=port, serve=not no_serve, browser=not no_browser, approver=operating_system_identity()
    )
