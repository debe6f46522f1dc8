"""What is owned: not used, short or to spare, counted by vendors, up for renewal, given back."""

from __future__ import annotations

from datetime import date, timedelta

import plotly.graph_objects as go
import polars as pl

from apps.charts.style import COLORS, INK, bar, bar_figure, line_figure, moments, note


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


def positions(frame: pl.DataFrame, *, rows: int = 25) -> go.Figure:
    """Draw what is short to the left and what is to spare to the right, in percent of what is entitled.

    Parameters
    ----------
    frame
        One row per product and metric, the worst first: `product`, `metric`, `entitled`, `consumed`,
        `difference` (negative: short), `difference_share` (of what is entitled; null where that is nothing).
    rows
        How many at most.
    """
    shown = frame.drop_nulls("difference_share").head(rows)
    labels = [
        f"{metric}: {consumed:,} consumed, {entitled:,} entitled"
        for metric, consumed, entitled in shown.select("metric", "consumed", "entitled").iter_rows()
    ]
    figure = bar_figure(shown["product"], labels)
    shares = (shown["difference_share"] * 100).to_list()
    for meaning, name, lengths in (
        ("short", "short", [min(share, 0) for share in shares]),
        ("active", "to spare", [max(share, 0) for share in shares]),
    ):
        figure.add_bar(**bar(lengths, meaning, name), hovertemplate="%{x:.0f} %<extra></extra>")
    figure.update_layout(
        barmode="overlay",
        xaxis={
            "title": {"text": "short or to spare, in percent of what is entitled"},
            "ticksuffix": " %",
            "rangemode": "normal",
            "zeroline": True,
            "zerolinecolor": INK,
        },
    )
    return figure


def vendor_counts(frame: pl.DataFrame, *, unit: str) -> go.Figure:
    """Draw what a vendor counted and what we count by the same rule.

    Parameters
    ----------
    frame
        One row per interval or day of one product, in order: `start` (Datetime), `vendor`, `ours`.
    unit
        What is counted.
    """
    figure = line_figure("", unit, height=320)
    for column, meaning, name, dash in (
        ("vendor", "short", "vendor's count", "solid"),
        ("ours", "active", "our count by the vendor's rule", "dot"),
    ):
        figure.add_scatter(
            x=moments(frame["start"]),
            y=frame[column].to_list(),
            mode="lines",
            name=name,
            line={"color": COLORS[meaning], "width": 2, "dash": dash, "shape": "hv"},
            hovertemplate="%{y:,}<extra></extra>",
        )
    return figure.update_layout(showlegend=True)


def contract_calendar(frame: pl.DataFrame, *, today: date, rows: int = 30) -> go.Figure:
    """Draw when each contract runs, its end, and its last day for notice.

    Parameters
    ----------
    frame
        One row per contract, the first to end first: `product`, `starts`, `ends` (Date; null: none known)
        and `notice_on` (Date or null).
    today
        Marked by a line; what ended before is not drawn.
    rows
        How many at most.
    """
    shown = frame.head(rows)
    latest = max([*shown["ends"].drop_nulls(), today + timedelta(days=365)])
    earliest = today - timedelta(days=365)
    ends = [end or latest for end in shown["ends"]]
    starts = [max(start, earliest) for start in shown["starts"]]
    labels = [_calendar_label(*row) for row in shown.select("ends", "notice_on").iter_rows()]
    figure = bar_figure(shown["product"], labels)
    figure.add_bar(
        **bar(
            [(end - start).days * DAY_MS for start, end in zip(starts, ends, strict=True)],
            "pause",
            "in force",
        ),
        base=[start.isoformat() for start in starts],
        hoverinfo="skip",
    )
    notices = [(day, row) for row, day in enumerate(shown["notice_on"]) if day is not None]
    figure.add_scatter(
        x=[day.isoformat() for day, _ in notices],
        y=[row for _, row in notices],
        mode="markers",
        name="last day for notice",
        marker={"color": COLORS["short"], "size": 11, "symbol": "diamond"},
        hovertemplate="%{x|%Y-%m-%d}<extra></extra>",
    )
    figure.add_vline(x=today.isoformat(), line={"color": INK, "width": 1, "dash": "dash"})
    note(figure, today.isoformat(), 0, "today", yref="paper", xanchor="left", yanchor="bottom")
    figure.update_layout(xaxis={"type": "date", "rangemode": "normal", "tickformat": "%b %Y"})
    return figure


DAY_MS = 86_400_000


def _calendar_label(ends: date | None, notice_on: date | None) -> str:
    end = f"ends {ends}" if ends else "no end known"
    return f"{end}, notice by {notice_on}" if notice_on else f"{end}, no notice date"


def harvest_funnel(frame: pl.DataFrame) -> go.Figure:
    """Draw how many seats got how far on their way from a proposal to being given back.

    Parameters
    ----------
    frame
        One row per step, in order: `step`, `seats` (that got so far).
    """
    labels = [f"{seats:,} {'seat' if seats == 1 else 'seats'}" for seats in frame["seats"]]
    figure = bar_figure(frame["step"], labels, below_px=84)
    figure.add_bar(**bar(frame["seats"].to_list(), "active", "seats"), hovertemplate="%{x:,}<extra></extra>")
    return figure.update_layout(showlegend=False, xaxis={"title": {"text": "seats"}, "tickformat": ","})
