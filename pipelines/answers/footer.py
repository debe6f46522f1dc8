"""What every report says under its figures: what was counted, over which window, with what coverage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from pipelines.answers.evidence import Evidence, coverage, fleet_share
from pipelines.answers.question import Question
from warehouse import frames

BASIS_WORDS = {
    "run": "run: open, whether used or not (active, pause, idle, held)",
    "busy": "busy: in use, short pauses included (active, pause)",
    "active": "active: in use, without any pause",
}
KEY_WORDS = {
    "": "what each license counts: people, devices or tokens",
    "user": "people, after their accounts are merged",
    "device": "devices",
    "user_device": "pairs of person and device",
    "session": "sessions",
    "token": "tokens: units checked out x the product's weight",
}


@dataclass(frozen=True)
class Footer:
    """The conditions of a figure, in words; a dash where one does not apply.

    Attributes
    ----------
    session_coverage, fleet_coverage
        Shares, 0-1; None where nothing can be said.
    rows
        What was read, and how many of it: {"sessions": 1234}.
    source
        Organization and kind of database; never an address or a password.
    bounds
        Between which numbers the peak lies while data are missing; empty where the report has no peak.
    """

    basis: str
    key: str
    window: str
    zone: str
    calendar: str
    session_coverage: float | None
    fleet_coverage: float | None
    policy: str
    rows: dict[str, int]
    made_at: datetime
    source: str
    bounds: str = ""

    def lines(self) -> list[tuple[str, str]]:
        """Give (label, value) pairs in reading order."""
        made_at = self.made_at.astimezone(ZoneInfo(self.zone))
        return [
            ("Basis", self.basis),
            ("Counted by", self.key),
            ("Window", self.window),
            ("Time zone", self.zone),
            ("Calendar", self.calendar),
            ("Session coverage", _covered(self.session_coverage, "session time whose state is known")),
            ("Fleet coverage", _covered(self.fleet_coverage, "host-workdays observed") + self._unwatched()),
            *([("Peak, with what is missing", self.bounds)] if self.bounds else []),
            ("Policy", self.policy),
            ("Rows read", ", ".join(f"{number:,} {what}" for what, number in self.rows.items())),
            ("Made", f"{made_at:%Y-%m-%d %H:%M} {self.zone}, from {self.source}"),
        ]

    def _unwatched(self) -> str:
        """Say why nothing was observed, which is no figure of use."""
        return ": no machine was watched, see the report fleet_coverage" if self.fleet_coverage == 0 else ""


def footer_of(
    question: Question, evidence: Evidence, *, key: str = "", calendar: str = "all hours", bounds: str = ""
) -> Footer:
    """Write the footer of an answer that counted sessions, by the question's key if no `key` is given."""
    return Footer(
        basis=BASIS_WORDS[question.basis],
        key=key or KEY_WORDS[question.key],
        window=window_words(question),
        zone=question.zone,
        calendar=calendar,
        session_coverage=coverage(question, evidence),
        fleet_coverage=fleet_share(question.engine, question.start, question.end),
        policy=question.policy_words,
        rows=evidence.rows,
        made_at=question.asked_at,
        source=source(question.engine),
        bounds=bounds,
    )


def window_words(question: Question) -> str:
    """Say the window in local days, and that its end is not in it."""
    return f"{question.first_day} to {question.end_day}, the last day not included"


def source(engine: Engine) -> str:
    """Say whose warehouse it is, and of which kind."""
    kind = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(engine.dialect.name, engine.dialect.name)
    if frames.home_zone(engine) is None:
        return f"a warehouse of logs, whose organization nobody has named yet ({kind})"
    return f"the warehouse of {frames.organization(engine)['name']} ({kind})"


def _covered(part: float | None, what: str) -> str:
    return "—" if part is None else f"{part * 100:.1f} % of {what}"
