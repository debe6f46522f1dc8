"""The sample organization obeys the rules of evidence, is the same every time, and has its stories."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import get_args

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from collector import protocol
from collector.manager import policies as manager_policies
from pipelines.sample import calendars, organization, policies, segments, stories
from pipelines.sample.evidence import Evidence, collect
from pipelines.sample.load import load
from pipelines.sample.people import Person, people
from pipelines.sample.plan import DAY_MS, HOUR_MS, QUARTER_MS, Plan, add_months, instant_ms
from pipelines.sample.products import APPLICATION_ID, SOLVER
from warehouse import frames, schema
from warehouse.directory.accounts import ensure_account
from warehouse.errors import Problem
from warehouse.metrics import concurrency
from warehouse.metrics.states import Policy, states
from warehouse.projects import Master
from warehouse.store import open_warehouse, writing

TODAY = date(2026, 11, 24)
NOON = instant_ms(TODAY) + 15 * HOUR_MS
TINY = {"people": 7, "months": 1, "earlier_months": 0}
SMALL = Plan(today=TODAY, until_ms=NOON, people=40, months=3, earlier_months=1)


def _segments(evidence: Evidence) -> pl.DataFrame:
    return pl.concat(evidence.segments())


@pytest.fixture(scope="module")
def small() -> Evidence:
    return collect(SMALL, people(SMALL))


@pytest.fixture(scope="module")
def small_segments(small: Evidence) -> pl.DataFrame:
    return _segments(small)


@pytest.fixture(scope="module")
def staff() -> list[Person]:
    return people(SMALL)


# --- The rules of evidence ---------------------------------------------------------------------------------


def _violations(sessions: pl.DataFrame, rows: pl.DataFrame, horizon_ms: int) -> dict[str, int]:
    """Count what no evidence may contain, by the sentence that it breaks."""
    owned = rows.join(
        sessions.select("id", "account_id", "host_id", "application_id"), left_on="session_id", right_on="id"
    )
    same = pl.col("session_id") == pl.col("session_id").shift(1)
    before = {name: pl.col(name).shift(1) for name in ("end_ms", "since_ms", "attention")}
    typed = pl.col("attention") == segments.INPUT
    edges = (
        rows.group_by("session_id")
        .agg(pl.col("start_ms").min(), pl.col("end_ms").max())
        .join(sessions, left_on="session_id", right_on="id", how="full", coalesce=True)
    )
    long = pl.col("ended_ms").is_null() | (pl.col("ended_ms") > pl.col("started_ms"))
    focused = owned.filter(pl.col("attention") <= segments.NO_INPUT).sort("account_id", "start_ms")
    lives = sessions.sort("account_id", "host_id", "application_id", "started_ms")
    again = pl.all_horizontal(
        pl.col(name) == pl.col(name).shift(1) for name in ("account_id", "host_id", "application_id")
    )
    found = {
        "a segment has a length": rows.filter(pl.col("end_ms") <= pl.col("start_ms")),
        "a segment lies inside a UTC quarter": rows.filter(
            pl.col("start_ms") // QUARTER_MS != (pl.col("end_ms") - 1) // QUARTER_MS
        ),
        "segments leave no hole and do not overlap": rows.filter(
            same & (pl.col("start_ms") != before["end_ms"])
        ),
        "the first segment starts with its session": edges.filter(pl.col("start_ms") != pl.col("started_ms")),
        "the last segment ends with its session": edges.filter(pl.col("end_ms") != pl.col("ended_ms")),
        "a session with a length has segments": edges.filter(long & pl.col("start_ms").is_null()),
        "a segment has a session": edges.filter(pl.col("key").is_null()),
        "a session ends after it starts": sessions.filter(pl.col("ended_ms") < pl.col("started_ms")),
        "since is at the start or before it": rows.filter(pl.col("since_ms") > pl.col("start_ms")),
        "since never moves back": rows.filter(same & (pl.col("since_ms") < before["since_ms"])),
        "since is not before the session": owned.filter(
            pl.col("since_ms") < pl.col("start_ms").first().over("session_id")
        ),
        "no input starts at the last input": rows.filter(
            same
            & (pl.col("attention") == segments.NO_INPUT)
            & (before["attention"] == segments.INPUT)
            & (pl.col("since_ms") != pl.col("start_ms"))
        ),
        "without new input since stays, but for a lone key stroke": rows.filter(
            same
            & ~typed
            & (before["attention"] != segments.INPUT)
            & (before["attention"] != segments.UNOBSERVED)
            & (pl.col("since_ms") != before["since_ms"])
            & (pl.col("since_ms") != pl.col("start_ms"))
        ),
        "a person's focus is in one place": focused.filter(
            (pl.col("account_id") == pl.col("account_id").shift(1))
            & (pl.col("start_ms") < pl.col("end_ms").shift(1))
        ),
        "one account has one session of an application on a host": lives.filter(
            again & (pl.col("started_ms") < pl.col("ended_ms").shift(1).fill_null(horizon_ms))
        ),
        "only the focus has an instance": rows.filter(
            pl.col("instance").is_not_null() != (pl.col("attention") <= segments.NO_INPUT)
        ),
        "nothing arrives before its end or after today": rows.filter(
            (pl.col("received_ms") < pl.col("end_ms")) | (pl.col("received_ms") > horizon_ms)
        ),
    }
    return {sentence: broken.height for sentence, broken in found.items() if broken.height}


def test_small_evidence_breaks_no_rule(small: Evidence, small_segments: pl.DataFrame) -> None:
    assert _violations(small.sessions, small_segments, SMALL.horizon_ms) == {}


@given(
    seed=st.integers(0, 10_000),
    today=st.dates(date(2024, 3, 1), date(2028, 3, 1)),
    hour=st.integers(0, 23),
)
def test_no_seed_day_or_hour_breaks_a_rule(seed: int, today: date, hour: int) -> None:
    plan = Plan(today=today, until_ms=instant_ms(today) + hour * HOUR_MS, seed=seed, **TINY)
    made = collect(plan, people(plan))
    assert _violations(made.sessions, _segments(made), plan.horizon_ms) == {}


def test_watch_intervals_of_a_host_do_not_overlap_and_leave_out_what_is_unobserved(
    small: Evidence, small_segments: pl.DataFrame
) -> None:
    watched = small.watch_intervals
    overlapping = watched.filter(
        (pl.col("host_id") == pl.col("host_id").shift(1)) & (pl.col("start_ms") < pl.col("end_ms").shift(1))
    )
    assert overlapping.is_empty()
    hosts = small.sessions.select("id", "host_id")
    blind = small_segments.filter(pl.col("attention") == segments.UNOBSERVED).join(
        hosts, left_on="session_id", right_on="id"
    )
    assert blind.height > 5
    both = blind.join(watched, on="host_id").filter(
        pl.max_horizontal("start_ms", "start_ms_right") < pl.min_horizontal("end_ms", "end_ms_right")
    )
    assert both.is_empty()


def test_attention_words_stand_where_the_warehouse_has_them() -> None:
    words = [getattr(segments, word.upper()) for word in schema.ATTENTIONS]
    assert words == list(range(8))
    assert get_args(protocol.Attention) == schema.ATTENTIONS


def test_run_busy_and_idle_time_of_the_sample_add_up(engine: Engine) -> None:
    plan = Plan(today=TODAY, **TINY)
    load(engine, plan)
    start, end = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC)
    stated = states(frames.segments(engine, start, end), frames.policy(engine, "license"), end).collect()
    length = stated.select((pl.col("end") - pl.col("start")).dt.total_milliseconds().sum()).item()
    sessions = frames.sessions(engine, start, end).collect()
    lived = sessions.join(stated.group_by("session").agg(pl.col("end").max().alias("last")), on="session")
    assert length == lived.select((pl.col("last") - pl.col("started")).dt.total_milliseconds().sum()).item()
    assert stated["state"].null_count() == 0


# --- The same every time -----------------------------------------------------------------------------------


def test_same_plan_gives_the_same_rows() -> None:
    plan = Plan(today=TODAY, **TINY)
    first, second = (collect(plan, people(plan)) for _ in range(2))
    assert first.sessions.equals(second.sessions)
    assert first.watch_intervals.equals(second.watch_intervals)
    assert first.project_entries.equals(second.project_entries)
    assert _segments(first).equals(_segments(second))


def test_another_seed_gives_another_year() -> None:
    plan, other = Plan(today=TODAY, **TINY), Plan(today=TODAY, seed=7, **TINY)
    assert not collect(plan, people(plan)).sessions.equals(collect(other, people(other)).sessions)


def test_a_later_hour_of_the_day_adds_evidence_and_changes_none() -> None:
    morning, evening = (
        Plan(today=TODAY, until_ms=instant_ms(TODAY) + hour * HOUR_MS, **TINY) for hour in (8, 20)
    )
    early, late = (collect(plan, people(plan)) for plan in (morning, evening))
    assert late.sessions.height > early.sessions.height
    known = early.sessions.filter(pl.col("ended_ms").is_not_null())
    columns = ["application_id", "account_id", "started_ms", "ended_ms"]
    assert known.join(late.sessions, on=columns, how="anti").is_empty()


# --- Stories -----------------------------------------------------------------------------------------------


def test_solver_computes_overnight_behind_a_locked_screen(
    small: Evidence, small_segments: pl.DataFrame
) -> None:
    runs = small.sessions.filter(pl.col("application_id") == APPLICATION_ID[SOLVER])
    behind_lock = small_segments.filter(
        pl.col("session_id").is_in(runs["id"].implode()), pl.col("attention") == segments.LOCKED
    )
    nightly = behind_lock.group_by("session_id").agg(
        (pl.col("end_ms") - pl.col("start_ms")).sum().alias("ms")
    )
    assert nightly.filter(pl.col("ms") > 5 * HOUR_MS).height > 10
    assert behind_lock["cpu_percent"].min() > 50


def test_laptop_away_delivers_after_the_bill_of_its_month_was_closed(
    small: Evidence, small_segments: pl.DataFrame, staff: list[Person]
) -> None:
    away = next(a for a in stories.absences(SMALL, staff) if a.delivered)
    assert (away.first, away.delivered) == (date(2026, 9, 8), date(2026, 10, 12))
    late = small_segments.filter(pl.col("received_ms") - pl.col("end_ms") > 5 * DAY_MS)
    whose = small.sessions.filter(pl.col("id").is_in(late["session_id"].unique().implode()))
    assert whose["account_id"].unique().to_list() == [away.person]
    assert late.height > 200
    assert late["received_ms"].min() >= instant_ms(date(2026, 10, 12))
    assert late["end_ms"].max() < instant_ms(date(2026, 10, 2))


def test_laptop_still_away_has_not_been_heard_for_weeks(small: Evidence, staff: list[Person]) -> None:
    away = next(a for a in stories.absences(SMALL, staff) if a.delivered is None)
    watched = small.watch_intervals.filter(pl.col("host_id") == away.person)
    assert 36 * DAY_MS < NOON - watched["end_ms"].max() < 50 * DAY_MS


def test_one_machine_of_the_directory_was_never_heard_from(small: Evidence, staff: list[Person]) -> None:
    silent = organization.host_ids(SMALL, staff)[organization.SILENT_HOST]
    assert silent not in small.watch_intervals["host_id"]
    assert silent not in small.sessions["host_id"]


def test_some_launches_end_at_once_and_have_no_segment(small: Evidence, small_segments: pl.DataFrame) -> None:
    failed = small.sessions.filter(pl.col("started_ms") == pl.col("ended_ms"))
    assert failed.height > 10
    assert failed.join(small_segments, left_on="id", right_on="session_id").is_empty()


def test_sessions_are_open_in_the_offices_that_work_now(small: Evidence) -> None:
    # 15:00 in London is 10:00 in Boston; elsewhere somebody may have left a program open for the night.
    still = small.sessions.filter(pl.col("ended_ms").is_null())
    zones = set(still["zone"])
    assert {"America/New_York", "Europe/London"} <= zones


def test_a_contractor_works_under_two_accounts(small: Evidence, staff: list[Person]) -> None:
    everyone = Plan(today=TODAY)
    contractors = [p for p in people(everyone) if p.contractor]
    assert len(contractors) == 10
    names = organization.accounts(contractors).filter(pl.col("person_id") == contractors[0].id)["name"]
    assert [name.split("\\")[0] for name in names] == ["meridian", "partner"]


def test_the_terminal_server_is_used_from_a_client_device(
    small: Evidence, small_segments: pl.DataFrame
) -> None:
    remote = small.sessions.filter(pl.col("client_device_id").is_not_null())
    assert remote.height > 20
    seen = small_segments.filter(pl.col("session_id").is_in(remote["id"].implode()))["attention"]
    assert set(seen) == {segments.INPUT, segments.NO_INPUT, segments.DISCONNECTED}


def test_most_billed_time_has_a_valid_project(engine: Engine) -> None:
    plan = Plan(today=TODAY, people=40, months=4, earlier_months=0)
    load(engine, plan)
    start, end = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC)
    said = frames.project_entries(engine, start, end).collect()
    billed = frames.applications(engine).filter("billed").collect()["application"]
    sessions = frames.sessions(engine, start, end).collect()
    sessions = sessions.filter(
        pl.col("application").is_in(billed.implode()),
        pl.col("person").is_not_null(),
        pl.col("started") != pl.col("ended"),
    )
    assert 0.93 < said["session"].n_unique() / sessions.height < 0.96
    master = Master.of(*(frame(engine).collect() for frame in (frames.projects, frames.phases, frames.tasks)))
    unknown = said.filter(~pl.col("project").is_in(list(master.projects)))
    assert 0.003 < unknown.height / said.height < 0.012
    closed = said.join(frames.projects(engine).collect(), on="project").filter(
        pl.col("start").dt.date() >= pl.col("closed_on")
    )
    assert 0.004 < closed.height / said.height < 0.02


# --- In the warehouse --------------------------------------------------------------------------------------


def test_sample_loads_and_leaves_room_for_more(both_urls: str) -> None:
    engine = open_warehouse(both_urls)
    plan = Plan(today=TODAY, **TINY)
    steps: list[float] = []
    loaded = load(engine, plan, lambda _step, share: steps.append(share))
    assert loaded.segments > 10_000
    assert (steps[0], steps[-1], steps) == (0.0, 1.0, sorted(steps))
    assert (
        frames.sessions(engine, datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
        .collect()
        .height
        > 500
    )
    with writing(engine) as connection:
        assert ensure_account(connection, "new\\account") > frames.people(engine).collect().height
    assert frames.organization(engine)["name"] == "Meridian Engineering"
    assert manager_policies.collection_policy(engine).applications[0].code == "draftline-cad"
    engine.dispose()


def test_a_sample_is_not_loaded_twice(engine: Engine) -> None:
    plan = Plan(today=TODAY, **TINY)
    load(engine, plan)
    with pytest.raises(Problem, match="organization"):
        load(engine, plan)


def test_the_suite_is_over_bought_and_the_hydraulics_are_short(engine: Engine) -> None:
    plan = Plan(today=TODAY, months=1, earlier_months=0)
    load(engine, plan)
    start, end = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC)
    sessions = frames.sessions(engine, start, end)
    stated = states(frames.segments(engine, start, end), frames.policy(engine, "license"))
    owned = dict(
        frames.entitlements(engine)
        .filter(pl.col("valid_from") <= TODAY, pl.col("valid_to") > TODAY)
        .select("product", "quantity")
        .collect()
        .iter_rows()
    )
    peaks = concurrency.peak(
        concurrency.intervals(stated, sessions, "user", "run", start, end, group="product")
    ).collect()
    need = dict(peaks.select("product", "peak").iter_rows())
    assert need["draftline-suite"] < 0.8 * owned["draftline-suite"]
    assert need["culvert"] > owned["culvert"]
    assert set(frames.denials(engine, start, end).collect()["application"]) == {"culvert"}
    assert set(frames.capacity_readings(engine).collect()["issued"]) == {owned["culvert"]}


# --- Data that is written by hand --------------------------------------------------------------------------


def test_license_and_billing_policies_are_documents_the_metrics_read() -> None:
    for document in (policies.LICENSE_POLICY, policies.BILLING_POLICY):
        assert (
            Policy.from_document(1, document, gap_floor_ms=60_000).applications[SOLVER].signal == "input+cpu"
        )


@pytest.mark.parametrize(
    ("country", "name", "day"),
    [
        ("US", "Thanksgiving", date(2026, 11, 26)),
        ("US", "Independence Day", date(2026, 7, 6)),
        ("US", "Memorial Day", date(2026, 5, 25)),
        ("GB", "Good Friday", date(2026, 4, 3)),
        ("GB", "Summer bank holiday", date(2026, 8, 31)),
        ("DE", "Fronleichnam", date(2026, 6, 4)),
        ("IN", "Diwali", date(2026, 11, 9)),
        ("AU", "King's Birthday", date(2026, 6, 8)),
    ],
)
def test_holidays_fall_on_their_days(country: str, name: str, day: date) -> None:
    assert dict(calendars.HOLIDAYS[country])[name](2026) == day


def test_fiscal_periods_are_months_without_a_hole_up_to_the_next_one() -> None:
    periods = calendars.fiscal_periods(Plan(today=TODAY))
    assert periods.height == 38
    assert periods["name"][-1] == "2026-12"
    assert periods["ends_on"][:-1].to_list() == periods["starts_on"][1:].to_list()


def test_months_are_counted_over_the_turn_of_the_year() -> None:
    assert add_months(date(2026, 1, 1), -2) == date(2025, 11, 1)
    assert add_months(date(2026, 11, 1), 2) == date(2027, 1, 1)


def test_account_names_are_unique() -> None:
    names = organization.accounts(people(Plan(today=TODAY)))["name"]
    assert names.n_unique() == names.len()
