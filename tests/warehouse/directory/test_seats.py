"""Seat exports of vendors, written for these tests with the columns that the vendors' consoles give."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import schema
from warehouse.directory import ImportedSeats, import_seats
from warehouse.directory.seat_mappings import seat_mapping, shipped
from warehouse.errors import Problem

PEOPLE = """\
record,code,name,zone,currency,office,email,accounts,valid_from
organization,,Example Engineers,Europe/Berlin,EUR,,,,
office,BER,Berlin,Europe/Berlin,EUR,,,,
person,e17,Ada Example,,,BER,Ada@example.com,EXAMPLE\\ada,2024-01-01
person,e18,Bob Example,,,BER,bob@example.com,,2024-01-01
person,e19,Cem Example,,,BER,,cem@example.com,2024-01-01
"""
RIGHTS = """\
entitlement,product,product_name,vendor,metric,quantity,valid_from,valid_to,unit_cost,currency
M-25,M365-E3,Microsoft 365 E3,Microsoft,named_user,25,2025-01-01,2026-01-01,400,EUR
M-26,M365-E3,,,named_user,25,2026-01-01,,420,EUR
V-26,VISIO,Visio Plan 2,Microsoft,named_user,5,2026-01-01,,180,EUR
A-26,AUTOCAD,AutoCAD,Autodesk,named_user,10,2026-01-01,,1900,EUR
C-26,CC,Creative Cloud,Adobe,named_user,10,2026-01-01,,800,EUR
"""
MICROSOFT = "Display name,User principal name,First name,Last name,When created,Department,Licenses\n"
MARCH_2 = round(datetime(2026, 3, 2, 23, 30, tzinfo=UTC).timestamp() * 1000)  # the 3rd in Berlin
APRIL_1 = round(datetime(2026, 4, 1, 12, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def office(engine: Engine, files: Any) -> Engine:
    files.bring(engine, "directory", PEOPLE)
    files.bring(engine, "entitlements", RIGHTS)
    return engine


def export(folder: Path, text: str) -> Path:
    path = folder / "users.csv"
    path.write_text(text, encoding="utf-8-sig")
    return path


def bring(
    engine: Engine, folder: Path, text: str, mapping: str = "microsoft365", at_ms: int = MARCH_2
) -> ImportedSeats:
    return import_seats(engine, export(folder, text), mapping, "eva", at_ms=at_ms)


def own(folder: Path, text: str) -> str:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def seats(engine: Engine) -> list[tuple[str, str, str, str | None]]:
    seat, right, person = schema.assignment, schema.entitlement, schema.person
    columns = (right.c.code, person.c.code, seat.c.valid_from_on, seat.c.valid_to_on)
    query = sa.select(*columns).select_from(seat.join(right).join(person)).order_by(seat.c.id)
    with engine.connect() as connection:
        return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]


def microsoft(*rows: tuple[str, str]) -> str:
    return MICROSOFT + "".join(f'X,{name},,,2024-01-01,,"{licenses}"\n' for name, licenses in rows)


def test_microsoft_365_gives_the_seats_of_people_it_finds_by_email_or_account(
    office: Engine, tmp_path: Path
) -> None:
    text = microsoft(
        ("ADA@example.com", "Microsoft 365 E3+Visio Plan 2"),
        ("bob@example.com", "Unlicensed"),
        ("cem@example.com", "Microsoft 365 E3+Microsoft Power Automate Free"),
        ("zoe@example.com", "Microsoft 365 E3"),
    )
    done = bring(office, tmp_path, text)
    assert seats(office) == [
        ("M-26", "e17", "2026-03-03", None),  # the entitlement of that day, not the one of last year
        ("V-26", "e17", "2026-03-03", None),
        ("M-26", "e19", "2026-03-03", None),
    ]
    assert str(done).splitlines() == [
        "assignments: 3 new, 0 changed, 0 unchanged",
        "set aside, people not known here: 1 (zoe@example.com)",
        "set aside, products not known here: 1 (Microsoft Power Automate Free)",
    ]


def test_the_same_export_a_month_later_changes_nothing(office: Engine, tmp_path: Path) -> None:
    text = microsoft(("ada@example.com", "Microsoft 365 E3"))
    bring(office, tmp_path, text)
    before = seats(office)
    assert str(bring(office, tmp_path, text, at_ms=APRIL_1)) == "assignments: 0 new, 0 changed, 1 unchanged"
    assert seats(office) == before


def test_who_is_listed_without_a_seat_loses_it_and_who_is_not_listed_keeps_it(
    office: Engine, tmp_path: Path
) -> None:
    everybody = microsoft(
        ("ada@example.com", "Microsoft 365 E3"),
        ("bob@example.com", "Microsoft 365 E3"),
        ("cem@example.com", "Microsoft 365 E3"),
    )
    bring(office, tmp_path, everybody)
    later = microsoft(("ada@example.com", "Unlicensed"), ("bob@example.com", "Microsoft 365 E3"))
    done = bring(office, tmp_path, later, at_ms=APRIL_1)
    assert seats(office) == [
        ("M-26", "e17", "2026-03-03", "2026-04-01"),
        ("M-26", "e18", "2026-03-03", None),
        ("M-26", "e19", "2026-03-03", None),
    ]
    assert str(done).splitlines() == [
        "assignments: 0 new, 1 changed, 1 unchanged",
        "left as they are, seats of people who are not in the export: 1",
    ]


def test_a_complete_export_ends_the_seats_of_whoever_is_not_in_it(office: Engine, tmp_path: Path) -> None:
    both = microsoft(("ada@example.com", "Microsoft 365 E3"), ("bob@example.com", "Microsoft 365 E3"))
    bring(office, tmp_path, both)
    mapping = own(tmp_path, 'base = "microsoft365"\ncomplete = true\n')
    done = bring(office, tmp_path, microsoft(("bob@example.com", "Microsoft 365 E3")), mapping, APRIL_1)
    assert seats(office)[0] == ("M-26", "e17", "2026-03-03", "2026-04-01")
    assert done.absent == 0


def test_a_seat_corrected_on_its_first_day_was_never_held(office: Engine, tmp_path: Path) -> None:
    bring(
        office,
        tmp_path,
        microsoft(("ada@example.com", "Microsoft 365 E3"), ("bob@example.com", "Microsoft 365 E3")),
    )
    right = microsoft(("ada@example.com", "Unlicensed"), ("bob@example.com", "Microsoft 365 E3"))
    bring(office, tmp_path, right)
    assert seats(office) == [("M-26", "e18", "2026-03-03", None)]


def test_a_seat_given_back_and_given_again_is_two_assignments(office: Engine, tmp_path: Path) -> None:
    held, bob = ("ada@example.com", "Microsoft 365 E3"), ("bob@example.com", "Microsoft 365 E3")
    bring(office, tmp_path, microsoft(held, bob))
    bring(office, tmp_path, microsoft(("ada@example.com", "Unlicensed"), bob), at_ms=APRIL_1)
    bring(office, tmp_path, microsoft(held, bob), at_ms=APRIL_1 + 86_400_000)
    assert [seat for seat in seats(office) if seat[1] == "e17"] == [
        ("M-26", "e17", "2026-03-03", "2026-04-01"),
        ("M-26", "e17", "2026-04-02", None),
    ]


@pytest.mark.parametrize("product", ["Product", "product_name"])
def test_autodesk_gives_a_row_per_product_and_says_who_was_unassigned(
    office: Engine, tmp_path: Path, product: str
) -> None:
    text = (
        f"First name,Last name,Email,Team,{product},Seat assignment,Days used\n"
        "Ada,Example,ada@example.com,Main,AutoCAD,Assigned,12\n"
        "Bob,Example,bob@example.com,Main,AutoCAD,Unassigned,1\n"
        "Cem,Example,cem@example.com,Main,Fusion,Assigned,1\n"
    )
    done = bring(office, tmp_path, text, "autodesk")
    assert seats(office) == [("A-26", "e17", "2026-03-03", None)]
    assert dict(done.unknown_products) == {"Fusion": 1}


def test_adobe_names_profiles_that_a_mapping_of_ones_own_translates(office: Engine, tmp_path: Path) -> None:
    text = (
        "Identity Type;Username;Domain;Email;First Name;Last Name;Country Code;ID;Product Configurations\n"
        'Federated ID;ada;example.com;ada@example.com;Ada;Example;DE;1;"Default All Apps, Stock"\n'
        "Federated ID;bob;example.com;bob@example.com;Bob;Example;DE;2;\n"
    )
    mapping = own(tmp_path, 'base = "adobe"\n[entitlements]\n"Default All Apps" = "C-26"\n')
    done = bring(office, tmp_path, text, mapping)
    assert seats(office) == [("C-26", "e17", "2026-03-03", None)]
    assert dict(done.unknown_products) == {"Stock": 1}


def test_a_mapping_may_say_since_when_a_seat_is_held(office: Engine, tmp_path: Path) -> None:
    text = "Email,Product,Assigned date\nada@example.com,AutoCAD,02/14/2026\nbob@example.com,AutoCAD,\n"
    said = 'base = "autodesk"\nvalid_from = "Assigned date"\ndates = "%m/%d/%Y"\n'
    bring(office, tmp_path, text, own(tmp_path, said))
    assert seats(office) == [("A-26", "e17", "2026-02-14", None), ("A-26", "e18", "2026-03-03", None)]


def test_an_import_is_audited_without_the_names_of_people_who_are_not_known(
    office: Engine, tmp_path: Path
) -> None:
    text = microsoft(("ada@example.com", "Microsoft 365 E3"), ("zoe@example.com", "Microsoft 365 E3"))
    bring(office, tmp_path, text)
    with office.connect() as connection:
        event = connection.execute(
            sa.select(schema.audit_event).order_by(schema.audit_event.c.id.desc()).limit(1)
        ).one()
    assert (event.actor, event.action, event.subject) == ("eva", "import", "users.csv")
    assert json.loads(json.dumps(event.detail)) == {"assignments": {"new": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            microsoft(("", "Microsoft 365 E3")),
            "row 2, column user_principal_name: the cell is empty",
        ),
        (
            microsoft(("same@example.com", "Visio Plan 2")),
            "column user_principal_name: 'same@example.com' are 2 people",
        ),
        ("Name,Licenses\nAda,x\n", "users.csv has none of the columns 'user_principal_name'; choose another"),
        (MICROSOFT, "users.csv has column names, but no rows"),
        (
            MICROSOFT.replace("Department", "Licenses") + "a,b,c,d,e,f,g\n",
            "the column 'licenses' is there twice",
        ),
        (
            microsoft(("bob@example.com", "Both")),
            'column licenses: \'Both\' may be any of the entitlements B-1, B-2; write "Both" = "CODE" under',
        ),
    ],
)
def test_a_malformed_export_changes_nothing(
    office: Engine, files: Any, tmp_path: Path, text: str, message: str
) -> None:
    row = "person,{},X,,,BER,same@example.com,,2024-01-01\n"
    two = row.format("e30") + row.format("e31")
    files.bring(office, "directory", PEOPLE.splitlines()[0] + "\n" + two)
    doubled = "B-1,BOTH,Both,X,device,1,2026-01-01,,1,EUR\nB-2,BOTH,,,device,1,2026-01-01,,1,EUR\n"
    files.bring(office, "entitlements", RIGHTS.splitlines()[0] + "\n" + doubled)
    with pytest.raises(Problem) as caught:
        bring(office, tmp_path, text)
    assert message in str(caught.value)
    assert seats(office) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'base = "microsoft"',
            "there is no shipped mapping 'microsoft'; name one of adobe, autodesk",
        ),
        ("peple = []", "unknown key 'peple'; known keys: base, people, products"),
        ('people = "Email"', "'people' is not a list of texts"),
        ('products = ["P"]', "'people' is missing; write people = "),
        ('base = "adobe"\ncomplete = "yes"', "'complete' is not true or false"),
        ('base = "adobe"\nunless = { a = "b" }', "'unless' is not a table of lists of texts"),
        ('base = "adobe"\nentitlements = { a = 1 }', "'entitlements' is not a table of texts"),
        ('base = "adobe"\nvalid_from = "Since"', "valid_from needs dates"),
        ("people = [", "own.toml is not TOML that can be read"),
        ('base = "adobe"\n[entitlements]\nx = "NONE"', "The mapping names the unknown entitlement 'NONE'"),
    ],
)
def test_a_mapping_that_means_nothing_is_refused(
    office: Engine, tmp_path: Path, text: str, message: str
) -> None:
    export_text = "Email,Product Configurations,Since\nada@example.com,x,\n"
    with pytest.raises(Problem) as caught:
        bring(office, tmp_path, export_text, own(tmp_path, text))
    assert message in str(caught.value)


def test_an_unknown_mapping_is_named_with_those_there(office: Engine, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"no mapping 'office'; name a TOML file, or one of adobe"):
        bring(office, tmp_path, microsoft(("a", "b")), "office")


def test_a_wrong_first_day_is_refused(office: Engine, tmp_path: Path) -> None:
    said = own(tmp_path, 'base = "autodesk"\nvalid_from = "Since"\ndates = "iso"\n')
    with pytest.raises(Problem, match=r"users\.csv, row 2, column since: '14\.2\.2026' is not written iso"):
        bring(office, tmp_path, "Email,Product,Since\nada@example.com,AutoCAD,14.2.2026\n", said)


def test_every_shipped_mapping_is_whole_and_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "importing.md").read_text(encoding="utf-8")
    assert shipped() == ["adobe", "autodesk", "microsoft365"]
    for name in shipped():
        assert seat_mapping(name).people
        assert f"`{name}`" in text
