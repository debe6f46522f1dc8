"""Tell a person how far long work has come: a moving line on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Update = Callable[[str, float], None]
"""Called with what is being done and the share of the step that is done, 0 to 1."""


class Teller:
    """Says which step runs and how long each took, on one stream.

    Parameters
    ----------
    stream
        Where to; standard output by default.
    clock
        Seconds that only grow.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream or sys.stdout
        self.clock = clock
        self.began = clock()

    def say(self, text: str = "") -> None:
        """Print one line as it is."""
        print(text, file=self.stream, flush=True)

    def note(self, text: str) -> None:
        """Print one line that belongs to the step above."""
        self.say(f"{'':10}{text}")

    @contextmanager
    def step(self, name: str) -> Iterator[Update]:
        """Run one step; when it has ended, say so and how long it took."""
        began = self.clock()
        try:
            if self.stream.isatty():
                with self._moving(name) as update:
                    yield update
            else:
                yield lambda _detail, _share: None
        except BaseException:
            self.say(f"{self._time(began)}  {name}: not finished")
            raise
        self.say(f"{self._time(began)}  {name}")

    @contextmanager
    def _moving(self, name: str) -> Iterator[Update]:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(file=self.stream), transient=True) as progress:
            task = progress.add_task(name, total=None)
            yield lambda detail, share: progress.update(
                task, description=f"{name}: {detail}", total=1.0, completed=share
            )

    def _time(self, began: float) -> str:
        return f"{self.clock() - began:6.1f} s"

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the beginning."""
        return self.clock() - self.began
