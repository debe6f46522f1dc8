"""A session whose last process has not ended for good, as the meter keeps it and writes it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from typing import Any, Self

from collector.agent.sample import Identity, Instance, Project, SessionKey
from collector.agent.timeline import Timeline
from collector.protocol import (
    Attention,
    PresenceRecord,
    ProjectRecord,
    PromptOutcome,
    SegmentRecord,
    SessionRecord,
)

GRACE_MS = 5_000
"""A launcher that restarts itself within this time stays one session."""
ASKED_AFTER_MS = 1_000
"""Nobody is asked which project it is for before it has been open for so long."""


def stated(session: str, from_ms: int, project: Project, reason: str) -> ProjectRecord:
    """Return the statement that a session works for a project from an instant on."""
    return ProjectRecord(
        session=session,
        from_ms=from_ms,
        project=project.number,
        phase=project.phase,
        task=project.task,
        author=project.author,
        reason=reason,
        fields=dict(project.fields),
    )


@dataclass(slots=True, kw_only=True)
class OpenSession:
    """One open session; every instant is UTC, placed by the anchor of its start."""

    id: str
    key: SessionKey
    client_device: str | None
    version: str | None
    zone: str
    boot_id: str
    identity: Identity
    started_ms: int
    anchor_ms: int
    """Wall time minus boot time when it was first seen: places it for good."""
    since_ms: int
    timeline: Timeline
    instances: list[Identity] = field(default_factory=list)
    """The living processes."""
    instance_count: int = 0
    """The most that lived at once."""
    exited_ms: int | None = None
    lost: bool = False
    """Whether its last process ended while nobody watched."""
    end_uncertainty_ms: int = 0
    clock_stepped: bool = False
    told: list[Any] = field(default_factory=list)
    project: list[Any] = field(default_factory=list)
    """The project of the command line that was stated last."""
    asks: bool = False
    """Whether it was launched while the policy said to ask for its project."""
    prompt: PromptOutcome | None = None
    entered: dict[str, Any] | None = None
    """The project that was entered at launch."""
    shown: Attention = "unobserved"
    shown_since_ms: int = 0

    @classmethod
    def start(cls, session: str, instance: Instance, *, anchor_ms: int, boot_id: str, zone: str) -> Self:
        """Open a session with its first process."""
        started_ms = instance.started_ms + anchor_ms
        return cls(
            id=session,
            key=instance.key,
            client_device=instance.client_device,
            version=instance.version,
            zone=zone,
            boot_id=boot_id,
            identity=instance.identity,
            started_ms=started_ms,
            anchor_ms=anchor_ms,
            since_ms=started_ms,
            timeline=Timeline(started_ms),
        )

    def takes(self, instance: Instance) -> bool:
        """Whether a further process belongs to this session."""
        if self.key != instance.key or self.lost:
            return False
        return self.exited_ms is None or instance.started_ms + self.anchor_ms <= self.exited_ms + GRACE_MS

    def join(self, instance: Instance) -> None:
        """Take a further process in."""
        self.instances.append(instance.identity)
        self.instance_count = max(self.instance_count, len(self.instances))

    def lose(self, uncertainty_ms: int) -> None:
        """End where the tiling ends: its last process vanished while nobody watched."""
        self.instances.clear()
        if self.exited_ms is None:
            self.exited_ms = self.timeline.until_ms
            self.end_uncertainty_ms = max(0, uncertainty_ms)
        self.lost = True

    def is_over(self, boot_ms: int) -> bool:
        """Whether it can go on no more."""
        if self.exited_ms is None:
            return False
        return self.lost or boot_ms + self.anchor_ms >= self.exited_ms + GRACE_MS

    def news(self) -> list[SessionRecord]:
        """Return the session's record if the manager does not know it like this yet."""
        state = [self.instance_count, self.clock_stepped, self.prompt]
        if self.told == state:
            return []
        self.told = state
        return [self.record()]

    def record(self, *, over: bool = False) -> SessionRecord:
        """Return what the manager is told of it."""
        return SessionRecord(
            session=self.id,
            application=self.key.application,
            account=self.key.account,
            logon_session=self.key.logon_session,
            client_device=self.client_device,
            zone=self.zone,
            state="closed" if over else "open",
            started_ms=self.started_ms,
            ended_ms=self.exited_ms if over else None,
            end_uncertainty_ms=self.end_uncertainty_ms if over else 0,
            instance_count=self.instance_count,
            boot_id=self.boot_id,
            pid=self.identity.pid,
            start_ticks=self.identity.start_ticks,
            application_version=self.version,
            clock_stepped=self.clock_stepped,
            prompt=self.prompt,
        )

    def segments(self, *, over: bool) -> list[SegmentRecord]:
        """Return the segments that are closed from now on."""
        return [
            SegmentRecord(
                session=self.id,
                start_ms=piece.start_ms,
                end_ms=piece.end_ms,
                attention=piece.evidence.attention or "input",
                cpu_percent=round(piece.cpu_percent, 3),
                inhibiting=piece.evidence.inhibiting,
                instance=piece.evidence.instance,
                since_ms=piece.evidence.since_ms,
                policy_version=piece.evidence.policy_version,
            )
            for piece in self.timeline.close(ended=over)
        ]

    def assign(self, project: Project, now_ms: int) -> list[ProjectRecord]:
        """Return the statement that this session works for a project, unless it was made before.

        A session that launched after the project was set belongs to it as a whole; an older one from then on.
        """
        mark = [project.number, project.phase, project.task, project.set_ms]
        if self.project == mark:
            return []
        self.project = mark
        from_ms = max(self.started_ms, min(project.set_ms, now_ms))
        return [stated(self.id, from_ms, project, "set on the command line")]

    def is_to_be_asked(self) -> bool:
        """Whether it waits for the question for its project; what ends at once asks nothing."""
        is_there = self.exited_ms is None and self.timeline.until_ms - self.started_ms >= ASKED_AFTER_MS
        return self.asks and self.prompt is None and is_there

    def show(self, attention: Attention, now_ms: int) -> None:
        """Say what the session is doing now, back-dated to where the evidence for it starts."""
        if attention != self.shown:
            run = takewhile(
                lambda piece: (piece.evidence.attention or "input") == attention, self.timeline.trailing()
            )
            self.shown_since_ms = min((piece.start_ms for piece in run), default=now_ms)
            self.shown = attention

    def presence(self) -> PresenceRecord:
        """Return what the session is doing now."""
        return PresenceRecord(
            session=self.id,
            application=self.key.application,
            account=self.key.account,
            attention=self.shown,
            attention_since_ms=self.shown_since_ms,
            since_ms=self.since_ms,
            started_ms=self.started_ms,
        )

    def document(self) -> dict[str, Any]:
        """Return this as plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read back what `document` returned."""
        typed = {
            "key": SessionKey(*document["key"]),
            "identity": Identity(*document["identity"]),
            "instances": [Identity(*identity) for identity in document["instances"]],
            "timeline": Timeline.from_document(document["timeline"]),
        }
        return cls(**{**document, **typed})
