"""Metric frame in, plotly figure out, in one house style; no widgets, no frames, no SQL.

A chart carries no title of its own: the claim in prose above it is its title. Bars carry their label above
themselves, so that a long name needs no margin and the same figure reads at 390 and at 1440 px. Every figure
sizes itself to its container; wrap it with `CONFIG`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
        "xaxis": _AXIS,
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


def utilization(frame: pl.DataFrame, *, rows: int = 12) -> go.Figure:
    """Draw how the hours of each application divide into states, as stacked bars.

    Parameters
    ----------
    frame
        One row per application, largest first: `name`, `run_hours`, `busy_share` (0-1 or null), and
        `active_hours`, `pause_hours`, `idle_hours`, `held_hours`, `unknown_hours`.
    rows
        How many applications at most.
    """
    shown = frame.head(rows)
    figure = _bar_figure(
        shown["name"],
        [
            _run_label(hours, percent)
            for hours, percent in shown.select("run_hours", pl.col("busy_share") * 100).iter_rows()
        ],
    )
    for state in MEASURED_STATES:
        hours = shown[f"{state}_hours"].to_list()
        if any(hours):
            figure.add_bar(
                **_bar(hours, state),
                hovertemplate=f"%{{customdata}}<br>{state} %{{x:,.1f}} h<extra></extra>",
                customdata=_safe(shown["name"]),
            )
    figure.update_layout(barmode="stack", xaxis={"title": {"text": "hours"}, "tickformat": ","})
    return figure


def utilization_over_time(frame: pl.DataFrame) -> go.Figure:
    """Draw how the hours of each stretch divide into states, as stacked columns.

    Parameters
    ----------
    frame
        One row per stretch, in order: `label` (e.g. "Oct 2026"), and `active_hours`, `pause_hours`,
        `idle_hours`, `held_hours`, `unknown_hours`.
    """
    figure = _line_figure("", "hours", height=340)
    for state in MEASURED_STATES:
        hours = frame[f"{state}_hours"].to_list()
        if any(hours):
            figure.add_bar(
                x=frame["label"].to_list(),
                y=hours,
                name=state,
                marker={"color": COLORS[state], "line": {"width": 0}},
                hovertemplate=f"%{{x}}<br>{state} %{{y:,.1f}} h<extra></extra>",
            )
    return figure.update_layout(barmode="stack", showlegend=True, bargap=0.25, xaxis={"type": "category"})


def _run_label(hours: float, percent: float | None) -> str:
    return f"{hours:,.0f} h" if percent is None else f"{hours:,.0f} h, {percent:.0f} % busy"


def demand_and_owned(frame: pl.DataFrame, *, rows: int = 12) -> go.Figure:
    """Draw each application's peak as a bar, with a mark at what is owned; what lies beyond is orange red.

    Parameters
    ----------
    frame
        One row per application, in the order to show: `name`, `peak`, `owned` (null: none to compare).
    rows
        How many applications at most.
    """
    shown = frame.head(rows)
    pairs = list(shown.select("peak", "owned").iter_rows())
    figure = _bar_figure(shown["name"], [_owned_label(peak, owned) for peak, owned in pairs])
    covered = [peak if owned is None else min(peak, owned) for peak, owned in pairs]
    beyond = [0 if owned is None else max(peak - owned, 0) for peak, owned in pairs]
    figure.add_bar(**_bar(covered, "active", "peak"), hovertemplate="%{x:,}<extra>covered</extra>")
    if any(beyond):
        figure.add_bar(
            **_bar(beyond, "short", "beyond what is owned"), hovertemplate="%{x:,}<extra>short</extra>"
        )
    figure.add_scatter(
        x=[owned for _, owned in pairs],
        y=list(range(len(pairs))),
        mode="markers",
        name="owned",
        marker={"symbol": "line-ns", "size": 11, "line": {"width": 3, "color": COLORS["owned"]}},
        hovertemplate="%{x:,}<extra>owned</extra>",
    )
    figure.update_layout(
        barmode="stack", xaxis={"title": {"text": "licenses in use at once"}, "tickformat": ","}
    )
    return figure


def _owned_label(peak: int, owned: int | None) -> str:
    return f"{peak:,} at once" + ("" if owned is None else f", {owned:,} owned")


def concurrent_use(frame: pl.DataFrame, *, zone: str, owned: int | None = None) -> go.Figure:
    """Draw demand of one local day as a step curve, with the owned line.

    Parameters
    ----------
    frame
        One row per change of demand, in order: `at` (Datetime, UTC), `demand`.
    zone
        IANA zone in which the time is shown.
    owned
        Units owned, or None where there is no entitlement.
    """
    local = frame.with_columns(pl.col("at").dt.convert_time_zone(zone).dt.replace_time_zone(None))
    day = f"{local['at'][0]:%Y-%m-%d}, " if local.height else ""
    figure = _line_figure(f"{day}local time, {zone}", "licenses in use at once", height=340)
    figure.update_layout(xaxis={"tickformat": "%H:%M"})
    figure.add_scatter(
        x=_moments(local["at"]),
        y=local["demand"].to_list(),
        mode="lines",
        name="in use",
        line={"shape": "hv", "color": COLORS["active"], "width": 2},
        fill="tozeroy",
        fillcolor="rgba(0,114,178,0.12)",
        hovertemplate="%{x|%H:%M:%S}<br>%{y:,} in use<extra></extra>",
    )
    highest = local.filter(pl.col("demand") == pl.col("demand").max()).head(1)
    for at, demand in highest.select("at", "demand").iter_rows():
        _mark(figure, at.isoformat(), demand, f"peak {demand:,} at {at:%H:%M}")
    return _with_owned_line(figure, owned, local["demand"].max())


def peak_and_average(frame: pl.DataFrame, *, step: str = "day", owned: int | None = None) -> go.Figure:
    """Draw peak and average of each day or week, the band between them filled, with the owned line.

    Parameters
    ----------
    frame
        One row per step, in order: `day` (its first local day), `peak`, `average`.
    step
        What a row stands for, as the legend says it.
    owned
        Units owned, or None where there is no entitlement.
    """
    days = [day.isoformat() for day in frame["day"]]
    figure = _line_figure("", "licenses in use at once", height=340)
    for column, color, fill in (("average", "pause", None), ("peak", "active", "tonexty")):
        figure.add_scatter(
            x=days,
            y=frame[column].to_list(),
            mode="lines",
            name=f"{column} of the {step}",
            line={"color": COLORS[color], "width": 1.5},
            fill=fill,
            fillcolor="rgba(86,180,233,0.22)",
            hovertemplate=f"%{{x|%a %Y-%m-%d}}<br>{column} %{{y:,.1f}}<extra></extra>",
        )
    figure.update_layout(showlegend=True)
    return _with_owned_line(figure, owned, frame["peak"].max())


def active_users(frame: pl.DataFrame) -> go.Figure:
    """Draw how many people used any of the applications on each local day.

    Parameters
    ----------
    frame
        One row per local day, in order: `day`, `active_users`.
    """
    figure = _line_figure("", "people a day", height=260)
    figure.add_bar(
        x=[day.isoformat() for day in frame["day"]],
        y=frame["active_users"].to_list(),
        marker={"color": COLORS["active"], "line": {"width": 0}},
        hovertemplate="%{x|%a %Y-%m-%d}<br>%{y:,} people<extra></extra>",
    )
    figure.update_layout(bargap=0.15)
    return figure


def use_duration(
    frame: pl.DataFrame, *, owned: int | None = None, marks: Mapping[int, int] | None = None
) -> go.Figure:
    """Draw for what share of the time at least n licenses are in use, with marks at what covers it.

    Parameters
    ----------
    frame
        One row per n from 0 up, in order: `n`, `share` (0-1, of the time with n or more in use).
    owned
        Units owned, or None where there is no entitlement.
    marks
        Percent of the time -> the licenses that cover it, e.g. {95: 31, 99: 38}.
    """
    figure = _line_figure("licenses, n", "share of the time with n or more in use", height=340)
    figure.add_scatter(
        x=frame["n"].to_list(),
        y=(frame["share"] * 100).to_list(),
        mode="lines",
        name="n or more in use",
        line={"shape": "vh", "color": COLORS["active"], "width": 2},
        fill="tozeroy",
        fillcolor="rgba(0,114,178,0.12)",
        hovertemplate="%{x:,} or more: %{y:.1f} % of the time<extra></extra>",
    )
    for row, (percent, covering) in enumerate(reversed(list((marks or {}).items()))):
        _mark(figure, covering, 100 - percent, f"{covering:,} cover {percent} %", row)
    # Room at the right for the labels of the marks.
    widest = 1.5 * max([*(marks or {}).values(), owned or 0, *frame["n"].tail(1)], default=1)
    figure.update_layout(yaxis={"ticksuffix": " %"}, xaxis={"range": [0, widest], "tickformat": ","})
    if owned is not None:
        figure.add_vline(x=owned, line={"color": COLORS["owned"], "width": 2, "dash": "dash"})
        _note(figure, owned, 1, f"owned {owned:,}", yref="paper", xanchor="right", yanchor="top")
    return figure


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
    figure = _bar_figure(shown["product_name"], labels)
    figure.add_bar(
        **_bar(shown["reclaim"].to_list(), "idle", "unused seats"), hovertemplate="%{x:,}<extra></extra>"
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
    figure = _bar_figure(names, shown["amount"].to_list(), below_px=24)
    figure.add_bar(
        **_bar(shown["amount_minor"].to_list(), "active", "amount"),
        customdata=_safe(shown["amount"]),
        hovertemplate="%{customdata}<extra></extra>",
    )
    # The labels say each amount exactly; an axis would only repeat them, in minor units.
    hidden = {"showticklabels": False, "showgrid": False}
    return figure.update_layout(showlegend=False, xaxis=hidden, margin={"t": 0})


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


def _bar_figure(names: Iterable[str], labels: Iterable[str], *, below_px: int = 124) -> go.Figure:
    """Make a figure of horizontal bars, one row each, its name and label above the bar.

    `below_px` is the height of what is not bars: legend and axis.
    """
    pairs = list(zip(names, labels, strict=True))
    lines = 1 if all(len(name) + len(label) < LONGEST_LINE for name, label in pairs) else 2
    texts = [_row_label(name, label, lines) for name, label in pairs]
    height = below_px + ROW_PX[lines - 1] * len(texts)
    figure = go.Figure(layout={"template": TEMPLATE, "height": height, "showlegend": True})
    if not texts:
        _note(figure, 0, 0, "Nothing to show.", xref="paper", xanchor="left", yanchor="middle")
    for row, text in enumerate(texts):
        _note(
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


def _row_label(name: str, label: str, lines: int) -> str:
    """Write name and label on one line, or on two where one would be too long for a phone."""
    return f"<b>{_short(name)}</b>{'  ' if lines == 1 else '<br>'}{escape(label)}"


def _bar(lengths: list[float] | list[int], meaning: str, name: str = "") -> dict[str, object]:
    return {
        "x": lengths,
        "y": list(range(len(lengths))),
        "orientation": "h",
        "name": name or meaning,
        "width": BAR_SHARE,
        "marker": {"color": COLORS[meaning], "line": {"width": 0}},
    }


def _line_figure(x_title: str, y_title: str, height: int) -> go.Figure:
    return go.Figure(
        layout={
            "template": TEMPLATE,
            "height": height,
            "showlegend": False,
            "xaxis": {"title": {"text": x_title or None}, "showgrid": False},
            "yaxis": {"title": {"text": y_title}},
        }
    )


def _with_owned_line(figure: go.Figure, owned: int | None, highest: object) -> go.Figure:
    """Add the owned line, and room above the highest of all for the labels."""
    top = max(float(str(highest or 0)), float(owned or 0), 1.0)
    figure.update_layout(yaxis={"range": [0, top * 1.15]})
    if owned is not None:
        figure.add_hline(y=owned, line={"color": COLORS["owned"], "width": 2, "dash": "dash"})
        _note(figure, 1, owned, f"owned {owned:,}", xref="paper", xanchor="right", yanchor="bottom")
    return figure


def _mark(figure: go.Figure, x: object, y: float, text: str, row: int = 0) -> None:
    """Put a dot on the curve, with its label beside; labels of neighbors go on rows above one another."""
    figure.add_scatter(x=[x], y=[y], mode="markers", marker={"color": INK, "size": 9}, hoverinfo="skip")
    _note(figure, x, y, text, xanchor="left", yanchor="bottom", xshift=4, yshift=2 + 20 * row)


def _note(figure: go.Figure, x: object, y: object, text: str, **place: object) -> None:
    figure.add_annotation(
        x=x,
        y=y,
        text=text,
        showarrow=False,
        font={"size": 13},
        align="left",
        bgcolor="rgba(255,255,255,0.75)",
        borderpad=1,
        **place,
    )


def _short(name: str) -> str:
    return escape(name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1].rstrip() + "…")


def _safe(texts: Iterable[str]) -> list[str]:
    """Escape what plotly would read as markup."""
    return [escape(text) for text in texts]


def _moments(times: pl.Series) -> list[str]:
    return [moment.isoformat() for moment in times]
