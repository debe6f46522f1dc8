"""Literal frames in, the figure's data literally out."""

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


USE = pl.DataFrame(
    {
        "name": ["Drawing", "Simulation"],
        "run_hours": [1300.0, 4.0],
        "busy_share": [0.75, None],
        "active_hours": [900.0, 0.0],
        "pause_hours": [75.0, 0.0],
        "idle_hours": [325.0, 0.0],
        "held_hours": [0.0, 4.0],
        "unknown_hours": [0.0, 0.0],
    }
)


def test_utilization_stacks_the_states_that_there_are_in_their_fixed_colors() -> None:
    figure = charts.utilization(USE)
    assert [(bar["name"], bar["x"], bar["marker"]["color"]) for bar in data(figure)] == [
        ("active", [900.0, 0.0], "#0072b2"),
        ("pause", [75.0, 0.0], "#56b4e9"),
        ("idle", [325.0, 0.0], "#e69f00"),
        ("held", [0.0, 4.0], "#009e73"),
    ]
    assert labels(figure) == ["<b>Drawing</b>  1,300 h, 75 % busy", "<b>Simulation</b>  4 h"]


def test_a_name_is_never_markup_and_never_wider_than_a_phone() -> None:
    name = "<b>Architecture, Engineering & Construction</b> Collection"
    figure = charts.utilization(USE.head(1).with_columns(name=pl.lit(name)))
    assert labels(figure) == [
        "<b>&lt;b&gt;Architecture, Engineering &amp; Construc…</b><br>1,300 h, 75 % busy"
    ]
    assert data(figure)[0]["customdata"] == [
        "&lt;b&gt;Architecture, Engineering &amp; Construction&lt;/b&gt; Collection"
    ]


def test_no_rows_are_said_to_be_none() -> None:
    assert labels(charts.utilization(USE.clear())) == ["Nothing to show."]


def test_utilization_over_time_stacks_columns_by_label() -> None:
    figure = charts.utilization_over_time(USE.with_columns(label=pl.Series(["Sep 2026", "Oct 2026"])))
    assert [(bar["name"], bar["x"], bar["y"]) for bar in data(figure)] == [
        ("active", ["Sep 2026", "Oct 2026"], [900.0, 0.0]),
        ("pause", ["Sep 2026", "Oct 2026"], [75.0, 0.0]),
        ("idle", ["Sep 2026", "Oct 2026"], [325.0, 0.0]),
        ("held", ["Sep 2026", "Oct 2026"], [0.0, 4.0]),
    ]


def test_a_peak_beyond_what_is_owned_is_drawn_apart_and_never_clamped() -> None:
    frame = pl.DataFrame({"name": ["A", "B", "C"], "peak": [12, 3, 7], "owned": [10, 5, None]})
    covered, beyond, owned = data(charts.demand_and_owned(frame))
    assert covered["x"] == [10, 3, 7]
    assert (beyond["x"], beyond["marker"]["color"]) == ([2, 0, 0], "#d55e00")
    assert (owned["x"], owned["y"]) == ([10, 5, None], [0, 1, 2])
    assert labels(charts.demand_and_owned(frame)) == [
        "<b>A</b>  12 at once, 10 owned",
        "<b>B</b>  3 at once, 5 owned",
        "<b>C</b>  7 at once",
    ]


def test_concurrent_use_is_a_step_curve_in_local_time_with_the_owned_line() -> None:
    frame = pl.DataFrame(
        {
            "at": [datetime(2026, 10, 5, hour, tzinfo=UTC) for hour in (6, 7, 8)],
            "demand": [1, 4, 0],
        },
        schema_overrides={"at": pl.Datetime("ms", "UTC")},
    )
    figure = charts.concurrent_use(frame, zone="Europe/Berlin", owned=3)
    curve, mark = data(figure)
    assert curve["x"] == ["2026-10-05T08:00:00", "2026-10-05T09:00:00", "2026-10-05T10:00:00"]
    assert (curve["y"], curve["line"]["shape"]) == ([1, 4, 0], "hv")
    assert (mark["x"], mark["y"]) == (["2026-10-05T09:00:00"], [4])
    assert labels(figure) == ["peak 4 at 09:00", "owned 3"]
    assert [(line["y0"], line["y1"]) for line in figure.layout.shapes] == [(3, 3)]


def test_peak_and_average_have_the_band_between_them() -> None:
    frame = pl.DataFrame(
        {"day": [date(2026, 10, 5), date(2026, 10, 6)], "peak": [4, 6], "average": [1.5, None]}
    )
    average, peak = data(charts.peak_and_average(frame, step="week"))
    assert (average["name"], average["y"]) == ("average of the week", [1.5, None])
    assert (peak["name"], peak["x"], peak["y"], peak["fill"]) == (
        "peak of the week", ["2026-10-05", "2026-10-06"], [4, 6], "tonexty",
    )  # fmt: skip


def test_active_users_has_a_bar_a_day() -> None:
    frame = pl.DataFrame({"day": [date(2026, 10, 5)], "active_users": [6]})
    (bars,) = data(charts.active_users(frame))
    assert (bars["x"], bars["y"]) == (["2026-10-05"], [6])


def test_use_duration_falls_from_the_whole_time_and_is_marked_where_it_is_covered() -> None:
    frame = pl.DataFrame({"n": [0, 1, 2], "share": [1.0, 0.5, 0.125]})
    figure = charts.use_duration(frame, owned=2, marks={95: 2, 99: 2})
    curve, *marks = data(figure)
    assert (curve["x"], curve["y"]) == ([0, 1, 2], [100.0, 50.0, 12.5])
    assert [(mark["x"], mark["y"]) for mark in marks] == [([2], [1]), ([2], [5])]
    assert labels(figure) == ["2 cover 99 %", "2 cover 95 %", "owned 2"]


def test_unused_licenses_are_a_pareto_of_the_products_that_have_some() -> None:
    frame = pl.DataFrame(
        {
            "product_name": ["A", "B", "C"],
            "assigned": [40, 20, 10],
            "reclaim": [3, 1, 0],
            "cumulative_share": [0.75, 1.0, 1.0],
        }
    )
    figure = charts.unused_licenses(frame)
    bars, line = data(figure)
    assert (bars["x"], line["x"]) == ([3, 1], [75.0, 100.0])
    assert labels(figure) == [
        "<b>A</b>  3 of 40 seats, together 75 %",
        "<b>B</b>  1 of 20 seats, together 100 %",
    ]


def test_charges_are_labeled_with_the_exact_amount() -> None:
    frame = pl.DataFrame(
        {
            "project": ["0077", "0078"],
            "project_name": ["Bridge", "Museum"],
            "amount_minor": [123_456, -50],
            "amount": ["1,234.56 EUR", "-0.50 EUR"],
        }
    )
    figure = charts.charges_by_project(frame)
    assert data(figure)[0]["x"] == [123_456, -50]
    assert labels(figure) == ["<b>0077 Bridge</b>  1,234.56 EUR", "<b>0078 Museum</b>  -0.50 EUR"]


def test_a_sparkline_marks_its_last_value() -> None:
    line, last = data(charts.sparkline([3, 5, 4]))
    assert (line["y"], last["x"], last["y"]) == ([3, 5, 4], [2], [4])


def test_every_chart_keeps_the_house_style() -> None:
    figure = charts.sparkline([1])
    template = figure.layout.template.layout
    assert charts.CONFIG == {"displayModeBar": False, "responsive": True}
    assert (template.separators, template.xaxis.fixedrange, template.dragmode) == (".,", True, False)
    assert len(set(charts.COLORS.values())) == len(charts.COLORS)
    assert figure.layout.width is None


def test_a_ranking_has_a_bar_for_each_application_in_use() -> None:
    frame = pl.DataFrame({"name": ["Drawing", "Never"], "hours": [45.0, 0.0], "people": [1, 0]})
    figure = charts.ranking(frame)
    assert [bar["x"] for bar in data(figure)] == [[45.0]]
    assert labels(figure) == ["<b>Drawing</b>  45 h, 1 person"]


def test_definitions_of_idle_are_a_line_for_each_signal_over_evenly_spaced_timeouts() -> None:
    tried = pl.DataFrame(
        {
            "signal": ["keyboard and pointer"] * 2 + ["having the focus"],
            "idle_minutes": [30.0, 7.5, 7.5],
            "busy_hours": [120.0, 80.0, 95.5],
        }
    )
    figure = charts.idle_definitions(tried, "busy_hours", "busy hours")
    assert [(line["name"], line["x"], line["y"], line["line"]["dash"]) for line in data(figure)] == [
        ("keyboard and pointer", ["7.5", "30"], [80.0, 120.0], "solid"),
        ("having the focus", ["7.5"], [95.5], "dash"),
    ]
    layout = figure.to_plotly_json()["layout"]
    assert layout["xaxis"]["categoryarray"] == ["7.5", "30"]
    assert layout["yaxis"]["title"]["text"] == "busy hours"


def test_use_by_state_stacks_what_there_is_and_draws_what_is_owned() -> None:
    minutes = [datetime(2026, 10, 5, 7, minute, tzinfo=UTC) for minute in (0, 1)]
    frame = pl.DataFrame(
        {"minute": minutes, "active": [2.0, 1.0], "pause": [0.0, 0.0], "idle": [0.0, 1.5], "held": [0.0, 0.0]}
    )
    figure = charts.use_by_state(frame, zone="Europe/Berlin", owned=3)
    assert [(area["name"], area["y"], area["stackgroup"]) for area in data(figure)] == [
        ("active", [2.0, 1.0], "open"),
        ("idle", [0.0, 1.5], "open"),
    ]
    assert data(figure)[0]["x"] == ["2026-10-05T09:00:00", "2026-10-05T09:01:00"]
    assert labels(figure) == ["owned 3"]


FLEET = pl.DataFrame(
    {
        "office": ["<b>Berlin</b>"] * 21 + ["Paris"],
        "host": ["H-0"] + ["H-1"] * 20 + ["H-2"],
        "coverage": [0.0] + [1.0] * 20 + [None],
        "level": [4] + [0] * 20 + [5],
    }
)
SEEN = ("well", "partly", "hardly", "not once", "never", "unlisted")


def test_a_fleet_has_a_cell_for_each_machine_and_the_never_heard_of_stand_out() -> None:
    figure = charts.fleet_grid(FLEET, SEEN)
    cells = data(figure)
    assert [(level["name"], len(level["x"]), level["marker"]["pattern"]["shape"]) for level in cells] == [
        ("well", 20, ""),
        ("never", 1, "x"),
        ("unlisted", 1, "."),
    ]
    assert (cells[1]["x"], cells[1]["base"]) == ([0], [1.6])
    assert (cells[0]["x"][-1], cells[0]["base"][-1]) == (0, 2.6)  # the twenty-first begins a line
    assert cells[2]["base"] == [1.6 + 2 + 1.6]
    assert cells[1]["customdata"] == [["H-0", "0 % of workdays seen"]]
    assert cells[2]["customdata"] == [["H-2", "—"]]
    assert labels(figure) == [
        "<b>&lt;b&gt;Berlin&lt;/b&gt;</b>  21 machines, 1 never heard from",
        "<b>Paris</b>  1 machine",
    ]


def test_of_a_large_fleet_the_cells_left_out_are_counted() -> None:
    many = pl.concat([FLEET.tail(1)] * 201 + [FLEET.tail(1).with_columns(office=pl.lit("Oslo"))])
    assert labels(charts.fleet_grid(many, SEEN)) == [
        "<b>Paris</b>  201 machines, 1 not drawn",
        "<b>Oslo</b>  1 machine",
    ]
    offices = pl.concat([FLEET.tail(1).with_columns(office=pl.lit(f"O{n}")) for n in range(17)])
    assert labels(charts.fleet_grid(offices, SEEN))[-1] == "2 more in the table below"
    assert labels(charts.fleet_grid(FLEET.clear(), SEEN)) == ["Nothing to show."]


def test_the_heatmap_has_a_column_for_each_day_and_a_row_for_each_hour() -> None:
    frame = pl.DataFrame({"weekday": [1, 7], "hour": [0, 23], "maximum": [3, 5], "mean": [1.5, 2.5]})
    (drawn,) = data(charts.heatmap(frame, measure="mean"))
    assert (drawn["x"][0], drawn["y"][23], drawn["z"][0][0], drawn["z"][23][6]) == ("Mon", "23:00", 1.5, 2.5)
    assert drawn["z"][5][5] is None


def test_idle_cost_has_a_bar_for_each_license_with_its_amount() -> None:
    frame = pl.DataFrame(
        {
            "name": ["Drawing", "Office"],
            "amount_minor": [2877, 5],
            "amount": ["28.77 EUR", "0.05 EUR"],
            "label": ["28.77 EUR, 25 % of its cost", "0.05 EUR, 1 % of its cost"],
        }
    )
    figure = charts.idle_cost(frame)
    assert [bar["x"] for bar in data(figure)] == [[2877, 5]]
    assert labels(figure)[0] == "<b>Drawing</b>  28.77 EUR, 25 % of its cost"
    assert [bar["x"] for bar in data(charts.idle_cost(frame, rows=1))] == [[2877]]
