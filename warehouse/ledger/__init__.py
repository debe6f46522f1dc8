"""The ledger: billing runs, charge lines, what leads from them to the evidence, reviews, and the audit chain.

Nothing that a closed run says is ever edited; the chain finds whoever tries. Writes happen in the caller's
transaction (`store.writing`).
"""

from __future__ import annotations

from warehouse.ledger.audit import Event, head, record_event, record_events, serialize
from warehouse.ledger.disclosure import named_people, pseudonymous_people
from warehouse.ledger.late import exceptions_of, late
from warehouse.ledger.lines import (
    LINES,
    NOT_BILLED,
    SHARES,
    delete_lines,
    lines_of,
    seal,
    shares_of,
    standing_lines,
    write_exceptions,
    write_lines,
)
from warehouse.ledger.reading import originals_of, review_rows, sessions_of
from warehouse.ledger.reviews import Review, add_reviews, line_id, lines_in, reviews_of
from warehouse.ledger.runs import (
    OPEN,
    Run,
    add_run,
    closed_runs,
    find_run,
    move,
    new_number,
    policy_version_id,
    replace_run,
    runs,
    standing_run,
)
from warehouse.ledger.verification import verify

__all__ = [
    "LINES",
    "NOT_BILLED",
    "OPEN",
    "SHARES",
    "Event",
    "Review",
    "Run",
    "add_reviews",
    "add_run",
    "closed_runs",
    "delete_lines",
    "exceptions_of",
    "find_run",
    "head",
    "late",
    "line_id",
    "lines_in",
    "lines_of",
    "move",
    "named_people",
    "new_number",
    "originals_of",
    "policy_version_id",
    "pseudonymous_people",
    "record_event",
    "record_events",
    "replace_run",
    "review_rows",
    "reviews_of",
    "runs",
    "seal",
    "serialize",
    "sessions_of",
    "shares_of",
    "standing_lines",
    "standing_run",
    "verify",
    "write_exceptions",
    "write_lines",
]
