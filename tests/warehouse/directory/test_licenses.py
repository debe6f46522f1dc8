"""Importing entitlements and assignments."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine

from warehouse import frames

HEADER = (
    "entitlement,product,product_name,vendor,metric,quantity,"
    "valid_from,valid_to,unit_cost,currency,applications\n"
)
RIGHT = "E-1,suite,Suite,Acme,named_user,25,2026-01-01,2027-01-01,1234.5,EUR,draw;solve\n"


def test_an_entitlement_brings_its_product_and_covers_applications(filled: Engine, files: Any) -> None:
    files.bring(filled, "entitlements", HEADER + RIGHT)
    row = frames.entitlements(filled).collect().row(0, named=True)
    assert (row["product"], row["vendor"], row["quantity"], row["unit_cost_minor"], row["counting_rule"]) == (
        *("suite", "Acme", 25, 123_450, "exact_sweep"),
    )
    assert frames.entitlement_applications(filled).collect()["application"].to_list() == ["draw", "solve"]

    told = files.bring(filled, "entitlements", HEADER + RIGHT.replace("draw;solve", "solve"))
    assert told == "products: 0 new, 0 changed, 1 unchanged; entitlements: 0 new, 1 changed, 0 unchanged"
    assert frames.entitlement_applications(filled).collect()["application"].to_list() == ["solve"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("named_user", "seat"),
            "row 2, column metric: unknown word 'seat'; write one of named_user, device,",
        ),
        (("25", "2.5"), "row 2, column quantity: 2.5 is not a whole number; write a whole number"),
        (("25", ""), "row 2, column quantity: the cell is empty; fill it in"),
        (("1234.5", "-1"), "row 2, column unit_cost: -1 is negative; write 0 or more"),
        (
            ("1234.5", "0.001"),
            "row 2, column unit_cost: 0.001 is finer than the smallest coin of EUR; round it",
        ),
        (
            ("draw;solve", "draw;sovle"),
            "row 2, column applications: unknown application 'sovle'; apply a policy",
        ),
        (("Suite", ""), "row 2, column product_name: product 'suite' is new and this says nothing; add the"),
        (
            ("2027-01-01", "2025-01-01"),
            "row 2, column valid_to: 2025-01-01 is not after valid_from 2026-01-01;",
        ),
        ((RIGHT, RIGHT + RIGHT), "row 3, column entitlement: E-1 is already in row 2; remove one of them"),
    ],
)
def test_a_bad_entitlement_file_changes_nothing(
    filled: Engine, files: Any, change: tuple[str, str], message: str
) -> None:
    text = HEADER + RIGHT.replace(*change)
    assert files.refusal(filled, "entitlements", text).startswith(message)


BARE = (
    "entitlement,product,product_name,vendor,metric,quantity,valid_from{}\n"
    "E-1,suite,Suite,Acme,concurrent,3,2026-01-01{}\n"
)


def right(engine: Engine) -> dict[str, Any]:
    return frames.entitlements(engine).collect().row(0, named=True)


def test_a_contract_may_be_incomplete_and_become_whole_later(filled: Engine, files: Any) -> None:
    files.bring(filled, "entitlements", BARE.format("", ""))
    names = ("valid_to", "unit_cost_minor", "currency", "contract", "notice_on", "true_up_on")
    assert [right(filled)[name] for name in names] == [None] * 6

    whole = BARE.format(
        ",valid_to,unit_cost,currency,contract,notice,true_up",
        ",2027-01-01,10.50,EUR,C-1,2026-10-01,2026-12-01",
    )
    files.bring(filled, "entitlements", whole)
    assert [right(filled)[name] for name in names] == [
        *(date(2027, 1, 1), 1_050, "EUR", "C-1", date(2026, 10, 1), date(2026, 12, 1)),
    ]
    files.bring(filled, "entitlements", BARE.format("", ""))
    assert right(filled)["unit_cost_minor"] == 1_050, "an empty cell leaves what is stored"
    files.bring(filled, "entitlements", BARE.format(",unit_cost", ",-"))
    assert (right(filled)["unit_cost_minor"], right(filled)["currency"]) == (None, None)


def test_packs_are_counted_in_units(filled: Engine, files: Any) -> None:
    files.bring(filled, "entitlements", BARE.format(",pack_size", ",10"))
    assert (right(filled)["quantity"], right(filled)["pack_size"]) == (30, 10)
    again = files.bring(filled, "entitlements", BARE.format("", ""))
    assert again.endswith("entitlements: 0 new, 0 changed, 1 unchanged"), (
        "three packs of the ten that are known"
    )


ALLOWS = ",version,earlier_versions,regions,offices,contractors,affiliates,second_device,virtualization"


def test_use_rights_are_kept_changed_and_taken_back_cell_by_cell(filled: Engine, files: Any) -> None:
    files.bring(filled, "entitlements", BARE.format(ALLOWS, ",2026,2,emea;AMER,BER,no,,yes,no"))
    assert frames.use_rights(filled).collect().rows() == [
        ("E-1", "2026", 2, ["EMEA", "AMER"], ["BER"], False, None, True, False)
    ]
    told = files.bring(filled, "entitlements", BARE.format(ALLOWS, ",-,,,-,yes,,-,"))
    assert told.endswith("entitlements: 0 new, 1 changed, 0 unchanged")
    assert frames.use_rights(filled).collect().rows() == [
        ("E-1", None, 2, ["EMEA", "AMER"], None, True, None, None, False)
    ]
    same = files.bring(filled, "entitlements", BARE.format("", ""))
    assert same.endswith("entitlements: 0 new, 0 changed, 1 unchanged")


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("version", "latest", "row 2, column version: 'latest' has no number; write it as 2026 or 25.3"),
        ("earlier_versions", "-1", "row 2, column earlier_versions: -1 is negative; write 0 or more"),
        ("regions", "MARS", "row 2, column regions: unknown region 'MARS'; write AMER, EMEA, APAC"),
        ("offices", "XYZ", "row 2, column offices: unknown office 'XYZ'; import it first"),
        ("contractors", "some", "row 2, column contractors: 'some' is neither yes nor no; write yes or no"),
        ("pack_size", "0", "row 2, column pack_size: a pack of nothing; write how many units are in a pack"),
        ("unit_cost", "5", "row 2, column currency: the cell is empty; say in which currency the cost is"),
        ("true_up", "soon", "row 2, column true_up: 'soon' is not a date; write it as 2026-12-31"),
    ],
)
def test_what_a_contract_cannot_say_is_refused(
    filled: Engine, files: Any, column: str, cell: str, message: str
) -> None:
    assert files.refusal(filled, "entitlements", BARE.format(f",{column}", f",{cell}")).startswith(message)


def test_a_negative_quantity_is_refused(filled: Engine, files: Any) -> None:
    text = BARE.format("", "").replace(",3,", ",-3,")
    assert files.refusal(filled, "entitlements", text).startswith("row 2, column quantity: -3 is negative")


def test_seats_belong_to_people_or_hosts(filled: Engine, files: Any) -> None:
    files.bring(filled, "entitlements", HEADER + RIGHT)
    text = (
        "entitlement,person,host,valid_from,valid_to\nE-1,e17,,2026-01-01,2026-02-01\nE-1,e17,,2026-02-01,\n"
    )
    files.bring(filled, "assignments", text + "E-1,,DESK-17,2026-01-01,\n")
    assert frames.assignments(filled).select(
        "person_id", "host_id", "valid_from", "valid_to"
    ).collect().rows() == [
        (1, None, date(2026, 1, 1), date(2026, 2, 1)),
        (1, None, date(2026, 2, 1), None),
        (None, 1, date(2026, 1, 1), None),
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "E-1,,,2026-01-01\n",
            "row 2, column person: a seat has one holder; name a person or a host, not both",
        ),
        ("E-1,e17,desk-17,2026-01-01\n", "row 2, column person: a seat has one holder;"),
        ("E-9,e17,,2026-01-01\n", "row 2, column entitlement: unknown entitlement 'E-9'; import it first"),
        ("E-1,e99,,2026-01-01\n", "row 2, column person: unknown person 'e99'; import it first"),
        ("E-1,,desk-99,2026-01-01\n", "row 2, column host: unknown host 'desk-99'; import it first"),
        (
            "E-1,e17,,2026-01-01\nE-1,e17,,2026-02-01\n",
            "row 3, column valid_from: overlaps row 2: two assignments of the same scope",
        ),
        (
            "E-1,e17,,2026-01-01\nE-1,e17,,2026-01-01\n",
            "row 3, column valid_from: the same seat from the same",
        ),
    ],
)
def test_a_bad_assignment_file_changes_nothing(filled: Engine, files: Any, rows: str, message: str) -> None:
    files.bring(filled, "entitlements", HEADER + RIGHT)
    text = f"entitlement,person,host,valid_from\n{rows}"
    assert files.refusal(filled, "assignments", text).startswith(message)
