"""The acts on a run in words, as its audit log tells them beside what the digests are taken of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipelines.answers.wording import count
from pipelines.workbook_words import KIND_WORDS
from warehouse.money import HOUR_MS, format_minor

_LINES = {
    "billing dispute": "disputed",
    "billing accept": "accepted",
    "billing hold": "held",
    "billing writeoff": "written off",
    "billing release": "released",
}
_OTHERS = {
    "billing draft": "Drafted for {target}: {amounts}",
    "billing transfer": "Line {line} transferred to {to}",
    "billing settle": "Settled: {exceptions}",
    "billing waive": "Waived: {exceptions}",
    "billing sign": "Project {project} signed off",
    "billing withdraw": "Sign-off of project {project} taken back",
    "billing approve": "Approved: {amounts}",
    "billing close": "Closed for good",
    "billing void": "Made void",
    "billing workbook": "Workbook written, with the names of {people}",
} | {act: f"Line {{line}} {done}" for act, done in _LINES.items()}


def in_words(action: str, detail: str) -> str:
    """Say what an event of a run was; of an act without words of its own, its name.

    Parameters
    ----------
    detail
        What the event tells, as JSON: see `ledger.run_events.EVENTS`.
    """
    told = json.loads(detail) or {}
    facts = {
        **told,
        "amounts": _amounts(told.get("amount_minor") or {}),
        "to": " / ".join(code for code in (told.get("to") or {}).values() if code),
        "exceptions": _exceptions(told),
        "people": count(told.get("people") or 0, "person", "people"),
    }
    done = _OTHERS.get(action, "{act}").format_map({"act": _plain(action), "line": "", "target": "", **facts})
    return f"{done}: {told['reason']}" if told.get("reason") else done


def _plain(action: str) -> str:
    """Say of an act without words of its own what it was: Export generic."""
    return action.removeprefix("billing ").capitalize()


def _amounts(minor: Mapping[str, int]) -> str:
    return " + ".join(format_minor(amount, code) for code, amount in sorted(minor.items())) or "nothing"


def _exceptions(told: Mapping[str, Any]) -> str:
    """Say which exceptions were dealt with: 55 of closed project, 81.2 h."""
    kind = str(told.get("kind") or "")
    words = KIND_WORDS.get(kind, kind.replace("_", " "))
    hours = (told.get("milliseconds") or 0) / HOUR_MS
    return f"{told.get('exceptions') or 0:,} of {words}" + (f", {hours:,.1f} h" if hours else "")
