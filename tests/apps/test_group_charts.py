"""Groups and sessions drawn: literal frames in, the figure's data literally out."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import polars as pl

from apps import charts


def data(figure: go.Figure) -> list[dict[str, Any]]:
    return list(figure.to_plotly_json()["data"])


def labels(figure: go.Figure) -> list[str]:
    return [note["text"] for note in figure.to_plotly_json()["layout"].get("annotations", [])]


def test_a_treemap_adds_what_lies_within_and_tells_the_active_part_of_what_was_seen() -> None:
    frame = pl.DataFrame(
        {
            "department": ["ARC", "ARC", "<b>"],
            "name": ["Drawing", "Held", "Drawing"],
            "run_hours": [60.0, 40.0, 6.0],
            "active_hours": [45.0, 0.0, 0.0],
            "active_share": [0.75, None, 0.0],
        }
    )
    (areas,) = data(charts.treemap(frame, ["department", "name"]))
    rows = zip(areas["labels"], areas["values"], areas["text"], areas["marker"]["colors"], strict=True)
    assert list(rows) == [
        ("ARC", 100.0, "100 h, 75 % active", "#3790c5"),
        ("&lt;b&gt;", 6.0, "6 h, 0 % active", "#dbeafe"),
        ("Drawing", 60.0, "60 h, 75 % active", "#3790c5"),
        ("Held", 40.0, "40 h", "#e5e7eb"),
        ("Drawing", 6.0, "6 h, 0 % active", "#dbeafe"),
    ]
    assert [areas["ids"].index(parent) for parent in areas["parents"] if parent] == [0, 0, 1]


def test_a_treemap_of_nothing_says_so() -> None:
    frame = pl.DataFrame(
        schema={"name": pl.String, **dict.fromkeys(("run_hours", "active_hours", "active_share"), pl.Float64)}
    )
    assert labels(charts.treemap(frame, ["name"])) == ["Nothing to show."]
