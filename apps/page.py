"""The pieces that every screen is made of, as HTML: tiles, key figures, tables, charts, words.

Everything goes through `Markup`, which escapes whatever it is given: names of applications and offices come
from files that people write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
import polars as pl
from markupsafe import Markup

from warehouse.money import format_minor

Kind = Literal["text", "code", "count", "hours", "share", "day", "money"]

NOTHING = "—"
"""Shown where there is no value; never a zero that nobody measured."""


@dataclass(frozen=True)
class Column:
    """One column of a table: which values, under which heading, shown how.

    Money is an integer in minor units; its currency is the frame's column `currency`.
    """

    name: str
    heading: str
    kind: Kind = "text"


def shown(value: Any, kind: Kind, currency: str | None = None) -> str:
    """Return a value as people read it: 1,234; 12.5; 94.1 %; 2026-10-01; 1,234.50 EUR."""
    if value is None:
        return NOTHING
    if kind == "money":
        return format_minor(value, currency or "")
    if kind == "share":
        return f"{value * 100:.1f} %"
    if kind in ("count", "hours"):
        return f"{value:,}" if kind == "count" else f"{value:,.1f}"
    return value.isoformat() if isinstance(value, date) else str(value)


def moment(at: datetime, zone: str) -> str:
    """Return an instant in local time with its zone: 2026-10-01 14:05 Europe/Berlin."""
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"


def heading(title: str, lead: str = "") -> Markup:
    """Return the title of a screen with the sentence under it."""
    return Markup('<h1>{}</h1><p class="lead">{}</p>').format(title, lead)


def tile(title: str, keys: Sequence[str], facts: Facts, basis: str, on: Iterable[Markup]) -> Markup:
    """Return one tile: what it is about, its key figures, facts, what they count, and where it leads on."""
    parts = [Markup('<p class="key">{}</p>').format(_with_small_unit(key)) for key in keys]
    parts.append(_facts(facts))
    parts.append(Markup('<p class="basis">{}</p>').format(basis))
    return Markup('<section class="card tile"><h2>{}</h2>{}<p class="on">{}</p></section>').format(
        title, Markup("").join(parts), Markup(" ").join(on)
    )


Facts = Sequence[tuple[str, str]]
"""(what, value) pairs."""


def _facts(facts: Facts) -> Markup:
    if not facts:
        return Markup("")
    rows = [Markup("<dt>{}</dt><dd>{}</dd>").format(what, value) for what, value in facts]
    return Markup('<dl class="facts">{}</dl>').format(Markup("").join(rows))


def _with_small_unit(text: str) -> Markup:
    figure, _, unit = text.partition(" ")
    return Markup("{} <small>{}</small>").format(figure, unit) if unit else Markup("{}").format(figure)


def tiles(parts: Iterable[Markup]) -> Markup:
    """Return tiles side by side, as many as fit."""
    return Markup('<div class="tiles">{}</div>').format(Markup("").join(parts))


def figures(facts: Sequence[tuple[str, str, str]]) -> Markup:
    """Return key figures in a row: (what, value, remark) each."""
    cells = [
        Markup("<div><dt>{}</dt><dd>{}<small>{}</small></dd></div>").format(what, value, remark)
        for what, value, remark in facts
    ]
    return Markup('<dl class="figures">{}</dl>').format(Markup("").join(cells))


def section(title: str, parts: Iterable[Markup], anchor: str = "") -> Markup:
    """Return a card with a heading; a tile leads to its `anchor`."""
    return Markup('<section class="card"{}><h2>{}</h2>{}</section>').format(
        Markup(' id="{}"').format(anchor) if anchor else "", title, Markup("").join(parts)
    )


def words(*sentences: str) -> Markup:
    """Return a paragraph for each of the sentences."""
    return Markup("").join(Markup("<p>{}</p>").format(sentence) for sentence in sentences)


def basis(text: str) -> Markup:
    """Return what the figures above count, over which window, in which zone, with what coverage."""
    return Markup('<p class="basis">{}</p>').format(text)


def table(frame: pl.DataFrame, columns: Sequence[Column], caption: str = "") -> Markup:
    """Return a table of `columns`, one row per row of the frame, as people read it."""
    head = [Markup('<th scope="col"{}>{}</th>').format(_class(c), c.heading) for c in columns]
    rows = [
        Markup("<tr>{}</tr>").format(Markup("").join(_cell(row, column) for column in columns))
        for row in frame.iter_rows(named=True)
    ]
    return Markup(
        '<div class="scroll" tabindex="0" role="group" aria-label="{}"><table><caption>{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(caption or "Table", caption, Markup("").join(head), Markup("").join(rows))


def _cell(row: dict[str, Any], column: Column) -> Markup:
    text = shown(row[column.name], column.kind, row.get("currency"))
    return Markup("<td{}>{}</td>").format(_class(column), text)


def _class(column: Column) -> Markup:
    if column.kind == "text":
        return Markup("")
    return Markup(' class="c"') if column.kind in ("code", "day") else Markup(' class="n"')


def chart(figure: go.Figure, says: str) -> Markup:
    """Return a chart that the page's script draws; `says` is read out to who cannot see it."""
    # "</script>" inside a name must not end the element; "<" is never needed as itself in JSON.
    data = Markup(figure.to_json().replace("<", "\\u003c"))  # noqa: S704
    return Markup(
        '<div class="chart" role="img" aria-label="{}"><script type="application/json">{}</script></div>'
    ).format(says, data)


def link(text: str, address: str) -> Markup:
    """Return a link."""
    return Markup('<a href="{}">{}</a>').format(address, text)


def empty(title: str, remedy: str, command: str = "") -> Markup:
    """Return what stands where nothing can be shown yet: why, and what to do about it."""
    done = Markup(" <code>{}</code>").format(command) if command else Markup("")
    return Markup('<section class="empty"><h2>{}</h2><p>{}{}</p></section>').format(title, remedy, done)


def trouble(problem: Exception) -> Markup:
    """Return a failure as one clear sentence with its remedy."""
    return Markup(
        '<section class="trouble" role="alert"><h2>This cannot be shown now</h2><p>{}</p></section>'
    ).format(str(problem))
