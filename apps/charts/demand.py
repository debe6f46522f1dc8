"""How many were in use at once, against what is owned."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
import polars as pl

from apps.charts.style import (
    COLORS,
    bar,
    bar_figure,
    counted,
    line_figure,
    mark,
    moments,
    note,
    with_owned_line,
)


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
    figure = bar_figure(shown["name"], [_owned_label(peak, owned) for peak, owned in pairs])
    covered = [peak if owned is None else min(peak, owned) for peak, owned in pairs]
    beyond = [0 if owned is None else max(peak - owned, 0) for peak, owned in pairs]
    figure.add_bar(**bar(covered, "active", "peak"), hovertemplate="%{x:,}<extra>covered</extra>")
    if any(beyond):
        figure.add_bar(
            **bar(beyond, "short", "beyond what is owned"), hovertemplate="%{x:,}<extra>short</extra>"
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


def concurrent_use(frame: pl.DataFrame, *, zone: str, owned: int | None = None, unit: str = "") -> go.Figure:
    """Draw demand of one local day as a step curve, with the owned line.

    Parameters
    ----------
    frame
        One row per change of demand, in order: `at` (Datetime, UTC), `demand`.
    zone
        IANA zone in which the time is shown.
    owned
        Units owned, or None where there is no entitlement.
    unit
        What is counted, as `style.counted` takes it.
    """
    local = frame.with_columns(pl.col("at").dt.convert_time_zone(zone).dt.replace_time_zone(None))
    day = f"{local['at'][0]:%Y-%m-%d}, " if local.height else ""
    figure = line_figure(f"{day}local time, {zone}", f"{counted(unit)} in use at once", height=340)
    figure.update_layout(xaxis={"tickformat": "%H:%M"})
    figure.add_scatter(
        x=moments(local["at"]),
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
        mark(figure, at.isoformat(), demand, f"peak {demand:,} at {at:%H:%M}")
    return with_owned_line(figure, owned, local["demand"].max())


def peak_and_average(
    frame: pl.DataFrame, *, step: str = "day", owned: int | None = None, unit: str = ""
) -> go.Figure:
    """Draw peak and average of each day or week, the band between them filled, with the owned line.

    Parameters
    ----------
    frame
        One row per step, in order: `day` (its first local day), `peak`, `average`.
    step
        What a row stands for, as the legend says it.
    owned
        Units owned, or None where there is no entitlement.
    unit
        What is counted, as `style.counted` takes it.
    """
    days = [day.isoformat() for day in frame["day"]]
    figure = line_figure("", f"{counted(unit)} in use at once", height=340)
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
    return with_owned_line(figure, owned, frame["peak"].max())


def use_duration(
    frame: pl.DataFrame,
    *,
    owned: int | None = None,
    marks: Mapping[int, int] | None = None,
    unit: str = "",
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
    unit
        What is counted, as `style.counted` takes it.
    """
    figure = line_figure(f"{counted(unit)}, n", "share of the time with n or more in use", height=340)
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
        mark(figure, covering, 100 - percent, f"{covering:,} cover {percent} %", row)
    # Room at the right for the labels of the marks.
    widest = 1.5 * max([*(marks or {}).values(), owned or 0, *frame["n"].tail(1)], default=1)
    figure.update_layout(yaxis={"ticksuffix": " %"}, xaxis={"range": [0, widest], "tickformat": ","})
    if owned is not None:
        figure.add_vline(x=owned, line={"color": COLORS["owned"], "width": 2, "dash": "dash"})
        note(figure, owned, 1, f"owned {owned:,}", yref="paper", xanchor="right", yanchor="top")
    return figure
