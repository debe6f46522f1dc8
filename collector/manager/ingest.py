"""Take one batch in: drop what is stored already, judge the rest, store it; one transaction, or nothing.

A record is known by (agent, epoch, sequence): a batch may come twice, late, or cut in another way, and the
tables are the same.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import TypeAlias

from sqlalchemy import Connection, Engine

from collector import protocol
from collector.manager import wire
from collector.manager.clock import is_doubtful, trusted_offset
from collector.manager.refusals import Gap, Refused, not_signed
from collector.manager.validation import Judged, Known, SessionView, judge, pieces
from warehouse import evidence
from warehouse.evidence import ATTENTION_PLACE, HeardAgent
from warehouse.store import writing

Records: TypeAlias = Sequence[tuple[int, protocol.Record | wire.BrokenRecord]]

LATE_MS = 30_000
"""A batch that was so much longer on its way than the one before is an old one, sent again."""


def ingest(
    engine: Engine, agent: str, batch: wire.ReceivedBatch, received_ms: int
) -> protocol.Acknowledgement:
    """Store a batch of an agent, each record once.

    Parameters
    ----------
    agent
        The agent that signed it.
    received_ms
        When the request began to arrive, by the manager's clock; the agent's offset is measured with it.

    Returns
    -------
    protocol.Acknowledgement
        Everything up to and with `acknowledged` is stored or set aside for good.

    Raises
    ------
    Refused
        401 for an agent that is unknown or revoked; 503 at first contact when its clock seems to be slow.
    Gap
        409 for a batch that begins beyond the next sequence. Nothing of it is stored.
    """
    with writing(engine) as connection:
        heard = evidence.lock_agent(connection, agent)
        if heard is None:
            raise not_signed()
        evidence.update_agent(connection, agent, _news(batch, received_ms))
        if not is_doubtful(heard, received_ms - batch.sent_ms):
            return _take(connection, agent, heard, batch, received_ms)
    raise Refused(503, "The agent's clock is being measured", "send the same again, with the time of sending")


def _take(
    connection: Connection, agent: str, heard: HeardAgent, batch: wire.ReceivedBatch, received_ms: int
) -> protocol.Acknowledgement:
    last = evidence.last_sequence(connection, agent, batch.epoch)
    fresh = fresh_records(batch.records, last, batch.epoch)
    known = _known(connection, agent, heard, batch, received_ms)
    _place_neighbors(connection, fresh, known)
    judged = judge(fresh, known)
    _store(connection, heard, batch.epoch, known, judged)
    _store_presence(connection, heard, batch, known, judged)
    if fresh:
        last = fresh[-1][0]
        evidence.set_last_sequence(connection, agent, batch.epoch, last, received_ms)
    return protocol.Acknowledgement(
        acknowledged=last,
        quarantined=len(judged.set_aside),
        policy_version=evidence.newest_version(connection, "collection"),
        received_ms=received_ms,
    )


def fresh_records(records: Records, last: int, epoch: str) -> Records:
    """Return the records beyond the last sequence stored, each once and in order.

    Raises
    ------
    Gap
        A sequence is missing.
    """
    fresh = []
    for sequence, record in records:
        if sequence > last + 1:
            raise Gap(epoch, last + 1, sequence)
        if sequence == last + 1:
            fresh.append((sequence, record))
            last = sequence
    return fresh


def _news(batch: wire.ReceivedBatch, received_ms: int) -> dict[str, int | str]:
    return {
        "last_heard_ms": received_ms,
        "clock_offset_ms": received_ms - batch.sent_ms,
        # What waits once this batch is acknowledged.
        "backlog": max(0, batch.backlog - len(batch.records)),
        "version": batch.agent_version,
    }


# --- What is known -----------------------------------------------------------------------------------------


def _known(
    connection: Connection, agent: str, heard: HeardAgent, batch: wire.ReceivedBatch, received_ms: int
) -> Known:
    return Known(
        agent=agent,
        received_ms=received_ms,
        clock_offset_ms=trusted_offset(heard, received_ms - batch.sent_ms),
        applications=evidence.application_ids(connection),
        sessions=_views(connection, _session_keys(batch)),
    )


def _session_keys(batch: wire.ReceivedBatch) -> set[str]:
    named = (wire.Session, wire.Segment, wire.Project)
    keys = {record.session for _, record in batch.records if isinstance(record, named)}
    return keys | {record.session for record in batch.presence}


def _views(connection: Connection, keys: Collection[str]) -> dict[str, SessionView]:
    stored = evidence.stored_sessions(connection, keys)
    ends = evidence.last_segment_ends(connection, [session.id for session in stored.values()])
    return {
        key: SessionView(
            key=key,
            stored=session,
            agent=session.agent,
            application=session.application,
            started_ms=session.started_ms,
            ended_ms=session.ended_ms,
            clock_offset_ms=session.clock_offset_ms,
            last_end_ms=ends.get(session.id, 0),
        )
        for key, session in stored.items()
    }


def _place_neighbors(connection: Connection, records: Records, known: Known) -> None:
    """Fetch the stored segments that a new one could overlap; none, as long as time goes on."""
    reach: dict[str, list[int]] = defaultdict(list)
    for _, record in records:
        if isinstance(record, wire.Segment) and record.session in known.sessions:
            reach[record.session] += (record.start_ms, record.end_ms)
    for key, moments in reach.items():
        view = known.sessions[key]
        first_ms, last_ms = min(moments) + view.clock_offset_ms, max(moments) + view.clock_offset_ms
        if view.stored and first_ms < view.last_end_ms:
            view.occupied = evidence.stretches(connection, view.stored.id, first_ms, last_ms)


# --- Storing -----------------------------------------------------------------------------------------------


def _store(connection: Connection, heard: HeardAgent, epoch: str, known: Known, judged: Judged) -> None:
    ids = _store_sessions(connection, heard, known, judged)
    evidence.add_segments(connection, _segment_rows(ids, known, judged))
    evidence.add_watches(connection, _watch_rows(heard, known, judged))
    evidence.add_project_entries(connection, _project_rows(ids, known, judged))
    evidence.add_quarantine(
        connection,
        [
            evidence.QuarantineRow(known.agent, epoch, bad.sequence, bad.reason, bad.text, known.received_ms)
            for bad in judged.set_aside
        ],
    )


def _store_sessions(
    connection: Connection, heard: HeardAgent, known: Known, judged: Judged
) -> dict[str, int]:
    """Write new and changed sessions; return the ids of all, by key."""
    views = judged.sessions.values()
    changed = [
        _changed_session(each.stored.id, each, each.latest) for each in views if each.stored and each.latest
    ]
    new = [_new_session(each, each.latest, known) for each in views if each.latest and not each.stored]
    evidence.change_sessions(connection, changed)
    ids = {each.key: each.stored.id for each in views if each.stored}
    return ids | evidence.add_sessions(connection, known.agent, heard.host_id, new, known.received_ms)


def _changed_session(
    number: int, view: SessionView, record: protocol.SessionRecord
) -> evidence.ChangedSession:
    return evidence.ChangedSession(
        id=number,
        ended_ms=view.ended_ms,
        end_uncertainty_ms=record.end_uncertainty_ms,
        instance_count=record.instance_count,
        application_version=record.application_version,
        clock_stepped=record.clock_stepped,
        prompt=record.prompt,
    )


def _new_session(view: SessionView, record: protocol.SessionRecord, known: Known) -> evidence.NewSession:
    return evidence.NewSession(
        key=view.key,
        application_id=known.applications[view.application],
        account=record.account,
        client_device=record.client_device,
        logon_session=record.logon_session,
        zone=record.zone,
        started_ms=view.started_ms,
        ended_ms=view.ended_ms,
        end_uncertainty_ms=record.end_uncertainty_ms,
        instance_count=record.instance_count,
        application_version=record.application_version,
        clock_stepped=record.clock_stepped,
        clock_offset_ms=view.clock_offset_ms,
        prompt=record.prompt,
    )


def _segment_rows(ids: dict[str, int], known: Known, judged: Judged) -> list[evidence.SegmentRow]:
    return [
        evidence.SegmentRow(
            ids[segment.session.key],
            start_ms,
            end_ms,
            ATTENTION_PLACE[segment.record.attention],
            segment.record.cpu_percent,
            segment.record.units,
            segment.record.inhibiting,
            segment.record.instance,
            segment.record.since_ms + segment.session.clock_offset_ms,
            segment.record.policy_version,
            known.received_ms,
        )
        for segment in judged.segments
        for start_ms, end_ms in pieces(segment)
    ]


def _watch_rows(heard: HeardAgent, known: Known, judged: Judged) -> list[evidence.WatchRow]:
    return [
        evidence.WatchRow(
            heard.host_id,
            known.agent,
            watch.start_ms + known.clock_offset_ms,
            watch.end_ms + known.clock_offset_ms,
            watch.sees_focus,
            watch.sees_input,
            watch.sees_lock,
        )
        for watch in judged.watches
    ]


def _project_rows(ids: dict[str, int], known: Known, judged: Judged) -> list[evidence.ProjectEntryRow]:
    return [
        evidence.ProjectEntryRow(
            session_id=ids[view.key],
            instance=entry.instance,
            from_ms=entry.from_ms + view.clock_offset_ms,
            to_ms=None if entry.to_ms is None else entry.to_ms + view.clock_offset_ms,
            project_number=entry.project,
            phase_number=entry.phase,
            task_number=entry.task,
            fields=json.dumps(entry.fields, ensure_ascii=False, sort_keys=True),
            author=entry.author,
            reason=entry.reason,
            created_ms=known.received_ms,
        )
        for view, entry in judged.projects
    ]


# --- Presence ----------------------------------------------------------------------------------------------


def _store_presence(
    connection: Connection, heard: HeardAgent, batch: wire.ReceivedBatch, known: Known, judged: Judged
) -> None:
    delay_ms = known.received_ms - batch.sent_ms - heard.clock_offset_ms
    if heard.last_heard_ms is not None and delay_ms > LATE_MS:
        return
    rows = {
        record.session: _presence_row(record, known, judged.sessions.get(record.session))
        for record in batch.presence
        if _is_open(record, known, judged)
    }
    evidence.replace_presence(connection, known.agent, heard.host_id, list(rows.values()))


def _is_open(record: protocol.PresenceRecord, known: Known, judged: Judged) -> bool:
    view = judged.sessions.get(record.session)
    if record.application not in known.applications or not record.account.strip():
        return False
    return view is None or (view.agent == known.agent and view.ended_ms is None)


def _presence_row(
    record: protocol.PresenceRecord, known: Known, view: SessionView | None
) -> evidence.PresenceRow:
    offset_ms = view.clock_offset_ms if view else known.clock_offset_ms
    return evidence.PresenceRow(
        session_key=record.session,
        application_id=known.applications[record.application],
        account=record.account,
        attention=ATTENTION_PLACE[record.attention],
        attention_since_ms=record.attention_since_ms + offset_ms,
        since_ms=record.since_ms + offset_ms,
        started_ms=record.started_ms + offset_ms,
        heard_ms=known.received_ms,
    )
