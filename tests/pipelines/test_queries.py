"""Metrics for scripts: the same numbers as the reports', under names that stay."""

from __future__ import annotations

import json
import sys

import polars as pl
import pytest
import small_warehouse
from sqlalchemy import Engine

from apps import cli
from pipelines.queries import QUERIES, query
from warehouse.errors import Problem
from warehouse.metrics.catalogue import CATALOGUE
from warehouse.store import append


@pytest.fixture
def week(engine: Engine) -> Engine:
    small_warehouse.fill(engine, with_charges=False)
    return engine


def test_daily_usage_gives_a_row_for_every_local_day_of_the_evidence(week: Engine) -> None:
    rows = query(week, "daily_usage", {"zone": "Europe/Berlin"})
    monday = {
        "day": "2026-10-05",
        "session_hours": 13.0,  # six times two hours, twice half an hour
        "unit_hours": 16.0,  # the half hours with four licenses each
        "sessions": 8,
        "active_users": 6,
        "sessions_ended": 8,
        "utilization": None,
    }
    assert isinstance(rows, list)
    assert rows[0] == monday
    assert [row["day"] for row in rows] == [f"2026-10-0{day}" for day in range(5, 10)]


def test_utilization_is_of_the_imported_capacity(week: Engine) -> None:
    reading = {"key": "r", "source": "lmstat", "server": "lm", "at_ms": 0, "issued": 16, "received_ms": 0}
    append(week, "capacity_reading", pl.DataFrame({name: [value] for name, value in reading.items()}))
    rows = query(week, "daily_usage", {"start": "2026-10-05", "end": "2026-10-06"})
    assert isinstance(rows, list)
    assert [row["utilization"] for row in rows] == [round(1 / 24, 12)]


def test_the_capacity_of_one_application_says_nothing_about_the_use_of_all(week: Engine) -> None:
    reading = {
        "key": "r", "source": "lmstat", "server": "lm", "application_id": 2, "at_ms": 0, "issued": 16,
        "received_ms": 0,
    }  # fmt: skip
    append(week, "capacity_reading", pl.DataFrame({name: [value] for name, value in reading.items()}))
    asked = {"start": "2026-10-05", "end": "2026-10-06"}
    every, sim = (query(week, "daily_usage", asked | more) for more in ({}, {"application": "sim"}))
    assert isinstance(every, list)
    assert isinstance(sim, list)
    assert [row["utilization"] for row in every] == [None]
    assert [row["utilization"] for row in sim] == [round(4 / (24 * 16), 12)]


def test_daily_usage_of_one_application(week: Engine) -> None:
    rows = query(week, "daily_usage", {"application": "sim", "end": "2026-10-06"})
    assert isinstance(rows, list)
    assert [(row["session_hours"], row["unit_hours"], row["sessions"]) for row in rows] == [(1.0, 4.0, 2)]


def test_a_peak_says_how_much_when_how_long_and_who(week: Engine) -> None:
    asked = {"application": "sim", "key": "token", "basis": "run"}
    found = query(week, "peak_concurrency", asked)
    assert isinstance(found, dict)
    witnesses = found.pop("witnesses")
    assert found == {
        **asked,
        "peak": 40,  # two people, four licenses each, five tokens a license
        "first_reached": "2026-10-05T08:00:00Z",
        "minutes_at_peak": 150.0,
    }
    assert [
        (row["state"], row["units"], row["since"], row["office"], row["project"]) for row in witnesses
    ] == [("active", 4, "2026-10-05T08:00:00Z", "HQ", None)] * 2
    assert [row["person"][:2] for row in witnesses] == ["P-", "P-"]


def test_a_witness_names_the_project_that_was_in_force(week: Engine) -> None:
    entry = {
        "session_id": 61, "from_ms": small_warehouse.at_ms(small_warehouse.DAYS[0], 9), "author": "me",
        "project_number": "0077", "fields": "{}", "reason": "launch", "created_ms": 0,
    }  # fmt: skip
    first = frames_session(week)
    append(week, "project_entry", pl.DataFrame({**{k: [v] for k, v in entry.items()}, "session_id": [first]}))
    found = query(week, "peak_concurrency", {"application": "cad", "basis": "busy"})
    assert isinstance(found, dict)
    assert (found["peak"], sorted(str(row["project"]) for row in found["witnesses"])) == (
        6,
        ["0077", *["None"] * 5],
    )


def frames_session(week: Engine) -> int:
    """Number of the first session of the week."""
    with week.connect() as connection:
        return int(connection.exec_driver_sql("SELECT min(id) FROM session").scalar_one())


def test_an_application_never_used_has_a_peak_of_zero(week: Engine) -> None:
    assert query(week, "peak_concurrency", {"application": "lt"}) == {
        "application": "lt", "key": "user", "basis": "run", "peak": 0, "first_reached": None,
        "minutes_at_peak": 0.0, "witnesses": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "given", "says"),
    [
        ("peek", {}, "there is no metric 'peek'; did you mean 'peak'?"),
        ("daily_usage", {"zon": "UTC"}, "Metric daily_usage has no parameter 'zon'; did you mean 'zone'?"),
        ("daily_usage", {"zone": "Mars/Base"}, "Mars/Base"),
        ("daily_usage", {"start": "1.10.2026"}, "start cannot be '1.10.2026'; write a day as 2026-10-01"),
        ("daily_usage", {"start": "2026-10-09", "end": "2026-10-09"}, "is not after the start"),
        ("peak_concurrency", {}, "asks for one application; add -p application=CODE"),
        ("peak_concurrency", {"application": "cat"}, "no application 'cat'; did you mean 'cad'?"),
        ("peak_concurrency", {"application": "cad", "key": "people"}, "key cannot be 'people'; give one of"),
        ("peak_concurrency", {"application": "cad", "basis": "ruin"}, "did you mean 'run'?"),
        ("usage_hours", {"by": "person"}, "by cannot be 'person'"),
        ("run_hours", {"by": "office,host"}, "run_hours is given by no person and no machine"),
        ("busy_hours", {"by": "team"}, "use cannot be grouped by 'team'"),
        ("percentile_demand", {}, "asks for one application"),
        (
            "percentile_demand",
            {"application": "cad", "percentile": "101"},
            "percentile 101.0 is outside 0 to 100",
        ),
        ("percentile_demand", {"application": "cad", "calendar": "busines"}, "did you mean 'business'?"),
        ("need", {"application": "lt", "calendar": "in_use"}, "nothing was in use in this window"),
        ("witnesses", {"application": "cad", "at": "nine"}, "write an instant with its zone"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_remedy(
    week: Engine, metric: str, given: dict[str, object], says: str
) -> None:
    with pytest.raises(Problem) as refused:
        query(week, metric, given)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("application", [("cad", 30, 60.0, 45.0, 60.0, 15.0), ("sim", 10, 5.0, 5.0, 20.0, 0.0)]),
        ("project", [(None, 40, 65.0, 50.0, 80.0, 15.0)]),
    ],
)
def test_usage_hours_by_application_and_project_have_idle_hours(
    week: Engine, by: str, rows: list[tuple[object, ...]]
) -> None:
    found = query(week, "usage_hours", {"by": by})
    assert isinstance(found, list)
    assert list(found[0]) == [by, "sessions", "run_hours", "busy_hours", "unit_hours", "idle_hours"]
    assert [tuple(row.values()) for row in found] == rows


@pytest.mark.parametrize("by", ["user", "host"])
def test_usage_hours_of_people_and_machines_have_no_idle_hours(week: Engine, by: str) -> None:
    found = query(week, "usage_hours", {"by": by})
    assert isinstance(found, list)
    assert list(found[0]) == [by, "sessions", "run_hours", "busy_hours", "unit_hours"]
    assert sorted(tuple(row.values())[1:] for row in found) == [
        *[(5, 10.0, 7.5, 10.0)] * 4,
        *[(10, 12.5, 10.0, 20.0)] * 2,
    ]


@pytest.mark.parametrize(
    ("asked", "demand"),
    [
        ({"application": "cad", "percentile": 95}, 6),  # 10 of 120 hours: more than 5 % of the time
        ({"application": "cad", "percentile": 90}, 0),
        ({"application": "cad", "percentile": 80, "calendar": "business"}, 0),  # 8 of 10 hours without any
        ({"application": "cad", "percentile": 81, "calendar": "business"}, 6),
        ({"application": "cad", "percentile": 1, "calendar": "in_use"}, 6),
        ({"application": "lt", "percentile": 100}, 0),
    ],
)
def test_percentile_demand_is_a_share_of_the_calendars_time(
    week: Engine, asked: dict[str, object], demand: int
) -> None:
    assert query(week, "percentile_demand", asked) == {
        "percentile": float(str(asked["percentile"])), "demand": demand, "of": "time",
    }  # fmt: skip


def test_every_metric_of_the_catalogue_can_be_asked() -> None:
    assert sorted(set(CATALOGUE) - set(QUERIES)) == []


NOTHING_IN_IT = {"need_95", "money_at_risk", "recovered", "rights_findings", "silent_hosts"}
"""The week has no contract that ends, no closed bill, no use outside a right, no silent host."""
REFUSED = {
    *("billed", "denial_class", "free_seats"),
    *("peak_in_stretch", "people_in_stretch", "vendor_difference"),
}
"""It has no bill, no log of a license server and no counts of a vendor."""


def test_every_query_answers_in_plain_values(week: Engine) -> None:
    for name in sorted(set(QUERIES) - REFUSED):
        asked = QUERIES[name]
        wants = any(each.name == "application" and "left out" not in each.help for each in asked.parameters)
        answer = query(week, name, {"application": "cad"} if wants else {})
        assert bool(answer) != (name in NOTHING_IN_IT), name
        assert json.loads(json.dumps(answer)) == answer, name


@pytest.mark.parametrize(
    ("metric", "first"),
    [
        (
            "shortfall",
            {"product": "Simulation", "metric": "token", "entitled": 30, "consumed": 40, "shortfall": 10},
        ),
        ("user_days", {"application": "cad", "day": "2026-10-05", "user_days": 6}),
        ("fixed_interval_use", {"application": "cad", "at": "2026-10-05T07:00:00Z", "demand": 6}),
        ("peak_upper_bound", {"pool": "sim-product:token", "key": "token", "upper": 40}),
    ],
)
def test_metrics_of_licenses_are_those_of_the_reports(
    week: Engine, metric: str, first: dict[str, object]
) -> None:
    found = query(week, metric)
    assert isinstance(found, list)
    assert found[0] == first


def test_what_is_said_of_contracts_is_of_what_was_open_as_in_the_report(week: Engine) -> None:
    for metric in ("surplus", "shortfall", "position_value", "rights_findings"):
        (basis,) = [each for each in QUERIES[metric].parameters if each.name == "basis"]
        assert (metric, basis.default) == (metric, "run")
    assert query(week, "shortfall") == query(week, "shortfall", {"basis": "run"})


PRODUCT = {"application": "sim-product", "key": "token", "basis": "run"}


def test_a_product_is_counted_as_its_license_covers_it(week: Engine) -> None:
    append(week, "entitlement_application", pl.DataFrame({"entitlement_id": [2], "application_id": [1]}))
    of_license = query(week, "peak_concurrency", PRODUCT)
    of_application = query(week, "peak_concurrency", {**PRODUCT, "application": "sim"})
    assert isinstance(of_license, dict)
    assert isinstance(of_application, dict)
    # Two people with four licenses of five tokens each, and six with one token of the other application.
    assert (of_license["peak"], len(of_license["witnesses"])) == (46, 8)
    assert (of_application["peak"], len(of_application["witnesses"])) == (40, 2)
    on_engine = query(week, "peak_concurrency", PRODUCT, compute_on="polars")
    assert on_engine == of_license


def test_a_product_without_a_license_is_refused_with_its_applications(week: Engine) -> None:
    with week.begin() as connection:
        connection.exec_driver_sql("DELETE FROM entitlement_application WHERE entitlement_id = 2")
        connection.exec_driver_sql("DELETE FROM entitlement WHERE id = 2")
    with pytest.raises(
        Problem, match=r"no license of the product 'sim-product' is known .* application: sim"
    ):
        query(week, "peak_concurrency", PRODUCT)
    assert query(week, "run_hours", {"application": "sim-product"}) == [
        {"application": "sim", "run_hours": 5.0}
    ]


def test_the_days_of_a_peak_are_those_of_the_zone(week: Engine) -> None:
    """Monday morning in Berlin is Sunday night in Honolulu."""
    sunday = {"application": "cad", "start": "2026-10-04", "end": "2026-10-05"}
    found = [query(week, "peak_concurrency", sunday | zone) for zone in ({}, {"zone": "Pacific/Honolulu"})]
    assert [each["peak"] for each in found if isinstance(each, dict)] == [0, 6]


def test_what_is_billed_is_of_closed_runs(week: Engine) -> None:
    with pytest.raises(Problem, match="nothing is billed yet"):
        query(week, "billed")


def test_each_metric_says_its_own_figure(week: Engine) -> None:
    asked = {"application": "cad", "start": "2026-10-05", "end": "2026-10-06"}
    figures = {
        name: [row[name] for row in query(week, name, asked) if isinstance(row, dict)]
        for name in (
            "run_hours",
            "idle_hours",
            "people",
            "launches",
            "peak",
            "session_hours",
            "first_reached",
        )
    }
    assert figures == {
        "run_hours": [12.0], "idle_hours": [3.0], "people": [6], "launches": [6], "peak": [6],
        "session_hours": [12.0], "first_reached": ["2026-10-05T07:00:00Z"],
    }  # fmt: skip
    assert query(week, "busy_hours", asked | {"by": "office,hour"}) == [
        {"office": "HQ", "hour": 9, "busy_hours": 6.0},
        {"office": "HQ", "hour": 10, "busy_hours": 3.0},
        {"office": "HQ", "hour": 11, "busy_hours": 0.0},  # they end at 11:00
    ]


def test_demand_of_a_day_of_a_calendar_against_what_is_owned(week: Engine) -> None:
    asked = {"application": "cad", "start": "2026-10-05", "end": "2026-10-06", "owned": 5}
    whole_day = {"day": "2026-10-05", "maximum": 6, "average": 0.5, "percentile": 6, "minutes_above": 120.0}
    assert query(week, "demand_of_a_day", asked) == [whole_day]
    in_business = query(week, "demand_of_a_day", asked | {"calendar": "business", "percentile": 80})
    assert in_business == [whole_day | {"average": 1.2, "percentile": 0}]


def test_demand_by_state_of_an_hour(week: Engine) -> None:
    asked = {"application": "cad", "start": "2026-10-05", "end": "2026-10-06"}
    found = query(week, "demand_by_state", asked)
    assert isinstance(found, list)
    assert found[10] == {
        "application": "cad", "minute": "2026-10-05T08:00:00Z", "active": 3.0, "pause": 0.0, "idle": 3.0,
        "held": 0.0,
    }  # fmt: skip


def test_an_empty_warehouse_says_so(engine: Engine) -> None:
    with pytest.raises(Problem, match="holds no session yet; import a log or let agents deliver first"):
        query(engine, "daily_usage")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["process-meter", "query", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert not ended.value.code
    return capsys.readouterr().out


def test_the_command_prints_json_or_a_table(
    week: Engine, warehouse_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["peak_concurrency", "-p", "application=cad", "-p", "basis=active", "--warehouse", warehouse_url]
    document = json.loads(run(capsys, *asked, "--json"))
    assert list(document) == [
        *("application", "key", "basis", "peak", "first_reached", "minutes_at_peak", "witnesses")
    ]
    table = run(capsys, *asked).splitlines()
    assert table[3:5] == ["peak              6", "first_reached     2026-10-05T07:00:00Z"]
    assert table[6].split() == [
        *("session", "host", "device", "office", "project", "state", "units", "since", "person")
    ]


def test_the_command_lists_what_can_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    listed = run(capsys, "list")
    assert [line.partition(":")[0] for line in listed.splitlines() if line[0] != " "] == list(QUERIES)
