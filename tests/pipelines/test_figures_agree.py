"""A figure is the same wherever it is shown: in queries, reports, screens and exports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import shown_figures
from billing_warehouse import hour, ms, on, organize, price, use
from drafted_run import copied, file_of
from shown_figures import ALL_DAYS, OF_BILLS, SAME, SHOWN_NOWHERE, WINDOW, Same, Shown, by, plain, sums
from sqlalchemy import Engine

from pipelines import billing
from pipelines.answers import charges_by, e2p_charges, last_period, question, run_review
from pipelines.extracts import extract, window_of
from pipelines.queries import query
from warehouse.ledger import NOT_BILLED
from warehouse.metrics.catalogue import CATALOGUE
from warehouse.metrics.usage_hours import GROUPS
from warehouse.store import open_warehouse

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
        ("0.000", "fixed: caps, packages", "-80.00 EUR"),
    ]


def test_the_page_tells_a_cap_as_a_fixed_amount(capped: Engine) -> None:
    whose = run_review.runs(capped, "pat", date(2026, 10, 2))
    lines = run_review.answer(capped, RUN, whose).lines
    assert lines.filter(lines["amount"] == "-80.00 EUR").select("quantity", "rate").rows() == [
        ("fixed", None)
    ]


@pytest.fixture(scope="module")
def sample(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    path = file_of(tmp_path_factory.mktemp("shown"), empty_warehouse, shown_figures.fill)
    engine = open_warehouse(f"sqlite:///{path}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(question, "datetime", shown_figures.OnThatDay)
        yield Shown(engine)
    engine.dispose()


@pytest.mark.parametrize("same", SAME, ids=lambda same: f"{same.metric}: {same.where}")
def test_a_query_gives_the_figure_that_is_shown(sample: Shown, same: Same) -> None:
    given = same.given(sample) if callable(same.given) else same.given
    asked = plain(same.asked(sample.query(same.metric, {**same.window, **given})))
    shown = plain(same.shown(sample))
    assert shown
    if same.in_part:
        asked = [each for each in asked if each in shown] if isinstance(shown, list) else {
            name: asked.get(name) for name in shown
        }  # fmt: skip
    assert asked == shown


def total(rows: Any, name: str) -> float:
    """Add up a column of rows that a query gave."""
    return round(sum(row[name] for row in rows), 7)


@pytest.mark.parametrize("metric", ["run_hours", "busy_hours", "unit_hours"])
def test_hours_add_up_to_the_same_by_whatever_they_are_told(sample: Shown, metric: str) -> None:
    by_each = {by: sample.query("usage_hours", {**WINDOW, "by": by}) for by in GROUPS}
    by_any = {by: sample.query(metric, {**WINDOW, "by": by}) for by in ("", "office,day", "department,hour")}
    sums = {total(found, metric) for found in (*by_each.values(), *by_any.values())}
    assert len(sums) == 1
    daily = sample.query("daily_usage", WINDOW)
    of_a_day = {"run_hours": "session_hours", "unit_hours": "unit_hours"}.get(metric)
    assert of_a_day is None or {total(daily, of_a_day)} == sums


def test_sessions_add_up_to_the_same_by_application_person_and_machine(sample: Shown) -> None:
    found = [total(sample.query("usage_hours", {**WINDOW, "by": by}), "sessions") for by in GROUPS[:3]]
    assert found == [found[0]] * 3
    assert total(sample.query("sessions", {**WINDOW, "by": ""}), "sessions") == found[0]


def exported(engine: Engine, kind: str, folder: Path, first: str, end: str) -> pl.DataFrame:
    path = folder / f"{kind}.parquet"
    window = window_of(engine, date.fromisoformat(first), date.fromisoformat(end))
    assert extract(engine, kind, window, "parquet", path)
    return pl.read_parquet(path)


def test_exports_add_up_to_what_queries_give(sample: Shown, tmp_path: Path) -> None:
    """All days of the evidence: what lies over an edge is exported whole, but counted only within."""
    segments, sessions, usage = (
        exported(sample.engine, kind, tmp_path, **dict(zip(("first", "end"), ALL_DAYS.values(), strict=True)))
        for kind in ("segments", "sessions", "usage")
    )
    lasts = (pl.col("end") - pl.col("start")).dt.total_milliseconds().sum()
    by_state = sums(sample.query("state", ALL_DAYS), "application", "hours")
    assert dict(segments.group_by("application").agg(lasts).iter_rows()) == in_ms(by_state)
    by_application = sample.query("usage_hours", ALL_DAYS)
    counted = dict(sessions.group_by(pl.col("application").cast(pl.String)).agg(pl.len()).iter_rows())
    assert counted == by(by_application, "application", "sessions")
    for name, rows in (
        ("application", by_application),
        ("project", sample.query("usage_hours", {**ALL_DAYS, "by": "project"})),
    ):
        busy = usage.group_by(pl.col(name).cast(pl.String)).agg(pl.col("busy_hours").sum())
        used = in_ms(dict(busy.filter(pl.col("busy_hours") > 0).iter_rows()))
        assert used == in_ms(by(rows, name, "busy_hours"))


def in_ms(hours: dict[str, float]) -> dict[str, int]:
    return {name: round(each * 3_600_000) for name, each in hours.items()}


def test_a_closed_bill_is_the_same_in_queries_reports_pages_and_files(capped: Engine, tmp_path: Path) -> None:
    at = datetime.fromtimestamp(NOW / 1000, UTC)
    (row,) = query(capped, "billed", {"period": "2026-09"})
    assert isinstance(row, dict)
    lines = exported(capped, "charges", tmp_path, "2026-09-01", "2026-10-01")
    charged = lines.filter("billable", ~pl.col("review").is_in(NOT_BILLED).fill_null(value=False))
    whose = run_review.runs(capped, "pat", date(2026, 10, 2))
    amounts = {
        "query": {row["currency"]: row["amount_minor"]},
        "export": dict(charged.group_by("currency").agg(pl.col("amount_minor").sum()).iter_rows()),
        "e2p_charges": e2p_charges.answer(capped, "2026-09").results["amount_minor"],
        "by_project": sums(charges_by.answer("project", capped).rows.to_dicts(), "currency", "amount_minor"),
        "by_application": sums(
            charges_by.answer("application", capped).rows.to_dicts(), "currency", "amount_minor"
        ),
        "start page": last_period.answer(capped, at).billed_minor,
        "billing page": run_review.answer(capped, RUN, whose).facts["billed_minor"],
    }
    assert {place for place, billed in amounts.items() if billed != {"EUR": 19_000}} == set()
    hours = (pl.col("quantity") / pl.col("quantum_per_hour")).filter(pl.col("unit") == "hour").sum()
    assert (row["billed"], charged.select(hours).item()) == (3.0, 3.0)


def test_what_a_bill_recovers_is_what_it_bills(capped: Engine) -> None:
    window = {"start": "2026-09-01", "end": "2026-10-01"}
    assert query(capped, "recovered", window) == [
        {"license": "cad", "currency": "EUR", "recovered_minor": 19_000}
    ]


def test_every_metric_is_compared_or_known_to_be_shown_nowhere() -> None:
    compared = {same.metric for same in SAME} & set(CATALOGUE)
    assert compared | SHOWN_NOWHERE | OF_BILLS == set(CATALOGUE)
    assert (compared & SHOWN_NOWHERE, compared & OF_BILLS) == (set(), set())
