from __future__ import annotations

from datetime import UTC, date, datetime

import plotly.graph_objects as go
import polars as pl
import pytest

from apps import page
from apps.page import Column
from warehouse.errors import Problem


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (1234, "count", "1,234"),
        (0, "count", "0"),
        (1234.56, "hours", "1,234.6"),
        (0.9412, "share", "94.1 %"),
        (date(2026, 10, 1), "day", "2026-10-01"),
        (123450, "money", "1,234.50 EUR"),
        (None, "money", "—"),
        (None, "count", "—"),
        ("0042", "text", "0042"),
    ],
)
def test_values_read_as_people_write_them(value: object, kind: page.Kind, text: str) -> None:
    assert page.shown(value, kind, "EUR") == text


def test_an_instant_is_local_and_names_its_zone() -> None:
    at = datetime(2026, 7, 1, 12, 5, tzinfo=UTC)
    assert page.moment(at, "Europe/Berlin") == "2026-07-01 14:05 Europe/Berlin"


def test_a_table_shows_numbers_right_and_escapes_names() -> None:
    frame = pl.DataFrame({"name": ["<b>CAD</b>"], "peak": [1200]})
    html = page.table(frame, [Column("name", "Product"), Column("peak", "Peak", "count")], "Peaks")
    assert '<td data-label="Product">&lt;b&gt;CAD&lt;/b&gt;</td>' in html
    assert '<td class="n" data-label="Peak">1,200</td>' in html
    assert '<th scope="col" class="n">Peak</th>' in html
    assert "<caption>Peaks</caption>" in html


def test_sentences_get_a_line_of_their_own_and_amounts_break_between_them_alone() -> None:
    frame = pl.DataFrame({"why": ["nobody pays"], "amount": ["1.00 EUR, 2.00 USD"]})
    html = page.table(frame, [Column("why", "Why", "words"), Column("amount", "Amount", "amount")])
    assert '<td class="w" data-label="Why">nobody pays</td>' in html
    assert '<td class="n m" data-label="Amount">1.00\u00a0EUR, 2.00\u00a0USD</td>' in html


def test_a_name_in_a_chart_cannot_end_the_script() -> None:
    html = page.chart(go.Figure(go.Bar(x=["</script><script>alert(1)</script>"], y=[1])), "Bars")
    assert html.count("</script>") == 1
    assert 'aria-label="Bars"' in html


def test_a_tile_says_its_figure_what_it_counts_and_where_it_leads() -> None:
    html = page.tile(
        "Fleet coverage", ["94.1 %"], [("hosts", "12")], "workdays", [page.link("By office", "#fleet")]
    )
    assert html == (
        '<section class="card tile"><h2>Fleet coverage</h2><div class="keys">'
        '<p class="key">94.1 <small>%</small></p></div>'
        '<dl class="facts"><dt>hosts</dt><dd>12</dd></dl><p class="basis">workdays</p>'
        '<p class="on"><a href="#fleet">By office</a></p></section>'
    )


def test_a_failure_is_one_sentence_with_its_remedy() -> None:
    html = page.trouble(Problem("the warehouse <x> is gone", "start it"))
    assert "<p>the warehouse &lt;x&gt; is gone; start it</p>" in html


def test_nothing_yet_says_what_to_do() -> None:
    html = page.empty("No agent yet", "Enroll one:", "process-meter manager token new")
    assert "<h2>No agent yet</h2><p>Enroll one: <code>process-meter manager token new</code></p>" in html


def test_commands_are_set_as_such_and_days_stay_in_one_line() -> None:
    html = page.text("<b> none before 2026-10-01; run `process-meter demo`")
    assert html == (
        '&lt;b&gt; none before <span class="c">2026-10-01</span>; run <code>process-meter demo</code>'
    )
