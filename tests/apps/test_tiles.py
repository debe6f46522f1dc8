"""Figures as tiles, on a page of any width."""

from __future__ import annotations

import re

from apps.tiles import tiles


def test_a_tile_says_what_it_is_its_value_line_by_line_and_of_what() -> None:
    html = tiles([("Idle <cost>", ("1,200.00 EUR", "7.00 USD"), "of all"), ("Short", ("2",), "of 3")]).html
    assert re.findall(r">([^<>]+)<", html) == [
        "Idle &lt;cost&gt;", "1,200.00 EUR", "7.00 USD", "of all", "Short", "2", "of 3",
    ]  # fmt: skip


def test_what_is_long_is_written_smaller() -> None:
    html = tiles([("Cost", ("1,200.00 EUR",), ""), ("Share", ("96 %",), "")]).html
    assert re.findall(r"font-size:(\d+)px;font-weight", html) == ["15", "26"]
