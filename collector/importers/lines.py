"""Lines of a text file, plain or gzipped: numbered, decoded, and bounded in memory whatever the file is."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from warehouse.errors import Problem

LONGEST = 1 << 20
"""Bytes (characters in UTF-16) after which a line is cut; no record of any log is that long."""

_FIRST_BLOCK = 8192
_BLOCK = 1 << 16
_GZIP = b"\x1f\x8b"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SHOWN = {"utf-8": "UTF-8", "cp1252": "Windows-1252"}


def numbered_lines(path: Path, encodings: Sequence[str] = ("utf-8",)) -> Iterator[tuple[int, str]]:
    """Read the lines of a file one by one, each with its number from 1, without its line end.

    Gzip is recognized by content, UTF-16 by its byte order mark; a mark is not part of the first line. A
    line longer than `LONGEST` is given cut: it will not parse, and its reader sets it aside. NUL becomes
    U+FFFD, as no database takes it.

    Parameters
    ----------
    encodings
        Tried on each line in this order: programs that write one log may not agree.

    Raises
    ------
    Problem
        Absent, not a plain file, empty, binary, of another encoding, or a gzip file that is damaged or cut
        short: naming the file, the line where there is one, and what to do. It may come in the middle: who
        stores what came before must be able to take it back.
    """
    with _opened(path) as stream:
        block = stream.peek(_FIRST_BLOCK)[:_FIRST_BLOCK]
        if not block:
            raise Problem(f"{path.name} is empty", "export it again, or leave it out")
        if block.startswith(_UTF_16):
            yield from _utf_16_lines(path, stream)
        elif b"\0" in block:
            raise Problem(f"{path.name} is a binary file", "give the log as text, plain or gzipped")
        else:
            yield from _byte_lines(path, stream, encodings)


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader]:
    require_file(path)
    try:
        with path.open("rb") as raw:
            if raw.peek(2)[:2] == _GZIP:
                yield io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=raw)), 1 << 16)
            else:
                yield raw
    except EOFError:
        raise _damaged(path, "cut short") from None
    except (gzip.BadGzipFile, zlib.error):
        raise _damaged(path, "damaged") from None
    except OSError as error:
        raise Problem(f"{path.name} cannot be read: {error.strerror or error}", "check the file") from None


def require_file(path: Path) -> None:
    """Refuse what is no plain file.

    Raises
    ------
    Problem
        Absent, a directory, a device or a pipe: it cannot be read twice.
    """
    if not path.exists():
        raise Problem(f"There is no file {path.name}", "check the path")
    if not path.is_file():
        kind = "a directory" if path.is_dir() else "not a plain file"
        raise Problem(f"{path.name} is {kind}", "name the files themselves")


def _damaged(path: Path, how: str) -> Problem:
    return Problem(f"{path.name} is a gzip file that is {how}", "copy it again from where it was written")


def _byte_lines(path: Path, stream: io.BufferedReader, encodings: Sequence[str]) -> Iterator[tuple[int, str]]:
    if stream.peek(3).startswith(codecs.BOM_UTF8):
        stream.read(3)
    before = 0
    for block in _blocks(stream):
        try:
            lines: Iterable[str] = _split(block.decode(encodings[0]))
        except UnicodeDecodeError:
            lines = _one_by_one(block, encodings, path, before)
        number = before
        for number, line in enumerate(lines, before + 1):
            yield number, line
        before = number


def _blocks(stream: io.BufferedReader) -> Iterator[bytes]:
    """Give many whole lines at a time; what is left of a line that is longer than `LONGEST` stands alone."""
    while block := stream.read(_BLOCK):
        if not block.endswith(b"\n"):
            block += stream.readline(LONGEST)
        last = block.rfind(b"\n", 0, -1) + 1
        if len(block) - last < LONGEST:
            yield block
            continue
        if last:
            yield block[:last]
        yield block[last : last + LONGEST]
        while not block.endswith(b"\n") and block:
            block = stream.readline(LONGEST)


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [_cleaned(line) for line in lines] if "\r" in text or "\0" in text else lines


def _one_by_one(block: bytes, encodings: Sequence[str], path: Path, before: int) -> Iterator[str]:
    for number, raw in enumerate(io.BytesIO(block), before + 1):
        try:
            yield _cleaned(raw.decode(encodings[0]))
        except UnicodeDecodeError:
            yield _cleaned(_decoded(raw, encodings, path, number))


def _decoded(raw: bytes, encodings: Sequence[str], path: Path, number: int) -> str:
    if len(raw) == LONGEST:  # the cut may have gone through a character
        return raw.decode(encodings[0], errors="replace")
    for encoding in encodings[1:]:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _not_in(path, number, " or ".join(_SHOWN.get(name, name) for name in encodings))


def _not_in(path: Path, number: int, encoding: str) -> Problem:
    return Problem(f"{path.name}, line {number}: this is not {encoding}", "save the file as UTF-8")


def _utf_16_lines(path: Path, stream: io.BufferedReader) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        with io.TextIOWrapper(stream, "utf-16", newline="\n") as text:
            for number, line in enumerate(_bounded(text.readline), 1):
                yield number, _cleaned(line)
    except UnicodeDecodeError:
        raise _not_in(path, number + 1, "UTF-16, as its first bytes say") from None


def _bounded(readline: Callable[[int], str]) -> Iterator[str]:
    """Give line by line, never more than `LONGEST` of one."""
    while line := readline(LONGEST):
        yield line
        while len(line) == LONGEST and not line.endswith("\n"):
            line = readline(LONGEST)


def _cleaned(line: str) -> str:
    line = line.rstrip("\r\n")
    return line.replace("\0", "\ufffd") if "\0" in line else line
