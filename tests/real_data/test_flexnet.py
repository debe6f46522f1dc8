"""A real debug log against a count of its own: string splits and lists, nothing of the importer's."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from written_logs import holds, told

from collector.importers.flexnet import pair, read
from collector.importers.records import Hold, Record

pytestmark = pytest.mark.realdata

ZONE = "Europe/Paris"  # "Romance Daylight Time"


@pytest.fixture
def log(real_data: Path) -> str:
    return (real_data / "autodesk-flexnet" / "sample.log").read_text(encoding="ascii")


class Use(NamedTuple):
    feature: str
    user: str
    start: datetime
    end: datetime


def counted(log: str) -> list[Use]:
    """Count what the log says, first taken, first given back; its days by comparing clocks as texts."""
    midnight = datetime(2016, 3, 30, tzinfo=ZoneInfo(ZONE))
    before = ""
    taken: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    found: list[Use] = []
    for line in log.split("\n"):
        clock = line[:8].replace(" ", "0")
        midnight += timedelta(days=clock < before)
        before = clock
        words = line[8:].split()
        if words[1:2] in (["OUT:"], ["IN:"]):
            hour, minute, second = clock.split(":")
            at = midnight + timedelta(hours=int(hour), minutes=int(minute), seconds=int(second))
            who = words[2].strip('"'), words[3].lower()
            if words[1] == "OUT:":
                taken[who].append(at.astimezone(UTC))
            else:
                found.append(Use(*who, taken[who].pop(0), at.astimezone(UTC)))
    assert not any(taken.values())
    return found


def ours(log: str, folder: Path) -> list[Use]:
    return [
        Use(hold.application, f"{hold.account}@{hold.host}", _utc(hold.started_ms), _utc(hold.ended_ms or 0))
        for hold in sessions(told(read, folder, log, zone=ZONE).records)
    ]


def sessions(*commands: Iterable[Record]) -> list[Hold]:
    return holds(pair, *commands)


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def most_at_once(uses: Iterable[Use], *, by_user: bool) -> tuple[int, datetime]:
    """Return how many were in use at most, and since when first: each instant of a start is counted anew."""
    every = list(uses)
    most, first = 0, datetime.max.replace(tzinfo=UTC)
    for at in sorted({use.start for use in every}):
        running = [use.user for use in every if use.start <= at < use.end]
        if (number := len(set(running)) if by_user else len(running)) > most:
            most, first = number, at
    return most, first


def test_sessions_users_and_hours_are_those_of_a_plain_count(log: str, tmp_path: Path) -> None:
    expected = sorted(counted(log))
    found = sorted(ours(log, tmp_path))
    assert found == expected
    assert len(found) == 1918
    of_suite = [use for use in found if use.feature == "64300ACD_F"]
    seconds = sum(((use.end - use.start) for use in of_suite), timedelta()).total_seconds()
    assert (len(of_suite), len({use.user for use in of_suite}), seconds) == (952, 67, 3_937_768)


@pytest.mark.parametrize(
    ("by_user", "most", "first"),
    [
        (False, 12, datetime(2016, 4, 15, 9, 32, 7, tzinfo=UTC)),
        (True, 10, datetime(2016, 3, 31, 11, 7, 38, tzinfo=UTC)),
    ],
    ids=["token", "user"],
)
def test_peaks_are_those_of_a_plain_count(
    log: str, tmp_path: Path, *, by_user: bool, most: int, first: datetime
) -> None:
    expected, found = counted(log), ours(log, tmp_path)
    for feature in {use.feature for use in expected}:
        of_feature = [[use for use in uses if use.feature == feature] for uses in (found, expected)]
        peaks = [most_at_once(uses, by_user=by_user) for uses in of_feature]
        assert peaks[0] == peaks[1]
        if feature == "64300ACD_F":
            assert peaks[0] == (most, first)


def test_its_last_line_is_of_the_day_that_it_says(log: str, tmp_path: Path) -> None:
    found = told(read, tmp_path, log, zone=ZONE)
    assert found.tally.read == len(log.splitlines())
    assert found.tally.skipped == {"other messages of the license server": 7964}
    assert found.tally.notes == [
        f"The log calls its zone Romance Daylight Time; its times were read as {ZONE}"
    ]


@pytest.mark.parametrize("cut", [2_000, 11_000])
def test_cut_in_two_it_tells_the_same(log: str, tmp_path: Path, cut: int) -> None:
    lines = log.splitlines(keepends=True)
    first, second = "".join(lines[:cut]), "".join(lines[cut:])
    whole = sessions(told(read, tmp_path, log, zone=ZONE).records)
    zipped = gzip.compress(second.encode())
    assert sessions(told(read, tmp_path, zipped, first, zone=ZONE).records) == whole
    halves = [told(read, tmp_path, part, zone=ZONE).records for part in (second, first)]
    assert sessions(*halves) == whole
    assert sessions(halves[1], told(read, tmp_path, log, zone=ZONE).records) == whole
