"""The agent goes on when its sensor hangs or fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping

import pytest

from collector.agent import lookout
from collector.agent.clock import Moment
from collector.agent.lookout import Lookout
from collector.agent.sensors import Sight


class Clock:
    ms = 1_000_000

    def now(self) -> Moment:
        return Moment(self.ms, 0, self.ms)


class Stubborn:
    """Sees the focus of process 7, unless it is told to hang or to fail."""

    name = "stubborn"

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.error: Exception | None = None
        self.aborted = 0

    def look(self) -> Sight:
        self.free.wait()
        if self.error:
            raise self.error
        return Sight(sees_focus=True, focus_pid=7, idle_ms=400)

    def window_classes(self) -> Mapping[int, frozenset[str]]:
        self.free.wait()
        return {7: frozenset({"pad"})}

    def abort(self) -> None:
        self.aborted += 1
        self.free.set()


@pytest.fixture
def sensor() -> Stubborn:
    return Stubborn()


@pytest.fixture
def watching(sensor: Stubborn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lookout]:
    monkeypatch.setattr(lookout, "PATIENCE_SECONDS", 60.0)  # a sensor that answers is waited for
    made = Lookout(sensor, Clock())
    yield made
    sensor.free.set()
    made.close()


def test_a_look_carries_the_instant_of_the_last_input(watching: Lookout) -> None:
    look = watching.look()
    assert (look.sight.focus_pid, look.last_input_ms) == (7, 999_600)
    assert watching.last == look
    assert watching.window_classes() == {7: frozenset({"pad"})}


def test_a_sensor_that_hangs_is_blind_until_it_comes_back(
    watching: Lookout, sensor: Stubborn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout, "PATIENCE_SECONDS", 0.05)
    sensor.free.clear()
    assert watching.look().sight.sees_focus is False
    assert watching.look().sight.blind_spots == ("the sensor does not answer",)
    monkeypatch.setattr(lookout, "PATIENCE_SECONDS", 60.0)
    sensor.free.set()
    end = time.monotonic() + 60
    while not watching.look().sight.sees_focus:
        assert time.monotonic() < end, "it did not come back"
        time.sleep(0.01)


def test_a_sensor_that_hangs_for_ten_seconds_is_shaken_off(
    watching: Lookout, sensor: Stubborn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout, "PATIENCE_SECONDS", 0.05)
    sensor.free.clear()
    watching.look()
    assert sensor.aborted == 0
    Clock.ms += 10_001
    try:
        watching.look()
    finally:
        Clock.ms -= 10_001
    assert sensor.aborted == 1


def test_a_sensor_that_fails_is_blind_and_its_error_is_kept_for_the_log(
    watching: Lookout, sensor: Stubborn
) -> None:
    sensor.error = KeyError("odd")
    assert watching.look().sight.sees_focus is False
    assert watching.failure == "KeyError('odd')"
    assert sensor.aborted == 1
    sensor.error = None
    assert watching.look().sight.sees_focus is True
