"""Refusals by class: literal frames in, the figure's data literally out."""

from __future__ import annotations

import polars as pl

from apps import charts

BY_APPLICATION = pl.DataFrame(
    {
        "name": ["Drawing <2>", "Simulation"],
        "denials": [7, 1],
        "attempts": [4, 1],
        "real": [3, 0],
        "retried": [4, 1],
        "policy": [0, 0],
    }
)


def test_each_class_that_there_is_has_its_bar_and_color() -> None:
    figure = charts.denials(BY_APPLICATION).to_plotly_json()
    assert [(bar["name"], bar["x"], bar["marker"]["color"]) for bar in figure["data"]] == [
        ("did not get in", [3, 0], "#d55e00"),
        ("got in on a retry", [4, 1], "#56b4e9"),
    ]
    assert [note["text"] for note in figure["layout"]["annotations"]] == [
        "<b>Drawing &lt;2&gt;</b>  7 denials, 4 attempts",
        "<b>Simulation</b>  1 denial, 1 attempt",
    ]


def test_no_more_applications_than_asked_for() -> None:
    (bar,) = charts.denials(BY_APPLICATION.reverse(), rows=1).to_plotly_json()["data"]
    assert bar["x"] == [1]


def test_columns_stand_over_time() -> None:
    frame = pl.DataFrame(
        {"label": ["Sep 2026", "Oct 2026"], "real": [0, 2], "retried": [0, 0], "policy": [1, 0]}
    )
    figure = charts.denials_over_time(frame).to_plotly_json()
    assert [(bar["name"], bar["x"], bar["y"]) for bar in figure["data"]] == [
        ("did not get in", ["Sep 2026", "Oct 2026"], [0, 2]),
        ("refused by a rule", ["Sep 2026", "Oct 2026"], [1, 0]),
    ]
    assert figure["layout"]["xaxis"]["type"] == "category"
