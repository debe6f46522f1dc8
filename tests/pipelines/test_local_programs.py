"""Which common programs are on a machine."""

from __future__ import annotations

from pipelines.local_programs import PROGRAMS, found_here, matching


def _names(running: set[str], installed: set[str]) -> list[str]:
    return [program.name for program in matching(running, installed)]


def test_a_program_is_found_by_a_running_process_or_an_installed_command() -> None:
    assert _names({"gnome-terminal-server", "bash"}, set()) == ["GNOME Terminal"]
    assert _names(set(), {"soffice", "mousepad"}) == ["Mousepad", "LibreOffice"]
    assert _names({"WINWORD.EXE", "explorer.exe"}, set()) == ["Microsoft Word"]
    assert _names(set(), set()) == []


def test_neither_python_nor_a_shell_is_metered() -> None:
    assert (
        _names({"python3", "python3.11", "python.exe", "bash", "sh", "zsh", "make"}, {"python3", "sh"}) == []
    )


def test_codes_are_unique_and_this_machine_can_be_asked() -> None:
    assert len({program.code for program in PROGRAMS}) == len(PROGRAMS)
    assert set(found_here()) <= set(PROGRAMS)
