"""Segments against their sessions: one pass over all of them, and a closer look where it fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import polars as pl

from warehouse.check.findings import Findings, instant
from warehouse.check.snapshot import Snapshot
from warehouse.schema import ATTENTIONS

QUARTER_MS = 900_000
_WORDS = {
    "suspended": ATTENTIONS.index("suspended"),
    "unobserved": ATTENTIONS.index("unobserved"),
    "last_attention": len(ATTENTIONS) - 1,
}
OPEN = 2**62
"""Stands for the end of an open session."""
CLOSER_LOOKS = 500
"""So many sessions in which something is wrong are looked at segment by segment."""

SEEN = (
    "session", "segments", "first", "last", "length_ms", "followed", "bad", "suspended_ms", "unobserved_ms",
    "unit_ms", "moment", "content",
)  # fmt: skip
"""Columns of `seen`."""

# A session of n segments, all of a length, is tiled from its first start to its last end if n - 1 of them are
# followed by one that starts where they end, and the lengths sum to the whole: the chain of followers from
# the first one on has no hole, and nothing is left for a segment beside it.
#
# `content` and `moment` tell one evidence from another in a number. Each term is bounded, so that no segment,
# however damaged, overflows: PostgreSQL refuses where SQLite rounds. They are written once more in
# mirrored.py and rolled_up.py.
_SEEN = """
    SELECT session_id, count(*), min(start_ms), max(end_ms), CAST(sum(end_ms - start_ms) AS BIGINT),
           count(*) FILTER (WHERE EXISTS (
               SELECT 1 FROM segment AS follower
               WHERE follower.session_id = segment.session_id AND follower.start_ms = segment.end_ms
           )),
           count(*) FILTER (
               WHERE end_ms <= start_ms OR start_ms / 900000 <> (end_ms - 1) / 900000
                  OR since_ms > start_ms OR attention NOT BETWEEN 0 AND :last_attention
           ),
           CAST(sum(CASE attention WHEN :suspended THEN end_ms - start_ms ELSE 0 END) AS BIGINT),
           CAST(sum(CASE attention WHEN :unobserved THEN end_ms - start_ms ELSE 0 END) AS BIGINT),
           CAST(sum(CASE WHEN attention IN (:suspended, :unobserved) THEN 0
                    ELSE (end_ms - start_ms) % 1000003 * units END) AS BIGINT),
           CAST(sum(CASE WHEN attention IN (:suspended, :unobserved) THEN 0
                    ELSE (end_ms - start_ms) % 1000003 * (start_ms / 3600000 % 1000003) END) AS BIGINT),
           CAST(sum((start_ms % 1000003 + 1) * (
               end_ms % 1000003 * 3 + since_ms % 1000003 * 7 + received_ms % 1000003 * 11
               + attention * CAST(13000027 AS BIGINT) + units % 1009 * CAST(17000023 AS BIGINT)
               + policy_version % 1009 * CAST(29000039 AS BIGINT)
               + CASE WHEN inhibiting THEN 31000051 ELSE 0 END
               + CAST(coalesce(instance, -1) AS BIGINT) * 23
               + CAST({trunc}(cpu_percent * 1000) AS BIGINT) % 1000003 * 19
           ) % 2147483647) AS BIGINT)
    FROM segment WHERE session_id >= :first AND session_id < :until GROUP BY session_id
"""
_SESSIONS = "SELECT id, started_ms, coalesce(ended_ms, :open), application_id FROM session"
_ROWS = """
    SELECT start_ms, end_ms, attention, since_ms FROM segment WHERE session_id = :session ORDER BY start_ms
"""


def seen(snapshot: Snapshot) -> pl.DataFrame:
    """Read every segment once.

    Returns
    -------
    pl.DataFrame
        `SEEN`, one row per session that has segments: how many, the first start and the last end, the sum of
        their lengths, how many are followed by the next one, how many break a rule of their own, and what
        rollups and mirror have to agree with.
    """
    trunc = "trunc" if snapshot.connection.dialect.name == "postgresql" else ""  # SQLite's CAST cuts off
    return snapshot.numbers_by_session(_SEEN.format(trunc=trunc), SEEN, _WORDS)


def sessions(snapshot: Snapshot) -> pl.DataFrame:
    """Return `session`, `started`, `ended` (`OPEN` while it is), `application_id` of every session."""
    return snapshot.numbers(_SESSIONS, ("session", "started", "ended", "application_id"), {"open": OPEN})


def check(snapshot: Snapshot, known: pl.DataFrame, evidence: pl.DataFrame, findings: Findings) -> None:
    """Check what `seen` gave against the sessions that `sessions` gave."""
    for session, count in evidence.join(known, on="session", how="anti").select("session", "segments").rows():
        findings.add("reference", f"session {session}", f"is not there, but has {count:,} segments")
    both = known.join(evidence, on="session", how="left")
    broken = both.filter(_is_broken()).select("session", "started", "ended").sort("session")
    for session in broken.head(CLOSER_LOOKS).iter_rows():
        _look(snapshot, _Session(*session), findings)
    if broken.height > CLOSER_LOOKS:
        findings.add_more("tiling", broken.height - CLOSER_LOOKS)


def _is_broken() -> pl.Expr:
    reaches = pl.when(pl.col("ended") == OPEN).then("last").otherwise("ended")
    is_tiled = (
        (pl.col("first") == pl.col("started"))
        & (pl.col("last") == reaches)
        & (pl.col("length_ms") == pl.col("last") - pl.col("first"))
        & (pl.col("followed") == pl.col("segments") - 1)
        & (pl.col("bad") == 0)
    )
    needs_none = (pl.col("ended") == OPEN) | (pl.col("ended") == pl.col("started"))
    return ~pl.when(pl.col("segments").is_null()).then(needs_none).otherwise(is_tiled)


# --- The closer look ---------------------------------------------------------------------------------------


class _Session(NamedTuple):
    id: int
    started: int
    ended: int


class _Segment(NamedTuple):
    start: int
    end: int
    attention: int
    since: int


def _look(snapshot: Snapshot, session: _Session, findings: Findings) -> None:
    subject = label(snapshot, session.id)
    segments = [_Segment(*row) for row in snapshot.rows(_ROWS, {"session": session.id})]
    if session.ended < session.started:
        findings.add("length", subject, f"ends {session.started - session.ended:,} ms before it starts")
        return
    for segment in segments:
        for rule, detail in _own_faults(segment):
            findings.add(rule, subject, detail)
    findings.add_all("tiling", ((subject, detail) for detail in _gaps(session, segments)))


def label(snapshot: Snapshot, session: int) -> str:
    """Name a session for people: its number and its key."""
    rows = snapshot.rows("SELECT key FROM session WHERE id = :session", {"session": session})
    return f"session {session}" + "".join(f" ({key:.60})" for (key,) in rows)


def _own_faults(segment: _Segment) -> Iterator[tuple[str, str]]:
    """Say what is wrong with a segment, whatever stands beside it."""
    start, end, attention, since = segment
    at = f"segment at {instant(start)}"
    if end <= start:
        yield (
            "length",
            f"{at} ends {start - end:,} ms before it starts" if end < start else f"{at} has no length",
        )
    elif start // QUARTER_MS != (end - 1) // QUARTER_MS:
        yield "quarter", f"{at} crosses a quarter of an hour: it ends at {instant(end)}"
    if since > start:
        yield "since", f"{at} has its last input {since - start:,} ms after its start"
    if not 0 <= attention < len(ATTENTIONS):
        yield "attention", f"{at} has the unknown attention {attention}"


def _gaps(session: _Session, segments: Sequence[_Segment]) -> Iterator[str]:
    """Say where the segments of a session do not tile it."""
    until = session.started
    for place, (start, end, _, _) in enumerate(segments):
        at = f"segment at {instant(start)}"
        if start < session.started:
            yield f"{at} starts {session.started - start:,} ms before its session"
        elif start >= session.ended:
            yield f"{at} lies after the end of its session at {instant(session.ended)}"
        elif start != until:
            yield _gap(until, start)
        if session.ended > start and end > session.ended:
            yield f"{at} ends {end - session.ended:,} ms after its session"
        if end <= start:  # a fault of its own: what should have been there is not told twice
            end = segments[place + 1].start if place + 1 < len(segments) else session.ended  # noqa: PLW2901
        until = max(until, end)
    if session.ended != OPEN and until < session.ended:
        yield _gap(until, session.ended)


def _gap(until: int, start: int) -> str:
    if start > until:
        return f"hole of {start - until:,} ms before {instant(start)}"
    return f"overlap of {until - start:,} ms at {instant(start)}"
