"""What every field that leaves this host means, in plain words; `show-my-data` prints it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from collector.agent.open_session import OpenSession

NEVER = (
    "Never recorded: window titles, web addresses, file names, command-line arguments, key strokes, pictures."
)

WORDS: dict[str, dict[str, str]] = {
    "session": {
        "session": "a random number that tells this session from others",
        "application": "which application",
        "account": "your account on this computer",
        "logon_session": "which of your logons",
        "client_device": "the device you are connected from, if remote",
        "zone": "time zone of this computer",
        "state": "open or closed",
        "started_ms": "when it started",
        "ended_ms": "when it ended",
        "end_uncertainty_ms": "how much later it may have ended (milliseconds)",
        "instance_count": "how many of its processes ran at once, at most",
        "boot_id": "a random number of this start of the computer",
        "pid": "number of its first process",
        "start_ticks": "when that process started, as the system counts",
        "application_version": "version of the application, if known",
        "clock_stepped": "whether the clock was set meanwhile",
        "prompt": "whether you were asked for a project at launch, and what became of it",
    },
    "segment": {
        "session": "the session it belongs to",
        "start_ms": "from",
        "end_ms": "to",
        "attention": "whether you typed in it, it waited, ran in the background, the screen was locked, ...",
        "cpu_percent": "how busy it kept the processor (percent of one core)",
        "units": "how many licenses it took",
        "inhibiting": "whether it kept the computer awake",
        "instance": "number of the process that had the focus",
        "since_ms": "when it last got a key stroke or pointer movement",
        "policy_version": "under which collection policy",
    },
    "watch": {
        "start_ms": "from",
        "end_ms": "to",
        "sees_focus": "whether the agent could see which window has the focus",
        "sees_input": "whether it could see that someone types",
        "sees_lock": "whether it could see that the screen is locked",
    },
    "project": {
        "session": "the session it is about",
        "instance": "one process of it, or all",
        "from_ms": "from",
        "to_ms": "to",
        "project": "the project number you entered",
        "phase": "the phase you entered",
        "task": "the task you entered",
        "author": "who entered it",
        "reason": "how it was entered",
        "fields": "what you entered in your organization's own fields",
    },
}
HEADINGS = {
    "session": "a session: an application that is or was open",
    "segment": "a stretch of a session",
    "watch": "a stretch in which the agent watched this computer",
    "project": "a project that a session works for",
}


def describe(number: int, record: dict[str, Any], refused: str) -> list[str]:
    """Return the lines that say what one record holds."""
    kind = str(record.get("kind"))
    note = f"; the manager refused it: {refused}" if refused else ""
    words = WORDS.get(kind, {})
    fields = [(name, value) for name, value in record.items() if name != "kind"]
    return [
        f"#{number} {HEADINGS.get(kind, kind)}{note}",
        *(f"    {name} = {_text(name, value)}    ({words.get(name, '')})" for name, value in fields),
    ]


def describe_open(document: dict[str, Any]) -> list[str]:
    """Return the lines that say what is held of one session that is open, as the meter wrote it down."""
    session = OpenSession.from_document(document)
    pieces = reversed(list(session.timeline.trailing()))
    return [
        *describe(0, asdict(session.record()), "")[1:],
        *(
            f"    stretch {_text('start_ms', piece.start_ms)} to {_text('end_ms', piece.end_ms)}: "
            f"{piece.evidence.attention or 'input'}"
            for piece in pieces
        ),
        "",
    ]


def moment(wall_ms: object) -> str | None:
    """Return an instant (UTC, in milliseconds) as people read it, to the second; None where there is none."""
    return _instant(wall_ms, "seconds") if isinstance(wall_ms, int) else None


def _instant(wall_ms: int, timespec: str) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415  (a running agent does without)

    return datetime.fromtimestamp(wall_ms / 1000, UTC).isoformat(timespec=timespec)


def _text(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name.endswith("_ms") and isinstance(value, int) and name != "end_uncertainty_ms":
        return _instant(value, "milliseconds")
    return str(value)
