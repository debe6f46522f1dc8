"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from tempfile import mkstemp

from warehouse.errors import Problem

SUFFIX = ".draft"

DEAD_AFTER_S = 3_600
"""A draft that was last written to so long ago is of a process that was killed: none takes as long."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the path of a draft beside the wanted file, and rename it when all is written.

    A killed process leaves its draft; whoever writes the same file more than `DEAD_AFTER_S` later removes it.

    Raises
    ------
    Problem
        The folder is absent or cannot be written to, or the path is a folder.
    """
    draft = _draft(path)
    try:
        yield draft
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        draft.unlink(missing_ok=True)


def _draft(path: Path) -> Path:
    if path.is_dir():
        raise Problem(f"{path} is a folder", "name a file")
    try:
        descriptor, name = mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.", suffix=SUFFIX)
    except OSError as error:
        raise _refused(path, error) from error
    os.close(descriptor)
    draft = Path(name)
    draft.chmod(0o600)  # it holds names and amounts
    _remove_dead(path, draft.stat().st_mtime - DEAD_AFTER_S)
    return draft


def _remove_dead(path: Path, before: float) -> None:
    """Remove drafts last written to before an instant by the clock of their own file system."""
    for draft in path.absolute().parent.glob(f".{escape(path.name)}.*{SUFFIX}"):
        with suppress(OSError):  # somebody else's, or removed just now
            if draft.stat().st_mtime < before:
                draft.unlink()


def _refused(path: Path, error: OSError) -> Problem:
    return Problem(f"{path} cannot be written: {error.strerror}", "check the folder and its permissions")
