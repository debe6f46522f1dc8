"""Sessions in time: one by one, and how many hours of them a day."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from apps.charts.style import COLORS, bar_figure, line_figure, safe

STRETCHES = {"in use": "active", "held": "held", "unknown": "unknown"}
"""Kinds of stretches of a session, and the meaning whose color they have."""

SOURCE_COLORS = tuple(COLORS[name] for name in ("active", "held", "idle", "pause", "short", "owned"))
"""Colors of sources, in order of their time; a seventh begins again."""


def session_timeline(sessions: pl.DataFrame, stretches: pl.DataFrame, *, zone: str) -> go.Figure:
    """Draw a row for each session, with a mark at its start and a bar for each stretch in which it was used.

    The time between is not drawn: it would show how long one person was idle.

    Parameters
    ----------
    sessions
        One row per session, in the order to show: `session`, `name` (of the application), `person` (null:
        nobody's alone), `started` (Datetime UTC).
    stretches
        `session`, `kind` (of STRETCHES), `start`, `end` (Datetime UTC).
    zone
        IANA zone in which the time is shown.
    """
    figure = bar_figure(sessions["name"], [person or "shared account" for person in sessions["person"]])
    rows = sessions.select("session", row=pl.int_range(pl.len()))
    for kind, color in STRETCHES.items():
        mine = stretches.filter(pl.col("kind") == kind).join(rows, on="session", maintain_order="left")
        lines = _lines(mine, zone)
        if lines.height:
            figure.add_scatter(
                x=lines["x"].to_list(),
                y=lines["row"].to_list(),
                mode="lines",
                name=kind,
                line={"color": COLORS[color], "width": 11},
                hovertemplate=f"%{{x|%Y-%m-%d %H:%M}}<extra>{kind}</extra>",
            )
    if sessions.height:
        figure.add_scatter(
            x=sessions.select(_local("started", zone))["started"].to_list(),
            y=rows["row"].to_list(),
            mode="markers",
            name="start",
            marker={"symbol": "line-ns", "size": 13, "line": {"width": 2, "color": COLORS["owned"]}},
            hovertemplate="%{x|%Y-%m-%d %H:%M}<extra>start</extra>",
        )
    axis = {"type": "date", "rangemode": "normal", "title": {"text": f"local time, {zone}"}}
    return figure.update_layout(xaxis=axis)


def _local(column: str, zone: str) -> pl.Expr:
    return pl.col(column).dt.convert_time_zone(zone).dt.strftime("%Y-%m-%dT%H:%M:%S")


def _lines(frame: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Write each stretch as two points and a gap: `x` (text, null: the gap), `row`."""
    ends = [_local(name, zone) for name in ("start", "end")]
    return frame.select("row", x=pl.concat_list(*ends, pl.lit(None, pl.String))).explode("x")


def session_days(frame: pl.DataFrame) -> go.Figure:
    """Draw the hours of sessions a day, by where they are known from; what nobody watched is gray.

    Parameters
    ----------
    frame
        One row per local day and source, in order: `day`, `source`, `known_hours`, `unknown_hours`.
    """
    figure = line_figure("", "hours of sessions a day", height=340)
    sources = frame.group_by("source").agg(pl.col("known_hours").sum()).sort("known_hours", descending=True)
    for place, source in enumerate(sources["source"]):
        mine = frame.filter(pl.col("source") == source)
        _days(figure, mine, "known_hours", source, SOURCE_COLORS[place % len(SOURCE_COLORS)])
    if frame["unknown_hours"].sum():
        unknown = frame.group_by("day", maintain_order=True).agg(pl.col("unknown_hours").sum())
        _days(figure, unknown, "unknown_hours", "unknown", COLORS["unknown"])
    return figure.update_layout(barmode="stack", showlegend=True, bargap=0.1)


def _days(figure: go.Figure, frame: pl.DataFrame, column: str, name: str, color: str) -> None:
    (label,) = safe([name])
    figure.add_bar(
        x=[day.isoformat() for day in frame["day"]],
        y=frame[column].to_list(),
        name=label,
        marker={"color": color, "line": {"width": 0}},
        hovertemplate=f"%{{x|%a %Y-%m-%d}}<br>{label} %{{y:,.1f}} h<extra></extra>",
    )
