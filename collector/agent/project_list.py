"""The list of open projects on the host: kept as it came, read by whoever asks a person, never by the meter.

The file is JSON lines in gzip: the head (`protocol.ProjectListHead`), then one `protocol.ListedProject` in
each line. It is taken in and read piece by piece, so that the agent holds none of it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from collector.agent.errors import AgentProblem
from collector.agent.home import replacing
from collector.protocol import MOST_FIELDS, MOST_LIST_BYTES, FieldRule, ListedPhase, ListedProject

GZIP = 31
"""What zlib calls gzip with the largest window."""
PIECE_BYTES = 64 * 1024
LONGEST_HEAD = 256 * 1024
"""Bytes of the first line, within which its end is looked for."""

_Record = TypeVar("_Record")


# --- Taking in ---------------------------------------------------------------------------------------------


def store(path: Path, chunks: Iterable[bytes]) -> None:
    """Keep a list as it comes, in a private file; the former one stays unless the new one is whole.

    Parameters
    ----------
    chunks
        The list as gzip, in pieces of any size.

    Raises
    ------
    AgentProblem
        It is damaged, cut short, too long, or no list; or the file cannot be written.
    """
    with replacing(path) as file:
        _head(_first_line(inflated(_copied(chunks, file.write))))


def _copied(chunks: Iterable[bytes], write: Any) -> Iterator[bytes]:
    for chunk in chunks:
        write(chunk)
        yield chunk


def _first_line(pieces: Iterable[bytes]) -> bytes:
    """Return the first line, and read on to the end, so that all is checked."""
    first = b""
    for piece in pieces:
        if b"\n" not in first and len(first) < LONGEST_HEAD:
            first += piece
    return first.partition(b"\n")[0]


def inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Undo gzip, one member after the other, in pieces of at most `PIECE_BYTES`.

    Raises
    ------
    AgentProblem
        It is damaged, cut short, or grows beyond `MOST_LIST_BYTES`.
    """
    stream, begun, total = zlib.decompressobj(wbits=GZIP), False, 0
    for chunk in chunks:
        rest = chunk
        while rest or begun:
            try:
                piece = stream.decompress(rest, PIECE_BYTES)
            except zlib.error as error:
                raise _damaged(f"is damaged: {error}") from None
            total += len(piece)
            if total > MOST_LIST_BYTES:
                raise _damaged(f"has over {MOST_LIST_BYTES} bytes")
            yield piece
            rest, begun = stream.unconsumed_tail, True
            if stream.eof:
                rest, begun = stream.unused_data, False
                stream = zlib.decompressobj(wbits=GZIP)
            elif not rest and len(piece) < PIECE_BYTES:
                break
    if begun or not total:
        raise _damaged("is cut short")


def _damaged(what: str) -> AgentProblem:
    return AgentProblem(f"The list of open projects {what}", "the last good list stays")


def version(path: Path) -> str:
    """Return the version of the list that is kept; empty when there is none, or it is damaged."""
    try:
        with path.open("rb") as file:
            chunk = file.read(PIECE_BYTES)
        first = zlib.decompressobj(wbits=GZIP).decompress(chunk, LONGEST_HEAD)
        return str(_head(first.partition(b"\n")[0])["version"])
    except (OSError, zlib.error, AgentProblem):
        return ""


def _head(line: bytes) -> dict[str, Any]:
    try:
        head = json.loads(line)
    except ValueError:
        raise _damaged("has no head") from None
    if not isinstance(head, dict) or not isinstance(head.get("version"), str):
        raise _damaged("has no version")
    return head


# --- Reading -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Listed:
    """One project of the list; what is below it is read from its line when it is asked for."""

    number: str
    name: str
    payer: str
    chargeable: bool
    words: str
    """What a search looks in, without regard to case."""
    line: bytes = field(repr=False)

    @cached_property
    def project(self) -> ListedProject:
        """The whole project."""
        row = json.loads(self.line)
        phases = [
            _known(
                ListedPhase, {**phase, "tasks": tuple((str(n), str(t)) for n, t in phase.get("tasks", ()))}
            )
            for phase in row.get("phases", ())
        ]
        return _known(ListedProject, {**row, "phases": tuple(phases)})


@dataclass(frozen=True)
class ProjectList:
    """The list as it was last taken in, in the order of numbers; empty where there is none."""

    projects: Sequence[Listed] = ()
    rules: tuple[FieldRule, ...] = ()

    @cached_property
    def by_number(self) -> Mapping[str, Listed]:
        """The projects by their numbers."""
        return {each.number: each for each in self.projects}

    def find(self, text: str, most: int) -> tuple[list[Listed], int]:
        """Return the projects that hold every word of a text, and how many more there are.

        Those whose number begins with the text come first, then in the order of numbers.
        """
        words = text.casefold().split()
        found = [each for each in self.projects if all(word in each.words for word in words)]
        start = text.strip().casefold()
        found.sort(
            key=lambda each: (each.number != text.strip(), not each.number.casefold().startswith(start))
        )
        return found[:most], max(0, len(found) - most)


def load(path: Path) -> ProjectList:
    """Read the list that is kept; an empty one when there is none, or it is damaged."""
    try:
        with path.open("rb") as file:
            return read(iter(lambda: file.read(PIECE_BYTES), b""))
    except (OSError, AgentProblem):
        return ProjectList()


def read(chunks: Iterable[bytes]) -> ProjectList:
    """Read a list.

    Raises
    ------
    AgentProblem
        It is damaged.
    """
    head, *lines = b"".join(inflated(chunks)).splitlines() or [b""]
    rules = _head(head).get("fields", [])
    try:
        projects = sorted((_listed(line) for line in lines), key=lambda each: each.number)
        return ProjectList(projects, tuple(map(_rule, rules[:MOST_FIELDS])))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(f"is damaged: {error!r}") from None


def _listed(line: bytes) -> Listed:
    row = json.loads(line)
    number, name, payer = str(row["number"]), str(row["name"]), str(row.get("payer") or "")
    chargeable = row.get("chargeable") is not False
    return Listed(number, name, payer, chargeable, f"{number} {name} {payer}".casefold(), line)


def _rule(row: Mapping[str, Any]) -> FieldRule:
    return _known(FieldRule, {**row, "choices": tuple(map(str, row.get("choices", ())))})


def _known(kind: type[_Record], row: Mapping[str, Any]) -> _Record:
    """Make a record of the fields that this agent knows: a newer manager may send others."""
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]  # all of them are dataclasses
    return kind(**{name: value for name, value in row.items() if name in names})
