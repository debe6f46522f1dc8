"""What the meter is told at one moment: the processes that are open, and what the sensor saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from collector.agent.clock import Moment


class Identity(NamedTuple):
    """One process of one start of the host; a pid alone is used again and again."""

    pid: int
    start_ticks: int


class SessionKey(NamedTuple):
    """What makes a session one: application, account, logon session."""

    application: str
    account: str
    logon_session: str


@dataclass(frozen=True, slots=True)
class Instance:
    """One living process that bears an application's signature."""

    key: SessionKey
    identity: Identity
    started_ms: int
    """Boot time."""
    client_device: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """The project that a person set, in force since `set_ms` (wall clock)."""

    number: str
    phase: str | None
    task: str | None
    author: str
    set_ms: int
    fields: Mapping[str, str] = field(default_factory=dict)
    """The organization's own fields, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Everything the meter learns at one moment; instants without a clock's name are boot time."""

    moment: Moment
    boot_id: str
    zone: str
    instances: tuple[Instance, ...] = ()
    exits: Mapping[Identity, int] = field(default_factory=dict)
    """When processes ended that were open at the previous sample, where that is known better than now."""
    searched_ms: int | None = None
    """When launches were searched for before this sample, in whole ticks, as starts are; None: never."""
    cpu_ms: Mapping[SessionKey, float] = field(default_factory=dict)
    """CPU time that the process trees of a session used since the previous sample."""
    sees_focus: bool = False
    sees_input: bool = False
    sees_lock: bool = False
    focus_pid: int | None = None
    last_input_ms: int | None = None
    locked: bool = False
    disconnected: bool = False
    inhibiting: frozenset[int] = frozenset()
    project: Project | None = None
