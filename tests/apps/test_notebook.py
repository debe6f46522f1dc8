"""What a notebook shows reaches the page whole."""

from __future__ import annotations

from typing import Any

import pytest

from apps import charts, notebook, tables


def test_text_charts_and_tables_are_shown_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(notebook, "display", lambda part, **options: shown.append((part, options)))
    table = tables.footer([("Basis", "busy")])
    notebook.show("**12** hours", charts.sparkline([1, 2]), table)
    text, chart, last = shown
    assert text[0].data == "**12** hours"
    assert list(chart[0]) == ["application/vnd.plotly.v1+json"]
    assert chart[0]["application/vnd.plotly.v1+json"]["data"][0]["y"] == [1, 2]
    assert chart[1] == {"raw": True}
    assert last[0] is table
