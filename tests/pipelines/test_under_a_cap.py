"""Lines on the same codes under one cap are held, written off, taken back and released together."""

from __future__ import annotations

from typing import Any

import pytest
from billing_warehouse import hour, ms, on, organize, price, use
from drafted_run import OCTOBER, PERIOD, RUN, SEPTEMBER, change, lines
from sqlalchemy import Engine

from pipelines import billing
from pipelines.closing import billed as billed_lines
from pipelines.closing import billed_amounts
from warehouse import ledger
from warehouse.errors import Problem

DAYS = (("2026-09-07", "A"), ("2026-09-08", "A"), ("2026-09-09", "B"))


def work(engine: Engine, **cap: int) -> dict[tuple[str, str], int]:
    """Draft three hours at 90.00 of one person; return the lines' numbers by kind and day."""
    organize(engine)
    price(engine, 1, 900_000, **cap)
    use(engine, *(hour(number, day) for number, (day, _) in enumerate(DAYS, 1)), hour(9, "2026-10-07"))
    for number, (day, project) in enumerate(DAYS, 1):
        on(engine, number, project, at_=f"{day} 09:00")
    on(engine, 9, "B", at_="2026-10-07 09:00")
    assert billing.draft(engine, PERIOD, "generic", "pat", SEPTEMBER) == RUN
    return {(kind, str(day)): line for line, kind, day in lines(engine, "line", "kind", "day", run=RUN)}


def act(engine: Engine, line: int, action: str) -> list[int]:
    return billing.review(engine, RUN, line, action, "sue", "the client asked", SEPTEMBER)


def billed(engine: Engine, run: str = RUN) -> dict[str, int]:
    return billed_amounts(ledger.lines_of(engine, run))


@pytest.mark.parametrize("action", ["hold", "writeoff"])
def test_under_a_monthly_cap_all_lines_on_the_same_codes_go_with_the_one_named(
    engine: Engine, action: str
) -> None:
    number = work(engine, monthly_cap_minor=10_000)
    # 270.00 are capped at 100.00: 113.33 off the two hours on A, 56.67 off the one on B.
    assert lines(engine, "kind", "project", "amount_minor", run=RUN) == [
        ("usage", "A", 9000), ("usage", "A", 9000), ("cap", "A", -11_333), ("usage", "B", 9000),
        ("cap", "B", -5667),
    ]  # fmt: skip
    first, second = number["usage", "2026-09-07"], number["usage", "2026-09-08"]
    cap = number["cap", "2026-09-08"]
    assert act(engine, second, action) == [second, first, cap]
    assert act(engine, cap, action) == []
    assert billed(engine) == {"EUR": 3333}
    billing.approve(engine, RUN, "ann", SEPTEMBER)


def test_under_a_daily_cap_the_lines_of_that_day_go_together(engine: Engine) -> None:
    number = work(engine, daily_cap_minor=8000)
    cap = number["cap", "2026-09-07"]
    assert act(engine, cap, "hold") == [cap, number["usage", "2026-09-07"]]
    assert billed(engine) == {"EUR": 16_000}


def test_to_accept_a_line_takes_back_what_was_held_with_it(both_engines: Engine) -> None:
    engine = both_engines
    number = work(engine, daily_cap_minor=8000)
    cap, usage = number["cap", "2026-09-07"], number["usage", "2026-09-07"]
    act(engine, usage, "hold")
    assert act(engine, cap, "accept") == [cap, usage]
    assert billed(engine) == {"EUR": 24_000}


def test_a_dispute_is_of_one_line_and_accepting_another_leaves_it(engine: Engine) -> None:
    number = work(engine, daily_cap_minor=8000)
    cap, usage = number["cap", "2026-09-07"], number["usage", "2026-09-07"]
    assert act(engine, usage, "dispute") == [usage]
    assert act(engine, cap, "accept") == [cap]
    assert [row for row in lines(engine, "line", "review", run=RUN) if row[1]] == [
        (usage, "dispute"),
        (cap, "accept"),
    ]


@pytest.mark.parametrize(
    "cap", [{"monthly_cap_minor": 10_000}, {"daily_cap_minor": 8000, "monthly_cap_minor": 10_000}]
)
def test_what_was_held_under_a_cap_is_released_together_and_comes_to_the_cap(
    engine: Engine, cap: dict[str, int]
) -> None:
    number = work(engine, **cap)
    line = number["usage", "2026-09-07"]
    held = sorted(act(engine, line, "hold"))
    billing.approve(engine, RUN, "ann", SEPTEMBER)
    billing.close(engine, RUN, "ann", SEPTEMBER)
    before = billed(engine)["EUR"]
    assert sorted(billing.release(engine, RUN, line, "sue", "agreed", SEPTEMBER)) == held
    assert billing.release(engine, RUN, held[-1], "sue", "agreed", SEPTEMBER) == []
    october = billing.draft(engine, "2026-10", "generic", "pat", OCTOBER)
    billing.approve(engine, october, "ann", OCTOBER)
    billing.close(engine, october, "ann", OCTOBER)
    own = ledger.lines_of(engine, october).filter(period="2026-10")["amount_minor"].sum()
    assert before + billed(engine, october)["EUR"] - own == 10_000
    assert billing.verify(engine) == []


def test_a_run_that_bills_only_some_lines_under_a_cap_is_not_approved(engine: Engine) -> None:
    number = work(engine, daily_cap_minor=8000)
    usage, cap = number["usage", "2026-09-07"], number["cap", "2026-09-07"]
    act(engine, usage, "hold")
    # What a draft made again can come to: the cap is new, the hold is older.
    of_cap = f"(SELECT id FROM charge_line WHERE line_number = {cap})"
    change(engine, f"DELETE FROM line_review WHERE charge_line_id = {of_cap}")
    says = (
        f"lines under one cap are not billed alike: line {usage} is held, line {cap} is billed; hold, write"
    )
    with pytest.raises(Problem, match=says):
        billing.approve(engine, RUN, "ann", SEPTEMBER)
    assert act(engine, usage, "hold") == [cap]
    billing.approve(engine, RUN, "ann", SEPTEMBER)


def test_without_a_cap_lines_go_alone(engine: Engine) -> None:
    number: dict[Any, int] = work(engine)
    line = number["usage", "2026-09-07"]
    assert act(engine, line, "hold") == [line]


# --- What arrives late for a closed period -----------------------------------------------------------------


def late(engine: Engine, action: str | None) -> str:
    """Close September under its cap, its lines on A held or not; draft October with an hour more on A."""
    number = work(engine, monthly_cap_minor=10_000)
    if action:
        act(engine, number["usage", "2026-09-07"], action)
    billing.approve(engine, RUN, "ann", SEPTEMBER)
    billing.close(engine, RUN, "ann", SEPTEMBER)
    use(engine, hour(8, "2026-09-10"), received="2026-10-20 08:00")
    on(engine, 8, "A", at_="2026-09-10 09:00", created="2026-10-20 08:00")
    return billing.draft(engine, "2026-10", "generic", "pat", OCTOBER)


def of_september(engine: Engine, *later: str) -> int:
    """Sum what is billed for September, whose cap is 100.00."""
    runs = [billed_lines(ledger.lines_of(engine, each)) for each in (RUN, *later)]
    return sum(int(each.filter(period=PERIOD)["amount_minor"].sum()) for each in runs)


def test_what_corrects_a_billed_cap_is_billed(both_engines: Engine) -> None:
    engine = both_engines
    october = late(engine, None)
    assert lines(engine, "kind", "project", "amount_minor", run=october)[1:] == [
        ("reversal", "A", 11_333), ("usage", "A", 9000), ("cap", "A", -19_500),
        ("reversal", "B", 5667), ("replacement", "B", -6500),
    ]  # fmt: skip
    assert of_september(engine, october) == 10_000
    says = "under one cap with line 1 of run 2026-09/1, which is billed: it goes as that line; transfer its"
    for line in (3, 4):
        with pytest.raises(Problem, match=says):
            billing.review(engine, october, line, "hold", "sue", "ask", OCTOBER)
    assert billing.review(engine, october, 3, "accept", "sue", "fine", OCTOBER) == [3]
    assert billing.kept_from_approving(engine, october, "ann", OCTOBER) is None
    change(engine, "INSERT INTO line_review (charge_line_id, action, actor, reason, at_ms, detail)"
                   " SELECT id, 'hold', 'x', 'y', 1, '{}' FROM charge_line"
                   " WHERE kind = 'replacement'")  # fmt: skip
    assert "line 4 of run 2026-09/1 is billed, line 6 is held" in str(
        billing.kept_from_approving(engine, october, "ann", OCTOBER)
    )


def test_what_comes_late_under_a_held_cap_is_held_and_released_with_it(engine: Engine) -> None:
    october = late(engine, "hold")
    assert lines(engine, "kind", "project", "review", run=october)[1:] == [
        ("reversal", "A", "hold"), ("usage", "A", "hold"), ("cap", "A", "hold"),
        ("reversal", "B", None), ("replacement", "B", None),
    ]  # fmt: skip
    assert of_september(engine, october) == 2500
    says = "line 3 of run 2026-10/1 is under one cap with line 1 of run 2026-09/1, which is held"
    with pytest.raises(Problem, match=says):
        billing.review(engine, october, 3, "accept", "sue", "fine", OCTOBER)
    billing.approve(engine, october, "ann", OCTOBER)
    billing.close(engine, october, "ann", OCTOBER)
    assert billing.release(engine, october, 3, "sue", "agreed", OCTOBER) == [3, 4]
    assert billing.release(engine, RUN, 1, "sue", "agreed", OCTOBER) == []
    november = billing.draft(engine, "2026-11", "generic", "pat", ms("2026-12-02 12:00"))
    assert of_september(engine, october, november) == 10_000
    assert billing.verify(engine) == []
