"""Starts JupyterLab in a folder of the analyst's own: the reports, and a notebook to begin with."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from apps.lab.kernels import NAME, OneKernel
from apps.serve import listen
from pipelines.reports import NOTEBOOKS
from warehouse.errors import Problem
from warehouse.store import default_url, open_warehouse

FIRST = Path(__file__).with_name("exploring.ipynb")
SETTINGS = Path(__file__).parent
"""Holds `labconfig/`, which keeps JupyterLab from asking for its news."""
LOOPBACK = "127.0.0.1"


def prepare(folder: Path) -> list[Path]:
    """Copy what is not there yet into the analyst's folder; what is there may be theirs, and stays.

    Returns
    -------
    list of Path
        What was copied.

    Raises
    ------
    Problem
        The folder cannot be written.
    """
    wanted = {folder / FIRST.name: FIRST}
    wanted |= {folder / "reports" / path.name: path for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    new = [path for path in wanted if not path.exists()]
    try:
        (folder / "reports").mkdir(parents=True, exist_ok=True)
        for path in new:
            shutil.copyfile(wanted[path], path)
    except OSError as error:
        raise Problem(f"{folder} cannot be written: {error.strerror}", "name another --folder") from None
    return new


def arguments(folder: Path, port: int, *, browser: bool) -> list[str]:
    """Say to JupyterLab where, for whom, and that it asks nothing of the internet."""
    return [
        f"--ServerApp.ip={LOOPBACK}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder.absolute()}",
        f"--ServerApp.open_browser={browser}",
        f"--LabApp.default_url=/lab/tree/{FIRST.name}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        f"--MultiKernelManager.default_kernel_name={NAME}",
        "--ServerApp.kernel_spec_manager_class=apps.lab.kernels.OneKernel",
        "--ServerApp.terminals_enabled=False",
        # Jupyter asks root whether it is meant; here nobody comes in without the token.
        f"--ServerApp.allow_root={getattr(os, 'geteuid', lambda: 1)() == 0}",
    ]


def serve_lab(warehouse_url: str | None, folder: Path, port: int, *, browser: bool = True) -> None:
    """Serve JupyterLab until interrupted; only who has the token that it prints comes in.

    Raises
    ------
    Problem
        JupyterLab is not installed, the warehouse cannot be opened, the port is taken, the folder cannot be
        written.
    """
    if find_spec("jupyterlab") is None:
        raise Problem("JupyterLab is not installed", "pip install 'process-meter[analyst]'")
    url = warehouse_url or default_url()
    open_warehouse(url, read_only=True).dispose()
    listen(LOOPBACK, port).close()
    prepare(folder)
    OneKernel.environment = {"PROCESS_METER_WAREHOUSE": url}
    own = os.environ.get("JUPYTER_CONFIG_PATH")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [str(SETTINGS), own]))
    from jupyterlab.labapp import LabApp  # noqa: PLC0415 - seconds of imports, after what can fail

    LabApp.launch_instance(arguments(folder, port, browser=browser))
