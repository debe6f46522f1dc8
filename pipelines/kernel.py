"""Run one notebook in a kernel of this very interpreter, whatever kernels the machine has installed."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import papermill
import zmq
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from traitlets import default

ARGUMENTS = [
    sys.executable,
    # A folder that happens to be named like one of our packages must not shadow it.
    "-P",
    "-m",
    "ipykernel_launcher",
    "--InteractiveShellApp.ignore_cwd=True",
    "--IPKernelApp.log_level=50",
    "-f",
    "{connection_file}",
]

# What goes wrong comes back as NotebookStopped; log lines beside it are only for programs that ask for them.
logging.getLogger("papermill").addHandler(logging.NullHandler())


class NotebookStopped(Exception):
    """A cell raised an error, or the kernel went away; its text is one line for the reader."""


def execute(
    notebook: Path, output: Path, parameters: Mapping[str, Any], environment: Mapping[str, str]
) -> None:
    """Run a notebook; `output` is written in any case, as far as it came.

    Parameters
    ----------
    parameters
        Values for its parameters cell; they are written into `output`.
    environment
        What the kernel sees beside the environment of this process; written nowhere.

    Raises
    ------
    NotebookStopped
        It did not reach its end.
    """
    with tempfile.TemporaryDirectory(prefix="process-meter-") as settings:
        # The reader's own IPython settings have no say in a report.
        own = {"IPYTHONDIR": settings, "PYTHONSAFEPATH": "1", "PLOTLY_RENDERER": "plotly_mimetype"}
        try:
            with _event_loop():
                papermill.execute_notebook(
                    str(notebook),
                    str(output),
                    dict(parameters),
                    kernel_name="python3",
                    language="python",
                    progress_bar=False,
                    kernel_manager_class=_kernel(Path(settings), {**environment, **own}),
                )
        except PapermillExecutionError as error:
            raise NotebookStopped(one_line(error)) from None
        except DeadKernelError:
            raise NotebookStopped("its kernel ended too early, perhaps for want of memory") from None


@contextmanager
def _event_loop() -> Iterator[None]:
    """Close the event loop that Jupyter would leave open in this thread."""
    loop = ensure_event_loop()
    try:
        yield
    finally:
        if not loop.is_running():  # it runs where a report is started from within a notebook
            loop.close()


def _kernel(settings: Path, environment: Mapping[str, str]) -> type[AsyncKernelManager]:
    # Jupyter replaces $name in a kernel's environment; a password may well contain a $.
    literal = {name: value.replace("$", "$$") for name, value in environment.items()}
    spec = KernelSpec(
        argv=ARGUMENTS,
        display_name="Process Meter",
        language="python",
        env=literal,
        metadata={"supported_encryption": ["curve"]},  # nobody else on this machine reads along
    )

    class Kernel(AsyncKernelManager):
        """Starts the interpreter that runs this program."""

        @default("connection_file")
        def _keep_beside_settings(self) -> str:
            return str(settings / "kernel.json")  # a service account may have no home of its own

        @default("transport_encryption")
        def _encrypt(self) -> str:
            return "auto" if zmq.has("curve") else "disabled"

        @property
        def kernel_spec(self) -> KernelSpec:
            """Return the one kernel there is."""
            return spec

    return Kernel


def one_line(error: PapermillExecutionError) -> str:
    """Say why a cell stopped: a Problem shows itself in one line, anything else is named with its cell."""
    if len(error.traceback) == 1:
        return str(error.evalue)
    first = str(error.evalue).strip().partition("\n")[0]
    return f"{error.ename} in cell {error.cell_index + 1}" + (f": {first}" if first else "")
