from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from apps import kept, report_links
from apps.kernels import ABANDONED_SECONDS, AGAIN_SECONDS, Abandoned, Kernels, MadeAhead


def test_whatever_kernel_a_notebook_names_it_is_this_interpreter_off_the_working_folder() -> None:
    spec = Kernels().get_kernel_spec("some-other")
    assert spec.argv[0] == sys.executable
    assert list(Kernels().get_all_specs()) == ["python3"]


class KernelManager:
    """What is asked of Voila's: kernels with their connections, and the pools of those that wait."""

    def __init__(self, kernels: dict[str, tuple[int, str]]) -> None:
        self.kernels = kernels
        self._pools: dict[str, list[Any]] = {}
        self.closed: list[str] = []

    def list_kernels(self) -> list[dict[str, Any]]:
        return [
            {"id": kernel, "connections": connections, "execution_state": state}
            for kernel, (connections, state) in self.kernels.items()
        ]

    async def shutdown_kernel(self, kernel: str) -> None:
        self.closed.append(kernel)
        del self.kernels[kernel]


async def _waiting(kernel: str) -> dict[str, str]:
    return {"kernel_id": kernel}


def test_a_kernel_is_closed_once_no_page_has_been_connected_for_a_while() -> None:
    async def story() -> list[list[str]]:
        now = [0.0]
        manager = KernelManager({"page": (1, "idle"), "gone": (0, "idle"), "busy": (0, "busy")})
        abandoned, closed = Abandoned(manager, clock=lambda: now[0]), []
        for at in (0, ABANDONED_SECONDS - 1, ABANDONED_SECONDS):
            now[0] = at
            await abandoned.close()
            closed.append(list(manager.closed))
        return closed

    assert asyncio.run(story()) == [[], [], ["gone"]]


def test_a_page_that_comes_back_keeps_its_kernel_and_one_that_waits_is_kept() -> None:
    async def story() -> list[str]:
        now = [0.0]
        manager = KernelManager({"back": (0, "idle"), "pooled": (0, "idle")})
        task = asyncio.ensure_future(_waiting("pooled"))
        await task
        manager._pools["live.ipynb"] = [task]
        abandoned = Abandoned(manager, clock=lambda: now[0])
        for at, connections in ((0, 0), (30, 1), (60, 0), (90, 0)):
            now[0], manager.kernels["back"] = at, (connections, "idle")
            await abandoned.close()
        return manager.closed

    assert asyncio.run(story()) == []


def test_figures_are_made_at_once_then_hourly_and_soon_again_while_there_are_none(tmp_path: Path) -> None:
    now = [0.0]
    places = {kept.FOLDER: str(tmp_path), report_links.FOLDER: str(tmp_path)}
    absent = {"PROCESS_METER_WAREHOUSE": f"sqlite:///{tmp_path / 'absent.sqlite'}"}
    made_ahead = MadeAhead({**places, **absent}, clock=lambda: now[0])
    made_ahead.make_if_due()
    first = made_ahead.process
    assert first is not None
    assert first.wait(240) == 1
    made_ahead.make_if_due()
    assert made_ahead.process is first
    now[0] = AGAIN_SECONDS
    made_ahead.make_if_due()
    assert made_ahead.process is not first
    made_ahead.stop()
    assert made_ahead.process is not None
    assert made_ahead.process.poll() is not None
