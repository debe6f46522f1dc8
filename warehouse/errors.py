"""The one family of errors that a person can act on; the command line prints them as one line.

Problem
├── warehouse.store.WarehouseProblem   the database: absent, unreachable, of another version
└── (a module adds a class only where a caller handles it differently)
"""

from __future__ import annotations


class Problem(Exception):
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

    def _render_traceback_(self) -> list[str]:
        """Show itself in a notebook as one line; IPython asks for it by this name."""
        return [str(self)]
