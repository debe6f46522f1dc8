"""The house style that every chart is drawn in, and the pieces they share.

A chart carries no title of its own: the claim in prose above it is its title. Bars carry their label above
themselves, so that a long name needs no margin and the same figure reads at 390 and at 1440 px. Every figure
sizes itself to its container; wrap it with `CONFIG`.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import plotly.graph_objects as go
import polars as pl

INK, MUTED, GRID = "#1f2937", "#5b6472", "#e5e7eb"

COLORS = {
    "active": "#0072b2",
    "pause": "#56b4e9",
    "idle": "#e69f00",
    "held": "#009e73",
    "unknown": "#9ca3af",
    "suspended": "#d1d5db",
    "owned": INK,
    "short": "#d55e00",
}
"""One color for one meaning on every chart: the colorblind-safe set of Okabe and Ito, grays, and ink."""

MEASURED_STATES = ("active", "pause", "idle", "held", "unknown")
"""The states whose hours a report shows, in the order of the stack."""

FONT = "Inter, 'Segoe UI', system-ui, -apple-system, 'Helvetica Neue', Arial, sans-serif"

CONFIG = {"displayModeBar": False, "responsive": True}
"""Plotly's settings beside a figure: `Plotly.newPlot(div, data, layout, CONFIG)`."""

_AXIS = {
    "gridcolor": GRID,
    "linecolor": GRID,
    "zeroline": False,
    "ticks": "",
    "automargin": True,
    "fixedrange": True,
    "tickfont": {"color": MUTED, "size": 12},
    "title": {"font": {"color": MUTED, "size": 12}, "standoff": 8},
}

TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "colorway": list(COLORS.values()),
        "separators": ".,",
        "margin": {"l": 8, "r": 16, "t": 24, "b": 8},
        # Room below the axis, or the first label of x would lie on the zero of y.
        "xaxis": _AXIS | {"ticks": "outside", "ticklen": 6, "tickcolor": "rgba(0,0,0,0)"},
        "yaxis": _AXIS | {"rangemode": "tozero", "tickformat": ","},
        "hovermode": "closest",
        "hoverlabel": {"font": {"family": FONT, "size": 13}, "align": "left"},
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yanchor": "bottom",
            "traceorder": "normal",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        "dragmode": False,
    }
)
"""The house style of every chart."""

ROW_PX, BAR_SHARE = (44, 60), 0.3  # a row with a label of one line, of two; the bar's part of it
LONGEST_LINE, LONGEST_NAME = 42, 40  # characters that fit on a phone


def bar_figure(names: Iterable[str], labels: Iterable[str], *, below_px: int = 124) -> go.Figure:
    """Make a figure of horizontal bars, one row each, its name and label above the bar.

    `below_px` is the height of what is not bars: legend and axis.
    """
    pairs = list(zip(names, labels, strict=True))
    lines = 1 if all(len(name) + len(label) < LONGEST_LINE for name, label in pairs) else 2
    texts = [row_label(name, label, lines) for name, label in pairs]
    height = below_px + ROW_PX[lines - 1] * len(texts)
    figure = go.Figure(layout={"template": TEMPLATE, "height": height, "showlegend": True})
    if not texts:
        note(figure, 0, 0, "Nothing to show.", xref="paper", xanchor="left", yanchor="middle")
    for row, text in enumerate(texts):
        note(
            figure,
            0,
            row,
            text,
            xref="paper",
            xanchor="left",
            yanchor="bottom",
            yshift=ROW_PX[lines - 1] * BAR_SHARE / 2 + 1,
        )
    return figure.update_layout(
        yaxis={
            "range": [len(texts) - 0.5, -0.8],  # the first row on top, with room for its label
            "showticklabels": False,
            "showgrid": False,
        },
        xaxis={"rangemode": "tozero"},
    )


def row_label(name: str, label: str, lines: int) -> str:
    """Write name and label on one line, or on two where one would be too long for a phone."""
    return f"<b>{short(name)}</b>{'  ' if lines == 1 else '<br>'}{escape(label)}"


def bar(lengths: list[float] | list[int], meaning: str, name: str = "") -> dict[str, object]:
    """Give the settings of horizontal bars, a row each, in the color of what they mean."""
    return {
        "x": lengths,
        "y": list(range(len(lengths))),
        "orientation": "h",
        "name": name or meaning,
        "width": BAR_SHARE,
        "marker": {"color": COLORS[meaning], "line": {"width": 0}},
    }


def line_figure(x_title: str, y_title: str, height: int) -> go.Figure:
    """Make an empty figure of two titled axes, for lines and columns."""
    return go.Figure(
        layout={
            "template": TEMPLATE,
            "height": height,
            "showlegend": False,
            "xaxis": {"title": {"text": x_title or None}, "showgrid": False},
            "yaxis": {"title": {"text": y_title}},
        }
    )


def with_owned_line(figure: go.Figure, owned: int | None, highest: object) -> go.Figure:
    """Add the owned line, and room above the highest of all for the labels."""
    top = max(float(str(highest or 0)), float(owned or 0), 1.0)
    figure.update_layout(yaxis={"range": [0, top * 1.15]})
    if owned is not None:
        figure.add_hline(y=owned, line={"color": COLORS["owned"], "width": 2, "dash": "dash"})
        note(figure, 1, owned, f"owned {owned:,}", xref="paper", xanchor="right", yanchor="bottom")
    return figure


def counted(unit: str) -> str:
    """Say what an axis counts: tokens where they are the unit, licenses where people or devices need one."""
    return "tokens" if unit == "tokens" else "licenses"


def mark(figure: go.Figure, x: object, y: float, text: str, row: int = 0) -> None:
    """Put a dot on the curve, with its label beside; labels of neighbors go on rows above one another."""
    figure.add_scatter(x=[x], y=[y], mode="markers", marker={"color": INK, "size": 9}, hoverinfo="skip")
    note(figure, x, y, text, xanchor="left", yanchor="bottom", xshift=4, yshift=2 + 20 * row)


def note(figure: go.Figure, x: object, y: object, text: str, **place: object) -> None:
    """Write a few words beside a point."""
    figure.add_annotation(
        x=x,
        y=y,
        text=text,
        showarrow=False,
        font={"size": 13},
        align="left",
        bgcolor="rgba(255,255,255,0.9)",
        borderpad=1,
        **place,
    )


def short(name: str) -> str:
    """Cut a name to what fits on a phone, and escape it."""
    return escape(name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1].rstrip() + "…")


def safe(texts: Iterable[str]) -> list[str]:
    """Escape what plotly would read as markup."""
    return [escape(text) for text in texts]


def moments(times: pl.Series) -> list[str]:
    """Write instants as plotly reads them."""
    return [moment.isoformat() for moment in times]
