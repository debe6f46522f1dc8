"""A small real HTTP server that stands for a manager, and answers what a test tells it to."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import threading
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from collector.protocol import signing_text

KEY = "ab" * 32
AGENT = "agent-1"
Answer = tuple[int, Any]


def acknowledge(batch: dict[str, Any], *, version: int = 1) -> Answer:
    """Acknowledge all of a batch."""
    last = max((row["sequence"] for row in batch["records"]), default=0)
    return 200, {"acknowledged": last, "quarantined": 0, "policy_version": version, "received_ms": 1}


class SmallManager:
    """Keeps what it is sent; use as a context manager.

    Parameters
    ----------
    context
        With one it speaks TLS, as `localhost`.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.batches: list[dict[str, Any]] = []
        self.enrollments: list[dict[str, Any]] = []
        self.policies = self.unsigned = self.connections = 0
        self.listed: list[tuple[str, str]] = []
        """Path and version of each request for the list of projects."""
        self.project_list: Answer = (404, {"error": "there is no list"})
        """Status, and the list as it is sent; version `1`."""
        self.policy: Any = {"version": 1, "applications": []}
        self.answer: Callable[[dict[str, Any]], Answer] = acknowledge
        self.enrollment_answer: Callable[[dict[str, Any]], Answer] = self._enroll
        self._server = _Server(self)
        self.port = self._server.server_port
        self.url = f"https://localhost:{self.port}" if context else f"http://127.0.0.1:{self.port}"
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Return all records of a kind that came, in order; what came twice is there once."""
        rows = {
            (batch["epoch"], row["sequence"]): row["record"]
            for batch in self.batches
            for row in batch["records"]
        }
        return [row for row in rows.values() if row["kind"] == kind]

    def _enroll(self, _request: dict[str, Any]) -> Answer:
        return 201, {"agent": AGENT, "key": KEY, "policy": self.policy}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, manager: SmallManager) -> None:
        self.manager = manager
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: object) -> None:
        """Keep quiet about a client that hangs up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One packet an answer: head and body in two of them wait 40 ms for each other.
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        self.server.manager.connections += 1
        super().setup()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self._check(b"")
        if self.path.startswith("/v1/projects"):
            self.server.manager.listed.append((self.path, self.headers["If-None-Match"]))
            self._answer(*self.server.manager.project_list)
            return
        self.server.manager.policies += 1
        self._answer(200, self.server.manager.policy)

    def do_POST(self) -> None:
        manager = self.server.manager
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/enroll":
            manager.enrollments.append(json.loads(body))
            self._answer(*manager.enrollment_answer(manager.enrollments[-1]))
            return
        self._check(body)
        assert self.headers["Content-Encoding"] == "deflate"
        manager.batches.append(json.loads(zlib.decompress(body)))
        self._answer(*manager.answer(manager.batches[-1]))

    def _check(self, body: bytes) -> None:
        """Count what is not signed by the agent."""
        sent = int(self.headers["X-Process-Meter-Sent"])
        text = signing_text(self.command, self.path, sent, hashlib.sha256(body).hexdigest())
        right = hmac.new(KEY.encode(), text, hashlib.sha256).hexdigest()
        named = self.headers["X-Process-Meter-Agent"], self.headers["X-Process-Meter-Signature"]
        self.server.manager.unsigned += named != (AGENT, right)

    def _answer(self, status: int, document: Any) -> None:
        text = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
