from __future__ import annotations

import json
import shutil
import socket
import ssl
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from manager_rig import (
    NOON,
    A,
    Client,
    as_request,
    batch,
    closed,
    new_agent,
    presence,
    rows,
    running,
    segment,
    session,
    take,
)
from sqlalchemy import Engine

from collector.manager import body, enrollment, http, serving
from collector.protocol import MAX_BATCH_BYTES
from warehouse.store import open_warehouse


@pytest.fixture
def agent(engine: Engine) -> Iterator[Client]:
    """An enrolled agent of a running manager."""
    made = new_agent(engine)
    with running(engine, agent=made.agent, key=made.key) as client:
        yield client


@pytest.fixture(scope="module")
def standing(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """An enrolled agent of one manager for all bodies and routes that it refuses: it starts once."""
    path = tmp_path_factory.mktemp("standing") / "warehouse.sqlite"
    shutil.copyfile(empty_warehouse, path)
    engine = open_warehouse(f"sqlite:///{path}")
    made = new_agent(engine)
    with running(engine, agent=made.agent, key=made.key) as client:
        yield client
    engine.dispose()


@pytest.fixture
def passer_by(standing: Client) -> Client:
    """Somebody who holds no key of the one manager."""
    return Client(standing.host, standing.port)


@pytest.fixture
def stranger(agent: Client) -> Client:
    """Somebody who holds no key."""
    return Client(agent.host, agent.port)


def refused(answer: tuple[int, Any]) -> tuple[int, str]:
    """Return the status and the sentence of a refusal, and check its form."""
    status, content = answer
    assert content.keys() == {"error", "remedy", "fields"}
    return status, content["error"]


# --- The way of an agent -----------------------------------------------------------------------------------


def test_an_agent_enrolls_fetches_its_policy_and_delivers(both_engines: Engine) -> None:
    new_agent(both_engines)
    token = enrollment.new_token(both_engines, 1, timedelta(hours=1), "admin", NOON)

    with running(both_engines) as client:
        status, made = client.ask("POST", "/v1/enroll", as_request(token, host="ws-9"))
        assert (status, made["policy"]["version"]) == (201, 1)
        client.agent, client.key = made["agent"], made["key"]

        status, policy = client.ask("GET", "/v1/policy")
        assert (status, policy) == (200, made["policy"])

        status, answer = client.deliver(batch([session(), segment(0, 60)], presence=[presence()]))
        assert (status, answer) == (
            200,
            {"acknowledged": 2, "quarantined": 0, "policy_version": 1, "received_ms": NOON},
        )
        assert client.ask("POST", "/v1/enroll", as_request(token))[0] == 403

    assert rows(both_engines, "SELECT count(*) FROM segment") == [(1,)]
    assert rows(both_engines, "SELECT policy_version FROM agent WHERE id = :id", id=made["agent"]) == [(1,)]


def test_a_batch_may_come_as_it_is(agent: Client) -> None:
    assert agent.ask("POST", "/v1/batches", batch([session()]))[0] == 200


def test_a_hole_is_answered_with_409_and_the_expected_sequence(agent: Client) -> None:
    status, answer = agent.deliver(batch([segment(0, 60)], first=7))

    assert status == 409
    assert answer["fields"] == {"expected_sequence": "1"}


def test_batches_travel_over_tls(engine: Engine) -> None:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    made = new_agent(engine)

    with running(engine, tls=server_side, agent=made.agent, key=made.key, context=client_side) as client:
        assert client.deliver(batch([session()]))[1]["acknowledged"] == 1


# --- Who may -----------------------------------------------------------------------------------------------


def test_an_unsigned_forged_unknown_or_revoked_sender_gets_one_answer(engine: Engine, agent: Client) -> None:
    other = new_agent(engine, "ws-2")
    enrollment.revoke(engine, other.agent, "admin", NOON)
    senders = [
        Client(agent.host, agent.port),
        Client(agent.host, agent.port, agent.agent, "0" * 64),
        Client(agent.host, agent.port, "0" * 32, agent.key),
        Client(agent.host, agent.port, other.agent, other.key),
    ]

    answers = {
        json.dumps([sender.deliver(batch([session()])), sender.ask("GET", "/v1/policy")])
        for sender in senders
    }

    assert len(answers) == 1
    assert refused(senders[0].deliver(batch())) == (401, "The request is not signed by an enrolled agent")
    assert rows(engine, "SELECT count(*) FROM session") == [(0,)]


def test_a_changed_body_is_not_signed(agent: Client) -> None:
    body_sent = batch([session()])
    signed = agent.signed("POST", "/v1/batches", body_sent)

    assert agent.ask("POST", "/v1/batches", body_sent + b" ", signed)[0] == 401


def test_a_wrong_clock_is_no_reason_to_refuse(agent: Client) -> None:
    body_sent = batch([session()], sent_ms=1_000)
    signed = agent.signed("POST", "/v1/batches", body_sent, sent_ms=1_000)

    assert refused(agent.ask("POST", "/v1/batches", body_sent, signed)) == (
        503,
        "The agent's clock is being measured",
    )
    assert agent.ask("POST", "/v1/batches", body_sent, signed)[0] == 200


def test_live_gives_counts_and_pseudonyms_to_this_machine(
    engine: Engine, agent: Client, stranger: Client
) -> None:
    agent.deliver(batch([session()], presence=[presence(), presence("b" * 32, attention="locked")]))

    status, answer = stranger.ask("GET", "/v1/live")

    assert status == 200
    assert answer["as_of_ms"] == NOON
    [cad] = answer["applications"]
    assert (cad["application"], cad["sessions"], cad["input"], cad["locked"], cad["stale"]) == (
        "cad",
        2,
        1,
        1,
        0,
    )
    [pseudonym] = cad["pseudonyms"]
    assert pseudonym.startswith("A-")
    assert "ines" not in json.dumps(answer).lower()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "meter.example"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Via": "1.1 proxy"},
        {"Origin": "https://elsewhere.example"},
    ],
)
def test_what_comes_through_a_proxy_or_another_site_is_not_this_machine(
    stranger: Client, agent: Client, headers: dict[str, str]
) -> None:
    assert stranger.ask("GET", "/v1/live", headers=headers)[0] == 401
    assert agent.ask("GET", "/v1/live", headers=headers)[0] == 200


def test_a_revoked_agent_sees_nothing_live(engine: Engine, agent: Client) -> None:
    enrollment.revoke(engine, agent.agent, "admin", NOON)

    assert agent.ask("GET", "/v1/live", headers={"Host": "meter.example"})[0] == 401


def test_health_says_that_the_warehouse_answers(stranger: Client) -> None:
    assert stranger.ask("GET", "/v1/health") == (200, {"status": "ok", "protocol": 1, "policy_version": 1})


def test_a_warehouse_that_does_not_answer_is_a_reason_to_come_again(engine: Engine, agent: Client) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE delivery RENAME TO gone")

    assert refused(agent.deliver(batch([session()]))) == (503, "The warehouse does not answer")
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO delivery")
    assert agent.deliver(batch([session()]))[0] == 200


# --- Bad bodies --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "headers", "status"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"\xff", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"[]", {}, 422),
        (batch([session()], protocol=2), {}, 422),
        (batch([session()], window="x"), {}, 422),
        (batch([session()] * 2_001), {}, 422),
        (batch([session()], epoch=""), {}, 422),
        (batch([session()], epoch="\x00"), {}, 422),
        (batch([session()], backlog=True), {}, 422),
        (batch([session()], sent_ms=-1), {}, 422),
        (batch([session()], first=0), {}, 200),
        (b"not zlib", {"Content-Encoding": "deflate"}, 400),
        (zlib.compress(batch())[:-1], {"Content-Encoding": "deflate"}, 400),
        (zlib.compress(batch()) + b"more", {"Content-Encoding": "deflate"}, 400),
        (zlib.compress(batch()), {"Content-Encoding": "gzip"}, 415),
        (batch(), {"Content-Type": "text/plain"}, 415),
        (zlib.compress(b"0" * (MAX_BATCH_BYTES + 1)), {"Content-Encoding": "deflate"}, 413),
        (zlib.compress(b"0" * 100_000_000), {"Content-Encoding": "deflate"}, 413),
        (b"0" * (MAX_BATCH_BYTES + 1), {}, 413),
    ],
)
def test_a_bad_body_is_refused_with_its_status(
    standing: Client, sent: bytes, headers: dict[str, str], status: int
) -> None:
    answer = standing.ask("POST", "/v1/batches", sent, headers)

    assert answer[0] == status
    if status != 200:
        assert refused(answer)[1]
    assert standing.deliver(batch([session()], epoch=uuid4().hex))[0] == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"{", 400),
        (b"{}", 422),
        (as_request("t", host=7), 422),
        (as_request("t", user="x"), 422),
        (as_request("t", host="x" * 501), 422),
        (as_request("t", host="\x00"), 422),
        (as_request("t", protocol=9), 422),
        (as_request("t", zone="../etc/passwd"), 422),
        (as_request("t"), 403),
        (b" " * 65_537, 413),
    ],
)
def test_a_bad_enrollment_is_refused_with_its_status(passer_by: Client, sent: bytes, status: int) -> None:
    assert refused(passer_by.ask("POST", "/v1/enroll", sent))[0] == status


def test_a_body_without_end_is_not_read_to_its_end(stranger: Client, agent: Client) -> None:
    with suppress(ConnectionError):  # it may hang up before the body is through
        assert stranger.ask("POST", "/v1/enroll", b" " * 3_000_000)[0] == 413
    assert agent.ask("GET", "/v1/health")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/batches", 405),
        ("DELETE", "/v1/policy", 405),
        ("GET", "/docs/../key", 404),
    ],
)
def test_another_route_or_method_is_refused(passer_by: Client, method: str, path: str, status: int) -> None:
    assert refused(passer_by.ask(method, path))[0] == status


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
damaged = st.builds(
    lambda kind, changed: {**kind, **changed},
    st.sampled_from([session(), closed(), segment(0, 60), segment(60, 90)]),
    st.dictionaries(st.sampled_from([*session(), *segment(0, 60), "title"]), json_values, max_size=3),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(damaged | json_values, max_size=5))
def test_whatever_the_records_are_they_are_stored_or_set_aside(
    agent: Client, engine: Engine, records: list[Any]
) -> None:
    epoch = uuid4().hex

    status, answer = agent.deliver(batch(records, epoch=epoch))

    assert (status, answer["acknowledged"]) == (200, len(records))
    [(set_aside,)] = rows(engine, "SELECT count(*) FROM quarantine WHERE epoch = :epoch", epoch=epoch)
    assert set_aside == answer["quarantined"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=json_values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200))
def test_whatever_the_body_is_it_is_refused_cleanly(agent: Client, sent: bytes) -> None:
    assert refused(agent.ask("POST", "/v1/batches", sent))[0] in (400, 422)
    assert refused(agent.ask("POST", "/v1/enroll", sent))[0] in (400, 422)


# --- Slow and many -----------------------------------------------------------------------------------------


def start_post(client: Client, length: int) -> socket.socket:
    """Send the head of a request whose body does not come."""
    connection = socket.create_connection((client.host, client.port), timeout=120)
    connection.sendall(
        f"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()
    )
    return connection


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the other side closes."""
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def end_of(connection: socket.socket) -> bytes:
    """Return what comes until the other side closes, in whatever manner."""
    try:
        return read_all(connection)
    except ConnectionResetError:
        return b""


def test_a_slow_body_is_cut_off(stranger: Client, agent: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as impatient:
        impatient.setattr(body, "SECONDS", 0.5)
        with start_post(stranger, 1_000) as slow:
            answer = read_all(slow)

    assert answer.startswith(b"HTTP/1.1 408")
    assert b"The body did not arrive within 0.5 s" in answer
    assert agent.deliver(batch([session()]))[0] == 200


def test_a_head_that_does_not_come_is_not_waited_for(
    stranger: Client, agent: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as impatient:
        impatient.setattr(serving, "HEAD_SECONDS", 0.5)
        with socket.create_connection((stranger.host, stranger.port), timeout=120) as silent:
            silent.sendall(b"GET /v1/hea")
            assert end_of(silent) == b""
    assert agent.deliver(batch([session()]))[0] == 200


def test_what_is_not_http_is_told_so(stranger: Client) -> None:
    with socket.create_connection((stranger.host, stranger.port), timeout=120) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        answer = read_all(connection)

    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(content)["remedy"] == "send HTTP/1.1"


def test_a_crowd_is_asked_to_come_again(
    agent: Client, stranger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "SECONDS", 300)
    deadline = time.monotonic() + 120
    with ExitStack() as crowd:
        for _ in range(http.MOST_REQUESTS):
            crowd.enter_context(start_post(stranger, 1_000))
        while (answer := stranger.ask("GET", "/v1/health"))[0] == 200:
            assert time.monotonic() < deadline, "so many are not taken in"
        assert refused(answer) == (503, "The manager is busy")

    while stranger.ask("GET", "/v1/health")[0] != 200:
        assert time.monotonic() < deadline, "those who left are not forgotten"


def test_many_agents_deliver_at_once(both_engines: Engine) -> None:
    from concurrent.futures import ThreadPoolExecutor

    made = [new_agent(both_engines, f"ws-{number}") for number in range(12)]

    def deliver(client: Client, number: int) -> list[int]:
        key, account = f"{number:032x}", f"user-{number % 3}"
        now = presence(key, account=account)
        records = [session(key, account=account), segment(0, 60, key), segment(60, 90, key)]
        return [
            client.deliver(batch(records[place : place + 1], first=place + 1, presence=[now]))[0]
            for place in range(3)
        ]

    with running(both_engines) as server, ThreadPoolExecutor(12) as threads:
        clients = [Client(server.host, server.port, each.agent, each.key) for each in made]
        statuses = list(threads.map(deliver, clients, range(12)))

    assert statuses == [[200, 200, 200]] * 12
    assert rows(both_engines, "SELECT count(*) FROM segment") == [(24,)]
    assert rows(both_engines, "SELECT count(*) FROM account") == [(3,)]
    assert rows(both_engines, "SELECT count(*) FROM presence") == [(12,)]


def test_a_batch_is_stored_whole_or_not_at_all(engine: Engine, agent: Client) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER fail BEFORE INSERT ON watch_interval BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    watched = {"kind": "watch", "start_ms": NOON, "end_ms": NOON + 1, "sees_focus": True, "sees_input": True}

    status, _ = agent.deliver(batch([session(), segment(0, 60), {**watched, "sees_lock": True}]))

    assert status in (500, 503)
    assert rows(engine, "SELECT count(*) FROM session") == [(0,)]
    assert rows(engine, "SELECT count(*) FROM segment") == [(0,)]
    assert rows(engine, "SELECT count(*) FROM delivery") == [(0,)]


def test_what_was_stored_survives_a_restart_and_a_lost_answer(engine: Engine) -> None:
    made = new_agent(engine)
    take(engine, made.agent, batch([session(), segment(0, 60)]))

    for _ in range(2):
        with running(engine, agent=made.agent, key=made.key) as client:
            assert client.deliver(batch([session(), segment(0, 60)]))[1]["acknowledged"] == 2

    assert rows(engine, "SELECT count(*) FROM segment") == [(1,)]
    assert rows(engine, "SELECT key FROM session") == [(A,)]
