"""The kernel of the analysts' JupyterLab: this very interpreter, with the warehouse open to be read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

from warehouse.store import READ_ONLY

NAME = "process-meter"
TILE = Path(__file__).with_name("kernel")
"""What the launcher shows."""


class OneKernel(KernelSpecManager):
    """One kernel, whatever name a notebook asks for: reports carry `python3`, and run as they are."""

    environment: dict[str, str] = {}  # noqa: RUF012 - filled once, before the first kernel starts

    def get_all_specs(self) -> dict[str, Any]:
        """Return the one kernel in the shape that Jupyter expects."""
        return {NAME: {"resource_dir": str(TILE), "spec": self._spec().to_dict()}}

    def find_kernel_specs(self) -> dict[str, str]:
        """Return the folder of the one kernel."""
        return {NAME: str(TILE)}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:  # noqa: ARG002 - every name is the one kernel
        """Return the one kernel."""
        return self._spec()

    def _spec(self) -> KernelSpec:
        argv = [sys.executable, "-P", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        argv.append("--InteractiveShellApp.extra_extensions=['apps.lab.sql']")
        return KernelSpec(
            argv=argv,
            display_name="Process Meter",
            language="python",
            # Jupyter replaces $name in it; a password may well contain a $.
            env={name: value.replace("$", "$$") for name, value in self.environment.items()}
            | {READ_ONLY: "1", "PYTHONSAFEPATH": "1", "PLOTLY_RENDERER": "plotly_mimetype"},
            resource_dir=str(TILE),
            metadata={"supported_encryption": "curve"},
        )
