"""Frames in, tables for people out."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import polars as pl

from apps import tables

FRAME = pl.DataFrame(
    {
        "name": ["<b>Drawing</b>", "Simulation"],
        "people": [1200, None],
        "run_hours": [1234.56, 0.0],
        "busy_share": [0.625, None],
        "cost": ["1,200.00 EUR", "0.00 EUR"],
        "last_open": [date(2026, 10, 5), None],
        "since": [datetime(2026, 10, 5, 7, tzinfo=UTC), None],
    }
)
HEADINGS = {"name": "Name", "people": "People", "run_hours": "Open, h", "busy_share": "Part", "cost": "Cost"}


def cells(html: str) -> list[tuple[str, str]]:
    """Alignment and text of each cell."""
    return re.findall(r'<td[^>]*class="gt_row gt_(\w+)"[^>]*>(.*?)</td>', html)


def test_numbers_stand_right_with_thousands_separators_and_text_is_escaped() -> None:
    html = tables.table(FRAME.head(1), HEADINGS).as_raw_html()
    assert cells(html) == [
        ("left", "&lt;b&gt;Drawing&lt;/b&gt;"),
        ("right", "1,200"),
        ("right", "1,234.6"),
        ("right", "62 %"),
        ("right", "1,200.00 EUR"),
    ]


def test_what_is_not_known_is_a_dash_and_never_a_zero() -> None:
    html = tables.table(FRAME.tail(1), HEADINGS).as_raw_html()
    assert [text for _, text in cells(html)] == ["Simulation", "—", "0.0", "—", "0.00 EUR"]


def test_instants_are_shown_in_the_zone_that_is_asked_for() -> None:
    html = tables.table(FRAME, {"last_open": "Day", "since": "Since"}, zone="Europe/Berlin").as_raw_html()
    assert [text for _, text in cells(html)] == ["2026-10-05", "2026-10-05 09:00", "—", "—"]


def test_rows_left_out_are_counted() -> None:
    html = tables.table(FRAME, HEADINGS, rows=1).as_raw_html()
    assert len(cells(html)) == 5
    assert "1 more row is not shown." in html


def test_a_footer_is_a_table_of_labels_and_values() -> None:
    html = tables.footer([("Basis", "busy"), ("Rows read", "<3> sessions")]).as_raw_html()
    assert [text for _, text in cells(html)] == ["Basis", "busy", "Rows read", "&lt;3&gt; sessions"]


def test_a_cell_of_two_currencies_breaks_between_the_amounts_alone() -> None:
    frame = pl.DataFrame({"recovered": ["1,200.00 EUR, 7.00 USD"], "idle_cost": ["7.00 USD"]})
    html = tables.table(frame, {"recovered": "Recovered", "idle_cost": "Idle cost"}).as_raw_html()
    assert [text for _, text in cells(html)] == ["1,200.00\u00a0EUR, 7.00\u00a0USD", "7.00 USD"]
    assert html.count("white-space: normal") == 1


def test_numbers_never_break_and_need_no_more_room_than_their_digits() -> None:
    frame = pl.DataFrame({"hours": [14.433333333333334], "reason": ["the vendor counts accounts"]})
    html = tables.table(frame, {"hours": "Hours", "reason": "Reason"}).as_raw_html()
    styles = re.findall(r'<td style="([^"]*)"', html)
    assert styles == ["white-space: nowrap", "padding-left: 20px; min-width: 10em; overflow-wrap: anywhere"]


def test_text_stands_apart_from_the_number_before_it() -> None:
    html = tables.table(FRAME, {"people": "People", "name": "Name", "last_open": "Day"}).as_raw_html()
    assert re.findall(r'style="(padding-left: 20px[^"]*)"', html) == [
        "padding-left: 20px;",
        "padding-left: 20px; white-space: nowrap",
        "padding-left: 20px; white-space: nowrap",
    ]


def test_an_amount_below_zero_has_the_minus_sign_of_the_numbers_beside_it() -> None:
    frame = pl.DataFrame({"value": ["-7.00 EUR", "1.00 EUR, -2.00 USD"], "difference": [-3, 0]})
    html = tables.table(frame, {"value": "Value", "difference": "Difference"}).as_raw_html()
    assert [text for _, text in cells(html)] == [
        "\u22127.00\u00a0EUR",
        "\u22123",
        "1.00\u00a0EUR, \u22122.00\u00a0USD",
        "0",
    ]


def test_a_table_without_rows_says_that_there_is_nothing_to_list() -> None:
    nobody = pl.DataFrame(schema={"name": pl.String, "people": pl.Int64})
    assert "Nothing to list." in tables.table(nobody, {"name": "Name", "people": "People"}).as_raw_html()
