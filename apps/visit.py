"""What a screen's kernel does before anybody looks, and who looks.

A kernel starts and reads its figures before the page is asked for; while it waits it reads them anew from
time to time, so that a page is there at once and never older than it says.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine
from voila.utils import wait_for_request

from warehouse.errors import Problem
from warehouse.store import open_warehouse

KEPT_SECONDS = 600
"""Figures that wait for a visitor are read anew after this long."""

Figures = TypeVar("Figures")


def await_visitor(read: Callable[[Engine], Figures]) -> Figures | Problem:
    """Read figures, keep them fresh until the page is asked for, and return them.

    A `Problem` is returned, not raised: the page shows it as a sentence with its remedy.
    """
    visitor = threading.Thread(target=wait_for_request, daemon=True)
    figures = _read(read)
    visitor.start()
    visitor.join(KEPT_SECONDS)
    while visitor.is_alive():
        figures = _read(read)
        visitor.join(KEPT_SECONDS)
    # A warehouse that was broken when the kernel started may be whole by now.
    return _read(read) if isinstance(figures, Problem) else figures


def _read(read: Callable[[Engine], Figures]) -> Figures | Problem:
    try:
        engine = open_warehouse()
    except Problem as problem:
        return problem
    try:
        return read(engine)
    except Problem as problem:
        return problem
    finally:
        engine.dispose()


def viewer() -> str:
    """Return the account of who looks: whoever runs the server, as the operating system knows them.

    Only this machine reaches the screens; who is let in from elsewhere will have signed in.
    """
    if sys.platform == "win32":
        return os.getlogin().lower()
    import pwd  # noqa: PLC0415 - absent on Windows

    return pwd.getpwuid(os.getuid()).pw_name.lower()
