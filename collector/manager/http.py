"""The manager's routes: each takes a request apart, asks a sibling, and answers.

| route | who may | what |
|---|---|---|
| POST /v1/enroll | who holds a token | a new agent |
| POST /v1/batches | an agent | evidence and presence |
| GET /v1/policy | an agent | the newest collection policy |
| GET /v1/projects?account= | an agent | the list of open projects, if it is another than the one it has |
| GET /v1/live | this machine, or an agent | counts by application, and pseudonyms |
| GET /v1/health, /openapi.json, /docs | anyone | |
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from collector import protocol
from collector.manager import api_pages, enrollment, policies, presence, serving, signing, wire
from collector.manager.body import read_body
from collector.manager.ingest import ingest
from collector.manager.keeping import kept_up
from collector.manager.project_list import ProjectLists
from collector.manager.refusals import Refused, not_signed
from warehouse import evidence, frames
from warehouse.store import open_warehouse, writing
from warehouse.upkeep import upkeep

DEFAULT_PORT = 8765
MOST_ENROLLMENT_BYTES = 64 * 1024
MOST_REQUESTS = 256
"""So many are worked on at once; further ones are asked to come again."""
RETRY_SECONDS = 5

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")
Clock = Callable[[], int]


def wall_clock_ms() -> int:
    """Return the wall clock, UTC, in whole milliseconds."""
    return time.time_ns() // 1_000_000


def serve(  # noqa: PLR0913, PLR0917  these are the command's options
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    warehouse_url: str | None = None,
    on_ready: Callable[[str], object] = lambda _url: None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes any free one.
    tls_cert, tls_key
        PEM files; needed on every address but a loopback one.
    warehouse_url
        None: the default warehouse.
    on_ready
        Called with the manager's URL once it answers.

    Raises
    ------
    Problem
        The address is not safe or not free, or the warehouse cannot be used; nothing was changed.
    """
    context = serving.tls_context(host, tls_cert, tls_key)
    with serving.listen(host, port) as listener:
        engine = open_warehouse(warehouse_url)
        url = serving.url_of(listener, encrypted=context is not None)
        serving.run(create_app(engine), listener, context, lambda: on_ready(url))
        engine.dispose()


def create_app(engine: Engine, clock: Clock = wall_clock_ms) -> ASGIApp:
    """Return the manager as an ASGI app.

    Parameters
    ----------
    engine
        An open warehouse; the manager's key is read from its keys folder, and drawn at first use.
    clock
        Returns the wall clock in whole milliseconds.
    """
    manager = Manager(engine, clock)
    app = Starlette(
        routes=[
            Route("/v1/enroll", manager.enroll, methods=["POST"]),
            Route("/v1/batches", manager.take_batch, methods=["POST"]),
            Route("/v1/policy", manager.give_policy),
            Route("/v1/projects", manager.give_projects),
            Route("/v1/live", manager.live),
            Route("/v1/health", manager.health),
            *api_pages.ROUTES,
        ],
        exception_handlers={
            Refused: _refused,
            HTTPException: _no_route,
            OperationalError: _database_away,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
        lifespan=manager.lifespan,
    )
    return Crowd(app)


class Manager:
    """The routes, and what they share: the warehouse, the clock, the key, and threads for the database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine, self.clock = engine, clock
        self.master = signing.master_key(engine.url)
        self.projects = ProjectLists(engine, clock)
        # SQLite has one writer at a time: queueing here is faster than waiting for its lock.
        self.writers = ThreadPoolExecutor(1 if engine.dialect.name == "sqlite" else 8)
        self.readers = ThreadPoolExecutor(4)

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Keep what is derived up to date, and end the threads when the app ends."""
        async with kept_up(lambda: upkeep(self.engine)):
            yield
        self.writers.shutdown()
        self.readers.shutdown()

    async def enroll(self, request: Request) -> Response:
        """Use a token and return a new agent's id and key."""
        wanted = wire.decode_enrollment(await read_body(request, MOST_ENROLLMENT_BYTES))
        made = await self._write(enrollment.enroll, self.engine, self.master, wanted, self.clock())
        return answer(made, 201)

    async def take_batch(self, request: Request) -> Response:
        """Store a batch of evidence and presence."""
        received_ms = self.clock()
        body = await read_body(request, protocol.MAX_BATCH_BYTES)
        agent = signing.signer(self.master, request.headers, "POST", request.url.path, body)
        plain = wire.inflate(body, request.headers.get("content-encoding"), protocol.MAX_BATCH_BYTES)
        batch = wire.decode_batch(plain)
        return answer(await self._write(ingest, self.engine, agent, batch, received_ms))

    async def give_policy(self, request: Request) -> Response:
        """Return the newest collection policy."""
        agent = signing.signer(self.master, request.headers, "GET", request.url.path, b"")
        return answer(await self._write(_policy_for, self.engine, agent))

    async def give_projects(self, request: Request) -> Response:
        """Return the list of open projects of an account as JSON lines in gzip; 304 if it is as it was."""
        path = f"{request.url.path}?{request.url.query}"
        agent = signing.signer(self.master, request.headers, "GET", path, b"")
        account = request.query_params.get("account", "")
        version, content = await self._read(self.projects.of, agent, account)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "ETag": f'"{version}"'}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        headers["Content-Encoding"] = "gzip"
        return Response(content, headers=headers, media_type="application/x-ndjson")

    async def live(self, request: Request) -> Response:
        """Return counts by application and attention, and pseudonyms; no names."""
        agent = (
            None
            if is_local(request)
            else signing.signer(self.master, request.headers, "GET", request.url.path, b"")
        )
        return answer(await self._read(_live, self.engine, agent, self.clock()))

    async def health(self, _request: Request) -> Response:
        """Say that the manager answers and reaches its warehouse."""
        version = (await self._read(policies.collection_policy, self.engine)).version
        return answer({"status": "ok", "protocol": protocol.PROTOCOL_VERSION, "policy_version": version})

    async def _write(
        self, work: Callable[_Given, _Answer], *args: _Given.args, **_none: _Given.kwargs
    ) -> _Answer:
        return await asyncio.get_running_loop().run_in_executor(self.writers, work, *args)

    async def _read(
        self, work: Callable[_Given, _Answer], *args: _Given.args, **_none: _Given.kwargs
    ) -> _Answer:
        return await asyncio.get_running_loop().run_in_executor(self.readers, work, *args)


def _policy_for(engine: Engine, agent: str) -> protocol.CollectionPolicy:
    policy = policies.collection_policy(engine)
    with writing(engine) as connection:
        if not evidence.agent_in_force(connection, agent):
            raise not_signed()
        evidence.update_agent(connection, agent, {"policy_version": policy.version})
    return policy


def _live(engine: Engine, agent: str | None, now_ms: int) -> dict[str, Any]:
    with engine.connect() as connection:
        if agent is not None and not evidence.agent_in_force(connection, agent):
            raise not_signed()
    now = datetime.fromtimestamp(now_ms / 1_000, UTC)
    sessions = presence.live(engine, frames.policy(engine, "license"), now)
    return {"as_of_ms": now_ms, "applications": presence.counts(sessions).to_dicts()}


def is_local(request: Request) -> bool:
    """Whether a request comes from this machine, and not through a proxy or from a page of another site."""
    client = request.client is not None and serving.is_loopback(request.client.host)
    forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "via", "origin"))
    named = request.url.hostname or ""
    return client and not forwarded and (named == "localhost" or serving.is_loopback(named))


# --- Answers -----------------------------------------------------------------------------------------------


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an answer as JSON that nobody keeps."""
    kept = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})}
    return Response(wire.encode(content), status, kept, media_type="application/json")


async def _refused(_request: Request, refused: Exception) -> Response:
    return refusal(cast("Refused", refused))


def refusal(refused: Refused) -> Response:
    """Return a refusal; where the body may not be read yet, the connection ends with it."""
    headers = {"Connection": "close"} if refused.status in (408, 413, 415, 503) else {}
    if refused.status == 503:
        headers["Retry-After"] = str(RETRY_SECONDS)
    return answer(refused.body(), refused.status, headers)


async def _no_route(request: Request, raised: Exception) -> Response:
    error = cast("HTTPException", raised)
    message = f"{request.method} {request.url.path[:200]}: {error.detail}"
    return answer(
        protocol.Refusal(error=message, remedy="see /openapi.json"),
        error.status_code,
        dict(error.headers or {}),
    )


async def _database_away(_request: Request, _error: Exception) -> Response:
    return refusal(Refused(503, "The warehouse does not answer", "send the same again later"))


async def _gone(_request: Request, _error: Exception) -> Response:
    return refusal(Refused(400, "The sender went away"))


async def _failed(_request: Request, _error: Exception) -> Response:
    return answer(protocol.Refusal(error="The manager failed", remedy="see its log"), 500)


class Crowd:
    """Ask to come again when too many requests are worked on at once."""

    def __init__(self, app: ASGIApp, most: int = MOST_REQUESTS) -> None:
        self.app, self.most, self.working = app, most, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] == "http" and self.working >= self.most:
            full = Refused(503, "The manager is busy", f"come again in {RETRY_SECONDS} s")
            await refusal(full)(scope, receive, send)
            return
        self.working += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.working -= 1
