"""A real desktop for tests: Xvfb, a window manager, real programs, real key strokes.

Key strokes go through XTEST, as from a keyboard; `xdotool key --window` would not reset the idle time. Those
whose time matters are sent from here: a process for each would come late where the machine is busy.
Processes are ended by their own pid only.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from Xlib import X
from Xlib.display import Display
from Xlib.ext import xtest

KEY = ord("a")


@dataclass
class Desktop:
    """One X server with a window manager; use as a context manager."""

    folder: Path
    display: str = ""
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Desktop:
        # The server picks a free number itself and writes it to the pipe: no race between parallel desktops.
        read, write = os.pipe()
        screen = ["-screen", "0", "1280x800x24", "-nolisten", "tcp", "-noreset"]
        self._child(["Xvfb", "-displayfd", str(write), *screen], pass_fds=(write,))
        os.close(write)
        with os.fdopen(read) as numbers:
            self.display = f":{numbers.readline().strip()}"
        self._child(["openbox"], env=self.environment())
        self._wait(
            lambda: self._property("-root", "_NET_SUPPORTING_WM_CHECK") is not None, "a window manager"
        )
        return self

    def __exit__(self, *_: object) -> None:
        for child in reversed(self.children):
            self.end(child)

    def environment(self) -> dict[str, str]:
        """Return the environment of programs on this desktop; their settings stay in the test's folder."""
        home = self.folder / "desktop-home"
        home.mkdir(parents=True, exist_ok=True)
        own = {"DISPLAY": self.display, "HOME": str(home), "GSETTINGS_BACKEND": "memory", "NO_AT_BRIDGE": "1"}
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "DBUS_", "WAYLAND_", "XAUTH"))
        }
        return {**kept, **own}

    def launch(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a program and wait until one of its windows has the focus."""
        child = self._child(command, env=self.environment())
        self.wait_for_focus(child.pid)
        return child

    def wait_for_focus(self, pid: int) -> None:
        """Wait until the active window belongs to `pid`."""
        self._wait(lambda: self.focused_pid() == pid, f"the focus of process {pid}")

    def focused_pid(self) -> int | None:
        """Return the pid that the active window names, if any."""
        window = self._property("-root", "_NET_ACTIVE_WINDOW")
        if window is None or not window.startswith("0x") or window == "0x0":
            return None
        pid = self._property("-id", window, "_NET_WM_PID")
        return int(pid) if pid and pid.isdigit() else None

    def type_for(self, seconds: float, every: float = 0.3) -> tuple[float, float]:
        """Press a key again and again; return the wall time of the first and of the last stroke."""
        display = Display(self.display)
        display.display.set_extension_major(
            xtest.extname, display.query_extension(xtest.extname).major_opcode
        )
        strokes: list[float] = []
        end = time.time() + seconds
        while time.time() < end:
            for kind in (X.KeyPress, X.KeyRelease):
                xtest.fake_input(display, kind, display.keysym_to_keycode(KEY))
            display.sync()
            strokes.append(time.time())
            time.sleep(every)
        display.close()
        return strokes[0], strokes[-1]

    def xdotool(self, *arguments: str) -> None:
        """Run one xdotool command on this desktop."""
        subprocess.run(["xdotool", *arguments], env=self.environment(), check=True, capture_output=True)

    def end(self, child: subprocess.Popen[bytes]) -> float:
        """End a program by its pid; return the wall time at which it was gone."""
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        return time.time()

    def _child(self, command: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{Path(command[0]).name}.log").open("ab")
        child = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **options)
        log.close()
        self.children.append(child)
        return child

    def _property(self, *arguments: str) -> str | None:
        found = subprocess.run(
            ["xprop", *arguments], env=self.environment(), capture_output=True, text=True, check=False
        )
        words = found.stdout.split()
        return None if found.returncode or "not" in words or not words else words[-1]

    def _wait(self, condition: object, what: str, seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.05)
        raise TimeoutError(f"waited {seconds} s for {what}")
