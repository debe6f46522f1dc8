"""`process-meter apps`: the screens in a browser, and JupyterLab for analysts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apps.commands.options import WarehouseUrl

app = typer.Typer(
    help="The screens: landing page, overview, live; and JupyterLab for analysts.", no_args_is_help=True
)


@app.callback()
def screens() -> None:
    """Serve the screens: landing page, overview, live."""


@app.command(epilog="Example: process-meter apps serve --port 8866")
def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on the loopback address.")] = 8866,
    host: Annotated[str, typer.Option(help="Address; any but loopback needs sign-in.")] = "127.0.0.1",
    warehouse: WarehouseUrl = None,
) -> None:
    """Serve the screens until Ctrl-C."""
    from apps.serve import serve

    serve(warehouse, port=port, host=host)


@app.command(epilog="Example: process-meter apps lab --folder ~/analysis")
def lab(
    folder: Annotated[
        Path, typer.Option(help="Your folder: gets the reports and a notebook to begin with.")
    ] = Path("analysis"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on the loopback address.")] = 8888,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
    warehouse: WarehouseUrl = None,
) -> None:
    """Serve JupyterLab on the warehouse until Ctrl-C; its kernel reads and never writes."""
    from apps.lab.serving import serve_lab

    serve_lab(warehouse, folder, port, browser=not no_browser)
