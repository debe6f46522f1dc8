"""What a report asks: window, application, key, basis and policy, checked and made whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.concurrency import KEYS
from warehouse.metrics.states import BASES, Policy, Rule
from warehouse.periods import day_bounds
from warehouse.store import open_warehouse, status

AS_LICENSED = ""
"""The key that each license counts by itself: people, devices or tokens."""


@dataclass(frozen=True)
class Question:
    """What is asked, of which warehouse, and when.

    Attributes
    ----------
    first_day, end_day
        Local days of `zone`, [first_day, end_day).
    start, end
        The same window in UTC.
    application
        Code of an application or a product, or "" for all.
    key
        One of KEYS, or AS_LICENSED.
    policy
        The license policy, with the idle timeout that was asked for.
    policy_words
        The same in words: its version, and what was asked to be different.
    compute_on, master
        The engine that reads the mirror and judges the states, as `pipelines.engines.engine_named` takes it;
        "": the fast way on this machine.
    """

    engine: Engine
    first_day: date
    end_day: date
    start: datetime
    end: datetime
    zone: str
    application: str
    key: str
    basis: str
    policy: Policy
    policy_words: str
    asked_at: datetime
    compute_on: str = ""
    master: str = ""


def ask(  # noqa: PLR0913  the parameters of a report
    engine: Engine | None = None,
    *,
    start: str = "",
    end: str = "",
    application: str = "",
    key: str = AS_LICENSED,
    basis: str = "busy",
    idle_timeout_minutes: float = 0,
    days: int = 0,
    up_to_today: bool = False,
    now: datetime | None = None,
    compute_on: str = "",
    master: str = "",
) -> Question:
    """Turn parameters as people write them into a question.

    Parameters
    ----------
    engine
        None: the default warehouse.
    start, end
        ISO dates, [start, end), in the organization's zone, or UTC while there is none. No end: the first of
        this month; no start: twelve months before the end, or `days`.
    days
        Length of the window where no start is given; 0: twelve months.
    up_to_today
        No end: today, not the first of this month.
    application
        Code of an application or a product; empty: all.
    key
        One of concurrency.KEYS; empty: what each license counts.
    basis
        One of states.BASES.
    idle_timeout_minutes
        0: the license policy's own.
    now
        None: the clock.
    compute_on, master
        The engine that judges the states, and its master; empty: the fast way on this machine.

    Raises
    ------
    Problem
        A date that is none, an end before the start, an application, key or basis unknown.
    """
    opened = engine or open_warehouse()
    moment = now or datetime.now(UTC)
    zone = frames.home_zone(opened) or "UTC"
    today = moment.astimezone(ZoneInfo(zone)).date()
    first_day, end_day = window(start, end or (str(today) if up_to_today else ""), today, days)
    _check_word("key", key, (*KEYS, AS_LICENSED))
    _check_word("basis", basis, tuple(BASES))
    _check_application(opened, application)
    policy, words = _policy(opened, idle_timeout_minutes)
    return Question(
        engine=opened,
        first_day=first_day,
        end_day=end_day,
        start=day_bounds(zone, first_day)[0],
        end=day_bounds(zone, end_day)[0],
        zone=zone,
        application=application,
        key=key,
        basis=basis,
        policy=policy,
        policy_words=words,
        asked_at=moment,
        compute_on=compute_on or ("polars" if master else ""),
        master=master,
    )


def window(start: str, end: str, today: date, days: int = 0) -> tuple[date, date]:
    """Read two ISO dates; empty ones make the last twelve full months, or the last `days` before the end."""
    if days < 0:
        raise Problem(f"a window of {days} days", "give 30, 60 or 90, or a start")
    end_day = _day("end", end) if end else today.replace(day=1)
    before = end_day - timedelta(days=days) if days else _year_before(end_day)
    first_day = _day("start", start) if start else before
    if end_day <= first_day:
        raise Problem(
            f"the window ends on {end_day}, which is not after its start {first_day}",
            "give an end after the start",
        )
    return first_day, end_day


def no_data(question: Question, what: str = "sessions") -> Problem:
    """Say that a window holds nothing, and what the warehouse does hold."""
    asked = f" of {question.application}" if question.application else ""
    held = status(question.engine)
    first, last = held["first_session_started_ms"], held["last_session_started_ms"]
    if first is None or last is None:
        remedy = "enroll an agent, or `process-meter import` a log; `process-meter demo` loads a sample"
    else:
        remedy = f"sessions are held from {_utc_day(first)} to {_utc_day(last)}: choose a window there"
    return Problem(f"There are no {what}{asked} from {question.first_day} to {question.end_day}", remedy)


def _utc_day(instant_ms: object) -> date:
    return datetime.fromtimestamp(int(str(instant_ms)) / 1000, UTC).date()


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Problem(f"{name} {text!r} is not a date", "write it as 2026-10-01") from None


def _year_before(day: date) -> date:
    # The 29th of February has no counterpart in most years.
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


def _check_word(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise Problem(f"unknown {what} {given!r}", f"give one of {', '.join(filter(None, known))}")


def _check_application(engine: Engine, code: str) -> None:
    rows = frames.applications(engine).select("application", "product").collect()
    known = sorted({*rows["application"], *rows["product"].drop_nulls()})
    if code and code not in known:
        near = get_close_matches(code, known, n=1)
        found = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known) or 'none'}"
        raise Problem(f"There is no application or product {code!r}", found)


def _policy(engine: Engine, idle_timeout_minutes: float) -> tuple[Policy, str]:
    policy = frames.policy(engine, "license")
    words = f"license policy, version {policy.version}"
    if not idle_timeout_minutes:
        return policy, f"{words}, idle after {policy.default.idle_timeout_ms / 60_000:g} minutes"
    changed = _with_timeout(policy, round(idle_timeout_minutes * 60_000))
    return changed, f"{words}, but idle after {idle_timeout_minutes:g} minutes, as asked"


def _with_timeout(policy: Policy, timeout_ms: int) -> Policy:
    def timed(rule: Rule) -> Rule:
        return replace(rule, idle_timeout_ms=timeout_ms)

    rules = {code: timed(rule) for code, rule in policy.applications.items()}
    return replace(policy, default=timed(policy.default), applications=rules)
