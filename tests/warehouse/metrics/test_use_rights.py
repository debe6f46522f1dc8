"""Use outside the rights of a contract: one finding each, and none where nothing is said or known."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from use_cases import at, described, session, stated

from warehouse.metrics.consumption import consumption, uses
from warehouse.metrics.use_rights import RIGHTS, outside_rights, region_of

SAYS: dict[str, Any] = {
    "entitlement": pl.String,
    "version": pl.String,
    "earlier_versions": pl.Int64,
    "regions": pl.List(pl.String),
    "contractors": pl.Boolean,
    "affiliates": pl.Boolean,
    "second_device": pl.Boolean,
    "virtualization": pl.Boolean,
}
PEOPLE = pl.LazyFrame(
    {
        "person": ["P-1", "P-1", "P-2", "P-3"],
        "employment": ["employee", "employee", "contractor", "affiliate"],
    }
)
HOSTS = pl.LazyFrame({"host": ["H-1", "H-2", "H-3"], "kind": ["workstation", "terminal", "virtual"]})
OFFICES = pl.LazyFrame({"office": ["BER", "NYC"], "zone": ["Europe/Berlin", "America/New_York"]})
RIGHT = pl.LazyFrame(
    {"entitlement": ["E"], "metric": ["concurrent"], "quantity": [9], "valid_from": [None],
     "valid_to": [None], "consumption_order": [1]}
)  # fmt: skip
COVERS = pl.LazyFrame({"entitlement": ["E"], "application": ["cad"]})
NO_SEATS = pl.LazyFrame(
    schema={"entitlement": pl.String, "person": pl.String, "host": pl.String, "valid_from": pl.Date,
            "valid_to": pl.Date}
)  # fmt: skip


def findings(*rows: dict[str, Any], **says: Any) -> list[tuple[Any, ...]]:
    """Right, subject, words, first seen in minutes, evidence; each row is a session of ten minutes."""
    facts = [{name: fact for name, fact in row.items() if name != "version"} for row in rows]
    sessions = [session(n, (n, n + 10, "active"), **fact) for n, fact in enumerate(facts)]
    used = uses(stated(*sessions), described(*sessions), "run", at(0), at(600))
    versions = pl.LazyFrame(
        {"session": range(len(rows)), "version": [row.get("version") for row in rows]},
        schema={"session": pl.Int64, "version": pl.String},
    )
    found = outside_rights(
        consumption(used, RIGHT, COVERS, NO_SEATS),
        pl.LazyFrame([{"entitlement": "E"} | says], schema=SAYS),
        versions,
        PEOPLE,
        HOSTS,
        OFFICES,
    )
    minutes = (pl.col("first_seen") - at(0)).dt.total_minutes()
    return found.select("right", "subject", "what", minutes, "evidence").collect().rows()


def test_where_a_contract_says_nothing_or_nothing_is_known_there_is_no_finding() -> None:
    odd = {"person": "P-2", "host": "H-2", "device": "D-7", "office": "NYC", "version": "2031"}
    assert findings(odd, odd | {"device": "D-8"}) == []
    nobody = {"person": None, "host": "H-9", "office": None, "version": "beta"}
    says = {"version": "2025", "regions": ["EMEA"], "contractors": False, "second_device": False}
    assert findings(nobody, **says, affiliates=False, virtualization=False, earlier_versions=0) == []


def test_a_newer_version_and_one_too_old_are_findings() -> None:
    rows = [{"version": version} for version in ("2026.1", "2025.9", "2023", "2022.4", "2026.1")]
    assert findings(*rows, version="2025", earlier_versions=2) == [
        ("version", "P-1", "version 2022.4, more than 2 before 2025", 3, 1),
        ("version", "P-1", "version 2026.1, newer than 2025", 0, 2),
    ]
    assert findings(*rows[1:4], version="2025") == [], "any earlier version may be used"
    assert findings({"version": "25.4"}, version="25.3") == [
        ("version", "P-1", "version 25.4, newer than 25.3", 0, 1)
    ]


def test_use_in_another_region_is_a_finding() -> None:
    assert findings({"office": "NYC"}, {"office": "BER"}, regions=["EMEA", "APAC"]) == [
        ("region", "P-1", "used in AMER", 0, 1)
    ]


def test_contractors_and_affiliates_are_findings_where_they_are_excluded() -> None:
    rows = [{"person": name} for name in ("P-1", "P-2", "P-3")]
    assert findings(*rows, contractors=False, affiliates=False) == [
        ("affiliates", "P-3", "used by an affiliate", 2, 1),
        ("contractors", "P-2", "used by a contractor", 1, 1),
    ]
    assert findings(*rows, contractors=True, affiliates=True) == []


def test_devices_beyond_those_that_are_allowed_are_a_finding_from_the_first_of_them_on() -> None:
    rows = [{"device": name} for name in ("D-1", "D-2", "D-1", "D-3", "D-3")]
    assert findings(*rows[:3], second_device=True) == []
    assert findings(*rows, second_device=True) == [("second device", "P-1", "3 devices, 2 allowed", 3, 2)]
    assert findings(*rows, second_device=False) == [("second device", "P-1", "3 devices, 1 allowed", 1, 3)]


def test_virtual_machines_and_terminal_servers_are_findings_where_they_are_excluded() -> None:
    rows = [{"host": name} for name in ("H-1", "H-2", "H-3")]
    assert findings(*rows, virtualization=False) == [
        ("virtualization", "H-2", "used on a terminal host", 1, 1),
        ("virtualization", "H-3", "used on a virtual host", 2, 1),
    ]
    assert findings(*rows, virtualization=True) == []


@pytest.mark.parametrize(
    ("zone", "region"),
    [
        ("America/New_York", "AMER"),
        ("Europe/Berlin", "EMEA"),
        ("Asia/Tokyo", "APAC"),
        ("Asia/Dubai", "EMEA"),
        ("Pacific/Honolulu", "AMER"),
        ("UTC", None),
        (None, None),
    ],
)
def test_a_zone_is_of_a_sales_region(zone: str | None, region: str | None) -> None:
    assert region_of(zone) == region


def test_the_rights_are_these() -> None:
    assert RIGHTS == ("version", "region", "contractors", "affiliates", "second device", "virtualization")
