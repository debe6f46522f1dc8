"""What is due: cron texts on days on which the clock is set, fiscal periods, what was missed, what failed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.schedule import (
    AfterPeriod,
    Calendar,
    CatchUp,
    Cron,
    FiscalPeriod,
    Job,
    Missed,
    Report,
    Skip,
    Upkeep,
    When,
    Work,
    check_cron,
    days_of,
    filled_in,
    missed,
    moments,
    ms,
    next_moment,
    period_of,
    plan,
    retry_ms,
)
from warehouse.errors import Problem
from warehouse.job_runs import JobRun

BERLIN = Calendar(ZoneInfo("Europe/Berlin"))
MINUTE = 60_000


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due(text: str, start: str, end: str, calendar: Calendar = BERLIN) -> list[str]:
    found = moments(Cron(text), calendar, at(start), at(end))
    return [f"{moment:%d %H:%M}" for moment in found]


# --- Moments -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        # The night of 29 March has no 02:30: the first minute after the step stands for it.
        ("30 2 * * *", "2026-03-28", ["28 01:30", "29 01:00", "30 00:30"]),
        ("45 1 * * *", "2026-03-28", ["28 00:45", "29 00:45", "29 23:45", "30 23:45"]),
        # That of 25 October has two: the first one counts.
        ("30 2 * * *", "2026-10-24", ["24 00:30", "25 00:30", "26 01:30"]),
        ("0 3 * * *", "2026-10-24", ["24 01:00", "25 02:00", "26 02:00"]),
        # Every hour is every hour of real time.
        ("0 */12 * * *", "2026-10-24",
         ["24 10:00", "24 22:00", "25 11:00", "25 23:00", "26 11:00", "26 23:00"]),
        ("0 6 * * mon", "2026-10-24", ["26 05:00"]),
    ],
)  # fmt: skip
def test_a_job_at_a_told_time_runs_once_on_each_day_also_when_the_clock_is_set(
    text: str, start: str, expected: list[str]
) -> None:
    end = (at(start) + timedelta(days=3)).isoformat()[:10]
    assert due(text, start, end) == expected


@pytest.mark.parametrize("minutes", range(0, 240, 15))
def test_a_look_in_the_midst_of_the_hour_that_comes_twice_finds_it_no_second_time(minutes: int) -> None:
    look = at("2026-10-24 23:00") + timedelta(minutes=minutes)
    before = list(moments(Cron("30 2 * * *"), BERLIN, at("2026-10-24 12:00"), look))
    after = list(moments(Cron("30 2 * * *"), BERLIN, look, at("2026-10-25 12:00")))
    assert [*before, *after] == [at("2026-10-25 00:30")]


@example("Europe/Berlin", 1_791_000_000, [3 * 86_400])
@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
    st.integers(1_735_000_000, 1_798_000_000),
    st.lists(st.integers(1, 5 * 86_400), min_size=1, max_size=8),
)
def test_however_often_one_looks_every_local_day_has_its_moment_once(
    zone: str, begin: int, steps: list[int]
) -> None:
    calendar = Calendar(ZoneInfo(zone))
    looks = [datetime.fromtimestamp(begin, UTC)]
    for step in steps:
        looks.append(looks[-1] + timedelta(seconds=step))
    found = [
        moment
        for start, end in pairwise(looks)
        for moment in moments(Cron("30 2 * * *"), calendar, start, end)
    ]
    assert found == list(moments(Cron("30 2 * * *"), calendar, looks[0], looks[-1]))
    days = [moment.astimezone(calendar.zone).date() for moment in found]
    assert days == [days[0] + timedelta(days=n) for n in range(len(days))]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("monthly", "it has 1 fields, not 5"),
        ("0 0 6 1 * *", "it has 6 fields, not 5"),
        ("61 6 1 * *", "bad minute"),
        ("0 6 1 * mon-sat-sun", "bad day-of-week"),
        ("0 6 30 feb *", "bad day-of-month"),
        ("0 6 0 * *", "bad day-of-month"),
        ("@daily", "it has 1 fields"),
        ("* * * * ;", "bad day-of-week"),
    ],
)
def test_a_bad_cron_text_is_named_with_its_field(text: str, said: str) -> None:
    with pytest.raises(
        Problem, match=f"is no cron text: {said}.*; write minute, hour, day, month and weekday"
    ):
        check_cron(text)


def test_the_next_moment_may_be_years_away() -> None:
    assert next_moment(Cron("0 6 29 2 *"), BERLIN, at("2026-11-01")) == at("2028-02-29 05:00")
    assert next_moment(Cron("0 6 L * *"), BERLIN, at("2026-11-01")) == at("2026-11-30 05:00")
    assert next_moment(Cron("0 6 * * mon#1"), BERLIN, at("2026-11-01")) == at("2026-11-02 05:00")


def test_a_cron_text_has_one_spelling() -> None:
    assert check_cron(" 0  6 1 *\t* ") == "0 6 1 * *"


# --- Fiscal periods ----------------------------------------------------------------------------------------

WEEKS = Calendar(
    ZoneInfo("Europe/Berlin"),
    (
        FiscalPeriod("P10", date(2026, 9, 28), date(2026, 10, 26)),
        FiscalPeriod("P11", date(2026, 10, 26), date(2026, 11, 23)),
    ),
    frozenset({"America/Los_Angeles"}),
)


@pytest.mark.parametrize(
    ("days", "clock", "expected"),
    [
        # P10 ends with Sunday 25 October: two days after it is Tuesday, 06:00 in Berlin's winter.
        (2, time(6), [("P10", "10-27 05:00"), ("P11", "11-24 05:00")]),
        # One day after it at 06:00 Los Angeles still has Sunday: its midnight is the moment.
        (1, time(6), [("P10", "10-26 07:00"), ("P11", "11-23 08:00")]),
    ],
)
def test_a_draft_is_due_some_days_after_each_fiscal_period(
    days: int, clock: time, expected: list[tuple[str, str]]
) -> None:
    when = AfterPeriod(days, clock)
    found = list(moments(when, WEEKS, at("2026-01-01"), at("2026-12-31")))
    assert [(period_of(when, WEEKS, moment).name, f"{moment:%m-%d %H:%M}") for moment in found] == expected
    assert next_moment(when, WEEKS, found[0]) == found[1]
    assert next_moment(when, WEEKS, found[1]) is None


def test_with_a_cron_text_the_period_is_the_last_one_that_is_over() -> None:
    assert period_of(Cron("0 6 * * *"), WEEKS, at("2026-11-23 05:00")).name == "P11"
    assert period_of(Cron("0 6 * * *"), WEEKS, at("2026-11-22 05:00")).name == "P10"
    with pytest.raises(Problem, match="no fiscal period has ended before 2026-10-01 02:00"):
        period_of(Cron("0 6 * * *"), WEEKS, at("2026-10-01"))


# --- What was missed ---------------------------------------------------------------------------------------


def job(catch_up: CatchUp = "last", when: When | None = None, name: str = "peaks") -> Job:
    return Job(name, when or Cron("0 6 * * *"), Report("peak_demand"), catch_up=catch_up)


@pytest.mark.parametrize(
    ("catch_up", "now", "run", "skipped"),
    [
        ("all", "2026-11-04 12:00", [2, 3, 4], []),
        ("last", "2026-11-04 12:00", [4], [2, 3]),
        ("none", "2026-11-04 12:00", [], [2, 3, 4]),
        ("none", "2026-11-04 06:00", [4], [2, 3]),
        ("none", "2026-11-04 06:01", [], [2, 3, 4]),
        ("last", "2026-11-02 04:59", [], []),
        ("last", "2026-11-02 05:00", [2], []),
    ],
)
def test_each_job_says_which_missed_moments_are_caught_up(
    catch_up: CatchUp, now: str, run: list[int], skipped: list[int]
) -> None:
    found = missed(job(catch_up), BERLIN, at("2026-11-01 05:00"), at(now))
    days = [[at(f"2026-11-0{day} 05:00") for day in which] for which in (run, skipped)]
    assert found == Missed(*days)


# --- What has to be done now -------------------------------------------------------------------------------


def row(due_at: str, status: Any, attempts: int = 1, ended: str | None = None, **result: Any) -> JobRun:
    ended_ms = ms(at(ended)) if ended else None
    result = {"when": "0 6 * * *", **result}
    return JobRun("peaks", ms(at(due_at)), status, attempts, ms(at(due_at)), ended_ms, None, result, None)


def test_a_new_job_begins_now_and_what_was_due_before_is_not_run() -> None:
    now = ms(at("2026-11-04 12:00"))
    found = plan([job()], BERLIN, {}, [], now)
    assert (found.begins, found.work, found.next_ms) == ([job()], [], ms(at("2026-11-05 05:00")))
    begun = row("2026-11-04 12:00", "skipped")
    assert plan([job()], BERLIN, {"peaks": begun}, [], now).is_idle()


def test_a_job_whose_times_were_changed_begins_anew() -> None:
    known = {"peaks": row("2026-11-01 05:00", "done")}
    changed = job(when=Cron("0 7 * * *"))
    found = plan([changed], BERLIN, known, [], ms(at("2026-11-04 12:00")))
    assert (found.begins, found.work) == ([changed], [])


def test_what_is_due_is_run_oldest_first_and_what_is_passed_over_is_told() -> None:
    peaks, mirror = job(), Job("mirror", Cron("0 */12 * * *"), Upkeep("mirror"), catch_up="all")
    known = {
        "peaks": row("2026-11-02 05:00", "done"),
        "mirror": row("2026-11-04 00:00", "done")._replace(job="mirror", result={"when": "0 */12 * * *"}),
    }
    found = plan([peaks, mirror], BERLIN, known, [], ms(at("2026-11-04 12:00")))
    assert found.work == [Work(peaks, ms(at("2026-11-04 05:00"))), Work(mirror, ms(at("2026-11-04 11:00")))]
    assert found.skips == [
        Skip(peaks, ms(at("2026-11-03 05:00")), 1, "it was missed, and the latest one is run")
    ]
    assert found.next_ms == ms(at("2026-11-04 23:00"))


@pytest.mark.parametrize(
    ("attempts", "result", "minutes"),
    [
        (1, {}, 1), (2, {}, 5), (3, {}, 25), (4, {}, None),
        (1, {"made": {}, "deliveries": 1}, 1), (7, {"made": {}, "deliveries": 4}, 120),
        (9, {"made": {}, "deliveries": 6}, 720), (10, {"made": {}, "deliveries": 7}, None),
    ],
)  # fmt: skip
def test_a_failure_is_tried_again_later_and_later_and_not_for_ever(
    attempts: int, result: dict[str, Any], minutes: int | None
) -> None:
    failed = row("2026-11-04 05:00", "failed", attempts, "2026-11-04 05:10", **result)
    expected = None if minutes is None else ms(at("2026-11-04 05:10")) + minutes * MINUTE
    assert retry_ms(failed) == expected


def test_failures_are_retried_when_their_time_has_come_and_told_when_they_are_final() -> None:
    early = row("2026-11-03 05:00", "failed", 1, "2026-11-04 11:59")
    late = row("2026-11-04 05:00", "failed", 2, "2026-11-04 11:59")
    final = row("2026-11-02 05:00", "failed", 4, "2026-11-02 05:40")
    running = row("2026-11-01 05:00", "running")
    orphan = early._replace(job="deleted since")
    unsettled = [running, final, early, late, orphan]
    found = plan([job()], BERLIN, {"peaks": late}, unsettled, ms(at("2026-11-04 12:00")))
    assert found.work == [Work(job(), early.due_ms)]
    assert found.tell == [final, orphan]
    assert found.next_ms == ms(at("2026-11-04 12:04"))


# --- Parameters --------------------------------------------------------------------------------------------


def test_words_in_parameters_stand_for_days_and_the_last_period() -> None:
    words = days_of(WEEKS, at("2026-10-31 23:30"))  # Sunday 1 November in Berlin
    assert words == {
        "@today": "2026-11-01", "@this_week": "2026-10-26", "@last_week": "2026-10-19",
        "@this_month": "2026-11-01", "@last_month": "2026-10-01", "@this_year": "2026-01-01",
        "@last_year": "2025-01-01", "@last_period": "P10",
    }  # fmt: skip
    given = {"start": "@last_month", "end": "@this_month", "key": "user", "days": 3}
    assert filled_in(given, words) == {"start": "2026-10-01", "end": "2026-11-01", "key": "user", "days": 3}


@pytest.mark.parametrize(
    ("value", "said"),
    [("@yesterday", "unknown word '@yesterday'"), ("@last_period", "no fiscal period is over")],
)
def test_a_word_that_stands_for_nothing_is_named(value: str, said: str) -> None:
    with pytest.raises(Problem, match=f"parameter start: {said}"):
        filled_in({"start": value}, days_of(BERLIN, at("2026-11-01")))
