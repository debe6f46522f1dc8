"""The process that answers: an address that is safe to open, and connections that cannot be held for ever."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from collector.manager import wire
from collector.manager.refusals import Refused
from warehouse.errors import Problem

HEAD_SECONDS = 10
"""How long the head of a request may take to arrive."""
KEEP_SECONDS = 15
"""How long a connection is kept for the next request: agents report every 5 s."""
MOST_CONNECTIONS = 2_000
GRACE_SECONDS = 5
"""How long requests may take to end after the manager was told to stop."""


# --- The address -------------------------------------------------------------------------------------------


def is_loopback(address: str) -> bool:
    """Whether a numeric address can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def tls_context(host: str, certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Return what encrypts the connections; None on a loopback address without certificate.

    Raises
    ------
    Problem
        Anyone could reach the address and there is no certificate, or it cannot be used.
    """
    if certificate is None and key is None:
        if all(map(is_loopback, _addresses(host))):
            return None
        raise Problem(
            f"The manager does not listen on {host or 'every address'} without TLS",
            "give --tls-cert and --tls-key, or listen on 127.0.0.1",
        )
    if certificate is None or key is None:
        raise Problem("TLS needs a certificate and its key", "give both --tls-cert and --tls-key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise Problem(
            f"The certificate {certificate} with the key {key} cannot be used: {error}",
            "give PEM files that belong together, the key without a passphrase",
        ) from error
    return context


def _no_password() -> str:
    # Without it OpenSSL would ask on the terminal.
    raise ValueError("the key is encrypted")


def _addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise Problem(
            f"There is no address {host!r} here: {error}", "give one of this machine's, as 127.0.0.1"
        ) from error
    return [str(place[0]) for *_, place in found]


def listen(host: str, port: int) -> socket.socket:
    """Open the port, before anything else is touched.

    Raises
    ------
    Problem
        The port is taken or may not be opened, or the address is not of this machine.
    """
    if not 0 <= port <= 65_535:
        raise Problem(f"{port} is not the number of a port", "give a --port from 1024 to 65535")
    family = socket.AF_INET6 if ":" in _addresses(host)[0] else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error


def _cannot_listen(host: str, port: int, error: OSError) -> Problem:
    if error.errno == errno.EADDRINUSE:
        return Problem(f"Port {port} of {host} is taken", "stop what listens there, or give another --port")
    if error.errno == errno.EACCES:
        return Problem(f"Port {port} of {host} may not be opened", "give a --port from 1024 on")
    return Problem(
        f"The manager cannot listen on {host}, port {port}: {error}", "give another --host or --port"
    )


def url_of(listener: socket.socket, *, encrypted: bool) -> str:
    """Return the URL under which a listening socket is reached."""
    host, port = listener.getsockname()[:2]
    return f"{'https' if encrypted else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


# --- The server --------------------------------------------------------------------------------------------


class Connection(H11Protocol):
    """A connection that is closed when the head of a request does not arrive in time."""

    head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for the first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Go on waiting until a whole head is here."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait_for_head()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        if self.head_timer is None:
            self.head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP in our own words."""
        if self.conn.our_state is not h11.IDLE:
            self.transport.abort()
            return
        body = wire.encode(Refused(400, msg, "send HTTP/1.1").body())
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        events = (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage())
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], object]) -> None:
        super().__init__(config)
        self.on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self.on_ready()


def server(app: ASGIApp, context: ssl.SSLContext | None, on_ready: Callable[[], object]) -> Server:
    """Return a server for the app; `run(sockets=[...])` answers until it is told to stop."""
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        # A header must not make a stranger look like this machine.
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    config.load()
    config.ssl = context
    return Server(config, on_ready)


def run(
    app: ASGIApp, listener: socket.socket, context: ssl.SSLContext | None, on_ready: Callable[[], object]
) -> None:
    """Answer until SIGINT or SIGTERM."""
    with _end_is_no_failure():
        server(app, context, on_ready).run(sockets=[listener])


@contextlib.contextmanager
def _end_is_no_failure() -> Iterator[None]:
    """Let the signals that end the server pass: when it has ended, it raises them once more."""
    usual = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
