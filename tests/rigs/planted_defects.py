"""A small warehouse in which all is well, and the statements that spoil one thing in it.

One person uses cad from 09:00 to 10:00 UTC on 7 and 8 September 2026, for project A, at 90 EUR an hour;
September is closed by run 2026-09/1. Sessions 1 and 2 have four segments each, one for every quarter.
"""

from __future__ import annotations

from collections.abc import Sequence

from billing_warehouse import billed_hours, ms, organize
from sqlalchemy import Engine, text

from pipelines import billing

OCTOBER = ms("2026-10-02 12:00")


def tidy(engine: Engine) -> None:
    """Write the warehouse."""
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-09-08"])
    run = billing.draft(engine, "2026-09", "generic", "pat", OCTOBER)
    billing.approve(engine, run, "ann", OCTOBER)
    billing.close(engine, run, "ann", OCTOBER)


def plant(engine: Engine, statements: Sequence[str]) -> None:
    """Run statements that no constraint and no trigger keeps from doing harm; `{09:00}` is on 7 September."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            for pragma in ("foreign_keys = OFF", "ignore_check_constraints = ON"):
                connection.exec_driver_sql(f"PRAGMA {pragma}")
        else:
            connection.execute(text("SET session_replication_role = replica"))
            for name in ("has_length", "inside_a_quarter", "known_attention"):
                connection.execute(text(f"ALTER TABLE segment DROP CONSTRAINT IF EXISTS ck_segment_{name}"))
        for statement in statements:
            connection.execute(text(_dated(statement)))
        connection.commit()
        connection.invalidate()  # nobody else gets a connection that lets everything through


def _dated(statement: str) -> str:
    for quarter in range(24 * 4):
        clock = f"{quarter // 4:02}:{quarter % 4 * 15:02}"
        statement = statement.replace(f"{{{clock}}}", str(ms(f"2026-09-07 {clock}")))
    return statement


ANOTHER_SEGMENT = """
    INSERT INTO segment (session_id, start_ms, end_ms, attention, cpu_percent, since_ms, policy_version,
                         received_ms)
    VALUES
"""

DEFECTS: dict[str, tuple[list[str], list[str]]] = {
    "a hole": (
        ["DELETE FROM segment WHERE session_id = 1 AND start_ms = {09:15}"],
        ["tiling: session 1 (s1): hole of 900,000 ms before 2026-09-07T09:30:00Z"],
    ),
    "a hole at the end": (
        ["DELETE FROM segment WHERE session_id = 1 AND start_ms = {09:45}"],
        ["tiling: session 1 (s1): hole of 900,000 ms before 2026-09-07T10:00:00Z"],
    ),
    "an overlap": (
        [("UPDATE segment SET start_ms = {09:15} - 1000, since_ms = {09:15} - 1000 "
         "WHERE session_id = 1 AND start_ms = {09:15}"),
         "UPDATE segment SET end_ms = {09:15} - 2000 WHERE session_id = 1 AND start_ms = {09:45}"],
        ["length: session 1 (s1): segment at 2026-09-07T09:45:00Z ends 1,802,000 ms before it starts",
         ("quarter: session 1 (s1): segment at 2026-09-07T09:14:59Z crosses a quarter of an hour: "
         "it ends at 2026-09-07T09:30:00Z"),
         "tiling: session 1 (s1): overlap of 1,000 ms at 2026-09-07T09:14:59Z"],
    ),
    "an overlap and a hole of one length": (
        ["UPDATE segment SET end_ms = end_ms - 1000 WHERE session_id = 1 AND start_ms = {09:00}",
         ANOTHER_SEGMENT + "(1, {09:30} + 1000, {09:30} + 2000, 0, 0, {09:30}, 1, 0)"],
        ["tiling: session 1 (s1): hole of 1,000 ms before 2026-09-07T09:15:00Z",
         "tiling: session 1 (s1): overlap of 899,000 ms at 2026-09-07T09:30:01Z"],
    ),
    "a segment before its session": (
        [ANOTHER_SEGMENT + "(1, {08:45}, {09:00}, 0, 0, {08:45}, 1, 0)"],
        ["tiling: session 1 (s1): segment at 2026-09-07T08:45:00Z starts 900,000 ms before its session"],
    ),
    "a segment after its session": (
        [ANOTHER_SEGMENT + "(1, {10:00}, {10:15}, 0, 0, {10:00}, 1, 0)"],
        [("tiling: session 1 (s1): segment at 2026-09-07T10:00:00Z lies after the end of its session at "
         "2026-09-07T10:00:00Z")],
    ),
    "a session that ended before its last segment": (
        ["UPDATE session SET ended_ms = {10:00} - 1000 WHERE id = 1"],
        ["tiling: session 1 (s1): segment at 2026-09-07T09:45:00Z ends 1,000 ms after its session"],
    ),
    "a segment crossing a quarter": (
        ["DELETE FROM segment WHERE session_id = 1 AND start_ms = {09:15}",
         "UPDATE segment SET end_ms = {09:30} WHERE session_id = 1 AND start_ms = {09:00}"],
        [("quarter: session 1 (s1): segment at 2026-09-07T09:00:00Z crosses a quarter of an hour: it ends at "
         "2026-09-07T09:30:00Z")],
    ),
    "a negative length": (
        ["UPDATE segment SET end_ms = start_ms - 5 WHERE session_id = 1 AND start_ms = {09:15}"],
        ["length: session 1 (s1): segment at 2026-09-07T09:15:00Z ends 5 ms before it starts"],
    ),
    "no length": (
        ["UPDATE segment SET end_ms = start_ms WHERE session_id = 1 AND start_ms = {09:45}"],
        ["length: session 1 (s1): segment at 2026-09-07T09:45:00Z has no length"],
    ),
    "an input after the start": (
        ["UPDATE segment SET since_ms = start_ms + 7 WHERE session_id = 1 AND start_ms = {09:15}"],
        ["since: session 1 (s1): segment at 2026-09-07T09:15:00Z has its last input 7 ms after its start"],
    ),
    "an unknown attention": (
        ["UPDATE segment SET attention = 8 WHERE session_id = 1 AND start_ms = {09:15}"],
        ["attention: session 1 (s1): segment at 2026-09-07T09:15:00Z has the unknown attention 8"],
    ),
    "an unknown application": (
        ["UPDATE session SET application_id = 99 WHERE id = 1"],
        ["reference: session 1 (s1): refers to application 99, which is not there"],
    ),
    "an unknown account and host": (
        ["UPDATE session SET account_id = 98, host_id = 97 WHERE id = 1"],
        ["reference: session 1 (s1): refers to account 98, which is not there",
         "reference: session 1 (s1): refers to host 97, which is not there"],
    ),
    "segments without a session": (
        [ANOTHER_SEGMENT + "(77, {09:00}, {09:15}, 0, 0, {09:00}, 1, 0)"],
        ["reference: session 77: is not there, but has 1 segments"],
    ),
    "unknown zones": (
        ["UPDATE session SET zone = 'Mars/Olympus' WHERE id = 1", "UPDATE office SET zone = '' WHERE id = 2"],
        ["zone: office 2 (NYC): is in the unknown zone ''",
         "zone: session 1 (s1): is in the unknown zone 'Mars/Olympus'"],
    ),
    "two placements at a time": (
        ["INSERT INTO placement (id, person_id, office_id, valid_from_on) VALUES (9, 1, 2, '2026-05-01')"],
        ["validity: placement 9: is valid from 2026-05-01 beside placement 1 of the same scope"],
    ),
    "two rates at a time": (
        [("INSERT INTO rate (id, rate_scaled, currency, valid_from_on, increment_ms, direction, level, "
         "author, created_ms) VALUES (9, 1, 'EUR', '2026-05-01', 0, 'up', 'line', 'rita', 0)")],
        ["validity: rate 9: is valid from 2026-05-01 beside rate 1 of the same scope"],
    ),
    "a period that leaves days out": (
        ["UPDATE fiscal_period SET starts_on = '2026-11-03' WHERE name = '2026-11'"],
        [("validity: period 2026-11: starts on 2026-11-03 and leaves days out after period 2026-10, which "
         "ends on 2026-11-01")],
    ),
    "a charge line without evidence": (
        ["DELETE FROM charge_share WHERE charge_line_id = 2"],
        ["evidence: line 2 of run 2026-09/1: has time and no session behind it",
         "chain: run 2026-09/1: line 2, or what it follows (line 1), was changed"],
    ),
    "a charge line on a session without segments": (
        ["DELETE FROM segment WHERE session_id = 2", "UPDATE session SET ended_ms = started_ms WHERE id = 2"],
        ["evidence: line 2 of run 2026-09/1: rests on session 2, which has no segment"],
    ),
    "a line that is not the sum of its shares": (
        ["UPDATE charge_share SET active_ms = active_ms + 1 WHERE charge_line_id = 2"],
        ["sum: line 2 of run 2026-09/1: is not the sum of its sessions' shares",
         "chain: run 2026-09/1: line 2, or what it follows (line 1), was changed"],
    ),
    "a changed ledger row": (
        ["UPDATE charge_line SET note = 'paid' WHERE id = 1"],
        ["chain: run 2026-09/1: line 1, or what it follows (the run itself), was changed"],
    ),
    "a changed amount": (
        ["UPDATE charge_line SET amount_minor = 1 WHERE id = 1"],
        ["sum: line 1 of run 2026-09/1: has an amount that is not rate x quantity",
         "sum: run 2026-09/1: says other totals than its lines come to",
         "chain: run 2026-09/1: line 1, or what it follows (the run itself), was changed"],
    ),
    "a changed audit event": (
        ["UPDATE audit_event SET actor = 'nobody' WHERE id = 1"],
        ["chain: ledger: audit event 1 was changed after it was written"],
    ),
}  # fmt: skip
"""What is planted, by name: the statements, and each finding as its rule and its sentence."""
