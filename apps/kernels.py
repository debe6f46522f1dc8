"""The processes that make the pages: how a kernel starts and when it ends, and what is made ahead."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from tornado.ioloop import PeriodicCallback

from apps import kept, report_links

ABANDONED_SECONDS = 45
"""A kernel without a page connected to it for that long is closed; most pages need theirs only to be made."""

EVERY_SECONDS = 3600
"""How often the figures are made that are made ahead."""
AGAIN_SECONDS = 120
"""How soon again, when there was nothing to make them of."""

log = logging.getLogger(__name__)


class Kernels(KernelSpecManager):
    """One kernel: this very interpreter, deaf to the settings and start-up files of whoever runs it."""

    environment: dict[str, str] = {}  # noqa: RUF012 - filled once, before the first kernel starts

    def get_all_specs(self) -> dict[str, Any]:
        """Return the one kernel in the shape that Jupyter expects."""
        return {"python3": {"resource_dir": "", "spec": self._spec().to_dict()}}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:  # noqa: ARG002 - every name is the one kernel
        """Return the one kernel."""
        return self._spec()

    def _spec(self) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        argv += ["--HistoryManager.enabled=False"]
        return KernelSpec(
            argv=argv,
            display_name="Process Meter",
            language="python",
            # Jupyter replaces $name in it; a password may well contain a $.
            env={name: value.replace("$", "$$") for name, value in self.environment.items()},
            metadata={"supported_encryption": "curve"},
        )


class Abandoned:
    """Finds kernels whose page is gone, or never was more than text."""

    def __init__(self, kernel_manager: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self.kernel_manager, self.clock = kernel_manager, clock
        self.alone_since: dict[str, float] = {}

    async def close(self) -> None:
        """Close each kernel that nobody has been connected to for a while, unless it waits to be used."""
        for kernel in self.due():
            log.info("closing the kernel %s: no page is connected to it", kernel)
            await self.kernel_manager.shutdown_kernel(kernel)

    def due(self) -> list[str]:
        """Return the kernels that have been alone for long enough, as of now."""
        waiting, now = self._waiting(), self.clock()
        alone = [
            kernel["id"]
            for kernel in self.kernel_manager.list_kernels()
            if kernel["connections"] == 0
            and kernel["execution_state"] != "busy"
            and kernel["id"] not in waiting
        ]
        self.alone_since = {
            kernel: self.alone_since.get(kernel, now) for kernel in alone if kernel not in waiting
        }
        return [kernel for kernel, since in self.alone_since.items() if now - since >= ABANDONED_SECONDS]

    def _waiting(self) -> set[str]:
        started = [task for pool in self.kernel_manager._pools.values() for task in pool if task.done()]
        return {task.result()["kernel_id"] for task in started if not task.exception()}


class MadeAhead:
    """Starts the process that makes the figures which take long: at once, then every hour.

    While there is nothing to make them of, it tries every two minutes.
    """

    def __init__(self, environment: dict[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self.environment, self.clock = {**os.environ, **environment}, clock
        self.reports = environment[report_links.FOLDER]
        self.folder = Path(environment[kept.FOLDER])
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0

    def start(self) -> None:
        """Make them now, and see to it from now on."""
        self.make_if_due()
        PeriodicCallback(self.make_if_due, 10_000).start()

    def make_if_due(self) -> None:
        """Start the process, unless it runs or its figures are young enough."""
        if self._is_due():
            command = [sys.executable, "-P", "-m", "apps.ahead"]
            self.started = self.clock()
            # Ctrl-C is for the server, which ends this process itself.
            self.process = subprocess.Popen(command, env=self.environment, start_new_session=True)

    def _is_due(self) -> bool:
        if self.process is None:
            return True
        code, age = self.process.poll(), self.clock() - self.started
        return code is not None and age >= (EVERY_SECONDS if code == 0 else AGAIN_SECONDS)

    def stop(self) -> None:
        """End the process if it is still at work."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
