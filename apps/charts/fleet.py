"""How much of a fleet is seen, machine by machine."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
import polars as pl

from apps.charts.style import COLORS, INK, TEMPLATE, note, safe, short

COLUMNS, CELL_PX = 20, 20
MOST_OFFICES, MOST_ROWS = 15, 10
LABEL_ROWS = 1.6
"""Height of an office's name and of the gap above it, in cells."""

LOOKS = (
    ("#0072b2", "", INK),
    ("#56b4e9", "", INK),
    ("#e69f00", "", INK),
    ("#9ca3af", "", INK),
    ("#ffffff", "x", COLORS["short"]),
    ("#e5e7eb", ".", INK),
)
"""Color, pattern and its ink of each level, best first: the never heard of stand out without color."""


def fleet_grid(frame: pl.DataFrame, levels: Sequence[str]) -> go.Figure:
    """Draw one cell per machine, in a block for each office, colored by how well it was seen.

    Parameters
    ----------
    frame
        One row per machine, offices together, in the order to show: `office`, `host`, `coverage` (0-1 or
        null), `level` (place in `levels`).
    levels
        How well a machine may be seen, in words, best first; as many as `LOOKS`.
    """
    blocks = frame.partition_by("office", maintain_order=True)
    figure = go.Figure(layout={"template": TEMPLATE, "showlegend": True, "barmode": "overlay"})
    cells, top = [], 0.0
    for block in blocks[:MOST_OFFICES]:
        shown = block.head(COLUMNS * MOST_ROWS).with_row_index("_place")
        _label(figure, top, _office_label(block, shown.height))
        row = top + LABEL_ROWS + pl.col("_place") // COLUMNS
        cells.append(shown.with_columns(row=row, column=pl.col("_place") % COLUMNS))
        top += LABEL_ROWS + -(-shown.height // COLUMNS)
    if len(blocks) > MOST_OFFICES:
        _label(figure, top, f"{len(blocks) - MOST_OFFICES:,} more in the table below")
        top += LABEL_ROWS
    if not blocks:
        _label(figure, 0, "Nothing to show.")
    for level, words in enumerate(levels) if cells else ():
        _draw(figure, pl.concat(cells).filter(pl.col("level") == level), words, LOOKS[level])
    # Two entries to a line at any width, so that the room for the legend is known.
    legend_px = 20 + 20 * -(-len(figure.data) // 2)
    return figure.update_layout(
        height=round(CELL_PX * (top + 0.5)) + legend_px,
        margin={"t": 0, "b": legend_px},
        legend={"y": 0, "yanchor": "top", "entrywidth": 0.5, "entrywidthmode": "fraction"},
        xaxis={"range": [-0.5, COLUMNS - 0.5], "visible": False},
        yaxis={"range": [top + 0.5, 0], "visible": False},
    )


def _label(figure: go.Figure, top: float, text: str) -> None:
    note(figure, 0, top + LABEL_ROWS / 2, text, xref="paper", xanchor="left", yanchor="middle")


def _office_label(block: pl.DataFrame, shown: int) -> str:
    never = block.filter(pl.col("level") == len(LOOKS) - 2).height
    parts = [f"{block.height:,} {'machine' if block.height == 1 else 'machines'}"]
    if never:
        parts.append(f"{never:,} never heard from")
    if shown < block.height:
        parts.append(f"{block.height - shown:,} not drawn")
    return f"<b>{short(block['office'][0])}</b>  {', '.join(parts)}"


def _draw(figure: go.Figure, cells: pl.DataFrame, words: str, look: tuple[str, str, str]) -> None:
    """Draw the cells of one level; a level without any is not in the legend."""
    if cells.is_empty():
        return
    color, pattern, ink = look
    percent = [
        "—" if coverage is None else f"{100 * coverage:.0f} % of workdays seen"
        for coverage in cells["coverage"]
    ]
    figure.add_bar(
        x=cells["column"].to_list(),
        y=[0.86] * cells.height,
        base=cells["row"].to_list(),
        width=0.9,
        name=escape(words),
        marker={
            "color": color,
            "line": {"width": 1 if pattern else 0, "color": ink},
            "pattern": {"shape": pattern, "fgcolor": ink, "size": 6, "solidity": 0.25},
        },
        customdata=list(zip(safe(cells["host"]), percent, strict=True)),
        hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
    )
