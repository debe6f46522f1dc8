"""The pieces that every screen is made of, as HTML: tiles, key figures, tables, charts, words.

Everything goes through `Markup`, which escapes whatever it is given: names of applications and offices come
from files that people write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import mistune
from markupsafe import Markup, escape

from warehouse.money import format_minor

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import polars as pl

Kind = Literal["text", "words", "code", "amount", "count", "hours", "share", "day", "state", "money", "alert"]
"""`words` are sentences, which get the whole width of a phone; `amount` is text that reads as a number."""

Facts = Sequence[tuple[str, str]]
"""(what, value) pairs."""

NO_MARKUP = Markup("")
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


def text(words: str) -> Markup:
    """Return text with commands (in backticks) set as such, and days and options kept in one line."""
    marked = _COMMAND.sub(r"<code>\1</code>", str(escape(words)))
    return Markup(_DAY.sub(r'<span class="c">\1</span>', marked))  # noqa: S704 - escaped above


_COMMAND = re.compile("`([^`]+)`")
_DAY = re.compile(r"\b(\d{4}-\d{2}-\d{2}( \d{2}:\d{2})?)\b")


def heading(title: str, lead: str = "") -> Markup:
    """Return the title of a screen with the sentence under it."""
    return Markup('<h1>{}</h1><p class="lead">{}</p>').format(title, text(lead))


def tile(  # noqa: PLR0913, PLR0917 - the parts of a tile, from top to bottom
    title: str,
    keys: Sequence[str],
    about: Facts,
    counts: str,
    links: Iterable[Markup],
    inside: Markup = NO_MARKUP,
) -> Markup:
    """Return one tile: what it is about, its key figures, facts, what they count, and where it leads on."""
    large = [Markup('<p class="key">{}</p>').format(_with_small_unit(key)) for key in keys]
    parts = [Markup('<div class="keys">{}</div>').format(NO_MARKUP.join(large))]
    shown_facts = facts(about) if about else NO_MARKUP
    return Markup('<section class="card tile"><h2>{}</h2>{}</section>').format(
        title, NO_MARKUP.join([*parts, inside, shown_facts, basis(counts), on(*links)])
    )


def facts(pairs: Facts, kind: Literal["facts", "fields"] = "facts") -> Markup:
    """Return (what, value) pairs as a list; `fields` have a sentence as their value."""
    rows = [Markup("<dt>{}</dt><dd>{}</dd>").format(what, value) for what, value in pairs]
    return Markup('<dl class="{}">{}</dl>').format(kind, NO_MARKUP.join(rows))


def _with_small_unit(key: str) -> Markup:
    figure, _, unit = key.partition(" ")
    return Markup("{} <small>{}</small>").format(figure, unit) if unit else escape(figure)


def tiles(parts: Iterable[Markup]) -> Markup:
    """Return tiles side by side, as many as fit."""
    return Markup('<div class="tiles">{}</div>').format(NO_MARKUP.join(parts))


def figures(facts: Sequence[tuple[str, str, str]]) -> Markup:
    """Return key figures in a row: (what, value, remark) each."""
    cells = [
        Markup("<div><dt>{}</dt><dd>{}<small>{}</small></dd></div>").format(what, value, remark)
        for what, value, remark in facts
    ]
    return Markup('<dl class="figures">{}</dl>').format(NO_MARKUP.join(cells))


def section(title: str, parts: Iterable[Markup], anchor: str = "") -> Markup:
    """Return a card with a heading; a tile leads to its `anchor`."""
    return Markup('<section class="card"{}><h2>{}</h2>{}</section>').format(
        Markup(' id="{}"').format(anchor) if anchor else "", title, NO_MARKUP.join(parts)
    )


def subtitle(title: str) -> Markup:
    """Return a heading within a section."""
    return Markup("<h3>{}</h3>").format(title)


def words(*sentences: str) -> Markup:
    """Return a paragraph for each of the sentences."""
    return NO_MARKUP.join(Markup("<p>{}</p>").format(text(sentence)) for sentence in sentences)


def prose(markdown: str) -> Markup:
    """Return a claim of a report, which is written in Markdown; any HTML in it is escaped."""
    return Markup(str(_MARKDOWN(markdown)))  # noqa: S704


_MARKDOWN = mistune.create_markdown(escape=True)


def more(title: str, inside: Markup) -> Markup:
    """Return what is shown when its title is opened."""
    return Markup("<details><summary>{}</summary>{}</details>").format(title, inside)


def on(*links: Markup) -> Markup:
    """Return the line of links under a tile or a table."""
    return Markup('<p class="on">{}</p>').format(Markup(" ").join(link for link in links if link))


def steps(sentences: Sequence[str]) -> Markup:
    """Return what to do, in order."""
    items = [Markup("<li>{}</li>").format(text(sentence)) for sentence in sentences]
    return Markup('<section class="card"><ol>{}</ol></section>').format(NO_MARKUP.join(items))


def basis(words: str) -> Markup:
    """Return what the figures above count, over which window, in which zone, with what coverage."""
    return Markup('<p class="basis">{}</p>').format(text(words))


def table(
    frame: pl.DataFrame, columns: Sequence[Column], caption: str = "", *, cards: bool = False
) -> Markup:
    """Return a table of `columns`, one row per row of the frame, as people read it.

    On a phone a table with `cards` makes a card of each row; any other scrolls sideways.
    """
    head = [Markup('<th scope="col"{}>{}</th>').format(_class(c), c.heading) for c in columns]
    rows = [
        Markup("<tr>{}</tr>").format(NO_MARKUP.join(_cell(row, column) for column in columns))
        for row in frame.iter_rows(named=True)
    ]
    return Markup(
        '<div class="scroll" tabindex="0" role="group" aria-label="{}"><table{}><caption>{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(
        caption or "Table",
        Markup(' class="cards"') if cards else NO_MARKUP,
        caption,
        NO_MARKUP.join(head),
        NO_MARKUP.join(rows),
    )


def _cell(row: dict[str, Any], column: Column) -> Markup:
    value: str = shown(row[column.name], column.kind, row.get("currency"))
    if column.kind == "amount":
        # Of several amounts in a cell each stays with its currency.
        value = value.replace(" ", "\u00a0").replace(",\u00a0", ", ")
    if column.kind == "alert" and row[column.name]:
        value = Markup('<strong class="short">{}</strong>').format(value)
    if column.kind == "state":
        value = Markup('<span class="dot {0}">{0}</span>').format(value)
    return Markup('<td{} data-label="{}">{}</td>').format(_class(column), column.heading, value)


def _class(column: Column) -> Markup:
    if column.kind == "text":
        return Markup("")
    if column.kind in ("words", "alert"):
        return Markup(' class="w"')
    if column.kind in ("code", "day", "state"):
        return Markup(' class="c"')
    return Markup(' class="n m"') if column.kind == "amount" else Markup(' class="n"')


def chart(figure: go.Figure, says: str) -> Markup:
    """Return a chart that the page's script draws; `says` is read out to who cannot see it."""
    # "</script>" inside a name must not end the element; "<" is never needed as itself in JSON.
    data = Markup(figure.to_json().replace("<", "\\u003c"))  # noqa: S704
    return Markup(
        '<div class="chart" role="img" aria-label="{}"><script type="application/json">{}</script></div>'
    ).format(says, data)


def link(words: str, address: str) -> Markup:
    """Return a link."""
    return Markup('<a href="{}">{}</a>').format(address, words)


def empty(title: str, remedy: str, command: str = "") -> Markup:
    """Return what stands where nothing can be shown yet: why, and what to do about it."""
    return Markup('<section class="empty"><h2>{}</h2>{}</section>').format(title, nothing(remedy, command))


def nothing(why: str, command: str = "") -> Markup:
    """Return why there is nothing to show, with the command that changes that."""
    done = Markup(" <code>{}</code>").format(command) if command else NO_MARKUP
    return Markup("<p>{}{}</p>").format(text(why), done)


def trouble(problem: Exception) -> Markup:
    """Return a failure as one clear sentence with its remedy."""
    return Markup(
        '<section class="trouble" role="alert"><h2>This cannot be shown now</h2><p>{}</p></section>'
    ).format(text(str(problem)))
