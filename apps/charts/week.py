"""The hours of the week as a map."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from apps.charts.style import COLORS, GRID, line_figure

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SCALE = [[0, "#f3f4f6"], [0.5, COLORS["pause"]], [1, COLORS["active"]]]


def heatmap(frame: pl.DataFrame, *, measure: str = "maximum") -> go.Figure:
    """Draw demand by hour of the week: a column for each day, a row for each hour, the day's start on top.

    Parameters
    ----------
    frame
        One row per weekday and hour: `weekday` (ISO, 1-7), `hour` (0-23) and `measure`.
    measure
        Which column is drawn; the legend and the labels on hover name it.
    """
    known = {(day, hour): value for day, hour, value in frame.select("weekday", "hour", measure).iter_rows()}
    figure = line_figure("", "", height=560)
    figure.add_heatmap(
        x=list(DAYS),
        y=[f"{hour:02}:00" for hour in range(24)],
        z=[[known.get((day, hour)) for day in range(1, 8)] for hour in range(24)],
        colorscale=SCALE,
        zmin=0,
        xgap=2,
        ygap=2,
        colorbar={
            "title": {"text": f"{measure} in use at once", "side": "top"},
            "orientation": "h",
            "y": -0.02,
            "yanchor": "top",
            "thickness": 12,
            "outlinewidth": 0,
            "tickformat": ",",
        },
        hovertemplate=f"%{{x}} %{{y}}<br>{measure} %{{z:,.1f}}<extra></extra>",
    )
    return figure.update_layout(
        xaxis={"side": "top", "type": "category", "showgrid": False, "tickangle": 0},
        yaxis={"autorange": "reversed", "type": "category", "gridcolor": GRID, "showgrid": False, "dtick": 2},
    )
