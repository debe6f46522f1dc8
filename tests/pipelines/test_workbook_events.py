"""The audit log of a workbook says in words what each act on the run was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipelines.workbook_events import in_words

DRAFTED = {
    "target": "generic", "cut_off_ms": 1, "amount_minor": {"AUD": 77105, "EUR": 2716515},
    "input_digest": "0c", "reviews_dropped": [], "settlements_dropped": [], "showback": False,
}  # fmt: skip
WAIVED = {
    "kind": "closed_project", "exceptions": 55, "milliseconds": 292_481_011, "which": None,
    "reason": "at our own cost",
}  # fmt: skip


@pytest.mark.parametrize(
    ("action", "detail", "says"),
    [
        ("billing draft", DRAFTED, "Drafted for generic: 771.05 AUD + 27,165.15 EUR"),
        ("billing draft", DRAFTED | {"amount_minor": {}}, "Drafted for generic: nothing"),
        ("billing hold", {"line": 3710, "reason": "not agreed"}, "Line 3710 held: not agreed"),
        ("billing writeoff", {"line": 3, "reason": "goodwill"}, "Line 3 written off: goodwill"),
        (
            "billing transfer",
            {"line": 3, "reason": "theirs", "to": {"project": "B", "phase": "01", "task": None}},
            "Line 3 transferred to B / 01: theirs",
        ),
        ("billing waive", WAIVED, "Waived: 55 of closed project, 81.2 h: at our own cost"),
        (
            "billing settle",
            WAIVED | {"exceptions": 1, "milliseconds": 0, "kind": "unassigned"},
            "Settled: 1 of no project: at our own cost",
        ),
        ("billing sign", {"lines_digest": "b5", "project": "A", "reason": ""}, "Project A signed off"),
        ("billing close", {"digest": "7f"}, "Closed for good"),
        ("billing workbook", {"people": 1}, "Workbook written, with the names of 1 person"),
        ("billing export generic", {"people": 90}, "Export generic"),
        ("billing void", {"reason": "wrong {line} calendar"}, "Made void: wrong {line} calendar"),
        ("billing something new", None, "Something new"),
    ],
)
def test_an_act_is_told_in_words(action: str, detail: dict[str, Any] | None, says: str) -> None:
    assert in_words(action, json.dumps(detail)) == says
