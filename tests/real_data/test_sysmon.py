"""Windows process events of lab machines, counted once more in plain Python: sessions, hours, users."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from collector.importers.records import Event, Hold, Options, SetAside, StoredEvent, Tally
from collector.importers.sysmon import pair
from collector.importers.sysmon import read as events_of
from collector.importing.files import import_files
from warehouse.store import open_warehouse, read

pytestmark = pytest.mark.realdata


class Life(NamedTuple):
    """A process, as its first event 1 and its first event 5 tell it."""

    who: tuple[str, ...]
    started_ms: int
    ended_ms: int | None
    jitter_ms: int


@pytest.fixture(scope="module")
def log(real_data: Path) -> Path:
    return real_data / "sysmon-process-events" / "process_events.jsonl"


@pytest.fixture(scope="module")
def rows(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def lives(rows: list[dict[str, Any]]) -> list[Life]:
    ends = defaultdict(list)
    for row in rows:
        if row["EventID"] == 5 and row["ProcessGuid"]:
            ends[row["ProcessGuid"]].append(instant_ms(row))
    found = []
    for row in rows:
        if row["EventID"] != 1 or not row["ProcessGuid"]:
            continue
        started_ms = instant_ms(row)
        ended_ms = min(ends.get(row["ProcessGuid"], []), default=None)
        program = row["Image"].split("\\")[-1].lower()
        who = (program, row["User"].lower(), row["Hostname"].lower(), row["LogonId"].lower())
        jitter_ms = 0 if ended_ms is None else max(0, started_ms - ended_ms)
        found.append(Life(who, started_ms, ended_ms and max(started_ms, ended_ms), jitter_ms))
    return found


def instant_ms(row: dict[str, Any]) -> int:
    at = datetime.strptime(row["UtcTime"], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
    return round(at.timestamp() * 1000)


@pytest.fixture(scope="module")
def holds(log: Path) -> list[Hold]:
    events = [record for record in events_of([log], Options(), Tally()) if isinstance(record, Event)]
    return [found.hold for found in pair([StoredEvent(*numbered) for numbered in enumerate(events)])]


def sessions(lives: list[Life]) -> dict[tuple[str, ...], list[tuple[int, int | None]]]:
    """Group by who and where, and join what is less than 5 s apart, by looking at each pair of neighbors."""
    of: dict[tuple[str, ...], list[Life]] = defaultdict(list)
    for life in lives:
        of[life.who].append(life)
    found = {}
    for who, group in of.items():
        ordered = sorted(group, key=lambda life: life.started_ms)
        reached = [max(life.ended_ms or 10**15 for life in ordered[: n + 1]) for n in range(len(ordered))]
        breaks = [n + 1 for n, (_, two) in enumerate(pairwise(ordered)) if two.started_ms > reached[n] + 5000]
        found[who] = [
            (ordered[a].started_ms, None if reached[b - 1] == 10**15 else reached[b - 1])
            for a, b in pairwise([0, *breaks, len(ordered)])
        ]
    return found


def test_the_log_has_the_traps_that_it_is_known_for(rows: list[dict[str, Any]], lives: list[Life]) -> None:
    jitters = [life.jitter_ms for life in lives if life.jitter_ms]
    assert (len(jitters), min(jitters), max(jitters)) == (59, 1, 244)
    assert sum(life.ended_ms is not None for life in lives) == 1_336
    assert sum(life.ended_ms is None for life in lives) == 621
    of_pid = defaultdict(set)
    for row in rows:
        if row["EventID"] == 1 and row["ProcessId"]:
            of_pid[row["Hostname"], row["ProcessId"]].add(row["ProcessGuid"])
    assert sum(len(guids) > 1 for guids in of_pid.values()) == 126  # harmless: nothing is paired by them


def test_every_line_is_an_event_or_set_aside(log: Path) -> None:
    tally = Tally()
    records = list(events_of([log], Options(), tally))
    kinds = [record.kind if isinstance(record, Event) else "set aside" for record in records]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "start": 1_957,
        "restart": 1,
        "end": 1_746,
        "mark": 22,
        "set aside": 2,
    }
    assert {record.reason for record in records if isinstance(record, SetAside)} == {"no time"}
    assert tally.read == 3_705


def test_sessions_are_those_of_a_plain_count(lives: list[Life], holds: list[Hold]) -> None:
    counted = {(who, *span) for who, spans in sessions(lives).items() for span in spans}
    imported = {
        (
            (hold.application, hold.account.lower(), hold.host.lower(), hold.subject),
            hold.started_ms,
            hold.ended_ms,
        )
        for hold in holds
    }
    assert imported == counted
    assert len(holds) == len(counted) == 904
    assert sum(hold.ended_ms is None for hold in holds) == 302


def test_hours_and_users_per_program_are_those_of_a_plain_count(lives: list[Life], holds: list[Hold]) -> None:
    counted_ms: dict[str, int] = defaultdict(int)
    users = defaultdict(set)
    for (program, user, *_), spans in sessions(lives).items():
        users[program].add(user)
        counted_ms[program] += sum(end - start for start, end in spans if end is not None)
    imported_ms: dict[str, int] = defaultdict(int)
    imported_users = defaultdict(set)
    for hold in holds:
        imported_users[hold.application].add(hold.account.lower())
        imported_ms[hold.application] += 0 if hold.ended_ms is None else hold.ended_ms - hold.started_ms
    assert imported_ms == counted_ms
    assert imported_users == users


def test_an_open_session_is_known_for_a_day_up_to_the_next_boot_or_the_last_event_of_its_host(
    rows: list[dict[str, Any]], lives: list[Life], holds: list[Hold]
) -> None:
    boot = next(row for row in rows if row["EventID"] == 1 and (row["Image"] or "").endswith("\\wininit.exe"))
    last: dict[str, int] = defaultdict(int)
    for row in rows:
        if row["UtcTime"]:
            host = row["Hostname"].lower()
            last[host] = max(last[host], instant_ms(row))
    known: dict[tuple[str, ...], int] = {}
    heard: dict[tuple[str, ...], int] = {}
    for life in lives:
        heard[life.who] = max(heard.get(life.who, 0), life.ended_ms or life.started_ms)
        until_ms, host = life.ended_ms, life.who[2]
        if until_ms is None:
            is_before_boot = host == boot["Hostname"].lower() and life.started_ms < instant_ms(boot)
            until_ms = instant_ms(boot) if is_before_boot else last[host]
        known[life.who] = max(known.get(life.who, 0), until_ms)
    opened = [hold for hold in holds if hold.ended_ms is None]
    for hold in opened:  # an open session is the last one of its application, account, host and logon session
        who = (hold.application, hold.account.lower(), hold.host.lower(), hold.subject)
        assert hold.known_until_ms == min(known[who], heard[who] + 86_400_000)
    assert any(hold.known_until_ms == hold.started_ms + 86_400_000 for hold in opened)
    assert any(hold.known_until_ms == last[hold.host.lower()] for hold in opened)


# --- In the warehouse ---------------------------------------------------------------------------------------

METERED = (
    "powershell.exe",
    "cmd.exe",
    "notepad.exe",
    "excel.exe",
    "winword.exe",
    "outlook.exe",
    "rundll32.exe",
)
STORED = """
    SELECT session.key, application.code, account.name, started_ms, ended_ms, instance_count,
           COALESCE(SUM(CASE WHEN attention = 6 THEN end_ms - start_ms END), 0) AS held_ms
    FROM session JOIN application ON application.id = application_id JOIN account ON account.id = account_id
    LEFT JOIN segment ON segment.session_id = session.id
    GROUP BY session.key, application.code, account.name, started_ms, ended_ms, instance_count
    ORDER BY session.key
"""


def stored(empty: Path, folder: Path, commands: list[list[Path]]) -> list[tuple[Any, ...]]:
    """Import some programs of the log; give the sessions with the time in which they are held."""
    options = Options(mapping={"applications": {name: name for name in METERED}, "only_mapped": True})
    path = folder / f"{len(list(folder.glob('*.sqlite')))}.sqlite"
    shutil.copyfile(empty, path)
    engine = open_warehouse(f"sqlite:///{path}")
    for files in commands:
        import_files(engine, "sysmon", files, options, actor="eva", at_ms=1_800_000_000_000)
    rows = read(engine, STORED).rows()
    engine.dispose()
    return rows


def test_the_log_imported_twice_or_in_halves_is_the_log_imported_once(
    log: Path, lives: list[Life], empty_warehouse: Path, tmp_path: Path
) -> None:
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    lines.sort(key=lambda line: json.loads(line)["UtcTime"] or "")
    halves = [tmp_path / "first.jsonl", tmp_path / "second.jsonl"]
    for path, half in zip(halves, (lines[:1800], lines[1800:]), strict=True):
        path.write_text("".join(half), encoding="utf-8")
    once = stored(empty_warehouse, tmp_path, [[log]])
    assert stored(empty_warehouse, tmp_path, [[log], [log]]) == once
    assert stored(empty_warehouse, tmp_path, [[halves[0]], [halves[1]]]) == once
    assert stored(empty_warehouse, tmp_path, [[halves[1]], [halves[0]]]) == once
    assert stored(empty_warehouse, tmp_path, [[halves[0]], [log]]) == once

    counted = sorted(
        (who[0], who[1], start, end, 0 if end is None else end - start)
        for who, spans in sessions([life for life in lives if life.who[0] in METERED]).items()
        for start, end in spans
    )
    assert sorted((row[1], row[2], row[3], row[4], row[6]) for row in once) == counted
