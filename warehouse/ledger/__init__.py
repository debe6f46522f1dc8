"""The ledger: billing runs, charge lines, what leads from them to the evidence, reviews, and the audit chain.

Nothing that a closed run says is ever edited; the chain finds whoever tries. Writes happen in the caller's
transaction (`store.writing`).
"""

from __future__ import annotations

from warehouse.ledger.audit import Event, head, record_event, record_events, serialize
from warehouse.ledger.budgets import Spent, spent
from warehouse.ledger.capped import corrected_like, lines_like
from warehouse.ledger.disclosure import named_people, pseudonymous_people
from warehouse.ledger.entered import entered_fields, entered_since
from warehouse.ledger.late import exceptions_of, late
from warehouse.ledger.lines import (
    LINES,
    NOT_BILLED,
    SHARES,
    delete_lines,
    lines_of,
    shares_of,
    standing_lines,
    write_exceptions,
    write_lines,
)
from warehouse.ledger.links import seal
from warehouse.ledger.names import forget_name, named_at_close
from warehouse.ledger.parties import (
    Party,
    billing_staff,
    managed_projects,
    manager_accounts,
    party_of,
    person_behind,
    requires_separation,
    set_billing_staff,
)
from warehouse.ledger.reading import entries_behind, originals_of, review_rows, sessions_of
from warehouse.ledger.releases import (
    Release,
    add_release,
    approved_by,
    let_go,
    pending_releases,
    release_of,
    released_since,
    reversed_by,
)
from warehouse.ledger.reversals import Reversal, kept_by, reversals
from warehouse.ledger.reviews import INHERITED, Review, add_reviews, line_id, lines_in, reviews_of
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
    start_review,
)
from warehouse.ledger.seals import sealing
from warehouse.ledger.settlements import (
    Exceptional,
    Settlement,
    add_exceptions,
    exceptions_in,
    exceptions_of_kinds,
    remove_exceptions,
    settle_exceptions,
)
from warehouse.ledger.sign_offs import ProjectLines, SignOff, add_sign_off, project_lines, sign_offs
from warehouse.ledger.verification import broken_chains, link_of, verify

__all__ = [
    "INHERITED",
    "LINES",
    "NOT_BILLED",
    "OPEN",
    "SHARES",
    "Event",
    "Exceptional",
    "Party",
    "ProjectLines",
    "Release",
    "Reversal",
    "Review",
    "Run",
    "Settlement",
    "SignOff",
    "Spent",
    "add_exceptions",
    "add_release",
    "add_reviews",
    "add_run",
    "add_sign_off",
    "approved_by",
    "billing_staff",
    "broken_chains",
    "closed_runs",
    "corrected_like",
    "delete_lines",
    "entered_fields",
    "entered_since",
    "entries_behind",
    "exceptions_in",
    "exceptions_of",
    "exceptions_of_kinds",
    "find_run",
    "forget_name",
    "head",
    "kept_by",
    "late",
    "let_go",
    "line_id",
    "lines_in",
    "lines_like",
    "lines_of",
    "link_of",
    "managed_projects",
    "manager_accounts",
    "move",
    "named_at_close",
    "named_people",
    "new_number",
    "originals_of",
    "party_of",
    "pending_releases",
    "person_behind",
    "policy_version_id",
    "project_lines",
    "pseudonymous_people",
    "record_event",
    "record_events",
    "release_of",
    "released_since",
    "remove_exceptions",
    "replace_run",
    "requires_separation",
    "reversals",
    "reversed_by",
    "review_rows",
    "reviews_of",
    "runs",
    "seal",
    "sealing",
    "serialize",
    "sessions_of",
    "set_billing_staff",
    "settle_exceptions",
    "shares_of",
    "sign_offs",
    "spent",
    "standing_lines",
    "standing_run",
    "start_review",
    "verify",
    "write_exceptions",
    "write_lines",
]
