"""Read a request's body without letting its sender fill the memory or hold the line."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from collector.manager.refusals import Refused

SECONDS = 10.0
"""How long a body may take to arrive."""
PATIENCE = 4
"""So many times the limit is read and thrown away, so that a sender hears why it is refused."""


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body as it was sent.

    Raises
    ------
    Refused
        415 for what is not JSON, 413 beyond the limit, 408 when it takes too long.
    """
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, f"Content-Type {kind[:100]} is not understood", "send application/json")
    try:
        async with asyncio.timeout(SECONDS):
            return await _read(request, limit)
    except TimeoutError:
        raise Refused(408, f"The body did not arrive within {SECONDS:g} s", "send it in one go") from None


async def _read(request: Request, limit: int) -> bytes:
    chunks, total = [], 0
    async for chunk in request.stream():
        total += len(chunk)
        if total <= limit:
            chunks.append(chunk)
        if total > limit * PATIENCE:
            break
    if total > limit:
        raise Refused(413, f"The body is over {limit} bytes", "send fewer records at once")
    return b"".join(chunks)
