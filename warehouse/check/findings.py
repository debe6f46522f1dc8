"""What a check found, rule by rule: each thing named, and no more of a kind than a person reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

EXAMPLES = 20
"""So many findings of a rule are shown; of the others only how many they are."""

RULES = {
    "tiling": "segments tile their session: no hole, no overlap, nothing outside",
    "length": "a segment ends after it starts",
    "quarter": "no segment crosses a quarter of an hour",
    "since": "the last input lies at or before a segment's start",
    "attention": "attention is one of the known words",
    "key": "what identifies something does so once",
    "reference": "what a row refers to is there",
    "zone": "time zones are known",
    "validity": "of one scope one thing is valid at a time, and fiscal periods follow each other",
    "run": "a fiscal period has one standing run",
    "evidence": "a charge line leads to its evidence",
    "sum": "lines are the sum of their shares, and runs the sum of their lines",
    "chain": "nothing that was closed or audited has changed",
    "rollup": "rollups equal the evidence",
    "mirror": "the mirror equals the evidence",
}
"""Every rule and what it says, in the order of the findings."""


class Finding(NamedTuple):
    """One thing that breaks a rule.

    Attributes
    ----------
    rule
        One of `RULES`.
    subject
        What breaks it, as `session 4711 (flexnet:...)`.
    detail
        How.
    """

    rule: str
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.detail}"


class Findings:
    """Collects findings: the first ones of a rule as they are, the others as a number."""

    def __init__(self) -> None:
        self._shown: dict[str, list[Finding]] = {rule: [] for rule in RULES}
        self._more: Counter[str] = Counter()

    def add(self, rule: str, subject: str, detail: str) -> None:
        """Take in one finding."""
        shown = self._shown[rule]
        if len(shown) < EXAMPLES:
            shown.append(Finding(rule, subject, detail))
        else:
            self._more[rule] += 1

    def add_all(self, rule: str, found: Iterable[tuple[str, str]]) -> None:
        """Take in findings of one rule, each a subject and a detail."""
        for subject, detail in found:
            self.add(rule, subject, detail)

    def add_more(self, rule: str, count: int) -> None:
        """Count findings of a rule that nobody will look at one by one."""
        self._more[rule] += count

    def listed(self) -> list[Finding]:
        """Return all findings in order of the rules; the last one of a long rule says how many follow."""
        return [finding for rule in RULES for finding in (*self._shown[rule], *self._rest(rule))]

    def _rest(self, rule: str) -> list[Finding]:
        count = self._more[rule]
        return [Finding(rule, rule, f"and {count:,} more that break this rule")] if count else []


def instant(milliseconds: int) -> str:
    """Write an instant as people read it; one that no calendar holds as its number."""
    try:
        at = datetime.fromtimestamp(milliseconds // 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{milliseconds} ms"
    part = f".{milliseconds % 1000:03}" if milliseconds % 1000 else ""
    return f"{at:%Y-%m-%dT%H:%M:%S}{part}Z"
