"""Characters that nobody sees in a text that is shown for years: told by their numbers, for all to see.

Imports refuse them. What was stored before, or came in another way, would still make a sheet read as
something else than is there: U+202E turns "exe.png" around.
"""

from __future__ import annotations

import polars as pl

from warehouse.tabular import HIDDEN

_TOLD = {letter: f"\\u{ord(letter):04x}" for letter in HIDDEN}
_TABLE = str.maketrans(_TOLD)


def visible(text: str) -> str:
    r"""Return a text in which every hidden character stands as its number: `\u202e`."""
    return text if text.isprintable() else text.translate(_TABLE)


def visible_texts(texts: pl.Expr) -> pl.Expr:
    """Do the same to a column of texts."""
    return texts.str.replace_many(_TOLD)
