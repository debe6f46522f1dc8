"""What license servers refused, by what it means."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from apps.charts.style import COLORS, bar, bar_figure, line_figure, safe

CLASSES = {
    "real": ("did not get in", "short"),
    "retried": ("got in on a retry", "pause"),
    "policy": ("refused by a rule", "unknown"),
}
"""Each class as the legend says it, and the meaning whose color it has."""


def denials(frame: pl.DataFrame, *, rows: int = 12) -> go.Figure:
    """Draw the denials of each application by class, as stacked bars.

    Parameters
    ----------
    frame
        One row per application, most denials first: `name`, `denials`, `attempts`, `real`, `retried`,
        `policy`.
    rows
        How many applications at most.
    """
    shown = frame.head(rows)
    labels = [
        f"{_number(denied, 'denial')}, {_number(tries, 'attempt')}"
        for denied, tries in shown.select("denials", "attempts").iter_rows()
    ]
    figure = bar_figure(shown["name"], labels)
    for column, (words, meaning) in CLASSES.items():
        numbers = shown[column].to_list()
        if any(numbers):
            figure.add_bar(
                **bar(numbers, meaning, words),
                hovertemplate=f"%{{customdata}}<br>%{{x:,}} {words}<extra></extra>",
                customdata=safe(shown["name"]),
            )
    return figure.update_layout(barmode="stack", xaxis={"title": {"text": "denials"}, "tickformat": ","})


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def denials_over_time(frame: pl.DataFrame) -> go.Figure:
    """Draw the denials of each stretch by class, as stacked columns.

    Parameters
    ----------
    frame
        One row per stretch, in order: `label`, `real`, `retried`, `policy`.
    """
    figure = line_figure("", "denials", height=320)
    for column, (words, meaning) in CLASSES.items():
        numbers = frame[column].to_list()
        if any(numbers):
            figure.add_bar(
                x=frame["label"].to_list(),
                y=numbers,
                name=words,
                marker={"color": COLORS[meaning], "line": {"width": 0}},
                hovertemplate=f"%{{x}}<br>%{{y:,}} {words}<extra></extra>",
            )
    return figure.update_layout(barmode="stack", showlegend=True, bargap=0.25, xaxis={"type": "category"})
