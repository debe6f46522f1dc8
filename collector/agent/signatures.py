"""Which application a process is: shell globs on names and paths, compared without regard to case. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase, translate

from collector.protocol import MonitoredApplication, Signature


@dataclass(frozen=True, slots=True)
class Features:
    """What a process can be recognized by. It is looked at, and never kept or sent."""

    path: str
    """Of the executable; empty when it cannot be read."""
    name: str
    """Of the process, which for a script is the script's."""
    arguments: str = ""
    """All but the first, joined by blanks."""
    parent_path: str = ""
    parent_name: str = ""
    window_classes: frozenset[str] = frozenset()


class Names:
    """Whether an executable alone could belong to an application: the cheap question, asked of everybody."""

    def __init__(self, applications: Sequence[MonitoredApplication]) -> None:
        patterns = {
            _plain(each.executable) for application in applications for each in application.signatures
        }
        self._paths = _any_of(pattern for pattern in patterns if "/" in pattern)
        self._names = _any_of(pattern for pattern in patterns if "/" not in pattern)

    def bears(self, features: Features) -> bool:
        """Whether one of the signatures has a pattern for this executable."""
        path = _plain(features.path).removesuffix(" (deleted)")
        return bool(
            self._paths.match(path)
            or self._names.match(path.rpartition("/")[2])
            or self._names.match(features.name.lower())
        )


def recognize(features: Features, applications: Sequence[MonitoredApplication]) -> str | None:
    """Return the code of the first application one of whose signatures fits; None when there is none."""
    for application in applications:
        if any(fits(signature, features) for signature in application.signatures):
            return application.code
    return None


def fits(signature: Signature, features: Features) -> bool:
    """Whether everything that a signature asks for is there."""
    return (
        _executable(signature.executable, features.path, features.name)
        and (signature.arguments is None or _glob(signature.arguments, features.arguments))
        and (
            signature.parent is None
            or _executable(signature.parent, features.parent_path, features.parent_name)
        )
        and (
            signature.window_class is None
            or any(_glob(signature.window_class, each) for each in features.window_classes)
        )
    )


def _executable(pattern: str, path: str, name: str) -> bool:
    pattern, path = _plain(pattern), _plain(path).removesuffix(" (deleted)")
    if "/" in pattern:
        return _glob(pattern, path)
    return _glob(pattern, path.rpartition("/")[2]) or (bool(name) and _glob(pattern, name))


def _plain(text: str) -> str:
    return text.replace("\\", "/").lower()


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, sorted(patterns))) or r"(?!)")


def _glob(pattern: str, text: str) -> bool:
    return fnmatchcase(text.lower(), pattern.lower())
