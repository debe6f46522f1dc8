"""The pieces that forms are made of: choices, texts, buttons, and rows of them, each with its label.

What a browser sends is judged where it is written: no widget is trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import ipywidgets
from markupsafe import Markup
from sqlalchemy import Engine

from apps import page
from warehouse.errors import Problem
from warehouse.store import may_write

SAME = "That was so already: nothing changed."


def choice(name: str, options: Sequence[tuple[str, Any]]) -> ipywidgets.Dropdown:
    """Return a choice among (words, value) pairs."""
    return ipywidgets.Dropdown(description=name, options=options, style={"description_width": "initial"})


def text(name: str) -> ipywidgets.Text:
    """Return a line of text, which is told when it is left or entered."""
    return ipywidgets.Text(description=name, continuous_update=False, style={"description_width": "initial"})


def day(name: str, value: date) -> ipywidgets.DatePicker:
    """Return a day to choose."""
    return ipywidgets.DatePicker(description=name, value=value, style={"description_width": "initial"})


def search(name: str, hint: str, options: Sequence[str]) -> ipywidgets.Combobox:
    """Return a line of text with suggestions; what fits none of them is told, too."""
    return ipywidgets.Combobox(
        description=name, placeholder=hint, options=options, continuous_update=False,
        style={"description_width": "initial"},
    )  # fmt: skip


def offer(widget: ipywidgets.Dropdown, options: Sequence[tuple[str, Any]]) -> None:
    """Offer other choices; what was chosen stays where it is still among them, else the first one is."""
    kept, values = widget.value, [value for _, value in options]
    if list(widget.options) != list(options):
        widget.options = options
        widget.value = kept if kept in values else (values[0] if values else None)


def say(widget: ipywidgets.HTML, words: str, *, is_trouble: bool = False) -> None:
    """Say how an act went, or nothing."""
    kind = "late" if is_trouble else "said"
    told = Markup('<p class="{}" role="status">{}</p>').format(kind, page.text(words))
    widget.value = str(told) if words else ""


def read_only(engine: Engine) -> Markup | None:
    """Return why a page of acts is not shown: the server's sign-in reads alone; None: it may write."""
    if may_write(engine):
        return None
    return page.empty(
        "This page writes, and this server only reads",
        "Serve it with the sign-in of the warehouse's owner, where the people who bill reach it:",
        "process-meter apps serve --warehouse URL",
    )


def told(widget: ipywidgets.HTML, act: Callable[[], str]) -> None:
    """Do an act of whoever looks, and say in `widget` how it went: its words, or why it was refused."""
    say(widget, "Working ...")
    try:
        say(widget, act())
    except Problem as problem:
        say(widget, str(problem), is_trouble=True)
    except Exception:
        say(widget, "This did not work, and nothing was changed. Reload the page.", is_trouble=True)
        raise  # into the server's output, for whoever runs it


def button(words: str, pressed: Callable[[object], None]) -> ipywidgets.Button:
    """Return a button that does what it says."""
    button = ipywidgets.Button(description=words)
    button.on_click(pressed)
    return button


def row(*widgets: ipywidgets.Widget) -> ipywidgets.Box:
    """Return widgets side by side, below each other on a phone."""
    box = ipywidgets.Box(widgets)
    box.add_class("acts")
    return box


def show(widget: ipywidgets.Widget, *, is_shown: bool) -> None:
    """Show a widget, or hide it where there is nothing to do with it."""
    widget.layout.display = "" if is_shown else "none"


def is_shown(widget: ipywidgets.Widget) -> bool:
    """Whether a widget is shown."""
    return bool(widget.layout.display != "none")
