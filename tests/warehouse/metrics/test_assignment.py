"""Who pays for time: the entered project, a preset, or the person's cost center."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import pytest
from billing_cases import PROJECT, entry, evidence, frame, rate, session, tariff
from rating_cases import HOUR, MINUTE, rated, rows, use

from warehouse.errors import Problem
from warehouse.metrics.charges import Terms, charge
from warehouse.metrics.states import Policy
from warehouse.metrics.tariff import MEMBERS, PRESETS, Tariff

SINCE = date(2026, 1, 1)
CENTER = {
    "project": "CC-1",
    "cost_center": "CC-1",
    "kind": "cost_center",
    "currency": "EUR",
    "chargeable": True,
}


def preset(number: int, project: str | None, **more: Any) -> dict[str, Any]:
    """State a preset. More: person_id, department, office, application, phase, valid_from, valid_to."""
    return {"preset": number, "project": project, "valid_from": SINCE, **more}


def paying(*presets: dict[str, Any], members: list[tuple[Any, ...]] | None = None) -> Tariff:
    """The tariff of `billing_cases` at 12.00 an hour, with the account of cost center CC-1."""
    prices = tariff(rate(1, 120_000))
    listed = [
        dict(zip(("project", "person_id", "valid_from", "valid_to"), row, strict=True))
        for row in members or []
    ]
    return replace(
        prices,
        projects=pl.concat([prices.projects, frame(PROJECT, [CENTER])]),
        presets=frame(dict(PRESETS), presets),
        members=frame(dict(MEMBERS), listed),
    )


NO_ACCOUNT = (
    "cost center CC-9 has no account; import a project of kind cost_center with this number: "
    "`process-meter project import FILE`"
)
NO_CENTER = (
    "the person belongs to no cost center on 2026-10-06; import where: `process-meter directory import FILE`"
)


# --- Presets -----------------------------------------------------------------------------------------------

EVERYBODY = preset(1, "A")
SPECIAL = [
    EVERYBODY,
    preset(2, "B", application="cad"),
    preset(3, "A", office="BER"),
    preset(4, "B", department="ENG"),
    preset(5, "A", person_id=1),
]


@pytest.mark.parametrize(("known", "project"), [(1, "A"), (2, "B"), (3, "A"), (4, "B"), (5, "A")])
def test_the_most_special_preset_takes_time_that_has_no_project(known: int, project: str) -> None:
    found = rated(use(5, 60, None, department="ENG"), at=paying(*SPECIAL[:known]))
    assert rows(found, "project", "amount_minor") == [(project, 1200)]


def test_a_department_outweighs_office_and_application_together() -> None:
    both = preset(2, "B", office="BER", application="cad")
    found = rated(use(5, 60, None, department="ENG"), at=paying(preset(1, "A", department="ENG"), both))
    assert rows(found, "project") == [("A",)]


def test_a_preset_never_takes_time_that_has_a_project_right_or_wrong() -> None:
    found = rated(use(5, 60, "B"), use(5, 60, "nope"), at=paying(EVERYBODY))
    assert rows(found, "project") == [("B",)]
    assert found.unbilled["kind"].to_list() == ["invalid_project"]


def test_a_preset_holds_on_its_days_alone() -> None:
    brief = preset(1, "A", valid_from=date(2026, 10, 6), valid_to=date(2026, 10, 7))
    found = rated(use(5, 60, None), use(6, 60, None), use(7, 60, None), at=paying(brief))
    assert rows(found, "day") == [(date(2026, 10, 6),)]
    assert found.unbilled.rows() == [
        ("unassigned", 1, HOUR, "no project was set"),
        ("unassigned", 3, HOUR, "no project was set"),
    ]


def test_entered_and_preset_time_of_one_project_make_one_line() -> None:
    told = [use(5, 20, "A", session=7), use(5, 40, None, session=7)]
    found = rated(*told, at=paying(EVERYBODY))
    assert rows(found, "active_ms", "session_count") == [(HOUR, 1)]
    assert found.shares.rows() == [(1, 7, HOUR, 0, 0)]


def test_a_preset_names_phase_and_task_and_is_judged_like_an_entry() -> None:
    good = rated(use(5, 60, None), at=paying(preset(1, "B", phase="01", task="X")))
    assert rows(good, "project", "phase", "task") == [("B", "01", "X")]
    closed = rated(use(5, 60, None), at=paying(preset(1, "CLOSED")))
    assert closed.unbilled["kind"].to_list() == ["closed_project"]


def test_what_presets_assigned_is_told_by_preset_and_project() -> None:
    found = rated(use(5, 60, None), use(6, 30, None), use(7, 60), at=paying(preset(4, "B")))
    assert found.notices.rows() == [
        ("preset", None, 90 * MINUTE, "preset 4 assigned time that had no project to B")
    ]


def test_two_presets_of_one_scope_are_refused() -> None:
    twice = paying(preset(1, "A", office="BER"), preset(2, "B", office="BER"))
    with pytest.raises(Problem, match="presets 1 and 2 are both valid on 2026-10-05 for the same scope"):
        rated(use(5, 60, None), at=twice)


# --- Cost centers ------------------------------------------------------------------------------------------


def test_a_preset_without_a_target_charges_the_cost_center_of_the_person() -> None:
    found = rated(use(5, 60, None, cost_center="CC-1"), at=paying(preset(1, None)))
    assert rows(found, "project", "phase", "amount_minor") == [("CC-1", None, 1200)]


def test_a_cost_center_without_an_account_is_named_with_the_remedy() -> None:
    found = rated(
        use(5, 60, None, cost_center="CC-9"), use(6, 60, None), use(7, 60, "A"), at=paying(preset(1, None))
    )
    assert rows(found, "project") == [("A",)]
    assert found.unbilled.rows() == [
        (
            "no_account", 1, HOUR,
            NO_ACCOUNT,
        ),
        (
            "no_account", 2, HOUR,
            NO_CENTER,
        ),
    ]  # fmt: skip


def test_chargeback_charges_all_time_to_cost_centers_whatever_its_project() -> None:
    uses = [
        use(5, 60, project, phase="01" if project == "B" else None, cost_center="CC-1")
        for project in ("A", "B", "LEAVE", "nope", None)
    ]
    found = rated(*uses, at=paying(EVERYBODY), charge_to="cost_center")
    assert rows(found, "project", "phase", "quantity", "session_count") == [("CC-1", None, 5000, 5)]


def test_an_unknown_way_to_charge_is_refused() -> None:
    with pytest.raises(Problem, match=r"nothing charges to 'client'; use one of project, cost_center"):
        rated(use(5, 60), at=paying(), charge_to="client")


def test_time_goes_to_the_cost_center_of_the_person_at_the_time_of_use() -> None:
    # From the 6th on the person belongs to CC-2, which has no account.
    placements = [
        {"person_id": 1, "office": "BER", "zone": "Europe/Berlin", "cost_center": center, "valid_from": day}
        for center, day in (("CC-1", SINCE), ("CC-2", date(2026, 10, 6)))
    ]
    night = session(1, ("2026-10-05 21:00", "2026-10-05 23:00", "input"), cost_center="CC-1")
    terms = Terms(date(2026, 10, 1), date(2026, 11, 1), charge_to="cost_center")
    seen = evidence(night, placements=placements, entries=[entry(1, 1, "A", "2026-10-05 21:00")])
    charges = charge(seen, paying(), Policy(), terms)
    assert charges.lines.select("project", "active_ms").rows() == [("CC-1", HOUR)]
    assert charges.unbilled.select("kind", "milliseconds").rows() == [("no_account", HOUR)]
    assert charges.not_assigned_ms["no_account"] == HOUR


# --- Members -----------------------------------------------------------------------------------------------


def test_who_is_no_member_on_that_day_may_not_charge_to_a_project() -> None:
    listed = [("A", 1, date(2026, 10, 6), date(2026, 10, 7)), ("A", 2, SINCE, None)]
    found = rated(
        use(5, 60), use(6, 60), use(7, 60), use(5, 60, person_id=2), use(5, 60, person_id=3), use(5, 60, "B"),
        at=paying(members=listed),
    )  # fmt: skip
    assert rows(found, "project", "day", "person_id") == [
        ("A", date(2026, 10, 5), 2),
        ("A", date(2026, 10, 6), 1),
        ("B", date(2026, 10, 5), 1),
    ]
    reason = "the person is not a member of project A on that day"
    assert found.unbilled.rows() == [("not_a_member", number, HOUR, reason) for number in (1, 3, 5)]
