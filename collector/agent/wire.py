"""One conversation with a manager over HTTP: sign, post, read the answer. Nothing here waits or retries."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from collector.agent.errors import AgentProblem, DeliveryProblem
from collector.agent.home import Enrolled
from collector.protocol import EnrollmentRequest, signing_text

TIMEOUT_SECONDS = 15
MAX_ANSWER_BYTES = 4 * 1024 * 1024
PIECE_BYTES = 64 * 1024


class Address(NamedTuple):
    """A manager's URL, taken apart."""

    secure: bool
    host: str
    port: int | None
    prefix: str


def address(url: str) -> Address:
    """Take a manager's URL apart.

    Raises
    ------
    AgentProblem
        It is no http or https URL, or http beyond this machine: keys and evidence travel encrypted.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        host = port = None
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query:
        raise AgentProblem(f"{url!r} is no URL of a manager", "give one like https://meter.example.org")
    if parts.scheme == "http" and not _is_loopback(host):
        raise AgentProblem(f"{url}: without encryption only this machine can be reached", "give an https URL")
    return Address(parts.scheme == "https", host, port, parts.path.rstrip("/"))


class Wanted(NamedTuple):
    """Whose list of open projects is asked for, which version is at hand, and what takes a newer one."""

    account: str
    version: str
    take: Callable[[Iterator[bytes]], None]


class _Request(NamedTuple):
    method: str
    path: str
    body: bytes
    headers: Mapping[str, str]


_Read = Callable[[http.client.HTTPResponse], bytes]


def _whole_body(response: http.client.HTTPResponse) -> bytes:
    return response.read(MAX_ANSWER_BYTES)


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while piece := response.read(PIECE_BYTES):
            yield piece
    except (OSError, http.client.HTTPException) as error:
        raise DeliveryProblem(f"the answer broke off: {error}") from error


class Wire:
    """The connection to one manager; it is kept open from one request to the next.

    Parameters
    ----------
    url
        The manager's.
    """

    def __init__(self, url: str) -> None:
        self._address = address(url)
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send one request and return the object that comes back.

        Raises
        ------
        DeliveryProblem
            No answer, a refusal, or an answer that is none.
        """
        status, answer = self._answered(_Request(method, path, body, headers or {}), _whole_body)
        if not 200 <= status < 300:
            raise _refusal(status, answer)
        document = _object(answer)
        if document is None:
            raise DeliveryProblem(f"{self._address.host}: the answer is not JSON", status=status)
        return document

    def fetch(self, path: str, headers: Mapping[str, str], take: Callable[[Iterator[bytes]], None]) -> bool:
        """Ask for what may be large; return whether it came, and not the word that it is as it was.

        Parameters
        ----------
        take
            Called with the body in pieces.

        Raises
        ------
        DeliveryProblem
            No answer, or a refusal.
        """

        def read(response: http.client.HTTPResponse) -> bytes:
            if response.status != 200:
                return _whole_body(response)
            take(_pieces(response))
            return b""

        status, answer = self._answered(_Request("GET", path, b"", headers), read)
        if status not in (200, 304):
            raise _refusal(status, answer)
        return status == 200

    def _answered(self, request: _Request, read: _Read) -> tuple[int, bytes]:
        try:
            return self._exchange(request, read)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            reason = str(error) or type(error).__name__
            raise DeliveryProblem(f"{self._address.host}: no answer: {reason}") from error

    def _exchange(self, request: _Request, read: _Read) -> tuple[int, bytes]:
        """Send on the open connection; if the manager has closed it meanwhile, once more on a new one."""
        if self._connection:
            try:
                return self._send(self._connection, request, read)
            except (ConnectionError, http.client.BadStatusLine):
                self.close()
        self._connection = self._connect()
        return self._send(self._connection, request, read)

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._address.secure else http.client.HTTPConnection
        return kind(self._address.host, self._address.port, timeout=TIMEOUT_SECONDS)

    def _send(
        self, connection: http.client.HTTPConnection, request: _Request, read: _Read
    ) -> tuple[int, bytes]:
        path = self._address.prefix + request.path
        connection.request(request.method, path, request.body or None, dict(request.headers))
        response = connection.getresponse()
        answer = read(response)
        if response.will_close or not response.isclosed():
            self.close()
        return response.status, answer


def signed(enrolled: Enrolled, method: str, path: str, sent_ms: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign a request."""
    digest = hashlib.sha256(body).hexdigest()
    text = signing_text(method, path, sent_ms, digest)
    return {
        "X-Process-Meter-Agent": enrolled.agent,
        "X-Process-Meter-Sent": str(sent_ms),
        "X-Process-Meter-Signature": hmac.new(enrolled.key.encode(), text, hashlib.sha256).hexdigest(),
    }


def post_batch(wire: Wire, enrolled: Enrolled, sent_ms: int, batch: str) -> dict[str, Any]:
    """Post a batch, compressed and signed, and return the acknowledgement."""
    body = zlib.compress(batch.encode())
    headers = signed(enrolled, "POST", "/v1/batches", sent_ms, body)
    headers |= {"Content-Type": "application/json", "Content-Encoding": "deflate"}
    return wire.ask("POST", "/v1/batches", body, headers)


def get_policy(wire: Wire, enrolled: Enrolled, sent_ms: int) -> dict[str, Any]:
    """Ask for the newest collection policy."""
    return wire.ask("GET", "/v1/policy", b"", signed(enrolled, "GET", "/v1/policy", sent_ms, b""))


def get_projects(wire: Wire, enrolled: Enrolled, sent_ms: int, wanted: Wanted) -> bool:
    """Ask for the list of open projects of an account, if it is another than the one at hand.

    Raises
    ------
    AgentProblem
        No answer, a refusal, or a list that `take` did not accept.
    """
    path = f"/v1/projects?account={quote(wanted.account, safe='')}"
    headers = signed(enrolled, "GET", path, sent_ms, b"") | {"If-None-Match": f'"{wanted.version}"'}
    return wire.fetch(path, headers, wanted.take)


def post_enrollment(wire: Wire, request: EnrollmentRequest) -> dict[str, Any]:
    """Ask to be enrolled."""
    body = json.dumps(asdict(request)).encode()
    return wire.ask("POST", "/v1/enroll", body, {"Content-Type": "application/json"})


def _is_loopback(host: str) -> bool:
    quads = host.split(".")
    is_127 = quads[0] == "127" and len(quads) == 4 and all(quad.isdecimal() for quad in quads)
    return host in ("localhost", "::1") or is_127


def _refusal(status: int, answer: bytes) -> DeliveryProblem:
    document = _object(answer) or {}
    fields = document.get("fields")
    return DeliveryProblem(
        str(document.get("error") or f"the manager answered with status {status}")[:500],
        str(document.get("remedy") or "")[:500],
        status=status,
        fields={str(k): str(v) for k, v in fields.items()} if isinstance(fields, dict) else {},
    )


def _object(answer: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(answer)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
