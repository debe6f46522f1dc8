"""What projects are charged."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from apps.charts.style import bar, bar_figure, safe


def charges_by_project(frame: pl.DataFrame, *, rows: int = 12) -> go.Figure:
    """Draw the amount charged to each project, in one currency.

    Parameters
    ----------
    frame
        One row per project, largest first, all of one currency: `project`, `project_name`, `amount_minor`,
        `amount` (as people read it).
    rows
        How many projects at most.
    """
    shown = frame.head(rows)
    names = [f"{number} {name}" for number, name in shown.select("project", "project_name").iter_rows()]
    figure = bar_figure(names, shown["amount"].to_list(), below_px=24)
    figure.add_bar(
        **bar(shown["amount_minor"].to_list(), "active", "amount"),
        customdata=safe(shown["amount"]),
        hovertemplate="%{customdata}<extra></extra>",
    )
    # The labels say each amount exactly; an axis would only repeat them, in minor units.
    hidden = {"showticklabels": False, "showgrid": False}
    return figure.update_layout(showlegend=False, xaxis=hidden, margin={"t": 0})
