"""A local time becomes an instant; the hour that came twice and the one that never came are said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.importers.local_time import HOUR_MS, Local
from warehouse.errors import Problem

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("zone", "local", "utc", "trouble"),
    [
        ("UTC", "2026-07-01 12:00:00.250", "2026-07-01 12:00:00.250", None),
        ("Europe/Berlin", "2026-03-29 01:59:59", "2026-03-29 00:59:59", None),
        ("Europe/Berlin", "2026-03-29 02:30:00", None, "missing"),
        ("Europe/Berlin", "2026-03-29 03:00:00", "2026-03-29 01:00:00", None),
        ("Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25 00:30:00", "ambiguous"),
        ("Europe/Berlin", "2026-10-25 03:00:00", "2026-10-25 02:00:00", None),
        # Lord Howe moves its clock by half an hour.
        ("Australia/Lord_Howe", "2026-10-04 02:15:00", None, "missing"),
        ("Australia/Lord_Howe", "2026-10-04 02:30:00", "2026-10-03 15:30:00", None),
        ("Australia/Lord_Howe", "2026-04-05 01:15:00", "2026-04-04 14:15:00", None),
        ("Australia/Lord_Howe", "2026-04-05 01:45:00", "2026-04-04 14:45:00", "ambiguous"),
        # Newfoundland once moved at one minute past midnight.
        ("America/St_Johns", "2010-03-14 00:00:30", "2010-03-14 03:30:30", None),
        ("America/St_Johns", "2010-03-14 00:30:00", None, "missing"),
    ],
)
def test_a_local_time_becomes_an_instant(zone: str, local: str, utc: str | None, trouble: str | None) -> None:
    expected = None if utc is None else round(datetime.fromisoformat(f"{utc}Z").timestamp() * 1000)
    assert Local(zone).utc_ms(datetime.fromisoformat(local)) == (expected, trouble)


@given(st.integers(0, 2_000_000_000_000))
def test_a_clock_s_time_leads_back_to_the_instant_unless_it_came_twice(instant_ms: int) -> None:
    there = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant_ms)).astimezone(BERLIN)
    ms, trouble = Local("Europe/Berlin").utc_ms(there.replace(tzinfo=None))
    assert (ms, trouble) in {
        (instant_ms, None),
        (instant_ms, "ambiguous"),
        (instant_ms - HOUR_MS, "ambiguous"),
    }


@pytest.mark.parametrize("zone", ["Europe/Berlyn", "Europe", "../etc/passwd", ""])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(Problem, match=r"unknown time zone .*; give an IANA name such as Europe/Berlin"):
        Local(zone)
