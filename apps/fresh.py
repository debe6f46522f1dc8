"""Figures that are quick to read: read when the page is asked for."""

from __future__ import annotations

from collections.abc import Callable

from IPython.display import HTML, display
from markupsafe import Markup
from sqlalchemy import Engine

from apps import page
from warehouse.errors import Problem
from warehouse.store import open_warehouse


def show(make: Callable[[Engine], Markup]) -> None:
    """Show what `make` makes of the default warehouse; a `Problem` becomes a sentence with its remedy."""
    display(HTML(made(make)))


def made(make: Callable[[Engine], Markup]) -> Markup:
    """Return what `make` makes of the default warehouse, or the `Problem` it met, as HTML."""
    try:
        engine = open_warehouse()
        try:
            return make(engine)
        finally:
            engine.dispose()
    except Problem as problem:
        return page.trouble(problem)
