"""Dated master data: one thing of a scope at a time, and periods one after the other."""

from __future__ import annotations

from itertools import pairwise

from warehouse import schema
from warehouse.check.findings import Findings
from warehouse.check.snapshot import Snapshot
from warehouse.directory.storing import Stretch, overlapping

SCOPES = {
    "placement": ("person_id",),
    "assignment": ("entitlement_id", "person_id", "host_id"),
    "rate": ("person_id", "project_id", "office_id", "application_id", "currency"),
    "installation": ("host_id", "program", "version"),
    "project_member": ("project_id", "person_id"),
    "project_preset": ("person_id", "department_id", "office_id", "application_id"),
}
"""Tables of which no two rows of one scope may be valid on the same day, and what their scope is."""


def check(snapshot: Snapshot, findings: Findings) -> None:
    """Check all validities and the fiscal periods."""
    for name, table in schema.metadata.tables.items():
        if "valid_from_on" in table.c:
            _check_stretches(snapshot, name, SCOPES.get(name, ("id",)), findings)
    _check_periods(snapshot, findings)


def _check_stretches(snapshot: Snapshot, name: str, scope: tuple[str, ...], findings: Findings) -> None:
    # The names are those of schema.py.
    sql = f"SELECT id, valid_from_on, valid_to_on, {', '.join(scope)} FROM {name} ORDER BY id"  # noqa: S608
    stretches = [
        Stretch(tuple(own), first, last, int(number)) for number, first, last, *own in snapshot.rows(sql)
    ]
    for stretch in stretches:
        if stretch.last is not None and stretch.last < stretch.first:
            detail = f"is valid to {stretch.last}, before it begins on {stretch.first}"
            findings.add("validity", f"{name} {stretch.id}", detail)
    lasting = [each for each in stretches if each.last is None or each.last > each.first]
    for earlier, later in overlapping(lasting):
        detail = f"is valid from {later.first} beside {name} {earlier.id} of the same scope"
        findings.add("validity", f"{name} {later.id}", detail)


def _check_periods(snapshot: Snapshot, findings: Findings) -> None:
    periods = snapshot.rows("SELECT name, starts_on, ends_on FROM fiscal_period ORDER BY starts_on")
    for name, starts_on, ends_on in periods:
        if ends_on <= starts_on:
            findings.add("validity", f"period {name}", f"ends on {ends_on}, not after its start {starts_on}")
    for (name, _, ends_on), (following, starts_on, _) in pairwise(periods):
        if starts_on != ends_on:
            what = "leaves days out after" if starts_on > ends_on else "overlaps"
            detail = f"starts on {starts_on} and {what} period {name}, which ends on {ends_on}"
            findings.add("validity", f"period {following}", detail)
