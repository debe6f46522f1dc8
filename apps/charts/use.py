"""How applications were used: hours by state, and by how many people."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from apps.charts.style import COLORS, MEASURED_STATES, bar, bar_figure, line_figure, safe


def utilization(frame: pl.DataFrame, *, rows: int = 12) -> go.Figure:
    """Draw how the hours of each application divide into states, as stacked bars.

    Parameters
    ----------
    frame
        One row per application, largest first: `name`, `run_hours`, `busy_share` (0-1 or null), and
        `active_hours`, `pause_hours`, `idle_hours`, `held_hours`, `unknown_hours`.
    rows
        How many applications at most.
    """
    shown = frame.head(rows)
    figure = bar_figure(
        shown["name"],
        [
            _run_label(hours, percent)
            for hours, percent in shown.select("run_hours", pl.col("busy_share") * 100).iter_rows()
        ],
    )
    for state in MEASURED_STATES:
        hours = shown[f"{state}_hours"].to_list()
        if any(hours):
            figure.add_bar(
                **bar(hours, state),
                hovertemplate=f"%{{customdata}}<br>{state} %{{x:,.1f}} h<extra></extra>",
                customdata=safe(shown["name"]),
            )
    figure.update_layout(barmode="stack", xaxis={"title": {"text": "hours"}, "tickformat": ","})
    return figure


def utilization_over_time(frame: pl.DataFrame) -> go.Figure:
    """Draw how the hours of each stretch divide into states, as stacked columns.

    Parameters
    ----------
    frame
        One row per stretch, in order: `label` (e.g. "Oct 2026"), and `active_hours`, `pause_hours`,
        `idle_hours`, `held_hours`, `unknown_hours`.
    """
    figure = line_figure("", "hours", height=340)
    for state in MEASURED_STATES:
        hours = frame[f"{state}_hours"].to_list()
        if any(hours):
            figure.add_bar(
                x=frame["label"].to_list(),
                y=hours,
                name=state,
                marker={"color": COLORS[state], "line": {"width": 0}},
                hovertemplate=f"%{{x}}<br>{state} %{{y:,.1f}} h<extra></extra>",
            )
    # So many labels as a phone has room for.
    axis = {"type": "category", "dtick": -(-frame.height // MOST_LABELS)}
    return figure.update_layout(barmode="stack", showlegend=True, bargap=0.25, xaxis=axis)


MOST_LABELS = 12


def _run_label(hours: float, percent: float | None) -> str:
    return f"{hours:,.0f} h" if percent is None else f"{hours:,.0f} h, {percent:.0f} % busy"


def active_users(frame: pl.DataFrame) -> go.Figure:
    """Draw how many people used any of the applications on each local day.

    Parameters
    ----------
    frame
        One row per local day, in order: `day`, `active_users`.
    """
    figure = line_figure("", "people a day", height=260)
    figure.add_bar(
        x=[day.isoformat() for day in frame["day"]],
        y=frame["active_users"].to_list(),
        marker={"color": COLORS["active"], "line": {"width": 0}},
        hovertemplate="%{x|%a %Y-%m-%d}<br>%{y:,} people<extra></extra>",
    )
    figure.update_layout(bargap=0.15)
    return figure


def ranking(frame: pl.DataFrame, *, rows: int = 20) -> go.Figure:
    """Draw the hours of each application as bars, with its people beside its name.

    Parameters
    ----------
    frame
        One row per application, most hours first: `name`, `hours`, `people`.
    rows
        How many applications at most.
    """
    shown = frame.filter(pl.col("hours") > 0).head(rows)
    labels = [
        f"{hours:,.0f} h, {people:,} {'person' if people == 1 else 'people'}"
        for hours, people in shown.select("hours", "people").iter_rows()
    ]
    figure = bar_figure(shown["name"], labels, below_px=64)
    figure.add_bar(
        **bar(shown["hours"].to_list(), "active", "hours"), hovertemplate="%{x:,.1f} h<extra></extra>"
    )
    return figure.update_layout(showlegend=False, xaxis={"title": {"text": "hours"}, "tickformat": ","})
