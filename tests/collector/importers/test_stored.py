"""Desktop logs, exports and tables in the warehouse: again, in parts and in any order they are the same."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import Engine

from collector.importers import sysmon
from collector.importers.records import Options
from collector.importing.files import import_from
from collector.importing.sources import source
from warehouse.store import open_warehouse, read

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
ADA = Options(mapping={"account": "ada"})
FACTS = (
    """SELECT session.key, application.code, account.name, host.name AS host, started_ms, ended_ms,
              instance_count, logon_session
       FROM session JOIN application ON application.id = application_id
       JOIN account ON account.id = account_id JOIN host ON host.id = host_id ORDER BY session.key""",
    """SELECT session.key, start_ms, end_ms, attention, segment.units, since_ms
       FROM segment JOIN session ON session.id = session_id ORDER BY session.key, start_ms""",
    "SELECT key, at_ms, issued FROM capacity_reading ORDER BY key",
    "SELECT key, at_ms, kind FROM denial ORDER BY key",
    "SELECT program, version, valid_from_on FROM installation ORDER BY host_id, program",
    "SELECT reason, record FROM quarantine ORDER BY epoch",
)


@contextmanager
def fresh(empty: Path) -> Iterator[Engine]:
    with TemporaryDirectory() as folder:
        shutil.copyfile(empty, Path(folder) / "warehouse.sqlite")
        engine = open_warehouse(f"sqlite:///{folder}/warehouse.sqlite")
        yield engine
        engine.dispose()


def bring(engine: Engine, name: str, files: Iterable[Path], options: Options, chunk: int = 10_000) -> None:
    import_from(engine, source(name), list(files), options, actor="eva", at_ms=1_800_000_000_000, chunk=chunk)


def held(engine: Engine) -> list[list[tuple[Any, ...]]]:
    return [read(engine, facts).rows() for facts in FACTS]


def brought(
    empty: Path, name: str, commands: Sequence[Sequence[Path]], options: Options, chunk: int = 10_000
) -> Any:
    """Give what a warehouse holds after some commands."""
    with fresh(empty) as engine:
        for files in commands:
            bring(engine, name, files, options, chunk)
        return held(engine)


# --- Sysmon -------------------------------------------------------------------------------------------------


def processes(chance: random.Random) -> list[str]:
    """Events of one host in an hour or in six days, in order of time.

    Starts of Windows, jitter, ends that are not known.
    """
    events: list[tuple[datetime, dict[str, Any]]] = []
    longest = chance.choice([4_000_000, 500_000_000])
    for number in range(chance.randint(3, 25)):
        at = NINE + timedelta(milliseconds=chance.randint(0, longest))
        facts = {"ProcessGuid": f"{{12345678-ABCD-69A4-0102-{number:012d}}}", "Hostname": "desk1"}
        facts["Image"] = f"C:\\{chance.choice(['draw.exe', 'calc.exe', 'wininit.exe'])}"
        who = {"User": chance.choice(["ACME\\ada", "ACME\\bob"]), "LogonId": chance.choice(["0x1", "0x2"])}
        events.append((at, {"EventID": 1, **facts, **who}))
        if chance.random() < 0.6:
            lasted = chance.choice([-200, 0, 3_000, 60_000, longest // 4])
            events.append((at + timedelta(milliseconds=lasted), {"EventID": 5, **facts, "User": None}))
    events.sort(key=lambda event: event[0])
    return [json.dumps({**facts, "UtcTime": at.isoformat(" ", "milliseconds")[:-6]}) for at, facts in events]


def written(folder: Path, parts: Sequence[Sequence[str]]) -> list[Path]:
    paths = []
    for number, lines in enumerate(parts):
        if lines:
            paths.append(folder / f"part-{number}.jsonl")
            paths[-1].write_text("\n".join(lines) + "\n", encoding="utf-8")
    return paths


@pytest.mark.parametrize("seed", range(8))
def test_sysmon_events_in_any_parts_and_order_give_what_the_whole_log_gives(
    empty_warehouse: Path, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    lines = processes(chance)
    (log,) = written(tmp_path, [lines])
    whole = brought(empty_warehouse, "sysmon", [[log], [log]], Options())
    assert brought(empty_warehouse, "sysmon", [[log]], Options(), chunk=7) == whole

    first, second = sorted(chance.sample(range(len(lines) + 1), 2))
    parts = [lines[:first], lines[first:second], lines[second:]]
    chance.shuffle(parts)
    rotated = written(tmp_path, parts)
    assert brought(empty_warehouse, "sysmon", [[path] for path in rotated], Options()) == whole
    assert brought(empty_warehouse, "sysmon", [rotated], Options()) == whole

    mixed: list[list[str]] = [[], [], []]
    for line in lines:
        mixed[chance.randrange(3)].append(line)
    paths = written(tmp_path, mixed)
    assert brought(empty_warehouse, "sysmon", [[path] for path in paths], Options()) == whole


def test_a_session_that_an_older_version_followed_for_longer_is_shortened_by_the_next_import(
    empty_warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_open = {"EventID": 1, "Hostname": "desk1", "User": "ada", "LogonId": "0x1", "Image": "draw.exe"}
    lines = [
        json.dumps({**left_open, "UtcTime": f"2026-03-{day:02d} 09:00:00", "ProcessGuid": process})
        for day, process in ((2, "{12345678-ABCD-69A4-0102-000000000001}"), (9, ""), (10, ""))
    ]
    whole, first, last = written(tmp_path, [lines, lines[:2], lines[2:]])
    with fresh(empty_warehouse) as engine:
        with monkeypatch.context() as patch:
            patch.setattr(sysmon, "SILENCE_MS", 1 << 60)
            bring(engine, "sysmon", [first], Options())
        assert len(held(engine)[1]) == 7 * 96
        bring(engine, "sysmon", [last], Options())
        found = held(engine)
    assert len(found[1]) == 96
    assert found[:-1] == brought(empty_warehouse, "sysmon", [[whole]], Options())[:-1]


# --- ActivityWatch ------------------------------------------------------------------------------------------

Spans = list[tuple[float, float, str]]


def export(folder: Path, window: Spans, afk: Spans, name: str) -> Path:
    def events(spans: Spans, key: str) -> list[dict[str, Any]]:
        return [
            {
                "timestamp": (NINE + timedelta(seconds=start)).isoformat(),
                "duration": end - start,
                "data": {key: value},
            }
            for start, end, value in spans
        ]

    buckets = {
        "window": {"type": "currentwindow", "hostname": "DESK1", "events": events(window, "app")},
        "afk": {"type": "afkstatus", "hostname": "DESK1", "events": events(afk, "status")},
    }
    path = folder / name
    path.write_text(json.dumps({"buckets": buckets}), encoding="utf-8")
    return path


def watched(chance: random.Random) -> tuple[Spans, Spans]:
    """What the two watchers saw in five hours, with silences, idle gaps and many programs."""
    window: Spans = []
    at = 0.0
    while at < 20_000:
        end = at + chance.choice([1, 3, 20, 200, 900])
        window.append((at, end, chance.choice(["draw", "calc", "mail"])))
        at = end + chance.choice([0, 0, 0, 1, 30, 100])
    afk: Spans = []
    moment, status = 0.0, "not-afk"
    while moment < at:
        end = min(at, moment + chance.choice([50, 400, 1500]))
        end = max(end, moment + 200) if status == "afk" else end
        afk.append((moment, end, status))
        moment, status = end, "afk" if status == "not-afk" else "not-afk"
    return window, afk


def as_of(window: Spans, afk: Spans, now: float) -> tuple[Spans, Spans]:
    """What an export at that moment says: the user is called away only 180 s after the last input."""
    seen = [(start, min(end, now), value) for start, end, value in window if start < now]
    judged = [
        (start, min(end, now), status)
        for start, end, status in afk
        if start < now and (status == "not-afk" or now >= start + 180)
    ]
    return seen, judged


@pytest.mark.parametrize("seed", range(4))
def test_growing_exports_of_activitywatch_give_what_the_last_one_gives(
    empty_warehouse: Path, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    window, afk = watched(chance)
    last = export(tmp_path, window, afk, "last.json")
    whole = brought(empty_warehouse, "activitywatch", [[last], [last]], ADA)
    assert whole[1]
    earlier = [
        export(tmp_path, *as_of(window, afk, now), f"{now}.json")
        for now in sorted(chance.sample(range(20, 20_000), 4))
    ]
    grown = [*([path] for path in earlier), [last]]
    assert brought(empty_warehouse, "activitywatch", grown, ADA) == whole
    assert brought(empty_warehouse, "activitywatch", grown[::-1], ADA) == whole


# --- Tables -------------------------------------------------------------------------------------------------

USE = {
    "records": "sessions",
    "columns": {"application": "App", "user": "User", "host": "Host", "start": "Start", "end": "End"},
    "format": {"dates": "iso"},
    "zone": "UTC",
}
OTHERS = {
    "capacity": ({"at": "Start", "application": "App", "issued": {"value": 20}}, 2),
    "denials": ({"at": "Start", "application": "App", "user": "User"}, 3),
    "installations": ({"host": "Host", "program": "App", "seen": "Start"}, 4),
}
HEAD = "App,User,Host,Start,End\n"
ADAS, BOBS = "draw,ada,desk1,2026-03-02T09:00,2026-03-02T10:00\n", "draw,bob,desk2,2026-03-02T09:30,\n"
WRONG = "draw,eve,desk3,2026-03-02T09:00,2026-03-02T08:00\n"


def table(folder: Path, name: str, rows: str) -> Path:
    path = folder / name
    path.write_text(HEAD + rows, encoding="utf-8")
    return path


def test_a_growing_table_gives_what_the_last_one_gives(empty_warehouse: Path, tmp_path: Path) -> None:
    options = Options(mapping=USE)
    older = table(tmp_path, "older.csv", ADAS.replace("10:00", "09:20") + BOBS + WRONG)
    newer = table(tmp_path, "newer.csv", ADAS + BOBS.replace("\n", "2026-03-02T11:00\n") + WRONG)
    whole = brought(empty_warehouse, "table", [[newer], [newer]], options)
    assert [(row[2], row[5] is None) for row in whole[0]] in (
        [("ada", False), ("bob", False)],
        [("bob", False), ("ada", False)],
    )
    assert [row[0] for row in whole[5]] == ["end before start"]
    for commands in ([[older], [newer]], [[newer], [older]], [[older, newer]]):
        assert brought(empty_warehouse, "table", commands, options) == whole


@pytest.mark.parametrize("kind", sorted(OTHERS))
def test_a_table_of_anything_else_is_stored_once(empty_warehouse: Path, tmp_path: Path, kind: str) -> None:
    columns, place = OTHERS[kind]
    options = Options(mapping={**USE, "records": kind, "columns": columns})
    path = table(tmp_path, "rows.csv", ADAS + BOBS)
    once = brought(empty_warehouse, "table", [[path]], options)
    assert len(once[place]) == 2
    assert brought(empty_warehouse, "table", [[path], [path]], options) == once
