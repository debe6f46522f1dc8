"""What projects are charged."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from apps.charts.style import COLORS, bar, bar_figure, safe


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


def charges_compared(frame: pl.DataFrame, name: str, *, rows: int = 12) -> go.Figure:
    """Draw the amount charged now as bars, with a mark at what the period before came to, in one currency.

    Parameters
    ----------
    frame
        One row per thing, largest first, all of one currency: the column `name`, `amount_minor`, `amount`,
        `prior_minor` and `prior` (null: not charged then).
    name
        Column with what the bar stands for.
    rows
        How many rows at most.
    """
    shown = frame.head(rows)
    labels = [
        f"{amount}, before {prior or 'nothing'}" for amount, prior in shown.select("amount", "prior").rows()
    ]
    figure = bar_figure(shown[name].fill_null("no office"), labels, below_px=54)
    figure.add_bar(
        **bar(shown["amount_minor"].to_list(), "active", "this period"),
        customdata=safe(shown["amount"]),
        hovertemplate="%{customdata}<extra></extra>",
    )
    known = [(row, prior) for row, prior in enumerate(shown["prior_minor"]) if prior is not None]
    figure.add_scatter(
        x=[prior for _, prior in known],
        y=[row for row, _ in known],
        mode="markers",
        name="the period before",
        marker={"symbol": "line-ns", "size": 16, "line": {"width": 3, "color": COLORS["owned"]}},
        hoverinfo="skip",
    )
    # The labels say each amount exactly; an axis would only repeat them, in minor units.
    hidden = {"showticklabels": False, "showgrid": False}
    return figure.update_layout(xaxis=hidden, margin={"t": 0})


def waterfall(frame: pl.DataFrame) -> go.Figure:
    """Draw how a whole becomes what is left of it, term by term.

    Parameters
    ----------
    frame
        One row per term, from the whole to what is left: `words`, `hours` (signed as it is added; the last
        row is the rest).
    """
    terms, hours = frame["words"].to_list(), frame["hours"].to_list()
    wholes = (0, len(hours) - 1)
    labels = [
        f"{value:{',' if place in wholes or not round(value, 1) else '+,'}.1f} h"
        for place, value in enumerate(hours)
    ]
    figure = bar_figure(terms, labels, below_px=24)
    left, ends = 0.0, []
    for value in hours[:-1]:
        ends.append((min(left, left + value), abs(value)))
        left += value
    ends.append((0.0, hours[-1]))
    colors = ["pause", *("idle" if value < 0 else "held" for value in hours[1:-1]), "active"]
    figure.add_bar(
        **bar([length for _, length in ends], "active", "hours")
        | {"base": [base for base, _ in ends], "marker": {"color": [COLORS[name] for name in colors]}},
        customdata=safe(labels),
        hovertemplate="%{customdata}<extra></extra>",
    )
    hidden = {"showticklabels": False, "showgrid": False}
    return figure.update_layout(showlegend=False, xaxis=hidden, margin={"t": 0})


def cost_and_billed(frame: pl.DataFrame, *, rows: int = 12) -> go.Figure:
    """Draw what each product cost as a bar, and what was billed for it as a mark, in one currency.

    Parameters
    ----------
    frame
        One row per product, dearest first, all of one currency: `name`, `cost_minor` and `cost` (null: not
        known), `billed_minor`, `billed`.
    rows
        How many products at most.
    """
    shown = frame.head(rows)
    is_bought_here = pl.col("cost_minor").is_not_null()
    cost = pl.when(is_bought_here).then(pl.format("cost {}", "cost")).otherwise("cost")
    labels = [
        f"{words or 'cost not known'}, billed {back}" for words, back in shown.select(cost, "billed").rows()
    ]
    figure = bar_figure(shown["name"], labels, below_px=54)
    figure.add_bar(**bar(shown["cost_minor"].fill_null(0).to_list(), "idle", "cost"), hoverinfo="skip")
    figure.add_scatter(
        x=shown["billed_minor"].to_list(),
        y=list(range(shown.height)),
        mode="markers",
        name="billed",
        marker={"symbol": "line-ns", "size": 16, "line": {"width": 3, "color": COLORS["active"]}},
        hoverinfo="skip",
    )
    hidden = {"showticklabels": False, "showgrid": False}
    return figure.update_layout(xaxis=hidden, margin={"t": 0})


QUALITY = {
    "valid": ("active", "valid"),
    "non_chargeable": ("suspended", "not chargeable"),
    "missing": ("idle", "no project"),
    "invalid": ("short", "not valid"),
    "closed": ("held", "closed"),
    "unknown": ("unknown", "nobody's"),
}


def project_data_quality(frame: pl.DataFrame, *, rows: int = 12) -> go.Figure:
    """Draw the billable hours of each office as stacked bars, by what their project data are worth.

    Parameters
    ----------
    frame
        One row per office, most time first: `office` (null: nobody's), `hours`, `wrong_share` (0-1), and the
        hours of `QUALITY`.
    rows
        How many offices at most.
    """
    shown = frame.head(rows)
    labels = [
        f"{hours:,.0f} h, {share:.0%} to put right"
        for hours, share in shown.select("hours", "wrong_share").iter_rows()
    ]
    figure = bar_figure(shown["office"].fill_null("no office"), labels)
    for column, (meaning, words) in QUALITY.items():
        if shown[column].sum():
            figure.add_bar(
                **bar(shown[column].to_list(), meaning, words),
                hovertemplate=f"{words}: %{{x:,.1f}} h<extra></extra>",
            )
    return figure.update_layout(barmode="stack", xaxis={"title": {"text": "billable hours"}})


def unbilled(frame: pl.DataFrame, *, rows: int = 12) -> go.Figure:
    """Draw what unbilled time would have come to by reason, in one currency.

    Parameters
    ----------
    frame
        One row per reason, dearest first: `reason`, `hours`, `value_minor` and `value` (null: no rate fits).
    rows
        How many reasons at most.
    """
    shown = frame.head(rows)
    labels = [
        f"{value or 'no rate'}, {hours:,.1f} h" for value, hours in shown.select("value", "hours").iter_rows()
    ]
    figure = bar_figure(shown["reason"], labels, below_px=24)
    figure.add_bar(**bar(shown["value_minor"].fill_null(0).to_list(), "idle", "value"), hoverinfo="skip")
    hidden = {"showticklabels": False, "showgrid": False}
    return figure.update_layout(showlegend=False, xaxis=hidden, margin={"t": 0})
