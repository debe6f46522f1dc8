"""A debug log has times of the day: which day it is, and which instant, is not guessed silently."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from written_logs import Told, holds, told, utc

from collector.importers.flexnet import pair, read
from collector.importers.flexnet.dates import survey
from collector.importers.records import Event, SetAside
from warehouse.errors import Problem


def log(*lines: str) -> str:
    """Return a log of a daemon: time and message, or time and the name of a feature that is taken."""
    return "".join(
        f"{time:>8} (demo) " + (f'OUT: "{said}" ana@pc1  ' if len(said) == 1 else said) + "\n"
        for time, said in (line.split(" ", 1) for line in lines)
    )


def taken(found: Told) -> dict[str, str]:
    """Return when each feature was taken, in UTC."""
    return {
        each.application: f"{datetime.fromtimestamp(each.at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
        for each in found.records
        if isinstance(each, Event) and each.kind == "start"
    }


def days(folder: Path, *lines: str, **options: Any) -> dict[str, str]:
    """Return the day on which each feature was taken."""
    return {feature: when[:10] for feature, when in taken(told(read, folder, log(*lines), **options)).items()}


@pytest.mark.parametrize(
    "stamp",
    [
        "TIMESTAMP 3/30/2016",
        "(@demo-SLOG@) Start-Date: Wed Mar 30 2016 09:00:00 Romance Daylight Time",
        "(@demo-SLOG@) Time: Wed Mar 30 2016 09:00:00 EDT",
        "Server's System Date and Time: Wed Mar 30 2016 09:00:00 CEST",
        "FlexNet Licensing (v11.12.0.0 build 136775 x64_n6) started on SERVER01 (IBM PC) (3/30/2016)",
    ],
)
def test_any_line_that_says_its_own_date_dates_the_lines_around_it(tmp_path: Path, stamp: str) -> None:
    assert days(tmp_path, "8:00:00 a", f"9:00:00 {stamp}", "10:00:00 b") == {
        "a": "2016-03-30",
        "b": "2016-03-30",
    }


@pytest.mark.parametrize(
    "other",
    [
        "(@demo-SLOG@) 00000016 ms at 10:40:07(3/31/2016),#9,(2796K),(USER04,COMPUTER05,360)",
        "(@demo-SLOG@) Peak private bytes 3956K attempted at Tue Apr 05 2016 16:58:52 Romance Daylight Time",
        "(@demo-SLOG@) Time: Wed Mab 30 2016 09:00:00 EDT",
        "TIMESTAMP unknown",
    ],
)
def test_a_line_that_tells_of_another_time_dates_nothing(tmp_path: Path, other: str) -> None:
    with pytest.raises(Problem, match="no date line"):
        days(tmp_path, f"9:00:00 {other}")


def test_midnight_lies_where_the_time_of_day_falls_back_before_and_after_the_date_line(
    tmp_path: Path,
) -> None:
    assert days(
        tmp_path,
        "22:00:00 a",
        "1:00:00 b",
        "9:00:00 TIMESTAMP 12/31/2015",
        "23:59:59 c",
        "0:00:00 d",
        "15:00:00 TIMESTAMP 1/1/2016",
        "3:00:00 e",
    ) == {"a": "2015-12-30", "b": "2015-12-31", "c": "2015-12-31", "d": "2016-01-01", "e": "2016-01-02"}


def test_day_and_month_are_never_swapped_after_a_midnight(tmp_path: Path) -> None:
    assert days(
        tmp_path,
        "20:00:00 TIMESTAMP 4/11/2016",
        "23:00:00 a",
        "2:00:00 TIMESTAMP 4/12/2016",
        "3:00:00 b",
        "2:00:00 TIMESTAMP 4/13/2016",
        "3:00:00 c",
    ) == {"a": "2016-04-11", "b": "2016-04-12", "c": "2016-04-13"}


def test_the_days_first_number_is_the_month_unless_the_midnights_say_else(tmp_path: Path) -> None:
    lines = ["20:00:00 TIMESTAMP 3/4/2016", "23:00:00 a", "2:00:00 TIMESTAMP 4/4/2016", "3:00:00 b"]
    assert days(tmp_path, *lines) == {"a": "2016-04-03", "b": "2016-04-04"}
    month_later = ["20:00:00 TIMESTAMP 3/4/2016", "23:00:00 a", "2:00:00 TIMESTAMP 3/5/2016", "3:00:00 b"]
    assert days(tmp_path, *month_later) == {"a": "2016-03-04", "b": "2016-03-05"}


def test_a_spelled_out_month_decides_too(tmp_path: Path) -> None:
    lines = [
        "8:00:00 (@demo-SLOG@) Start-Date: Sun Apr 03 2016 08:00:00 CEST",
        "9:00:00 TIMESTAMP 3/4/2016",
        "10:00:00 a",
    ]
    assert days(tmp_path, *lines) == {"a": "2016-04-03"}


def test_where_nothing_decides_the_month_is_first_and_that_is_said(tmp_path: Path) -> None:
    lines = log("8:00:00 TIMESTAMP 4/5/2016", "9:00:00 a")
    found = told(read, tmp_path, lines)
    assert taken(found) == {"a": "2016-04-05 09:00:00"}
    assert found.tally.notes == [
        "Dates such as 4/5/2016 were read month first; date_order in the mapping says else"
    ]
    other = told(read, tmp_path, lines, mapping={"date_order": "day-first"})
    assert (taken(other), other.tally.notes) == ({"a": "2016-05-04 09:00:00"}, [])


def test_one_file_decides_for_all(tmp_path: Path) -> None:
    found = told(
        read,
        tmp_path,
        log("8:00:00 TIMESTAMP 3/4/2016", "9:00:00 a"),
        log("8:00:00 TIMESTAMP 13/4/2016", "9:00:00 b"),
    )
    assert taken(found) == {"a": "2016-04-03 09:00:00", "b": "2016-04-13 09:00:00"}


def test_the_mapping_gives_the_first_day_of_a_log_that_has_none(tmp_path: Path) -> None:
    for said in ("2016-03-30", datetime(2016, 3, 30, tzinfo=UTC).date()):
        found = days(tmp_path, "23:00:00 a", "1:00:00 b", mapping={"date": said})
        assert found == {"a": "2016-03-30", "b": "2016-03-31"}


def test_a_server_that_was_off_for_days_loses_no_day(tmp_path: Path) -> None:
    found = told(
        read,
        tmp_path,
        log(
            "16:00:00 TIMESTAMP 4/1/2016",
            "18:00:00 a",
            "7:00:00 b",  # three days later, eleven hours back: no midnight by itself
            "7:00:05 TIMESTAMP 4/4/2016",
            "10:00:00 c",
            "15:00:00 d",  # the next day, and no time went back at all
            "15:10:00 TIMESTAMP 4/5/2016",
        ),
    )
    assert {feature: when[:10] for feature, when in taken(found).items()} == {
        "a": "2016-04-01",
        "b": "2016-04-04",
        "c": "2016-04-04",
        "d": "2016-04-05",
    }
    assert found.tally.notes == [
        "0.log, line 3: 2 days without a line before it",
        "0.log, line 6: 1 day without a line before it",
    ]


def test_a_clock_that_is_set_back_a_little_passes_no_midnight_and_the_order_stays(tmp_path: Path) -> None:
    lines = log("8:00:00 TIMESTAMP 3/30/2016", "9:00:05 a", "9:00:02 b", "9:00:09 c")
    lines += ' 8:59:00 (demo) IN: "c" ana@pc1  \n'
    found = told(read, tmp_path, lines)
    assert taken(found) == {
        "a": "2016-03-30 09:00:05",
        "b": "2016-03-30 09:00:05",
        "c": "2016-03-30 09:00:09",
    }
    assert found.tally.notes == [
        "The clock was set back 2 times, by 69 s at most: the order of the lines was kept"
    ]
    assert [each.ended_ms for each in holds(pair, found.records)][-1] == utc("2016-03-30 09:00:09")


def test_a_date_that_goes_back_is_believed_and_said(tmp_path: Path) -> None:
    found = told(
        read,
        tmp_path,
        log("8:00:00 TIMESTAMP 3/30/2026", "9:00:00 a", "10:00:00 TIMESTAMP 3/30/2016", "11:00:00 b"),
    )
    assert taken(found) == {"a": "2026-03-30 09:00:00", "b": "2016-03-30 11:00:00"}
    assert found.tally.notes == ["0.log, line 3: the date goes back by 3652 days"]


def test_the_text_of_a_date_that_was_made_before_midnight_stands_on_the_next_day(tmp_path: Path) -> None:
    stamp = "0:00:00 (@demo-SLOG@) Time: Wed Mar 30 2016 23:59:59 CEST"
    assert days(tmp_path, "23:00:00 a", stamp, "1:00:00 b") == {"a": "2016-03-30", "b": "2016-03-31"}


def test_times_are_of_the_zone_that_is_given_and_the_logs_own_name_for_it_is_said(tmp_path: Path) -> None:
    lines = log("8:00:00 (@demo-SLOG@) Time: Wed Mar 30 2016 08:00:00 Romance Daylight Time", "9:00:00 a")
    found = told(read, tmp_path, lines, zone="Europe/Paris")
    assert taken(found) == {"a": "2016-03-30 07:00:00"}
    assert found.tally.notes == [
        "The log calls its zone Romance Daylight Time; its times were read as Europe/Paris"
    ]
    utc_lines = log("8:00:00 (@demo-SLOG@) Time: Wed Mar 30 2016 08:00:00 UTC", "9:00:00 a")
    assert told(read, tmp_path, utc_lines, zone="Europe/Paris").tally.notes == [
        "The log calls its zone UTC; its times were read as Europe/Paris",
        "If they are in UTC as the log says, import it with --zone UTC",
    ]


def test_the_hour_that_comes_twice_is_told_apart_by_the_order_of_the_lines(tmp_path: Path) -> None:
    lines = log(
        "1:00:00 TIMESTAMP 10/25/2026",
        "2:30:00 a",
        "2:50:00 b",
        "2:10:00 c",
        "2:40:00 d",
        "2:40:00 e",
        "3:00:00 f",
    )
    found = told(read, tmp_path, lines, zone="Europe/Berlin")
    assert {feature: when[11:16] for feature, when in taken(found).items()} == {
        "a": "00:30",
        "b": "00:50",
        "c": "01:10",
        "d": "01:40",
        "e": "01:40",
        "f": "02:00",
    }
    assert found.tally.notes == [
        "Times in an hour that came twice: 2 taken as its first pass, 2 as its second"
    ]


def test_the_hour_that_comes_twice_may_be_cut_between_two_files(tmp_path: Path) -> None:
    first = log("1:00:00 TIMESTAMP 10/25/2026", "2:30:00 a")
    second = log("2:10:00 b", "3:00:00 TIMESTAMP 10/25/2026")
    for logs in ((first, second), (second, first)):
        found = taken(told(read, tmp_path, *logs, zone="Europe/Berlin"))
        assert {feature: when[11:16] for feature, when in found.items()} == {"a": "00:30", "b": "01:10"}


def test_a_time_that_the_clock_jumped_over_is_set_aside(tmp_path: Path) -> None:
    lines = log("1:00:00 TIMESTAMP 3/29/2026", "2:30:00 a", "3:30:00 b")
    found = told(read, tmp_path, lines, zone="Europe/Berlin")
    assert taken(found) == {"b": "2026-03-29 01:30:00"}
    assert [each for each in found.records if isinstance(each, SetAside)] == [
        SetAside(
            "0.log, line 2", "a local time that the clock jumped over", '2:30:00 (demo) OUT: "a" ana@pc1'
        )
    ]


def test_a_survey_keeps_the_daemons_without_the_license_manager(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(" 8:00:00 (lmgrd) TIMESTAMP 3/30/2016\n 9:00:00 (demo) a\n10:00:00 (MLM) b\n")
    assert survey(path).daemons == {"demo", "MLM"}
