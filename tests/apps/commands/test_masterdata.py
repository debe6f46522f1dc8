"""The commands that bring master data in."""

from __future__ import annotations

import json
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


RATES = """\
rate,currency,valid_from,increment_minutes,direction,minimum_minutes,tier_kind,tiers,free_hours,daily_cap,cost_rate
12,EUR,2026-01-01,6,up,15,graduated,50: 9,2,40,8
"""


@pytest.fixture
def priced(office: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    (office / "rates.csv").write_text(RATES)
    (office / "factors.csv").write_text("from,to,valid_from,factor\nUSD,EUR,2026-01-01,0.92345678\n")
    assert run(capsys, "rate", "import", str(office / "rates.csv"))[1].startswith("rates: 1 new")
    told = run(capsys, "rate", "import-conversions", str(office / "factors.csv"))
    assert told == (0, "conversions: 1 new, 0 changed, 0 unchanged\n", "")
    return office


def test_rates_are_listed_with_their_terms(priced: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, told, _ = run(capsys, "rate", "list", "--on", "2026-10-01")
    assert " ".join(told.split()).startswith(
        "1 any 12.00 EUR/h, 6 min up by line, at least 15 min, first 2 h free, "
        "graduated from 50 h 9.00 EUR/h, at most 40.00 EUR a day, costs 8.00 EUR/h; from 2026-01-01; "
    )
    assert run(capsys, "rate", "list", "--on", "2025-12-31")[1].startswith("There is no rate; import them")
    (row,) = json.loads(run(capsys, "rate", "list", "--json")[1])
    assert (row["rate_scaled"], row["person"], row["free_ms"]) == (120_000, None, 7_200_000)


def test_changes_of_rates_are_shown(priced: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (priced / "rates.csv").write_text(RATES.replace("12,EUR", "13,EUR"))
    run(capsys, "rate", "import", str(priced / "rates.csv"))
    _, told, _ = run(capsys, "rate", "history")
    assert [line.split("  ")[2:] for line in told.splitlines()] == [
        [
            "rate 1, any",
            (
                "new: price 12.00 EUR/h, valid from 2026-01-01, increment 6 min, rounded up, rounded by "
                "line, at least 15 min, free time 2 h, kind of tiers graduated, tiers from 50 h 9.00 EUR/h, "
                "cap of a day 40.00 EUR, own cost 8.00 EUR/h"
            ),
        ],
        ["conversion USD-EUR from 2026-01-01", "factor: none -> 0.92345678"],
        ["rate 1, any", "price: 12.00 EUR/h -> 13.00 EUR/h"],
    ]
    (priced / "rates.csv").write_text(
        "rate,currency,valid_from,valid_to,tier_kind,tiers\n13,EUR,2026-01-01,2027-01-01,-,-\n"
    )
    run(capsys, "rate", "import", str(priced / "rates.csv"))
    assert [line.split("  ")[3] for line in run(capsys, "rate", "history")[1].splitlines()[3:]] == [
        "kind of tiers: graduated -> none",
        "tiers: from 50 h 9.00 EUR/h -> none",
        "valid to: none -> 2027-01-01",
    ]
    changes = json.loads(run(capsys, "rate", "history", "--rate", "1", "--json")[1])
    assert [(change["what"], change["before"], change["rate"]) for change in changes][:2] == [
        ("new", None, 1),
        ("rate_scaled", 120_000, 1),
    ]


def test_conversions_and_oddities_are_listed(priced: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "rate", "conversions")[1].startswith("1 USD = 0.92345678 EUR from 2026-01-01; ")
    assert json.loads(run(capsys, "rate", "conversions", "--json")[1])[0]["factor_scaled"] == 92_345_678
    assert run(capsys, "rate", "check") == (0, "Nothing is odd about the rates.\n", "")
    assert json.loads(run(capsys, "rate", "check", "--on", "2026-10-01", "--json")[1]) == []


def test_entitlements_come_in_from_xml_with_a_mapping(
    office: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (office / "rights.xml").write_text("<Bought><One code='V-26'><Many>5</Many></One></Bought>")
    (office / "own.toml").write_text(
        'element = "One"\n[columns]\nentitlement = "@code"\nproduct = { value = "M365-E3" }\n'
        'metric = { value = "named_user" }\nquantity = "Many"\nvalid_from = { value = "2026-01-01" }\n'
    )
    asked = ("entitlement", "import", str(office / "rights.xml"), "--mapping", str(office / "own.toml"))
    told = "products: 0 new, 0 changed, 1 unchanged; entitlements: 1 new, 0 changed, 0 unchanged\n"
    assert run(capsys, *asked) == (0, told, "")
