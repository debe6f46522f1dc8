"""What other definitions of idle would have said of the same evidence."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from apps.charts.style import line_figure

LOOKS = (("#0072b2", "solid"), ("#cc79a7", "dash"), ("#117733", "dot"), ("#882255", "dashdot"))
"""Color and dash of each signal: none of the colors that mean a state, and told apart without any color."""


def idle_definitions(frame: pl.DataFrame, column: str, title: str) -> go.Figure:
    """Draw a figure against the idle timeout, a line for each signal of activity.

    The axis does not begin at 0: what is compared is a difference.

    Parameters
    ----------
    frame
        One row per definition, in order of signal and timeout: `signal` (in words), `idle_minutes`, `column`.
    column
        The figure to draw.
    title
        What it is, with its unit.
    """
    figure = line_figure("idle after so many minutes", title, height=380)
    figure.update_layout(
        showlegend=True, yaxis={"rangemode": "normal"}, xaxis={"type": "category"}, legend={"y": 1.02}
    )
    signals = frame["signal"].unique(maintain_order=True)
    for place, signal in enumerate(signals):
        mine = frame.filter(pl.col("signal") == signal).sort("idle_minutes")
        color, dash = LOOKS[place % len(LOOKS)]
        figure.add_scatter(
            x=[f"{minutes:g}" for minutes in mine["idle_minutes"]],
            y=mine[column].to_list(),
            mode="lines+markers",
            name=signal,
            line={"color": color, "width": 2, "dash": dash},
            marker={"size": 7},
            hovertemplate="%{x} minutes<br>%{y:,.0f}<extra>" + signal + "</extra>",
        )
    order = [f"{minutes:g}" for minutes in frame["idle_minutes"].unique().sort()]
    return figure.update_layout(xaxis={"categoryorder": "array", "categoryarray": order})
