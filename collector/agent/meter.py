"""The meter: samples in, evidence out. A pure state machine; docs/semantics.md, section 1, is its law.

One call of `Meter.step` covers the time from the previous sample to this one. The state can be written down
at any moment and read back after a crash: sessions go on where their process still lives, with a hole of
`unobserved` in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from collector.agent.clock import Moment
from collector.agent.open_session import OpenSession, stated
from collector.agent.passage import Passage, Stretch, View
from collector.agent.process_table import tick_ms
from collector.agent.sample import Project, Sample
from collector.agent.watch import CLOCK_STEP_MS, Watch
from collector.protocol import Attention, CollectionPolicy, PresenceRecord, PromptOutcome, Record

LATE_MS = 100
"""So much older than the previous sample an input may be that is new nevertheless."""
SLEEP_MS = 2_000
"""A larger jump of boot time over monotonic time means that the machine slept."""
STALL_MS = 5_000
"""Two samples farther apart than this, and than the gap floor, left a hole in between."""


class Asked(NamedTuple):
    """A session whose person is asked which project it is for: its id, application and start (UTC)."""

    session: str
    application: str
    started_ms: int


class Meter:
    """Turns samples into records.

    Parameters
    ----------
    draw
        Draws the id of a new session: 32 hexadecimal digits.
    document
        What `document()` returned before a restart.
    """

    def __init__(self, draw: Callable[[], str], document: Mapping[str, Any] | None = None) -> None:
        self._draw = draw
        self._sessions: list[OpenSession] = []
        self._watch = Watch()
        self._view: View | None = None
        self._moment: Moment | None = None
        self._awake_ms = 0
        """Boot time, in whole ticks, as starts are, since when the agent has watched without a hole, and the
        machine was awake."""
        self._boot_id = ""
        self._shown: list[object] = []
        self.changed = False
        """Whether the last step saw a change that is worth a checkpoint."""
        if document:
            self._sessions = [OpenSession.from_document(row) for row in document["sessions"]]
            self._watch = Watch(**document["watch"])
            self._moment, self._boot_id = Moment(*document["moment"]), document["boot_id"]

    def document(self) -> dict[str, Any]:
        """Return all that a restart needs, as plain values for JSON; asked for after the first step."""
        moment = self._moment or Moment(0, 0, 0)
        return {
            "sessions": [session.document() for session in self._sessions],
            "watch": self._watch.document(),
            "moment": [moment.boot_ms, moment.wall_ms, moment.mono_ms],
            "boot_id": self._boot_id,
        }

    def presence(self) -> tuple[PresenceRecord, ...]:
        """Return what every session with a living process is doing now.

        One that ended is not shown, though a launcher may still take it up again within the grace.
        """
        return tuple(session.presence() for session in self._sessions if session.exited_ms is None)

    def step(self, sample: Sample, policy: CollectionPolicy) -> list[Record]:
        """Take one sample and return what is decided by it.

        Parameters
        ----------
        sample
            What is open and seen now; never earlier than the sample before.
        policy
            The collection policy in force.

        Returns
        -------
        list of Record
            In the order in which they are to be delivered.
        """
        if self._boot_id != sample.boot_id:
            self._forget_boot(sample)
        stretch = self._stretch(sample, policy)
        if stretch.awake_ms < stretch.end_ms or not stretch.watched:
            self._awake_ms = tick_ms(stretch.end_ms)
        self._part(sample, stretch)
        self._join(sample, stretch, policy)
        passage = Passage(stretch, self._view, self._look(sample), policy.gap_floor_ms, policy.version)
        for session in self._sessions:
            passage.advance(session, sample.cpu_ms.get(session.key, 0.0))
        records = self._decide(sample, passage, policy)
        records += self._watch.step(sample, stretch.awake_ms, watched=stretch.watched)
        self._view, self._moment, self._boot_id = passage.after, sample.moment, sample.boot_id
        shown: list[object] = [(each.id, each.shown, each.exited_ms) for each in self._sessions]
        self.changed, self._shown = bool(records) or shown != self._shown, shown
        return records

    def stop(self) -> list[Record]:
        """Return what can be decided when the agent ends; its sessions stay open for the next start."""
        return list(self._watch.close())

    # --- The question for a project at launch ---------------------------------------------------------------

    def to_be_asked(self) -> list[Asked]:
        """Return the sessions whose person is still to be asked for a project, as they were launched."""
        waiting = [session for session in self._sessions if session.is_to_be_asked()]
        return [Asked(session.id, session.key.application, session.started_ms) for session in waiting]

    def note_prompt(self, asked: Sequence[Asked], outcome: PromptOutcome | None) -> None:
        """Note what became of the question; None: nobody could be asked, and may be later."""
        sessions = {each.session for each in asked}
        for session in self._sessions:
            if session.id in sessions:
                session.prompt = outcome

    def enter(self, asked: Sequence[Asked], project: Project, outcome: PromptOutcome) -> list[Record]:
        """Return the statements that sessions, as a whole, work for the project entered at their launch.

        A session that is over by now works for it all the same. The same answer once more states nothing:
        it comes twice when the agent was killed right after it had stored it.
        """
        self.note_prompt(asked, outcome)
        reason = "kept at launch" if outcome == "kept" else "entered at launch"
        entered, wanted = asdict(project), {each.session for each in asked}
        for session in self._sessions:
            if session.id in wanted and session.entered == entered:
                wanted.remove(session.id)
            elif session.id in wanted:
                session.entered = entered
        return [
            stated(each.session, each.started_ms, project, reason) for each in asked if each.session in wanted
        ]

    # --- What time has passed ------------------------------------------------------------------------------

    def _stretch(self, sample: Sample, policy: CollectionPolicy) -> Stretch:
        now, before, view = sample.moment, self._moment, self._view
        if before is None or view is None:  # the agent was not running
            start_ms = before.boot_ms if before else now.boot_ms
            return Stretch(start_ms, now.boot_ms, now.boot_ms, watched=False, input_ms=None, searched_ms=0)
        slept_ms = now.slept_ms - before.slept_ms
        awake_ms = now.boot_ms - slept_ms if slept_ms > SLEEP_MS else now.boot_ms
        watched = awake_ms - before.boot_ms <= max(STALL_MS, policy.gap_floor_ms)
        input_ms = _new_input(sample.last_input_ms, view.last_input_ms, before.boot_ms, now.boot_ms)
        searched_ms = before.boot_ms if sample.searched_ms is None else sample.searched_ms
        searched_ms = max(searched_ms, self._awake_ms)
        return Stretch(before.boot_ms, awake_ms, now.boot_ms, watched, input_ms, searched_ms)

    def _forget_boot(self, sample: Sample) -> None:
        """End what lived before the host was started anew: it did so before that start at the latest."""
        booted_ms = sample.moment.wall_ms - sample.moment.boot_ms
        for session in self._sessions:
            session.lose(booted_ms - session.timeline.until_ms)
        self._view = self._moment = None

    # --- Processes that went, and that came ----------------------------------------------------------------

    def _part(self, sample: Sample, stretch: Stretch) -> None:
        living = {instance.identity for instance in sample.instances}
        for session in self._sessions:
            gone = [identity for identity in session.instances if identity not in living]
            session.instances = [identity for identity in session.instances if identity in living]
            if not gone or session.instances:
                continue
            if not stretch.watched:
                session.lose(stretch.end_ms - stretch.start_ms)
                continue
            exited_ms = max(sample.exits.get(identity, stretch.end_ms) for identity in gone)
            session.exited_ms = max(exited_ms + session.anchor_ms, session.timeline.until_ms)

    def _join(self, sample: Sample, stretch: Stretch, policy: CollectionPolicy) -> None:
        known = {identity for session in self._sessions for identity in session.instances}
        asking = {application.code for application in policy.applications if application.prompt}
        anchor_ms = sample.moment.wall_ms - sample.moment.boot_ms
        for instance in sorted(sample.instances, key=lambda each: each.started_ms):
            if instance.identity in known:
                continue
            session = next((each for each in self._sessions if each.takes(instance)), None)
            if session is None:
                session = OpenSession.start(
                    self._draw(), instance, anchor_ms=anchor_ms, boot_id=sample.boot_id, zone=sample.zone
                )
                session.asks = instance.key.application in asking
                self._sessions.append(session)
            elif session.exited_ms is not None:
                self._bridge(session, stretch, policy)
            session.join(instance)
        for session in self._sessions:
            session.clock_stepped |= abs(anchor_ms - session.anchor_ms) > CLOCK_STEP_MS

    def _bridge(self, session: OpenSession, stretch: Stretch, policy: CollectionPolicy) -> None:
        """Go on with a session whose launcher came back: meanwhile it was open, without the focus."""
        session.exited_ms = None
        if self._view:
            evidence = self._view.evidence(session, policy.version)._replace(instance=None)
            attention = evidence.attention or "background"
            session.timeline.add(stretch.start_ms + session.anchor_ms, evidence._replace(attention=attention))

    # --- What was seen meanwhile ---------------------------------------------------------------------------

    def _look(self, sample: Sample) -> View:
        owner = {identity.pid: each.id for each in self._sessions for identity in each.instances}
        elsewhere = _elsewhere(sample)
        pid = sample.focus_pid if elsewhere == "background" else None
        session = owner.get(pid) if pid is not None else None
        return View(
            session=session,
            instance=pid if session else None,
            elsewhere=elsewhere,
            inhibiting=frozenset(owner[pid] for pid in sample.inhibiting if pid in owner),
            last_input_ms=sample.last_input_ms or 0,
        )

    # --- What is decided -----------------------------------------------------------------------------------

    def _decide(self, sample: Sample, passage: Passage, policy: CollectionPolicy) -> list[Record]:
        records: list[Record] = []
        billed = {application.code for application in policy.applications if application.billed}
        boot_ms = sample.moment.boot_ms
        for session in self._sessions[:]:
            over = session.is_over(boot_ms)
            records += session.news()
            if sample.project and session.key.application in billed:
                records += session.assign(sample.project, boot_ms + session.anchor_ms)
            records += session.segments(over=over)
            if session.exited_ms is None:
                session.show(passage.attention(session), boot_ms + session.anchor_ms)
            if over:
                records.append(session.record(over=True))
                self._sessions.remove(session)
        return records


def _new_input(seen_ms: int | None, known_ms: int, start_ms: int, end_ms: int) -> int | None:
    """Return where in a stretch the last input lies, if it is one that was not known before.

    One that was made after the last look, but before the sample was taken from it, counts as right after.
    """
    if seen_ms is None or not max(known_ms, start_ms - LATE_MS) < seen_ms <= end_ms:
        return None
    return min(max(seen_ms, start_ms + 1), end_ms)


def _elsewhere(sample: Sample) -> Attention:
    if sample.disconnected:
        return "disconnected"
    if sample.locked:
        return "locked"
    sees = sample.sees_focus and sample.sees_input and sample.last_input_ms is not None
    return "background" if sees else "held"
