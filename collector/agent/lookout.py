"""Asks the sensor from a thread of its own, and goes on without it when it fails or does not come back."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from collector.agent.clock import Clock, LastInput, Moment
from collector.agent.sensors import Sensor, Sight

PATIENCE_SECONDS = 2.0
ABORT_MS = 10_000
"""After so long without an answer the sensor is made to let go of its desktop."""


@dataclass(frozen=True, slots=True)
class Look:
    """A sight, and the boot time of the last input in it."""

    sight: Sight
    last_input_ms: int | None


HUNG = Sight(blind_spots=("the sensor does not answer",))


class Lookout:
    """The sensor's thread, and what was last seen.

    Parameters
    ----------
    sensor
        Called from its own thread alone, but for `abort`.
    clock
        Read around each look.
    """

    def __init__(self, sensor: Sensor, clock: Clock) -> None:
        self._sensor = sensor
        self._clock = clock
        self._last_input = LastInput()
        self._questions: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._hung_since_ms: int | None = None
        self._last = Look(HUNG, None)
        self.failure: str | None = None
        """The last error that the sensor did not handle, for the log."""
        threading.Thread(target=self._answer, name="sensor", daemon=True).start()

    @property
    def last(self) -> Look:
        """Return what was last seen."""
        return self._last

    def look(self) -> Look:
        """Return what is to be seen now; blind when the sensor takes too long."""
        answer = self._ask(self._timed_look)
        if answer is None:
            self._last = Look(HUNG, None)
            return self._last
        before, sight, after = answer
        self._last = Look(sight, self._instant(before, sight, after))
        return self._last

    def window_classes(self) -> Mapping[int, frozenset[str]]:
        """Return the window classes by process; nothing when the sensor takes too long."""
        return self._ask(self._sensor.window_classes) or {}

    def close(self) -> None:
        """End the thread, if it still listens."""
        self._questions.put(None)

    def _timed_look(self) -> tuple[Moment, Sight, Moment]:
        before = self._clock.now()
        sight = self._sensor.look()
        return before, sight, self._clock.now()

    def _instant(self, before: Moment, sight: Sight, after: Moment) -> int | None:
        return None if sight.idle_ms is None else self._last_input.instant(before, after, sight.idle_ms)

    def _answer(self) -> None:
        while question := self._questions.get():
            try:
                self._answers.put(question())
            except Exception as error:  # noqa: BLE001  (a display library may raise anything: see _ask)
                self._answers.put(error)

    def _ask(self, question: Callable[[], Any]) -> Any:
        """Put a question to the sensor; None when it does not answer in time."""
        if self._hung_since_ms is None:
            self._questions.put(question)
        elif not self._has_come_back():
            return None
        else:
            self._hung_since_ms = None
            self._questions.put(question)
        try:
            answer = self._answers.get(timeout=PATIENCE_SECONDS)
        except queue.Empty:
            self._hung_since_ms = self._clock.now().mono_ms
            return None
        if isinstance(answer, Exception):
            self.failure = repr(answer)
            self._sensor.abort()
            return None
        return answer

    def _has_come_back(self) -> bool:
        """Whether the late answer has come; it is thrown away. A sensor that is too late is shaken off."""
        try:
            self._answers.get_nowait()
        except queue.Empty:
            if self._clock.now().mono_ms - (self._hung_since_ms or 0) > ABORT_MS:
                self._sensor.abort()
            return False
        return True
