"""What runs when, and what is due now: no clock, no database, no file.

A job is due at moments: those of a cron text in the organization's time zone, or so many days after the end
of each fiscal period. Between two looks at the clock some moments may have been missed; each job says which
of them are caught up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from warehouse.errors import Problem
from warehouse.job_runs import JobRun
from warehouse.periods import day_bounds

CatchUp = Literal["all", "last", "none"]
CATCH_UP: tuple[CatchUp, ...] = ("all", "last", "none")
PUNCTUAL = timedelta(hours=1)
"""A job that catches up nothing still runs so long after its moment: another job may have been running."""
FARTHEST = timedelta(days=400)
"""What was missed longer ago is not caught up."""
AHEAD = timedelta(days=9 * 366)
"""No next moment is looked for beyond: 29 February may be eight years away."""
WIDEST_STEP = timedelta(hours=3)
"""No clock has been set by more in one night: a cron text is read from so long before."""

RUN_WAITS = (1, 5, 25)
DELIVERY_WAITS = (1, 5, 25, 120, 360, 720)
"""Minutes to wait after each failure; then it is over. A mail server may be down for a night."""


@dataclass(frozen=True)
class Cron:
    """A cron text of five fields, in the organization's time zone."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class AfterPeriod:
    """So many days after the last day of each fiscal period, at a local time, once it is over everywhere."""

    days: int
    at: time

    def __str__(self) -> str:
        return f"{self.days} days after each fiscal period, {self.at:%H:%M}"


When = Cron | AfterPeriod


class FiscalPeriod(NamedTuple):
    """A fiscal period, [starts_on, ends_on)."""

    name: str
    starts_on: date
    ends_on: date


@dataclass(frozen=True)
class Calendar:
    """The organization's time zone and fiscal periods, and the zones of its offices."""

    zone: ZoneInfo
    periods: Sequence[FiscalPeriod] = ()
    office_zones: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Report:
    """Run a notebook."""

    report: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    formats: tuple[str, ...] = ("html",)


@dataclass(frozen=True)
class Draft:
    """Draft the fiscal period that has ended."""

    target: str


@dataclass(frozen=True)
class Upkeep:
    """Bring mirror and rollups up to date, or take away what has been kept for long enough."""

    act: Literal["mirror", "retain"]


@dataclass(frozen=True)
class Job:
    """What is done when, whom its outcome is sent to, and what becomes of moments that were missed."""

    name: str
    when: When
    task: Report | Draft | Upkeep
    recipients: tuple[str, ...] = ()
    catch_up: CatchUp = "last"


# --- Moments -----------------------------------------------------------------------------------------------


def check_cron(text: str) -> str:
    """Return a cron text in one spelling.

    Raises
    ------
    Problem
        Naming the field that no cron knows.
    """
    fields = text.split()
    remedy = "write minute, hour, day, month and weekday, as 0 6 1 * *"
    if len(fields) != 5:
        raise Problem(f"{text!r} is no cron text: it has {len(fields)} fields, not 5", remedy)
    try:
        next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise Problem(f"{text!r} is no cron text: {str(error).lower()}", remedy) from None
    except StopIteration:
        raise Problem(f"{text!r} is never due", remedy) from None
    return " ".join(fields)


def moments(when: When, calendar: Calendar, after: datetime, until: datetime) -> Iterator[datetime]:
    """Find the moments, in UTC, that lie after one instant and not after another.

    A cron text whose minute and hour are told (`30 2 * * *`) is due exactly once on a day on which the clock
    is set: where the local time is left out, at the first minute that there is; where it comes twice, at the
    first. One that begins with `*` there goes by real time, hour after hour.
    """
    if isinstance(when, AfterPeriod):
        due = (moment for moment, _ in _period_moments(when, calendar))
        yield from (moment for moment in sorted(due) if after < moment <= until)
        return
    for local in CronSim(when.text, (after - WIDEST_STEP).astimezone(calendar.zone)):
        moment = local.astimezone(UTC)
        if moment > until:
            return
        if moment > after:
            after = moment  # never one twice
            yield moment


def _period_moments(when: AfterPeriod, calendar: Calendar) -> Iterator[tuple[datetime, FiscalPeriod]]:
    for period in calendar.periods:
        day = period.ends_on + timedelta(days=when.days - 1)
        wanted = datetime.combine(day, when.at, calendar.zone).astimezone(UTC)
        over = max(
            day_bounds(zone, period.ends_on)[0] for zone in {calendar.zone.key, *calendar.office_zones}
        )
        yield max(wanted, over), period


def period_of(when: When, calendar: Calendar, moment: datetime) -> FiscalPeriod:
    """Return the fiscal period that a moment is due for: with a cron text, the last one that is over then.

    Raises
    ------
    Problem
        There is none.
    """
    if isinstance(when, AfterPeriod):
        found = [period for due, period in _period_moments(when, calendar) if due == moment]
    else:
        day = moment.astimezone(calendar.zone).date()
        found = [period for period in calendar.periods if period.ends_on <= day]
    if not found:
        raise Problem(
            f"no fiscal period has ended before {moment.astimezone(calendar.zone):%Y-%m-%d %H:%M}",
            "import them: `process-meter calendar import FILE`",
        )
    return max(found, key=lambda period: period.ends_on)


def next_moment(when: When, calendar: Calendar, after: datetime) -> datetime | None:
    """Return the next moment; None: the calendar has no further period."""
    return next(moments(when, calendar, after, after + AHEAD), None)


class Missed(NamedTuple):
    """Moments that are run, and moments for which nothing is run; oldest first."""

    run: list[datetime]
    skipped: list[datetime]


def missed(job: Job, calendar: Calendar, through: datetime, now: datetime) -> Missed:
    """Decide which moments after `through` and up to now are run."""
    found = list(moments(job.when, calendar, max(through, now - FARTHEST), now))
    if job.catch_up == "all":
        return Missed(found, [])
    is_run = bool(found) and (job.catch_up == "last" or now - found[-1] <= PUNCTUAL)
    return Missed(found[-1:], found[:-1]) if is_run else Missed([], found)


# --- What has to be done now -------------------------------------------------------------------------------


class Work(NamedTuple):
    """A job and the moment for which it is to be run, UTC in ms."""

    job: Job
    due_ms: int


class Skip(NamedTuple):
    """Moments of a job for which nothing is run: the last of them, how many, and why."""

    job: Job
    due_ms: int
    moments: int
    reason: str


@dataclass(frozen=True)
class Plan:
    """What has to be done now, and when to look again (UTC in ms; None: nothing is ahead).

    Attributes
    ----------
    begins
        Jobs that are new, or whose times were changed: what was due before now is not run.
    skips
        Moments for which nothing is run.
    work
        What is due, the oldest first.
    tell
        Failures that are final and that nobody was told of.
    """

    begins: list[Job]
    skips: list[Skip]
    work: list[Work]
    tell: list[JobRun]
    next_ms: int | None

    def is_idle(self) -> bool:
        """Say whether there is nothing to do now."""
        return not (self.begins or self.skips or self.work or self.tell)


def plan(
    jobs: Sequence[Job],
    calendar: Calendar,
    newest: Mapping[str, JobRun],
    unsettled: Sequence[JobRun],
    now_ms: int,
) -> Plan:
    """Decide what has to be done.

    Parameters
    ----------
    newest
        The row of the latest moment of each job: moments up to it are settled.
    unsettled
        Rows that run or failed, and whose failure nobody was told of.
    now_ms
        Now, UTC in ms.
    """
    now = instant(now_ms)
    begins = [job for job in jobs if not _is_known(job, newest.get(job.name))]
    skips: list[Skip] = []
    work: list[Work] = []
    for job in jobs:
        if job not in begins:
            found = missed(job, calendar, instant(newest[job.name].due_ms), now)
            skips += _skips(job, found)
            work += [Work(job, ms(moment)) for moment in found.run]
    again, tell, waiting = _failures({job.name: job for job in jobs}, unsettled, now_ms)
    coming = [next_moment(job.when, calendar, now) for job in jobs]
    later = [*waiting, *(ms(moment) for moment in coming if moment)]
    ordered = sorted([*work, *again], key=lambda each: (each.due_ms, each.job.name))
    return Plan(begins, skips, ordered, tell, min(later, default=None))


def _failures(
    jobs: Mapping[str, Job], unsettled: Sequence[JobRun], now_ms: int
) -> tuple[list[Work], list[JobRun], list[int]]:
    """Sort failures into those to try again now, those that are final, and the instants of the others."""
    again, tell, waiting = [], [], []
    for run in unsettled:
        if run.status == "failed":
            at = retry_ms(run) if run.job in jobs else None
            if at is None:
                tell.append(run)
            elif at <= now_ms:
                again.append(Work(jobs[run.job], run.due_ms))
            else:
                waiting.append(at)
    return again, tell, waiting


def _is_known(job: Job, run: JobRun | None) -> bool:
    return run is not None and run.result.get("when") == str(job.when)


def _skips(job: Job, found: Missed) -> list[Skip]:
    if not found.skipped:
        return []
    why = "the latest one is run" if found.run else "nothing that was missed is caught up"
    return [Skip(job, ms(found.skipped[-1]), len(found.skipped), f"it was missed, and {why}")]


def retry_ms(run: JobRun) -> int | None:
    """Return when a failure is tried again, UTC in ms; None: not any more.

    What was made is not made again: only its delivery is.
    """
    is_made = "made" in run.result
    waits = DELIVERY_WAITS if is_made else RUN_WAITS
    tries = int(run.result.get("deliveries", 1)) if is_made else run.attempts
    if run.ended_ms is None or tries > len(waits):
        return None
    return run.ended_ms + waits[tries - 1] * 60_000


def instant(at_ms: int) -> datetime:
    """Return an instant that is told in ms."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def ms(moment: datetime) -> int:
    """Return an instant in ms."""
    return round(moment.timestamp() * 1000)


# --- Parameters that move with the moment ------------------------------------------------------------------


def days_of(calendar: Calendar, moment: datetime) -> dict[str, str]:
    """Return the words that stand for days in a job's parameters, as they are at a moment: ISO days.

    `@last_period` is the name of the last fiscal period that is over; without one it is left out.
    """
    today = moment.astimezone(calendar.zone).date()
    month, week = today.replace(day=1), today - timedelta(days=today.weekday())
    words = {
        "@today": today,
        "@this_week": week,
        "@last_week": week - timedelta(days=7),
        "@this_month": month,
        "@last_month": (month - timedelta(days=1)).replace(day=1),
        "@this_year": today.replace(month=1, day=1),
        "@last_year": today.replace(year=today.year - 1, month=1, day=1),
    }
    over = [period for period in calendar.periods if period.ends_on <= today]
    last = {"@last_period": max(over, key=lambda period: period.ends_on).name} if over else {}
    return {**{word: day.isoformat() for word, day in words.items()}, **last}


WORDS = (
    *("@today", "@this_week", "@last_week", "@this_month", "@last_month", "@this_year", "@last_year"),
    "@last_period",
)


def filled_in(parameters: Mapping[str, object], words: Mapping[str, str]) -> dict[str, Any]:
    """Replace the words in a job's parameters.

    Raises
    ------
    Problem
        A value begins with @ and is none of `WORDS`, or is the last period where none is over.
    """
    found: dict[str, Any] = dict(parameters)
    for name, value in parameters.items():
        if isinstance(value, str) and value.startswith("@"):
            if value not in words:
                what = "no fiscal period is over" if value in WORDS else f"unknown word {value!r}"
                raise Problem(f"parameter {name}: {what}", f"the words are {', '.join(WORDS)}")
            found[name] = words[value]
    return found
