"""The window that asks for a project, as somebody at the desk deals with it: by real keys and pointer."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass

from desktop import Desktop
from running_agent import RunningAgent

TITLE = "^Which project"


@dataclass
class PromptDesk:
    """A desktop on which an agent may ask."""

    desktop: Desktop
    agent: RunningAgent

    def window(self) -> str | None:
        """Return the id of the window that asks, if one is to be seen."""
        found = subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--name", TITLE],
            env=self.desktop.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        return found.stdout.split()[-1] if found.stdout.split() else None

    def wait_for_window(self) -> str:
        """Wait until somebody is asked."""
        self.agent.wait_until(self.window, "the window that asks for a project")
        window = self.window()
        assert window
        return window

    def enter_by_pointer(self) -> None:
        """Click into the window, at its heading."""
        window = self.wait_for_window()
        self._enter(window, "mousemove", "--window", window, "60", "30", "click", "1")

    def enter_by_keyboard(self) -> None:
        """Go to the window as to any other one: Alt+Tab."""
        self._enter(self.wait_for_window(), "key", "alt+Tab")

    def _enter(self, window: str, *action: str) -> None:
        """Do it until the window has the focus: its manager may not have taken it in yet."""

        def entered() -> bool:
            self.desktop.xdotool(*action)
            end = time.monotonic() + 3
            while time.monotonic() < end:
                if self._focused() == int(window):
                    return True
                time.sleep(0.05)
            return False

        self.agent.wait_until(entered, "the window to have the focus")

    def type(self, text: str) -> None:
        """Type a text."""
        self.desktop.xdotool("type", "--delay", "8", text)

    def key(self, *keys: str) -> None:
        """Press keys, one after the other."""
        self.desktop.xdotool("key", "--delay", "20", *keys)

    def wait_until_answered(self) -> None:
        """Wait until the window is gone."""
        self.agent.wait_until(lambda: self.window() is None, "the window to be gone")

    def _focused(self) -> int | None:
        found = subprocess.run(
            ["xdotool", "getwindowfocus"],
            env=self.desktop.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        return int(found.stdout) if found.stdout.strip() else None
