"""A real Apache Spark on loopback: one standalone master and its workers, each a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.request import urlopen

from pipelines import spark

HOST = "127.0.0.1"
WAIT_SECONDS = 180


def missing() -> str | None:
    """What this machine lacks for it; None: nothing."""
    if find_spec("pyspark") is None:
        return "Apache Spark (requirements/spark.txt, which `make soak` installs)"
    if (spark._java_version() or 0) < spark.JAVA:
        return f"Java {spark.JAVA} (on Debian: apt install openjdk-17-jre-headless)"
    return None


@contextmanager
def running(folder: Path, workers: int) -> Iterator[str]:
    """URL of a master to which so many workers, with a core each, have come."""
    port, page = _free_port(), _free_port()
    url = f"spark://{HOST}:{port}"
    with ExitStack() as processes:
        processes.enter_context(
            _process(folder / "master", "master.Master", "--port", str(port), "--webui-port", str(page))
        )
        _await(page, 0)
        for number in range(workers):
            place = folder / f"worker-{number}"
            given = ("--cores", "1", "--memory", "1g", "--webui-port", str(_free_port()))
            processes.enter_context(
                _process(place, "worker.Worker", *given, "--work-dir", str(place / "work"), url)
            )
        _await(page, workers)
        yield url


@contextmanager
def _process(folder: Path, role: str, *arguments: str) -> Iterator[None]:
    """Run a part of Spark; it logs into its folder."""
    folder.mkdir(parents=True)
    found = find_spec("pyspark")
    assert found
    assert found.origin
    home = Path(found.origin).parent
    command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{role}", "--host", HOST]
    environment = os.environ | {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": HOST}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, *arguments], stdout=log, stderr=log, env=environment)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await(page: int, workers: int) -> None:
    """Wait until the master says that so many workers are alive; they take some 20 s."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        try:
            with urlopen(f"http://{HOST}:{page}/json/", timeout=5) as answer:
                if json.load(answer)["aliveworkers"] == workers:
                    return
        except (OSError, ValueError):
            pass
        time.sleep(0.5)
    raise AssertionError(f"no master with {workers} workers within {WAIT_SECONDS} s")


def _free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind((HOST, 0))
        return int(taken.getsockname()[1])
