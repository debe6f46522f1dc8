"""The mirror takes in what landed, and never stays wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from evidence_story import (
    DAY_MS,
    NEW_YEAR_MS,
    QUARTER_MS,
    add_session,
    erase,
    furnish,
    land,
    quarters,
    replace,
    whole_session,
)
from sqlalchemy import Engine

from warehouse import landing, mirror, store
from warehouse.errors import Problem
from warehouse.mirror import folder, manifest

FEBRUARY_MS = NEW_YEAR_MS + 31 * DAY_MS


def _files(engine: Engine) -> dict[str, list[int]]:
    """How many segments each file of each month has."""
    months = manifest.load(mirror.folder_of(engine)).months()
    return {month: [file.rows for file in files] for month, files in months.items()}


def _require_whole(engine: Engine) -> None:
    assert mirror.contents(engine).equals(mirror.stored_contents(engine))


@pytest.fixture
def january(engine: Engine) -> Engine:
    """A warehouse with one long session in January, mirrored."""
    furnish(engine)
    with store.writing(engine) as connection:
        add_session(connection, 1, NEW_YEAR_MS, None)
        land(connection, 1, quarters(NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS))
    mirror.update(engine)
    return engine


def _land_more(engine: Engine, quarter: int, count: int = 1) -> None:
    start_ms = NEW_YEAR_MS + DAY_MS + quarter * QUARTER_MS
    with store.writing(engine) as connection:
        land(connection, 1, quarters(start_ms, start_ms + count * QUARTER_MS))


# --- Incremental -------------------------------------------------------------------------------------------


def test_a_new_mirror_says_what_it_is(january: Engine) -> None:
    assert _files(january) == {"2026-01": [96]}
    known = manifest.load(mirror.folder_of(january))
    assert (known.warehouse, known.landed_through) == (landing.identity(january), 1)
    assert known.applications == {"1": "draw", "2": "solve"}
    (file,) = known.files
    assert (file.length_ms, file.first_ms, file.last_ms) == (
        DAY_MS,
        NEW_YEAR_MS,
        NEW_YEAR_MS + DAY_MS - QUARTER_MS,
    )


def test_the_files_have_the_columns_of_the_frame_and_are_in_order(january: Engine) -> None:
    (file,) = mirror.folder_of(january).glob("*.parquet")
    read = pl.read_parquet(file)
    assert read.schema == pl.Schema(mirror.SEGMENTS)
    assert read.equals(read.sort("session", "start"))
    assert read["application"].unique().to_list() == ["draw"]


def test_an_empty_warehouse_has_an_empty_mirror(engine: Engine) -> None:
    assert mirror.update(engine).files == 0
    assert mirror.update(engine).months == ()
    _require_whole(engine)


def test_nothing_new_writes_nothing(january: Engine) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in mirror.folder_of(january).iterdir()}
    done = mirror.update(january)
    assert (done.months, done.rebuilt, done.segments, done.files) == ((), None, 96, 1)
    assert {path.name: path.stat().st_mtime_ns for path in mirror.folder_of(january).iterdir()} == before


def test_what_landed_since_makes_a_small_file(january: Engine) -> None:
    _land_more(january, 0)
    assert mirror.update(january).months == ("2026-01",)
    assert _files(january) == {"2026-01": [96, 1]}
    _require_whole(january)


def test_after_eight_files_or_half_as_much_again_they_become_one(january: Engine) -> None:
    for quarter in range(7):
        _land_more(january, quarter)
        mirror.update(january)
    assert _files(january) == {"2026-01": [96, 1, 1, 1, 1, 1, 1, 1]}
    _land_more(january, 7)
    mirror.update(january)
    assert _files(january) == {"2026-01": [104]}
    _land_more(january, 8, 53)
    mirror.update(january)
    assert _files(january) == {"2026-01": [157]}
    _require_whole(january)


def test_a_past_month_that_has_come_to_rest_is_one_file(january: Engine) -> None:
    _land_more(january, 0)
    mirror.update(january)
    whole_session(january, 2, FEBRUARY_MS, FEBRUARY_MS + DAY_MS)
    mirror.update(january)
    assert _files(january) == {"2026-01": [97], "2026-02": [96]}
    _require_whole(january)


def test_a_session_lies_whole_in_the_month_of_its_start(engine: Engine) -> None:
    furnish(engine)
    whole_session(engine, 1, FEBRUARY_MS - QUARTER_MS, FEBRUARY_MS + DAY_MS)
    mirror.update(engine)
    assert _files(engine) == {"2026-01": [97]}


def test_segments_that_arrive_out_of_order_are_not_doubled(engine: Engine) -> None:
    furnish(engine)
    pieces = quarters(NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS)
    with store.writing(engine) as connection:
        add_session(connection, 1, NEW_YEAR_MS, None)
        land(connection, 1, [*pieces[:40], *pieces[50:60]])
    mirror.update(engine)
    with store.writing(engine) as connection:
        land(connection, 1, [*pieces[45:50], *pieces[60:70]])
        land(connection, 1, [pieces[40]])
    mirror.update(engine)
    assert _files(engine) == {"2026-01": [50, 16]}
    _require_whole(engine)


def test_a_replaced_session_leaves_nothing_behind(january: Engine) -> None:
    whole_session(january, 2, NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS)
    mirror.update(january)
    with store.writing(january) as connection:
        replace(connection, 1, quarters(NEW_YEAR_MS, NEW_YEAR_MS + 3 * QUARTER_MS), units=5)
    mirror.update(january)
    assert _files(january) == {"2026-01": [99]}
    _require_whole(january)


def test_an_erased_session_is_gone_and_a_month_without_segments_has_no_file(january: Engine) -> None:
    whole_session(january, 2, FEBRUARY_MS, FEBRUARY_MS + DAY_MS)
    mirror.update(january)
    with store.writing(january) as connection:
        erase(connection, 2)
    mirror.update(january)
    assert _files(january) == {"2026-01": [96]}
    _require_whole(january)


def test_the_id_of_an_erased_session_may_live_again_in_another_month(january: Engine) -> None:
    whole_session(january, 2, FEBRUARY_MS, FEBRUARY_MS + DAY_MS)
    mirror.update(january)
    with store.writing(january) as connection:
        erase(connection, 2)
        add_session(connection, 2, NEW_YEAR_MS, None)
        land(connection, 2, quarters(NEW_YEAR_MS, NEW_YEAR_MS + 2 * QUARTER_MS))
    mirror.update(january)
    assert _files(january) == {"2026-01": [98]}
    _require_whole(january)


def test_one_that_stands_before_the_first_landing_kept_starts_anew(january: Engine) -> None:
    for quarter in range(3):
        _land_more(january, quarter)
    with store.writing(january) as connection:
        landing.forget(connection, 2, before_ms=1)
    assert "does not continue" in str(mirror.update(january).rebuilt)
    _require_whole(january)


def test_on_postgresql_too(postgres_engine: Engine) -> None:
    furnish(postgres_engine)
    whole_session(postgres_engine, 1, NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS)
    mirror.update(postgres_engine)
    start_ms = NEW_YEAR_MS + DAY_MS
    with store.writing(postgres_engine) as connection:
        land(connection, 1, quarters(start_ms, start_ms + QUARTER_MS))
    mirror.update(postgres_engine)
    assert _files(postgres_engine) == {"2026-01": [96, 1]}
    _require_whole(postgres_engine)
    assert mirror.update(postgres_engine, thorough=True).months == ()


# --- Where it lies -----------------------------------------------------------------------------------------


def test_it_lies_beside_the_sqlite_file(engine: Engine) -> None:
    assert mirror.folder_of(engine) == Path(f"{engine.url.database}.mirror")


def test_it_lies_in_the_users_data_folder_for_a_server(postgres_engine: Engine) -> None:
    found = mirror.folder_of(postgres_engine)
    assert found.parent == Path(os.environ["XDG_DATA_HOME"]) / "process-meter"
    assert found.name == f"mirror-{landing.identity(postgres_engine)}"


def test_it_lies_where_the_environment_says(
    january: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCESS_METER_MIRROR", str(tmp_path / "deep" / "mirror"))
    assert mirror.update(january).folder == tmp_path / "deep" / "mirror"
    _require_whole(january)


def test_a_folder_that_cannot_be_made_is_one_clear_line(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PROCESS_METER_MIRROR", str(tmp_path / "file"))
    with pytest.raises(Problem, match=r"cannot be written: File exists; free space there, or name another"):
        mirror.update(engine)


# --- Damage ------------------------------------------------------------------------------------------------


def test_a_file_of_one_month_that_is_gone_is_written_anew_and_no_other(january: Engine) -> None:
    whole_session(january, 2, FEBRUARY_MS, FEBRUARY_MS + DAY_MS)
    mirror.update(january)
    next(mirror.folder_of(january).glob("2026-01-*.parquet")).unlink()
    done = mirror.update(january)
    assert done.rebuilt is None
    assert done.files == 2
    _require_whole(january)


def test_a_file_of_equal_size_and_time_but_other_content_is_found_by_a_thorough_update(
    january: Engine,
) -> None:
    (path,) = mirror.folder_of(january).glob("*.parquet")
    known = path.stat()
    pl.read_parquet(path).with_columns(units=pl.lit(2, pl.Int32)).write_parquet(path)
    path.write_bytes(path.read_bytes().ljust(known.st_size)[: known.st_size])
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    mirror.update(january, thorough=True)
    _require_whole(january)


def test_evidence_that_changed_without_a_landing_is_found_by_a_thorough_update(january: Engine) -> None:
    with store.writing(january) as connection:
        connection.exec_driver_sql(
            "UPDATE segment SET units = 9 WHERE start_ms = (SELECT min(start_ms) FROM segment)"
        )
    mirror.update(january)
    assert not mirror.contents(january).equals(mirror.stored_contents(january))
    assert mirror.update(january, thorough=True).months == ("2026-01",)
    _require_whole(january)


def test_evidence_of_the_touched_sessions_that_does_not_agree_is_read_anew(january: Engine) -> None:
    with store.writing(january) as connection:
        connection.exec_driver_sql(
            "UPDATE segment SET units = 9 WHERE start_ms = (SELECT min(start_ms) FROM segment)"
        )
    _land_more(january, 0)
    mirror.update(january)
    assert _files(january) == {"2026-01": [97]}
    _require_whole(january)


def test_a_file_that_was_only_copied_is_known_by_its_digest(january: Engine) -> None:
    (path,) = mirror.folder_of(january).glob("*.parquet")
    os.utime(path, ns=(0, 0))
    assert mirror.update(january).rebuilt is None
    assert manifest.load(mirror.folder_of(january)).files[0].is_in(mirror.folder_of(january))
    _require_whole(january)


def test_a_rebuild_makes_the_same_files(january: Engine) -> None:
    before = manifest.load(mirror.folder_of(january)).files[0].digest
    assert mirror.rebuild(january).rebuilt == "as asked"
    assert manifest.load(mirror.folder_of(january)).files[0].digest == before


def test_files_stay_for_an_hour_after_the_manifest_gave_them_up(january: Engine) -> None:
    place = mirror.folder_of(january)
    (old,) = place.glob("*.parquet")
    stranger, part = place / "mine.parquet", place / "2026-01-0123456789abcdef.parquet.77.part"
    for path in (stranger, part):
        path.touch()
        os.utime(path, ns=(0, 0))
    with store.writing(january) as connection:
        replace(connection, 1, quarters(NEW_YEAR_MS, NEW_YEAR_MS + QUARTER_MS))
    mirror.update(january)
    assert old.exists()
    assert not part.exists()

    long_ago = time.time_ns() - folder.KEPT_NS - 60_000_000_000
    os.utime(old, ns=(long_ago, long_ago))
    mirror.update(january)
    assert not old.exists()
    assert stranger.exists()


# --- Crashes and company -----------------------------------------------------------------------------------

UPDATES = """
import sys
from warehouse import mirror, store
engine = store.open_warehouse(sys.argv[1])
print("ready", flush=True)
while True:
    mirror.rebuild(engine) if sys.argv[2] == "rebuild" else mirror.update(engine)
"""


@pytest.mark.parametrize("kind", ["rebuild", "update"])
def test_a_kill_at_any_moment_leaves_a_mirror_that_is_true(january: Engine, kind: str) -> None:
    for month in range(1, 6):
        start_ms = NEW_YEAR_MS + month * 31 * DAY_MS
        whole_session(january, 10 + month, start_ms, start_ms + DAY_MS)
    for attempt in range(2):
        command = [sys.executable, "-c", UPDATES, str(january.url), kind]
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert child.stdout
        with child.stdout:
            child.stdout.readline()
            for quarter in range(4):
                _land_more(january, 10 * attempt + quarter)
                time.sleep(0.021 * (attempt + 1))
            child.send_signal(signal.SIGKILL)
            child.wait()
        known = manifest.load(mirror.folder_of(january))
        assert all(file.is_in(mirror.folder_of(january)) for file in known.files)
        mirror.update(january)
        _require_whole(january)


def test_two_who_update_at_once_take_turns(january: Engine, warehouse_url: str) -> None:
    problems: list[BaseException] = []

    def work() -> None:
        engine = store.open_warehouse(warehouse_url)
        try:
            for _ in range(10):
                mirror.update(engine)
        except BaseException as problem:  # noqa: BLE001 - it has to reach the test
            problems.append(problem)
        engine.dispose()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for quarter in range(20):
        _land_more(january, quarter)
    for worker in workers:
        worker.join()
    assert problems == []
    mirror.update(january)
    assert mirror.update(january).months == ()
    _require_whole(january)


def test_who_waits_too_long_is_told_so(january: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "WAIT_SECONDS", 0)
    with (
        folder.one_at_a_time(mirror.folder_of(january)),
        pytest.raises(Problem, match="cannot be updated: database is locked; try again later"),
    ):
        mirror.update(january)


def test_those_who_read_meanwhile_see_everything_once(january: Engine, warehouse_url: str) -> None:
    """Never a segment twice, and never one gone that was there before."""
    from warehouse import frames

    window = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        engine = store.open_warehouse(warehouse_url)
        while not done.is_set():
            found = frames.segments(engine, *window).collect()
            assert not found.select("session", "start").is_duplicated().any()
            seen.append(found.height)
        engine.dispose()

    reader = threading.Thread(target=read)
    reader.start()
    for quarter in range(25):
        _land_more(january, quarter)
        mirror.update(january)
    done.set()
    reader.join()
    assert seen == sorted(seen)
    assert seen[-1] >= 96 + 24


# --- The content number ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("end_ms", NEW_YEAR_MS + 1),
        ("attention", 5),
        ("cpu_percent", 99.5),
        ("units", 9),
        ("inhibiting", 0),
        ("instance", 4),
        ("since_ms", 1),
        ("policy_version", 9),
        ("received_ms", 1),
    ],
)
def test_every_column_counts_in_the_content(january: Engine, column: str, value: Any) -> None:
    with store.writing(january) as connection:
        change = f"UPDATE segment SET {column} = ? WHERE start_ms = ?"
        connection.exec_driver_sql(change, (value, NEW_YEAR_MS))
    found, known = mirror.stored_contents(january), mirror.contents(january)
    assert found["content"].item() != known["content"].item()


def test_the_session_and_its_application_count_in_the_content(january: Engine) -> None:
    with store.writing(january) as connection:
        connection.exec_driver_sql("UPDATE session SET application_id = 2")
    assert not mirror.stored_contents(january).equals(mirror.contents(january))
