"""Upkeep brings mirror and rollups up to date, and forgets what both have taken in."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from evidence_story import DAY_MS, NEW_YEAR_MS, furnish, whole_session
from sqlalchemy import Engine

from warehouse import frames, landing, mirror, schema, store
from warehouse.upkeep import upkeep

WEEK_MS = 7 * DAY_MS


def _landings(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(schema.landing.c.id).order_by(schema.landing.c.id)))


def _landed_at(engine: Engine, *days: int) -> None:
    for number, day in enumerate(days, 1):
        start_ms = NEW_YEAR_MS + day * DAY_MS
        whole_session(engine, number, start_ms, start_ms + DAY_MS)
        with store.writing(engine) as connection:
            table = schema.landing
            connection.execute(sa.update(table).where(table.c.session_id == number).values(at_ms=start_ms))


def test_it_brings_the_mirror_and_the_rollups_up_to_what_landed(engine: Engine) -> None:
    furnish(engine)
    _landed_at(engine, 0, 1)
    done = upkeep(engine, now_ms=NEW_YEAR_MS)
    assert done.mirrored.landed_through == done.rolled_up.through == 2
    assert mirror.contents(engine).equals(mirror.stored_contents(engine))
    window = (frames.reading.EPOCH, frames.reading.EPOCH.replace(year=2027))
    assert frames.use_hours(engine, *window).collect().height > 0


def test_landings_are_forgotten_a_week_later_but_the_last_one_tells_where_the_mirror_stands(
    engine: Engine,
) -> None:
    furnish(engine)
    _landed_at(engine, 0, 1, 2)
    assert upkeep(engine, now_ms=NEW_YEAR_MS + WEEK_MS).forgotten == 0
    assert upkeep(engine, now_ms=NEW_YEAR_MS + WEEK_MS + 1).forgotten == 1
    assert _landings(engine) == [2, 3]
    assert upkeep(engine, now_ms=NEW_YEAR_MS + 99 * WEEK_MS).forgotten == 1
    assert _landings(engine) == [3]
    assert mirror.update(engine).rebuilt is None


def test_what_a_stepping_clock_dated_back_stays_until_all_before_it_may_go(engine: Engine) -> None:
    furnish(engine)
    _landed_at(engine, 0, 30, 1, 31)
    assert upkeep(engine, now_ms=NEW_YEAR_MS + 10 * DAY_MS).forgotten == 1
    assert _landings(engine) == [2, 3, 4]


def test_it_does_nothing_where_nothing_landed(engine: Engine) -> None:
    furnish(engine)
    _landed_at(engine, 0)
    upkeep(engine, now_ms=NEW_YEAR_MS)
    again = upkeep(engine, now_ms=NEW_YEAR_MS)
    assert (again.mirrored.months, again.rolled_up.stretches, again.forgotten) == ((), 0, 0)


def test_another_machine_whose_mirror_stands_before_what_is_kept_makes_it_anew(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(engine)
    _landed_at(engine, 0)
    monkeypatch.setenv("PROCESS_METER_MIRROR", str(tmp_path / "other"))
    mirror.update(engine)
    monkeypatch.delenv("PROCESS_METER_MIRROR")
    for number in (8, 9):
        whole_session(engine, number, NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS)
    upkeep(engine, now_ms=NEW_YEAR_MS + 99 * WEEK_MS)
    with engine.connect() as connection:
        assert landing.kept_from(connection) == 3
    monkeypatch.setenv("PROCESS_METER_MIRROR", str(tmp_path / "other"))
    assert mirror.update(engine).rebuilt
    assert mirror.contents(engine).equals(mirror.stored_contents(engine))
