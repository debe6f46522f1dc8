"""Delivery: what waits in the spool goes to the manager, with what is open now; the newest policy comes back.

One `Delivery.attempt` is one exchange, or none when nothing is due. Whatever goes wrong, the records stay in
the spool, and the next attempt comes later: after one second first, then twice as long each time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from collector.agent import VERSION
from collector.agent.clock import Clock
from collector.agent.errors import AgentProblem, DeliveryProblem
from collector.agent.home import Enrolled
from collector.agent.policy import decode_policy
from collector.agent.spool import Spool, Spooled
from collector.agent.wire import Wanted, Wire, address, get_policy, get_projects, post_batch
from collector.protocol import MAX_BATCH_BYTES, PROTOCOL_VERSION, CollectionPolicy, PresenceRecord

FIRST_DELAY_MS = 1_000
MAX_DELAY_MS = 300_000
MAX_DELAY_HERE_MS = 60_000
"""Longest back-off from a manager on this very machine: a trial does not want to wait."""
MOST_RECORDS = 500
MOST_CHARACTERS = MAX_BATCH_BYTES // 8
REFUSALS_BEFORE_ASIDE = 3
"""So often one record alone has to be refused before it is set aside."""


@dataclass(slots=True)
class Backoff:
    """How long to wait after failures: doubling, spread at random so that a fleet does not come at once."""

    most_ms: int
    failures: int = 0

    def fail(self, chance: float) -> int:
        """Note a failure and return the milliseconds to wait.

        Parameters
        ----------
        chance
            A random number of [0, 1).
        """
        full_ms = min(self.most_ms, FIRST_DELAY_MS << min(self.failures, 20))
        self.failures += 1
        return full_ms if self.failures == 1 else round(full_ms * (0.5 + chance / 2))

    def succeed(self) -> None:
        """Forget all failures."""
        self.failures = 0


@dataclass(slots=True)
class Outcome:
    """How delivery stands, for `status`."""

    delivered_ms: int | None = None
    """Wall clock of the last success."""
    error: str | None = None
    """The last failure, until the next success."""
    failed_ms: int | None = None
    projects_error: str | None = None
    """Why the list of open projects is not the newest; evidence goes its way meanwhile."""


class Open(Protocol):
    """What is open now, and which policy is in force: the service, as delivery knows it."""

    def presence(self) -> Sequence[PresenceRecord]:
        """Return what every open session is doing now."""
        ...

    def policy(self) -> CollectionPolicy:
        """Return the policy in force."""
        ...

    def renew_policy(self, policy: CollectionPolicy) -> None:
        """Put a newer policy in force."""
        ...

    def projects_wanted(self) -> Wanted:
        """Return what is to be asked about the list of open projects."""
        ...


@dataclass(slots=True)
class Delivery:
    """Everything between the spool and one manager."""

    enrolled: Enrolled
    spool: Spool
    clock: Clock
    here: Open
    chance: Callable[[], float]
    """Draws a random number of [0, 1)."""
    outcome: Outcome = field(default_factory=Outcome)
    _wire: Wire = field(init=False)
    _backoff: Backoff = field(init=False)
    _limit: int = MOST_RECORDS
    _refusals: int = 0
    _told: list[str] = field(default_factory=list)
    _send_at_ms: int = 0
    _policy_at_ms: int = 0
    _projects_at_ms: int = 0
    _retry_at_ms: int = 0
    _wanted_version: int = 0

    def __post_init__(self) -> None:
        """Open nothing yet: the first attempt does."""
        self._wire = Wire(self.enrolled.url)
        here = not address(self.enrolled.url).secure
        self._backoff = Backoff(MAX_DELAY_HERE_MS if here else MAX_DELAY_MS)

    def attempt(self, *, at_once: bool = False) -> None:
        """Send what is due, and ask for the policy if it is due; never raises for a bad answer.

        Parameters
        ----------
        at_once
            Send whatever there is, due or not, back-off or not.
        """
        now = self.clock.now()
        if now.mono_ms < self._retry_at_ms and not at_once:
            return
        try:
            if at_once or self._is_due(now.mono_ms):
                self._send()
                self._send_at_ms = now.mono_ms + self.here.policy().presence_ms
            if now.mono_ms >= self._policy_at_ms or self._wanted_version > self.here.policy().version:
                self._refresh_policy(now.mono_ms)
        except AgentProblem as problem:
            self._failed(problem)
            return
        if now.mono_ms >= self._projects_at_ms and self._is_billing():
            self._refresh_projects(now.mono_ms)

    def _is_due(self, mono_ms: int) -> bool:
        """Whether there is something to send: open sessions, others than last time, or waiting records."""
        if self.spool.backlog() >= self._limit:
            return True
        if mono_ms < self._send_at_ms:
            return False
        open_now = [record.session for record in self.here.presence()]
        return bool(open_now) or open_now != self._told or self._is_waiting(mono_ms)

    def _is_waiting(self, mono_ms: int) -> bool:
        # `_send_at_ms` is a presence interval after the last batch; a delivery interval is longer.
        policy = self.here.policy()
        quiet_ms = mono_ms - self._send_at_ms + policy.presence_ms
        return quiet_ms >= (policy.delivery_ms if self.spool.backlog() else policy.policy_refresh_ms)

    # --- One batch -----------------------------------------------------------------------------------------

    def _send(self) -> None:
        spooled = self.spool.peek(self._limit, MOST_CHARACTERS)
        presence = self.here.presence()
        sent_ms = self.clock.now().wall_ms
        batch = encode_batch(self.spool.epoch, sent_ms, self.spool.backlog(), spooled, presence)
        try:
            answer = post_batch(self._wire, self.enrolled, sent_ms, batch)
            acknowledged = _whole(answer, "acknowledged")
            version = _whole(answer, "policy_version")
        except DeliveryProblem as problem:
            self._refused(problem, spooled)
            raise
        if spooled:
            self._acknowledge(acknowledged, spooled)
        self._told = [record.session for record in presence]
        self._wanted_version = version
        self._succeeded()

    def _acknowledge(self, acknowledged: int, spooled: Sequence[Spooled]) -> None:
        if acknowledged > self.spool.last_sequence():
            # The manager knows more of this epoch than we do: this spool was set back to an earlier day.
            self.spool.renew_epoch()
            return
        if acknowledged < spooled[0].sequence:
            raise DeliveryProblem("the manager acknowledged nothing of what was sent")
        self.spool.acknowledge(acknowledged)

    def _refused(self, problem: DeliveryProblem, spooled: Sequence[Spooled]) -> None:
        """Make the best of a refusal, so that the next attempt can succeed."""
        if problem.status == 409:
            self._follow(problem, spooled)
        elif problem.status in (400, 413, 422) and spooled:
            self._narrow(str(problem), spooled)

    def _follow(self, problem: DeliveryProblem, spooled: Sequence[Spooled]) -> None:
        """Go on from the sequence that the manager waits for."""
        expected = problem.fields.get("expected_sequence", "")
        if not expected.isdecimal() or not spooled:
            return
        if spooled[0].sequence < int(expected) <= self.spool.last_sequence() + 1:
            self.spool.acknowledge(int(expected) - 1)
        else:
            # It waits for records that were acknowledged long ago: it was set back to an earlier day.
            self.spool.renew_epoch()

    def _narrow(self, reason: str, spooled: Sequence[Spooled]) -> None:
        """Halve the batch until the record is found that the manager will not take, and set that aside."""
        self._limit = max(1, len(spooled) // 2)
        self._refusals = self._refusals + 1 if len(spooled) == 1 else 0
        if self._refusals >= REFUSALS_BEFORE_ASIDE:
            self.spool.refuse(spooled[0].sequence, reason)
            self._refusals = 0

    def _succeeded(self) -> None:
        self._limit, self._refusals = min(MOST_RECORDS, self._limit * 2), 0
        self._backoff.succeed()
        self.outcome = replace(
            self.outcome, delivered_ms=self.clock.now().wall_ms, error=None, failed_ms=None
        )

    def _failed(self, problem: AgentProblem) -> None:
        now = self.clock.now()
        self._retry_at_ms = now.mono_ms + self._backoff.fail(self.chance())
        self.outcome = replace(self.outcome, error=str(problem), failed_ms=now.wall_ms)

    # --- Policy --------------------------------------------------------------------------------------------

    def _refresh_policy(self, mono_ms: int) -> None:
        # Noted first: a policy that cannot be read is asked for again at its time, not all the time.
        self._policy_at_ms = mono_ms + self.here.policy().policy_refresh_ms
        self._wanted_version = 0
        newest = decode_policy(get_policy(self._wire, self.enrolled, self.clock.now().wall_ms))
        if newest != self.here.policy():
            self.here.renew_policy(newest)

    def _is_billing(self) -> bool:
        return any(application.billed for application in self.here.policy().applications)

    def _refresh_projects(self, mono_ms: int) -> None:
        """Ask for the list of open projects; a failure waits for the next time, and holds nothing up."""
        self._projects_at_ms = mono_ms + self.here.policy().projects_refresh_ms
        try:
            get_projects(self._wire, self.enrolled, self.clock.now().wall_ms, self.here.projects_wanted())
        except AgentProblem as problem:
            self._wire.close()
            self.outcome = replace(self.outcome, projects_error=str(problem))
        else:
            self.outcome = replace(self.outcome, projects_error=None)

    def close(self) -> None:
        """Let go of the connection."""
        self._wire.close()


def encode_batch(
    epoch: str, sent_ms: int, backlog: int, spooled: Sequence[Spooled], presence: Sequence[PresenceRecord]
) -> str:
    """Return a `collector.protocol.Batch` as JSON; the records are put in as they lie in the spool."""
    head = json.dumps(
        {
            "protocol": PROTOCOL_VERSION,
            "epoch": epoch,
            "agent_version": VERSION,
            "sent_ms": sent_ms,
            "backlog": backlog,
            "presence": [asdict(record) for record in presence],
        }
    )
    records = ",".join(f'{{"sequence":{sequence},"record":{body}}}' for sequence, body in spooled)
    return f'{head[:-1]},"records":[{records}]}}'


def _whole(answer: dict[str, Any], name: str) -> int:
    value = answer.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise DeliveryProblem(f"the manager's answer has no {name}")
    return value
