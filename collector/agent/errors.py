"""What can go wrong in the agent, as far as someone can do something about it.

AgentProblem
├── SpoolFull        the disk takes no more; what was decided waits in memory
└── DeliveryProblem  the manager did not take a batch; it stays in the spool
"""

from __future__ import annotations


class AgentProblem(Exception):
    """What went wrong, where, and what to do about it.

    Parameters
    ----------
    message
        One sentence that names the place.
    remedy
        One sentence that names the next step, or nothing.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class SpoolFull(AgentProblem):
    """The disk takes no more."""


class DeliveryProblem(AgentProblem):
    """The manager did not take what was sent.

    Parameters
    ----------
    status
        HTTP status of the answer; 0 when there was none.
    fields
        The named values of the refusal, if it had any.
    """

    def __init__(
        self, message: str, remedy: str = "", *, status: int = 0, fields: dict[str, str] | None = None
    ) -> None:
        super().__init__(message, remedy)
        self.status = status
        self.fields = fields or {}
