"""The shell of the schedule: looks at the clock, does what is due, one process at a time across machines.

Whoever works holds a lease in the database and renews it while a job runs; what a killed process left is
taken over when its lease has run out. A job's row is its attempt's own: a process that was overtaken changes
nothing any more, and its mail carries the same Message-ID.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pipelines import schedule
from pipelines.mail_message import Mail, plain
from pipelines.mailing import MailProblem, MailSettings, Sent, read_mail_settings, send
from pipelines.reports import NOTEBOOKS
from pipelines.schedule import Calendar, Job, Plan, Work, instant
from pipelines.schedule_file import Schedule
from pipelines.schedule_work import Bench, Made, calendar, record_mailed, work
from warehouse import job_runs, leases
from warehouse.errors import Problem
from warehouse.job_runs import JobRun

LEASE = "schedule"
LEASE_MS = 120_000
RENEW_SECONDS = 30.0
OTHERS_MS = 30_000
"""How soon to look again while another process works."""
LONGEST_MS = 3_600_000
"""The schedule file and the calendar are read anew at least so often."""
NAP_SECONDS = 60.0
"""A machine that sleeps stops waiting clocks: the wall clock is asked at least so often."""
AFTER_FAULT_MS = 300_000
"""How soon to look again where the schedule is wrong, or the database away."""
TELL_AGAIN_MS = 900_000
LONGEST_REASON = 1_000
SECRET = re.compile(r"://[^/\s@]*@")


@dataclass(frozen=True)
class Clock:
    """Where now comes from (UTC in ms), and how to wait (seconds)."""

    now_ms: Callable[[], int]
    sleep: Callable[[float], None]


@dataclass
class Round:
    """What one look at the clock came to: the attempts made, who else works, and when to look again."""

    ran: list[JobRun] = field(default_factory=list)
    other: str | None = None
    next_ms: int | None = None

    @property
    def failed(self) -> list[JobRun]:
        """The attempts that failed."""
        return [run for run in self.ran if run.status == "failed"]


class _Overtaken(Exception):
    """Another process has taken over, because the lease of this one had run out."""


@dataclass
class Scheduler:
    """Does what is due.

    Attributes
    ----------
    load
        Reads the schedule; called at each look, so that a change needs no restart.
    actor
        Who acts: the account that runs the process.
    holder
        Names this process on this machine.
    say
        Takes one line for the log.
    """

    engine: Engine
    load: Callable[[], Schedule]
    clock: Clock
    actor: str
    holder: str
    say: Callable[[str], None]
    notebooks: Path = NOTEBOOKS
    renew_seconds: float = RENEW_SECONDS

    def forever(self) -> None:
        """Look, work and sleep until the process is ended. What fails is said, and the loop goes on.

        Raises
        ------
        Problem
            The schedule is wrong from the start.
        """
        self._ready()
        complaint = ""
        while True:
            try:
                found, fault = self.once(), ""
            except (Problem, SQLAlchemyError) as problem:
                found, fault = Round(next_ms=self.clock.now_ms() + AFTER_FAULT_MS), _reason(problem)
            if fault and fault != complaint:
                self.say(f"the schedule cannot be kept: {fault}")
            complaint = fault
            self._sleep_until(found.next_ms)

    def _ready(self) -> tuple[Schedule, MailSettings | None, Calendar]:
        known = self.load()
        mail = read_mail_settings(known.mail_file) if known.mail_file else None
        return known, mail, calendar(self.engine)

    def _sleep_until(self, next_ms: int | None) -> None:
        latest = self.clock.now_ms() + LONGEST_MS
        until = min(next_ms or latest, latest)
        while (left := until - self.clock.now_ms()) > 0:
            self.clock.sleep(min(NAP_SECONDS, left / 1000))

    def once(self) -> Round:
        """Do what is due now.

        Raises
        ------
        Problem
            The schedule or the mail settings are wrong; nothing was run.
        """
        known, mail, days = self._ready()
        plan, is_left = self.plan(known, days)
        if plan.is_idle() and not is_left:
            return Round(next_ms=plan.next_ms)
        bench = Bench(self.engine, days, known.folder, self.actor, self.clock.now_ms, self.notebooks)
        with self._leased() as other:
            if other:
                return Round(other=other, next_ms=self.clock.now_ms() + OTHERS_MS)
            return _Shift(self, known, mail, bench).work()

    def plan(self, known: Schedule, days: Calendar) -> tuple[Plan, bool]:
        """Plan what is to be done, and say whether a row is running: this process runs none now."""
        unsettled = job_runs.unsettled(self.engine)
        newest = job_runs.newest(self.engine)
        plan = schedule.plan(known.jobs, days, newest, unsettled, self.clock.now_ms())
        return plan, any(run.status == "running" for run in unsettled)

    @contextmanager
    def _leased(self) -> Iterator[str | None]:
        """Hold the lease, and give it back; or give who holds it."""
        if not self.renew():
            held = leases.held(self.engine, LEASE)
            yield held.holder if held else "another process"
            return
        try:
            yield None
        finally:
            leases.give_back(self.engine, LEASE, self.holder)

    def renew(self) -> bool:
        """Take the lease or make it longer; return whether this process has it."""
        return leases.take(self.engine, LEASE, self.holder, self.clock.now_ms(), LEASE_MS)


@dataclass
class _Shift:
    """The work of one process from taking the lease to giving it back."""

    scheduler: Scheduler
    known: Schedule
    mail: MailSettings | None
    bench: Bench
    round: Round = field(default_factory=Round)

    def work(self) -> Round:
        """Do everything that is due, one after the other, and plan anew after each."""
        self._take_over()
        try:
            while True:
                plan, _ = self.scheduler.plan(self.known, self.bench.calendar)
                self._settle(plan)
                if not plan.work:
                    break
                self._attempt(plan.work[0])
            tell_ms = self._tell(plan.tell)
        except _Overtaken:
            self.scheduler.say("another process has taken over: the lease had run out")
            return Round(self.round.ran, "another process", self.now_ms + OTHERS_MS)
        self.round.next_ms = min((at for at in (plan.next_ms, tell_ms) if at), default=None)
        return self.round

    @property
    def now_ms(self) -> int:
        return self.scheduler.clock.now_ms()

    @property
    def engine(self) -> Engine:
        return self.scheduler.engine

    def _take_over(self) -> None:
        """End the attempts of processes that are gone: none runs beside the holder of the lease."""
        for run in job_runs.unsettled(self.engine):
            if run.status == "running":
                reason = "the process that ran it ended in the middle"
                # When it ended nobody knows: the wait for the next attempt counts from its start.
                job_runs.end(self.engine, run, "failed", reason, run.started_ms)
                self.scheduler.say(f"{run.job}: {reason}")

    def _settle(self, plan: Plan) -> None:
        """Record which jobs begin now, and which moments are passed over."""
        for job in plan.begins:
            reason = "the schedule begins here: what was due before is not run"
            job_runs.skip(self.engine, job.name, self.now_ms, reason, {"when": str(job.when)}, self.now_ms)
        for skip in plan.skips:
            result = {"when": str(skip.job.when), "moments": skip.moments}
            job_runs.skip(self.engine, skip.job.name, skip.due_ms, skip.reason, result, self.now_ms)

    # --- One attempt ---------------------------------------------------------------------------------------

    def _attempt(self, due: Work) -> None:
        """Run a job, or deliver what it made before; whatever happens is recorded in its row."""
        began = {"when": str(due.job.when)}
        if not self.scheduler.renew():
            raise _Overtaken
        run = job_runs.begin(self.engine, due.job.name, due.due_ms, began, self.now_ms)
        if run is None:
            raise _Overtaken
        result: dict[str, Any] = dict(run.result)
        reason: str | None = "it was stopped in the middle"
        try:
            with self._renewing():
                self._make(due, run, result)
                self._deliver(due.job, run, result)
            reason = ""
        except _Overtaken:
            reason = None
            raise
        except Exception as error:  # noqa: BLE001 - the loop outlives whatever a job raises
            reason = _reason(error)
        finally:
            if reason is not None:
                self._end(run, result, reason)

    def _end(self, run: JobRun, result: dict[str, Any], reason: str) -> None:
        status: job_runs.Status = "failed" if reason else "done"
        job_runs.end(self.engine, run, status, reason or None, self.now_ms)
        ended = run._replace(status=status, reason=reason or None, result=result, ended_ms=self.now_ms)
        self.round.ran.append(ended)
        self.scheduler.say(f"{run.job}: {'failed: ' + reason if reason else 'done'}")

    def _make(self, due: Work, run: JobRun, result: dict[str, Any]) -> None:
        if "made" not in result:
            result["made"] = work(self.bench, due.job, due.due_ms).as_dict()
            self._note(run, result)

    def _deliver(self, job: Job, run: JobRun, result: dict[str, Any]) -> None:
        """Send what was made to those who have not got it yet."""
        sent: list[str] = result.setdefault("sent", [])
        to = [address for address in job.recipients if address not in sent]
        if not to or self.mail is None:
            return
        made = Made(**result["made"])
        result["deliveries"] = int(result.get("deliveries", 0)) + 1
        self._note(run, result)
        mail = made.mail(f"{run.job} {run.due_ms}", self.known.folder)
        try:
            answer = send(self.mail, mail, to, instant(self.now_ms), shown=job.recipients)
        except MailProblem as problem:
            raise MailProblem(
                f"it is made, and could not be mailed: {problem.message}", problem.remedy
            ) from None
        self._sent(run, result, answer)
        record_mailed(self.bench, made, answer.accepted)
        if answer.refused:
            told = "; ".join(f"{address}: {why}" for address, why in answer.refused.items())
            raise MailProblem(f"it is made, and could not be mailed to {told}", "check the recipients")

    def _sent(self, run: JobRun, result: dict[str, Any], answer: Sent) -> None:
        result["sent"] += answer.accepted
        if answer.left_out:
            result["left_out"] = answer.left_out
        self._note(run, result)

    def _note(self, run: JobRun, result: dict[str, Any]) -> None:
        if not job_runs.note(self.engine, run, result):
            raise _Overtaken

    @contextmanager
    def _renewing(self) -> Iterator[None]:
        """Make the lease longer while a job runs."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(self.scheduler.renew_seconds):
                try:
                    self.scheduler.renew()
                except SQLAlchemyError as error:
                    self.scheduler.say(f"the lease could not be renewed: {_reason(error)}")

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    # --- What is told --------------------------------------------------------------------------------------

    def _tell(self, failures: list[JobRun]) -> int | None:
        """Tell the operator of each final failure, once; return when to try again to tell (UTC in ms)."""
        for run in failures:
            try:
                self._tell_of(run)
            except MailProblem as problem:
                self.scheduler.say(f"{run.job}: nobody could be told of its failure: {problem}")
                return self.now_ms + TELL_AGAIN_MS
            job_runs.told(self.engine, run, self.now_ms)
        return None

    def _tell_of(self, run: JobRun) -> None:
        local = instant(run.due_ms).astimezone(self.bench.calendar.zone)
        moment = f"{local:%Y-%m-%d %H:%M} ({self.bench.calendar.zone.key})"
        if self.mail is not None and self.mail.operator:
            mail = _failure(run, moment)
            send(self.mail, mail, self.mail.operator, instant(self.now_ms))
        self.scheduler.say(f"{run.job}, due {moment}: given up after {run.attempts} attempts: {run.reason}")


def _failure(run: JobRun, moment: str) -> Mail:
    """Write the mail that tells the operator of a final failure."""
    made = run.result.get("made")
    steps = ["See all jobs and how they ended: process-meter schedule list"]
    if made:
        steps.insert(0, "What it made is kept in the reports folder, under the names above.")
    else:
        steps.insert(0, "Remove the cause; the job runs again at its next moment.")
    return Mail(
        f"{run.job} {run.due_ms} failed",
        f"Scheduled job {run.job} failed: {run.reason}",
        [
            f"The job {run.job}, due on {moment}, was tried {run.attempts} times and is given up.",
            f"Reason: {run.reason}.",
        ],
        [("file", name) for name in made["files"]] if made else [],
        steps,
    )


def _reason(error: Exception) -> str:
    """Write an error as one line, without passwords of addresses."""
    said = str(error) if isinstance(error, Problem) else f"{type(error).__name__}: {error}"
    return SECRET.sub("://", plain(said))[:LONGEST_REASON]
