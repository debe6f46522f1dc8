"""What licenses cost while nobody was at work."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from apps.charts.style import bar, bar_figure, safe


def idle_cost(frame: pl.DataFrame, *, rows: int = 5) -> go.Figure:
    """Draw what the idle time of each license cost, in one currency.

    Parameters
    ----------
    frame
        One row per license, dearest first, all of one currency: `name`, `amount_minor`, `amount` (as people
        read it), `label`.
    rows
        How many licenses at most.
    """
    shown = frame.head(rows)
    figure = bar_figure(shown["name"], shown["label"], below_px=24)
    figure.add_bar(
        **bar(shown["amount_minor"].to_list(), "idle", "idle cost"),
        customdata=safe(shown["amount"]),
        hovertemplate="%{customdata}<extra></extra>",
    )
    # The labels say each amount exactly; an axis would only repeat them, in minor units.
    hidden = {"showticklabels": False, "showgrid": False}
    return figure.update_layout(showlegend=False, xaxis=hidden, margin={"t": 0})
