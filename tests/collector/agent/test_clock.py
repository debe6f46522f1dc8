"""Clocks, zones, and instants read off idle times."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.agent import clock as clock_module
from collector.agent.clock import LastInput, Moment, SystemClock, boot_id, host_zone


def moment(boot_ms: int, slept_ms: int = 0) -> Moment:
    return Moment(boot_ms, 0, boot_ms - slept_ms)


def test_the_instant_of_an_input_does_not_tremble() -> None:
    last = LastInput()
    assert last.instant(moment(10_000), moment(10_001), 4_000) == 6_001
    assert last.instant(moment(11_000), moment(11_080), 4_990) == 6_001
    assert last.instant(moment(12_000), moment(12_001), 6_012) == 6_001


def test_a_new_input_is_a_new_instant() -> None:
    last = LastInput()
    last.instant(moment(10_000), moment(10_001), 4_000)
    assert last.instant(moment(11_000), moment(11_001), 500) == 10_501


def test_idle_time_does_not_run_while_the_machine_sleeps() -> None:
    last = LastInput()
    assert last.instant(moment(10_000), moment(10_000), 4_000) == 6_000
    assert last.instant(moment(110_000, 99_000), moment(110_000, 99_000), 5_000) == 6_000


def test_an_input_after_the_sleep_is_placed_after_it() -> None:
    last = LastInput()
    last.instant(moment(10_000), moment(10_000), 4_000)
    assert last.instant(moment(110_000, 99_000), moment(110_000, 99_000), 300) == 109_700


def test_an_unseen_input_before_the_sleep_is_placed_before_it() -> None:
    last = LastInput()
    last.instant(moment(10_000), moment(10_000), 4_000)
    assert last.instant(moment(110_000, 99_000), moment(110_000, 99_000), 1_500) == 9_500


def test_the_systems_clocks_go_forward_together() -> None:
    clock = SystemClock()
    first, second = clock.now(), clock.now()
    assert first.boot_ms <= second.boot_ms
    assert first.mono_ms <= second.mono_ms <= second.boot_ms
    assert second.wall_ms > 1_700_000_000_000
    assert boot_id() == boot_id()


class HeldUp:
    """A host whose clocks all show what `delays_ms` add up to; each is how long one reading of one takes."""

    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_UPTIME_RAW = range(3)

    def __init__(self, delays_ms: Iterator[float]) -> None:
        self.delays_ms, self.at_ns = delays_ms, 0

    def tell(self, _clock: int = 0) -> int:
        self.at_ns += round(next(self.delays_ms) * 1_000_000)
        return self.at_ns

    perf_counter_ns = time_ns = clock_gettime_ns = monotonic_ns = tell


@pytest.mark.parametrize(
    ("delays_ms", "moment"),
    [
        ([0.1] * 5, Moment(0, 0, 0)),
        ([0.1, 0.1, 300, 0.1, 0.1, *[0.1] * 5], Moment(300, 300, 300)),
        ([0.1, 0.1, 0.1, 3_000, 0.1, *[0.1] * 5], Moment(3_000, 3_000, 3_000)),
        ([1, 1, 40, 1, 1, *[1, 1, 2, 1, 1], *[1, 1, 90, 1, 1] * 8], Moment(48, 46, 49)),
    ],
    ids=["at once", "held up after the wall clock", "held up after the boot clock", "held up all the time"],
)
def test_the_clocks_of_an_instant_are_read_together_or_again(
    delays_ms: list[float], moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")  # which has three clocks
    monkeypatch.setattr(clock_module, "time", HeldUp(iter(delays_ms)))
    assert SystemClock().now() == moment


def test_the_zone_is_what_localtime_points_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Asia/Kolkata")
    assert host_zone(tmp_path / "localtime", tmp_path / "timezone") == "Asia/Kolkata"


def test_the_zone_file_is_asked_second_and_the_environment_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TZ", raising=False)
    assert host_zone(tmp_path / "localtime", tmp_path / "timezone") is None
    (tmp_path / "timezone").write_text("America/St_Johns\n")
    assert host_zone(tmp_path / "localtime", tmp_path / "timezone") == "America/St_Johns"
    monkeypatch.setenv("TZ", ":Europe/Berlin")
    assert host_zone(tmp_path / "localtime", tmp_path / "timezone") == "Europe/Berlin"
