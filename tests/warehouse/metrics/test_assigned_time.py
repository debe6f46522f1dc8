"""What billable time is charged to, or why nothing takes it: nothing of it ever disappears."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from billing_cases import at, entry, evidence, frame, rate, session, tariff
from hypothesis import given
from hypothesis import strategies as st

from warehouse.metrics import tie_out
from warehouse.metrics.assigned_time import ASSIGNED, assigned_time
from warehouse.metrics.charges import Evidence, Tariff, Terms, charge
from warehouse.metrics.states import Policy, Rule
from warehouse.metrics.tariff import MEMBERS, PRESETS
from warehouse.projects import field_rules

POLICY = Policy(1, Rule(idle_timeout_ms=300_000))
OCTOBER = Terms(date(2026, 10, 1), date(2026, 11, 1))
MINUTE = 60_000
TARIFF = tariff(rate(1, 900_000))
HOUR = ("2026-10-05 09:00", "2026-10-05 10:00", "input")


def rows(found: pl.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return found.select(columns).rows()


def told(
    *sessions: Any, entries: Sequence[dict[str, Any]] = (), at_: Tariff = TARIFF, **terms: Any
) -> pl.DataFrame:
    """Return what the sessions come to in October."""
    seen = evidence(*sessions, entries=entries)
    if at_.fields:
        fields = [json.dumps(row.get("fields", {})) for row in entries]
        seen = replace(seen, entries=seen.entries.with_columns(fields=pl.Series(fields, dtype=pl.String)))
    return assigned_time(seen, at_, POLICY, replace(OCTOBER, **terms))


def test_time_goes_to_the_project_that_was_entered() -> None:
    found = told(session(1, HOUR), entries=[entry(7, 1, "B", "2026-10-05 09:00", phase="01")])
    assert found.schema == pl.Schema(ASSIGNED)
    assert found.rows() == [
        (1, date(2026, 10, 5), 1, "cad", "BER", at("2026-10-05 09:00"), at("2026-10-05 10:00"), 3_600_000, 7,
         "B", "01", None, "entered", True, None, None),
    ]  # fmt: skip


def test_time_without_a_project_is_told_and_kept() -> None:
    found = told(session(1, HOUR), entries=[entry(7, 1, "A", "2026-10-05 09:20")])
    assert rows(found, "start", "milliseconds", "project", "source", "fault", "reason") == [
        (at("2026-10-05 09:00"), 20 * MINUTE, None, None, "unassigned", "no project was set"),
        (at("2026-10-05 09:20"), 40 * MINUTE, "A", "entered", None, None),
    ]


def test_a_project_that_closes_in_mid_session_takes_the_time_before() -> None:
    closing = replace(
        TARIFF,
        projects=TARIFF.projects.with_columns(
            closed_on=pl.when(pl.col("project") == "A").then(date(2026, 10, 6)).otherwise("closed_on")
        ),
    )
    night = session(1, ("2026-10-05 21:30", "2026-10-05 22:30", "input"))  # midnight in Berlin at 22:00 UTC
    found = told(night, entries=[entry(7, 1, "A", "2026-10-05 21:30")], at_=closing)
    assert rows(found, "day", "milliseconds", "project", "fault", "reason") == [
        (date(2026, 10, 5), 30 * MINUTE, "A", None, None),
        (date(2026, 10, 6), 30 * MINUTE, "A", "closed_project", "project A is closed from 2026-10-06"),
    ]


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        ({"project": "nope"}, "project nope is not in the project master"),
        ({"project": "B", "phase": "99"}, "phase 99 is not a phase of project B"),
        ({"project": "=1+1"}, "project =1+1 is not in the project master"),
        ({"project": "\u202egnp"}, r"project \u202egnp is not in the project master"),
        ({"project": "9" * 40_000}, f"project {'9' * 60}… is not in the project master"),
    ],
)
def test_an_unknown_code_is_told_by_its_number(codes: dict[str, str], reason: str) -> None:
    given_ = entry(7, 1, codes["project"], "2026-10-05 09:00", phase=codes.get("phase"))
    found = told(session(1, HOUR), entries=[given_])
    assert rows(found, "milliseconds", "fault", "reason") == [(60 * MINUTE, "invalid_project", reason)]


def test_whoever_is_no_member_is_told_so() -> None:
    listed = replace(TARIFF, members=frame(dict(MEMBERS), [
        {"project": "A", "person_id": 2, "valid_from": date(2026, 1, 1)}]))  # fmt: skip
    found = told(
        session(1, HOUR, person=1), session(2, HOUR, person=2), at_=listed,
        entries=[entry(1, 1, "A", "2026-10-05 09:00"), entry(2, 2, "A", "2026-10-05 09:00")],
    )  # fmt: skip
    assert rows(found, "session", "fault") == [(1, "not_a_member"), (2, None)]


FIELDED = replace(
    TARIFF, fields=field_rules({"project_fields": [{"name": "order", "label": "Order", "required": True}]})
)


def test_a_required_field_that_is_missing_is_told_and_keeps_time_from_being_billed() -> None:
    entries = [
        entry(1, 1, "A", "2026-10-05 09:00"),
        entry(2, 1, "A", "2026-10-05 09:30") | {"fields": {"order": "7"}},
        entry(3, 2, "LEAVE", "2026-10-06 09:00"),
        entry(4, 3, "nope", "2026-10-07 09:00"),
    ]
    seen = [
        session(1, HOUR),
        session(2, ("2026-10-06 09:00", "2026-10-06 10:00", "input")),
        session(3, ("2026-10-07 09:00", "2026-10-07 10:00", "input")),
    ]
    found = told(*seen, entries=entries, at_=FIELDED)
    assert rows(found, "entry", "milliseconds", "chargeable", "fault", "reason") == [
        (1, 30 * MINUTE, False, "invalid_field", "the field Order is missing (project A)"),
        (2, 30 * MINUTE, True, None, None),
        (3, 60 * MINUTE, False, None, None),
        (4, 60 * MINUTE, False, "invalid_project", "project nope is not in the project master"),
    ]
    fields = [json.dumps(row.get("fields", {})) for row in entries]
    evident = evidence(*seen, entries=entries)
    evident = replace(evident, entries=evident.entries.with_columns(fields=pl.Series(fields)))
    charged = charge(evident, FIELDED, POLICY, OCTOBER)
    assert rows(charged.unbilled, "kind", "session", "milliseconds") == [
        ("invalid_field", 1, 30 * MINUTE),
        ("invalid_project", 3, 60 * MINUTE),
    ]
    assert charged.not_assigned_ms["invalid_field"] == 30 * MINUTE


def test_nobodys_time_is_told() -> None:
    found = told(session(1, HOUR, person=None), entries=[entry(7, 1, "A", "2026-10-05 09:00")])
    assert rows(found, "session", "person_id", "milliseconds", "fault", "reason") == [
        (1, None, 60 * MINUTE, "unknown_person", "the account belongs to no person of the directory")
    ]


def test_presets_and_cost_centers_take_time_that_nobody_entered() -> None:
    preset = {"preset": 4, "application": "cad", "project": "A", "valid_from": date(2026, 1, 1)}
    given_ = replace(TARIFF, presets=frame(dict(PRESETS), [preset]))
    found = told(session(1, HOUR), entries=[entry(7, 1, "B", "2026-10-05 09:45")], at_=given_)
    assert rows(found, "milliseconds", "project", "source", "fault") == [
        (45 * MINUTE, "A", "preset", None),
        (15 * MINUTE, "B", "entered", None),
    ]
    center = told(session(1, HOUR), entries=[entry(7, 1, "B", "2026-10-05 09:45")], charge_to="cost_center")
    assert center["source"].to_list() == ["cost_center"] * 2
    assert center["fault"].to_list() == ["no_account"] * 2


# --- Nothing disappears ------------------------------------------------------------------------------------

START = datetime(2026, 10, 5, 8, tzinfo=UTC)
MOMENTS = st.integers(0, 300).map(lambda minutes: START + timedelta(minutes=minutes))


@st.composite
def used(draw: st.DrawFn) -> Evidence:
    """Draw sessions of three people, one of them unknown, and whatever they entered."""
    sessions, entries = [], []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        start = draw(MOMENTS)
        stretches = []
        for attention in draw(
            st.lists(st.sampled_from(["input", "no_input", "locked"]), min_size=1, max_size=3)
        ):
            end = start + timedelta(minutes=draw(st.integers(1, 90)))
            stretches.append((f"{start:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}", attention))
            start = end
        sessions.append(session(number, *stretches, person=draw(st.sampled_from([1, 2, None]))))
        for _ in range(draw(st.integers(0, 3))):
            project = draw(st.sampled_from(["A", "B", "CLOSED", "LEAVE", "nope"]))
            start, length = draw(MOMENTS), draw(st.none() | st.integers(1, 100))
            until = f"{start + timedelta(minutes=length):%Y-%m-%d %H:%M}" if length else None
            entries.append(entry(len(entries) + 1, number, project, f"{start:%Y-%m-%d %H:%M}", until))
    return evidence(*sessions, entries=entries)


@given(used(), st.sampled_from(["union", "full", "foreground", "equal_split"]))
def test_the_hours_to_correct_and_those_assigned_are_all_billable_hours(seen: Evidence, overlap: str) -> None:
    terms = replace(OCTOBER, overlap=overlap)
    found = assigned_time(seen, TARIFF, POLICY, terms)
    charged = charge(seen, TARIFF, POLICY, terms)
    lines = charged.lines.filter(pl.col("kind") == "usage")
    on_lines = int(lines.select(pl.sum_horizontal("active_ms", "pause_ms", "buffer_ms").sum()).item())
    to_correct, assigned = (
        found.filter(pl.col("fault").is_not_null()),
        found.filter(pl.col("fault").is_null()),
    )
    assert int(found["milliseconds"].sum()) == on_lines + int(charged.unbilled["milliseconds"].sum())
    assert int(assigned["milliseconds"].sum()) == on_lines + tie_out.of_kind_ms(charged.unbilled, "no_rate")
    queue = to_correct.group_by("fault", "session", "reason").agg(pl.col("milliseconds").sum())
    told_ = charged.unbilled.filter(pl.col("kind").is_in(tie_out.NOT_ASSIGNED))
    assert sorted(queue.rows()) == sorted(
        told_.select("kind", "session", pl.col("detail").alias("reason"), "milliseconds").rows()
    )
