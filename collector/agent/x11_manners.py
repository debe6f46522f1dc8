"""What a window needs on X11 beyond tkinter: to open without taking the focus, and to know a dense screen."""

from __future__ import annotations

import re
from typing import Any

from Xlib import X, Xatom, error
from Xlib.display import Display

_LOST = (error.ConnectionClosedError, error.DisplayError, error.XError, OSError, TypeError, AttributeError)


def ask_for_no_focus(name: str, window: int) -> None:
    """Tell the window manager that nobody asked for this window just now, so that typing goes on elsewhere.

    Parameters
    ----------
    name
        The display's.
    window
        Id of a window that is not shown yet, or of one inside it: `_NET_WM_USER_TIME` of EWMH is set on the
        outermost one.
    """
    try:
        display = Display(name)
        try:
            outermost = _outermost(display, window)
            outermost.change_property(display.intern_atom("_NET_WM_USER_TIME"), Xatom.CARDINAL, 32, [0])
            display.sync()
        finally:
            display.close()
    except _LOST:
        return


def dots_per_inch(name: str) -> float | None:
    """Return how dense the person's settings say the screen is (`Xft.dpi`); None where they say nothing."""
    try:
        display = Display(name)
        try:
            found = display.screen().root.get_full_property(
                display.intern_atom("RESOURCE_MANAGER"), X.AnyPropertyType
            )
        finally:
            display.close()
    except _LOST:
        return None
    text = found.value.decode("latin-1") if found else ""
    match = re.search(r"^Xft\.dpi:\s*([0-9.]+)\s*$", text, re.MULTILINE)
    return float(match[1]) if match else None


def _outermost(display: Any, window: int) -> Any:
    found = display.create_resource_object("window", window)
    while (parent := found.query_tree().parent) and parent != display.screen().root:
        found = parent
    return found
