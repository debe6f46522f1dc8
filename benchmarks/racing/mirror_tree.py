"""Evidence as the mirror keeps it: Parquet by the month in which a session starts, without a database behind.

Segments have the columns and the order of the mirror's files; sessions and project entries lie beside them.
Working days from 8 to 18 UTC, sessions of about half an hour, of many people in thirty applications; each has
one project from its start on. A session that starts before the end of a month may reach into the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from warehouse.mirror import SEGMENTS
from warehouse.periods import INSTANT
from warehouse.schema import ATTENTIONS

APPLICATIONS, PEOPLE, PROJECTS, PIECES, SEED = 30, 2_000, 300, 12, 20261129
SEGMENTS_A_SESSION = 14.4
"""Twelve stretches of evidence, one of five of which is cut by a quarter of an hour."""
FIRST_YEAR, HOUR_MS, DAY_MS, QUARTER_MS = 2024, 3_600_000, 86_400_000, 900_000
SHORTEST_MS, LONGEST_MS = 1_000, 300_000
SHARES = [0.4, 0.2, 0.28, 0.04, 0.02, 0.02, 0.02, 0.02]
"""How often each of `ATTENTIONS` is seen."""


def month_start(place: int) -> datetime:
    """First instant of a month, counted from January of the first year."""
    return datetime(FIRST_YEAR + place // 12, place % 12 + 1, 1, tzinfo=UTC)


def write(folder: Path, count: int, months: int) -> int:
    """Write about so many segments over so many months; return how many they are."""
    each = round(count / SEGMENTS_A_SESSION / months)
    written = 0
    for place in range(months):
        draw = np.random.default_rng(SEED + place)
        started = _starts(draw, each, place)
        segments = _segments(draw, _numbers(place, each), started)
        sessions = _sessions(draw, segments)
        of_session = sessions.select("session", "application")
        segments = segments.join(of_session, on="session", maintain_order="left")
        segments = segments.select(*SEGMENTS).cast(dict(SEGMENTS))
        segments.write_parquet(folder / f"segments-{place:02}.parquet")
        sessions.write_parquet(folder / f"sessions-{place:02}.parquet")
        _entries(draw, sessions).write_parquet(folder / f"entries-{place:02}.parquet")
        written += segments.height
    return written


def _numbers(month: int, count: int) -> np.ndarray:
    """Number sessions in order of start; those at a month's end reach the warehouse with the next one's."""
    numbers = 2 * np.arange(month * count, (month + 1) * count)
    late = count // 100
    numbers[count - late :] += 4 * late + 1
    return numbers


def _starts(draw: np.random.Generator, count: int, month: int) -> np.ndarray:
    first, last = (int(month_start(place).timestamp()) * 1000 // DAY_MS for place in (month, month + 1))
    days = np.array([day for day in range(first, last) if (day + 3) % 7 < 5])
    at = draw.choice(days, count) * DAY_MS + 8 * HOUR_MS + draw.integers(0, 10 * HOUR_MS, count)
    # One in a hundred is of the month's last hour, so that there are sessions that reach into the next.
    late = draw.random(count) < 0.01
    return np.sort(np.where(late, last * DAY_MS - 1 - draw.integers(0, HOUR_MS, count), at))


def _segments(draw: np.random.Generator, numbers: np.ndarray, started: np.ndarray) -> pl.DataFrame:
    ends = started[:, None] + draw.integers(SHORTEST_MS, LONGEST_MS, (started.size, PIECES)).cumsum(axis=1)
    starts = np.concatenate([started[:, None], ends[:, :-1]], axis=1)
    attention = draw.choice(len(ATTENTIONS), starts.shape, p=SHARES)
    # Silence counts since the last input's end, or since the session's start.
    last_input = np.maximum.accumulate(np.where(attention == 0, ends, started[:, None]), axis=1)
    before = np.concatenate([started[:, None], last_input[:, :-1]], axis=1)
    whole = {
        "session": np.repeat(numbers, PIECES),
        "start": starts.ravel(),
        "end": ends.ravel(),
        "attention": attention.ravel(),
        "cpu_percent": draw.random(starts.size).round(3) * 100,
        "inhibiting": draw.random(starts.size) < 0.02,
        "since": np.where(attention == 0, starts, before).ravel(),
    }
    edge = (whole["end"] - 1) // QUARTER_MS * QUARTER_MS
    is_cut = edge > whole["start"]
    rows = np.repeat(np.arange(starts.size), 1 + is_cut)
    is_second = np.concatenate([[False], rows[1:] == rows[:-1]])
    cut = {name: values[rows] for name, values in whole.items()}
    cut["start"] = np.where(is_second, edge[rows], cut["start"])
    cut["end"] = np.where(is_cut[rows] & ~is_second, edge[rows], cut["end"])
    return _typed(cut)


def _typed(cut: dict[str, np.ndarray]) -> pl.DataFrame:
    words = pl.Series(ATTENTIONS, dtype=pl.Enum(ATTENTIONS))
    return pl.DataFrame({**cut, "attention": words.gather(cut["attention"])}).with_columns(
        pl.col("start", "end", "since").cast(INSTANT),
        units=pl.lit(1, pl.Int32),
        instance=pl.lit(None, pl.Int32),
        policy_version=pl.lit(1, pl.Int32),
        received=(pl.col("end") // 60_000 * 60_000 + 60_000).cast(INSTANT),
    )


def _sessions(draw: np.random.Generator, segments: pl.DataFrame) -> pl.DataFrame:
    extents = segments.group_by("session", maintain_order=True).agg(
        started=pl.col("start").first(), ended=pl.col("end").last()
    )
    people = pl.Series([f"P-{place:06}" for place in range(PEOPLE)]).gather(
        draw.integers(0, PEOPLE, extents.height)
    )
    names = pl.Series([f"application {place:02}" for place in range(APPLICATIONS)])
    return extents.with_columns(
        application=names.gather(draw.integers(0, APPLICATIONS, extents.height)),
        product=pl.lit(None, pl.String),
        person=people,
        account=people.str.replace("P", "A", literal=True),
        host=people.str.replace("P", "H", literal=True),
        device=people.str.replace("P", "H", literal=True),
        office=pl.lit("BER"),
    )


def _entries(draw: np.random.Generator, sessions: pl.DataFrame) -> pl.DataFrame:
    projects = pl.Series([f"24-{place:04}" for place in range(PROJECTS)])
    return sessions.select(
        entry="session",
        session="session",
        instance=pl.lit(None, pl.Int32),
        start="started",
        end=pl.lit(None, INSTANT),
        project=projects.gather(draw.integers(0, PROJECTS, sessions.height)),
    )


# --- Reading -----------------------------------------------------------------------------------------------


def months(folder: Path, start: datetime, end: datetime) -> Iterator[int]:
    """Give the months whose files a window needs: its own, and the one before for what reaches into it."""
    for path in sorted(folder.glob("segments-*.parquet")):
        place = int(path.stem.split("-")[1])
        if month_start(place) < end and month_start(place + 2) > start:
            yield place


def read(folder: Path, start: datetime, end: datetime) -> tuple[pl.LazyFrame, pl.LazyFrame, pl.LazyFrame]:
    """Give whole sessions that overlap a window: segments, sessions, project entries, month by month."""
    overlaps = (pl.col("started") < end) & (pl.col("ended") > start)
    parts: list[tuple[pl.LazyFrame, pl.DataFrame, pl.LazyFrame]] = []
    for place in months(folder, start, end):
        sessions = pl.read_parquet(folder / f"sessions-{place:02}.parquet")
        segments, entries = (
            pl.scan_parquet(folder / f"{what}-{place:02}.parquet") for what in ("segments", "entries")
        )
        mine = sessions.filter(overlaps)
        if mine.height < sessions.height:
            among = pl.col("session").is_in(mine["session"].implode())
            segments, entries = segments.filter(among), entries.filter(among)
        parts.append((segments, mine, entries))
    segments, sessions, entries = zip(*parts, strict=True)
    return pl.concat(segments), pl.concat(sessions).lazy(), pl.concat(entries)
