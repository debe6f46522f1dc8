"""How many were at work, in a pause, idle: minute by minute."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from apps.charts.style import COLORS, counted, line_figure, moments, with_owned_line

STATES = ("active", "pause", "idle", "held")


def use_by_state(frame: pl.DataFrame, *, zone: str, owned: int | None = None, unit: str = "") -> go.Figure:
    """Draw who had a license open as stacked areas by state, with the owned line.

    Parameters
    ----------
    frame
        One row per step, in order: `minute` (Datetime, UTC), `active`, `pause`, `idle`, `held`.
    zone
        IANA zone in which the time is shown.
    owned
        Units owned, or None where there is no entitlement.
    unit
        What is counted, as `style.counted` takes it.
    """
    local = frame.with_columns(pl.col("minute").dt.convert_time_zone(zone).dt.replace_time_zone(None))
    figure = line_figure(f"local time, {zone}", f"{counted(unit)} open at once", height=380)
    for state in STATES:
        if local[state].sum():
            figure.add_scatter(
                x=moments(local["minute"]),
                y=local[state].round(3).to_list(),
                name=state,
                mode="lines",
                stackgroup="open",
                line={"width": 0, "color": COLORS[state], "shape": "hv"},
                fillcolor=COLORS[state],
                hovertemplate=f"%{{x|%a %H:%M}}<br>{state} %{{y:,.1f}}<extra></extra>",
            )
    figure.update_layout(showlegend=True)
    return with_owned_line(figure, owned, local.select(pl.sum_horizontal(STATES).max()).item())
