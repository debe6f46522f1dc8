"""The commands that bring master data in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from apps import cli

PEOPLE = """\
record,code,name,zone,currency,office,email,valid_from
organization,,Example Engineers,Europe/Berlin,EUR,,,
office,BER,Berlin,Europe/Berlin,EUR,,,
person,e17,Ada Example,,,BER,ada@example.com,2024-01-01
"""
RIGHTS = """\
entitlement,product,product_name,vendor,metric,quantity,valid_from,unit_cost,currency
M-26,M365-E3,Microsoft 365 E3,Microsoft,named_user,25,2026-01-01,400,EUR
"""
USERS = "User principal name,Licenses\nada@example.com,Microsoft 365 E3\nzoe@example.com,Unlicensed\n"
SEATS = "entitlement,person,host,valid_from\nM-26,e17,,2026-01-01\n"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["process-meter", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.fixture
def office(
    warehouse_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Folder of files for a warehouse that knows one person and one entitlement."""
    monkeypatch.setenv("PROCESS_METER_WAREHOUSE", warehouse_url)
    for noun, text in (("directory", PEOPLE), ("entitlement", RIGHTS)):
        (tmp_path / f"{noun}.csv").write_text(text)
        assert run(capsys, noun, "import", str(tmp_path / f"{noun}.csv"))[0] == 0
    (tmp_path / "users.csv").write_text(USERS)
    (tmp_path / "seats.csv").write_text(SEATS)
    return tmp_path


def test_seats_come_in_from_our_own_table(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(capsys, "assignment", "import", str(office / "seats.csv"))
    assert told == (0, "assignments: 1 new, 0 changed, 0 unchanged\n", "")


def test_seats_come_in_from_a_vendors_export(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(capsys, "assignment", "import", str(office / "users.csv"), "--mapping", "microsoft365")
    expected = (
        "assignments: 1 new, 0 changed, 0 unchanged\nset aside, people not known here: 1 (zoe@example.com)\n"
    )
    assert told == (0, expected, "")


def test_a_vendors_export_without_its_mapping_is_one_clear_line(
    office: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "assignment", "import", str(office / "users.csv"))
    assert code == 1
    (line,) = err.splitlines()
    assert line.startswith(
        "process-meter: users.csv, row 1: unknown column 'user_principal_name'; known columns"
    )
