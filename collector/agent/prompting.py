"""The question for a project at launch, as the agent puts it: in a process of its own, never waited for.

The agent writes the question to a private file and starts the window; the window writes the answer to another
one and ends. So an answer outlives the agent, and tkinter is never loaded where metering goes on. Whatever
happens to the window, the metering does not notice.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, get_args

from collector.agent.errors import AgentProblem
from collector.agent.home import Home, read_document, write_private
from collector.agent.meter import Asked, Meter
from collector.agent.sample import Project
from collector.protocol import CollectionPolicy, PromptOutcome, Record

UNABLE = "unable"
"""The outcome of a question that could not be shown."""
REST_MS = 600_000
"""After a window that could not be shown, the next one is not tried for so long."""


class Window(Protocol):
    """A started window: `subprocess.Popen`, as far as it is needed here."""

    def poll(self) -> int | None:
        """Return its exit status; None while it is open."""
        ...


def open_window(folder: Path) -> Window:
    """Start the window for the question in an agent's folder."""
    command = [sys.executable, "-I", "-m", "collector.agent.prompt_process", str(folder)]
    quiet = subprocess.DEVNULL
    # Windows would open a console for it.
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    return subprocess.Popen(command, stdin=quiet, stdout=quiet, creationflags=flags)


@dataclass(slots=True)
class Prompting:
    """One window at a time; who launches something meanwhile is asked after it."""

    home: Home
    start: Callable[[Path], Window] = open_window
    complaint: str = ""
    """Why nobody is asked, or was not, in one sentence."""
    _window: Window | None = None
    _is_answered: bool = False
    """Whether the answer of this window is taken, and waits to be stored."""
    _rest_until_ms: int = 0

    def step(self, meter: Meter, policy: CollectionPolicy, mono_ms: int) -> list[Record]:
        """Take an answer, if there is one, and put the next question, if it is time.

        Parameters
        ----------
        mono_ms
            The present instant, on the clock that stands still while the machine sleeps.

        Returns
        -------
        list of Record
            What the answer states.
        """
        ended = None if self._window is None else self._window.poll()
        records = [] if self._is_answered else self._take(meter, mono_ms)
        if ended is not None:
            self._window = None
            if ended:
                self.complaint = f"the window that asks for the project ended with status {ended}"
        if self._window is None and not self._is_answered and mono_ms >= self._rest_until_ms:
            self._ask(meter, policy, mono_ms)
        return records

    def forget(self) -> None:
        """Forget the answer that was taken: it is stored."""
        if self._is_answered:
            self.home.answer.unlink(missing_ok=True)
            self._is_answered = False

    def recover(self) -> None:
        """Take the answer once more: what was made of it is lost."""
        self._is_answered = False

    def describe(self, policy: CollectionPolicy) -> str:
        """Say in a few words whether people are asked for a project at launch."""
        if not any(application.prompt for application in policy.applications):
            return "off"
        return self.complaint or "at launch"

    # --- The question --------------------------------------------------------------------------------------

    def _ask(self, meter: Meter, policy: CollectionPolicy, mono_ms: int) -> None:
        names = {each.code: each.name for each in policy.applications if each.prompt}
        asked = [each for each in meter.to_be_asked() if each.application in names]
        if not asked or self.home.is_asking():
            return
        question = {"applications": sorted({names[each.application] for each in asked}), "sessions": asked}
        try:
            write_private(self.home.question, json.dumps(question), lasting=False)
            self._window = self.start(self.home.folder)
        except (AgentProblem, OSError) as error:
            self._give_up(f"the window that asks for the project cannot be started: {error}", mono_ms)
        else:
            meter.note_prompt(asked, "asked")

    def _give_up(self, complaint: str, mono_ms: int) -> None:
        self.complaint, self._rest_until_ms = complaint, mono_ms + REST_MS

    # --- The answer ----------------------------------------------------------------------------------------

    def _take(self, meter: Meter, mono_ms: int) -> list[Record]:
        if not self.home.answer.exists():
            return []
        self._is_answered = True
        try:
            return self._heed(read_document(self.home.answer) or {}, meter, mono_ms)
        except (AgentProblem, KeyError, TypeError, ValueError) as error:
            self.complaint = f"an answer was not understood: {error!r}"
            return []

    def _heed(self, answer: Mapping[str, Any], meter: Meter, mono_ms: int) -> list[Record]:
        asked = [Asked(str(key), str(code), int(start)) for key, code, start in answer["sessions"]]
        outcome = answer["outcome"]
        if outcome == UNABLE:
            meter.note_prompt(asked, None)
            self._give_up(str(answer["reason"]), mono_ms)
            return []
        if outcome not in get_args(PromptOutcome):
            raise ValueError(outcome)
        self.complaint = ""
        if outcome not in ("entered", "kept"):
            meter.note_prompt(asked, cast("PromptOutcome", outcome))
            return []
        project = Project(**answer["project"])
        self.home.remember(project)
        return meter.enter(asked, project, cast("PromptOutcome", outcome))
