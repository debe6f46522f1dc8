"""A real cluster's accounting records, imported twice, against a count in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from collector.importers.records import Options
from collector.importing.files import Report, import_files
from warehouse.store import read

pytestmark = pytest.mark.realdata

PARTITION, USER, START, END, CPUS, NODES = 3, 8, 12, 13, 18, 24
"""Fields of a record, counted from 0."""


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def bring(engine: Engine, records: Path) -> Report:
    return import_files(engine, "slurm", [records], Options(), actor="somebody", at_ms=1_800_000_000_000)


def test_jobs_hours_units_users_and_peaks_are_those_of_a_count_by_hand(
    engine: Engine, real_data: Path
) -> None:
    records = real_data / "xdmod-phillips" / "phillips.sacct"
    first, second = bring(engine, records), bring(engine, records)
    assert (first.new, second.new, second.changed, second.known["session"]) == (4_046, 0, 0, 4_046)

    jobs, unit_seconds = Counter[str](), Counter[str]()
    users: dict[str, set[str]] = defaultdict(set)
    moves: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for line in records.read_text(encoding="utf-8").splitlines():
        values = line.split("|")
        if values[NODES] == "None assigned":
            continue
        name, cpus = values[PARTITION], int(values[CPUS])
        start, end = seconds(values[START]), seconds(values[END])
        jobs[name] += 1
        users[name].add(values[USER])
        unit_seconds[name] += cpus * (end - start)
        moves[name] += [(start, cpus), (end, -cpus)]

    sql = """
        SELECT code, count(DISTINCT session.id) AS jobs, count(DISTINCT account_id) AS users,
               sum(segment.units * (end_ms - start_ms)) / 1000 AS unit_seconds
        FROM session JOIN application ON application.id = application_id
        LEFT JOIN segment ON segment.session_id = session.id GROUP BY code
    """
    assert {row[0]: row[1:] for row in read(engine, sql).rows()} == {
        name: (jobs[name], len(users[name]), unit_seconds[name]) for name in jobs
    }
    sql = """
        SELECT code, start_ms / 1000 AS first, end_ms / 1000 AS last, units FROM segment
        JOIN session ON session.id = session_id JOIN application ON application.id = application_id
    """
    ours: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for name, start, end, units in read(engine, sql).rows():
        ours[name] += [(start, units), (end, -units)]
    assert {name: peak(found) for name, found in ours.items()} == {
        name: peak(found) for name, found in moves.items()
    }


def peak(moves: list[tuple[int, int]]) -> int:
    level = highest = 0
    for _, change in sorted(moves):  # what ends at an instant goes before what starts then
        level += change
        highest = max(highest, level)
    return highest
