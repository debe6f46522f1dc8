"""What agents and the manager write: enrollments, policy versions, batches of evidence, presence, quarantine.

Every function takes an open connection of `warehouse.store.writing`, so that one batch is one transaction.
A transaction takes its locks in one order: the agent (or the token), then accounts and client devices by
name, then sessions by key; no two can wait for each other.
"""

from __future__ import annotations

from warehouse.evidence.agents import (
    AgentRow,
    HeardAgent,
    TokenRow,
    add_agent,
    add_token,
    agent_in_force,
    lock_agent,
    revoke_agent,
    update_agent,
    use_token,
)
from warehouse.evidence.batches import (
    ATTENTION_PLACE,
    ChangedSession,
    NewSession,
    PresenceRow,
    ProjectEntryRow,
    QuarantineRow,
    SegmentRow,
    WatchRow,
    account_ids,
    add_project_entries,
    add_quarantine,
    add_segments,
    add_sessions,
    add_watches,
    change_sessions,
    replace_presence,
    set_last_sequence,
)
from warehouse.evidence.policies import (
    PolicyVersion,
    add_policy_version,
    application_ids,
    newest_policy,
    newest_version,
    store_applications,
)
from warehouse.evidence.stored import (
    QUARTER_MS,
    StoredSession,
    Stretch,
    last_segment_ends,
    last_sequence,
    stored_sessions,
    stretches,
)

__all__ = [
    "ATTENTION_PLACE",
    "QUARTER_MS",
    "AgentRow",
    "ChangedSession",
    "HeardAgent",
    "NewSession",
    "PolicyVersion",
    "PresenceRow",
    "ProjectEntryRow",
    "QuarantineRow",
    "SegmentRow",
    "StoredSession",
    "Stretch",
    "TokenRow",
    "WatchRow",
    "account_ids",
    "add_agent",
    "add_policy_version",
    "add_project_entries",
    "add_quarantine",
    "add_segments",
    "add_sessions",
    "add_token",
    "add_watches",
    "agent_in_force",
    "application_ids",
    "change_sessions",
    "last_segment_ends",
    "last_sequence",
    "lock_agent",
    "newest_policy",
    "newest_version",
    "replace_presence",
    "revoke_agent",
    "set_last_sequence",
    "store_applications",
    "stored_sessions",
    "stretches",
    "update_agent",
    "use_token",
]
