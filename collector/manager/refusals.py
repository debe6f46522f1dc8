"""What the manager says no to, each with its status, in the words of `protocol.Refusal`.

Refused        any answer that is not a success; carries status, sentence, remedy, fields
└── Gap        409: a batch starts beyond the next sequence; names the one expected
"""

from __future__ import annotations

from collections.abc import Mapping

from collector.protocol import Refusal
from warehouse.errors import Problem


class Refused(Problem):
    """A request that gets no success, and why."""

    def __init__(
        self, status: int, message: str, remedy: str = "", fields: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, remedy)
        self.status = status
        self.fields = dict(fields or {})

    def body(self) -> Refusal:
        """Return the answer's body."""
        return Refusal(error=self.message, remedy=self.remedy, fields=self.fields)


class Gap(Refused):
    """A batch that starts beyond the next sequence of its spool; nothing of it is stored."""

    def __init__(self, epoch: str, expected: int, got: int) -> None:
        super().__init__(
            409,
            f"spool {epoch}: sequence {got} came where {expected} was expected",
            f"send again from sequence {expected}; if the spool no longer has it, start a new epoch",
            {"expected_sequence": str(expected)},
        )


def not_signed() -> Refused:
    """Refuse a wrong or absent signature, an unknown and a revoked agent: one answer for all."""
    return Refused(
        401,
        "The request is not signed by an enrolled agent",
        "enroll again with `process-meter-agent enroll`",
    )
