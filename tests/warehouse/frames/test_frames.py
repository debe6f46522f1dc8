"""Every frame from literal rows; segments, sessions and projects on both databases."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from sqlalchemy import Engine

from warehouse import directory, frames, schema, store
from warehouse.errors import Problem
from warehouse.frames import reading
from warehouse.metrics.states import Policy, Rule

JUNE = datetime(2026, 6, 1, tzinfo=UTC)
JULY = datetime(2026, 7, 1, tzinfo=UTC)
NINE = datetime(2026, 6, 15, 9, 0, tzinfo=UTC)
MS = round(NINE.timestamp() * 1000)
MINUTE = 60_000


def _pseudonym(engine: Engine, kind: directory.Kind, number: int) -> str:
    return directory.pseudonym(kind, number, directory.pseudonym_key(engine.url))


def _rows(engine: Engine, table: str, *rows: dict[str, object]) -> None:
    with store.writing(engine) as connection:
        for row in rows:
            connection.execute(schema.metadata.tables[table].insert().values(row))


def _organization(engine: Engine) -> None:
    weekdays = {"business_weekdays": "12345"}
    _rows(
        engine,
        "office",
        {"id": 1, "code": "BER", "name": "Berlin", "zone": "Europe/Berlin", "currency": "EUR", **weekdays},
        {
            "id": 2,
            "code": "NYC",
            "name": "New York",
            "zone": "America/New_York",
            "currency": "USD",
            **weekdays,
        },
    )
    _rows(engine, "department", {"id": 1, "code": "ENG", "name": "Engineering"})
    _rows(engine, "cost_center", {"id": 1, "code": "4711", "name": "Engineering"})
    since = {"valid_from_on": "2026-01-01"}
    _rows(
        engine,
        "person",
        {"id": 1, "code": "ada", "name": "Ada", "employment": "employee", **since},
        {"id": 2, "code": "bob", "name": "Bob", "employment": "contractor", **since},
    )
    _rows(
        engine,
        "placement",
        {
            "person_id": 1,
            "office_id": 1,
            "department_id": 1,
            "valid_from_on": "2026-01-01",
            "valid_to_on": "2026-06-15",
        },
        {"person_id": 1, "office_id": 2, "cost_center_id": 1, "valid_from_on": "2026-06-15"},
        {"person_id": 2, "office_id": 1, "valid_from_on": "2026-01-01", "valid_to_on": "2026-06-15"},
    )
    _rows(
        engine,
        "account",
        {"id": 1, "name": "ada", "person_id": 1},
        {"id": 2, "name": "bob", "person_id": 2},
        {"id": 3, "name": "reception", "person_id": 2, "shared": True},
        {"id": 4, "name": "nobody"},
    )
    desk = {"kind": "workstation", "zone": "Asia/Tokyo", "valid_from_on": "2026-01-01"}
    _rows(engine, "host", {"id": 1, "name": "desk", "office_id": 1, **desk}, {"id": 2, "name": "lab", **desk})
    _rows(engine, "client_device", {"id": 1, "name": "tablet"})
    _rows(engine, "product", {"id": 1, "code": "suite", "name": "Suite", "vendor": "Acme", "token_weight": 3})
    _rows(
        engine,
        "application",
        {"id": 1, "code": "draw", "name": "Draw", "version": "2026", "product_id": 1, "billed": True},
        {"id": 2, "code": "solve", "name": "Solve", "metered": False},
    )


def _session(engine: Engine, number: int, **changes: object) -> None:
    row: dict[str, object] = {
        "id": number,
        "key": f"key {number}",
        "source": "agent",
        "application_id": 1,
        "account_id": 1,
        "host_id": 1,
        "logon_session": "1",
        "zone": "Asia/Tokyo",
        "started_ms": MS,
        "ended_ms": MS + 30 * MINUTE,
        "received_ms": MS + 31 * MINUTE,
    }
    _rows(engine, "session", {**row, **changes})


def _segment(session: int, start: int, end: int, **changes: object) -> dict[str, object]:
    return {
        "session_id": session,
        "start_ms": start,
        "end_ms": end,
        "attention": 0,
        "cpu_percent": 0.1,
        "since_ms": start,
        "policy_version": 1,
        "received_ms": end + 5,
        **changes,
    }


# --- Segments ----------------------------------------------------------------------------------------------


def test_segments_come_typed_and_whole(both_engines: Engine) -> None:
    _organization(both_engines)
    _session(both_engines, 1)
    most = {
        "attention": 7,
        "units": 2**31 - 1,
        "inhibiting": True,
        "instance": 2**31 - 1,
        "policy_version": 2**31 - 1,
    }
    _rows(
        both_engines,
        "segment",
        _segment(1, MS + 15 * MINUTE, MS + 30 * MINUTE, **most, since_ms=MS - 1, cpu_percent=1600.25),
        _segment(1, MS, MS + 15 * MINUTE, attention=2, instance=0),
    )

    frame = frames.segments(both_engines, NINE, JULY)

    assert frame.collect_schema() == pl.Schema(frames.SEGMENTS)
    assert frame.select(pl.exclude("start", "end", "since", "received")).collect().rows() == [
        (1, "draw", "background", 0.1, 1, False, 0, 1),
        (1, "draw", "unobserved", 1600.25, 2**31 - 1, True, 2**31 - 1, 2**31 - 1),
    ]
    instants = frame.select(pl.col("start", "end", "since", "received").to_physical()).collect().rows()
    assert instants == [
        (MS, MS + 15 * MINUTE, MS, MS + 15 * MINUTE + 5),
        (MS + 15 * MINUTE, MS + 30 * MINUTE, MS - 1, MS + 30 * MINUTE + 5),
    ]
    assert frame.collect()["start"][0] == NINE


def test_an_absent_instance_is_null(both_engines: Engine) -> None:
    _organization(both_engines)
    _session(both_engines, 1)
    _rows(both_engines, "segment", _segment(1, MS, MS + 1), _segment(1, MS + 1, MS + 2, instance=4711))

    assert frames.segments(both_engines, JUNE, JULY).collect()["instance"].to_list() == [None, 4711]


def test_a_window_takes_whole_sessions_that_overlap_it(both_engines: Engine) -> None:
    _organization(both_engines)
    quarter = 15 * MINUTE
    _session(both_engines, 1, started_ms=MS - quarter, ended_ms=MS)  # ends where the window starts
    _session(both_engines, 2, started_ms=MS - quarter, ended_ms=MS + quarter)
    _session(both_engines, 3, started_ms=MS, ended_ms=None, application_id=2)
    _session(both_engines, 4, started_ms=MS + quarter, ended_ms=MS + 2 * quarter)  # starts where it ends
    rows = [_segment(number, MS - quarter, MS) for number in (1, 2)]
    rows += [_segment(number, MS, MS + quarter) for number in (2, 3)]
    _rows(both_engines, "segment", *rows, _segment(4, MS + quarter, MS + 2 * quarter))

    def sessions(*applications: str) -> list[int]:
        end = datetime(2026, 6, 15, 9, 15, tzinfo=UTC)
        return frames.segments(both_engines, NINE, end, applications or None).collect()["session"].to_list()

    assert sessions() == [2, 2, 3]
    assert sessions("draw") == [2, 2]
    assert sessions("draw", "solve", "' OR 1 --") == [2, 2, 3]
    assert frames.segments(both_engines, NINE, JULY, []).collect().height == 0


def test_a_window_without_a_zone_is_refused(engine: Engine) -> None:
    with pytest.raises(Problem, match="has no time zone"):
        frames.segments(engine, datetime(2026, 6, 1), datetime(2026, 7, 1))  # noqa: DTZ001


# --- Sessions ----------------------------------------------------------------------------------------------


def test_a_session_shows_pseudonyms_and_where_its_person_belonged(both_engines: Engine) -> None:
    _organization(both_engines)
    _session(
        both_engines, 7, client_device_id=1, instance_count=2, clock_stepped=True, end_uncertainty_ms=60_000
    )

    frame = frames.sessions(both_engines, JUNE, JULY)

    assert frame.collect_schema() == pl.Schema(frames.SESSIONS)
    assert frame.collect().rows(named=True) == [
        {
            "session": 7,
            "key": "key 7",
            "source": "agent",
            "application": "draw",
            "version": "2026",
            "product": "suite",
            "person": _pseudonym(both_engines, "P", 1),
            "person_id": 1,
            "account": _pseudonym(both_engines, "A", 1),
            "host": _pseudonym(both_engines, "H", 1),
            "host_id": 1,
            "device": _pseudonym(both_engines, "D", 1),
            "office": "NYC",
            "department": None,
            "cost_center": "4711",
            "zone": "America/New_York",
            "started": NINE,
            "ended": datetime(2026, 6, 15, 9, 30, tzinfo=UTC),
            "end_uncertainty_ms": 60_000,
            "instance_count": 2,
            "clock_stepped": True,
            "received": datetime(2026, 6, 15, 9, 31, tzinfo=UTC),
            "prompt": None,
        }
    ]


def test_the_version_that_was_seen_outranks_the_one_of_the_application(engine: Engine) -> None:
    _organization(engine)
    _session(engine, 1, application_version="2026.2")
    _session(engine, 2)
    _session(engine, 3, application_id=2)
    assert frames.sessions(engine, JUNE, JULY).collect()["version"].to_list() == ["2026.2", "2026", None]


def test_an_account_of_nobody_stands_for_its_person_and_a_shared_one_for_none(both_engines: Engine) -> None:
    _organization(both_engines)
    _session(both_engines, 1, account_id=3)
    _session(both_engines, 2, account_id=4, application_id=2)

    found = frames.sessions(both_engines, JUNE, JULY).collect()

    columns = ("person", "person_id", "office", "zone", "product")
    assert found.select(columns).rows() == [
        (None, None, None, "Asia/Tokyo", "suite"),
        (_pseudonym(both_engines, "A", 4), None, None, "Asia/Tokyo", None),
    ]
    assert found["device"].to_list() == [_pseudonym(both_engines, "H", 1)] * 2


@pytest.mark.parametrize(
    ("account", "instant", "office"),
    [
        (1, "2026-06-14T21:59:59.999+00:00", "BER"),  # 23:59 in Berlin
        (1, "2026-06-14T22:00:00+00:00", "BER"),  # midnight in Berlin, evening in New York: not there yet
        (1, "2026-06-15T03:59:59.999+00:00", "BER"),
        (1, "2026-06-15T04:00:00+00:00", "NYC"),  # midnight in New York
        (1, "2025-12-31T22:59:59.999+00:00", None),  # before the first day
        (1, "2025-12-31T23:00:00+00:00", "BER"),
        (2, "2026-06-14T21:59:59.999+00:00", "BER"),
        (2, "2026-06-14T22:00:00+00:00", None),  # has left
    ],
)
def test_a_placement_begins_and_ends_at_local_midnights(
    engine: Engine, account: int, instant: str, office: str | None
) -> None:
    _organization(engine)
    started = round(datetime.fromisoformat(instant).timestamp() * 1000)
    _session(engine, 1, account_id=account, started_ms=started, ended_ms=None)

    everything = datetime(2020, 1, 1, tzinfo=UTC), JULY
    assert frames.sessions(engine, *everything).collect()["office"].to_list() == [office]


def test_sessions_of_no_length_count_where_they_lie(engine: Engine) -> None:
    _organization(engine)
    _session(engine, 1, started_ms=MS, ended_ms=MS)
    _session(engine, 2, started_ms=MS - 1, ended_ms=MS)

    assert frames.sessions(engine, NINE, JULY).collect()["session"].to_list() == [1]
    assert frames.sessions(engine, JUNE, NINE).collect()["session"].to_list() == [2]


@pytest.mark.parametrize("oldest_days", [0, 1_000], ids=["of one day", "of three years"])
def test_a_window_late_in_history_finds_the_same_sessions(both_engines: Engine, oldest_days: int) -> None:
    _organization(both_engines)
    hour, end = 60 * MINUTE, NINE + timedelta(hours=1)
    oldest = MS - hour - oldest_days * 24 * hour  # where the window is late, the database is asked otherwise
    _session(both_engines, 1, started_ms=oldest, ended_ms=oldest + MINUTE)
    _session(both_engines, 2, started_ms=oldest, ended_ms=MS)  # ends where the window starts
    _session(both_engines, 3, started_ms=oldest, ended_ms=MS + 1)
    _session(both_engines, 4, started_ms=oldest, ended_ms=MS + 2 * hour, application_id=2)
    _session(both_engines, 5, started_ms=oldest, ended_ms=None)
    _session(both_engines, 6, started_ms=MS, ended_ms=MS)
    _session(both_engines, 7, started_ms=MS + 1, ended_ms=None)
    _session(both_engines, 8, started_ms=MS + 2, ended_ms=MS + 2 * hour)
    _session(both_engines, 9, started_ms=MS + hour, ended_ms=MS + 2 * hour)  # starts where it ends

    found = frames.sessions(both_engines, NINE, end).collect()["session"].to_list()
    assert found == [3, 4, 5, 6, 7, 8]
    assert frames.sessions(both_engines, NINE, end, ["solve"]).collect()["session"].to_list() == [4]


def test_an_open_session_has_no_end(engine: Engine) -> None:
    _organization(engine)
    _session(engine, 1, ended_ms=None)
    assert frames.sessions(engine, JUNE, JULY).collect()["ended"].to_list() == [None]


# --- The organization --------------------------------------------------------------------------------------


def test_applications_offices_and_the_calendar(engine: Engine) -> None:
    _organization(engine)
    _rows(engine, "holiday", {"office_id": 1, "day_on": "2026-10-03", "name": "Day of German Unity"})
    _rows(
        engine,
        "fiscal_period",
        {"id": 5, "name": "2026-10", "starts_on": "2026-09-28", "ends_on": "2026-10-26"},
    )

    assert frames.applications(engine).collect().rows() == [
        ("draw", "Draw", "2026", None, "suite", "Suite", "Acme", 3, True, True),
        ("solve", "Solve", None, None, None, None, None, 1, False, False),
    ]
    assert frames.offices(engine).collect().rows()[0] == (
        *("BER", 1, "Berlin", "Europe/Berlin", "EUR"),
        *(480, 1080, "12345"),
    )
    assert frames.holidays(engine).collect().rows() == [("BER", date(2026, 10, 3))]
    assert frames.periods(engine).collect().rows() == [("2026-10", 5, date(2026, 9, 28), date(2026, 10, 26))]


def test_people_have_one_row_per_placement(engine: Engine) -> None:
    _organization(engine)
    ada, bob = _pseudonym(engine, "P", 1), _pseudonym(engine, "P", 2)
    first, moved = date(2026, 1, 1), date(2026, 6, 15)
    assert frames.people(engine).collect().rows() == [
        (ada, 1, "employee", "BER", "ENG", None, "Europe/Berlin", first, moved),
        (ada, 1, "employee", "NYC", None, "4711", "America/New_York", moved, None),
        (bob, 2, "contractor", "BER", None, None, "Europe/Berlin", first, moved),
    ]


def test_hosts_with_and_without_an_office(engine: Engine) -> None:
    _organization(engine)
    desk, lab = _pseudonym(engine, "H", 1), _pseudonym(engine, "H", 2)
    rest = ("Asia/Tokyo", False, date(2026, 1, 1), None)
    assert frames.hosts(engine).collect().rows() == [
        (desk, 1, "workstation", "BER", *rest),
        (lab, 2, "workstation", None, *rest),
    ]


def test_the_organization_is_named_or_the_remedy_is(engine: Engine) -> None:
    with pytest.raises(Problem, match="does not name its organization; import a directory file"):
        frames.organization(engine)
    row = {"name": "Acme", "zone": "Europe/Berlin", "currency": "EUR", "settings": {"retention": 37}}
    _rows(engine, "organization", row)
    assert frames.organization(engine) == row


def test_the_newest_policy_of_a_purpose_is_in_force(engine: Engine) -> None:
    assert frames.policy(engine, "billing") == Policy()
    _rows(
        engine,
        "policy",
        {"id": 1, "name": "billing", "purpose": "billing"},
        {"id": 2, "name": "license", "purpose": "license"},
    )
    by = {"created_by": "ada"}
    older, newer = {"default": {"idle_timeout_ms": 300_000}}, {"default": {"buffer_ms": 60_000}}
    _rows(
        engine,
        "policy_version",
        {"policy_id": 1, "version": 2, "created_ms": 20, "document": newer, **by},
        {"policy_id": 1, "version": 1, "created_ms": 10, "document": older, **by},
        {"policy_id": 2, "version": 9, "created_ms": 30, "document": {}, **by},
    )
    assert frames.policy(engine, "billing") == Policy(version=2, default=Rule(buffer_ms=60_000))
    assert frames.policy(engine, "license") == Policy(version=9)


# --- Agents and what they see ------------------------------------------------------------------------------


def test_agents_watches_and_presence(engine: Engine) -> None:
    _organization(engine)
    agent = {"id": "a1", "host_id": 1, "version": "0.1.0", "system": "linux", "enrolled_ms": MS, "backlog": 3}
    _rows(engine, "agent", agent)
    watch = {"host_id": 1, "agent_id": "a1", "sees_focus": True}
    _rows(
        engine,
        "watch_interval",
        {**watch, "start_ms": MS - 10, "end_ms": MS},
        {**watch, "start_ms": MS, "end_ms": MS + 10},
    )
    open_now = {
        "agent_id": "a1",
        "application_id": 1,
        "attention": 1,
        "attention_since_ms": MS + 1,
        "since_ms": MS,
        "started_ms": MS - 1,
        "heard_ms": MS + 5,
    }
    _rows(
        engine,
        "presence",
        {**open_now, "session_key": "1", "account_id": 1, "host_id": 1},
        {**open_now, "session_key": "2", "account_id": 4, "host_id": 1},
        {**open_now, "session_key": "3", "account_id": 4, "host_id": 2},
    )
    desk = _pseudonym(engine, "H", 1)

    assert frames.agents(engine).collect().rows() == [("a1", desk, "0.1.0", NINE, None, None, 0, 3)]
    assert frames.watches(engine, NINE, JULY).select(
        "host", "host_id", "sees_focus", "sees_lock"
    ).collect().rows() == [(desk, 1, True, False)]
    found = frames.presence(engine).collect()
    assert found.select("application", "name", "person", "host", "office", "attention").rows() == [
        ("draw", "Draw", _pseudonym(engine, "P", 1), desk, "NYC", "no_input"),
        ("draw", "Draw", _pseudonym(engine, "A", 4), desk, "BER", "no_input"),
        ("draw", "Draw", _pseudonym(engine, "A", 4), _pseudonym(engine, "H", 2), None, "no_input"),
    ]
    instants = found.select(pl.col("attention_since", "since", "started", "heard").to_physical()).row(0)
    assert instants == (MS + 1, MS, MS - 1, MS + 5)


# --- Licenses ----------------------------------------------------------------------------------------------


def test_entitlements_what_they_cover_and_who_holds_them(engine: Engine) -> None:
    _organization(engine)
    right = {
        "id": 1,
        "code": "E-1",
        "product_id": 1,
        "metric": "named_user",
        "quantity": 25,
        "valid_from_on": "2026-01-01",
        "valid_to_on": "2027-01-01",
        "unit_cost_minor": 123_450,
        "currency": "EUR",
        "contract": "C-77",
        "notice_on": "2026-10-01",
        "counting_rule": "exact_sweep",
        "pack_size": 5,
        "true_up_on": "2026-12-01",
        "use_rights": {"contractors": False, "offices": ["BER"], "version": "2026", "earlier_versions": 2},
    }
    _rows(engine, "entitlement", right)
    _rows(engine, "entitlement_application", {"entitlement_id": 1, "application_id": 1})
    seat = {"entitlement_id": 1, "valid_from_on": "2026-01-01"}
    _rows(engine, "assignment", {**seat, "person_id": 2}, {**seat, "host_id": 1, "valid_to_on": "2026-02-01"})

    assert frames.entitlements(engine).collect().rows() == [
        (
            *("E-1", "suite", "Suite", "Acme", "named_user", 25, date(2026, 1, 1), date(2027, 1, 1)),
            *(123_450, "EUR", "C-77", date(2026, 10, 1), 1, "exact_sweep", 5, date(2026, 12, 1)),
        )
    ]
    assert frames.use_rights(engine).collect().rows() == [
        ("E-1", "2026", 2, None, ["BER"], False, None, None, None)
    ]
    assert frames.entitlement_applications(engine).collect().rows() == [("E-1", "draw")]
    assert frames.assignments(engine).collect().rows() == [
        ("E-1", _pseudonym(engine, "P", 2), 2, None, None, date(2026, 1, 1), None, 1),
        ("E-1", None, None, _pseudonym(engine, "H", 1), 1, date(2026, 1, 1), date(2026, 2, 1), 2),
    ]


def test_a_vendor_s_counts_are_of_a_product_and_a_stretch_of_time(both_engines: Engine) -> None:
    _organization(both_engines)
    counted = {"product_id": 1, "source": "portal", "unit": "user_days", "count": 12, "received_ms": MS}
    _rows(both_engines, "vendor_count", {**counted, "start_ms": MS, "end_ms": MS + 30 * MINUTE})
    assert frames.vendor_counts(both_engines).collect().rows() == [
        ("suite", "portal", "user_days", NINE, NINE + timedelta(minutes=30), 12, NINE)
    ]


# --- Projects, rates, runs ---------------------------------------------------------------------------------


def _projects(engine: Engine) -> None:
    _organization(engine)
    _rows(engine, "client", {"id": 1, "code": "007", "name": "Bond"})
    dates = {"opened_on": "2026-01-01", "closed_on": "2027-01-01"}
    _rows(
        engine,
        "project",
        {
            "id": 1,
            "number": "0042",
            "name": "Bridge",
            "client_id": 1,
            "office_id": 1,
            "currency": "EUR",
            **dates,
        },
        {
            "id": 2,
            "number": "ADMIN",
            "name": "Office",
            "cost_center_id": 1,
            "currency": "EUR",
            "chargeable": False,
        },
    )
    _rows(engine, "phase", {"id": 1, "project_id": 1, "number": "01", "name": "Design"})
    _rows(engine, "task", {"id": 1, "phase_id": 1, "number": "001", "name": "Sketch"})


def test_projects_phases_and_tasks_keep_their_zeros(both_engines: Engine) -> None:
    _projects(both_engines)
    opened, closed = date(2026, 1, 1), date(2027, 1, 1)
    assert frames.projects(both_engines).collect().rows() == [
        ("0042", 1, "Bridge", "007", "Bond", None, "BER", "EUR", None, True, opened, closed,
         "project", None, None, None),
        ("ADMIN", 2, "Office", None, None, "4711", None, "EUR", None, False, None, None,
         "project", None, None, None),
    ]  # fmt: skip
    assert frames.phases(both_engines).collect().rows() == [("0042", "01", 1, "Design", True, None, None)]
    assert frames.tasks(both_engines).collect().rows() == [("0042", "01", "001", 1, "Sketch")]


def test_project_entries_come_with_the_sessions_of_the_window(engine: Engine) -> None:
    _projects(engine)
    _session(engine, 1)
    _session(engine, 2, started_ms=MS - 10, ended_ms=MS)
    entry = {
        "from_ms": MS,
        "project_number": "no such",
        "author": "ada",
        "reason": "typed",
        "created_ms": MS + 1,
    }
    _rows(
        engine,
        "project_entry",
        {
            **entry,
            "session_id": 1,
            "instance": 4711,
            "to_ms": MS + 5,
            "phase_number": "01",
            "task_number": "001",
        },
        {**entry, "session_id": 2},
        {**entry, "session_id": 1},
    )
    found = frames.project_entries(engine, NINE, JULY).collect()
    assert "ada" not in str(found.rows())
    assert found.select("entry", "session", "instance", "project", "phase", "task", "fields").rows() == [
        (1, 1, 4711, "no such", "01", "001", "{}"),
        (3, 1, None, "no such", None, None, "{}"),
    ]
    assert found.select(pl.col("start", "end", "created").to_physical()).rows() == [
        (MS, MS + 5, MS + 1),
        (MS, None, MS + 1),
    ]


def _rate(engine: Engine) -> None:
    rate = {
        "id": 1,
        "project_id": 1,
        "application_id": 1,
        "rate_scaled": 125_000,
        "currency": "EUR",
        "valid_from_on": "2026-01-01",
        "increment_ms": 900_000,
        "direction": "up",
        "level": "line",
        "author": "eva",
        "created_ms": 1,
        "cost_rate_scaled": 80_000,
        "daily_cap_minor": 4_000,
        "tier_kind": "graduated",
        "tiers": [[180_000_000, 90_000]],
    }
    _rows(engine, "rate", rate)


def test_rates_name_their_scope(both_engines: Engine) -> None:
    _projects(both_engines)
    _rate(both_engines)
    scope = (1, None, "0042", None, "draw")
    found = frames.rates(both_engines).collect()
    assert found.drop("tiers").rows() == [
        (*scope, 125_000, "EUR", date(2026, 1, 1), None, 900_000, "up", "line", "eva", 80_000, 0, 4_000, None,
         "graduated", None, 0)
    ]  # fmt: skip
    assert json.loads(found["tiers"][0]) == [[180_000_000, 90_000]]


def test_conversions_hold_from_their_day(engine: Engine) -> None:
    row = {"from_currency": "USD", "to_currency": "EUR", "from_on": "2026-01-01",
           "factor_scaled": 92_345_678, "author": "eva", "created_ms": 1}  # fmt: skip
    _rows(engine, "conversion_rate", {"id": 4, **row})
    assert frames.conversions(engine).collect().rows() == [
        (4, "USD", "EUR", date(2026, 1, 1), 92_345_678, "eva")
    ]


def test_runs_and_charge_lines(engine: Engine) -> None:
    _projects(engine)
    _rate(engine)
    _rows(
        engine,
        "fiscal_period",
        {"id": 1, "name": "2026-06", "starts_on": "2026-06-01", "ends_on": "2026-07-01"},
    )
    _rows(engine, "policy", {"id": 1, "name": "billing", "purpose": "billing"})
    version = {"id": 1, "policy_id": 1, "version": 4, "created_ms": 1, "created_by": "eva", "document": {}}
    _rows(engine, "policy_version", version)
    run = {
        "fiscal_period_id": 1,
        "status": "draft",
        "target": "generic",
        "quantum_per_hour": 1000,
        "overlap_policy": "union",
        "cut_off_ms": MS,
        "policy_version_id": 1,
        "prepared_by": "ada",
        "prepared_ms": MS,
        "input_digest": "d",
        "totals": {"billed_ms": 5},
    }
    _rows(
        engine,
        "billing_run",
        {**run, "id": 1, "number": "2026-06/1"},
        {**run, "id": 2, "number": "2026-06/2"},
    )
    line = {
        "billing_run_id": 1,
        "kind": "usage",
        "day_on": "2026-06-15",
        "person_id": 1,
        "application_id": 1,
        "office_id": 2,
        "project_id": 1,
        "phase_id": 1,
        "task_id": 1,
        "rate_id": 1,
        "active_ms": 3_600_000,
        "pause_ms": 1,
        "buffer_ms": 2,
        "quantity": 1_000,
        "rate_scaled": 125_000,
        "currency": "EUR",
        "amount_minor": 1_250,
        "session_count": 1,
        "fiscal_period_id": 1,
    }
    _rows(
        engine,
        "charge_line",
        {**line, "id": 1, "line_number": 2},
        {**line, "id": 2, "line_number": 1, "rate_id": None, "billable": False, "note": "=cmd"},
        {**line, "id": 3, "line_number": 1, "billing_run_id": 2},
    )
    act = {"charge_line_id": 1, "actor": "pm", "reason": "r", "at_ms": 1}
    _rows(engine, "line_review", {**act, "action": "dispute"}, {**act, "action": "accept"})

    lines = frames.charge_lines(engine, "2026-06/1")
    assert lines.collect_schema() == pl.Schema(frames.CHARGE_LINES)
    assert lines.collect().rows()[1] == (
        *("2026-06/1", 2, "usage", date(2026, 6, 15), _pseudonym(engine, "P", 1), 1, "draw", "NYC", "007"),
        *(
            "0042",
            "Bridge",
            "01",
            "001",
            1,
            True,
            3_600_000,
            1,
            2,
            1_000,
            1_000,
            125_000,
            "EUR",
            1_250,
            None,
            1,
        ),
        *("2026-06", "accept", None, "hour", None, None, None),
    )
    assert lines.select("line", "rate_id", "billable", "review", "note").collect().rows()[0] == (
        *(1, None, False, None, "=cmd"),
    )
    assert frames.charge_lines(engine).collect()["run"].to_list() == ["2026-06/1"] * 2 + ["2026-06/2"]
    found = frames.runs(engine).collect().row(0, named=True)
    assert {**found, "totals": json.loads(found["totals"])} == {
        "run": "2026-06/1",
        "run_id": 1,
        "period": "2026-06",
        "status": "draft",
        "target": "generic",
        "quantum_per_hour": 1_000,
        "overlap_policy": "union",
        "policy_version": 4,
        "cut_off": NINE,
        "prepared_by": "ada",
        "prepared": NINE,
        "approved_by": None,
        "approved": None,
        "closed_by": None,
        "closed": None,
        "input_digest": "d",
        "previous_digest": None,
        "digest": None,
        "totals": {"billed_ms": 5},
    }


# --- Types -------------------------------------------------------------------------------------------------


def test_an_empty_warehouse_gives_empty_frames_of_the_declared_types(both_engines: Engine) -> None:
    windowed = {"segments", "sessions", "watches", "project_entries", "use_hours", "demand_hours", "denials"}
    named = [name for name in frames.__all__ if name.isupper()]
    assert len(named) == 34
    for name in named:
        function = getattr(frames, name.lower())
        found = function(both_engines, JUNE, JULY) if name.lower() in windowed else function(both_engines)
        assert found.collect_schema() == pl.Schema(getattr(frames, name))
        assert found.collect().height == 0


def test_a_window_rounds_outward_to_whole_milliseconds() -> None:
    start = datetime(1970, 1, 1, 0, 0, 0, 1_999, tzinfo=UTC)
    end = datetime(1970, 1, 1, 0, 0, 0, 5_001, tzinfo=UTC)
    assert reading.window_ms(start, end) == {"start_ms": 1, "end_ms": 6}
