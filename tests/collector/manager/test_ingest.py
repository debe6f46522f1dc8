from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manager_rig import (
    NOON,
    A,
    B,
    batch,
    closed,
    new_agent,
    presence,
    project,
    rows,
    segment,
    session,
    take,
    watch,
)
from sqlalchemy import Engine

from collector.manager import enrollment
from collector.manager.refusals import Gap, Refused
from warehouse.store import upgrade

SESSIONS = (
    "SELECT s.key, a.code, c.name, s.started_ms - :noon, s.ended_ms - :noon, s.instance_count FROM session s "
    "JOIN application a ON a.id = s.application_id JOIN account c ON c.id = s.account_id ORDER BY s.key"
)
SEGMENTS = (
    "SELECT k.key, (g.start_ms - :noon) / 1000, (g.end_ms - :noon) / 1000, g.attention FROM segment g "
    "JOIN session k ON k.id = g.session_id ORDER BY k.key, g.start_ms"
)
QUARANTINE = "SELECT sequence, reason FROM quarantine ORDER BY sequence"


def test_a_batch_lands_in_the_tables_whole(both_engines: Engine) -> None:
    agent = new_agent(both_engines).agent
    body = batch(
        [
            session(client_device="thin-7"),
            segment(0, 60),
            segment(60, 200, attention="no_input", units=3, inhibiting=True, instance=4_711),
            watch(0, 900),
            project(to_ms=NOON + 1, phase="01", task="A"),
            closed(client_device="thin-7", ended_ms=NOON + 200_000, instance_count=2),
        ],
        backlog=10,
    )

    answer = take(both_engines, agent, body, NOON + 500)

    assert (answer.acknowledged, answer.quarantined, answer.policy_version) == (6, 0, 1)
    assert answer.received_ms == NOON + 500
    assert rows(both_engines, SESSIONS, noon=NOON) == [(A, "cad", "meridian\\ines", 0, 200_000, 2)]
    assert rows(both_engines, SEGMENTS, noon=NOON) == [(A, 0, 60, 0), (A, 60, 200, 1)]
    assert rows(
        both_engines, "SELECT cpu_percent, units, inhibiting, instance FROM segment ORDER BY start_ms"
    ) == [
        (12.5, 1, False, None),
        (12.5, 3, True, 4_711),
    ]
    assert rows(both_engines, "SELECT source, agent_id, logon_session, zone FROM session") == [
        ("agent", agent, "1", "Europe/London")
    ]
    assert rows(
        both_engines, "SELECT d.name FROM session s JOIN client_device d ON d.id = s.client_device_id"
    ) == [("thin-7",)]
    assert rows(
        both_engines,
        "SELECT h.name, w.agent_id, w.end_ms - w.start_ms, w.sees_lock FROM watch_interval w "
        "JOIN host h ON h.id = w.host_id",
    ) == [("ws-1", agent, 900_000, True)]
    assert rows(
        both_engines,
        "SELECT project_number, phase_number, task_number, author, reason, to_ms FROM project_entry",
    ) == [("0042", "01", "A", "ines", "entered at launch", NOON + 1)]
    assert rows(both_engines, "SELECT last_heard_ms, backlog, version FROM agent") == [
        (NOON + 500, 4, "0.1.0")
    ]


def test_the_same_batch_again_changes_nothing(both_engines: Engine) -> None:
    agent = new_agent(both_engines).agent
    body = batch([session(), segment(0, 60), {"kind": "riddle"}, watch(0, 60), project()])

    first, again = take(both_engines, agent, body), take(both_engines, agent, body)

    assert (first.acknowledged, first.quarantined) == (5, 1)
    assert (again.acknowledged, again.quarantined) == (5, 0)
    for table in ("session", "segment", "watch_interval", "project_entry", "quarantine"):
        assert rows(both_engines, f"SELECT count(*) FROM {table}") == [(1,)], table


def test_one_batch_sent_many_times_at_once_is_stored_once(both_engines: Engine) -> None:
    agent = new_agent(both_engines).agent
    body = batch(
        [session(client_device="thin-7"), segment(0, 60), {"kind": "riddle"}, watch(0, 60), project()]
    )

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: take(both_engines, agent, body), range(6)))

    assert [answer.acknowledged for answer in answers] == [5] * 6
    assert sum(answer.quarantined for answer in answers) == 1
    for table in ("session", "segment", "watch_interval", "project_entry", "quarantine", "delivery"):
        assert rows(both_engines, f"SELECT count(*) FROM {table}") == [(1,)], table


def test_a_batch_that_overlaps_the_last_one_adds_its_new_records(engine: Engine) -> None:
    agent = new_agent(engine).agent
    take(engine, agent, batch([session(), segment(0, 60)]))

    answer = take(engine, agent, batch([segment(0, 60), segment(60, 90)], first=2))

    assert answer.acknowledged == 3
    assert rows(engine, SEGMENTS, noon=NOON) == [(A, 0, 60, 0), (A, 60, 90, 0)]


def test_a_hole_in_the_sequence_is_refused_with_the_one_expected(both_engines: Engine) -> None:
    agent = new_agent(both_engines).agent
    take(both_engines, agent, batch([session()]))

    with pytest.raises(Gap) as caught:
        take(both_engines, agent, batch([segment(0, 60), segment(60, 90)], first=3))

    assert caught.value.status == 409
    assert caught.value.fields == {"expected_sequence": "2"}
    assert rows(both_engines, "SELECT count(*) FROM segment") == [(0,)]


def test_a_hole_inside_a_batch_refuses_it_whole(engine: Engine) -> None:
    agent = new_agent(engine).agent
    body = batch([session(), segment(0, 60)]).replace(b'"sequence": 2', b'"sequence": 3')

    with pytest.raises(Gap, match="sequence 3 came where 2 was expected"):
        take(engine, agent, body)

    assert rows(engine, "SELECT count(*) FROM session") == [(0,)]
    assert rows(engine, "SELECT count(*) FROM delivery") == [(0,)]


def test_a_new_epoch_starts_at_one_again(engine: Engine) -> None:
    agent = new_agent(engine).agent
    take(engine, agent, batch([session(), segment(0, 60)]))

    answer = take(engine, agent, batch([segment(60, 90)], epoch="epoch-2"))

    assert answer.acknowledged == 1
    assert len(rows(engine, SEGMENTS, noon=NOON)) == 2


def test_an_unknown_or_revoked_agent_gets_the_same_answer(both_engines: Engine) -> None:
    agent = new_agent(both_engines).agent
    enrollment.revoke(both_engines, agent, "admin", NOON)

    answers = []
    for each in (agent, "0" * 32):
        with pytest.raises(Refused) as caught:
            take(both_engines, each, batch([session()]))
        answers.append((caught.value.status, str(caught.value)))

    assert answers[0] == answers[1]
    assert answers[0][0] == 401
    assert rows(both_engines, "SELECT count(*) FROM session") == [(0,)]


# --- Bad records -------------------------------------------------------------------------------------------

BAD_RECORDS = [
    (session(B, application="tetris"), "application 'tetris' is unknown here"),
    (session("A" * 32), f"session {'A' * 32!r} is not 32 hexadecimal digits"),
    (session(B, account="  "), "account is empty"),
    (session(B, zone="Mars/Olympus"), "zone 'Mars/Olympus' is not an IANA time zone"),
    (session(B, zone="localtime"), "zone 'localtime' is not an IANA time zone"),
    (session(B, ended_ms=NOON), f"state open does not go with ended_ms {NOON}"),
    (session(B, state="closed"), "state closed does not go with ended_ms None"),
    (closed(B, NOON - 1), f"it ends at {NOON - 1}, before it starts at {NOON}"),
    (session(B, started_ms=NOON + 86_400_001), f"{NOON + 86_400_001} is more than a day in the future"),
    (session(started_ms=NOON + 1), f"its start was {NOON} before"),
    (session(application="gis"), "its application was 'cad' before"),
    (session(B, account="x" * 501), "Expected `str` of length <= 500 - at `$.account`"),
    (session(B, account="a\x00b"), "account has a NUL character"),
    (session(B, account="a\ud800b"), "account has half of a surrogate pair"),
    (segment(60, 90, B), f"session {B!r} is unknown here"),
    (segment(90, 60), f"it ends at {NOON + 60_000}, not after its start at {NOON + 90_000}"),
    (segment(60, 60), f"it ends at {NOON + 60_000}, not after its start at {NOON + 60_000}"),
    (segment(899, 901), "it crosses a quarter of an hour (UTC)"),
    (segment(-60, -30), f"it starts before its session, at {NOON}"),
    (segment(86_460, 86_470), f"{NOON + 86_460_000} is more than a day in the future"),
    (segment(60, 90, cpu_percent=float("nan")), "cpu_percent nan is not between 0 and 1000000"),
    (segment(60, 90, cpu_percent=float("inf")), "cpu_percent inf is not between 0 and 1000000"),
    (segment(60, 90, cpu_percent=-1), "cpu_percent -1.0 is not between 0 and 1000000"),
    (segment(60, 90, cpu_percent=False), "Expected `float`, got `bool` - at `$.cpu_percent`"),
    (segment(60, 90, units=-1), "Expected `int` >= 0 - at `$.units`"),
    (segment(60, 90, units=2**31), "Expected `int` <= 2147483647 - at `$.units`"),
    (segment(60, 90, attention="bored"), "Invalid enum value 'bored' - at `$.attention`"),
    (segment(60, 90, since_ms=NOON + 90_001), f"since {NOON + 90_001} is after its end at {NOON + 90_000}"),
    (segment(30, 70), "it overlaps a stored segment of its session"),
    (segment(0, 60), "it overlaps a stored segment of its session"),
    (watch(60, 60), f"it ends at {NOON + 60_000}, not after its start at {NOON + 60_000}"),
    (watch(90_000, 90_001), f"{NOON + 90_000_000} is more than a day in the future"),
    (project(B), f"session {B!r} is unknown here"),
    (project(to_ms=NOON), f"it ends at {NOON}, not after its start at {NOON}"),
    (project(project=" "), "project or author is empty"),
    (project(fields={"order": 7}), "Expected `str`, got `int` - at `$.fields[...]`"),
    (
        project(fields={str(number): "x" for number in range(9)}),
        "Expected `object` of length <= 8 - at `$.fields`",
    ),
    (project(fields={"order": "a\x00b"}), "fields has a NUL character"),
    (session(B, prompt="perhaps"), "Invalid enum value 'perhaps' - at `$.prompt`"),
    ({"kind": "riddle"}, "Invalid value 'riddle' - at `$.kind`"),
    ({}, "Object missing required field `kind`"),
    (7, "Expected `object`, got `int`"),
    (None, "Expected `object`, got `null`"),
]


@pytest.mark.parametrize(("record", "reason"), BAD_RECORDS)
def test_a_bad_record_is_set_aside_and_acknowledged(engine: Engine, record: Any, reason: str) -> None:
    agent = new_agent(engine).agent

    answer = take(engine, agent, batch([session(), segment(0, 60), record, segment(60, 90)]))

    assert (answer.acknowledged, answer.quarantined) == (4, 1)
    assert rows(engine, QUARANTINE) == [(3, reason)]
    assert rows(engine, SEGMENTS, noon=NOON) == [(A, 0, 60, 0), (A, 60, 90, 0)]
    assert rows(engine, "SELECT key, ended_ms FROM session") == [(A, None)]


def test_all_bad_records_of_one_batch_are_set_aside_together(both_engines: Engine) -> None:
    agent = new_agent(both_engines).agent

    answer = take(
        both_engines, agent, batch([session(), segment(0, 60), *(record for record, _ in BAD_RECORDS)])
    )

    assert answer.quarantined == len(BAD_RECORDS)
    assert [reason for _, reason in rows(both_engines, QUARANTINE)] == [reason for _, reason in BAD_RECORDS]


def test_a_field_that_the_protocol_does_not_know_is_not_kept(engine: Engine) -> None:
    agent = new_agent(engine).agent
    take(engine, agent, batch([session(window_title="Secret plan", state="open")]))

    assert rows(engine, "SELECT reason FROM quarantine") == [
        ("Object contains unknown field `window_title`",)
    ]
    [(kept,)] = rows(engine, "SELECT record FROM quarantine")
    assert "Secret" not in kept
    assert '"application": "cad"' in kept


def test_what_was_entered_in_fields_is_kept_of_a_record_that_is_set_aside(engine: Engine) -> None:
    agent = new_agent(engine).agent
    take(engine, agent, batch([session(), project(B, fields={"order": "WO-1"})]))

    [(kept,)] = rows(engine, "SELECT record FROM quarantine")
    assert json.loads(kept)["fields"] == {"order": "WO-1"}


def test_the_fields_of_a_project_entry_are_stored_as_they_were_entered(both_engines: Engine) -> None:
    agent = new_agent(both_engines).agent
    take(
        both_engines,
        agent,
        batch([session(), project(fields={"order": "WO-00017", "area": "Größe €"}), project()]),
    )

    stored = rows(both_engines, "SELECT CAST(fields AS TEXT) FROM project_entry ORDER BY id")
    assert [json.loads(fields) for (fields,) in stored] == [{"order": "WO-00017", "area": "Größe €"}, {}]


def test_what_became_of_the_question_at_launch_is_stored_with_the_session(both_engines: Engine) -> None:
    agent = new_agent(both_engines).agent
    told = []
    for number, prompt in enumerate((None, "asked", "dismissed"), 1):
        take(both_engines, agent, batch([session(prompt=prompt)], first=number))
        told += rows(both_engines, "SELECT prompt FROM session")

    assert told == [(None,), ("asked",), ("dismissed",)]


def test_a_broken_presence_does_not_hold_up_evidence(engine: Engine) -> None:
    agent = new_agent(engine).agent
    body = batch([session()], presence=[{"session": A}, 5, presence(account="a\x00"), presence(B)])

    assert take(engine, agent, body).acknowledged == 1
    assert rows(engine, "SELECT session_key FROM presence") == [(B,)]


def test_another_agent_cannot_write_into_a_session(both_engines: Engine) -> None:
    first, second = new_agent(both_engines).agent, new_agent(both_engines, "ws-2").agent
    take(both_engines, first, batch([session(), segment(0, 60)]))

    take(both_engines, second, batch([session(), segment(60, 90), project()], presence=[presence()]))

    assert rows(both_engines, QUARANTINE) == [
        (1, "its session belongs to another agent"),
        (2, "its session belongs to another agent"),
        (3, "its session belongs to another agent"),
    ]
    assert rows(both_engines, SEGMENTS, noon=NOON) == [(A, 0, 60, 0)]
    assert rows(both_engines, "SELECT count(*) FROM presence") == [(0,)]


# --- Sessions ----------------------------------------------------------------------------------------------


def test_the_newest_record_of_a_session_counts(both_engines: Engine) -> None:
    agent = new_agent(both_engines).agent
    take(both_engines, agent, batch([session(), session(instance_count=2), session(instance_count=3)]))
    take(
        both_engines,
        agent,
        batch([closed(instance_count=4, end_uncertainty_ms=7, clock_stepped=True)], first=4),
    )

    assert rows(
        both_engines,
        "SELECT ended_ms - started_ms, instance_count, end_uncertainty_ms, clock_stepped FROM session",
    ) == [(600_000, 4, 7, True)]


def test_a_closed_session_never_opens_again(engine: Engine) -> None:
    agent = new_agent(engine).agent
    take(engine, agent, batch([session(), closed()]))

    take(engine, agent, batch([session(instance_count=9)], first=3))

    assert rows(engine, QUARANTINE) == [(3, "it is closed and cannot open again")]
    assert rows(engine, "SELECT ended_ms, instance_count FROM session") == [(NOON + 600_000, 1)]


def test_segments_stay_inside_their_session(engine: Engine) -> None:
    agent = new_agent(engine).agent
    take(engine, agent, batch([session(), segment(0, 60)]))

    take(engine, agent, batch([closed(ended_ms=NOON + 59_999)], first=3))
    take(engine, agent, batch([closed(ended_ms=NOON + 60_000), segment(60, 61)], first=4))

    assert rows(engine, QUARANTINE) == [
        (3, f"it ends before its last segment, at {NOON + 60_000}"),
        (5, f"it ends after its session, at {NOON + 60_000}"),
    ]


def test_a_session_of_zero_length_is_kept(engine: Engine) -> None:
    agent = new_agent(engine).agent

    take(engine, agent, batch([closed(ended_ms=NOON)]))

    assert rows(engine, SESSIONS, noon=NOON) == [(A, "cad", "meridian\\ines", 0, 0, 1)]


def test_a_hole_of_a_session_can_be_filled_later(both_engines: Engine) -> None:
    agent = new_agent(both_engines).agent
    take(both_engines, agent, batch([session(), segment(0, 60), segment(120, 180)]))

    take(both_engines, agent, batch([segment(60, 120), segment(110, 130), segment(180, 190)], first=4))

    assert [row[1:3] for row in rows(both_engines, SEGMENTS, noon=NOON)] == [
        (0, 60),
        (60, 120),
        (120, 180),
        (180, 190),
    ]
    assert rows(both_engines, QUARANTINE) == [(5, "it overlaps a stored segment of its session")]


# --- Wrong clocks ------------------------------------------------------------------------------------------


def greet(engine: Engine, agent: str, sent_ms: int) -> None:
    """Let the manager hear of an agent at noon: a clock that seems slow must be heard twice."""
    with suppress(Refused):
        take(engine, agent, batch(sent_ms=sent_ms))


def wrong(record: dict[str, Any], shift_ms: int) -> dict[str, Any]:
    """Return a record as an agent with a wrong clock writes it."""
    return {name: value + shift_ms if name.endswith("_ms") else value for name, value in record.items()}


@pytest.mark.parametrize("shift_ms", [-3_600_000, 3_600_000, -200_000, 5 * 86_400_000])
def test_a_wrong_clock_is_set_right(both_engines: Engine, shift_ms: int) -> None:
    agent = new_agent(both_engines).agent
    # In the agent's own time this lies inside a quarter; in true time it may not.
    quarter = (NOON + shift_ms) // 900_000 * 900_000 - shift_ms + 900_000
    records = [
        session(started_ms=quarter),
        segment(0, 0, start_ms=quarter, end_ms=quarter + 890_000, since_ms=quarter),
        watch(0, 0, start_ms=quarter, end_ms=quarter + 890_000),
        project(from_ms=quarter),
        closed(started_ms=quarter, ended_ms=quarter + 890_000),
    ]
    body = batch([wrong(each, shift_ms) for each in records], sent_ms=NOON + 1_800_000 + shift_ms)
    greet(both_engines, agent, NOON + shift_ms)

    answer = take(both_engines, agent, body, NOON + 1_800_000)

    assert answer.quarantined == 0
    assert rows(
        both_engines, "SELECT started_ms - :q, ended_ms - :q, clock_offset_ms FROM session", q=quarter
    ) == [(0, 890_000, -shift_ms)]
    stored = rows(
        both_engines, "SELECT start_ms, end_ms, since_ms - :q FROM segment ORDER BY start_ms", q=quarter
    )
    assert (stored[0][0], stored[-1][1]) == (quarter, quarter + 890_000)
    assert all(before[1] == after[0] for before, after in pairwise(stored))
    assert len(stored) == 1 + (shift_ms == -200_000)
    assert {since for _, _, since in stored} == {0}
    assert rows(both_engines, "SELECT start_ms - :q FROM watch_interval", q=quarter) == [(0,)]
    assert rows(both_engines, "SELECT from_ms - :q FROM project_entry", q=quarter) == [(0,)]
    assert rows(both_engines, "SELECT clock_offset_ms FROM agent") == [(-shift_ms,)]


def test_at_first_contact_a_clock_that_seems_slow_is_measured_twice(both_engines: Engine) -> None:
    agent = new_agent(both_engines).agent
    body = batch([session()], sent_ms=NOON)

    with pytest.raises(Refused, match="The agent's clock is being measured; send the same again") as caught:
        take(both_engines, agent, body, NOON + 9_000)
    assert caught.value.status == 503
    take(both_engines, agent, body, NOON + 10)

    assert rows(both_engines, "SELECT started_ms, clock_offset_ms FROM session") == [(NOON, 0)]


def test_a_session_keeps_the_offset_of_its_first_record(engine: Engine) -> None:
    agent = new_agent(engine).agent
    shift = -3_600_000
    greet(engine, agent, NOON + shift)
    take(engine, agent, batch([wrong(session(), shift)], sent_ms=NOON + shift))

    # The agent's clock has been set right meanwhile; this session still hangs on its old anchor.
    take(
        engine,
        agent,
        batch([wrong(segment(0, 60), shift), session(B)], first=2, sent_ms=NOON + 61_000),
        NOON + 61_000,
    )

    assert rows(engine, SEGMENTS, noon=NOON) == [(A, 0, 60, 0)]
    assert rows(
        engine, "SELECT key, started_ms - :noon, clock_offset_ms FROM session ORDER BY key", noon=NOON
    ) == [
        (A, 0, 3_600_000),
        (B, 0, 0),
    ]


def test_clocks_that_agree_within_two_seconds_are_left_alone(engine: Engine) -> None:
    agent = new_agent(engine).agent

    take(engine, agent, batch([session()], sent_ms=NOON - 2_000))

    assert rows(engine, "SELECT started_ms, clock_offset_ms FROM session") == [(NOON, 0)]


def test_a_batch_that_was_held_up_moves_no_session(engine: Engine) -> None:
    agent = new_agent(engine).agent
    take(engine, agent, batch([]))

    take(engine, agent, batch([session()], sent_ms=NOON), NOON + 20_000)

    assert rows(engine, "SELECT started_ms, clock_offset_ms FROM session") == [(NOON, 0)]


# --- Presence ----------------------------------------------------------------------------------------------

PRESENCE = "SELECT session_key, attention, since_ms - :noon FROM presence ORDER BY session_key"


def test_presence_is_replaced_agent_by_agent(both_engines: Engine) -> None:
    first, second = new_agent(both_engines).agent, new_agent(both_engines, "ws-2").agent
    take(both_engines, first, batch(presence=[presence(A), presence("c" * 32)]))
    take(both_engines, second, batch(presence=[presence(B, attention="locked")]))

    take(both_engines, first, batch(presence=[presence(A, attention="background")]))

    assert rows(both_engines, PRESENCE, noon=NOON) == [(A, 2, 0), (B, 3, 0)]


def test_a_closed_session_vanishes_from_presence(both_engines: Engine) -> None:
    agent = new_agent(both_engines).agent
    take(both_engines, agent, batch([session()], presence=[presence()]))
    assert len(rows(both_engines, PRESENCE, noon=NOON)) == 1

    take(both_engines, agent, batch([closed()], first=2, presence=[presence()]))

    assert rows(both_engines, PRESENCE, noon=NOON) == []


def test_presence_of_an_application_that_nobody_knows_is_left_out(engine: Engine) -> None:
    agent = new_agent(engine).agent

    take(engine, agent, batch(presence=[presence(application="tetris")]))

    assert rows(engine, PRESENCE, noon=NOON) == []


def test_presence_follows_the_offset(engine: Engine) -> None:
    agent = new_agent(engine).agent

    greet(engine, agent, NOON - 60_000)
    take(engine, agent, batch(presence=[wrong(presence(), -60_000)], sent_ms=NOON - 60_000))

    assert rows(engine, PRESENCE, noon=NOON) == [(A, 0, 0)]


def test_an_old_batch_sent_again_does_not_bring_its_presence_back(engine: Engine) -> None:
    agent = new_agent(engine).agent
    old = batch([session()], presence=[presence()])
    take(engine, agent, old)
    take(engine, agent, batch([closed(B)], first=2, sent_ms=NOON + 600_000), NOON + 600_000)

    take(engine, agent, old, NOON + 601_000)

    assert rows(engine, PRESENCE, noon=NOON) == []


def test_a_revoked_agent_is_present_no_more(engine: Engine) -> None:
    agent = new_agent(engine).agent
    take(engine, agent, batch(presence=[presence()]))

    enrollment.revoke(engine, agent, "admin", NOON)

    assert rows(engine, PRESENCE, noon=NOON) == []


# --- Any cutting, repetition and order of sending ----------------------------------------------------------

STREAM: list[Any] = [
    session(),
    segment(0, 60),
    watch(0, 60),
    segment(60, 90, attention="no_input"),
    session(B, application="gis", started_ms=NOON + 30_000),
    segment(30, 90, B, attention="background"),
    segment(80, 100),
    {"kind": "riddle"},
    segment(90, 100),
    project(),
    session(instance_count=2),
    segment(120, 180),
    segment(100, 120),
    session(B, application="tetris"),
    closed(ended_ms=NOON + 180_000),
    segment(180, 190),
    session(),
    watch(60, 200),
    segment(90, 100, B, cpu_percent=float("nan")),
    closed(B, NOON + 90_000, application="gis", started_ms=NOON + 30_000),
]
TABLES = {
    "session": "key, application_id, account_id, host_id, started_ms, ended_ms, instance_count, received_ms",
    "segment": "start_ms, end_ms, attention, cpu_percent, since_ms, received_ms",
    "watch_interval": "host_id, start_ms, end_ms, sees_focus",
    "project_entry": "from_ms, to_ms, project_number, author, created_ms",
    "quarantine": "sequence, reason, record",
    "delivery": "epoch, last_sequence",
}


def content(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: sorted(rows(engine, f"SELECT {columns} FROM {table}"), key=str)
        for table, columns in TABLES.items()
    }


sendings = st.lists(st.tuples(st.integers(0, len(STREAM) - 1), st.integers(1, len(STREAM))), max_size=12)


def send_all(engine: Engine, agent: str, attempts: list[tuple[int, int]]) -> None:
    """Send pieces of the stream, skipping none, again and again; then the rest."""
    done = 0
    for start, length in attempts:
        piece = STREAM[start : start + length]
        if start > done:
            with pytest.raises(Gap):
                take(engine, agent, batch(piece, first=start + 1))
            continue
        answer = take(engine, agent, batch(piece, first=start + 1))
        done = max(done, start + len(piece))
        assert answer.acknowledged == done
    take(engine, agent, batch(STREAM[done:], first=done + 1))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Any, ...]]]:
    engine = upgrade(f"sqlite:///{tmp_path_factory.mktemp('whole') / 'w.sqlite'}")
    take(engine, new_agent(engine).agent, batch(STREAM))
    found = content(engine)
    engine.dispose()
    return found


@given(attempts=sendings)
def test_however_a_stream_is_cut_and_sent_again_the_tables_are_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    expected: dict[str, list[tuple[Any, ...]]],
    attempts: list[tuple[int, int]],
) -> None:
    engine = upgrade(f"sqlite:///{tmp_path_factory.mktemp('cut') / 'w.sqlite'}")

    send_all(engine, new_agent(engine).agent, attempts)

    assert content(engine) == expected
    engine.dispose()


def test_cut_into_single_records_the_tables_are_the_same_on_postgresql(
    postgres_engine: Engine, expected: dict[str, list[tuple[Any, ...]]]
) -> None:
    send_all(postgres_engine, new_agent(postgres_engine).agent, [(place, 2) for place in range(len(STREAM))])

    assert content(postgres_engine) == expected


def test_the_stream_of_the_cutting_test_has_bad_records_in_it(
    expected: dict[str, list[tuple[Any, ...]]],
) -> None:
    assert len(expected["quarantine"]) == 6
    assert len(expected["segment"]) == 6
