"""The agent's home folder: its enrollment, policy, spool, project and status. All of it is private (0600)."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from collector.agent.errors import AgentProblem
from collector.agent.sample import Project

ENVIRONMENT = "PROCESS_METER_AGENT_HOME"
MOST_RECENT = 8
"""So many projects that were used last are kept."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Where this agent delivers to, and with which key it signs."""

    url: str
    agent: str
    key: str
    host: str
    zone: str

    def __repr__(self) -> str:
        """Leave the key out of every log and traceback."""
        return f"Enrolled(url={self.url!r}, agent={self.agent!r}, host={self.host!r})"


class Home:
    """One agent's folder.

    Parameters
    ----------
    folder
        Made, with its parents, when something is first written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.json"
        self.policy = folder / "policy.json"
        self.project_file = folder / "project.json"
        self.recent_file = folder / "recent.json"
        self.projects = folder / "projects.jsonl.gz"
        self.question = folder / "question.json"
        self.answer = folder / "answer.json"
        self.spool = folder / "spool.sqlite"
        self.status = folder / "status.json"

    def enrolled(self) -> Enrolled:
        """Return the enrollment.

        Raises
        ------
        AgentProblem
            There is none, or its file is damaged.
        """
        document = read_document(self.config)
        if document is None:
            raise AgentProblem(
                f"{self.config}: this agent is not enrolled",
                "run `process-meter-agent enroll URL --token-file FILE` first",
            )
        try:
            return Enrolled(**document)
        except TypeError:
            raise AgentProblem(f"{self.config}: it is damaged", "enroll this agent again") from None

    def enroll(self, enrolled: Enrolled) -> None:
        """Keep an enrollment."""
        write_private(self.config, json.dumps(asdict(enrolled)))

    def project(self) -> Project | None:
        """Return the project that is set; None when there is none."""
        document = read_document(self.project_file)
        try:
            return Project(**document) if document else None
        except TypeError:
            return None

    def set_project(self, project: Project) -> None:
        """Set the project."""
        write_private(self.project_file, json.dumps(asdict(project)))

    def recent(self) -> list[Project]:
        """Return the projects that were used last, the newest first."""
        rows = (read_document(self.recent_file) or {}).get("projects")
        try:
            return [Project(**row) for row in rows] if isinstance(rows, list) else []
        except TypeError:
            return []

    def remember(self, project: Project) -> None:
        """Keep a project as the newest of those used last; each project, phase and task once."""
        codes = (project.number, project.phase, project.task)
        others = [each for each in self.recent() if (each.number, each.phase, each.task) != codes]
        rows = [asdict(each) for each in [project, *others][:MOST_RECENT]]
        write_private(self.recent_file, json.dumps({"projects": rows}), lasting=False)

    @contextmanager
    def asking(self) -> Iterator[bool]:
        """Say whether this is the only one who asks for a project here, and stay it for the time being."""
        self.make()
        with (self.folder / "prompt.lock").open("ab") as file:
            yield _lock(file.fileno())

    def is_asking(self) -> bool:
        """Whether somebody is being asked for a project here now."""
        with self.asking() as alone:
            return not alone

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep a second agent out of this home while the first one runs.

        Raises
        ------
        AgentProblem
            One is running.
        """
        self.make()
        with (self.folder / "agent.lock").open("ab") as file:
            if not _lock(file.fileno()):
                raise AgentProblem(
                    f"{self.folder}: an agent is running here already", "stop it, or give another --home"
                )
            yield

    def is_running(self) -> bool:
        """Whether an agent runs here now."""
        try:
            with self.alone():
                return False
        except AgentProblem:
            return True

    def put_spool_aside(self) -> Path | None:
        """Give the spool of a former enrollment another name and return it; None when there is no spool.

        Its records are those of the former agent: a manager would not take them from another one.
        """
        return set_aside(self.spool, "former") if self.spool.exists() else None

    def make(self) -> None:
        """Make the folder, for its owner alone."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise AgentProblem(
                f"{self.folder}: it cannot be made: {error}", "give another folder with --home"
            ) from error


def default_home(environment: Mapping[str, str]) -> Path:
    """Return the home of an agent that is told no other: from the environment, or the system's place."""
    if environment.get(ENVIRONMENT):
        return Path(environment[ENVIRONMENT])
    if sys.platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "process-meter-agent"


def write_private(path: Path, text: str, *, lasting: bool = True) -> None:
    """Replace a file that only its owner may read, whole or not at all.

    Parameters
    ----------
    lasting
        Whether it has to outlive a loss of power.

    Raises
    ------
    AgentProblem
        It cannot be written.
    """
    with replacing(path, lasting=lasting) as file:
        file.write(text.encode())


@contextmanager
def replacing(path: Path, *, lasting: bool = True) -> Iterator[BinaryIO]:
    """Write a private file piece by piece; it takes the place of the former one if all went well.

    Raises
    ------
    AgentProblem
        It cannot be written.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise AgentProblem(f"{path}: it cannot be written: {error}", "make its folder writable") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def read_document(path: Path) -> dict[str, Any] | None:
    """Return the object in a JSON file; None when there is none, or it is damaged."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def set_aside(path: Path, why: str) -> Path:
    """Rename an SQLite file and its side files, so that a new one can take its place; return the new name."""
    number = sum(1 for _ in path.parent.glob(f"{path.name}.{why}-*")) + 1
    aside = path.with_name(f"{path.name}.{why}-{number}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        side = path.with_name(path.name + suffix)
        if side.exists():
            side.rename(aside.with_name(aside.name + suffix))
    return aside


def _lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415  (Windows alone has it)

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415  (Windows does not have it)

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
