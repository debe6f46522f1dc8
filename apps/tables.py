"""Metric frame in, table to read out, in the house style: numbers right, units in the headings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import polars as pl
import polars.selectors as cs
from great_tables import GT, loc, style

from apps.charts import FONT, GRID, INK, MUTED

NOTHING = "—"
"""Shown where there is no value; never a zero that nobody measured."""


def table(frame: pl.DataFrame, headings: Mapping[str, str], *, rows: int = 15, zone: str = "UTC") -> GT:
    """Draw a frame as a table.

    Parameters
    ----------
    frame
        Any frame. Parts of a whole (0-1) are columns named `*share` or `*coverage`.
    headings
        Column -> heading, in the order to show; columns left out are not shown.
    rows
        How many rows at most; a note says how many more there are.
    zone
        IANA zone in which instants are shown.
    """
    local = cs.datetime().dt.convert_time_zone(zone).dt.strftime("%Y-%m-%d %H:%M")
    shown = (
        frame.select(list(headings)).head(rows).with_columns(local).pipe(_minus_signs).pipe(_unbroken_amounts)
    )
    drawn = GT(shown).cols_label(cases=dict(headings)).sub_missing(missing_text=NOTHING)
    several = _with_several(shown)
    narrow = _rest(_narrow(shown), several)
    drawn = _with_formats(drawn, shown).tab_style(style.css("white-space: nowrap"), loc.body(narrow))
    # Beside columns that never break, a phone would leave a sentence one word's width.
    worded = _rest(shown.columns, [*narrow, *several])
    drawn = drawn.tab_style(style.css("min-width: 10em; overflow-wrap: anywhere"), loc.body(worded))
    drawn = drawn.tab_style(style.css("white-space: normal; min-width: 8em"), loc.body(several))
    if frame.is_empty():
        drawn = drawn.tab_source_note("Nothing to list.")
    if frame.height > rows:
        drawn = drawn.tab_source_note(_left_out(frame.height - rows))
    return _with_style(drawn)


def _left_out(rows: int) -> str:
    return f"{rows:,} more {'row is' if rows == 1 else 'rows are'} not shown."


def footer(lines: Sequence[tuple[str, str]]) -> GT:
    """Draw the conditions of a report as a small table of two columns."""
    frame = pl.DataFrame(lines, schema={"what": pl.String, "value": pl.String}, orient="row")
    drawn = _with_style(GT(frame)).tab_options(column_labels_hidden=True, table_font_size="13px")
    return drawn.tab_style(style.text(color=MUTED), loc.body(columns="what"))


def _with_formats(drawn: GT, frame: pl.DataFrame) -> GT:
    """Format each column by what it holds, and align what is a number to the right."""
    parts = [name for name in frame.columns if name.endswith(("share", "coverage"))]
    measures = [name for name, kind in frame.schema.items() if kind.is_float() and name not in parts]
    counts = [name for name, kind in frame.schema.items() if kind.is_integer()]
    drawn = drawn.fmt_integer(columns=counts).fmt_number(columns=measures, decimals=1)
    drawn = drawn.fmt_percent(columns=parts, decimals=0, incl_space=True)
    numbers = [*counts, *measures, *parts, *(name for name in frame.columns if name in AMOUNTS)]
    texts = _rest(frame.columns, numbers)
    # Set right, a number would stand against the text set left in the next column.
    after = [name for before, name in pairwise(frame.columns) if before in numbers and name in texts]
    apart = style.css("padding-left: 20px;")  # several styles of a cell are joined as they are
    drawn = drawn.cols_align("right", columns=numbers).cols_align("left", columns=texts)
    return drawn.tab_style(apart, [loc.body(after), loc.column_labels(after)]) if after else drawn


AMOUNTS = (
    "idle_cost",
    "recovered",
    "amount",
    "adjustment",
    "quantity",
    "rate",
    "cost",
    "seat_cost",
    "price",
    "at_list",
    "rent",
    "buy",
    "value",
    "at_risk",
    "saved",
    "prior",
    "budget",
    "left",
    "billed",
    "margin",
)
"""Columns of text that reads as a number: 1,234.50 EUR."""


def _minus_signs(frame: pl.DataFrame) -> pl.DataFrame:
    """Write what is below zero as the numbers beside it are written."""
    amounts = cs.by_name(*AMOUNTS, require_all=False) & cs.string()
    return frame.with_columns(amounts.str.replace_all(r"(^|, )-", "${1}\u2212"))


def _unbroken_amounts(frame: pl.DataFrame) -> pl.DataFrame:
    """Keep each amount with its currency, so that a cell of several breaks between them."""
    kept = (pl.col(name).str.replace_all(r"(\d) ", "${1}\u00a0") for name in _with_several(frame))
    return frame.with_columns(kept)


def _with_several(frame: pl.DataFrame) -> list[str]:
    """Find the columns of amounts with a cell of more than one currency."""
    texts = frame.select(cs.by_name(*AMOUNTS, require_all=False) & cs.string())
    return [text.name for text in texts if text.str.contains(", ", literal=True).any()]


def _narrow(frame: pl.DataFrame) -> list[str]:
    """Find the columns never to be broken over lines: numbers, and what is short, such as codes and dates."""
    texts = frame.select(~cs.numeric()).select(pl.all().cast(pl.String).str.len_chars().max().fill_null(0))
    lengths = texts.row(0, named=True) if texts.height else {}
    return _rest(frame.columns, [name for name, length in lengths.items() if length > LONGEST_UNBROKEN])


LONGEST_UNBROKEN = 16


def _rest(names: Iterable[str], taken: Sequence[str]) -> list[str]:
    return [name for name in names if name not in taken]


def _with_style(drawn: GT) -> GT:
    return drawn.tab_options(
        container_overflow_x="auto",
        table_width="100%",
        table_font_names=FONT,
        table_font_color=INK,
        table_font_size="14px",
        table_border_top_style="hidden",
        table_border_bottom_style="hidden",
        column_labels_font_weight="600",
        column_labels_border_top_style="hidden",
        column_labels_border_bottom_color=INK,
        column_labels_border_bottom_width="1px",
        table_body_hlines_color=GRID,
        table_body_border_top_color=INK,
        table_body_border_bottom_color=GRID,
        data_row_padding="6px",
        source_notes_font_size="12px",
    )
