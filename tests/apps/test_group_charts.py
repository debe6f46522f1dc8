"""Groups and sessions drawn: literal frames in, the figure's data literally out."""

from __future__ import annotations

from datetime import UTC, date, datetime
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


# --- Sessions


def test_a_timeline_has_a_row_for_each_session_with_its_start_and_its_used_stretches() -> None:
    at = [datetime(2026, 10, 5, hour, tzinfo=UTC) for hour in range(7, 11)]
    sessions = pl.DataFrame(
        {"session": ["2", "1"], "name": ["Drawing", "Solver"], "person": ["P-1", None], "started": at[:2]}
    )
    stretches = pl.DataFrame(
        {"session": ["2", "2", "1"], "kind": ["in use", "in use", "held"], "start": at[:3], "end": at[1:]}
    )
    used, held, started = data(charts.session_timeline(sessions, stretches, zone="Europe/Berlin"))
    assert (used["name"], used["x"], used["y"], used["line"]["color"]) == (
        "in use",
        [
            "2026-10-05T09:00:00",
            "2026-10-05T10:00:00",
            None,
            "2026-10-05T10:00:00",
            "2026-10-05T11:00:00",
            None,
        ],
        [0] * 6,
        "#0072b2",
    )
    assert (held["name"], held["y"]) == ("held", [1, 1, 1])
    assert (started["x"], started["y"]) == (["2026-10-05T09:00:00", "2026-10-05T10:00:00"], [0, 1])
    assert labels(charts.session_timeline(sessions, stretches, zone="UTC")) == [
        "<b>Drawing</b>  P-1",
        "<b>Solver</b>  shared account",
    ]
    nothing = charts.session_timeline(sessions.clear(), stretches.clear(), zone="UTC")
    assert (data(nothing), labels(nothing)) == ([], ["Nothing to show."])


def test_hours_of_sessions_a_day_are_stacked_by_source_with_the_unknown_on_top() -> None:
    frame = pl.DataFrame(
        {
            "day": [date(2026, 10, 5), date(2026, 10, 5), date(2026, 10, 6), date(2026, 10, 6)],
            "source": ["agent", "flexnet", "agent", "flexnet"],
            "known_hours": [1.0, 5.0, 2.0, 0.0],
            "unknown_hours": [0.5, 0.25, 0.0, 0.0],
        }
    )
    drawn = data(charts.session_days(frame))
    assert [(bars["name"], bars["y"]) for bars in drawn] == [
        ("flexnet", [5.0, 0.0]),
        ("agent", [1.0, 2.0]),
        ("unknown", [0.75, 0.0]),
    ]
    assert drawn[0]["x"] == ["2026-10-05", "2026-10-06"]
    watched = frame.with_columns(unknown_hours=pl.lit(0.0))
    assert [bars["name"] for bars in data(charts.session_days(watched))] == ["flexnet", "agent"]
