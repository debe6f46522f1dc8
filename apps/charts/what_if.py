"""What other numbers of licenses mean: cost, shortage, and where demand is heading."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
import polars as pl

from apps.charts.style import COLORS, line_figure, mark, note

WAYS = {"cost": ("pause", "subscribed for the year"), "rent": ("idle", "rented by the month"),
        "buy": ("held", "bought")}  # fmt: skip
"""Column -> color and name of a way to pay."""


OFFERS = (("cost_minor", "active", "this offer"), ("at_list_minor", "unknown", "as needed, at list"))


def cost_curve(
    frame: pl.DataFrame,
    *,
    currency: str,
    digits: int = 2,
    owned: int | None = None,
    marks: Mapping[str, tuple[int, int]] | None = None,
) -> go.Figure:
    """Draw what n licenses cost a year in each way to pay.

    Parameters
    ----------
    frame
        One row per n, in order: `n`, and `cost_minor`, `rent_minor`, `buy_minor` (null: not sold so).
    currency, digits
        Of the amounts, and how many decimals it has.
    owned
        Units owned, or None where there is no entitlement.
    marks
        Label -> number of licenses and cost in minor units: a dot each.
    """
    figure = line_figure("licenses, n", f"cost a year, {currency}", height=360)
    figure.update_layout(showlegend=True)
    for way, (color, name) in WAYS.items():
        minor = frame[f"{way}_minor"]
        if minor.null_count() < frame.height:
            figure.add_scatter(
                x=frame["n"].to_list(),
                y=(minor / 10**digits).to_list(),
                mode="lines",
                name=name,
                line={"color": COLORS[color], "width": 2},
                hovertemplate=f"%{{x:,}}: %{{y:,.0f}} {currency}<extra>{name}</extra>",
            )
    if not figure.data:
        note(figure, 0, 0.5, "No price is known.", xref="paper", yref="paper", xanchor="left")
    for row, (label, (licenses, minor_units)) in enumerate((marks or {}).items()):
        mark(figure, licenses, minor_units / 10**digits, label, row)
        figure.data[-1].showlegend = False
    return _with_owned(figure, owned, frame)


def minutes_short(frame: pl.DataFrame, *, owned: int | None = None, enough: int | None = None) -> go.Figure:
    """Draw for how long n licenses would have been short, in hours, with a mark at what is enough.

    Parameters
    ----------
    frame
        One row per n, in order: `n`, `minutes_short`.
    owned
        Units owned, or None where there is no entitlement.
    enough
        The fewest that meet the service level.
    """
    hours = frame["minutes_short"] / 60
    figure = line_figure("licenses, n", "hours short", height=320)
    figure.add_scatter(
        x=frame["n"].to_list(),
        y=hours.to_list(),
        mode="lines",
        line={"shape": "hv", "color": COLORS["short"], "width": 2},
        fill="tozeroy",
        fillcolor="rgba(213,94,0,0.10)",
        hovertemplate="with %{x:,}: %{y:,.1f} hours short<extra></extra>",
    )
    if enough is not None and enough < frame.height:
        mark(figure, enough, hours[enough], f"{enough:,} are enough")
    return _with_owned(figure, owned, frame)


def demand_trend(frame: pl.DataFrame, *, owned: int | None = None) -> go.Figure:
    """Draw monthly peaks, the line through them, and the band ahead.

    Parameters
    ----------
    frame
        One row per month, in order: `month`, `demand` (null: ahead), `line`, `lower`, `upper` (null: too few
        months).
    owned
        Units owned, or None where there is no entitlement.
    """
    months = [month.isoformat() for month in frame["month"]]
    figure = line_figure("", "most in use at once", height=340)
    figure.update_layout(showlegend=True)
    if frame["line"].null_count() == 0 and months:
        for name, fill in (("lower", None), ("upper", "tonexty")):
            figure.add_scatter(
                x=months, y=frame[name].to_list(), mode="lines", showlegend=name == "upper", fill=fill,
                name="four in five months", line={"width": 0, "color": COLORS["pause"]},
                fillcolor="rgba(86,180,233,0.22)", hovertemplate=f"{name} %{{y:,.1f}}<extra></extra>",
            )  # fmt: skip
        figure.add_scatter(
            x=months, y=frame["line"].to_list(), mode="lines", name="trend",
            line={"color": COLORS["active"], "width": 2, "dash": "dot"},
            hovertemplate="trend %{y:,.1f}<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(
        x=months, y=frame["demand"].to_list(), mode="lines+markers", name="peak of the month",
        line={"color": COLORS["active"], "width": 2}, hovertemplate="%{x|%Y-%m}: %{y:,}<extra></extra>",
    )  # fmt: skip
    if owned is not None:
        figure.add_hline(y=owned, line={"color": COLORS["owned"], "width": 2, "dash": "dash"})
        note(figure, 1, owned, f"owned {owned:,}", xref="paper", xanchor="right", yanchor="bottom")
    return figure


def term_costs(frame: pl.DataFrame, *, currency: str, digits: int = 2) -> go.Figure:
    """Draw what an offer costs in each year of its term, beside buying what is needed at list price.

    Parameters
    ----------
    frame
        One row per year: `year`, `cost_minor`, `at_list_minor`; without these, no price is known.
    currency, digits
        Of the amounts, and how many decimals it has.
    """
    figure = line_figure("year of the term", f"cost, {currency}" if currency else "cost", height=300)
    figure.update_layout(showlegend=True, barmode="group", bargap=0.4)
    if "cost_minor" not in frame.columns:
        note(figure, 0, 0.5, "No price is known.", xref="paper", yref="paper", xanchor="left")
        return figure
    for column, color, name in OFFERS:
        figure.add_bar(
            x=[str(year) for year in frame["year"]],
            y=(frame[column] / 10**digits).to_list(),
            name=name,
            marker={"color": COLORS[color], "line": {"width": 0}},
            hovertemplate=f"year %{{x}}: %{{y:,.0f}} {currency}<extra>{name}</extra>",
        )
    return figure.update_layout(xaxis={"type": "category"})


def _with_owned(figure: go.Figure, owned: int | None, frame: pl.DataFrame) -> go.Figure:
    """Add a line at what is owned, and room at the right for labels."""
    most = max(owned or 0, frame.height - 1, 1)
    figure.update_layout(xaxis={"range": [0, most * 1.25], "tickformat": ","})
    if owned is not None:
        figure.add_vline(x=owned, line={"color": COLORS["owned"], "width": 2, "dash": "dash"})
        note(figure, owned, 1, f"owned {owned:,}", yref="paper", xanchor="right", yanchor="top")
    return figure
