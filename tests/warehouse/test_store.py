"""Opening, upgrading and refusing a warehouse; whole frames in and out, on both databases."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal
from sqlalchemy import Engine

from warehouse import schema, store
from warehouse.store import WarehouseProblem, append, open_warehouse, read, status, upgrade
from warehouse.store import engine as engine_module

OFFICES = pl.DataFrame(
    {
        "id": [1, 2],
        "code": ["BER", "NYC"],
        "name": ["Berlin", "New York"],
        "zone": ["Europe/Berlin", "America/New_York"],
        "currency": ["EUR", "USD"],
        "business_weekdays": ["12345", "12345"],
    }
)


def test_an_opened_warehouse_answers_on_both_databases(both_engines: Engine) -> None:
    assert status(both_engines)["rows"] == {
        "session": 0,
        "segment": 0,
        "host": 0,
        "agent": 0,
        "person": 0,
        "project": 0,
        "quarantine": 0,
    }
    assert status(both_engines)["revision"] == store.revisions()[-1]


def test_a_second_upgrade_changes_nothing(both_urls: str) -> None:
    with store.writing(upgraded := upgrade(both_urls)) as connection:
        connection.execute(schema.client.insert().values(code="C1", name="Client"))
    upgraded.dispose()

    again = upgrade(both_urls)
    assert read(again, "SELECT code FROM client").rows() == [("C1",)]
    again.dispose()


def test_two_upgrades_at_once_make_one_warehouse(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'warehouse.sqlite'}"
    with ThreadPoolExecutor(2) as pool:
        for engine in pool.map(upgrade, [url, url]):
            engine.dispose()

    opened = open_warehouse(url)
    assert status(opened)["revision"] == store.revisions()[-1]
    opened.dispose()


def test_the_default_is_a_file_in_the_users_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.default_url().endswith("/process-meter/warehouse.sqlite")
    monkeypatch.setenv("PROCESS_METER_WAREHOUSE", "postgresql://host/warehouse")
    assert store.default_url() == "postgresql://host/warehouse"


def test_sqlite_keeps_foreign_keys_and_writes_ahead(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000


# --- Refusals ----------------------------------------------------------------------------------------------


WRITE = "write sqlite:///FILE or postgresql://USER@HOST/DATABASE"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "mysql://me:secret@server/warehouse",
            f"mysql://me:***@server/warehouse is neither a SQLite nor a PostgreSQL warehouse; {WRITE}",
        ),
        ("warehouse.sqlite", f"'warehouse.sqlite' is not a warehouse URL; {WRITE}"),
        (
            "postgresql//me:secret@server/warehouse",
            f"'postgresql//***@server/warehouse' is not a warehouse URL; {WRITE}",
        ),
        ("sqlite://", f"The warehouse URL sqlite:// names no plain file; {WRITE}"),
        (
            "postgresql://me:secret@server",
            f"The warehouse URL postgresql://me:***@server names no database; {WRITE}",
        ),
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url: str, message: str) -> None:
    for act in (open_warehouse, upgrade):
        with pytest.raises(WarehouseProblem) as caught:
            act(url)
        assert str(caught.value) == message


def test_an_absent_file_is_not_created_by_opening(tmp_path: Path) -> None:
    path = tmp_path / "absent.sqlite"
    with pytest.raises(WarehouseProblem) as caught:
        open_warehouse(f"sqlite:///{path}")
    assert str(caught.value) == (
        f"There is no warehouse at sqlite:///{path}; run `process-meter warehouse upgrade` to create it"
    )
    assert not path.exists()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.sqlite"
    path.write_text("Dear Sir or Madam, " * 100)
    for act in (open_warehouse, upgrade):
        with pytest.raises(WarehouseProblem, match="file is not a database; check the path"):
            act(f"sqlite:///{path}")
    assert path.read_text() == "Dear Sir or Madam, " * 100


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WarehouseProblem, match=r"cannot be used: .*file.*; check the path"):
        upgrade(f"sqlite:///{tmp_path}/file/warehouse.sqlite")


def test_an_empty_database_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "empty.sqlite"
    path.touch()
    with pytest.raises(WarehouseProblem, match=r"has no warehouse tables; run `process-meter"):
        open_warehouse(f"sqlite:///{path}")


def test_an_old_schema_is_refused_with_the_remedy(both_urls: str, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = store.revisions()[-1]
    monkeypatch.setattr(engine_module, "revisions", lambda: [newest, "9999"])
    with pytest.raises(WarehouseProblem) as caught:
        open_warehouse(both_urls)
    assert str(caught.value).endswith(
        f"are of version {newest}, this program needs 9999; run `process-meter warehouse upgrade`"
    )


def test_a_newer_schema_is_refused_and_left_alone(both_urls: str) -> None:
    engine = upgrade(both_urls)
    with store.writing(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    for act in (open_warehouse, upgrade):
        with pytest.raises(WarehouseProblem, match=r"version 9999, newer than .*; update Process Meter"):
            act(both_urls)


def test_tables_of_another_program_are_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.sqlite'}"
    other = sa.create_engine(url)
    with other.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE session (id INTEGER)")
    other.dispose()
    with pytest.raises(WarehouseProblem, match=r"tables of another program \(session\); name an empty"):
        upgrade(url)


def test_a_failed_upgrade_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'warehouse.sqlite'}"
    migrate = engine_module._migrate

    def fail_at_the_end(connection: sa.Connection) -> None:
        migrate(connection)
        connection.exec_driver_sql("INSERT INTO no_such_table VALUES (1)")

    monkeypatch.setattr(engine_module, "_migrate", fail_at_the_end)
    with pytest.raises(WarehouseProblem, match="no such table"):
        upgrade(url)
    left = sa.create_engine(url)
    assert sa.inspect(left).get_table_names() == []
    left.dispose()


def test_a_server_that_does_not_answer_is_named_without_the_password() -> None:
    for scheme in ("postgresql", "postgresql+psycopg"):
        with pytest.raises(WarehouseProblem) as caught:
            open_warehouse(f"{scheme}://me:secret@127.0.0.1:9/warehouse?password=secret")
        assert "postgresql+psycopg://me:***@127.0.0.1:9/warehouse cannot be used" in str(caught.value)
        assert "secret" not in str(caught.value)
        assert str(caught.value).endswith("; check the URL and the server")


def test_an_absent_database_of_a_server_is_named(postgres_server: str) -> None:
    base, _, query = postgres_server.partition("?")
    with pytest.raises(WarehouseProblem, match='database "nowhere" does not exist'):
        open_warehouse(f"{base.rsplit('/', 1)[0]}/nowhere?{query}")


# --- Whole frames ------------------------------------------------------------------------------------------


def test_a_frame_comes_back_as_it_went_in(both_engines: Engine) -> None:
    assert append(both_engines, "office", OFFICES) == 2

    found = read(
        both_engines, "SELECT id, code, name, zone, currency, business_weekdays FROM office ORDER BY id"
    )
    assert_frame_equal(found, OFFICES)


def test_every_kind_of_column_is_stored_exactly(both_engines: Engine) -> None:
    _store_a_session(both_engines)
    append(both_engines, "segment", _segments([2, 7], inhibiting=[True, False], cpu=[12.5, 0.1]))
    entry = {
        "session_id": [1],
        "from_ms": [1_760_000_000_000],
        "project_number": ["0042"],
        "fields": ['{"a": "=1+1 \\u00e9"}'],
        "author": ["ada"],
        "reason": ["ünïcode 漢字 'quoted'"],
        "created_ms": [2**53 + 1],
        "instance": [None],
    }
    append(both_engines, "project_entry", pl.DataFrame(entry))

    with both_engines.connect() as connection:
        segment = schema.segment
        rows = connection.execute(sa.select(segment).order_by(segment.c.start_ms)).all()
        assert [tuple(row) for row in rows] == [
            (1, 900_000, 900_001, 2, 12.5, 1, True, None, 900_000, 1, 5),
            (1, 900_001, 900_002, 7, 0.1, 1, False, 4711, 900_000, 1, 5),
        ]
        stored = connection.execute(sa.select(schema.project_entry)).one()
    assert (stored.id, stored.project_number, stored.fields) == (1, "0042", {"a": "=1+1 é"})
    assert (stored.reason, stored.created_ms, stored.instance) == ("ünïcode 漢字 'quoted'", 2**53 + 1, None)


def test_odd_texts_and_numbers_come_back_as_they_went_in(both_engines: Engine) -> None:
    texts = ["", "\\.", "\\N", "NULL", '"', "a,b", "line\nfeed\r\n", " ", "\t", "'; --", "\U0001f680", None]
    people = pl.DataFrame(
        {
            "code": [f"p{place}" for place in range(len(texts))],
            "employee_number": texts,
            "name": [text or "" for text in texts],
            "employment": "employee",
            "valid_from_on": "2026-01-01",
        }
    )
    append(both_engines, "person", people)
    assert read(both_engines, "SELECT employee_number, name FROM person ORDER BY id").rows() == [
        (text, text or "") for text in texts
    ]

    numbers = [-(2**63), None, 0, 2**63 - 1]
    holds = pl.DataFrame(
        {
            "key": ["a", "b", "c", "d"],
            "source": "lmstat",
            "server": "",
            "at_ms": [1, 2, 3, 4],
            "issued": numbers,
            "in_use": [None, 1, None, 2],
            "received_ms": 0,
        }
    )
    append(both_engines, "capacity_reading", holds)
    found = read(both_engines, "SELECT issued, in_use, users FROM capacity_reading ORDER BY at_ms").rows()
    assert found == [(-(2**63), None, None), (None, 1, None), (0, None, None), (2**63 - 1, 2, None)]


def test_fractions_are_stored_to_the_last_bit(both_engines: Engine) -> None:
    _store_a_session(both_engines)
    fractions = [0.1, 1 / 3, 1e300, 5e-324, 2.0**53 + 2, 123456.789e-7]
    count = len(fractions)
    rows = _segments([0, 0]).head(1).select(pl.all().repeat_by(count).explode())
    starts = 900_000 + pl.int_range(count, dtype=pl.Int64)
    rows = rows.with_columns(start_ms=starts, end_ms=starts + 1, cpu_percent=pl.Series(fractions))
    append(both_engines, "segment", rows)
    found = read(both_engines, "SELECT cpu_percent FROM segment ORDER BY start_ms")
    assert found["cpu_percent"].to_list() == fractions


def test_many_rows_in_any_order_are_all_there(both_engines: Engine) -> None:
    _store_a_session(both_engines)
    count = 120_001
    place = pl.int_range(count, dtype=pl.Int64)
    rows = _segments([0, 0]).head(1).select(pl.all().repeat_by(count).explode())
    rows = rows.with_columns(
        start_ms=place, end_ms=place + 1, since_ms=place, instance=pl.when(place % 7 > 0).then(place)
    )
    assert append(both_engines, "segment", rows.sample(fraction=1, shuffle=True)) == count

    found = read(
        both_engines,
        "SELECT count(*) AS rows, min(start_ms) AS first, max(start_ms) AS last, sum(instance) AS filled,"
        " sum(since_ms - start_ms) AS off, sum(CASE WHEN instance IS NULL THEN 1 ELSE 0 END) AS gaps"
        " FROM segment",
    )
    filled = [number for number in range(count) if number % 7 > 0]
    assert tuple(map(int, found.row(0))) == (count, 0, count - 1, sum(filled), 0, count - len(filled))


def test_ids_that_a_frame_brings_do_not_collide_with_the_next_ones(both_engines: Engine) -> None:
    append(both_engines, "office", OFFICES.with_columns(id=pl.col("id") + 10))
    with store.writing(both_engines) as connection:
        connection.execute(
            schema.office.insert().values(
                code="X", name="X", zone="UTC", currency="EUR", business_weekdays="1"
            )
        )
    assert read(both_engines, "SELECT max(id) AS id FROM office").rows() == [(13,)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"end_ms": [900_001, 900_000]}, "has_length"),
        ({"end_ms": [900_001, 1_900_000]}, "inside_a_quarter"),
        ({"attention": [2, 8]}, "known_attention"),
        ({"session_id": [1, 99]}, "(?i)foreign key"),
        ({"start_ms": [900_000, 900_000]}, "(?i)unique|duplicate key"),
        ({"end_ms": [900_001, None]}, "(?i)not null|null value"),
    ],
)
def test_one_bad_row_refuses_the_whole_frame(
    both_engines: Engine, change: dict[str, list[int]], message: str
) -> None:
    _store_a_session(both_engines)
    with pytest.raises(WarehouseProblem, match=message):
        append(
            both_engines,
            "segment",
            _segments([2, 7]).with_columns(**{k: pl.Series(v) for k, v in change.items()}),
        )
    assert read(both_engines, "SELECT count(*) AS rows FROM segment").item() == 0


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"code": ["A"], "title": ["x"]}, "The table office has no column title; rename or drop it"),
        ({"opens_minute": [480.5]}, "office.opens_minute takes BIGINT, not Float64; cast the column first"),
        ({"code": [7]}, "office.code takes TEXT, not Int64; cast the column first"),
    ],
)
def test_a_frame_that_does_not_fit_the_table_is_refused(
    engine: Engine, frame: dict[str, list[object]], message: str
) -> None:
    with pytest.raises(WarehouseProblem) as caught:
        append(engine, "office", pl.DataFrame(frame))
    assert str(caught.value) == message


def test_an_empty_frame_writes_nothing(both_engines: Engine) -> None:
    assert append(both_engines, "office", OFFICES.clear()) == 0


def test_a_text_after_many_nulls_is_still_a_text(engine: Engine) -> None:
    rows = 3_000
    numbers = pl.Series([None] * (rows - 1) + ["007"], dtype=pl.String)
    people = pl.DataFrame(
        {
            "code": [f"p{row}" for row in range(rows)],
            "employee_number": numbers,
            "name": ["x"] * rows,
            "employment": ["employee"] * rows,
            "valid_from_on": ["2026-01-01"] * rows,
        }
    )
    append(engine, "person", people)
    assert read(engine, "SELECT employee_number FROM person ORDER BY id").to_series().to_list()[-1] == "007"


def test_parameters_are_bound_never_pasted(both_engines: Engine) -> None:
    append(both_engines, "office", OFFICES)
    sql = "SELECT code FROM office WHERE name = :name OR id IN :ids ORDER BY code"

    assert read(both_engines, sql, {"name": "Berlin", "ids": [2, 3]}).rows() == [("BER",), ("NYC",)]
    assert read(both_engines, sql, {"name": "' OR 1=1 --", "ids": []}).rows() == []


@pytest.mark.skipif(os.name == "nt", reason="the sockets folder is a Unix matter")
def test_a_url_with_a_sockets_folder_works_for_both_drivers(postgres_url: str) -> None:
    assert "host=" in postgres_url
    engine = open_warehouse(postgres_url.replace("postgresql+psycopg://", "postgresql://"))
    assert read(engine, "SELECT 1 AS one").item() == 1
    engine.dispose()


def test_nothing_is_lost_between_frames_and_ordinary_writes(warehouse_url: str) -> None:
    engine = open_warehouse(warehouse_url)
    for number in range(3):
        with store.writing(engine) as connection:
            connection.execute(schema.client.insert().values(code=f"insert {number}", name="x"))
            assert read(engine, "SELECT code FROM client").height == number * 2  # not yet committed
        append(engine, "client", pl.DataFrame({"code": [f"frame {number}"], "name": ["x"]}))
    engine.dispose()

    again = open_warehouse(warehouse_url)
    assert read(again, "SELECT code FROM client ORDER BY id")["code"].to_list() == [
        *("insert 0", "frame 0"),
        *("insert 1", "frame 1"),
        *("insert 2", "frame 2"),
    ]
    again.dispose()


def _store_a_session(engine: Engine) -> None:
    with store.writing(engine) as connection:
        connection.execute(schema.application.insert().values(id=1, code="editor", name="Editor"))
        connection.execute(schema.account.insert().values(id=1, name="ada"))
        connection.execute(
            schema.host.insert().values(
                id=1, name="desk", kind="workstation", zone="UTC", valid_from_on="2026-01-01"
            )
        )
        connection.execute(
            schema.session.insert().values(
                id=1,
                key="a" * 32,
                source="agent",
                application_id=1,
                account_id=1,
                host_id=1,
                logon_session="1",
                zone="UTC",
                started_ms=900_000,
                received_ms=5,
            )
        )


def _segments(
    attention: list[int], inhibiting: list[bool] | None = None, cpu: list[float] | None = None
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "session_id": [1, 1],
            "start_ms": [900_000, 900_001],
            "end_ms": [900_001, 900_002],
            "attention": attention,
            "cpu_percent": cpu or [0.0, 0.0],
            "inhibiting": inhibiting or [False, False],
            "instance": [None, 4711],
            "since_ms": [900_000, 900_000],
            "policy_version": [1, 1],
            "received_ms": [5, 5],
        }
    )
