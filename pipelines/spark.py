"""Apache Spark as the engine: a session on a master, and frames that travel as Parquet on shared storage.

Workers read the mirror's own files. What SQL gives is written beside them, into a folder that is deleted in
the end, and answers come back the same way: so no frame passes through the driver's memory row by row, and
neither pandas nor Arrow is needed. What Spark logs goes into a file that a failure names.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Any

import narwhals.stable.v2 as nw
import polars as pl
from sqlalchemy import Engine

from pipelines.engines import in_integers
from warehouse import frames, mirror
from warehouse.errors import Problem

try:
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession, functions
except ImportError:
    SparkSession = None

JAVA = 17
"""The first version of Java that Spark 4 runs on."""

ANSWER_SECONDS = 5
WORKER_SECONDS = 60
DAY_SECONDS = 86_400

SHUFFLES = "spark.sql.shuffle.partitions"
TASK_BYTES = 8_000_000
"""Of the mirror for each task: half a million segments."""
"""How long a master may take to answer, and its first worker to come; workers take some 20 s to register."""

SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
"""All else is the site's own: spark-defaults.conf in SPARK_CONF_DIR."""

_MASTER = re.compile(r"local(\[(\d+|\*)\])?|spark://(?P<hosts>[^\s/,]+:\d+(,[^\s/,]+:\d+)*)")
_SEGMENTS = """
    session BIGINT, application STRING, start TIMESTAMP, end TIMESTAMP, attention STRING, cpu_percent DOUBLE,
    units INT, inhibiting BOOLEAN, since TIMESTAMP
"""
_COLUMNS = tuple(column.split()[0] for column in _SEGMENTS.split(","))
_INSTANTS = ("start", "end", "since")


@contextmanager
def spark_at(master: str, warehouse: Engine) -> Iterator[OnSpark]:
    """Open a session on a master, and close it in the end.

    Parameters
    ----------
    master
        `spark://HOST:PORT[,HOST:PORT]`, or `local[N]` for N threads of this machine.
    warehouse
        Whose mirror is read.

    Raises
    ------
    Problem
        Spark, Java, the master or the mirror cannot be had, or a computation failed there.
    """
    hosts = _hosts(master)
    _require_installed()
    _require_answer(master, hosts)
    with _own_folder(warehouse) as folder, _logged() as log, _session(master, log) as session:
        if hosts:
            _await_workers(session, master)
        yield OnSpark(warehouse, session, folder)


@contextmanager
def _own_folder(warehouse: Engine) -> Iterator[Path]:
    """Make a folder beside the mirror, and delete it in the end; those of the crashed go after a day."""
    if mirror.manifest_of(warehouse) is None:
        raise Problem(
            f"Spark reads the mirror, and there is none in {mirror.folder_of(warehouse)}",
            "run `process-meter warehouse mirror`",
        )
    place = mirror.folder_of(warehouse)
    for left in place.glob("asked-*"):
        if left.stat().st_mtime < time.time() - DAY_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(prefix="asked-", dir=place, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


class SparkFailed(Problem):
    """A computation failed; its log is kept."""


@contextmanager
def _logged() -> Iterator[Any]:
    """Keep what Spark logs until the end, and longer where a failure names it."""
    kept = False
    with NamedTemporaryFile("wb", prefix="process-meter-spark-", suffix=".log", delete=False) as log:
        try:
            yield log
        except SparkFailed:
            kept = True
            raise
        finally:
            if not kept:
                Path(log.name).unlink(missing_ok=True)


@contextmanager
def _told(master: str, log: Any) -> Iterator[None]:
    """Turn what fails in Spark into one line that names the log; Java has to be asked while it is there."""
    try:
        yield
    except (PySparkException, Py4JError, ConnectionError) as error:
        reason = f"Spark at {master} failed: {_reason(error)}"
        raise SparkFailed(reason, f"its log is {log.name}") from error


def _hosts(master: str) -> list[str]:
    """Return the addresses of a master; none where it is this machine."""
    if not master:
        raise Problem(
            "the engine spark needs a master",
            "add --master spark://HOST:7077, or --master local[2] to try it",
        )
    known = _MASTER.fullmatch(master)
    if not known:
        raise Problem(f"{master!r} is no master", "write it as spark://HOST:7077 or local[2]")
    return known["hosts"].split(",") if known["hosts"] else []


def _require_installed() -> None:
    if SparkSession is None:
        raise Problem("Spark is not installed here", "pip install 'process-meter[spark]'")
    found = _java_version()
    if found is None:
        raise Problem("Spark needs Java, and there is none", f"install Java {JAVA}, or name it in JAVA_HOME")
    if found < JAVA:
        raise Problem(f"Spark needs Java {JAVA} or later; this is {found}", "name a later one in JAVA_HOME")


def _java_version() -> int | None:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin") if home else None)
    if java is None:
        return None
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    number = re.search(r'version "(?:1\.)?(\d+)', told.stderr + told.stdout)
    return int(number[1]) if number else None


def _require_answer(master: str, hosts: list[str]) -> None:
    """Ask before Spark does, which tries for a minute and then says it in thirty lines."""
    reasons = []
    for host in hosts:
        name, port = host.rsplit(":", 1)
        try:
            socket.create_connection((name.strip("[]"), int(port)), ANSWER_SECONDS).close()
        except OSError as error:
            reasons.append(error.strerror or str(error))
    if hosts and len(reasons) == len(hosts):
        raise Problem(f"no Spark master answers at {master}: {reasons[0]}", "start it, or correct --master")


@contextmanager
def _session(master: str, log: Any) -> Iterator[Any]:
    """Start Java and a session in it, and end both: a screen or kernel that asked once keeps no gigabyte."""
    conf = SparkConf().setMaster(master).setAppName("process-meter").setAll(list(SETTINGS.items()))
    with _told(master, log):
        gateway = launch_gateway(conf, {"stdout": log, "stderr": log})  # it logs from its first line on
    try:
        with _told(master, log):
            session = SparkSession(SparkContext(conf=conf, gateway=gateway))
            try:
                yield session
            finally:
                session.stop()
    finally:
        gateway.shutdown()
        SparkContext._gateway = SparkContext._jvm = None
        gateway.proc.stdin.close()  # at which Java ends
        gateway.proc.wait(WORKER_SECONDS)


def _await_workers(session: Any, master: str) -> None:
    until = time.monotonic() + WORKER_SECONDS
    # The driver counts as one of them.
    while session.sparkContext._jsc.sc().getExecutorMemoryStatus().size() < 2:
        if time.monotonic() > until:
            raise Problem(
                f"the Spark master at {master} gave no worker within {WORKER_SECONDS} s",
                "see on its page that workers are registered and have cores and memory free",
            )
        time.sleep(0.2)


def _reason(error: Exception) -> str:
    """Find the line that says why, in what may be a hundred."""
    try:
        told = str(error)
    except (Py4JError, ConnectionError):  # Java is gone, and its error with it
        told = "Java ended"
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith("Caused by:")]
    return (causes[-1].removeprefix("Caused by: ") if causes else lines[0])[:300] if lines else repr(error)


@dataclass
class OnSpark:
    """Frames of a Spark session; `folder` is where they travel, on the storage that all share."""

    warehouse: Engine
    session: Any
    folder: Path
    written: int = 0

    def segments(self, start: datetime, end: datetime, applications: list[str] | None) -> Any:
        """Read the mirror's files there, less what landed since, which comes from SQL.

        Raises
        ------
        Unusable
            The mirror cannot be trusted.
        """
        parts = mirror.parts(self.warehouse, frames.segments_question(start, end, applications))
        rows = nw.from_native(self.put(parts.rows.lazy().select(_COLUMNS)))
        if not parts.files:
            return rows.to_native()
        self._size_shuffles(parts.files)
        landed = nw.from_native(self.put(parts.landed.lazy()))
        filed = _without(nw.from_native(self._read_mirror(parts.files)), landed)
        asked = frames.sessions(self.warehouse, start, end, applications).select("session")
        both = nw.concat([filed.select(_COLUMNS), rows.select(_COLUMNS)])
        return both.join(nw.from_native(self.put(asked)), on="session", how="semi").to_native()

    def _size_shuffles(self, files: tuple[Path, ...]) -> None:
        """Cut the work to the size of the files: two hundred tasks for a month cost more than the month."""
        context = self.session.sparkContext
        if context.getConf().contains(SHUFFLES):  # the site knows better
            return
        parts = sum(file.stat().st_size for file in files) // TASK_BYTES
        self.session.conf.set(SHUFFLES, str(max(int(parts), 2 * context.defaultParallelism)))

    def _read_mirror(self, files: tuple[Path, ...]) -> Any:
        found = self.session.read.schema(_SEGMENTS).parquet(*(_path(file) for file in files))
        return found.withColumns({name: functions.unix_millis(name) for name in _INSTANTS})

    def put(self, frame: pl.LazyFrame) -> Any:
        """Write a frame beside the mirror, and read it there."""
        file = self._next(".parquet")
        in_integers(frame).collect().write_parquet(file)
        return self.session.read.parquet(_path(file))

    def keep(self, frame: Any) -> Any:
        """Let the workers remember it, in memory as far as it goes."""
        return frame.persist()

    def take(self, frame: Any) -> pl.LazyFrame:
        """Let the workers write a frame beside the mirror, and read it here.

        Raises
        ------
        Problem
            They wrote it somewhere else.
        """
        folder = self._next("")
        frame.write.parquet(_path(folder, is_pattern=False))
        files = sorted(folder.glob("*.parquet"))
        if not files:
            raise Problem(
                f"the workers' answer is not in {folder}",
                "put the mirror on storage that is mounted at the same place on every worker, "
                "and name it in PROCESS_METER_MIRROR",
            )
        return pl.concat([pl.read_parquet(file, glob=False) for file in files]).lazy()

    def _next(self, suffix: str) -> Path:
        self.written += 1
        return self.folder / f"{self.written}{suffix}"


def _without(segments: Any, landed: Any) -> Any:
    start, lower, upper = (nw.col(name) for name in ("start", "lower", "upper"))
    outside = lower.is_null() | (start < lower) | (start >= upper)
    return segments.join(landed, on="session", how="left").filter(outside)


def _path(file: Path, *, is_pattern: bool = True) -> str:
    """Name a file for Spark, which takes paths to read for patterns."""
    name = str(file.resolve())
    return "file:" + (re.sub(r"([*?\[\]{}\\])", r"\\\1", name) if is_pattern else name)
