"""Importing the directory: organization, people, accounts, hosts."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine

from warehouse import directory, frames, store


def test_the_directory_brings_the_organization_people_and_hosts(filled: Engine) -> None:
    assert frames.organization(filled) == {
        "name": "Example Engineers",
        "zone": "Europe/Berlin",
        "currency": "EUR",
        "settings": {},
    }
    assert frames.offices(filled).collect().rows()[0][2:] == (
        *("Berlin", "Europe/Berlin", "EUR", 480, 1080, "12345"),
    )
    moved = date(2026, 7, 1)
    assert frames.people(filled).drop("person", "zone").collect().rows() == [
        (1, "employee", "BER", "ENG", "4711", date(2024, 1, 1), moved),
        (1, "employee", "NYC", None, None, moved, None),
        (2, "employee", "BER", None, None, date(2024, 1, 1), None),
    ]
    assert frames.hosts(filled).drop("host").collect().rows() == [
        (1, "laptop", "BER", "Europe/Berlin", True, date(1970, 1, 1), None)
    ]
    accounts = store.read(filled, "SELECT name, person_id, shared FROM account ORDER BY name")
    assert accounts.rows() == [("ada", 1, 0), ("bob", 2, 0), ("example\\ada", 1, 0)]
    stored = store.read(filled, "SELECT employee_number, valid_from_on, valid_to_on FROM person ORDER BY id")
    assert stored.rows() == [("0017", "2024-01-01", None), (None, "2024-01-01", None)]


def test_a_file_without_records_holds_people(filled: Engine, files: Any) -> None:
    text = "code,name,office,employment,valid_from,valid_to\ne19,Cy,BER,contractor,2026-01-01,2026-12-31\n"
    told = files.bring(filled, "directory", text)
    assert told == "persons: 1 new, 0 changed, 0 unchanged; placements: 1 new, 0 changed, 0 unchanged"
    assert frames.people(filled).collect().rows()[-1][2:4] == ("contractor", "BER")


def test_a_host_that_was_heard_of_joins_the_directory(
    engine: Engine, files: Any, samples: dict[str, str]
) -> None:
    with store.writing(engine) as connection:
        directory.ensure_host(connection, "DESK-17", "Asia/Tokyo")
    files.bring(engine, "directory", samples["directory"])
    assert frames.hosts(engine).select("kind", "office", "zone", "in_directory").collect().rows() == [
        ("laptop", "BER", "Asia/Tokyo", True)
    ]


def test_a_shared_account_stands_for_nobody(filled: Engine, files: Any) -> None:
    files.bring(filled, "directory", "record,code,person,shared\naccount,BOB,-,yes\n")
    found = store.read(filled, "SELECT person_id, shared FROM account WHERE name = 'bob'")
    assert found.rows() == [(None, 1)]


def test_groups_have_their_days_too(filled: Engine, files: Any) -> None:
    text = (
        "code,office,groups,valid_from\n"
        "e18,BER,cad; solvers,2024-01-01\n"
        "e18,NYC,solvers;board,2026-07-01\n"
        "e18,BER,,2026-08-01\n"
    )
    assert files.bring(filled, "directory", text).endswith("memberships: 3 new, 1 changed, 1 unchanged")

    def members() -> list[Any]:
        return frames.memberships(filled).select("group", "valid_from", "valid_to").collect().rows()

    january, july = date(2024, 1, 1), date(2026, 7, 1)
    assert members() == [("board", july, None), ("cad", january, july), ("solvers", january, None)]
    assert files.bring(filled, "directory", text).endswith("memberships: 0 new, 0 changed, 4 unchanged")
    assert members() == [("board", july, None), ("cad", january, july), ("solvers", january, None)]

    files.bring(filled, "directory", "code,office,groups,valid_from\ne18,BER,-,2026-09-01\n")
    assert [last for _, _, last in members()] == [date(2026, 9, 1), july, date(2026, 9, 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "record,code\nplanet,x\n",
            "row 2, column record: unknown word 'planet'; write one of organization, office",
        ),
        (
            "record,code,name,zone\noffice,LON,London,London\n",
            "row 2, column zone: unknown time zone 'London'; give an IANA name such as Europe/Berlin",
        ),
        (
            "record,code,name,zone\noffice,LON,London,Europe/London\n",
            "row 2, column currency: a new office needs one;",
        ),
        (
            "record,code,opens,closes\noffice,BER,18:00,08:00\n",
            "row 2, column closes: the office closes before it opens; swap or widen its hours",
        ),
        (
            "record,code,opens\noffice,BER,25:00\n",
            "row 2, column opens: '25:00' is not a time of day; write it as",
        ),
        (
            "record,code,weekdays\noffice,BER,1128\n",
            "row 2, column weekdays: '1128' are no weekdays; write 12345",
        ),
        (
            "record,code,name\noffice,BER,A\noffice,BER,B\n",
            "row 3, column code: office BER is already in row 2; remove one of them",
        ),
        (
            "code,office,valid_from\ne99,BER,2026-01-01\n",
            "row 2, column name: a new person needs one; fill it in",
        ),
        ("code,name,valid_from\ne99,Z,2026-01-01\n", "row 2, column office: the cell is empty; fill it in"),
        ("code,name,office\ne99,Z,BER\n", "row 2, column valid_from: the cell is empty; write the first day"),
        (
            "code,name,office,valid_from\ne99,Z,LON,2026-01-01\n",
            "row 2, column office: unknown office 'LON'; import",
        ),
        (
            "code,name,office,valid_from,valid_to\ne99,Z,BER,2026-01-01,2026-03-01\ne99,Z,NYC,2026-02-01,\n",
            (
                "row 3, column valid_from: overlaps the placement 2026-01-01 to 2026-03-01 of the "
                "same person; give the earlier one valid_to 2026-02-01"
            ),
        ),
        (
            "code,name,office,valid_from,accounts\ne99,Z,BER,2026-01-01,BOB\n",
            (
                "row 2, column accounts: account 'BOB' belongs to e18, and e99 claims it too; "
                "say whose it is in a row of its own, with record `account`"
            ),
        ),
        (
            "record,code,kind\nhost,new-1,laptop\n",
            "row 2, column zone: a new host needs a zone or an office; fill",
        ),
        (
            "record,code,kind\nhost,desk-17,toaster\n",
            "row 2, column kind: unknown word 'toaster'; write one of",
        ),
    ],
)
def test_a_bad_directory_file_changes_nothing(filled: Engine, files: Any, text: str, message: str) -> None:
    assert files.refusal(filled, "directory", text).startswith(message)
