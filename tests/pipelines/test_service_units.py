"""The units for systemd are shipped, and systemd takes them."""

from __future__ import annotations

import shutil
import stat
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from pipelines.service_units import UNITS, write_units
from warehouse.errors import Problem

NAMES = [
    "process-meter-schedule-once.service",
    "process-meter-schedule-once.timer",
    "process-meter-schedule.service",
]


def test_the_units_name_the_program_of_this_installation(tmp_path: Path) -> None:
    written = write_units(tmp_path, Path("/srv/meter/bin/process-meter"))
    assert [path.name for path in written] == NAMES
    starts = {
        path.name: [line for line in path.read_text().splitlines() if "ExecStart" in line] for path in written
    }
    assert starts == {
        NAMES[0]: ["ExecStart=/srv/meter/bin/process-meter schedule run --once"],
        NAMES[1]: [],
        NAMES[2]: ["ExecStart=/srv/meter/bin/process-meter schedule run"],
    }


def test_a_unit_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / NAMES[2]).write_text("mine")
    with pytest.raises(Problem, match=rf"{NAMES[2]} is there already"):
        write_units(tmp_path, Path("/bin/true"))
    assert (tmp_path / NAMES[2]).read_text() == "mine"
    with pytest.raises(Problem, match="cannot be written: No such file or directory"):
        write_units(tmp_path / "none", Path("/bin/true"))


def test_no_unit_holds_a_password_and_what_they_write_is_for_their_account_alone() -> None:
    for name in (NAMES[0], NAMES[2]):
        text = (UNITS / name).read_text(encoding="utf-8")
        assert "PASSWORD" not in text.upper()
        assert "UMask=0077" in text


def test_systemd_takes_them(tmp_path: Path) -> None:
    program = tmp_path / "process-meter"
    program.write_text("#!/bin/sh\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    units = write_units(tmp_path, program)
    for unit in units:
        parsed = ConfigParser(strict=False, interpolation=None)
        parsed.read(unit, encoding="utf-8")
        assert parsed.sections() in [
            ["Unit", "Service"],
            ["Unit", "Service", "Install"],
            ["Unit", "Timer", "Install"],
        ]
    if shutil.which("systemd-analyze"):
        verify = ["systemd-analyze", "verify", *map(str, units)]
        done = subprocess.run(verify, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
