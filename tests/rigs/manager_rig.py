"""A manager for tests: records as an agent writes them, a real server on a free port, a client that signs."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, text

from collector import protocol
from collector.manager import enrollment, policies, serving, signing, wire
from collector.manager.http import create_app, wall_clock_ms
from collector.manager.ingest import ingest

NOON = 1_793_620_800_000
"""2026-11-02 12:00 UTC, in milliseconds."""
POLICY = """
[collection]
[[collection.applications]]
code = "cad"
name = "Draftline CAD"
billed = true
signatures = [{ executable = "draftline" }]

[[collection.applications]]
code = "gis"
name = "Terralume GIS"
signatures = [{ executable = "terralume" }]
"""
A = "a" * 32
B = "b" * 32


def session(key: str = A, **changed: Any) -> dict[str, Any]:
    """Return an open session of `cad` that starts at noon."""
    return {
        "kind": "session",
        "session": key,
        "application": "cad",
        "account": "MERIDIAN\\ines",
        "logon_session": "1",
        "client_device": None,
        "zone": "Europe/London",
        "state": "open",
        "started_ms": NOON,
        "boot_id": "boot",
        "pid": 4_711,
        "start_ticks": 99,
        **changed,
    }


def closed(key: str = A, ended_ms: int = NOON + 600_000, **changed: Any) -> dict[str, Any]:
    """Return the same session when it has ended."""
    return session(key, state="closed", ended_ms=ended_ms, **changed)


def segment(start_s: int, end_s: int, key: str = A, **changed: Any) -> dict[str, Any]:
    """Return a segment with input, in seconds after noon."""
    return {
        "kind": "segment",
        "session": key,
        "start_ms": NOON + start_s * 1_000,
        "end_ms": NOON + end_s * 1_000,
        "attention": "input",
        "cpu_percent": 12.5,
        "since_ms": NOON + start_s * 1_000,
        "policy_version": 1,
        **changed,
    }


def watch(start_s: int, end_s: int, **changed: Any) -> dict[str, Any]:
    """Return a stretch in which everything was seen."""
    return {
        "kind": "watch",
        "start_ms": NOON + start_s * 1_000,
        "end_ms": NOON + end_s * 1_000,
        "sees_focus": True,
        "sees_input": True,
        "sees_lock": True,
        **changed,
    }


def project(key: str = A, **changed: Any) -> dict[str, Any]:
    """Return project data from noon on."""
    return {
        "kind": "project",
        "session": key,
        "from_ms": NOON,
        "project": "0042",
        "author": "ines",
        "reason": "entered at launch",
        **changed,
    }


def presence(key: str = A, **changed: Any) -> dict[str, Any]:
    """Return what a session of `cad` is doing."""
    return {
        "session": key,
        "application": "cad",
        "account": "MERIDIAN\\ines",
        "attention": "input",
        "attention_since_ms": NOON,
        "since_ms": NOON,
        "started_ms": NOON,
        **changed,
    }


def batch(records: Sequence[Any] = (), *, first: int = 1, **changed: Any) -> bytes:
    """Return a batch whose records are numbered from `first`."""
    content = {
        "protocol": protocol.PROTOCOL_VERSION,
        "epoch": "epoch-1",
        "agent_version": "0.1.0",
        "sent_ms": NOON,
        "backlog": len(records),
        "records": [{"sequence": first + place, "record": each} for place, each in enumerate(records)],
        "presence": [],
        **changed,
    }
    return json.dumps(content).encode()


def new_agent(engine: Engine, host: str = "ws-1") -> protocol.Enrollment:
    """Enroll an agent, with two applications to meter."""
    policies.apply_text(engine, POLICY, "policy.toml", "admin", NOON)
    token = enrollment.new_token(engine, 1, timedelta(hours=1), "admin", NOON)
    request = protocol.EnrollmentRequest(
        token=token, host=host, zone="Europe/London", system="Linux", agent_version="0.1.0"
    )
    return enrollment.enroll(engine, signing.master_key(engine.url), request, NOON)


def take(engine: Engine, agent: str, body: bytes, received_ms: int = NOON) -> protocol.Acknowledgement:
    """Take a batch in, as the route does."""
    return ingest(engine, agent, wire.decode_batch(body), received_ms)


def rows(engine: Engine, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), parameters)]


# --- A real server -----------------------------------------------------------------------------------------


@dataclass
class Client:
    """Speaks to a running manager, signing when it has a key."""

    host: str
    port: int
    agent: str = ""
    key: str = ""
    context: ssl.SSLContext | None = None

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send one request; return its status, and the JSON of its answer or its text."""
        connection = self._connect()
        kind = {"Content-Type": "application/json"} if body else {}
        try:
            connection.request(
                method, path, body, {**kind, **self.signed(method, path, body), **(headers or {})}
            )
            answer = connection.getresponse()
            content = answer.read()
            is_json = answer.headers.get_content_type() == "application/json"
            return answer.status, json.loads(content) if is_json else content.decode()
        finally:
            connection.close()

    def deliver(self, body: bytes) -> tuple[int, Any]:
        """Post a batch, compressed."""
        return self.ask("POST", "/v1/batches", zlib.compress(body), {"Content-Encoding": "deflate"})

    def signed(self, method: str, path: str, body: bytes, sent_ms: int = NOON) -> dict[str, str]:
        """Return the headers of a signed request, made as the protocol says, not with the manager's code."""
        if not self.key:
            return {}
        digest = hashlib.sha256(body).hexdigest()
        signing_text = protocol.signing_text(method, path, sent_ms, digest)
        return {
            "X-Process-Meter-Agent": self.agent,
            "X-Process-Meter-Sent": str(sent_ms),
            "X-Process-Meter-Signature": hmac.new(self.key.encode(), signing_text, "sha256").hexdigest(),
        }

    def _connect(self) -> http.client.HTTPConnection:
        if self.context is None:
            return http.client.HTTPConnection(self.host, self.port, timeout=120)
        return http.client.HTTPSConnection(self.host, self.port, timeout=120, context=self.context)


@contextmanager
def running(
    engine: Engine,
    now_ms: int | None = NOON,
    tls: ssl.SSLContext | None = None,
    **client: Any,
) -> Iterator[Client]:
    """Run the manager on a free port of the loopback address; `now_ms` None: by the clock on the wall."""
    clock = wall_clock_ms if now_ms is None else lambda: now_ms
    ready = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = serving.server(create_app(engine, clock), tls, ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert ready.wait(120)
            yield Client(*listener.getsockname(), **client)
        finally:
            server.should_exit = True
            thread.join()


def as_request(token: str, **changed: Any) -> bytes:
    """Return the body of an enrollment request."""
    request = protocol.EnrollmentRequest(
        token=token, host="ws-1", zone="Europe/London", system="Linux", agent_version="0.1.0"
    )
    return json.dumps({**asdict(request), **changed}).encode()
