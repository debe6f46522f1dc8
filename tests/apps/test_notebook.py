"""What a notebook shows reaches the page whole."""

from __future__ import annotations

from typing import Any

import pytest

from apps import charts, notebook, tables
from apps.tiles import tiles


def test_text_charts_and_tables_are_shown_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(notebook, "display", lambda part, **options: shown.append((part, options)))
    table = tables.footer([("Basis", "busy")])
    notebook.show("**12** hours", charts.sparkline([1, 2]), tiles([("Short", ("2",), "of 3")]), table)
    text, chart, figures, last = shown
    assert text[0].data == "**12** hours"
    assert list(chart[0]) == ["application/vnd.plotly.v1+json"]
    assert chart[0]["application/vnd.plotly.v1+json"]["data"][0]["y"] == [1, 2]
    assert chart[1] == {"raw": True}
    assert "of 3" in figures[0]["text/html"]
    assert "Basis" in last[0]["text/html"]
    assert last[1] == {"raw": True}


def test_a_table_has_the_same_html_each_time_and_another_table_has_a_name_of_its_own() -> None:
    first, again, other = (
        notebook._html(tables.footer([("Basis", word)])) for word in ("busy", "busy", "run")
    )
    assert first == again
    name, other_name = (html.partition('id="')[2].partition('"')[0] for html in (first, other))
    assert name.startswith("t")
    assert name != other_name
    assert f"#{name} table {{ table-layout: auto; }}" in first
