"""Segments read through the mirror are those that SQL has, whatever landed in whatever order."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from evidence_story import (
    DAY_MS,
    NEW_YEAR_MS,
    QUARTER_MS,
    add_session,
    end_session,
    erase,
    furnish,
    land,
    quarters,
    replace,
    whole_session,
)
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Engine

from warehouse import frames, mirror, store
from warehouse.mirror import manifest, reading
from warehouse.mirror.reading import Question, chosen

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONTHS = [datetime(2023 + place // 12, 1 + place % 12, 1, tzinfo=UTC) for place in range(37)]


def _instant(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def _ms(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(milliseconds=1)


def _in_sql(engine: Engine, start_ms: int, end_ms: int, applications: list[str] | None) -> list[Any]:
    """What the question means, in plain SQL, to be compared with what the frame gives."""
    sql = """
        SELECT segment.session_id, application.code, start_ms, end_ms, attention, cpu_percent, units,
               inhibiting, instance, since_ms, policy_version, segment.received_ms
        FROM segment JOIN session ON session.id = segment.session_id
        JOIN application ON application.id = session.application_id
        WHERE session.started_ms < :end_ms AND (session.ended_ms IS NULL OR session.ended_ms > :start_ms)
        ORDER BY segment.session_id, start_ms
    """
    found = [list(row) for row in store.read(engine, sql, {"start_ms": start_ms, "end_ms": end_ms}).rows()]
    rows = [[*row[:7], bool(row[7]), *row[8:]] for row in found]
    return [row for row in rows if applications is None or row[1] in applications]


def _in_frame(engine: Engine, start_ms: int, end_ms: int, applications: list[str] | None) -> list[Any]:
    frame = frames.segments(engine, _instant(start_ms), _instant(end_ms), applications).collect()
    assert frame.schema == pl.Schema(frames.SEGMENTS)
    numbers = frame.sort("session", "start").with_columns(
        pl.col("start", "end", "since", "received").cast(pl.Int64),
        attention=pl.col("attention").to_physical().cast(pl.Int64),
    )
    return [list(row) for row in numbers.iter_rows()]


def _require_equal(engine: Engine, edges: list[int]) -> None:
    windows = [(start, end) for start in edges for end in edges if start < end]
    for start, end in windows:
        for applications in (None, ["solve"]) if (start + end) % 2 else (None, ["draw", "none"], []):
            assert _in_frame(engine, start, end, applications) == _in_sql(engine, start, end, applications)


# --- Whatever happens --------------------------------------------------------------------------------------

OFFSETS = st.integers(0, 4 * 24 * 4)  # in a sixth of a day: two months, as quarters would be too many
ACTIONS = st.one_of(
    st.tuples(st.just("start"), OFFSETS, st.integers(0, 700), st.booleans()),
    st.tuples(st.just("land"), st.integers(0, 9), st.integers(0, 9), st.integers(1, 4)),
    st.tuples(st.just("replace"), st.integers(0, 9), st.integers(0, 9), st.integers(1, 4)),
    st.tuples(st.just("erase"), st.integers(0, 9), st.just(0), st.just(0)),
    st.tuples(st.just("update"), st.just(0), st.just(0), st.just(0)),
    st.tuples(st.just("lose a file"), st.integers(0, 9), st.just(0), st.just(0)),
)


class Story:
    """A warehouse in which things happen; segments lie a sixth of a day apart, so that few make months."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sessions: dict[int, tuple[int, int | None]] = {}
        self.there: dict[int, set[int]] = {}
        self.edges = {
            NEW_YEAR_MS,
            _ms(datetime(2026, 2, 1, tzinfo=UTC)),
            _ms(datetime(2026, 3, 1, tzinfo=UTC)),
        }

    def start(self, offset: int, length: int, is_open: bool) -> None:
        number = next(n for n in range(1, 100) if n not in self.sessions)  # SQLite gives ids again, too
        start_ms = NEW_YEAR_MS + offset * DAY_MS // 6 + 1
        end_ms = None if is_open else start_ms + length * DAY_MS // 24 + 1
        with store.writing(self.engine) as connection:
            add_session(connection, number, start_ms, end_ms, 1 + offset % 2)
        self.sessions[number], self.there[number] = (start_ms, end_ms), set()
        self.edges |= {start_ms, start_ms + 1, (end_ms or start_ms) + DAY_MS // 3}

    def _stretches(self, number: int, first: int, count: int) -> list[tuple[int, int]]:
        start_ms, end_ms = self.sessions[number]
        starts = [start_ms + (first + place) * DAY_MS // 6 for place in range(count)]
        ends = ((start // QUARTER_MS + 1) * QUARTER_MS for start in starts)
        cut = [(start, min(end, end_ms or end)) for start, end in zip(starts, ends, strict=True)]
        return [(start, end) for start, end in cut if start < end]

    def _session(self, place: int) -> int | None:
        numbers = sorted(self.sessions)
        return numbers[place % len(numbers)] if numbers else None

    def land(self, place: int, first: int, count: int) -> None:
        number = self._session(place)
        if number is None:
            return
        new = [row for row in self._stretches(number, first, count) if row[0] not in self.there[number]]
        if new:
            with store.writing(self.engine) as connection:
                land(connection, number, new)
            self.there[number] |= {start for start, _ in new}

    def replace(self, place: int, first: int, count: int) -> None:
        number = self._session(place)
        rows = self._stretches(number, first, count) if number is not None else []
        if number is None or not rows:
            return
        with store.writing(self.engine) as connection:
            replace(connection, number, rows, units=7)
            end_session(connection, number, rows[-1][1])
        self.sessions[number] = self.sessions[number][0], rows[-1][1]
        self.there[number] = {start for start, _ in rows}

    def erase(self, place: int) -> None:
        number = self._session(place)
        if number is not None:
            with store.writing(self.engine) as connection:
                erase(connection, number)
            del self.sessions[number], self.there[number]

    def lose_a_file(self, place: int) -> None:
        found = sorted(mirror.folder_of(self.engine).glob("*.parquet"))
        if found:
            found[place % len(found)].unlink()

    def act(self, kind: str, *given: Any) -> None:
        if kind == "update":
            mirror.update(self.engine)
            assert mirror.contents(self.engine).equals(mirror.stored_contents(self.engine))
        elif kind in ("erase", "lose a file"):
            getattr(self, kind.replace(" ", "_"))(given[0])
        else:
            getattr(self, kind)(*given)


@contextmanager
def _fresh(empty: Path) -> Iterator[Engine]:
    with TemporaryDirectory() as folder:
        shutil.copyfile(empty, Path(folder) / "warehouse.sqlite")
        engine = store.open_warehouse(f"sqlite:///{folder}/warehouse.sqlite")
        furnish(engine)
        yield engine
        engine.dispose()


@given(actions=st.lists(ACTIONS, min_size=3, max_size=25), more=st.lists(OFFSETS, max_size=3))
@example(
    actions=[
        ("start", 0, 700, False),
        ("land", 0, 3, 2),
        ("update", 0, 0, 0),
        ("land", 0, 0, 8),
        ("erase", 0, 0, 0),
        ("start", 200, 5, True),
        ("land", 0, 0, 3),
        ("update", 0, 0, 0),
        ("replace", 0, 0, 2),
    ],
    more=[5],
)
def test_segments_through_the_mirror_are_those_of_sql_whatever_landed_in_whatever_order(
    empty_warehouse: Path, actions: list[tuple[Any, ...]], more: list[int]
) -> None:
    with _fresh(empty_warehouse) as engine:
        story = Story(engine)
        for action in actions:
            story.act(*action)
        edges = sorted({*story.edges, *(NEW_YEAR_MS + offset * DAY_MS // 6 for offset in more)})
        _require_equal(engine, edges[:: 1 + len(edges) // 8])
        mirror.update(engine)
        assert mirror.contents(engine).equals(mirror.stored_contents(engine))
        _require_equal(engine, edges[:: 1 + len(edges) // 4])


def test_both_databases_read_the_mirror_and_what_landed_since(
    both_engines: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCESS_METER_MIRROR", str(tmp_path / "mirror"))
    furnish(both_engines)
    for number in range(1, 7):
        start_ms = NEW_YEAR_MS + number * 13 * DAY_MS
        whole_session(both_engines, number, start_ms, start_ms + DAY_MS, 1 + number % 2)
    mirror.update(both_engines)
    edges = [NEW_YEAR_MS + day * DAY_MS for day in (0, 27, 79)]
    _require_equal(both_engines, edges)

    with store.writing(both_engines) as connection:
        start_ms = NEW_YEAR_MS + 26 * DAY_MS
        replace(connection, 2, quarters(start_ms, start_ms + 3 * QUARTER_MS), units=9)
        end_session(connection, 2, start_ms + 3 * QUARTER_MS)
        erase(connection, 3)
        add_session(connection, 8, start_ms, None)
        land(connection, 8, quarters(start_ms, start_ms + DAY_MS))
    _require_equal(both_engines, edges)
    mirror.update(both_engines)
    assert mirror.contents(both_engines).equals(mirror.stored_contents(both_engines))
    _require_equal(both_engines, edges)


def test_many_rows_are_read_as_few_are(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish(engine)
    whole_session(engine, 1, NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS, 1)
    with store.writing(engine) as connection:
        replace(connection, 1, quarters(NEW_YEAR_MS, NEW_YEAR_MS + 5 * QUARTER_MS), units=9)
    window = (NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS, None)
    few = _in_frame(engine, *window)
    assert few == _in_sql(engine, *window)
    assert len(few) == 5
    for many in (1, 5, 6):
        monkeypatch.setattr(import_module("warehouse.store.snapshot"), "MANY", many)
        assert _in_frame(engine, *window) == few


# --- A month reads a month ---------------------------------------------------------------------------------


def _chosen(engine: Engine, start: datetime, end: datetime) -> dict[str, bool]:
    """Which months a window reads, and whether only some of their rows."""
    window = {"start_ms": _ms(start), "end_ms": _ms(end)}
    question = Question(**window, applications=None, overlapping="", parameters={})
    with store.snapshot(engine) as now:
        parts = chosen(now, manifest.load(mirror.folder_of(engine)), question)
    return {part.month: part.rows is not None for part in parts}


@pytest.fixture
def years(engine: Engine) -> Engine:
    """36 months of a session a day in the middle of each month, and one that spans New Year 2024 to March."""
    furnish(engine)
    for number, month in enumerate(MONTHS[:36], 1):
        for day in (10, 11):
            start_ms = _ms(month) + day * DAY_MS
            whole_session(engine, 10 * number + day, start_ms, start_ms + 4 * QUARTER_MS)
    whole_session(engine, 1000, _ms(MONTHS[12]) - QUARTER_MS, _ms(MONTHS[14]) + QUARTER_MS)
    mirror.update(engine)
    return engine


def test_a_month_of_36_reads_one_file(years: Engine) -> None:
    assert _chosen(years, MONTHS[20], MONTHS[21]) == {"2024-09": False}


def test_a_month_into_which_a_session_straddles_reads_that_sessions_month_too(years: Engine) -> None:
    assert _chosen(years, MONTHS[13], MONTHS[14]) == {"2023-12": True, "2024-02": False}
    assert _chosen(years, MONTHS[14], MONTHS[15]) == {"2023-12": True, "2024-03": False}
    assert _chosen(years, MONTHS[15], MONTHS[16]) == {"2024-04": False}


def test_an_open_session_reaches_into_every_month_after_its_start(years: Engine) -> None:
    with store.writing(years) as connection:
        end_session(connection, 1000, None)
    assert _chosen(years, MONTHS[30], MONTHS[31]) == {"2023-12": True, "2025-07": False}


def test_a_day_reads_some_rows_of_its_month(years: Engine) -> None:
    day = MONTHS[20] + timedelta(days=11)
    assert _chosen(years, day, day + timedelta(days=1)) == {"2024-09": True}
    _require_equal(years, [_ms(day), _ms(day + timedelta(days=1))])


def test_the_whole_history_reads_every_file_as_it_is(years: Engine) -> None:
    assert list(_chosen(years, MONTHS[0], MONTHS[36]).items()) == [
        (month.strftime("%Y-%m"), False) for month in MONTHS[:36]
    ]


def test_segments_come_in_order_of_months_and_within_them_of_session_and_start(years: Engine) -> None:
    whole_session(years, 5, _ms(MONTHS[30]), _ms(MONTHS[30]) + 3 * QUARTER_MS)
    whole_session(years, 6, _ms(MONTHS[36]), _ms(MONTHS[36]) + 3 * QUARTER_MS)
    read = frames.segments(years, MONTHS[0], MONTHS[36] + timedelta(days=31)).collect()
    month = pl.col("start").min().over("session").dt.strftime("%Y-%m")
    assert read.equals(read.sort(month, "session", "start"))


# --- No mirror, or one that must not be read ---------------------------------------------------------------


def test_reading_writes_nothing(engine: Engine) -> None:
    furnish(engine)
    whole_session(engine, 1, NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS)
    _require_equal(engine, [NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS])
    assert not mirror.folder_of(engine).exists()


def _delete_a_file(folder: Path) -> None:
    next(folder.glob("*.parquet")).unlink()


def _truncate_a_file(folder: Path) -> None:
    path = next(folder.glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-10])


def _swap_a_file(folder: Path) -> None:
    path = next(folder.glob("*.parquet"))
    path.write_bytes(b"x" * path.stat().st_size)


def _break_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b"{")


def _edit_the_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"rows": 96', '"rows": 95'))


def _list_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b"[]")


def _age_the_program(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))


def _name_other_fields(folder: Path) -> None:
    """As a program of another build would write it: whole, signed, of the same format."""
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    del document["digest"]
    document["files"] = [{**file, "codec": "zstd"} for file in document["files"]]
    digest = manifest.digest_of(json.dumps(document, sort_keys=True).encode())
    path.write_text(json.dumps({**document, "digest": digest}))


SPOILED = {
    _delete_a_file: "missing or changed",
    _truncate_a_file: "missing or changed",
    _swap_a_file: "missing or changed",
    _break_the_manifest: "cannot be read",
    _edit_the_manifest: "not as it was written",
    _list_the_manifest: "cannot be read",
    _age_the_program: "of format 2, this program reads 1",
    _name_other_fields: "has other fields than this program's",
}


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda spoil: spoil.__name__.strip("_"))
def test_a_spoiled_mirror_is_not_read_which_is_said_once_and_the_next_update_makes_it_whole(
    engine: Engine, spoil: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_said", set())  # of the tests before
    furnish(engine)
    whole_session(engine, 1, NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS)
    mirror.update(engine)
    spoil(mirror.folder_of(engine))
    window = [NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS]
    _require_equal(engine, window)
    _require_equal(engine, window)
    (said,) = [record.getMessage() for record in caplog.records if record.name == reading.__name__]
    assert SPOILED[spoil] in said
    assert "run `process-meter warehouse mirror`" in said

    mirror.update(engine)
    assert mirror.contents(engine).equals(mirror.stored_contents(engine))
    caplog.clear()
    _require_equal(engine, window)
    assert caplog.records == []


def test_the_mirror_of_another_warehouse_is_not_read_but_made_anew(
    engine: Engine, tmp_path: Path, empty_warehouse: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from warehouse.landing import set_mark

    furnish(engine)
    whole_session(engine, 1, NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS)
    mirror.update(engine)
    with store.writing(engine) as connection:
        set_mark(connection, "identity", "another")
    _require_equal(engine, [NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS])
    assert "is of another warehouse" in caplog.text
    assert "is of another warehouse" in str(mirror.update(engine).rebuilt)


def test_after_a_restored_backup_the_mirror_is_not_read_but_made_anew(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    furnish(engine)
    whole_session(engine, 1, NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS)
    engine.dispose()  # the last one to leave writes everything into the one file
    shutil.copyfile(str(engine.url.database), tmp_path / "backup")
    whole_session(engine, 2, NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS)
    mirror.update(engine)
    engine.dispose()
    shutil.copyfile(tmp_path / "backup", str(engine.url.database))
    whole_session(engine, 3, NEW_YEAR_MS + 1, NEW_YEAR_MS + DAY_MS)

    _require_equal(engine, [NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS])
    assert "does not continue" in caplog.text
    assert mirror.update(engine).rebuilt
    _require_equal(engine, [NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS])


def test_a_renamed_application_is_read_under_its_new_name(engine: Engine) -> None:
    furnish(engine)
    whole_session(engine, 1, NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS)
    mirror.update(engine)
    with store.writing(engine) as connection:
        connection.exec_driver_sql("UPDATE application SET code = 'sketch' WHERE id = 1")
    window = [NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS]
    _require_equal(engine, window)
    assert "older names" in str(mirror.update(engine).rebuilt)
    _require_equal(engine, window)


def test_a_folder_may_have_any_name(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESS_METER_MIRROR", str(tmp_path / "a [b]*?" / "month=9"))
    furnish(engine)
    whole_session(engine, 1, NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS)
    mirror.update(engine)
    _require_equal(engine, [NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS])
    assert mirror.contents(engine).equals(mirror.stored_contents(engine))


def test_a_frame_made_before_an_update_is_collected_after_it(engine: Engine) -> None:
    furnish(engine)
    whole_session(engine, 1, NEW_YEAR_MS, NEW_YEAR_MS + DAY_MS)
    mirror.update(engine)
    frame = frames.segments(engine, _instant(NEW_YEAR_MS), _instant(NEW_YEAR_MS + DAY_MS))
    with store.writing(engine) as connection:
        erase(connection, 1)
    mirror.update(engine)
    assert frame.collect().height == 96
    assert (
        frames.segments(engine, _instant(NEW_YEAR_MS), _instant(NEW_YEAR_MS + DAY_MS)).collect().height == 0
    )
