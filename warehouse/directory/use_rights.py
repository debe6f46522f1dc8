"""What a contract allows, from the cells of a row: checked words, kept as the document of `entitlement`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.metrics.use_rights import REGIONS
from warehouse.tabular import CLEAR, Row

FLAGS = ("contractors", "affiliates", "second_device", "virtualization")
COLUMNS = ("version", "earlier_versions", "regions", "offices", *FLAGS)


def changed_rights(connection: Connection, row: Row, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of use rights after a row: an empty cell leaves what is stored, a dash removes it.

    Raises
    ------
    Problem
        A cell that says nothing that can be judged, with file, row and column.
    """
    given: dict[str, Any] = {
        "version": _version(row),
        "earlier_versions": row.whole("earlier_versions"),
        "regions": _regions(row),
        "offices": _offices(connection, row),
        **{name: CLEAR if row.text(name) == CLEAR else row.flag(name) for name in FLAGS},
    }
    kept = {name: value for name, value in stored.items() if given.get(name) is None}
    new = {name: value for name, value in given.items() if value is not None and value != CLEAR}
    return dict(sorted({**kept, **new}.items()))


def _version(row: Row) -> str | None:
    version = row.code("version")
    if version and version != CLEAR and not re.search(r"\d", version):
        raise row.problem("version", f"{version!r} has no number", "write it as 2026 or 25.3")
    return version


def _regions(row: Row) -> list[str] | str | None:
    if row.text("regions") == CLEAR:
        return CLEAR
    regions = [code.upper() for code in row.codes("regions")]
    for region in regions:
        if region not in REGIONS:
            raise row.problem("regions", f"unknown region {region!r}", f"write {', '.join(REGIONS)}")
    return regions or None


def _offices(connection: Connection, row: Row) -> list[str] | str | None:
    if row.text("offices") == CLEAR:
        return CLEAR
    codes = row.codes("offices")
    office = schema.office
    known = set(connection.scalars(sa.select(office.c.code).where(office.c.code.in_(codes))))
    for code in codes:
        if code not in known:
            remedy = "import it first: `process-meter directory import FILE`"
            raise row.problem("offices", f"unknown office {code!r}", remedy)
    return codes or None
