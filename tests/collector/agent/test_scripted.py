"""A written day is seen as it is written."""

import pytest

from collector.agent.clock import Moment
from collector.agent.errors import AgentProblem
from collector.agent.sensors.scripted import ScriptedSensor, read_day

DAY = """
00:00:00 focus editor
00:00:00 type until 00:10:00   # two hundred seconds of thought follow
00:13:20 type until 00:20:00
00:20:00 focus none
00:21:00 lock
00:22:00 unlock
00:23:00 detach
00:24:00 attach
00:25:00 blind
00:26:00 see
00:27:00 type
"""


class Clock:
    def __init__(self) -> None:
        self.ms = 5_000

    def now(self) -> Moment:
        return Moment(self.ms, 0, self.ms)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sensor(clock: Clock) -> ScriptedSensor:
    return ScriptedSensor(read_day(DAY), clock, {"editor": 10})


@pytest.mark.parametrize(
    ("minute", "expected"),  # focus, idle seconds, locked, detached, sees
    [
        (0, (10, 0, False, False, True)),
        (5, (10, 0, False, False, True)),
        (12, (10, 120, False, False, True)),
        (15, (10, 0, False, False, True)),
        (20.5, (None, 30, False, False, True)),
        (21.5, (None, 90, True, False, True)),
        (23.5, (None, 210, False, True, True)),
        (25.5, (None, None, False, False, False)),
        (26.5, (None, 390, False, False, True)),
        (28, (None, 60, False, False, True)),
    ],
)
def test_each_moment_is_as_written(
    sensor: ScriptedSensor, clock: Clock, minute: float, expected: tuple[object, ...]
) -> None:
    clock.ms = 5_000 + round(minute * 60_000)
    sight = sensor.look()
    idle = None if sight.idle_ms is None else sight.idle_ms / 1000
    assert (sight.focus_pid, idle, sight.locked, sight.disconnected, sight.sees_focus) == expected


def test_window_classes_are_the_names(sensor: ScriptedSensor) -> None:
    assert sensor.window_classes() == {10: frozenset({"editor"})}
    sensor.abort()


@pytest.mark.parametrize(
    "line", ["9 focus editor", "00:00:01", "00:00:01 dance", "00:00:02 type until 00:00:01", "00:00:01 focus"]
)
def test_a_line_that_is_not_understood_is_named(line: str) -> None:
    with pytest.raises(AgentProblem, match=f"line 2: '{line}'"):
        read_day(f"00:00:00 type\n{line}")
