"""Keeps mirror and rollups up to date behind the manager's back, as evidence lands."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

EVERY_SECONDS = 300
"""How often; what landed since the last time is read from SQL until then."""


@contextlib.asynccontextmanager
async def kept_up(keep: Callable[[], object], every_seconds: float = EVERY_SECONDS) -> AsyncIterator[None]:
    """Call `keep` again and again, in a thread of its own, until the block ends.

    A failure is told on stderr and the next turn tries again: nobody's evidence waits for a mirror.
    """
    with ThreadPoolExecutor(1) as thread:
        task = asyncio.create_task(_repeat(keep, every_seconds, thread))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _repeat(keep: Callable[[], object], every_seconds: float, thread: ThreadPoolExecutor) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(every_seconds)
        done = await asyncio.gather(loop.run_in_executor(thread, keep), return_exceptions=True)
        if isinstance(done[0], Exception):
            print(f"manager: mirror and rollups were not brought up to date: {done[0]}", file=sys.stderr)  # noqa: T201
