"""What a person is told while long work runs."""

from __future__ import annotations

import io

import pytest

from pipelines.telling import Teller


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _teller(stream: io.StringIO) -> Teller:
    seconds = iter([0.0, 1.0, 3.5, 4.0])
    return Teller(stream, clock=lambda: next(seconds))


def test_a_pipe_gets_one_plain_line_for_each_step_with_its_time() -> None:
    stream = io.StringIO()
    with _teller(stream).step("sample loaded") as update:
        update("segments", 0.5)
    assert stream.getvalue() == "   2.5 s  sample loaded\n"


def test_a_step_that_fails_is_told_as_not_finished() -> None:
    stream = io.StringIO()
    with pytest.raises(KeyError), _teller(stream).step("sample loaded"):
        raise KeyError
    assert stream.getvalue() == "   2.5 s  sample loaded: not finished\n"


def test_a_terminal_sees_what_is_being_done() -> None:
    stream = _Terminal()
    with _teller(stream).step("sample") as update:
        update("segments", 0.5)
    assert "sample: segments" in stream.getvalue()
    assert stream.getvalue().endswith("   2.5 s  sample\n")
