"""Segments on PostgreSQL lie in one partition for each UTC month, made by whoever writes."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from small_warehouse import LICENSES, ORGANIZATION
from sqlalchemy import Engine

from warehouse import evidence, frames, schema, store
from warehouse.store.months import make_months_ahead

DECEMBER, JANUARY = (datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))


def test_an_upgrade_makes_this_month_and_the_next_three(postgres_engine: Engine) -> None:
    with postgres_engine.begin() as connection:
        make_months_ahead(connection, datetime(2031, 11, 30, 23, 59, tzinfo=UTC))
    assert [month for month in _months(postgres_engine) if month > "segment_2031"] == [
        *("segment_2031_11", "segment_2031_12", "segment_2032_01", "segment_2032_02"),
        "segment_default",
    ]


def test_a_frame_goes_into_the_months_in_which_its_segments_start(postgres_engine: Engine) -> None:
    _sessions(postgres_engine)
    rows = [_segment(DECEMBER, 1_000), _segment(JANUARY, 1)]
    store.append(postgres_engine, "segment", pl.DataFrame(rows))
    assert _rows_by_month(postgres_engine) == {"segment_2025_12": 1, "segment_2026_01": 1}


def test_a_batch_goes_into_the_months_in_which_its_segments_start(postgres_engine: Engine) -> None:
    _sessions(postgres_engine)
    _add(postgres_engine, DECEMBER, JANUARY)
    assert _rows_by_month(postgres_engine) == {"segment_2025_12": 1, "segment_2026_01": 1}


def test_what_lies_beyond_all_calendars_is_kept_apart(postgres_engine: Engine) -> None:
    _sessions(postgres_engine)
    _add(postgres_engine, datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))
    assert _rows_by_month(postgres_engine) == {"segment_default": 2}


def test_a_month_that_cannot_be_made_now_keeps_nobody_waiting_and_is_made_later(
    postgres_engine: Engine,
) -> None:
    _sessions(postgres_engine)
    with postgres_engine.begin() as reader:
        reader.execute(sa.text("SELECT count(*) FROM segment"))  # and so holds on to the default partition
        _add(postgres_engine, DECEMBER)
    assert _rows_by_month(postgres_engine) == {"segment_default": 1}

    with postgres_engine.begin() as connection:
        make_months_ahead(connection, datetime(2026, 1, 1, tzinfo=UTC))
    assert _rows_by_month(postgres_engine) == {"segment_2025_12": 1}
    _add(postgres_engine, JANUARY)
    found = frames.segments(postgres_engine, *(datetime(year, 1, 1, tzinfo=UTC) for year in (2025, 2027)))
    assert found.collect().height == 2


def test_of_two_who_need_a_new_month_at_once_one_makes_it_and_both_write_to_it(
    postgres_engine: Engine,
) -> None:
    _sessions(postgres_engine)
    with ThreadPoolExecutor(1) as other, store.writing(postgres_engine) as connection:
        evidence.add_segments(connection, [evidence.SegmentRow(**_segment(DECEMBER, 1))])
        written = other.submit(_add, postgres_engine, DECEMBER.replace(day=2))
        while connection.scalar(sa.text(_WAITING)) == 0:
            connection.execute(sa.text("SELECT pg_sleep(0.05)"))
        connection.commit()
        written.result(timeout=120)
    assert _rows_by_month(postgres_engine) == {"segment_2025_12": 2}


_WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"


def test_an_owner_makes_the_months_of_years_ahead_as_the_page_says(postgres_engine: Engine) -> None:
    page = (Path(__file__).parents[3] / "docs" / "postgresql.md").read_text(encoding="utf-8")
    (statement,) = re.findall(r"`(SELECT make_segment_months\(.*?);`", page)
    with postgres_engine.begin() as connection:
        assert connection.exec_driver_sql(statement).scalar() == 36
    assert _months(postgres_engine)[:2] == ["segment_2023_01", "segment_2023_02"]


def test_segments_that_were_there_before_the_months_lie_in_them_now(postgres_engine: Engine) -> None:
    with postgres_engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
        _upgrade_to(connection, "0002")
        for statement in _OLD_ROWS:
            connection.exec_driver_sql(statement)

    store.upgrade(postgres_engine.url.render_as_string(hide_password=False)).dispose()
    assert _rows_by_month(postgres_engine) == {
        "segment_2025_12": 1,
        "segment_2026_01": 1,
        "segment_default": 1,
    }
    with postgres_engine.connect() as connection:
        rows = connection.execute(sa.select(schema.segment).order_by("start_ms")).all()
    assert [tuple(row) for row in rows] == [
        (1, start_ms, start_ms + 1, 2, 0.5, 3, True, None, 0, 1, 5)
        for start_ms in (_ms(DECEMBER), _ms(JANUARY), 2**53)
    ]


def _upgrade_to(connection: sa.Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(store.MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


_OLD_ROWS = (
    "INSERT INTO application (id, code, name) VALUES (1, 'cad', 'Drawing')",
    "INSERT INTO account (id, name) VALUES (1, 'ada')",
    "INSERT INTO host (id, name, kind, zone, valid_from_on) VALUES (1, 'ws', 'laptop', 'UTC', '2025-01-01')",
    """
    INSERT INTO session (id, key, source, application_id, account_id, host_id, logon_session, zone,
                         started_ms, received_ms)
    VALUES (1, 'a', 'agent', 1, 1, 1, '1', 'UTC', 0, 0)
    """,
    *(
        f"INSERT INTO segment VALUES (1, {start_ms}, {start_ms + 1}, 2, 0.5, 3, true, NULL, 0, 1, 5)"
        for start_ms in (_ms(DECEMBER), _ms(JANUARY), 2**53)
    ),
)


def _sessions(engine: Engine) -> None:
    for table, columns, rows in (*ORGANIZATION, *LICENSES):
        store.append(engine, table, pl.DataFrame(rows, columns.split(), orient="row"))
    session = {
        "id": 1, "key": "a", "source": "agent", "application_id": 1, "account_id": 1, "host_id": 1,
        "logon_session": "1", "zone": "UTC", "started_ms": 0, "received_ms": 0,
    }  # fmt: skip
    store.append(engine, "session", pl.DataFrame(session))


def _segment(start: datetime, length_ms: int) -> dict[str, Any]:
    start_ms = _ms(start)
    row = evidence.SegmentRow(1, start_ms, start_ms + length_ms, 0, 0.0, 1, False, None, start_ms, 1, 5)
    return row._asdict()


def _add(engine: Engine, *starts: datetime) -> None:
    with store.writing(engine) as connection:
        evidence.add_segments(connection, [evidence.SegmentRow(**_segment(start, 1)) for start in starts])


def _months(engine: Engine) -> list[str]:
    sql = "SELECT inhrelid::regclass::text AS month FROM pg_inherits WHERE inhparent = 'segment'::regclass"
    return sorted(store.read(engine, sql + " ORDER BY 1")["month"])


def _rows_by_month(engine: Engine) -> dict[str, int]:
    sql = "SELECT tableoid::regclass::text AS month, count(*) AS rows FROM segment GROUP BY 1 ORDER BY 1"
    return dict(store.read(engine, sql).rows())
