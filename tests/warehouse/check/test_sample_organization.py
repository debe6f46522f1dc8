"""A small sample organization with a closed run, mirror and rollups, and one thing spoilt in it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
from planted_defects import ANOTHER_SEGMENT
from sqlalchemy import Engine

from pipelines.sample import bills
from pipelines.sample.load import load
from pipelines.sample.plan import Plan
from warehouse import mirror, rollups, store
from warehouse.check import check
from warehouse.check.findings import instant

PLAN = Plan(today=date(2026, 11, 24), people=5, months=2, earlier_months=0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, empty_warehouse: Path) -> Path:
    """File of the organization, with its mirror and its keys beside it."""
    path = tmp_path_factory.mktemp("sample") / "warehouse.sqlite"
    shutil.copyfile(empty_warehouse, path)
    engine = store.open_warehouse(f"sqlite:///{path}")
    load(engine, PLAN)
    bills.close_month_before_last(engine, PLAN, "ann")
    mirror.update(engine)
    rollups.update(engine)
    engine.dispose()
    return path


@pytest.fixture
def mirrored(copied: Engine) -> Engine:
    """Without rollups: they take most of a check's time."""
    spoil(copied, "DELETE FROM mark WHERE name = 'rolled_up_through'")
    return copied


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Iterator[Engine]:
    for part in ("", ".mirror", ".keys"):
        copy = shutil.copytree if part else shutil.copy2
        copy(f"{made}{part}", tmp_path / f"warehouse.sqlite{part}")
    engine = store.open_warehouse(f"sqlite:///{tmp_path / 'warehouse.sqlite'}")
    yield engine
    engine.dispose()


class Victim(NamedTuple):
    """A session of several segments in the middle of the first month, and its second segment."""

    session: int
    key: str
    start: int
    end: int
    started: int
    ended: int
    application: str

    @property
    def label(self) -> str:
        return f"session {self.session} ({self.key})"


@pytest.fixture
def victim(made: Path) -> Victim:
    sql = """
        SELECT session.id, key, started_ms, ended_ms, application.code
        FROM session JOIN application ON application.id = application_id
        WHERE ended_ms > started_ms + 3600000
          AND (SELECT count(*) FROM segment WHERE session_id = session.id) > 5
          AND NOT EXISTS (SELECT 1 FROM segment WHERE session_id = session.id AND attention > 4)
          AND (SELECT end_ms FROM segment WHERE session_id = session.id
               ORDER BY start_ms LIMIT 1) % 900000 > 0
        ORDER BY session.id LIMIT 1
    """
    with closing(sqlite3.connect(made)) as connection:
        number, key, started, ended, code = connection.execute(sql).fetchone()
        segments = connection.execute(
            "SELECT start_ms, end_ms FROM segment WHERE session_id = ? ORDER BY start_ms", (number,)
        ).fetchall()
    return Victim(number, key, *segments[1], started, ended, code)


def spoil(engine: Engine, *statements: str) -> None:
    with closing(sqlite3.connect(str(engine.url.database))) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            assert connection.execute(statement).rowcount > 0
        connection.commit()


def found(engine: Engine) -> list[str]:
    return [f"{finding.rule}: {finding}" for finding in check(engine)]


def counted(engine: Engine, victim: Victim) -> tuple[int, int]:
    """How many segments the session has, and how long they are together."""
    sql = "SELECT count(*), sum(end_ms - start_ms) FROM segment WHERE session_id = :session"
    return store.read(engine, sql, {"session": victim.session}).row(0)


def short(used: int, length: int) -> str:
    return f"its hours of use have {used:,} ms of run time, its segments {length:,} ms"


# --- Evidence ----------------------------------------------------------------------------------------------


def test_nothing_is_found_where_all_is_well(copied: Engine) -> None:
    assert found(copied) == []


def test_a_hole_is_found_in_the_evidence_and_in_what_derives_from_it(copied: Engine, victim: Victim) -> None:
    before = counted(copied, victim)
    spoil(copied, f"DELETE FROM segment WHERE session_id = {victim.session} AND start_ms = {victim.start}")
    after = counted(copied, victim)
    month = instant(victim.started)[:7]
    assert found(copied) == [
        f"tiling: {victim.label}: hole of {victim.end - victim.start:,} ms before {instant(victim.end)}",
        f"rollup: {victim.label}: {short(before[1], after[1])}",
        (
            f"mirror: mirror of {month}: {victim.label} has {before[0]} segments of {before[1]:,} ms, "
            f"the warehouse {after[0]} segments of {after[1]:,} ms"
        ),
    ]


def test_an_overlap_is_found(copied: Engine, victim: Victim) -> None:
    start = f"session_id = {victim.session} AND start_ms = {victim.start}"
    spoil(copied, f"UPDATE segment SET start_ms = start_ms - 7, since_ms = since_ms - 7 WHERE {start}")
    sentences = found(copied)
    assert sentences[0] == f"tiling: {victim.label}: overlap of 7 ms at {instant(victim.start - 7)}"
    assert [sentence[:6] for sentence in sentences[1:]] == ["rollup", "mirror"]


def test_segments_outside_and_across_a_quarter_and_of_negative_length_are_found(
    copied: Engine, victim: Victim
) -> None:
    beyond = f"({victim.session}, {victim.ended}, {victim.ended} + 1, 0, 0, {victim.ended}, 1, 0)"
    quarter = victim.start // 900_000 * 900_000
    negative = f"UPDATE segment SET end_ms = start_ms - 3 WHERE session_id = {victim.session} AND "
    spoil(
        copied,
        f"{ANOTHER_SEGMENT} {beyond}",
        f"UPDATE segment SET start_ms = {quarter} - 1 WHERE session_id = {victim.session} AND start_ms = "
        f"{victim.start}",
        f"{negative} start_ms = (SELECT max(start_ms) FROM segment WHERE session_id = {victim.session} "
        f"AND start_ms < {victim.ended})",
    )
    rules = [sentence.partition(":")[0] for sentence in found(copied)]
    assert set(rules) == {"tiling", "length", "quarter", "since", "rollup", "mirror"}
    assert rules.count("length") == rules.count("quarter") == 1


def test_an_unknown_application_and_zone_are_found(copied: Engine, victim: Victim) -> None:
    spoil(
        copied, f"UPDATE session SET application_id = 999, zone = 'Mars/Olympus' WHERE id = {victim.session}"
    )
    sentences = found(copied)
    assert sentences[:2] == [
        f"reference: {victim.label}: refers to application 999, which is not there",
        f"zone: {victim.label}: is in the unknown zone 'Mars/Olympus'",
    ]
    assert [sentence[:6] for sentence in sentences[2:]] == ["rollup", "mirror"]


# --- Rollups -----------------------------------------------------------------------------------------------


def test_an_hour_of_use_that_disagrees_is_found(copied: Engine, victim: Victim) -> None:
    length = counted(copied, victim)[1]
    spoil(
        copied,
        f"UPDATE use_hour SET run_ms = run_ms - 1 WHERE session_id = {victim.session} AND hour_ms = "
        f"(SELECT min(hour_ms) FROM use_hour WHERE session_id = {victim.session})",
    )
    assert found(copied) == [f"rollup: {victim.label}: {short(length - 1, length)}"]


def test_hours_of_use_that_are_missing_or_elsewhere_are_found(copied: Engine, victim: Victim) -> None:
    mine = f"WHERE session_id = {victim.session}"
    spoil(copied, f"UPDATE use_hour SET hour_ms = hour_ms + 3600000 {mine} AND hour_ms = "
                  f"(SELECT max(hour_ms) FROM use_hour {mine})")  # fmt: skip
    assert f"rollup: {victim.label}: its hours of use are not those in which it ran" in found(copied)
    spoil(copied, f"DELETE FROM use_hour {mine}")
    length = counted(copied, victim)[1]
    assert found(copied) == [f"rollup: {victim.label}: {short(0, length)}"]


@pytest.mark.parametrize(
    ("key", "change", "detail"),
    [
        ("user", "peak = peak + 1", "its levels and its peak do not fit together"),
        ("token", "levels = 'a;b'", "its levels and its peak do not fit together"),
        (
            "device",
            "levels = '[[0,3599999],[2,1],[1,0]]', peak = 1",
            "its levels and its peak do not fit together",
        ),
        ("user", "levels = '[[0,0],[999,3600000]]', peak = 999", "it is more than that by session"),
    ],
)
def test_demand_that_disagrees_is_found(
    copied: Engine, victim: Victim, key: str, change: str, detail: str
) -> None:
    hour = victim.started // 3_600_000 * 3_600_000
    spoil(
        copied,
        f"UPDATE demand_hour SET {change} WHERE key = '{key}' AND basis = 'run' AND hour_ms = {hour} "
        f"AND application_id = (SELECT id FROM application WHERE code = '{victim.application}')",
    )
    subject = f"demand for {victim.application} by {key}, run, from {instant(hour)}"
    assert found(copied) == [f"rollup: {subject}: {detail}"]


def test_demand_by_a_key_that_there_is_not_is_found(copied: Engine, victim: Victim) -> None:
    hour = victim.started // 3_600_000 * 3_600_000
    spoil(
        copied,
        "INSERT INTO demand_hour (application_id, key, basis, hour_ms, peak, peak_at_ms, levels) "
        f"SELECT id, 'seat', 'run', {hour}, 1, {hour}, '[[0,0],[1,3600000]]' FROM application "
        f"WHERE code = '{victim.application}'",
    )
    subject = f"demand for {victim.application} by seat, run, from {instant(hour)}"
    assert found(copied) == [f"rollup: {subject}: there is no such key or basis"]


def test_demand_that_only_the_metrics_tell_from_the_right_one_is_found(copied: Engine) -> None:
    """It fits together, and is less than that by session."""
    ((code, number, hour, at),) = store.read(
        copied,
        "SELECT application.code, application_id, hour_ms, peak_at_ms FROM demand_hour "
        "JOIN application ON application.id = application_id "
        "WHERE key = 'user' AND basis = 'run' AND peak_at_ms > hour_ms AND hour_ms = "
        "(SELECT min(hour_ms) FROM demand_hour WHERE peak_at_ms > hour_ms) LIMIT 1",
    ).rows()
    spoil(
        copied,
        f"UPDATE demand_hour SET peak_at_ms = {at} - 1 WHERE key = 'user' AND basis = 'run' "
        f"AND application_id = {number} AND hour_ms = {hour}",
    )
    day = instant(hour)[:10]
    assert found(copied) == [
        f"rollup: demand for {code} by user, run, on {day}: its peak was first reached elsewhere"
    ]


def test_active_time_that_only_the_policy_tells_from_the_right_one_is_found(copied: Engine) -> None:
    """It is moved from one session to another of the same application and hour: the sums stay."""
    rows = store.read(
        copied,
        "SELECT application_id, hour_ms, min(session_id) AS one, max(session_id) AS other FROM use_hour "
        "WHERE active_ms > 1 AND pause_ms > 1 "
        "AND hour_ms < (SELECT min(hour_ms) FROM use_hour) + 20 * 3600000 "
        "GROUP BY application_id, hour_ms HAVING count(*) > 1 ORDER BY hour_ms LIMIT 1",
    )
    _, hour, one, other = rows.row(0)
    move = "UPDATE use_hour SET active_ms = active_ms {} 1, pause_ms = pause_ms {} 1 WHERE hour_ms = {} "
    spoil(
        copied,
        move.format("+", "-", hour) + f"AND session_id = {one}",
        move.format("-", "+", hour) + f"AND session_id = {other}",
    )
    sentences = found(copied)
    assert len(sentences) == 2
    assert all("are not those of the policy in force" in sentence for sentence in sentences)


def test_what_landed_since_the_rollups_and_the_mirror_stand_is_no_fault_of_theirs(
    copied: Engine, victim: Victim
) -> None:
    longer = pl.DataFrame(
        {"session_id": [victim.session], "start_ms": [victim.ended], "end_ms": [victim.ended + 1],
         "attention": [0], "cpu_percent": [0.0], "since_ms": [victim.ended],
         "policy_version": [1], "received_ms": [0]}
    )  # fmt: skip
    store.append(copied, "segment", longer)
    spoil(copied, f"UPDATE session SET ended_ms = ended_ms + 1 WHERE id = {victim.session}")
    assert found(copied) == []
    rollups.update(copied)
    assert found(copied) == []
    mirror.update(copied)
    assert found(copied) == []


# --- Mirror ------------------------------------------------------------------------------------------------


def test_a_mirror_file_with_another_value_is_found(mirrored: Engine, victim: Victim) -> None:
    manifest = mirror.manifest_of(mirrored)
    assert manifest
    month = instant(victim.started)[:7]
    (file,) = manifest.months()[month]
    path = mirror.folder_of(mirrored) / file.name
    here = (pl.col("session") == victim.session) & (pl.col("start").cast(pl.Int64) == victim.start)
    rows = pl.read_parquet(path)
    rows.with_columns(
        pl.when(here).then(pl.col("units") + 1).otherwise("units").alias("units")
    ).write_parquet(path)
    count, length = counted(mirrored, victim)
    assert found(mirrored) == [
        f"mirror: mirror of {month}: {victim.label} has other values in {count} segments of {length:,} ms"
    ]
    rows.reverse().write_parquet(path)
    assert found(mirrored) == [f"mirror: mirror file {file.name}: is not in order of sessions and starts"]
    path.write_bytes(b"PAR1 nonsense")
    (sentence,) = found(mirrored)
    assert sentence.startswith(f"mirror: mirror file {file.name}: cannot be read: ")


def test_a_mirror_that_is_not_to_be_trusted_is_found_and_none_at_all_is_no_fault(mirrored: Engine) -> None:
    folder = mirror.folder_of(mirrored)
    (folder / "manifest.json").write_text("{}")
    (sentence,) = found(mirrored)
    assert sentence.startswith("mirror: the mirror: The mirror's manifest in ")
    shutil.rmtree(folder)
    assert found(mirrored) == []
