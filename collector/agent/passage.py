"""The passage from one sample to the next, as each open session goes through it.

What the sensor saw holds until the next sample sees something else; a new input within a second before a
change of focus marks the change, and belongs to the application that gets the focus.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from collector.agent.open_session import OpenSession
from collector.agent.timeline import Evidence
from collector.protocol import Attention

FOCUS_INPUT_MS = 1_000
"""An input this short before a change of focus counts for the application that gets the focus."""


@dataclass(frozen=True, slots=True)
class View:
    """What the meter keeps of a sample's sight: the session with the focus, and what holds for all others."""

    session: str | None
    instance: int | None
    elsewhere: Attention
    """Attention of every session without the focus: background, locked, disconnected or held."""
    inhibiting: frozenset[str]
    """Sessions that hold a keep-awake request."""
    last_input_ms: int
    """Boot time; 0 when there was none, or none can be seen."""

    def evidence(self, session: OpenSession, policy_version: int) -> Evidence:
        """Return what this view says of a session."""
        focused = self.session == session.id
        return Evidence(
            attention=None if focused else self.elsewhere,
            since_ms=session.since_ms,
            instance=self.instance if focused else None,
            inhibiting=session.id in self.inhibiting,
            policy_version=policy_version,
        )

    def focus(self) -> tuple[str | None, int | None, Attention]:
        """Return what a change of counts as a change of focus."""
        return self.session, self.instance, self.elsewhere


class Stretch(NamedTuple):
    """The time between two samples, in boot time: first awake, then perhaps asleep."""

    start_ms: int
    awake_ms: int
    end_ms: int
    watched: bool
    """Whether the agent was running while the machine was awake."""
    input_ms: int | None
    """The last new input in it."""
    searched_ms: int
    """What was launched from then on was watched from its start: it had no focus before the stretch."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch, the views at both its ends, and the terms of the collection policy."""

    stretch: Stretch
    before: View | None
    """None: the agent was not running."""
    after: View
    gap_floor_ms: int
    policy_version: int

    @property
    def moved(self) -> bool:
        """Whether the focus changed."""
        return self.before is not None and self.before.focus() != self.after.focus()

    @property
    def change_ms(self) -> int:
        """Boot time from which the new view holds."""
        input_ms, end_ms = self.stretch.input_ms, self.stretch.end_ms
        if self.moved and input_ms is not None and end_ms - input_ms <= FOCUS_INPUT_MS:
            return input_ms
        return end_ms

    def advance(self, session: OpenSession, cpu_ms: float) -> None:
        """Tile a session on to the end of the stretch, or to its exit.

        Parameters
        ----------
        session
            Open, or ended within this stretch.
        cpu_ms
            CPU time of its process trees in the stretch.
        """
        timeline, anchor_ms = session.timeline, session.anchor_ms
        end_ms = self.stretch.end_ms + anchor_ms
        if session.exited_ms is not None:
            end_ms = min(end_ms, session.exited_ms)
        timeline.add(min(self.stretch.start_ms + anchor_ms, end_ms), self._before(session))
        if self.stretch.watched and self.before:
            stop_ms = min(self.stretch.awake_ms + anchor_ms, end_ms)
            length_ms = stop_ms - timeline.until_ms
            self._see(session, self.before, stop_ms, cpu_ms / length_ms if length_ms > 0 else 0.0)
        if timeline.until_ms < end_ms:
            self._settle(session)
            timeline.add(end_ms, self._unseen(session, "suspended" if self.stretch.watched else "unobserved"))
        if self.after.session != session.id:
            self._settle(session)
            return
        self._credit(session)
        if self.attention(session) == "no_input":
            timeline.resolve("no_input")

    def _before(self, session: OpenSession) -> Evidence:
        """Return what a session that is new did before the stretch in which it was found.

        A launch after the last search, but before the sample that was taken then, was watched all the same.
        """
        if self.before is None or session.started_ms - session.anchor_ms < self.stretch.searched_ms:
            return self._unseen(session, "unobserved")
        return self.before.evidence(session, self.policy_version)

    def attention(self, session: OpenSession) -> Attention:
        """Return what a session does at the end of the stretch."""
        if self.after.session != session.id:
            return self.after.elsewhere
        gap_ms = self.stretch.end_ms - self.after.last_input_ms
        return "no_input" if gap_ms >= self.gap_floor_ms else "input"

    def _see(self, session: OpenSession, before: View, stop_ms: int, rate: float) -> None:
        """Tile a watched stretch: the former view up to the change, the new view from there on."""
        timeline, anchor_ms = session.timeline, session.anchor_ms
        change_ms = self.change_ms + anchor_ms
        stays = session.exited_ms is not None  # what ends has the focus to its end, if it had it
        cut_ms = change_ms if timeline.until_ms <= change_ms < stop_ms and not stays else stop_ms
        input_ms = self._own_input(session, before)
        if input_ms is not None and input_ms + anchor_ms <= cut_ms:
            timeline.add(input_ms + anchor_ms, before.evidence(session, self.policy_version), rate)
            self._settle(session)
            session.since_ms = max(session.since_ms, input_ms + anchor_ms)
        timeline.add(cut_ms, before.evidence(session, self.policy_version), rate)
        if self.moved and (self.after.session != session.id or self.change_ms == self.stretch.input_ms):
            self._settle(session)
        if cut_ms < stop_ms:
            self._credit(session)
        timeline.add(stop_ms, self.after.evidence(session, self.policy_version), rate)

    def _own_input(self, session: OpenSession, before: View) -> int | None:
        """Return the new input if it went to a session that had the focus all along, or before the change."""
        input_ms = self.stretch.input_ms
        if before.session != session.id or input_ms is None:
            return None
        is_own = not self.moved or input_ms < self.change_ms or session.exited_ms is not None
        return input_ms if is_own else None

    def _credit(self, session: OpenSession) -> None:
        """Remember the last input as one that this session got, if it has the focus and did get it."""
        if self.after.session != session.id or self.before is None:
            return
        input_ms = self.after.last_input_ms
        got = self.stretch.input_ms is not None and self.stretch.watched and not self.moved
        if got or self.stretch.end_ms - input_ms <= FOCUS_INPUT_MS:
            session.since_ms = max(session.since_ms, input_ms + session.anchor_ms)

    def _settle(self, session: OpenSession) -> None:
        """End the gap where the session is tiled to: from there on it shows whether it was a long one."""
        if self.before is None:  # it was short at the last checkpoint, and nobody knows more
            session.timeline.resolve("input")
            return
        at_ms = session.timeline.until_ms - session.anchor_ms
        input_ms = self.stretch.input_ms
        start_ms = input_ms if input_ms is not None and input_ms < at_ms else self.before.last_input_ms
        session.timeline.resolve("no_input" if at_ms - start_ms >= self.gap_floor_ms else "input")

    def _unseen(self, session: OpenSession, attention: Attention) -> Evidence:
        return Evidence(attention, session.since_ms, None, False, self.policy_version)
