"""FlexNet debug logs, written here line by line: what real ones hold, and what the real one at hand lacks."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from written_logs import holds, stored, told, utc

from collector.importers.flexnet import pair, read
from collector.importers.records import Denial, Event, Options, SetAside, Step, Tally
from warehouse.errors import Problem

DAY = " 8:00:00 (demo) TIMESTAMP 3/30/2016\n"


def moves(folder: Path, *logs: str | bytes, **options: object) -> list[Event]:
    """Return what was taken and given back."""
    records = told(read, folder, *logs, **options).records
    return [each for each in records if isinstance(each, Event) and each.kind in {"start", "end"}]


def said(folder: Path, line: str) -> tuple[str, str, str, int, str]:
    (event,) = moves(folder, DAY + line)
    return event.application, event.account, event.host, event.units, event.subject


# --- Lines --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            ' 8:55:54 (demo) OUT: "64300ACD_F" USER02@COMPUTER02  ',
            ("64300ACD_F", "USER02", "COMPUTER02", 1, ""),
        ),
        ('8:55:54 (MLM) OUT: "MATLAB" ana@pc1', ("MATLAB", "ana", "pc1", 1, "")),
        (
            '21:06:15 (ansyslmd) OUT: "hfsshpc" ana@nyx7.x.edu  (20 licenses) ',
            ("hfsshpc", "ana", "nyx7.x.edu", 20, ""),
        ),
        (
            '15:40:28 (ansyslmd) OUT: "cfd_base" ana@a09r4n01  [32206] ',
            ("cfd_base", "ana", "a09r4n01", 1, "32206"),
        ),
        ('15:40:28 (ansyslmd) OUT: "cfd" ana@a09  (4 licenses) [322] ', ("cfd", "ana", "a09", 4, "322")),
        (
            ' 9:45:45 (snpslmd) OUT: "PrimeTime" ana@u-86  [J3_7f0101_611_1] ',
            ("PrimeTime", "ana", "u-86", 1, ""),
        ),
        (' 9:00:00 (demo) OUT: "f1" john smith@HOST  ', ("f1", "john smith", "HOST", 1, "")),
        (' 9:00:00 (demo) OUT: "f1" LOCAL SERVICE@HOST (3 licenses)', ("f1", "LOCAL SERVICE", "HOST", 3, "")),
        (' 9:00:00 (demo) OUT: "f1" ana@firm.com@HOST  (2 licenses)', ("f1", "ana@firm.com", "HOST", 2, "")),
        (' 9:00:00 (demo) OUT: "f1" ana lee (b)@HOST  ', ("f1", "ana lee (b)", "HOST", 1, "")),
        (' 9:00:00 (demo) OUT:  "f 1" ana@HOST  ', ("f 1", "ana", "HOST", 1, "")),
        (
            ' 9:00:00 (demo) OUT: "f1" ana@HOST (2 licenses) ^^^ 1.0 ana 127.0.0.1 29865 0x12 secret 11 ^^^',
            ("f1", "ana", "HOST", 2, ""),
        ),
        (' 9:00:00 (a daemon) OUT: "f1" ana@HOST  ', ("f1", "ana", "HOST", 1, "")),
    ],
)
def test_a_line_says_feature_user_host_and_how_many(tmp_path: Path, line: str, expected: object) -> None:
    assert said(tmp_path, line) == expected


def test_written_lines_a_request_that_was_not_met_is_a_denial_with_the_servers_words(tmp_path: Path) -> None:
    log = (
        DAY
        + ' 9:00:00 (demo) DENIED: "f1" ana@pc1  (Licensed number of users already reached. (-4,342))\n'
        + ' 9:00:01 (demo) DENIED: "f1" ana@pc  (5 licenses) (Users are queued for this feature. (-24,332))\n'
        + ' 9:00:02 (demo) UNSUPPORTED: "f2" (PORT_AT_HOST_PLUS   ) ana@pc1  '
        '(License server system does not support this feature. (-18,327:10054 ""))\n'
        + ' 9:00:03 (demo) QUEUED: "f1" ana@pc1  (2 licenses)\n'
        + ' 9:00:04 (demo) DEQUEUED: "f1" ana@pc1  (2 licenses)\n'
        + ' 9:00:05 (demo) DENIED: "f1" ana@pc1  (User/host on EXCLUDE list for feature. (-38,348))\n'
        + ' 9:00:06 (demo) DENIED: "f1" ana@pc1  (No such file /home/ana/x)\n'
    )
    found = told(read, tmp_path, log)
    denials = [tuple(each)[1:] for each in found.records if isinstance(each, Denial)]
    nine = utc("2016-03-30 09:00:00")
    who = ("ana", "pc1")
    assert denials == [
        (nine, "denied", "f1", *who, 1, "Licensed number of users already reached. (-4,342)"),
        (nine + 1000, "denied", "f1", "ana", "pc", 5, "Users are queued for this feature. (-24,332)"),
        (
            nine + 2000,
            "unsupported",
            "f2",
            *who,
            1,
            "License server system does not support this feature. (-18,327)",
        ),
        (nine + 3000, "queued", "f1", *who, 2, None),
        (nine + 5000, "denied", "f1", *who, 1, "User/host on EXCLUDE list for feature. (-38,348)"),
        (nine + 6000, "denied", "f1", *who, 1, None),
    ]
    assert found.tally.skipped["requests that left the queue"] == 1


def test_each_daemon_is_a_server_of_its_own_behind_the_name_that_the_mapping_gives(tmp_path: Path) -> None:
    log = DAY + ' 9:00:00 (demo) OUT: "f" ana@pc1  \n 9:00:01 (MLM) OUT: "f" ana@pc1  \n'
    assert [each.server for each in moves(tmp_path, log)] == ["demo", "MLM"]
    named = moves(tmp_path, log, mapping={"server": "lic1"})
    assert [each.server for each in named] == ["lic1/demo", "lic1/MLM"]


def test_everything_may_be_recorded_as_one_application_and_still_pairs_by_feature(tmp_path: Path) -> None:
    log = (
        DAY
        + ' 9:00:00 (demo) OUT: "a" ana@pc1  \n 9:10:00 (demo) OUT: "b" ana@pc1  \n'
        + ' 9:20:00 (demo) IN: "b" ana@pc1  \n 9:30:00 (demo) IN: "a" ana@pc1  \n'
    )
    found = holds(pair, told(read, tmp_path, log, application="SUITE").records)
    ten_minutes = 600_000
    assert [(each.application, (each.ended_ms or 0) - each.started_ms) for each in found] == [
        ("SUITE", 3 * ten_minutes),
        ("SUITE", ten_minutes),
    ]


# --- Sessions -----------------------------------------------------------------------------------------------


def sessions(folder: Path, *lines: str) -> list[tuple[str, str | None, list[tuple[str, int]]]]:
    """Return start, end and licenses of each session, as times of the day; None: still open."""
    records = told(read, folder, DAY + "\n".join(lines)).records
    day = utc("2016-03-30 00:00:00")

    def clock(ms: int) -> str:
        minute, second = divmod((ms - day) // 1000, 60)
        return f"{minute // 60}:{minute % 60:02d}" + (f":{second:02d}" if second else "")

    return [
        (
            clock(each.started_ms),
            None if each.ended_ms is None else clock(each.ended_ms),
            [(clock(step.at_ms), step.units) for step in each.steps],
        )
        for each in holds(pair, records)
    ]


def test_user_and_host_are_compared_in_lower_case(tmp_path: Path) -> None:
    found = sessions(
        tmp_path, ' 9:00:00 (demo) OUT: "f" Ana Lee@PC1  ', '10:00:00 (demo) IN: "f" ANA LEE@pc1  (SHUTDOWN)'
    )
    assert found == [("9:00", "10:00", [("9:00", 1)])]


def test_a_feature_is_as_logged(tmp_path: Path) -> None:
    found = sessions(tmp_path, ' 9:00:00 (demo) OUT: "f" ana@pc1  ', '10:00:00 (demo) IN: "F" ana@pc1  ')
    assert found == [("9:00", None, [("9:00", 1)])]


def test_a_license_that_the_server_took_back_ends_its_session(tmp_path: Path) -> None:
    found = sessions(
        tmp_path, ' 9:00:00 (demo) OUT: "f" ana@pc1  ', '10:00:00 (demo) IN: "f" ana@pc1  (INACTIVE)'
    )
    assert found == [("9:00", "10:00", [("9:00", 1)])]


def test_written_lines_what_comes_back_closes_the_oldest_that_took_exactly_as_many(tmp_path: Path) -> None:
    found = sessions(
        tmp_path,
        ' 9:00:00 (demo) OUT: "f" ana@pc1  (2 licenses)',
        ' 9:10:00 (demo) OUT: "f" ana@pc1  (3 licenses)',
        ' 9:20:00 (demo) OUT: "f" ana@pc1  (3 licenses)',
        ' 9:30:00 (demo) IN: "f" ana@pc1  (3 licenses)',
    )
    assert found == [
        ("9:00", None, [("9:00", 2)]),
        ("9:10", "9:30", [("9:10", 3)]),
        ("9:20", None, [("9:20", 3)]),
    ]


def test_written_lines_some_of_many_come_back_from_the_oldest_on(tmp_path: Path) -> None:
    found = sessions(
        tmp_path,
        ' 9:00:00 (demo) OUT: "f" ana@pc1  (4 licenses)',
        ' 9:10:00 (demo) OUT: "f" ana@pc1  (3 licenses)',
        ' 9:20:00 (demo) IN: "f" ana@pc1  ',
        ' 9:30:00 (demo) IN: "f" ana@pc1  (5 licenses)',
        ' 9:40:00 (demo) IN: "f" ana@pc1  (9 licenses)',
    )
    assert found == [
        ("9:00", "9:30", [("9:00", 4), ("9:20", 3)]),
        ("9:10", "9:40", [("9:10", 3), ("9:30", 1)]),
    ]


def test_the_clients_process_tells_two_of_one_user_apart(tmp_path: Path) -> None:
    found = sessions(
        tmp_path,
        ' 9:00:00 (ansyslmd) OUT: "f" ana@pc1  [100] ',
        ' 9:10:00 (ansyslmd) OUT: "f" ana@pc1  [200] ',
        ' 9:20:00 (ansyslmd) IN: "f" ana@pc1  [200] ',
        ' 9:30:00 (ansyslmd) IN: "f" ana@pc1  [100] ',
    )
    assert found == [("9:00", "9:30", [("9:00", 1)]), ("9:10", "9:20", [("9:10", 1)])]


def test_what_comes_back_without_having_been_taken_is_part_of_no_session(tmp_path: Path) -> None:
    found = sessions(tmp_path, ' 9:00:00 (demo) IN: "f" ana@pc1  ', ' 9:00:01 (demo) OUT: "f" ana@pc1  ')
    assert found == [("9:00:01", None, [])]


def test_a_session_of_no_length_holds_nothing(tmp_path: Path) -> None:
    found = sessions(tmp_path, ' 9:00:00 (demo) OUT: "f" ana@pc1  ', ' 9:00:00 (demo) IN: "f" ana@pc1  ')
    assert found == [("9:00", "9:00", [])]


def test_written_lines_never_returned_is_open_unobserved_and_known_up_to_the_daemons_last_line(
    tmp_path: Path,
) -> None:
    log = (
        DAY
        + ' 9:00:00 (demo) OUT: "f" ana@pc1  (2 licenses)\n'
        + "12:00:00 (demo) TIMESTAMP 3/30/2016\n18:00:00 (lmgrd) TIMESTAMP 3/30/2016\n"
    )
    (found,) = holds(pair, told(read, tmp_path, log).records)
    assert (found.ended_ms, found.known_until_ms) == (None, utc("2016-03-30 12:00:00"))
    assert found.steps == (Step(utc("2016-03-30 09:00:00"), "unobserved", 2),)


@pytest.mark.parametrize(
    ("restart", "ended", "uncertain_minutes"),
    [
        # The daemon's own last line was at 9:40; lmgrd wrote at 9:50.
        ("10:00:00 (demo) FlexNet Licensing version v11.12.0.0 build 136775 x64_n6", "09:40", 20),
        ("10:00:00 (lmgrd) Started demo (internet tcp_port 32783 pid 1076)", "09:40", 20),
        ("10:00:00 (lmgrd) REStarted demo (internet tcp_port 45413 pid 177)", "09:40", 20),
        ("10:00:00 (lmgrd) demo exited with status 0 signal = 17", "09:40", 20),
        ("10:00:00 (demo) EXITING DUE TO SIGNAL 15 Exit reason 5", "10:00", 0),
    ],
)
def test_written_lines_a_daemon_that_starts_anew_has_nothing_checked_out(
    tmp_path: Path, restart: str, ended: str, uncertain_minutes: int
) -> None:
    log = (
        DAY
        + ' 9:00:00 (demo) OUT: "f" ana@pc1  \n 9:30:00 (MLM) OUT: "f" ana@pc1  \n 9:40:00 (demo) a message\n'
        + f' 9:50:00 (lmgrd) a message\n{restart}\n10:10:00 (demo) OUT: "f" ana@pc1  \n'
        + '10:20:00 (demo) IN: "f" ana@pc1  \n10:30:00 (MLM) IN: "f" ana@pc1  \n'
    )
    found = holds(pair, told(read, tmp_path, log).records)
    assert [(each.started_ms, each.ended_ms, each.end_uncertainty_ms) for each in found] == [
        (utc("2016-03-30 09:00:00"), utc(f"2016-03-30 {ended}:00"), uncertain_minutes * 60_000),
        (utc("2016-03-30 09:30:00"), utc("2016-03-30 10:30:00"), 0),
        (utc("2016-03-30 10:10:00"), utc("2016-03-30 10:20:00"), 0),
    ]


def test_written_lines_a_restart_in_the_next_file_ends_what_this_one_left_open(tmp_path: Path) -> None:
    before = DAY + ' 9:00:00 (demo) OUT: "f" ana@pc1  \n 9:40:00 (demo) a message\n'
    after = "11:00:00 (lmgrd) Started demo (pid 1884)\n11:00:01 (demo) TIMESTAMP 3/30/2016\n"
    for logs in ((before, after), (after, before)):
        (found,) = holds(pair, told(read, tmp_path, *logs).records)
        assert (found.ended_ms, found.end_uncertainty_ms) == (utc("2016-03-30 09:40:00"), 80 * 60_000)


def test_the_oldest_open_session_carries_the_mark_up_to_which_its_daemon_is_known(tmp_path: Path) -> None:
    log = (
        DAY
        + ' 9:00:00 (demo) OUT: "f" ana@pc1  \n 9:10:00 (demo) OUT: "f" bo@pc2  \n 9:40:00 (demo) a message\n'
    )
    events = stored(told(read, tmp_path, log).records)
    first, second = pair(events)
    kinds = {key: event.kind for key, event in events}
    assert [kinds[key] for key in first.events] == ["start", "mark"]
    assert [kinds[key] for key in second.events] == ["start"]


# --- Files --------------------------------------------------------------------------------------------------


def test_rotated_files_may_be_gzipped_and_come_in_any_order(tmp_path: Path) -> None:
    first = DAY + ' 9:00:00 (demo) OUT: "f" ana@pc1  \n'
    second = ' 1:00:00 (demo) TIMESTAMP 3/31/2016\n10:00:00 (demo) IN: "f" ana@pc1  \n'
    whole = holds(pair, told(read, tmp_path, first + second).records)
    for logs in ((first, second), (gzip.compress(second.encode()), first)):
        assert holds(pair, told(read, tmp_path, *logs).records) == whole
    assert [(each.started_ms, each.ended_ms) for each in whole] == [
        (utc("2016-03-30 09:00:00"), utc("2016-03-31 10:00:00"))
    ]


def test_half_a_log_and_then_the_whole_is_the_whole(tmp_path: Path) -> None:
    half = DAY + ' 9:00:00 (demo) OUT: "f" ana@pc1  \n' * 2 + ' 9:30:00 (demo) IN: "f" ana@pc1  \n'
    whole = half + ' 9:40:00 (demo) IN: "f" ana@pc1  \n'
    commands = [told(read, tmp_path, log).records for log in (half, whole)]
    assert holds(pair, *commands) == holds(pair, commands[1])


def test_files_that_tell_of_the_same_time_are_said(tmp_path: Path) -> None:
    log = DAY + ' 9:00:00 (demo) OUT: "f" ana@pc1  \n'
    other = ' 8:30:00 (demo) TIMESTAMP 3/30/2016\n10:00:00 (demo) IN: "f" ana@pc1  \n'
    assert told(read, tmp_path, log, other).tally.notes == [
        "0.log and 1.log tell of the same time; logs of two servers need a mapping with server for each"
    ]


def test_logs_of_two_daemons_in_files_of_their_own_do_not_disturb_each_other(tmp_path: Path) -> None:
    one = DAY + ' 9:00:00 (demo) OUT: "f" ana@pc1  \n20:00:00 (demo) a message\n'
    other = ' 8:30:00 (MLM) TIMESTAMP 3/30/2016\n10:00:00 (MLM) OUT: "f" ana@pc1  \n'
    found = told(read, tmp_path, one, other)
    starts = [each.at_ms for each in found.records if isinstance(each, Event) and each.kind == "start"]
    assert starts == [utc("2016-03-30 09:00:00"), utc("2016-03-30 10:00:00")]
    assert found.tally.notes == []


def test_lines_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    found = told(read, tmp_path, DAY + 'free(): invalid pointer\n\n 9:00:00 (demo) OUT: "f" ana@pc1  \n')
    assert found.tally.read == 4
    assert found.tally.skipped == {
        "other messages of the license server": 1,
        "lines without a time and a daemon": 2,
    }


# --- Bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason", "record"),
    [
        ('OUT: "f" nobody [job x]', "a request without feature, user and host", 'OUT: "f" nobody []'),
        (
            "OUT: f by ana (3 licenses)",
            "a request without feature, user and host",
            "OUT: f by ana (3 licenses)",
        ),
        (
            'IN: "f" ana@pc1  (-3 licenses) ^^^ 1.0 10.1.1.1 secret ^^^',
            "a number of licenses that cannot be",
            'IN: "f" ana@pc1  (-3 licenses)',
        ),
        (
            'OUT: "f" ana@pc1  (0 licenses)',
            "a number of licenses that cannot be",
            'OUT: "f" ana@pc1  (0 licenses)',
        ),
        (
            'OUT: "f" ana@pc1  (99999999999 licenses)',
            "a number of licenses that cannot be",
            'OUT: "f" ana@pc1  (99999999999 licenses)',
        ),
    ],
)
def test_a_request_that_cannot_be_used_is_set_aside(
    tmp_path: Path, line: str, reason: str, record: str
) -> None:
    records = told(read, tmp_path, DAY + f" 9:00:00 (demo) {line}\n").records
    assert [each for each in records if isinstance(each, SetAside)] == [
        SetAside("0.log, line 2", reason, f"9:00:00 (demo) {record}")
    ]


def test_a_line_of_ten_megabytes_is_set_aside_and_the_next_one_read(tmp_path: Path) -> None:
    long = ' 9:00:00 (demo) OUT: "f" ' + "x" * 10_000_000
    records = told(read, tmp_path, f'{DAY}{long}\n 9:00:01 (demo) OUT: "f" ana@pc1  \n').records
    (aside,) = [each for each in records if isinstance(each, SetAside)]
    assert (aside.place, aside.reason) == ("0.log, line 2", "a line that is too long")
    assert [each.kind for each in records if isinstance(each, Event)] == ["mark", "start", "mark"]


@pytest.mark.parametrize(
    ("log", "mapping", "message"),
    [
        (b"", {}, "0.log is empty; export it again, or leave it out"),
        (b"MZ\0\0\0", {}, "0.log is a binary file; give the log as text, plain or gzipped"),
        (
            "user,host,start\nana,pc1,2016-03-30\n",
            {},
            (
                "0.log has no line of a FlexNet debug log; "
                "give the debug log of lmgrd or of a vendor daemon: its lines start with a time and (daemon)"
            ),
        ),
        (
            ' 9:00:00 (demo) OUT: "f" ana@pc1  \n',
            {},
            '0.log has times but no date line; say its first day in the mapping, such as date = "2016-03-30"',
        ),
        (DAY, {"date": "30.3.2016"}, "The mapping's date is '30.3.2016'; write it as 2016-03-30"),
        (DAY, {"date_order": "dmy"}, "The mapping's date_order is 'dmy'; write month-first or day-first"),
        (
            DAY,
            {"daet": "2016-03-30"},
            "Unknown key 'daet' in the mapping; known keys: date, date_order, server",
        ),
        (
            DAY,
            {"date_order": "day-first"},
            "0.log, line 1: there is no such date, day first; change or leave out date_order in the mapping",
        ),
        (
            DAY + " 9:00:00 (demo) TIMESTAMP 31/3/2016\n",
            {},
            (
                "The date lines contradict one another (0.log, line 2 and 0.log, line 1): "
                "no one order of day and month fits them all; "
                "import logs that write dates differently in separate commands, or leave the wrong lines out"
            ),
        ),
        (
            gzip.compress(DAY.encode() * 99, mtime=0)[:40],
            {},
            "0.log is a gzip file that is cut short; copy it again from where it was written",
        ),
    ],
    ids=[
        "empty",
        "binary",
        "table",
        "no-date",
        "date",
        "order",
        "key",
        "no-such-day",
        "contradiction",
        "cut-short",
    ],
)
def test_a_log_that_cannot_be_used_is_refused(
    tmp_path: Path, log: str | bytes, mapping: dict[str, str], message: str
) -> None:
    with pytest.raises(Problem) as caught:
        told(read, tmp_path, log, mapping=mapping)
    assert str(caught.value) == message


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="is a directory"):
        list(read([tmp_path], Options(zone="UTC"), Tally()))
