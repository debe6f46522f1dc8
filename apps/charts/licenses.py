"""What is owned and not used."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from apps.charts.style import INK, bar, bar_figure


def unused_licenses(frame: pl.DataFrame, *, rows: int = 12) -> go.Figure:
    """Draw unused seats by product as a Pareto: bars, and how much of the whole they make together.

    Parameters
    ----------
    frame
        One row per product, most unused seats first: `product_name`, `assigned`, `reclaim`,
        `cumulative_share` (0-1, of all unused seats).
    rows
        How many products at most.
    """
    shown = frame.filter(pl.col("reclaim") > 0).head(rows)
    labels = [
        f"{reclaim:,} of {assigned:,} seats, together {percent:.0f} %"
        for reclaim, assigned, percent in shown.select(
            "reclaim", "assigned", pl.col("cumulative_share") * 100
        ).iter_rows()
    ]
    figure = bar_figure(shown["product_name"], labels)
    figure.add_bar(
        **bar(shown["reclaim"].to_list(), "idle", "unused seats"), hovertemplate="%{x:,}<extra></extra>"
    )
    figure.add_scatter(
        x=(shown["cumulative_share"] * 100).to_list(),
        y=list(range(shown.height)),
        xaxis="x2",
        mode="lines+markers",
        name="share of all unused seats, added up",
        line={"color": INK, "width": 1.5},
        marker={"size": 7},
        hovertemplate="%{x:.0f} %<extra></extra>",
    )
    figure.update_layout(
        xaxis={"title": {"text": "unused seats"}, "tickformat": ","},
        xaxis2={"overlaying": "x", "range": [0, 104], "showticklabels": False, "showgrid": False},
    )
    return figure
