"""The pieces that forms are made of: choices, texts, buttons, and rows of them, each with its label.

What a browser sends is judged where it is written: no widget is trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets


def choice(name: str, options: Sequence[tuple[str, Any]]) -> ipywidgets.Dropdown:
    """Return a choice among (words, value) pairs."""
    return ipywidgets.Dropdown(description=name, options=options, style={"description_width": "initial"})


def text(name: str) -> ipywidgets.Text:
    """Return a line of text, which is told when it is left or entered."""
    return ipywidgets.Text(description=name, continuous_update=False, style={"description_width": "initial"})


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
