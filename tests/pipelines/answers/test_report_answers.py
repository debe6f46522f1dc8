"""What the four reports say of a week that can be counted by hand (see small_warehouse)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
import small_warehouse
import sqlalchemy as sa
from small_warehouse import NOW, WINDOW
from sqlalchemy import Engine

from collector.importers.records import Options
from collector.importing.files import import_files
from pipelines.answers import e2p_charges, peak_demand, unused_licenses, utilization
from pipelines.answers.question import ask, window
from warehouse.directory import pseudonym, pseudonym_key
from warehouse.errors import Problem

CODES = ("cad", "cad-product", "lt", "lt-product", "sim", "sim-product")


@pytest.fixture
def week(engine: Engine) -> Engine:
    small_warehouse.fill(engine)
    return engine


def change(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def person(engine: Engine, number: int) -> str:
    return pseudonym("P", number, pseudonym_key(engine.url))


# --- A warehouse that holds a license server's log and nothing else ----------------------------------------


@pytest.fixture
def log_alone(engine: Engine, tmp_path: Path) -> Engine:
    log = tmp_path / "debug.log"
    log.write_text(
        " 8:00:00 (vendord) TIMESTAMP 10/5/2026\n"
        ' 9:00:00 (vendord) OUT: "SOLVER" ann@pc1\n'
        ' 9:30:00 (vendord) OUT: "SOLVER" bob@pc2\n'
        '10:00:00 (vendord) IN: "SOLVER" ann@pc1\n'
        '11:00:00 (vendord) IN: "SOLVER" bob@pc2\n'
    )
    import_files(engine, "flexnet", [log], Options(zone="UTC"), actor="test", at_ms=1)
    return engine


def test_a_log_alone_has_peaks_of_what_was_open(log_alone: Engine) -> None:
    found = peak_demand.answer(ask(log_alone, **WINDOW, basis="run", now=NOW))
    assert (found.peak, found.owned, found.minutes_at_peak) == (2, None, 30.0)
    assert found.footer.source == "a warehouse of logs, whose organization nobody has named yet (SQLite)"
    assert found.footer.zone == "UTC"


def test_a_log_alone_knows_nothing_of_who_was_at_work_and_says_how_to_ask(log_alone: Engine) -> None:
    with pytest.raises(Problem) as unknown:
        peak_demand.answer(ask(log_alone, **WINDOW, now=NOW))
    assert str(unknown.value) == (
        "Whether anyone was active from 2026-10-05 to 2026-10-12 is not known: a license server or a cluster "
        "tells what was open, not who was at work; ask with basis=run, which counts what was open"
    )


# --- The question ------------------------------------------------------------------------------------------


def test_a_question_is_of_whole_local_days(week: Engine) -> None:
    question = ask(week, **WINDOW, now=NOW)
    assert (question.start, question.end) == (
        datetime(2026, 10, 4, 22, tzinfo=UTC), datetime(2026, 10, 11, 22, tzinfo=UTC),
    )  # fmt: skip
    assert question.policy_words == "license policy, version 3, idle after 15 minutes"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("", "", 0), (date(2025, 11, 1), date(2026, 11, 1))),
        (("", "2024-02-29", 0), (date(2023, 2, 28), date(2024, 2, 29))),
        (("", "", 90), (date(2026, 8, 3), date(2026, 11, 1))),
        (("2026-10-05", "", 90), (date(2026, 10, 5), date(2026, 11, 1))),
    ],
)
def test_empty_dates_mean_the_last_full_months(
    asked: tuple[str, str, int], expected: tuple[date, date]
) -> None:
    start, end, days = asked
    assert window(start, end, date(2026, 11, 3), days) == expected


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"start": "5.10.2026"}, "start '5.10.2026' is not a date; write it as 2026-10-01"),
        (
            {"start": "2026-10-12", "end": "2026-10-05"},
            (
                "the window ends on 2026-10-05, which is not after its start 2026-10-12; give an end after "
                "the start"
            ),
        ),
        ({"days": -1}, "a window of -1 days; give 30, 60 or 90, or a start"),
        ({"application": "cda"}, "There is no application or product 'cda'; did you mean 'cad'?"),
        (
            {"application": "xxxxxx"},
            "There is no application or product 'xxxxxx'; known are " + ", ".join(CODES),
        ),
        ({"key": "person"}, "unknown key 'person'; give one of user, device, user_device, session, token"),
        ({"basis": "idle"}, "unknown basis 'idle'; give one of run, busy, active"),
    ],
)
def test_a_question_that_cannot_be_is_refused_in_one_line(
    week: Engine, asked: dict[str, str], says: str
) -> None:
    with pytest.raises(Problem) as problem:
        ask(week, **asked, now=NOW)
    assert str(problem.value) == says


def test_a_window_without_data_says_what_there_is(week: Engine) -> None:
    with pytest.raises(Problem) as problem:
        utilization.answer(ask(week, start="2025-01-01", end="2025-02-01", now=NOW))
    assert str(problem.value) == (
        "There are no sessions from 2025-01-01 to 2025-02-01; sessions are held from 2026-10-05 to 2026-10-09"
        ": choose a window there"
    )


def test_an_empty_warehouse_says_how_to_fill_it(engine: Engine) -> None:
    small_warehouse.fill(engine)
    change(engine, "DELETE FROM segment", "DELETE FROM session")
    with pytest.raises(
        Problem, match=r"There are no sessions .*; enroll an agent, or `process-meter import`"
    ):
        utilization.answer(ask(engine, **WINDOW, now=NOW))


# --- Utilization -------------------------------------------------------------------------------------------


def test_use_divides_into_states(week: Engine) -> None:
    found = utilization.answer(ask(week, **WINDOW, now=NOW))
    columns = ("application", "sessions", "people", "run_hours", "busy_hours", "idle_hours", "busy_share")
    # 30 sessions of two hours, half an hour idle each; 10 of half an hour.
    assert found.by_application.select(rounded(columns)).rows() == [
        ("cad", 30, 6, 60.0, 45.0, 15.0, 0.75),
        ("sim", 10, 2, 5.0, 5.0, 0.0, 1.0),
    ]
    assert found.by_day["people"].to_list() == [6, 6, 6, 6, 6, 0, 0]
    assert found.over_time["label"].to_list()[0] == "2026-10-05"
    assert found.results["run_hours"] == 65.0
    assert found.claims["all"] == (
        "Applications were open for 65.0 hours and **in use for 77 %** of that: 50.0 hours. The busiest day "
        "was 2026-10-05, with 6 people."
    )


def rounded(columns: tuple[str, ...]) -> list[pl.Expr]:
    return [pl.col(name).round(6) if name.endswith(("hours", "share")) else pl.col(name) for name in columns]


def test_what_fewer_than_five_people_used_is_not_shown_by_itself(week: Engine) -> None:
    found = utilization.answer(ask(week, **WINDOW, now=NOW))
    assert found.applications["name"].to_list() == ["Other applications"]
    assert "Simulation" not in "".join(found.claims.values())


def test_a_longer_idle_timeout_turns_idle_into_use(week: Engine) -> None:
    found = utilization.answer(ask(week, **WINDOW, idle_timeout_minutes=31, now=NOW))
    assert found.results["idle_hours"] == 0.0
    assert found.footer.policy == "license policy, version 3, but idle after 31 minutes, as asked"


def test_the_footer_says_what_was_counted_and_nothing_secret(week: Engine) -> None:
    lines = dict(utilization.answer(ask(week, **WINDOW, now=NOW)).footer.lines())
    assert lines == {
        "Basis": "busy: in use, short pauses included (active, pause)",
        "Counted by": "time of every session; people once, after their accounts are merged",
        "Window": "2026-10-05 to 2026-10-12, the last day not included",
        "Time zone": "Europe/Berlin",
        "Calendar": "all hours",
        "Session coverage": "100.0 % of session time whose state is known",
        "Fleet coverage": "83.3 % of host-workdays observed",
        "Policy": "license policy, version 3, idle after 15 minutes",
        "Rows read": "40 sessions, 260 segments",
        "Made": "2026-11-03 13:00 Europe/Berlin, from the warehouse of Tiny Works (SQLite)",
    }


# --- Peak demand -------------------------------------------------------------------------------------------


def test_each_license_is_counted_by_what_it_licenses(week: Engine) -> None:
    found = peak_demand.answer(ask(week, **WINDOW, now=NOW))
    # Two people hold 4 licenses of 5 tokens: 40 of 30. Six people draw at once: 6 of 5.
    assert found.ranking.select("name", "unit", "owned", "peak", "minutes_above_owned").rows() == [
        ("Simulation", "tokens", 30, 40, 150.0),
        ("Drawing", "people", 5, 6, 450.0),
    ]
    assert (found.name, found.peak, found.first_reached) == (
        "Simulation", 40, datetime(2026, 10, 5, 8, tzinfo=UTC),
    )  # fmt: skip


def test_one_application_is_looked_at_closely(week: Engine) -> None:
    found = peak_demand.answer(ask(week, **WINDOW, application="cad", basis="run", now=NOW))
    assert (found.pool, found.owned, found.peak, found.minutes_at_peak) == ("cad-product", 5, 6, 600.0)
    assert found.peak_day.rows() == [
        (datetime(2026, 10, 4, 22, tzinfo=UTC), 0),
        (datetime(2026, 10, 5, 7, tzinfo=UTC), 6),
        (datetime(2026, 10, 5, 9, tzinfo=UTC), 0),
        (datetime(2026, 10, 5, 22, tzinfo=UTC), 0),
    ]
    # Open for two of ten business hours.
    assert found.by_day.row(0) == (date(2026, 10, 5), 6, 1.2)
    assert found.by_day.row(6) == (date(2026, 10, 11), 0, None)
    assert found.covering == {95: 6, 99: 6}
    assert found.use_duration.filter(n=6).row(0, named=True)["share"] == 0.2


def test_witnesses_are_pseudonyms_with_their_project(week: Engine) -> None:
    change(
        week,
        "INSERT INTO project_entry (session_id, from_ms, project_number, fields, author, reason, created_ms) "
        "SELECT id, started_ms, '0077', '{}', 'p1', '', 0 FROM session WHERE account_id = 1",
    )
    found = peak_demand.answer(ask(week, **WINDOW, now=NOW)).witnesses
    assert found.select("person", "application", "project", "state").sort(
        "project", nulls_last=True
    ).rows() == [
        (person(week, 1), "Simulation", "0077", "active"),
        (person(week, 2), "Simulation", None, "active"),
    ]


def test_a_key_that_is_asked_for_compares_only_with_licenses_that_count_it(week: Engine) -> None:
    found = peak_demand.answer(ask(week, **WINDOW, key="session", now=NOW))
    assert found.ranking.select("name", "unit", "owned", "peak").rows() == [
        ("Drawing", "sessions", 5, 6),
        ("Simulation", "sessions", None, 2),
    ]


def test_an_application_without_use_has_no_peak(week: Engine) -> None:
    with pytest.raises(Problem, match="There are no moments of busy time of lt from 2026-10-05"):
        peak_demand.answer(ask(week, **WINDOW, application="lt", now=NOW))


def test_two_rights_of_one_product_are_one_pool(week: Engine) -> None:
    change(
        week,
        "INSERT INTO entitlement (code, product_id, metric, quantity, valid_from_on, unit_cost_minor, "
        "currency, consumption_order, counting_rule, use_rights) "
        "VALUES ('CAD-2', 1, 'named_user', 3, '2026-01-01', 0, 'EUR', 2, 'exact_sweep', '{}')",
        "INSERT INTO entitlement_application SELECT id, 1 FROM entitlement WHERE code = 'CAD-2'",
    )
    found = peak_demand.answer(ask(week, **WINDOW, now=NOW)).ranking
    assert found.filter(pool="cad-product").select("metric", "owned", "peak").rows() == [("concurrent", 8, 6)]


# --- Unused licenses ---------------------------------------------------------------------------------------


def test_seats_without_use_are_reclaimed_only_where_enough_was_seen(week: Engine) -> None:
    found = unused_licenses.answer(ask(week, **WINDOW, now=NOW))
    columns = ("product_name", "holder", "last_open", "busy_hours", "coverage", "proposal", "seat_cost")
    expected = {
        ("Drawing LT", person(week, 1), None, 0.0, 1.0, "reclaim", "1,200.00 EUR"),
        ("Drawing LT", person(week, 2), None, 0.0, 1.0, "reclaim", "1,200.00 EUR"),
        ("Drawing LT", person(week, 3), None, 0.0, 0.0, "not observed enough", "1,200.00 EUR"),
    }
    assert set(found.seats.select(columns).rows()) == expected
    assert found.by_product.select(
        "assigned", "reclaim", "not_observed", "cost", "cumulative_share"
    ).rows() == [(3, 2, 1, "2,400.00 EUR", 1.0)]
    assert found.results["cost_a_year"] == {"EUR": "2,400.00 EUR"}


def test_a_seat_used_for_less_than_the_threshold_is_under_used(week: Engine) -> None:
    change(week, "INSERT INTO entitlement_application (entitlement_id, application_id) VALUES (3, 2)")
    found = unused_licenses.answer(ask(week, **WINDOW, now=NOW), unused_licenses.Guard(threshold_hours=3))
    # Persons 1 and 2 use `sim` for half an hour on each of five days.
    assert (
        found.seats.filter(proposal="under-used").select("last_open", "busy_hours").rows()
        == [(date(2026, 10, 9), 2.5)] * 2
    )


def test_each_seat_tells_its_use_in_the_last_30_60_and_90_days_of_the_window(week: Engine) -> None:
    change(week, "INSERT INTO entitlement_application (entitlement_id, application_id) VALUES (3, 2)")
    asked = ask(week, start="2026-08-13", end="2026-10-12", now=NOW)
    found = unused_licenses.answer(asked, unused_licenses.Guard(threshold_hours=3))
    columns = ("minutes_30", "minutes_60", "minutes_90")
    used = found.seats.filter(pl.col("busy_hours") > 0)
    assert used.select(columns).rows() == [(150.0, 150.0, None)] * 2


@pytest.mark.parametrize(
    ("guard", "said"),
    [
        ((-1.0, 0.8), "a threshold of -1 hours; give 0 or more"),
        ((1.0, 1.5), "a least coverage of 1.5; give a share from 0 to 1, as 0.8"),
    ],
)
def test_a_guard_that_cannot_be_is_refused_in_the_words_of_its_parameters(
    guard: tuple[float, float], said: str
) -> None:
    with pytest.raises(Problem) as problem:
        unused_licenses.Guard(*guard)
    assert str(problem.value) == said


def test_without_seats_it_says_how_to_import_them(week: Engine) -> None:
    with pytest.raises(Problem) as problem:
        unused_licenses.answer(ask(week, **WINDOW, application="cad", now=NOW))
    assert str(problem.value) == (
        "No seats of cad are assigned to anybody; import them with `process-meter assignment import FILE`"
    )


# --- Charges -----------------------------------------------------------------------------------------------


def test_charges_are_read_as_they_were_approved(week: Engine) -> None:
    late = (4, 1, 4, "usage", "2026-09-07", 1, 1, 1, 1, 1, 2_000, "EUR", 2_000, *small_warehouse.MINE[:-1], 2)
    september = (2, "2026-09", "2026-09-01", "2026-10-01")
    small_warehouse.put(week, ("fiscal_period", "id name starts_on ends_on", [september]))
    small_warehouse.put(week, ("charge_line", small_warehouse.LINE_COLUMNS, [late]))

    found = e2p_charges.answer(week, now=NOW)
    assert found.by_project.select("payer", "project", "quantity", "amount").rows() == [
        ("City of <b>Rivers</b>", "0077", "91.000", "910.00 EUR"),
        ("City of <b>Rivers</b>", "0078", "1.500", "15.00 USD"),
    ]
    assert found.lines.select("application", "rate", "amount", "adjustment").rows() == [
        ("Drawing", "10.00 EUR/h", "910.00 EUR", "20.00 EUR"),
        ("Simulation", "10.00 USD/h", "15.00 USD", None),
    ]
    assert found.by_application.select("application", "rate", "quantity", "amount").rows() == [
        ("Drawing", "10.00 EUR/h", "91.000", "910.00 EUR"),
        ("Simulation", "10.00 USD/h", "1.500", "15.00 USD"),
    ]
    assert found.lines_in("EUR")["project"].to_list() == ["0077"]
    assert found.results["amount_minor"] == {"EUR": 91_000, "USD": 1_500}
    assert found.projects_in("USD")["project"].to_list() == ["0078"]
    assert found.claims["lines"] == "1 line **adjusts earlier periods**, by 20.00 EUR in all."


@pytest.mark.parametrize(
    ("period", "says"),
    [
        ("2026-09", "There is no billing run of period '2026-09'; prepare one"),
        ("", "There is no billing run yet"),
    ],
)
def test_a_period_without_a_run_says_how_to_prepare_one(engine: Engine, period: str, says: str) -> None:
    small_warehouse.fill(engine, with_charges=bool(period))
    with pytest.raises(Problem, match=says):
        e2p_charges.answer(engine, period, now=NOW)


def test_a_run_in_minutes_reads_as_a_time_sheet_does(week: Engine) -> None:
    change(week, "UPDATE billing_run SET quantum_per_hour = 60")
    assert e2p_charges.answer(week, now=NOW).by_project["quantity"].to_list() == ["1483:20", "25:00"]
