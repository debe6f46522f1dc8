"""The records that travel from agent to manager, and the policy that travels back.

Plain dataclasses of the standard library: the agent encodes them with `json`, the manager decodes and checks
them with msgspec in strict mode. Every instant is UTC in whole milliseconds since 1970 (`*_ms`); every
duration is in milliseconds. The words are those of docs/glossary.md.

A spool numbers its records 1, 2, 3, ... within one `epoch`; an epoch is the life of one spool file, so that a
lost spool starts a new one. The manager stores each (agent, epoch, sequence) once.

A field that is added later has a default, and is not sent while it has it (`plain`), so that an agent and a
manager of different versions understand each other; a change of meaning raises `PROTOCOL_VERSION`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

PROTOCOL_VERSION = 1
MAX_BATCH_RECORDS = 2_000
MAX_BATCH_BYTES = 4 * 1024 * 1024
"""Upper limit of a batch after decompression."""

Attention = Literal[
    "input", "no_input", "background", "locked", "disconnected", "suspended", "held", "unobserved"
]
SessionState = Literal["open", "closed"]
PromptOutcome = Literal["asked", "entered", "kept", "dismissed"]
"""What became of the question for a project at launch; `asked`: it was put, and is not answered yet."""
MOST_FIELDS = 8
"""So many fields of its own an organization may name for project entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """How one application is recognized. Patterns are shell globs, compared case-insensitively.

    All fields that are given must match. `arguments` is matched on the host and never sent.
    """

    executable: str
    """Glob for the executable's file name (no slash in it) or its whole path (a slash in it)."""
    arguments: str | None = None
    window_class: str | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoredApplication:
    """One application the organization chose to meter."""

    code: str
    name: str
    signatures: tuple[Signature, ...]
    billed: bool = False
    """True when its use flows to Expense-2-Project."""
    prompt: bool = False
    """Whether the person is asked at launch which project it is for; of billed ones alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionPolicy:
    """What an agent meters and how finely. The last good copy is kept on the host."""

    version: int
    applications: tuple[MonitoredApplication, ...]
    gap_floor_ms: int = 60_000
    poll_ms: int = 1_000
    """Never more than half the gap floor."""
    checkpoint_ms: int = 60_000
    delivery_ms: int = 10_000
    presence_ms: int = 5_000
    policy_refresh_ms: int = 60_000
    projects_refresh_ms: int = 300_000
    """How often the list of open projects is asked for, where an application is billed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """One session of one application, sent when it opens, when it changes, and when it closes.

    Grain: one row per session and send; the highest sequence wins.
    """

    kind: Literal["session"] = "session"
    session: str
    """32 hexadecimal digits, drawn by the agent."""
    application: str
    account: str
    """Operating-system account that runs it, `DOMAIN\\name` or `name`."""
    logon_session: str
    client_device: str | None
    zone: str
    """IANA zone of the host."""
    state: SessionState
    started_ms: int
    ended_ms: int | None = None
    end_uncertainty_ms: int = 0
    """Above 0 when the process vanished while nobody watched: `ended_ms` is the last checkpoint."""
    instance_count: int = 1
    boot_id: str
    pid: int
    start_ticks: int
    application_version: str | None = None
    clock_stepped: bool = False
    prompt: PromptOutcome | None = None
    """None: the person was not asked for a project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRecord:
    """A closed, immutable half-open stretch [start_ms, end_ms) of a session with constant evidence."""

    kind: Literal["segment"] = "segment"
    session: str
    start_ms: int
    end_ms: int
    attention: Attention
    cpu_percent: float
    """Mean use of the process tree over the segment, in percent of one core."""
    units: int = 1
    inhibiting: bool = False
    instance: int | None = None
    """Pid of the session's process that has the focus, if any."""
    since_ms: int
    policy_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRecord:
    """A stretch in which the agent watched this host, and what its sensors could see."""

    kind: Literal["watch"] = "watch"
    start_ms: int
    end_ms: int
    sees_focus: bool
    sees_input: bool
    sees_lock: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRecord:
    """Project data for a session from an instant on, as the person entered them; judged by the server."""

    kind: Literal["project"] = "project"
    session: str
    instance: int | None = None
    """None: all instances."""
    from_ms: int
    to_ms: int | None = None
    project: str
    phase: str | None = None
    task: str | None = None
    author: str
    reason: str
    fields: dict[str, str] = field(default_factory=dict)
    """The organization's own fields by name, as the person entered them; at most `MOST_FIELDS`."""


Record = SessionRecord | SegmentRecord | WatchRecord | ProjectRecord

_LATER: dict[str, Any] = {"prompt": None, "fields": {}}
"""Fields that came after the first version of a record, and their defaults."""


def plain(record: Record) -> dict[str, Any]:
    """Return a record as plain values for JSON; what came later is left out while it says nothing."""
    return {
        name: value for name, value in asdict(record).items() if name not in _LATER or value != _LATER[name]
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceRecord:
    """What one open session is doing now. Overwritten, never billed."""

    session: str
    application: str
    account: str
    attention: Attention
    attention_since_ms: int
    since_ms: int
    started_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedRecord:
    """A record and its place in the spool."""

    sequence: int
    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What an agent posts to `/v1/batches`: closed records in order, and its presence now."""

    protocol: int = PROTOCOL_VERSION
    epoch: str
    agent_version: str
    sent_ms: int
    """The agent's wall clock when it sent this; the manager measures the offset with it."""
    backlog: int
    """Records that still wait in the spool, this batch included."""
    records: tuple[NumberedRecord, ...] = ()
    presence: tuple[PresenceRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """The manager's answer: everything up to and with `acknowledged` is stored or set aside for good."""

    acknowledged: int
    quarantined: int
    """How many records of this batch were set aside with a reason."""
    policy_version: int
    """The newest; an agent that has an older one asks for `/v1/policy`."""
    received_ms: int
    """The manager's clock; the agent's offset is measured against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentRequest:
    """What `process-meter-agent enroll` posts to `/v1/enroll`."""

    protocol: int = PROTOCOL_VERSION
    token: str
    host: str
    zone: str
    system: str
    agent_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrollment:
    """The answer to an enrollment; `key` (hexadecimal) signs every later request and is shown only here."""

    agent: str
    key: str
    policy: CollectionPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """A field of project entries that the organization has named, and what fits in it."""

    name: str
    label: str
    kind: Literal["text", "number", "date", "choice"] = "text"
    required: bool = False
    """Whether time on a chargeable code needs it."""
    pattern: str | None = None
    """Regular expression that a whole text has to match."""
    choices: tuple[str, ...] = ()
    longest: int = 255
    """Most characters of a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPhase:
    """A phase of a listed project."""

    number: str
    name: str
    chargeable: bool = True
    opened_on: str | None = None
    closed_on: str | None = None
    """First day on which it takes no more time."""
    tasks: tuple[tuple[str, str], ...] = ()
    """Number and name of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedProject:
    """One line of the list of open projects that `/v1/projects` gives; what is at its default is left out."""

    number: str
    name: str
    payer: str | None = None
    """Name of the client or cost center."""
    kind: Literal["project", "client", "cost_center"] = "project"
    """client, cost_center: the payer's own account, where no project is named."""
    chargeable: bool = True
    opened_on: str | None = None
    closed_on: str | None = None
    phases: tuple[ListedPhase, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectListHead:
    """The first line of the list of open projects: JSON lines, gzip, one project in each further line."""

    version: str
    """Tells one content from another; the answer's ETag, too."""
    projects: int
    fields: tuple[FieldRule, ...] = ()


MOST_LIST_BYTES = 64 * 1024 * 1024
"""Upper limit of the list of open projects after decompression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Body of every answer that is not a success: one sentence that names the place and the remedy."""

    error: str
    remedy: str = ""
    fields: dict[str, str] = field(default_factory=dict)


def signing_text(method: str, path: str, sent_ms: int, body_sha256_hex: str) -> bytes:
    """Return the bytes whose HMAC-SHA256 (hexadecimal) is the `X-Process-Meter-Signature` header.

    The path is as it was asked for, with its query if it has one. The other two headers of a signed request
    are `X-Process-Meter-Agent` (the agent's id) and `X-Process-Meter-Sent` (`sent_ms`). The key is the one of
    the enrollment. The digest is that of the body as sent (compressed where `Content-Encoding: deflate` says
    so; deflate means the zlib format, RFC 9110).
    """
    return f"{method}\n{path}\n{sent_ms}\n{body_sha256_hex}".encode()
