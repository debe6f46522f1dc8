"""The stretches of time that a charge line charges, and the entries that move them to another project."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl
from sqlalchemy import Engine

from warehouse import frames
from warehouse.evidence import ProjectEntryRow
from warehouse.metrics.assignment import assigned
from warehouse.metrics.local_days import PLACED, in_ms, session_days
from warehouse.metrics.project_layer import in_force, lanes
from warehouse.metrics.tariff import Tariff, Terms
from warehouse.projects import Codes

DAY = timedelta(days=1)


def line_stretches(
    engine: Engine, line: Mapping[str, Any], sessions: list[int], cut_off: datetime, tariff: Tariff
) -> pl.DataFrame:
    """Say which stretches of which sessions a line charges, as the project layer was at a cut-off.

    Parameters
    ----------
    line
        A row of `ledger.LINES`: its day, application, office, project, phase and task.
    sessions
        Those that gave it time.

    Returns
    -------
    pl.DataFrame
        One row per stretch without a hole and with one entry: session, from_ms, to_ms, entry (null: a preset
        has charged it); ordered by session and time. The stretches hold idle time too: who moves a session's
        time moves what lies between.
    """
    day: date = line["day"]
    start = datetime.combine(day, time(), UTC) - DAY
    window = (start, start + 3 * DAY)
    is_mine = pl.col("session").is_in(sessions)
    segments = frames.segments(engine, *window, [line["application"]])
    known = segments.filter(is_mine, pl.col("received") <= cut_off).sort("session", "start").collect()
    facts = frames.sessions(engine, *window, [line["application"]]).filter(is_mine).collect()
    entries = frames.project_entries(engine, *window).filter(is_mine, pl.col("created") <= cut_off).collect()
    days = session_days(_extents(facts, known), _placements(engine), day, day + DAY)
    days = days.filter(pl.col("office").eq_missing(line["office"]))
    spans = entries.select("entry", "session", "instance", in_ms("start"), in_ms("end"))
    entered = in_force(_inside(lanes(known, entries), days), spans)
    coded = entered.join(entries.select("entry", *Codes._fields), on="entry", how="left")
    placed = coded.join(days.select("stay", "day", "person_id", "application", *PLACED[:3]), on="stay")
    charged = assigned(placed, tariff, Terms(day, day + DAY))
    fits = pl.all_horizontal(pl.col(name).eq_missing(line[name]) for name in Codes._fields)
    return _whole(charged.filter(fits))


def _extents(facts: pl.DataFrame, segments: pl.DataFrame) -> pl.DataFrame:
    """Say from when to when there is evidence of each session, whatever is known of its end."""
    seen = segments.group_by("session").agg(started=pl.col("start").min(), ended=pl.col("end").max())
    return facts.select("session", "person_id", "application", *PLACED).join(seen, on="session")


def _placements(engine: Engine) -> pl.DataFrame:
    return frames.people(engine).select("person_id", *PLACED, "valid_from").collect()


def _inside(segments: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Keep the segments of the local days, with their `stay`: no segment crosses a midnight."""
    rows = segments.select("session", "lane", in_ms("start"), in_ms("end"))
    return (
        rows.join(days.select("session", "stay", "from_ms", "to_ms"), on="session", maintain_order="left")
        .filter((pl.col("from_ms") <= pl.col("start_ms")) & (pl.col("start_ms") < pl.col("to_ms")))
        .select(*rows.columns, "stay")
    )


def _whole(parts: pl.DataFrame) -> pl.DataFrame:
    """Put together what follows without a hole, under one entry."""
    ordered = parts.sort("session", "start_ms")
    follows = (
        (pl.col("session") == pl.col("session").shift(1))
        & (pl.col("start_ms") == pl.col("end_ms").shift(1))
        & pl.col("entry").eq_missing(pl.col("entry").shift(1))
    )
    stretch = (~follows.fill_null(value=False)).cum_sum().alias("stretch")
    return (
        ordered.with_columns(stretch)
        .group_by("stretch", maintain_order=True)
        .agg(
            pl.col("session").first(),
            from_ms=pl.col("start_ms").min(),
            to_ms=pl.col("end_ms").max(),
            entry=pl.col("entry").first(),
        )
        .drop("stretch")
    )


def entry_rows(
    stretches: pl.DataFrame,
    to: Codes,
    fields: Mapping[int, Mapping[str, Any]],
    told: tuple[str, str, int],
) -> list[ProjectEntryRow]:
    """Make the entries that move stretches to other codes; what their fields hold stays.

    Parameters
    ----------
    stretches
        What `line_stretches` gives.
    fields
        Of the entries in force until now, by their ids.
    told
        Author, reason, and when: UTC, in milliseconds.
    """
    return [
        ProjectEntryRow(session, None, start, end, *to, json.dumps(fields.get(entry, {})), *told)
        for session, start, end, entry in stretches.select("session", "from_ms", "to_ms", "entry").iter_rows()
    ]
