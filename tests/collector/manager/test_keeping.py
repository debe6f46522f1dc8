from __future__ import annotations

import asyncio

import pytest

from collector.manager.keeping import kept_up
from warehouse.errors import Problem


def test_it_is_kept_up_again_and_again_also_after_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    turns: list[int] = []

    def keep() -> None:
        turns.append(len(turns))
        if len(turns) == 1:
            raise Problem("the folder is full", "make room")

    async def manager() -> None:
        async with kept_up(keep, every_seconds=0.01):
            while len(turns) < 3:
                await asyncio.sleep(0.01)

    asyncio.run(manager())
    assert turns[:3] == [0, 1, 2]
    told = "manager: mirror and rollups were not brought up to date: the folder is full; make room\n"
    assert capsys.readouterr().err == told
