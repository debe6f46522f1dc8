"""What a screen's kernel does before anybody looks, and who looks."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from IPython.display import HTML, display
from markupsafe import Markup
from sqlalchemy import Engine

from apps import ahead, page
from warehouse.errors import Problem
from warehouse.store import open_warehouse


def await_visitor() -> None:
    """Wait in a preheated kernel until its page is asked for; everything above has been done by then."""
    from voila.utils import wait_for_request  # noqa: PLC0415 - not there, and not needed, in JupyterLab

    wait_for_request()


def show(make: Callable[[Engine], Markup]) -> None:
    """Show what `make` makes of the default warehouse; a `Problem` becomes a sentence with its remedy."""
    try:
        engine = open_warehouse()
        try:
            made = make(engine)
        finally:
            engine.dispose()
    except Problem as problem:
        made = page.trouble(problem)
    display(HTML(made))


def show_kept(name: str, patience_seconds: float = 600.0) -> None:
    """Show figures that are made ahead; while they are made for the first time, say so and wait.

    Without a server that makes them ahead (in JupyterLab) they are made here and now.
    """
    folder = os.environ.get(ahead.FOLDER)
    if not folder:
        show(lambda engine: ahead.make(engine)[name])
        return
    kept, until = ahead.kept(folder, name), time.monotonic() + patience_seconds
    if kept is None:
        display(
            HTML(page.waiting("The last twelve months are being read, for the first time since the start."))
        )
    while kept is None and time.monotonic() < until:
        time.sleep(0.1)
        kept = ahead.kept(folder, name)
    display(HTML(kept or page.trouble(Problem("The figures were not made in time", "reload the page"))))


def viewer() -> str:
    """Return the account of who looks: whoever runs the server, as the operating system knows them.

    Only this machine reaches the screens; who is let in from elsewhere will have signed in.
    """
    if sys.platform == "win32":
        return os.getlogin().lower()
    import pwd  # noqa: PLC0415 - absent on Windows

    return pwd.getpwuid(os.getuid()).pw_name.lower()
