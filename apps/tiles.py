"""A few figures, large, side by side as many as fit: for the page of a report, its paper, and a phone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from apps.charts import GRID, INK, MUTED

COLUMNS = "repeat(auto-fit,minmax(max(150px,30%),1fr))"  # two on a phone, three where there is room
ROW = f"display:grid;grid-template-columns:{COLUMNS};gap:12px;margin:12px 0 16px"
TILE = f"border:1px solid {GRID};border-radius:8px;padding:12px 14px;break-inside:avoid"
TITLE = f"color:{MUTED};font-size:13px;line-height:1.3"
VALUE = f"color:{INK};font-size:{{size}}px;font-weight:650;line-height:1.3"
NOTE = f"color:{MUTED};font-size:12px;line-height:1.35;margin-top:4px"
LARGE, SMALL, LONGEST_LARGE = 26, 15, 9
"""Sizes of a value in px, and up to how many characters it is large: an amount has to fit on a phone."""


@dataclass(frozen=True)
class Tiles:
    """Tiles that `apps.notebook.show` puts on the page; `html` needs no style sheet."""

    html: str


def tiles(facts: Iterable[tuple[str, Sequence[str], str]]) -> Tiles:
    """Draw tiles: what each figure is, its value on one or more lines, and what it is of."""
    return Tiles(f'<div style="{ROW}">{"".join(_tile(*fact) for fact in facts)}</div>')


def _tile(title: str, values: Sequence[str], note: str) -> str:
    size = LARGE if max(map(len, values), default=0) <= LONGEST_LARGE else SMALL
    lines = "".join(f'<div style="{VALUE.format(size=size)}">{escape(value)}</div>' for value in values)
    return (
        f'<div style="{TILE}"><div style="{TITLE}">{escape(title)}</div>{lines}'
        f'<div style="{NOTE}">{escape(note)}</div></div>'
    )
