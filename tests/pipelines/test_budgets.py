"""Budgets and not-to-exceed amounts: over all closed runs and this one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from billing_warehouse import billed_hours, organize, waive_all
from drafted_run import NOW, OCTOBER, PERIOD, RUN, SEPTEMBER, change, copied, file_of
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from pipelines import billing, budgets
from warehouse.errors import Problem


def over(engine: Engine, run: str = RUN) -> list[tuple[str, str]]:
    rows = billing.exceptions(engine, run)
    return [(row["kind"], row["detail"]) for row in rows if row["kind"].startswith("over_")]


def agree(engine: Engine, project: str, budget: int | None, limit: int | None) -> None:
    told = ["NULL" if amount is None else str(amount) for amount in (budget, limit)]
    change(
        engine,
        f"UPDATE project SET budget_minor = {told[0]}, not_to_exceed_minor = {told[1]} "
        f"WHERE number = '{project}'",
    )


@pytest.fixture(scope="module")
def closed_file(tmp_path_factory: pytest.TempPathFactory, empty_warehouse: Path) -> Path:
    """Two hours of A (18,000 minor units) are billed for September, and two are to be billed for October."""

    def filled(engine: Engine) -> None:
        organize(engine)
        billed_hours(engine, ["2026-09-07", "2026-09-08", "2026-10-07", "2026-10-08"])
        billing.draft(engine, PERIOD, "generic", "pat", SEPTEMBER)
        billing.approve(engine, RUN, "ann", SEPTEMBER)
        billing.close(engine, RUN, "ann", SEPTEMBER)

    return file_of(tmp_path_factory.mktemp("closed"), empty_warehouse, filled)


@pytest.fixture
def closed(closed_file: Path, tmp_path: Path) -> Iterator[Engine]:
    with copied(closed_file, tmp_path) as engine:
        yield engine


def test_what_is_left_is_told_of_every_project_that_has_an_agreement_or_a_bill(closed: Engine) -> None:
    agree(closed, "A", 30_000, 40_000)
    agree(closed, "US", 5_000, None)
    run = billing.draft(closed, "2026-10", "generic", "pat", OCTOBER)
    expected: list[tuple[Any, ...]] = [
        ("A", "EUR", 30_000, 40_000, 18_000, 18_000, -6_000, 4_000),
        ("US", "USD", 5_000, None, 0, 0, 5_000, None),
    ]
    assert budgets.standing(closed, run).rows() == expected
    assert budgets.standing(closed).rows()[0] == ("A", "EUR", 30_000, 40_000, 18_000, 0, 12_000, 22_000)
    assert budgets.standing(closed, RUN).rows()[0] == ("A", "EUR", 30_000, 40_000, 0, 18_000, 12_000, 22_000)
    assert [row["project"] for row in billing.show(closed, run)["budgets"]] == ["A"]
    with pytest.raises(Problem, match="there is no billing run '2026-11/1'"):
        budgets.standing(closed, "2026-11/1")


def test_to_go_beyond_a_budget_informs(closed: Engine) -> None:
    agree(closed, "A", 30_000, 36_000)
    run = billing.draft(closed, "2026-10", "generic", "pat", OCTOBER)
    assert over(closed, run) == [
        ("over_budget", "project A is 60.00 EUR over its budget of 300.00 EUR; billed before: 180.00 EUR")
    ]
    billing.approve(closed, run, "ann", OCTOBER)


def test_to_go_beyond_a_limit_blocks_until_it_is_waived(closed: Engine) -> None:
    agree(closed, "A", None, 35_999)
    run = billing.draft(closed, "2026-10", "generic", "pat", OCTOBER)
    assert over(closed, run) == [
        (
            "over_limit",
            "project A is 0.01 EUR over its not-to-exceed amount of 359.99 EUR; billed before: 180.00 EUR",
        )
    ]
    with pytest.raises(Problem, match="has open exceptions: 1 over limit"):
        billing.approve(closed, run, "ann", OCTOBER)
    with pytest.raises(Problem, match="what is over a project's limit cannot be settled; hold, write off"):
        billing.settle(closed, run, "sue", "by hand", OCTOBER, kind="over_limit")
    assert billing.waive(closed, run, "sue", "ordered in writing", OCTOBER, kind="over_limit") == 1
    billing.draft(closed, "2026-10", "generic", "pat", OCTOBER)
    billing.approve(closed, run, "ann", OCTOBER)


def test_to_hold_lines_brings_a_project_below_its_limit_and_to_accept_them_beyond_it_again(
    closed: Engine,
) -> None:
    agree(closed, "A", None, 35_000)
    run = billing.draft(closed, "2026-10", "generic", "pat", OCTOBER)
    billing.review(closed, run, 1, "hold", "pm", "next month", OCTOBER)
    assert over(closed, run) == []
    billing.review(closed, run, 1, "accept", "pm", "now", OCTOBER)
    assert [kind for kind, _ in over(closed, run)] == ["over_limit"]
    billing.review(closed, run, 2, "writeoff", "pm", "gift", OCTOBER)
    billing.approve(closed, run, "ann", OCTOBER)


def test_a_waiver_is_of_the_amount_that_was_seen(closed: Engine) -> None:
    agree(closed, "A", None, 20_000)
    run = billing.draft(closed, "2026-10", "generic", "pat", OCTOBER)
    billing.review(closed, run, 1, "hold", "pm", "wait", OCTOBER)
    billing.waive(closed, run, "sue", "ordered", OCTOBER, kind="over_limit")
    billing.review(closed, run, 1, "accept", "pm", "now", OCTOBER)
    with pytest.raises(Problem, match="has open exceptions: 1 over limit"):
        billing.approve(closed, run, "ann", OCTOBER)


def test_a_limit_that_is_set_after_the_draft_counts_and_can_be_waived(closed: Engine) -> None:
    run = billing.draft(closed, "2026-10", "generic", "pat", OCTOBER)
    agree(closed, "A", None, 20_000)
    with pytest.raises(Problem, match="has open exceptions: 1 over limit"):
        billing.approve(closed, run, "ann", OCTOBER)
    assert over(closed, run) == []
    assert billing.waive(closed, run, "sue", "ordered", OCTOBER, kind="over_limit") == 1
    billing.approve(closed, run, "ann", OCTOBER)


@pytest.fixture(scope="module")
def october(closed_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The draft of October, to be reviewed again and again."""
    with copied(closed_file, tmp_path_factory.mktemp("october")) as engine:
        agree(engine, "A", None, 30_000)
        billing.draft(engine, "2026-10", "generic", "pat", OCTOBER)
        yield engine


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.integers(1, 2), st.sampled_from(["hold", "writeoff", "accept", "dispute"])), max_size=5
    )
)
def test_whatever_is_done_to_the_lines_the_limit_knows_what_they_bill(
    october: Engine, acts: list[tuple[int, str]]
) -> None:
    for line, action in acts:
        billing.review(october, "2026-10/1", line, action, "pm", "why", OCTOBER)
    billed = billing.show(october, "2026-10/1")["billed_minor"].get("EUR", 0)
    left = budgets.standing(october, "2026-10/1").row(0, named=True)
    assert (left["this_run_minor"], left["limit_left_minor"]) == (billed, 12_000 - billed)
    assert bool(over(october, "2026-10/1")) == (billed > 12_000)


def test_held_lines_of_closed_runs_and_other_currencies_do_not_count(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-09-08"])
    billing.draft(engine, PERIOD, "generic", "pat", SEPTEMBER)
    billing.review(engine, RUN, 1, "hold", "pm", "wait", SEPTEMBER)
    waive_all(engine, RUN, SEPTEMBER)
    billing.approve(engine, RUN, "ann", SEPTEMBER)
    billing.close(engine, RUN, "ann", NOW)
    assert budgets.standing(engine)["billed_before_minor"].to_list() == [9_000]
    change(engine, "UPDATE project SET currency = 'CHF' WHERE number = 'A'")
    assert budgets.standing(engine).is_empty()


def test_who_was_beyond_a_limit_before_and_bills_nothing_more_is_not_told_again(closed: Engine) -> None:
    agree(closed, "A", 1_000, 1_000)
    run = billing.draft(closed, "2026-10", "generic", "pat", OCTOBER)
    assert [kind for kind, _ in over(closed, run)] == ["over_budget", "over_limit"]
    for line in (1, 2):
        billing.review(closed, run, line, "hold", "pm", "wait", OCTOBER)
    assert over(closed, run) == []
