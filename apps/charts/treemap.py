"""Groups within groups by their hours, as areas."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
import polars as pl

from apps.charts.style import COLORS, GRID, TEMPLATE, note

LIGHT = "#dbeafe"
"""What was open and hardly active; what was active all the time has the color of active."""


def treemap(frame: pl.DataFrame, levels: Sequence[str]) -> go.Figure:
    """Draw hours as areas, level within level, the darker the larger the active part of them.

    Parameters
    ----------
    frame
        One row per innermost area: `levels` (text), `run_hours`, `active_hours`, `active_share` (0-1, null:
        unknown, which is gray). Rows of the same levels are added.
    levels
        Columns, from the outermost in.
    """
    figure = go.Figure(layout={"template": TEMPLATE, "height": 520})
    # Words too small to be read are left out.
    uniform = {"minsize": 9, "mode": "hide"}
    figure.update_layout(margin={"l": 0, "r": 0, "t": 8, "b": 8}, uniformtext=uniform)
    nodes = [_level(frame, levels[: depth + 1]) for depth in range(len(levels))]
    areas = pl.concat(nodes).filter(pl.col("run_hours") > 0)
    if areas.is_empty():
        note(figure, 0, 0, "Nothing to show.", xref="paper", xanchor="left", yanchor="middle")
        return figure
    shares = areas["active_share"].to_list()
    figure.add_treemap(
        ids=areas["id"].to_list(),
        parents=areas["parent"].to_list(),
        labels=[escape(label) for label in areas["label"]],
        values=areas["run_hours"].to_list(),
        text=[_text(*pair) for pair in areas.select("run_hours", "active_share").iter_rows()],
        branchvalues="total",
        textinfo="label+text",
        hovertemplate="%{label}<br>%{text}<extra></extra>",
        marker={"colors": [_color(part) for part in shares], "line": {"width": 1, "color": "#ffffff"}},
        pathbar={"visible": False},
        tiling={"pad": 2},
        sort=True,
    )
    return figure


def _level(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Add up the areas of one level; the last of `names` is theirs, the others are their parents'."""
    seen = pl.col("active_hours").sum() / pl.col("_seen").sum()
    known = pl.when(pl.col("active_share") > 0).then(pl.col("active_hours") / pl.col("active_share"))
    # The hours that a share is of; where it is 0, all of them.
    of = pl.when(pl.col("active_share").is_not_null()).then(pl.coalesce(known, "run_hours"))
    ids = [pl.concat_str(names[:depth], separator=SEPARATOR) for depth in (len(names), len(names) - 1)]
    return (
        frame.with_columns(_seen=of)
        .group_by(names, maintain_order=True)
        .agg(
            pl.col("run_hours").sum(),
            active_share=pl.when(pl.col("_seen").sum() > 0).then(seen),
        )
        .select(
            id=ids[0],
            parent=ids[1] if len(names) > 1 else pl.lit(""),
            label=pl.col(names[-1]),
            run_hours="run_hours",
            active_share="active_share",
        )
    )


SEPARATOR = "\x1f"
"""Between the names of an area's id: no name has it."""


def _text(hours: float, part: float | None) -> str:
    return f"{hours:,.0f} h" if part is None else f"{hours:,.0f} h, {part * 100:.0f} % active"


def _color(part: float | None) -> str:
    """Mix the color of a share: gray where it is unknown."""
    if part is None:
        return GRID
    light, dark = _channels(LIGHT), _channels(COLORS["active"])
    mixed = (round(low + (high - low) * part) for low, high in zip(light, dark, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _channels(color: str) -> tuple[int, ...]:
    return tuple(int(color[place : place + 2], 16) for place in (1, 3, 5))
