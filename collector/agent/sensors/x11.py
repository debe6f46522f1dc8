"""The X11 desktop: which process has the focus, how long nobody typed, whether a saver locked the screen.

One look costs one round trip as long as the focus stays: the window manager tells of changes by itself.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import Xlib.ext
from Xlib import X, Xatom
from Xlib import error as xerror

from collector.agent.login_manager import LoginLock
from collector.agent.sensors import Sight

# Only these extensions are loaded: all of them together cost more memory than the rest of Xlib.
Xlib.ext.__extensions__ = [("MIT-SCREEN-SAVER", "screensaver"), ("X-Resource", "res")]

from Xlib.display import Display  # noqa: E402  (reads the list above)
from Xlib.ext.res import LocalClientPIDMask  # noqa: E402

LOOKS_BETWEEN_CONNECTS = 5
LOOKS_BETWEEN_CHECKS = 30
"""So often it is made sure that the window manager still lives: a dead one leaves its last word behind."""
UNSEEN = (
    "keep-awake requests are not seen on X11",
    "whether a remote session is detached is not seen on X11",
)
_LOST = (xerror.ConnectionClosedError, xerror.DisplayError, OSError, AttributeError, TypeError, ValueError)
"""What python-xlib raises when the server goes, also in the midst of reading an answer."""


class X11Sensor:
    """The eyes on one X11 display; never raises for what the display does.

    Parameters
    ----------
    display
        Its name, as in the environment variable `DISPLAY`.
    login
        Knows whether the login manager says that the screen is locked.
    """

    name = "x11"

    def __init__(self, display: str, login: LoginLock | None = None) -> None:
        self._name = display
        self._login = login
        self._view: _DisplayView | None = None
        self._socket: Any = None
        self._skip = 0

    def look(self) -> Sight:
        """Return what is to be seen now; blind while the display is gone."""
        try:
            view = self._connected()
            if view:
                return view.look(self._login.look() if self._login else None)
        except _LOST:
            self._let_go()
        return Sight(blind_spots=(f"display {self._name} does not answer",))

    def window_classes(self) -> Mapping[int, frozenset[str]]:
        """Return the classes of the windows of each process."""
        try:
            view = self._connected()
            return view.window_classes() if view else {}
        except _LOST:
            self._let_go()
            return {}

    def abort(self) -> None:
        """Break the connection, so that a call that hangs in another thread comes back with an error."""
        connection = self._socket
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _connected(self) -> _DisplayView | None:
        if self._view:
            return self._view
        if self._skip:
            self._skip -= 1
            return None
        self._skip = LOOKS_BETWEEN_CONNECTS
        display = Display(self._name)
        self._socket = display.display.socket
        self._view = _DisplayView(display)
        self._skip = 0
        return self._view

    def _let_go(self) -> None:
        view, self._view, self._socket = self._view, None, None
        if view:
            view.close()


class _DisplayView:
    """One connection to a display, and what its events told so far."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self._root = display.screen().root
        self._sees_input = display.has_extension("MIT-SCREEN-SAVER")
        self._knows_pids = display.has_extension("X-Resource")
        atom = display.intern_atom
        self._active, self._check = atom("_NET_ACTIVE_WINDOW"), atom("_NET_SUPPORTING_WM_CHECK")
        self._supported = atom("_NET_SUPPORTED")
        self._clients, self._pid = atom("_NET_CLIENT_LIST"), atom("_NET_WM_PID")
        self._saver, self._lock = atom("_SCREENSAVER_STATUS"), atom("LOCK")
        self._stale = {self._active, self._check, self._saver}
        self._looks = 0
        self._managed = False
        self._focus_pid: int | None = None
        self._saver_status: int | None = None
        display.set_error_handler(lambda *_: None)
        self._root.change_attributes(event_mask=X.PropertyChangeMask)

    def close(self) -> None:
        """Let go of the connection."""
        with suppress(*_LOST):
            self._display.close()

    def look(self, login_locked: bool | None) -> Sight:
        """Ask for the idle time, and for whatever events say has changed."""
        idle_ms = self._root.screensaver_query_info().idle if self._sees_input else None
        self._hear()
        self._renew()
        return Sight(
            sees_focus=self._managed,
            sees_input=self._sees_input,
            sees_lock=self._saver_status is not None or login_locked is not None,
            focus_pid=self._focus_pid if self._managed else None,
            idle_ms=idle_ms,
            locked=self._saver_status == self._lock or login_locked is True,
            blind_spots=tuple(self._blind_spots(login_locked)),
        )

    def window_classes(self) -> dict[int, frozenset[str]]:
        """Return the classes of all managed windows by process."""
        found: dict[int, frozenset[str]] = {}
        for number in self._property(self._root, self._clients, Xatom.WINDOW):
            with suppress(xerror.XError):
                window = self._display.create_resource_object("window", number)
                pid = self._pid_of(window)
                if pid is not None:
                    found[pid] = found.get(pid, frozenset()) | set(window.get_wm_class() or ())
        return found

    def _hear(self) -> None:
        while self._display.pending_events():
            event = self._display.next_event()
            if event.type == X.PropertyNotify:
                self._stale.add(event.atom)

    def _renew(self) -> None:
        """Ask anew for what has changed; an error leaves it to be asked for at the next look."""
        self._looks += 1
        if self._check in self._stale or self._looks % LOOKS_BETWEEN_CHECKS == 0:
            self._managed = self._has_manager()
            self._stale.discard(self._check)
        if self._active in self._stale:
            self._focus_pid = None
            with suppress(xerror.XError):  # a window that has just gone
                self._focus_pid = self._find_focus()
                self._stale.discard(self._active)
        if self._saver in self._stale:
            status = self._property(self._root, self._saver, X.AnyPropertyType)
            self._saver_status = status[0] if status else None
            self._stale.discard(self._saver)

    def _has_manager(self) -> bool:
        """Whether a living window manager tells which window is active."""
        named = self._property(self._root, self._check, Xatom.WINDOW)
        if not named or self._active not in self._property(self._root, self._supported, Xatom.ATOM):
            return False
        try:
            itself = self._display.create_resource_object("window", named[0])
            return self._property(itself, self._check, Xatom.WINDOW) == named
        except xerror.XError:
            return False

    def _find_focus(self) -> int | None:
        active = self._property(self._root, self._active, Xatom.WINDOW)
        if not active or not active[0]:
            return None
        return self._pid_of(self._display.create_resource_object("window", active[0]))

    def _pid_of(self, window: Any) -> int | None:
        """Return a window's process: the server knows it best, the window may name another namespace's."""
        if self._knows_pids:
            asked = [{"client": window.id, "mask": LocalClientPIDMask}]
            pids = [pid for row in self._display.res_query_client_ids(asked).ids for pid in row.value]
            if pids and pids[0] > 0:
                return int(pids[0])
        said = self._property(window, self._pid, Xatom.CARDINAL)
        machine = window.get_wm_client_machine()
        if not said or (machine and machine != socket.gethostname()):
            return None
        return said[0]

    def _property(self, window: Any, name: int, kind: int) -> list[int]:
        found = window.get_full_property(name, kind)
        return [int(value) for value in found.value] if found and found.format == 32 else []

    def _blind_spots(self, login_locked: bool | None) -> list[str]:
        spots = list(UNSEEN)
        if not self._managed:
            spots.append("no window manager says which window has the focus")
        if not self._sees_input:
            spots.append("the display does not say when the last input was")
        if self._saver_status is None and login_locked is None:
            spots.append("nobody says whether the screen is locked")
        return spots
