"""Serves the screens: checks what can go wrong before anything heavy starts, then hands over to Voila."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from apps import kept, report_links
from warehouse.errors import Problem
from warehouse.store import default_url, open_warehouse

PORT = 8866
"""Where the screens are served unless told otherwise."""


def serve(
    warehouse_url: str | None = None,
    port: int = PORT,
    host: str = "127.0.0.1",
    *,
    reports: Path | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the screens of one warehouse until interrupted.

    Parameters
    ----------
    warehouse_url
        SQLAlchemy URL; the default warehouse when None.
    port
        TCP port; 0 takes a free one.
    host
        An address of this machine that only this machine reaches.
    reports
        The folder of executed reports, whose newest pages the tiles lead to; `reports` here when None.
    ready
        Called once with the address of the start page as soon as it answers; a line on stdout when None.

    Raises
    ------
    Problem
        The warehouse cannot be opened, the port is taken, or the address is reachable from elsewhere.
    """
    refuse_unless_loopback(host)
    url = warehouse_url or default_url()
    open_warehouse(url).dispose()
    with listen(host, port) as listening, tempfile.TemporaryDirectory(prefix="process-meter-") as scratch:
        environment = _environment(url, host, Path(scratch), (reports or Path("reports")).absolute())
        from apps.screens import serve_at  # noqa: PLC0415 - three seconds of imports, after what can fail

        serve_at(listening, Path(scratch), environment, ready or _say)


def _say(address: str) -> None:
    sys.stdout.write(f"The screens are at {address} (Ctrl-C ends them)\n")
    sys.stdout.flush()


def refuse_unless_loopback(host: str) -> None:
    """Raise Problem unless `host` is reachable from this machine alone: nobody signs in yet."""
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise Problem(
            f"the screens show who uses what, and other machines could reach {host} without signing in",
            "serve them on 127.0.0.1",
        )


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at `host` and `port`; raise Problem with one clear line if none can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise Problem(
            f"port {port} of {host} cannot be used ({reason})",
            "stop the other program or choose another one with --port",
        ) from error
    listening.setblocking(False)
    return listening


def _environment(url: str, host: str, scratch: Path, reports: Path) -> dict[str, str]:
    figures = scratch / "figures"
    figures.mkdir()
    return {
        "PROCESS_METER_WAREHOUSE": url,
        "PYTHONSAFEPATH": "1",
        "IPYTHONDIR": str(scratch / "ipython"),
        "VOILA_APP_IP": host,
        kept.FOLDER: str(figures),
        report_links.FOLDER: str(reports),
    }
