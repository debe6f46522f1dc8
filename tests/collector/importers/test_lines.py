"""Lines come numbered and decoded; a file that is none is refused in one clear line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from collector.importers.lines import LONGEST, numbered_lines
from warehouse.errors import Problem

BOTH = ("utf-8", "cp1252")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "meter.log"


@pytest.mark.parametrize(
    "content",
    [
        b"first\nsecond\n",
        b"first\r\nsecond",
        b"\xef\xbb\xbffirst\nsecond\n",
        gzip.compress(b"first\nsecond\n", mtime=0),
        gzip.compress(b"first\n", mtime=0) + gzip.compress(b"second\n", mtime=0),
        "first\r\nsecond\r\n".encode("utf-16"),
    ],
    ids=["plain", "windows", "marked", "gzipped", "gzipped-twice", "utf-16"],
)
def test_lines_come_with_their_numbers_whatever_carries_them(log: Path, content: bytes) -> None:
    log.write_bytes(content)
    assert list(numbered_lines(log)) == [(1, "first"), (2, "second")]


def test_each_line_has_the_first_encoding_that_fits(log: Path) -> None:
    log.write_bytes("é\n".encode() + "é\n".encode("cp1252"))
    assert list(numbered_lines(log, BOTH)) == [(1, "é"), (2, "é")]


def test_an_overlong_line_is_given_cut_and_the_next_one_is_whole(log: Path) -> None:
    log.write_bytes(b"a\n" + "é".encode() * (5 * LONGEST) + b"\nb\n")
    (_, first), (_, long), (number, last) = numbered_lines(log)
    assert (first, long[:2], len(long) <= LONGEST, number, last) == ("a", "éé", True, 3, "b")


def test_a_nul_behind_the_first_block_becomes_a_sign_that_can_be_stored(log: Path) -> None:
    log.write_bytes(b"a\n" * 9_000 + b"b\0\n")
    assert list(numbered_lines(log))[-1] == (9_001, "b\ufffd")


@pytest.mark.parametrize(
    ("content", "encodings", "message"),
    [
        (b"", BOTH, "meter.log is empty; export it again, or leave it out"),
        (gzip.compress(b"", mtime=0), BOTH, "meter.log is empty; export it again, or leave it out"),
        (b"MZ\0\0\n", BOTH, "meter.log is a binary file; give the log as text, plain or gzipped"),
        (b"a\n\xe9\n", ("utf-8",), "meter.log, line 2: this is not UTF-8; save the file as UTF-8"),
        (
            b"a\n\x81\n",
            BOTH,
            "meter.log, line 2: this is not UTF-8 or Windows-1252; save the file as UTF-8",
        ),
        (
            b"\xff\xfea\0\n\0\x00\xdcb\0",
            BOTH,
            "meter.log, line 1: this is not UTF-16, as its first bytes say; save the file as UTF-8",
        ),
        (
            gzip.compress(bytes(range(1, 200)) * 9, mtime=0)[:-12],
            ("cp437",),
            "meter.log is a gzip file that is cut short; copy it again from where it was written",
        ),
        (
            b"\x1f\x8b no gzip at all",
            BOTH,
            "meter.log is a gzip file that is damaged; copy it again from where it was written",
        ),
    ],
    ids=["empty", "empty-gzip", "binary", "latin", "no-encoding", "half-a-pair", "cut", "damaged"],
)
def test_what_is_no_log_is_refused_in_one_line(
    log: Path, content: bytes, encodings: tuple[str, ...], message: str
) -> None:
    log.write_bytes(content)
    with pytest.raises(Problem) as refused:
        list(numbered_lines(log, encodings))
    assert str(refused.value) == message


def test_a_folder_and_a_file_that_is_not_there_are_refused(log: Path) -> None:
    with pytest.raises(Problem, match=r"^There is no file meter.log; check the path$"):
        list(numbered_lines(log))
    log.mkdir()
    with pytest.raises(Problem, match=r"^meter.log is a directory; name the files themselves$"):
        list(numbered_lines(log))
