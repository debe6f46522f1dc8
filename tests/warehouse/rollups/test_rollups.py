"""Hourly use and demand from literal evidence, and what makes them be derived again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import Any

import landed_evidence as rig
import polars as pl
import pytest
import sqlalchemy as sa
from landed_evidence import HOUR, MINUTE, Part, at
from sqlalchemy import Engine

from warehouse import frames, landing, rollups, schema, store
from warehouse.evidence import ProjectEntryRow, add_project_entries

DAY = datetime(2026, 10, 5, tzinfo=UTC), datetime(2026, 10, 6, tzinfo=UTC)


@pytest.fixture
def filled(engine: Engine) -> Engine:
    rig.fill(engine)
    return engine


def uses(engine: Engine, *columns: str) -> list[tuple[Any, ...]]:
    """Rows of use by hour of the day and session, in minutes."""
    rows = frames.use_hours(engine, *DAY).with_columns(pl.col("hour").dt.hour(), pl.col("^.*_ms$") // MINUTE)
    return rows.select("hour", "session", *columns).collect().rows()


def demand(engine: Engine, key: str = "user", basis: str = "run", application: str = "cad") -> list[Any]:
    """Rows of hour of the day, peak, minute of the day at which it was reached, minutes at each level."""
    rows = frames.demand_hours(engine, *DAY).filter(key=key, basis=basis, application=application).collect()
    return [
        (
            row["hour"].hour,
            row["peak"],
            (row["peak_at"] - DAY[0]).total_seconds() / 60,
            {level["demand"]: level["ms"] / MINUTE for level in row["levels"]},
        )
        for row in rows.to_dicts()
    ]


def tables(engine: Engine) -> dict[str, list[Any]]:
    """Everything that is rolled up."""
    with engine.connect() as connection:
        return {
            table.name: [
                tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))
            ]
            for table in (schema.use_hour, schema.demand_hour)
        }


def test_use_lasting_over_the_hour_counts_in_both_and_peaks_at_the_start_of_the_second(
    filled: Engine,
) -> None:
    rig.whole(filled, 1, Part(30, 80))
    rig.whole(filled, 2, Part(50, 70), account_id=3)
    rollups.update(filled)
    assert demand(filled) == [
        (0, 2, 50, {0: 30, 1: 20, 2: 10}),
        (1, 2, 60, {0: 40, 1: 10, 2: 10}),
    ]
    assert uses(filled, "run_ms", "office") == [
        (0, 1, 30, "BER"), (0, 2, 10, "NYC"), (1, 1, 20, "BER"), (1, 2, 10, "NYC"),
    ]  # fmt: skip


def test_two_sessions_of_a_person_are_one_user_two_sessions_and_all_their_tokens(filled: Engine) -> None:
    rig.whole(filled, 1, Part(0, 20, units=3))
    rig.whole(filled, 2, Part(10, 30), account_id=2, host_id=2)
    rollups.update(filled)
    peaks = {
        key: demand(filled, key)[0][1:3] for key in ("user", "device", "user_device", "session", "token")
    }
    assert peaks == {
        "user": (1, 0),
        "device": (2, 10),
        "user_device": (2, 10),
        "session": (2, 10),
        "token": (8, 10),
    }
    assert demand(filled)[0][3] == {0: 30, 1: 30}
    assert uses(filled, "run_ms", "unit_ms") == [(0, 1, 20, 60), (0, 2, 20, 20)]


def test_one_remote_device_counts_once_whatever_the_hosts_behind_it(filled: Engine) -> None:
    for number in (1, 2):
        rig.whole(filled, number, Part(0, 30), host_id=number, client_device_id=1)
    rig.whole(filled, 3, Part(0, 30), host_id=1)
    rollups.update(filled)
    assert demand(filled, "device") == [(0, 2, 0, {0: 30, 2: 30})]


def test_an_account_of_nobody_counts_once_and_a_shared_one_session_by_session(filled: Engine) -> None:
    for number, account in ((1, 4), (2, 4), (3, 5), (4, 5)):
        rig.whole(filled, number, Part(0, 30), account_id=account)
    rollups.update(filled)
    assert demand(filled)[0][:2] == (0, 3)


def test_held_time_is_run_time_and_nothing_else(filled: Engine) -> None:
    rig.whole(filled, 1, Part(0, 45, "held"))
    rollups.update(filled)
    assert uses(filled, "run_ms", "held_ms", "active_ms") == [(0, 1, 45, 45, 0)]
    assert frames.demand_hours(filled, *DAY).collect()["basis"].unique().to_list() == ["run"]


def test_unknown_time_is_kept_as_such_and_demands_nothing(filled: Engine) -> None:
    rig.whole(filled, 1, Part(0, 45, "unobserved"), Part(45, 60, "suspended"))
    rollups.update(filled)
    assert uses(filled, "run_ms", "unknown_ms") == [(0, 1, 0, 45)]
    assert demand(filled) == []


def test_a_session_of_no_length_has_no_rows_and_an_open_one_counts_as_far_as_it_is_known(
    filled: Engine,
) -> None:
    rig.session(filled, 1, 10, 10)
    rig.session(filled, 2, 10, None)
    rig.arrive(filled, rig.segments(2, [Part(10, 25)]))
    rollups.update(filled)
    assert uses(filled, "run_ms") == [(0, 2, 15)]


def test_pause_and_idle_are_told_apart_on_whole_gaps(filled: Engine) -> None:
    rig.whole(filled, 1, Part(0, 50), Part(50, 70, "no_input"), Part(70, 75), Part(75, 80, "no_input"))
    rollups.update(filled)
    assert uses(filled, "run_ms", "active_ms", "pause_ms") == [(0, 1, 60, 50, 0), (1, 1, 20, 5, 5)]
    assert demand(filled, basis="busy") == [(0, 1, 0, {0: 10, 1: 50}), (1, 1, 70, {0: 50, 1: 10})]
    assert demand(filled, basis="active")[1] == (1, 1, 70, {0: 55, 1: 5})


def test_what_lands_after_midnight_can_turn_a_pause_of_the_day_before_idle(filled: Engine) -> None:
    midnight = 24 * 60
    parts = Part(midnight - 30, midnight - 10), Part(midnight - 10, midnight + 10, "no_input")
    rows = rig.segments(1, parts)
    rig.session(filled, 1, midnight - 30, None)
    rig.arrive(filled, [row for row in rows if row.start_ms < at(midnight)])
    rollups.update(filled)
    assert uses(filled, "run_ms", "pause_ms") == [(23, 1, 30, 10)]
    rig.arrive(filled, [row for row in rows if row.start_ms >= at(midnight)])
    rollups.update(filled)
    assert uses(filled, "run_ms", "pause_ms") == [(23, 1, 30, 0)]
    assert demand(filled, basis="busy") == [(23, 1, midnight - 30, {0: 40, 1: 20})]


def test_nothing_is_written_when_nothing_has_changed(filled: Engine) -> None:
    rig.whole(filled, 1, Part(0, 30))
    first = rollups.update(filled)
    assert (first.stretches, first.use_hours, first.demand_hours) == (1, 1, 15)
    assert rollups.update(filled) == rollups.RolledUp(through=1)


def test_an_empty_warehouse_has_nothing_to_roll_up(engine: Engine) -> None:
    assert rollups.update(engine) == rollups.RolledUp(through=0)
    assert frames.use_hours(engine, *DAY).collect().schema == frames.USE_HOURS
    assert frames.demand_hours(engine, *DAY).collect().schema == frames.DEMAND_HOURS


def test_a_new_day_leaves_the_days_before_alone(filled: Engine) -> None:
    rig.whole(filled, 1, Part(0, 30))
    rollups.update(filled)
    with store.writing(filled) as connection:
        connection.execute(schema.use_hour.update().values(run_ms=7))
    rig.whole(filled, 2, Part(24 * 60, 24 * 60 + 30))
    assert rollups.update(filled).use_hours == 1
    assert uses(filled, "run_ms") == [(0, 1, 0)]


def test_evidence_that_is_replaced_leaves_no_trace_in_hours_that_it_no_longer_reaches(filled: Engine) -> None:
    rig.whole(filled, 1, Part(0, 130))
    rig.whole(filled, 2, Part(60, 90), account_id=3)
    rollups.update(filled)
    rig.replace(filled, 1, Part(0, 30, "held"), application_id=2)
    rollups.update(filled)
    assert uses(filled, "run_ms", "application") == [(0, 1, 30, "bim"), (1, 2, 30, "cad")]
    assert demand(filled) == [(1, 1, 60, {0: 30, 1: 30})]
    assert demand(filled, application="bim") == [(0, 1, 0, {0: 30, 1: 30})]


def test_an_erased_session_is_missing_from_demand_too(filled: Engine) -> None:
    rig.whole(filled, 1, Part(0, 50))
    rig.whole(filled, 2, Part(10, 20), account_id=3)
    rollups.update(filled)
    rig.erase(filled, 1)
    rollups.update(filled)
    assert uses(filled, "run_ms") == [(0, 2, 10)]
    assert demand(filled) == [(0, 1, 10, {0: 50, 1: 10})]


def test_a_project_entry_divides_the_hour_and_its_correction_counts_instead(filled: Engine) -> None:
    rig.whole(filled, 1, Part(0, 60))
    rig.enter(filled, 1, "007", 20)
    rollups.update(filled)
    assert uses(filled, "project", "run_ms") == [(0, 1, None, 20), (0, 1, "007", 40)]
    rig.enter(filled, 1, "008", 50, 55)
    rollups.update(filled)
    assert uses(filled, "project", "run_ms") == [(0, 1, None, 20), (0, 1, "007", 35), (0, 1, "008", 5)]


def test_time_goes_to_the_project_of_the_instance_that_had_the_focus_last(filled: Engine) -> None:
    evening = -120
    parts = (
        Part(evening, evening + 20, instance=1),
        Part(evening + 20, evening + 40, instance=2),
        Part(evening + 40, 60, "background"),
    )
    rig.session(filled, 1, evening, 60)
    rig.enter(filled, 1, "one", evening, instance=1)
    rig.enter(filled, 1, "two", evening, instance=2)
    late = rig.segments(1, parts[1:2])
    rig.arrive(filled, [*rig.segments(1, parts[:1]), *rig.segments(1, parts[2:])])
    rollups.update(filled)
    assert uses(filled, "project", "run_ms") == [(0, 1, "one", 60)]
    rig.arrive(filled, late)
    rollups.update(filled)
    assert uses(filled, "project", "run_ms") == [(0, 1, "two", 60)]


def test_accounts_that_turn_out_to_be_one_person_count_once_from_the_start(filled: Engine) -> None:
    rig.whole(filled, 1, Part(0, 30))
    rig.whole(filled, 2, Part(0, 30), account_id=4)
    rollups.update(filled)
    assert demand(filled) == [(0, 2, 0, {0: 30, 2: 30})]
    with store.writing(filled) as connection:
        connection.execute(schema.account.update().where(schema.account.c.id == 4).values(person_id=1))
    rollups.update(filled)
    assert demand(filled) == [(0, 1, 0, {0: 30, 1: 30})]
    assert uses(filled, "office") == [(0, 1, "BER"), (0, 2, "BER")]


def test_a_person_who_moved_is_counted_where_the_session_started(filled: Engine) -> None:
    rig.whole(filled, 1, Part(0, 30))
    rollups.update(filled)
    with store.writing(filled) as connection:
        connection.execute(schema.placement.update().where(schema.placement.c.id == 1).values(office_id=2))
    rollups.update(filled)
    assert uses(filled, "office") == [(0, 1, "NYC")]


def test_another_policy_derives_anew_what_it_judges_otherwise_and_no_evidence_is_touched(
    filled: Engine,
) -> None:
    rig.whole(filled, 1, Part(0, 30), Part(30, 40, "no_input"))
    rig.whole(filled, 2, Part(0, 30), Part(30, 40, "no_input"), application_id=2)
    rollups.update(filled)
    assert uses(filled, "pause_ms") == [(0, 1, 10), (0, 2, 10)]
    document = {"default": {}, "applications": {"cad": {"idle_timeout_ms": 60_000}}}
    version = {
        "id": 1,
        "policy_id": 1,
        "version": 2,
        "created_ms": 0,
        "created_by": "me",
        "document": document,
    }
    rig.insert(filled, "policy_version", version)
    assert rollups.update(filled).use_hours == 1
    assert uses(filled, "pause_ms") == [(0, 1, 0), (0, 2, 10)]


def test_another_weight_makes_other_tokens(filled: Engine) -> None:
    rig.whole(filled, 1, Part(0, 30))
    rollups.update(filled)
    with store.writing(filled) as connection:
        connection.execute(schema.product.update().values(token_weight=5))
    rollups.update(filled)
    assert demand(filled, "token")[0][1] == 5


def test_a_session_of_many_weeks_is_whole_though_it_is_derived_month_by_month(filled: Engine) -> None:
    rig.whole(filled, 1, Part(0, 40 * 24 * 60, "held"))
    assert rollups.rebuild(filled).stretches == 2
    everything = (
        frames.demand_hours(filled, DAY[0], datetime(2026, 12, 1, tzinfo=UTC)).filter(key="user").collect()
    )
    assert everything.height == 40 * 24
    assert everything["levels"].unique().to_list() == [[{"demand": 0, "ms": 0}, {"demand": 1, "ms": HOUR}]]


def test_landings_that_were_forgotten_before_they_were_taken_in_make_all_be_derived_anew(
    filled: Engine,
) -> None:
    rig.whole(filled, 1, Part(0, 30))
    rollups.update(filled)
    rig.whole(filled, 2, Part(60, 90))
    with store.writing(filled) as connection:
        landing.forget(connection, landing.newest(filled), 2**62)
    rollups.update(filled)
    assert uses(filled, "run_ms") == [(0, 1, 30), (1, 2, 30)]
    assert rollups.update(filled) == rollups.RolledUp(through=2)


def test_an_update_that_breaks_off_is_made_good_by_the_next_one(filled: Engine) -> None:
    rig.whole(filled, 1, Part(0, 30))
    rollups.update(filled)
    rig.erase(filled, 1)
    rig.whole(filled, 2, Part(0, 40))
    rig.whole(filled, 3, Part(5 * 24 * 60, 5 * 24 * 60 + 30))
    with store.writing(filled) as connection:
        connection.exec_driver_sql(
            f"CREATE TRIGGER full BEFORE INSERT ON demand_hour WHEN NEW.hour_ms > {at(24 * 60)} "
            "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    with pytest.raises(store.WarehouseProblem, match="disk full"):
        rollups.update(filled)
    assert uses(filled, "run_ms") == [(0, 2, 40)]
    with store.writing(filled) as connection:
        connection.exec_driver_sql("DROP TRIGGER full")
    rollups.update(filled)
    kept = tables(filled)
    assert len(kept["use_hour"]) == 2
    rollups.rebuild(filled)
    assert tables(filled) == kept


def test_of_two_updates_at_once_the_later_one_does_the_work(filled: Engine) -> None:
    rig.whole(filled, 1, Part(0, 30))
    rig.whole(filled, 2, Part(5 * 24 * 60, 5 * 24 * 60 + 30))
    with store.writing(filled) as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER other AFTER INSERT ON use_hour "
            "BEGIN UPDATE mark SET value = 'another' WHERE name = 'rolled_up_by'; END"
        )
    assert rollups.update(filled).is_overtaken
    with store.writing(filled) as connection:
        connection.exec_driver_sql("DROP TRIGGER other")
    assert rollups.update(filled).use_hours == 2


def test_both_databases_roll_up_alike(both_engines: Engine) -> None:
    rig.fill(both_engines)
    rig.whole(both_engines, 1, Part(30, 90, units=2))
    rig.whole(both_engines, 2, Part(50, 130, "held"), account_id=3)
    rig.whole(both_engines, 3, Part(50, 60), account_id=4)
    rig.enter(both_engines, 1, "007", 40)
    rollups.update(both_engines)
    rig.erase(both_engines, 3)
    rig.replace(both_engines, 2, Part(50, 70, "held"))
    with store.writing(both_engines) as connection:
        connection.execute(schema.placement.update().where(schema.placement.c.id == 1).values(office_id=2))
    assert rollups.update(both_engines).use_hours == 5
    assert uses(both_engines, "project", "run_ms", "office") == [
        (0, 1, None, 10, "NYC"), (0, 1, "007", 20, "NYC"), (0, 2, None, 10, "NYC"),
        (1, 1, "007", 30, "NYC"), (1, 2, None, 10, "NYC"),
    ]  # fmt: skip
    assert demand(both_engines) == [(0, 2, 50, {0: 30, 1: 20, 2: 10}), (1, 2, 60, {0: 30, 1: 20, 2: 10})]
    kept = tables(both_engines)
    rollups.rebuild(both_engines)
    assert tables(both_engines) == kept


def test_a_project_entry_that_is_seen_after_a_later_one_is_taken_in(postgres_engine: Engine) -> None:
    rig.fill(postgres_engine)
    for number in (1, 2):
        rig.whole(postgres_engine, number, Part(0, 30))
    rollups.update(postgres_engine)
    with ThreadPoolExecutor(1) as another:
        with store.writing(postgres_engine) as slow:
            add_project_entries(slow, [_entry(1, "first")])
            rig.enter(postgres_engine, 2, "second", 0)
            update = another.submit(rollups.update, postgres_engine)
            assert not wait([update], timeout=0.5).done
        update.result()
    assert uses(postgres_engine, "project") == [(0, 1, "first"), (0, 2, "second")]


def _entry(number: int, project: str) -> ProjectEntryRow:
    return ProjectEntryRow(number, None, at(0), None, project, None, None, "{}", "me", "", 0)
