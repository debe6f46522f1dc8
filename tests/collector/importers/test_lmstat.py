"""lmstat output, written here line by line: snapshots are readings, and no answer is no reading."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from written_logs import told, utc

from collector.importers.lmstat import read
from collector.importers.records import Reading, SetAside
from warehouse.errors import Problem

HEAD = """\
lmutil - Copyright (c) 1989-2017 Flexera Software LLC. All Rights Reserved.
Flexible License Manager status on Tue 5/15/2018 13:41

License server status: 7788@lic1,7788@lic2
    License file(s) on lic1: /opt/license.dat:

lic1: license server UP (MASTER) v11.13.0
lic2: Cannot connect to license server system. (-15,570:115 "Operation now in progress")

Vendor daemon status (on lic1):

"""
ONE = HEAD + "     ptc_d: UP v11.14.0\nFeature usage info:\n\n"
AT = utc("2018-05-15 13:41:00")


def readings(folder: Path, *logs: str, **options: str) -> list[Reading]:
    return [each for each in told(read, folder, *logs, **options).records if isinstance(each, Reading)]


def test_a_feature_says_issued_in_use_reserved_queued_and_how_many_users(tmp_path: Path) -> None:
    snapshot = ONE + (
        "Users of creo:  (Total of 60 licenses issued;  Total of 25 licenses in use)\n\n"
        '  "creo" v31.0, vendor: ptc_d, expiry: 1-jan-0\n  floating license\n\n'
        "\t10 RESERVATIONs for GROUP G1 (lic1/7788)\n\t1 RESERVATION for HOST pc9 (lic1/7788)\n"
        "    ana pc1 /dev/tty (v61.9) (lic1/7788 18856), start Mon 5/14 14:12, 12 licenses\n"
        "    Ana pc2 pc2 0.0 (v61.9) (lic1/7788 18857), start Tue 5/15 9:12, PID: 12\n"
        "    bo pc3 (v61.3) (lic1/7788 6707), start Tue 5/15 9:21  (linger: 885098 / 1340160)\n"
        "    cy pc4 fj209fj0 2017.06 (v2017.06) (lic1/7788 15480) queued for 3 licenses\n\n"
        "Users of idle:  (Total of 1 license issued;  Total of 0 licenses in use)\n"
    )
    assert readings(tmp_path, snapshot) == [
        Reading("ptc_d", AT, "creo", 60, 25, 11, 3, 2),
        Reading("ptc_d", AT, "idle", 1, 0, 0, 0, 0),
    ]


def test_a_feature_without_a_count_has_no_capacity_and_is_used_by_those_listed(tmp_path: Path) -> None:
    snapshot = ONE + (
        "Users of free:  (Uncounted, node-locked)\n"
        "    ana pc1 /dev/tty (v5.6) (lic1/7788 109), start Tue 5/15 11:07\n"
        "    bo pc2 /dev/tty (v5.6) (lic1/7788 110), start Tue 5/15 11:08, 4 licenses\n"
    )
    assert readings(tmp_path, snapshot) == [Reading("ptc_d", AT, "free", None, 5, 0, 0, 2)]


def test_a_feature_is_of_the_daemon_named_before_it_or_of_the_server_where_several_are(
    tmp_path: Path,
) -> None:
    feature = "Users of {}:  (Total of 1 license issued;  Total of 0 licenses in use)\n"
    apart = (
        HEAD
        + f"   one: UP v11\nFeature usage info:\n{feature.format('a')}   two: UP v11\n{feature.format('b')}"
    )
    together = (
        HEAD + f"   one: UP v11\n   two: The desired vendor daemon is down. (-97,121)\n{feature.format('a')}"
    )
    assert [(each.server, each.application) for each in readings(tmp_path, apart)] == [
        ("one", "a"),
        ("two", "b"),
    ]
    assert [(each.server, each.application) for each in readings(tmp_path, together)] == [("lic1", "a")]
    named = readings(tmp_path, apart, mapping={"server": "site"})
    assert [each.server for each in named] == ["site/one", "site/two"]


def test_a_file_may_hold_many_snapshots(tmp_path: Path) -> None:
    feature = "Users of a:  (Total of 9 licenses issued;  Total of {} licenses in use)\n"
    later = ONE.replace("13:41", "13:51")
    found = readings(tmp_path, ONE + feature.format(0) + later + feature.format(0))
    assert [each.at_ms for each in found] == [AT, AT + 600_000]


def test_a_server_that_did_not_answer_gives_no_reading_and_is_counted(tmp_path: Path) -> None:
    down = (
        "lmutil - Copyright (c) 1989-2007 Macrovision Europe Ltd. All Rights Reserved.\n"
        "Flexible License Manager status on Tue 5/15/2018 13:41\n\n[Detecting lmgrd processes...]\n"
        'Error getting status: Cannot connect to license server system. (-15,10:10061 "Connection refused")\n'
    )
    found = told(read, tmp_path, down)
    assert (found.records, found.tally.skipped) == ([], {"snapshots of a server that did not answer": 1})


def test_a_daemon_that_did_not_answer_gives_no_reading_of_its_features(tmp_path: Path) -> None:
    snapshot = ONE + (
        "Users of a:  (Error: 5 licenses, unsupported by licensed server)\n"
        "Cannot get users of b: The desired vendor daemon is down. (-97,121)\n"
        "    ana pc1 /dev/tty (v5.6) (lic1/7788 109), start Tue 5/15 11:07\n"
    )
    found = told(read, tmp_path, snapshot)
    assert (found.records, found.tally.skipped) == (
        [],
        {"features of which the server did not tell": 2},
    )


def test_everything_may_be_recorded_as_one_application(tmp_path: Path) -> None:
    snapshot = ONE + "Users of a:  (Total of 2 licenses issued;  Total of 0 licenses in use)\n"
    snapshot += "Users of b:  (Total of 2 licenses issued;  Total of 0 licenses in use)\n"
    assert readings(tmp_path, snapshot, application="SUITE") == [Reading("ptc_d", AT, "SUITE", 4, 0, 0, 0, 0)]


@pytest.mark.parametrize("date", ["Tue 5/15/2018 13:41", "Tue 15/5/2018 13:41", "Tue 05/15/2018  13:41"])
def test_the_day_of_the_week_tells_day_from_month(tmp_path: Path, date: str) -> None:
    snapshot = ONE.replace("Tue 5/15/2018 13:41", date) + "Users of a:  (Uncounted, node-locked)\n"
    assert [each.at_ms for each in readings(tmp_path, snapshot)] == [AT]


def test_local_time_is_of_the_zone_given(tmp_path: Path) -> None:
    feature = "Users of a:  (Uncounted, node-locked)\n"
    assert [each.at_ms for each in readings(tmp_path, ONE + feature, zone="Europe/Berlin")] == [
        AT - 2 * 3_600_000
    ]
    twice = ONE.replace("Tue 5/15/2018 13:41", "Sun 10/28/2018 2:30") + feature
    found = told(read, tmp_path, twice, zone="Europe/Berlin")
    assert [each.at_ms for each in found.records if isinstance(each, Reading)] == [utc("2018-10-28 00:30:00")]
    assert found.tally.notes == ["2018-10-28 02:30 came twice: the first of both was taken"]


@pytest.mark.parametrize(
    ("date", "reason"),
    [
        ("Mon 5/15/2018 13:41", "a snapshot whose day of the week does not fit its date"),
        ("Tue 15/15/2018 13:41", "a snapshot whose day of the week does not fit its date"),
        ("Sun 3/25/2018 2:30", "a local time that the clock jumped over"),
    ],
)
def test_a_snapshot_without_a_possible_time_is_set_aside_whole(
    tmp_path: Path, date: str, reason: str
) -> None:
    snapshot = ONE.replace("Tue 5/15/2018 13:41", date) + "Users of a:  (Uncounted, node-locked)\n"
    assert told(read, tmp_path, snapshot, zone="Europe/Berlin").records == [
        SetAside("0.log, line 2", reason, f"Flexible License Manager status on {date}")
    ]


@pytest.mark.parametrize(
    "line",
    [
        "Users of a:  (Total of -5 licenses issued;  Total of 0 licenses in use)",
        "Users of a:  (Total of 99999999999 licenses issued;  Total of 0 licenses in use)",
        "Users of a:",
    ],
)
def test_a_feature_without_numbers_that_can_be_is_set_aside(tmp_path: Path, line: str) -> None:
    records = told(read, tmp_path, f"{ONE}{line}\n").records
    assert records == [SetAside("0.log, line 15", "a feature without numbers that can be", line)]


def test_a_line_of_ten_megabytes_is_set_aside(tmp_path: Path) -> None:
    found = told(read, tmp_path, f"{ONE}{'x' * 10_000_000}\nUsers of a:  (Uncounted, node-locked)\n").records
    assert [type(each) for each in found] == [SetAside, Reading]


LISTING = """\
NOTE: lmstat -i does not give information from the server,
      but only reads the license file.  For this reason,
      lmstat -a is recommended instead.

Feature                         Version     #licenses    Expires      Vendor
_______                         _________   _________    __________   ______
a                               2018.12      50          31-dec-2018  v1
a                               2018.12      2           30-sep-2018  v1
b                               2018.12      7           1-jan-0      v2
c                               2018.12      uncounted   01-jan-0000  v2
d                               2018.12      3           permanent(no expiration date) v2
e                               2018.12      -3          1-jan-0      v2
"""


def test_a_listing_says_what_is_licensed_on_the_day_that_the_mapping_gives(tmp_path: Path) -> None:
    for date in ("2018-10-01", datetime(2018, 10, 1, tzinfo=UTC).date(), "2018-10-01 00:00"):
        found = told(read, tmp_path, LISTING, mapping={"date": date})
        at = utc("2018-10-01 00:00:00")
        assert [each for each in found.records if isinstance(each, Reading)] == [
            Reading("v1", at, "a", 50),
            Reading("v2", at, "b", 7),
            Reading("v2", at, "d", 3),
        ]
        reasons = [each.record for each in found.records if isinstance(each, SetAside)]
        assert reasons == ["e 2018.12 -3 1-jan-0 v2"]
        assert found.tally.skipped == {"licenses that have expired": 1, "licenses that are not counted": 1}


NO_DATE = (
    "what lmstat printed here has no date; say it in the mapping, such as "
    'date = "2016-03-30 17:02"; `lmstat -a` says its own'
)


@pytest.mark.parametrize(
    ("content", "mapping", "message"),
    [
        (b"", {}, "0.log is empty; export it again, or leave it out"),
        (b"\0\1\2", {}, "0.log is a binary file; give the log as text, plain or gzipped"),
        (
            "lmstat v11.14.0.1\n",
            {},
            "0.log: no output of lmstat; give what `lmutil lmstat -a` printed, whole",
        ),
        (LISTING, {}, f"0.log, line 5: {NO_DATE}"),
        ("Users of a:  (Uncounted, node-locked)\n", {}, f"0.log, line 1: {NO_DATE}"),
        (LISTING, {"date": "yesterday"}, "The mapping's date is 'yesterday'; write it as 2016-03-30 17:02"),
        (LISTING, {"day": "2018-10-01"}, "Unknown key 'day' in the mapping; known keys: date, server"),
    ],
    ids=["empty", "binary", "version", "listing", "no-head", "date", "key"],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, content: str | bytes, mapping: dict[str, str], message: str
) -> None:
    with pytest.raises(Problem) as caught:
        told(read, tmp_path, content, mapping=mapping)
    assert str(caught.value) == message


def test_a_listing_without_a_date_is_set_aside_beside_files_that_say_theirs(tmp_path: Path) -> None:
    snapshot = ONE + "Users of idle:  (Total of 1 license issued;  Total of 0 licenses in use)\n"
    undated, neither = "what lmstat printed here has no date", "no output of lmstat"

    assert told(read, tmp_path, LISTING, "lmstat v11.14.0.1\n", snapshot).records == [
        Reading("ptc_d", AT, "idle", 1, 0, 0, 0, 0),
        SetAside("0.log, line 5", undated, undated),
        SetAside("1.log", neither, neither),
    ]
