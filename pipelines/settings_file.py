"""A settings file in TOML, read key by key: every fault names the file, the key and the remedy."""

from __future__ import annotations

import stat
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warehouse.errors import Problem


@dataclass(frozen=True)
class Settings:
    """One table of a settings file; `place` is where it stands in it, as `jobs.peaks`."""

    path: Path
    place: str
    values: Mapping[str, Any]

    def problem(self, key: str, message: str, remedy: str) -> Problem:
        """Make the error of one key."""
        where = ".".join(part for part in (self.place, key) if part)
        return Problem(
            f"{self.path.name}, {where}: {message}" if where else f"{self.path.name}: {message}", remedy
        )

    def refuse_unknown(self, *known: str) -> None:
        """Refuse a key that nobody reads: it would be a wish that never comes true."""
        for key in self.values:
            if key not in known:
                raise self.problem(key, "unknown key", f"known ones: {', '.join(known)}")

    def text(self, key: str, default: str | None = None) -> str | None:
        """Return a text that says something."""
        value = self.values.get(key, default)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self.problem(key, f"{value!r} is no text", "write it in quotes")
        return value.strip() if value is not None else None

    def needed(self, key: str, example: str) -> str:
        """Return a text that must be there."""
        value = self.text(key)
        if value is None:
            raise self.problem(key, "it is missing", f'write {key} = "{example}"')
        return value

    def word(self, key: str, known: tuple[str, ...], default: str) -> str:
        """Return one of some known words."""
        value = self.text(key, default)
        if value not in known:
            raise self.problem(key, f"unknown word {value!r}", f"write one of {', '.join(known)}")
        return value

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self.values.get(key, list(default))
        if not isinstance(value, list) or not all(isinstance(each, str) and each.strip() for each in value):
            raise self.problem(key, f"{value!r} is no list of texts", f'write {key} = ["...", "..."]')
        return tuple(each.strip() for each in value)

    def whole(self, key: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number within bounds."""
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.problem(key, f"{value!r} does not fit", f"write a whole number, {least} to {most}")
        return value

    def table(self, key: str) -> Settings:
        """Return a table within this one; empty where there is none."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.problem(key, "it is no table", f"write [{'.'.join(filter(None, (self.place, key)))}]")
        return Settings(self.path, ".".join(filter(None, (self.place, key))), value)

    def beside(self, key: str) -> Path | None:
        """Return a file that is named from the settings file's own folder."""
        name = self.text(key)
        return None if name is None else self.path.parent / name


def read_settings(path: Path, page: str) -> Settings:
    """Read a settings file.

    Parameters
    ----------
    page
        The page of documentation that has an example.

    Raises
    ------
    Problem
        It cannot be read, or is no TOML.
    """
    try:
        return Settings(path, "", tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}", "check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Problem(f"{path.name} is no TOML: {error}", f"{page} has an example") from error


def refuse_open_to_others(path: Path) -> None:
    """Refuse a file with a secret, or the way to one, that others could read.

    Raises
    ------
    Problem
        It cannot be looked at, or anybody but its owner may read or write it.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}", "check the path") from error
    if sys.platform != "win32" and mode & 0o077:
        raise Problem(f"{path} can be read by others (mode {mode:04o})", f"run `chmod 600 {path}`")
