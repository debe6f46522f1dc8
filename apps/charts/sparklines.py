"""A line as small as a word."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from apps.charts.style import COLORS, TEMPLATE


def sparkline(values: Sequence[float], *, label: str = "") -> go.Figure:
    """Draw a line of 48 px without axes, its last value marked; `label` says what it is, on hover."""
    places = list(range(len(values)))
    figure = go.Figure(layout={"template": TEMPLATE, "height": 48, "showlegend": False})
    hover = f"%{{y:,}}<extra>{escape(label)}</extra>"
    figure.add_scatter(
        x=places,
        y=list(values),
        mode="lines",
        line={"color": COLORS["active"], "width": 2},
        hovertemplate=hover,
    )
    figure.add_scatter(
        x=places[-1:],
        y=list(values[-1:]),
        mode="markers",
        marker={"color": COLORS["active"], "size": 7},
        hovertemplate=hover,
    )
    hidden = {"visible": False, "fixedrange": True}
    return figure.update_layout(
        xaxis=hidden, yaxis=hidden, margin={"l": 4, "r": 8, "t": 6, "b": 6, "autoexpand": False}
    )
