"""What a run bills is told alike everywhere: a fixed amount is no hours, and what is held is not billed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from billing_warehouse import hour, ms, on, organize, price, use
from drafted_run import copied, file_of
from sqlalchemy import Engine

from pipelines import billing
from pipelines.answers import e2p_charges, run_review
from pipelines.queries import query

RUN, NOW = "2026-09/1", ms("2026-10-02 12:00")


def fill(engine: Engine) -> None:
    """Three hours of A at 90 EUR, at most 100 EUR a day; an hour of B, held; one of leave."""
    organize(engine)
    price(engine, 1, 900_000, daily_cap_minor=10_000)
    use(engine, hour(1, "2026-09-07", minutes=120), hour(2, "2026-09-08"), hour(3, "2026-09-09"))
    use(engine, hour(4, "2026-09-10"))
    for number, project in enumerate(("A", "A", "B", "LEAVE"), 1):
        on(engine, number, project, at_=f"2026-09-{6 + number:02} 09:00")
    billing.draft(engine, "2026-09", "generic", "pat", NOW)
    (line,) = [
        row["line"] for row in billing.visible_lines(engine, RUN, "pat").to_dicts() if row["project"] == "B"
    ]
    billing.review(engine, RUN, line, "hold", "ann", "ask the client", NOW)
    billing.approve(engine, RUN, "ann", NOW)
    billing.close(engine, RUN, "ann", NOW)


@pytest.fixture(scope="module")
def made(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of the warehouse."""
    return file_of(tmp_path_factory.mktemp("figures"), empty_warehouse, fill)


@pytest.fixture
def capped(made: Path, tmp_path: Path) -> Iterator[Engine]:
    with copied(made, tmp_path) as engine:
        yield engine


def test_the_query_of_what_is_billed_leaves_out_what_is_held_and_what_is_never_billed(capped: Engine) -> None:
    found = query(capped, "billed", {"period": "2026-09"})
    assert [(row["billed"], row["amount_minor"], row["currency"]) for row in found] == [(3.0, 19_000, "EUR")]
    assert billing.show(capped, RUN)["billed_minor"] == {"EUR": 19_000}


def test_a_report_tells_a_cap_as_an_amount_without_hours_or_rate(capped: Engine) -> None:
    found = e2p_charges.answer(capped, "2026-09")
    assert found.by_project.select("project", "quantity", "amount").rows() == [("A", "3.000", "190.00 EUR")]
    assert found.lines.select("quantity", "rate", "amount").rows() == [
        ("3.000", "90.00 EUR/h", "270.00 EUR"),
        ("0.000", None, "-80.00 EUR"),
    ]


def test_the_page_tells_a_cap_as_a_fixed_amount(capped: Engine) -> None:
    whose = run_review.runs(capped, "pat", date(2026, 10, 2))
    lines = run_review.answer(capped, RUN, whose).lines
    assert lines.filter(lines["amount"] == "-80.00 EUR").select("quantity", "rate").rows() == [
        ("fixed", None)
    ]
