from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl
import pytest
from billing_cases import at, entry, evidence, rate, session, tariff

from warehouse.errors import Problem
from warehouse.metrics import tie_out
from warehouse.metrics.charges import Charges, Terms, charge, with_buffer
from warehouse.metrics.states import Policy, Rule

OCTOBER = Terms(date(2026, 10, 1), date(2026, 11, 1))
MINUTE = 60_000


def policy(buffer_seconds: int = 0, **rule: Any) -> Policy:
    return Policy(1, Rule(idle_timeout_ms=300_000, buffer_ms=buffer_seconds * 1000, **rule))


# The worked example of the semantics: input until 09:10, a 200 s gap, input until 09:20, then nothing.
WORKED = session(
    1,
    ("2026-10-05 09:00", "2026-10-05 09:10", "input"),
    ("2026-10-05 09:10", "2026-10-05 09:13:20", "no_input"),
    ("2026-10-05 09:13:20", "2026-10-05 09:20", "input"),
    ("2026-10-05 09:20", "2026-10-05 09:30", "no_input"),
)
ON_A = entry(1, 1, "A", "2026-10-05 09:00")
RATE_90 = rate(7, 900_000)


def line(charges: Charges, *columns: str) -> list[tuple[Any, ...]]:
    return charges.lines.select(columns).rows()


def test_buffer_0_bills_short_pauses_whole_and_long_gaps_not_at_all() -> None:
    charges = charge(evidence(WORKED, entries=[ON_A]), tariff(RATE_90), policy(), OCTOBER)
    # 16:40 active and 3:20 pause are 20 minutes: 0.333 h at 90.00 EUR.
    assert charges.lines.to_dicts() == [
        {
            "line": 1, "kind": "usage", "day": date(2026, 10, 5), "person_id": 1, "application": "cad",
            "office": "BER", "project": "A", "phase": None, "task": None, "rate_id": 7, "billable": True,
            "active_ms": 1_000_000, "pause_ms": 200_000, "buffer_ms": 0, "quantity": 333,
            "rate_scaled": 900_000, "currency": "EUR", "amount_minor": 2997, "tax_code": "V19",
            "session_count": 1, "unit": "hour", "rate_currency": None, "conversion_scaled": None,
            "cost_minor": None, "note": None,
        }
    ]  # fmt: skip
    assert charges.shares.rows() == [(1, 1, 1_000_000, 200_000, 0)]
    assert charges.tie_out_ms == {
        "run": 30 * MINUTE, "idle_beyond_buffer": 10 * MINUTE, "overlap": 0, "held": 0, "non_chargeable": 0,
        "not_assigned": 0, "without_rate": 0, "rounding": 333 * 3600 - 20 * MINUTE, "billed": 333 * 3600,
    }  # fmt: skip


def test_buffer_t_is_the_clock_that_runs_for_t_after_the_last_input_and_stops() -> None:
    charges = charge(evidence(WORKED, entries=[ON_A]), tariff(RATE_90), policy(300), OCTOBER)
    assert line(charges, "active_ms", "pause_ms", "buffer_ms", "quantity", "amount_minor") == [
        (1_000_000, 200_000, 300_000, 417, 3753)
    ]
    assert charges.tie_out_ms["idle_beyond_buffer"] == 5 * MINUTE
    assert with_buffer(policy(), is_whole_timeout=True) == policy(300)
    assert with_buffer(policy(300), is_whole_timeout=False) == policy(0)


def test_the_buffer_never_bills_locked_time_and_does_not_wait_for_it() -> None:
    # Last input 09:10; locked from 09:11 to 09:13; unlocked, untouched until 09:20.
    lunch = session(
        1,
        ("2026-10-05 09:00", "2026-10-05 09:10", "input"),
        ("2026-10-05 09:10", "2026-10-05 09:11", "no_input"),
        ("2026-10-05 09:11", "2026-10-05 09:13", "locked"),
        ("2026-10-05 09:13", "2026-10-05 09:20", "no_input"),
    )
    charges = charge(evidence(lunch, entries=[ON_A]), tariff(RATE_90), policy(300), OCTOBER)
    assert line(charges, "active_ms", "pause_ms", "buffer_ms") == [(10 * MINUTE, 0, 3 * MINUTE)]


def test_held_suspended_and_unknown_time_is_never_billed() -> None:
    mixed = session(
        1,
        ("2026-10-05 09:00", "2026-10-05 09:10", "held"),
        ("2026-10-05 09:10", "2026-10-05 09:20", "suspended"),
        ("2026-10-05 09:20", "2026-10-05 09:30", "unobserved"),
        ("2026-10-05 09:30", "2026-10-05 09:36", "input"),
    )
    charges = charge(evidence(mixed, entries=[ON_A]), tariff(RATE_90), policy(300), OCTOBER)
    assert line(charges, "active_ms", "pause_ms", "buffer_ms") == [(6 * MINUTE, 0, 0)]
    assert charges.tie_out_ms["run"] == 16 * MINUTE
    assert charges.tie_out_ms["held"] == 10 * MINUTE
    assert charges.outside_ms == {"suspended": 10 * MINUTE, "unknown": 10 * MINUTE, "provisional": 0}
    upper = Terms(date(2026, 10, 1), date(2026, 11, 1), is_unknown_busy=True)
    bound = charge(evidence(mixed, entries=[ON_A]), tariff(RATE_90), policy(300), upper)
    assert line(bound, "active_ms", "pause_ms", "buffer_ms") == [(6 * MINUTE, 10 * MINUTE, 0)]


def test_held_time_is_billed_where_the_policy_says_that_it_is_use() -> None:
    job = session(1, ("2026-10-05 09:00", "2026-10-05 09:30", "held"))
    solver = policy(held_is_active=True)
    charges = charge(evidence(job, entries=[ON_A], policy=solver), tariff(RATE_90), solver, OCTOBER)
    assert line(charges, "active_ms", "quantity", "amount_minor") == [(30 * MINUTE, 500, 4500)]


def test_midnight_of_the_home_office_divides_a_session_into_two_days() -> None:
    # 23:30 to 00:15 in Berlin (UTC+2): half an hour of the 5th, a quarter of the 6th.
    late = session(1, ("2026-10-05 21:30", "2026-10-05 22:15", "input"))
    on_a = entry(1, 1, "A", "2026-10-05 21:30")
    charges = charge(evidence(late, entries=[on_a]), tariff(RATE_90), policy(), OCTOBER)
    assert line(charges, "day", "quantity", "amount_minor") == [
        (date(2026, 10, 5), 500, 4500),
        (date(2026, 10, 6), 250, 2250),
    ]


def test_the_day_on_which_clocks_go_back_has_25_hours() -> None:
    # 2026-10-25 in Berlin begins at 22:00 and ends at 23:00 UTC.
    long = session(1, ("2026-10-24 21:45", "2026-10-25 23:15", "input"))
    on_a = entry(1, 1, "A", "2026-10-24 21:45")
    charges = charge(evidence(long, entries=[on_a]), tariff(RATE_90), policy(), OCTOBER)
    assert line(charges, "day", "quantity") == [
        (date(2026, 10, 24), 250),
        (date(2026, 10, 25), 25_000),
        (date(2026, 10, 26), 250),
    ]


def test_a_period_takes_the_local_days_of_each_home_office() -> None:
    # The same three hours around the end of October in UTC; in New York it is still October.
    hours = ("2026-10-31 22:00", "2026-11-01 01:00", "input")
    berlin = session(1, hours, person=1)
    york = session(2, hours, person=2, office="NYC", zone="America/New_York")
    entries = [entry(1, 1, "A", "2026-10-31 22:00"), entry(2, 2, "A", "2026-10-31 22:00")]
    charges = charge(evidence(berlin, york, entries=entries), tariff(RATE_90), policy(), OCTOBER)
    assert line(charges, "person_id", "day", "quantity") == [
        (1, date(2026, 10, 31), 1000),
        (2, date(2026, 10, 31), 3000),
    ]
    assert charges.tie_out_ms["run"] == 4 * 60 * MINUTE


def test_a_person_who_moves_while_a_session_is_open_is_charged_to_the_new_office_from_that_day() -> None:
    # In London it is 23:00 when it is midnight in Berlin: the move takes effect at London's midnight.
    stay = session(1, ("2026-10-14 20:00", "2026-10-14 23:30", "input"))
    placements = [
        {"person_id": 1, "office": "BER", "zone": "Europe/Berlin", "valid_from": date(2026, 1, 1)},
        {"person_id": 1, "office": "LON", "zone": "Europe/London", "valid_from": date(2026, 10, 15)},
    ]
    seen = evidence(stay, entries=[entry(1, 1, "A", "2026-10-14 20:00")], placements=placements)
    charges = charge(seen, tariff(RATE_90), policy(), OCTOBER)
    assert line(charges, "day", "office", "quantity") == [
        (date(2026, 10, 14), "BER", 2000),
        (date(2026, 10, 15), "BER", 1000),
        (date(2026, 10, 15), "LON", 500),
    ]


def test_states_are_decided_on_whole_gaps_that_reach_beyond_the_period() -> None:
    # A gap of 6 minutes around the local end of September: idle whole, though each side is under T.
    late = session(
        1,
        ("2026-09-30 21:50", "2026-09-30 21:57", "input"),
        ("2026-09-30 21:57", "2026-09-30 22:03", "no_input"),
        ("2026-09-30 22:03", "2026-09-30 22:10", "input"),
    )
    on_a = entry(1, 1, "A", "2026-09-30 21:50")
    charges = charge(evidence(late, entries=[on_a]), tariff(RATE_90), policy(240), OCTOBER)
    # The first four minutes of the gap are billed, and one of them falls into October.
    assert line(charges, "day", "active_ms", "pause_ms", "buffer_ms") == [
        (date(2026, 10, 1), 7 * MINUTE, 0, 1 * MINUTE)
    ]


# --- Overlap -----------------------------------------------------------------------------------------------


def overlapping() -> Any:
    """Two sessions of one person in one program: 09:00-10:00 and 09:30-10:30, each on its own project."""
    first = session(1, ("2026-10-05 09:00", "2026-10-05 10:00", "input"))
    second = session(
        2,
        ("2026-10-05 09:30", "2026-10-05 09:33", "background"),
        ("2026-10-05 09:33", "2026-10-05 10:30", "input"),
    )
    entries = [entry(1, 1, "A", "2026-10-05 09:00"), entry(2, 2, "B", "2026-10-05 09:30")]
    return evidence(first, second, entries=entries)


def test_in_union_active_beats_pause_and_then_the_latest_last_input_wins() -> None:
    charges = charge(overlapping(), tariff(RATE_90), policy(), OCTOBER)
    # 09:30-09:33: A is active, B pauses. 09:33-09:45: both are active, B had its input later (09:33, not
    # 09:30). 09:45-10:00: both had it at 09:45, so the lower session id decides.
    assert line(charges, "project", "active_ms", "pause_ms") == [
        ("A", (33 + 15) * MINUTE, 0),
        ("B", (12 + 30) * MINUTE, 0),
    ]
    assert charges.tie_out_ms["overlap"] == 30 * MINUTE
    assert charges.tie_out_ms["run"] == 120 * MINUTE


def test_full_bills_each_session() -> None:
    terms = Terms(date(2026, 10, 1), date(2026, 11, 1), overlap="full")
    charges = charge(overlapping(), tariff(RATE_90), policy(), terms)
    assert line(charges, "project", "active_ms", "pause_ms") == [
        ("A", 60 * MINUTE, 0),
        ("B", 57 * MINUTE, 3 * MINUTE),
    ]
    assert charges.tie_out_ms["overlap"] == 0


def test_foreground_bills_only_the_focused_application_of_a_person() -> None:
    terms = Terms(date(2026, 10, 1), date(2026, 11, 1), overlap="foreground")
    behind = session(3, ("2026-10-05 09:00", "2026-10-05 09:04", "background"), application="fem")
    front = session(1, ("2026-10-05 09:00", "2026-10-05 09:30", "input"))
    entries = [entry(1, 1, "A", "2026-10-05 09:00"), entry(2, 3, "B", "2026-10-05 09:00")]
    charges = charge(evidence(front, behind, entries=entries), tariff(RATE_90), policy(), terms)
    assert line(charges, "project", "active_ms", "pause_ms") == [("A", 30 * MINUTE, 0)]
    assert charges.tie_out_ms["overlap"] == 4 * MINUTE
    union = charge(evidence(front, behind, entries=entries), tariff(RATE_90), policy(), OCTOBER)
    assert line(union, "project", "active_ms", "pause_ms") == [
        ("A", 30 * MINUTE, 0),
        ("B", 0, 4 * MINUTE),
    ]


def test_equal_split_divides_each_moment_to_the_millisecond() -> None:
    terms = Terms(date(2026, 10, 1), date(2026, 11, 1), overlap="equal_split")
    sessions = [
        session(number, ("2026-10-05 09:00", "2026-10-05 09:00:00.100", "input")) for number in (1, 2, 3)
    ]
    entries = [entry(number, number, "A", "2026-10-05 09:00") for number in (1, 2, 3)]
    charges = charge(evidence(*sessions, entries=entries), tariff(RATE_90), policy(), terms)
    assert charges.shares.rows() == [(1, 1, 34, 0, 0), (1, 2, 33, 0, 0), (1, 3, 33, 0, 0)]
    assert charges.tie_out_ms["overlap"] == 200


def test_an_unknown_overlap_policy_is_refused() -> None:
    terms = Terms(date(2026, 10, 1), date(2026, 11, 1), overlap="fair")
    with pytest.raises(Problem, match=r"unknown overlap policy 'fair'; use one of union, full"):
        charge(overlapping(), tariff(RATE_90), policy(), terms)


def test_an_account_of_nobody_never_merges_and_is_never_billed() -> None:
    pair = [
        session(number, ("2026-10-05 09:00", "2026-10-05 09:30", "input"), person=None) for number in (1, 2)
    ]
    charges = charge(evidence(*pair, entries=[ON_A]), tariff(RATE_90), policy(), OCTOBER)
    assert charges.lines.is_empty()
    assert charges.unbilled.select("kind", "session", "milliseconds").rows() == [
        ("unknown_person", 1, 30 * MINUTE),
        ("unknown_person", 2, 30 * MINUTE),
    ]
    assert charges.tie_out_ms["not_assigned"] == 60 * MINUTE


# --- Projects ----------------------------------------------------------------------------------------------


def test_each_millisecond_goes_to_the_project_in_force_at_it() -> None:
    entries = [
        entry(1, 1, "A", "2026-10-05 09:00"),
        entry(2, 1, "B", "2026-10-05 09:10:00.001", phase="01", task="X"),
    ]
    hour = session(1, ("2026-10-05 09:00", "2026-10-05 10:00", "input"))
    charges = charge(evidence(hour, entries=entries), tariff(RATE_90), policy(), OCTOBER)
    assert line(charges, "project", "phase", "task", "active_ms") == [
        ("A", None, None, 600_001),
        ("B", "01", "X", 2_999_999),
    ]


def test_a_later_entry_outranks_an_earlier_one_and_leaves_the_rest_of_it() -> None:
    entries = [
        entry(1, 1, "A", "2026-10-05 09:00"),
        entry(5, 1, "B", "2026-10-05 09:20", "2026-10-05 09:30"),
        entry(3, 1, "LEAVE", "2026-10-05 09:25", "2026-10-05 09:40"),
    ]
    hour = session(1, ("2026-10-05 09:00", "2026-10-05 10:00", "input"))
    charges = charge(evidence(hour, entries=entries), tariff(RATE_90), policy(), OCTOBER)
    assert line(charges, "project", "billable", "active_ms") == [
        ("A", True, 40 * MINUTE),
        ("B", True, 10 * MINUTE),
        ("LEAVE", False, 10 * MINUTE),
    ]


def instances(*rows: tuple[str, str, str, int | None]) -> Any:
    """One session as stretches of one instance each."""
    facts, segments = session(1, *(row[:3] for row in rows))
    for segment in segments:
        segment["instance"] = next(row[3] for row in rows if at(row[0]) <= segment["start"] < at(row[1]))
    return facts, segments


def test_time_goes_to_the_instance_with_the_focus_and_then_to_the_one_last_active() -> None:
    both = instances(
        ("2026-10-05 09:00", "2026-10-05 09:02", "background", None),
        ("2026-10-05 09:02", "2026-10-05 09:10", "input", 11),
        ("2026-10-05 09:10", "2026-10-05 09:15", "input", 22),
        ("2026-10-05 09:15", "2026-10-05 09:18", "background", None),
    )
    entries = [
        entry(1, 1, "A", "2026-10-05 09:00", instance=11),
        entry(2, 1, "B", "2026-10-05 09:00", instance=22),
    ]
    charges = charge(evidence(both, entries=entries), tariff(RATE_90), policy(), OCTOBER)
    # Before anything had the focus, the higher entry counts; afterwards the last focused instance's.
    assert line(charges, "project", "active_ms", "pause_ms") == [
        ("A", 8 * MINUTE, 0),
        ("B", 5 * MINUTE, (2 + 3) * MINUTE),
    ]


def test_time_without_a_project_stays_visible() -> None:
    hour = session(1, ("2026-10-05 09:00", "2026-10-05 10:00", "input"))
    entries = [
        entry(1, 1, "CLOSED", "2026-10-05 09:10"),
        entry(2, 1, "nope", "2026-10-05 09:30"),
        entry(3, 1, "A", "2026-10-05 09:45"),
    ]
    charges = charge(evidence(hour, entries=entries), tariff(RATE_90), policy(), OCTOBER)
    assert charges.unbilled.rows() == [
        ("closed_project", 1, 20 * MINUTE, "project CLOSED is closed from 2026-10-01"),
        ("invalid_project", 1, 15 * MINUTE, "project nope is not in the project master"),
        ("unassigned", 1, 10 * MINUTE, "no project was set"),
    ]
    assert charges.not_assigned_ms == {
        "unknown_person": 0,
        "unassigned": 10 * MINUTE,
        "invalid_project": 15 * MINUTE,
        "closed_project": 20 * MINUTE,
        "not_a_member": 0,
        "invalid_field": 0,
        "no_account": 0,
    }
    assert charges.tie_out_ms["billed"] == 15 * MINUTE


def test_non_chargeable_time_is_a_line_without_rate_or_amount() -> None:
    hour = session(1, ("2026-10-05 09:00", "2026-10-05 10:00", "input"))
    on_leave = entry(1, 1, "LEAVE", "2026-10-05 09:00")
    charges = charge(evidence(hour, entries=[on_leave]), tariff(RATE_90), policy(), OCTOBER)
    assert line(charges, "billable", "rate_id", "rate_scaled", "quantity", "amount_minor") == [
        (False, None, 0, 1000, 0)
    ]
    assert charges.tie_out_ms["non_chargeable"] == 60 * MINUTE
    assert charges.tie_out_ms["billed"] == 0


# --- Rates -------------------------------------------------------------------------------------------------

PRECEDENCE = [
    rate(1, 10_000),
    rate(2, 20_000, application="cad"),
    rate(3, 30_000, application="cad", office="BER"),
    rate(4, 40_000, application="cad", project="A"),
    rate(5, 50_000, person_id=1, project="A"),
]


@pytest.mark.parametrize("known", [1, 2, 3, 4, 5])
def test_the_most_special_rate_wins(known: int) -> None:
    charges = charge(evidence(WORKED, entries=[ON_A]), tariff(*PRECEDENCE[:known]), policy(), OCTOBER)
    assert line(charges, "rate_id") == [(known,)]


def test_rates_for_others_do_not_fit() -> None:
    others = [
        rate(1, 10_000, application="fem"), rate(2, 10_000, office="LON"), rate(3, 10_000, person_id=2),
        rate(4, 10_000, project="B"),
        rate(6, 10_000, valid_from=date(2026, 10, 6)), rate(7, 10_000, valid_to=date(2026, 10, 5)),
    ]  # fmt: skip
    charges = charge(evidence(WORKED, entries=[ON_A]), tariff(*others), policy(), OCTOBER)
    assert charges.lines.is_empty()
    assert charges.unbilled.rows() == [("no_rate", 1, 20 * MINUTE, "no rate in EUR for cad on project A")]
    assert charges.tie_out_ms["without_rate"] == 20 * MINUTE
    assert charge(evidence(WORKED, entries=[ON_A]), tariff(), policy(), OCTOBER).unbilled.height == 1


def test_a_rate_of_zero_is_a_rate() -> None:
    charges = charge(evidence(WORKED, entries=[ON_A]), tariff(rate(1, 0)), policy(), OCTOBER)
    assert line(charges, "rate_id", "billable", "quantity", "amount_minor") == [(1, True, 333, 0)]


def test_a_new_rate_version_begins_on_its_day() -> None:
    two_days = session(1, ("2026-10-05 21:30", "2026-10-05 22:30", "input"))
    rates = [rate(1, 900_000, valid_to=date(2026, 10, 6)), rate(2, 950_000, valid_from=date(2026, 10, 6))]
    on_a = entry(1, 1, "A", "2026-10-05 21:30")
    charges = charge(evidence(two_days, entries=[on_a]), tariff(*rates), policy(), OCTOBER)
    assert line(charges, "day", "rate_id", "amount_minor") == [
        (date(2026, 10, 5), 1, 4500),
        (date(2026, 10, 6), 2, 4750),
    ]


def test_two_rates_of_one_scope_on_one_day_are_refused() -> None:
    rates = [rate(1, 900_000), rate(2, 950_000, valid_from=date(2026, 10, 5))]
    with pytest.raises(Problem, match="rate versions 1 and 2 are both valid on 2026-10-05"):
        charge(evidence(WORKED, entries=[ON_A]), tariff(*rates), policy(), OCTOBER)


# --- Rounding ----------------------------------------------------------------------------------------------


def days_of(*minutes: int) -> Any:
    """One session of so many minutes on each day from the 5th on, from 09:00 UTC, all on project A."""
    told = [
        session(
            number, (f"2026-10-{4 + number:02} 09:00", f"2026-10-{4 + number:02} 09:{length:02}", "input")
        )
        for number, length in enumerate(minutes, 1)
    ]
    entries = [entry(number, number, "A", "2026-10-05 09:00") for number in range(1, len(minutes) + 1)]
    return evidence(*told, entries=entries)


SIX_MINUTES = {"increment_ms": 360_000}


@pytest.mark.parametrize(
    ("direction", "quantities"),
    [("up", [100, 200, 200]), ("nearest", [0, 100, 200]), ("down", [0, 100, 100])],
)
def test_each_line_is_rounded_by_the_increment_in_its_direction(
    direction: str, quantities: Sequence[int]
) -> None:
    # 2, 8 and 9 minutes in steps of 6.
    rates = rate(1, 900_000, direction=direction, **SIX_MINUTES)
    charges = charge(days_of(2, 8, 9), tariff(rates), policy(), OCTOBER)
    assert charges.lines["quantity"].to_list() == list(quantities)


def test_the_session_level_rounds_each_share_before_summing() -> None:
    morning = session(1, ("2026-10-05 09:00", "2026-10-05 09:02", "input"))
    noon = session(2, ("2026-10-05 12:00", "2026-10-05 12:02", "input"))
    entries = [entry(1, 1, "A", "2026-10-05 09:00"), entry(2, 2, "A", "2026-10-05 12:00")]
    by_session = rate(1, 900_000, direction="up", level="session", **SIX_MINUTES)
    by_line = rate(1, 900_000, direction="up", level="line", **SIX_MINUTES)
    seen = evidence(morning, noon, entries=entries)
    assert line(charge(seen, tariff(by_session), policy(), OCTOBER), "quantity", "session_count") == [
        (200, 2)
    ]
    assert line(charge(seen, tariff(by_line), policy(), OCTOBER), "quantity", "session_count") == [(100, 2)]


def test_the_month_level_adds_one_line_that_brings_the_sum_to_the_rounded_month() -> None:
    # 2 + 3 + 9 = 14 minutes are 18 in steps of 6, upwards: 0.300 h. The lines: 0.033, 0.050, 0.150.
    monthly = rate(1, 900_000, direction="up", level="month", **SIX_MINUTES)
    charges = charge(days_of(2, 3, 9), tariff(monthly), policy(), OCTOBER)
    assert line(charges, "kind", "day", "active_ms", "quantity", "amount_minor", "session_count") == [
        ("usage", date(2026, 10, 5), 2 * MINUTE, 33, 297, 1),
        ("usage", date(2026, 10, 6), 3 * MINUTE, 50, 450, 1),
        ("usage", date(2026, 10, 7), 9 * MINUTE, 150, 1350, 1),
        ("month_rounding", date(2026, 10, 7), 0, 67, 603, 0),
    ]
    assert charges.lines["quantity"].sum() == 300
    assert charges.lines["amount_minor"].sum() == 2700


def test_a_month_can_be_rounded_down() -> None:
    monthly = rate(1, 900_000, direction="down", level="month", **SIX_MINUTES)
    charges = charge(days_of(2, 3, 9), tariff(monthly), policy(), OCTOBER)
    assert line(charges, "kind", "quantity", "amount_minor")[-1] == ("month_rounding", -33, -297)
    assert charges.lines["amount_minor"].sum() == 1800


def test_a_month_that_needs_no_rounding_has_no_such_line() -> None:
    monthly = rate(1, 900_000, level="month", **SIX_MINUTES)
    charges = charge(days_of(6, 12), tariff(monthly), policy(), OCTOBER)
    assert charges.lines["kind"].to_list() == ["usage", "usage"]


def test_a_target_that_takes_minutes_bills_whole_minutes() -> None:
    terms = Terms(date(2026, 10, 1), date(2026, 11, 1), quantum_per_hour=60)
    odd = session(1, ("2026-10-05 09:00", "2026-10-05 09:10:30", "input"))
    charges = charge(evidence(odd, entries=[ON_A]), tariff(RATE_90), policy(), terms)
    assert line(charges, "quantity", "amount_minor") == [(11, 1650)]
    assert charges.tie_out_ms["rounding"] == 30_000


# --- Trace, tie-out, order ---------------------------------------------------------------------------------


def test_lines_are_numbered_by_project_day_and_person() -> None:
    people = [
        session(number, ("2026-10-05 09:00", "2026-10-05 09:30", "input"), person=person)
        for number, person in ((1, 9), (2, 3))
    ]
    entries = [
        entry(1, 1, "B", "2026-10-05 09:00", "2026-10-05 09:15"), entry(2, 1, "A", "2026-10-05 09:15"),
        entry(3, 2, "B", "2026-10-05 09:00", phase="01"),
    ]  # fmt: skip
    charges = charge(evidence(*people, entries=entries), tariff(RATE_90), policy(), OCTOBER)
    assert line(charges, "line", "project", "phase", "person_id") == [
        (1, "A", None, 9),
        (2, "B", None, 9),
        (3, "B", "01", 3),
    ]


def test_a_tie_out_that_fails_stops_the_run() -> None:
    terms = dict.fromkeys(tie_out.SIGNS, 0) | {"run": 10, "billed": 9}
    with pytest.raises(Problem, match="the tie-out fails by 1 ms"):
        tie_out.check(terms)


def test_a_segment_across_a_quarter_is_refused_by_name() -> None:
    seen = evidence(WORKED, entries=[ON_A])
    wide = seen.stated.filter(pl.col("start") == at("2026-10-05 09:00")).with_columns(
        end=pl.lit(at("2026-10-05 09:16")).cast(seen.stated.schema["end"])
    )
    with pytest.raises(Problem, match="a segment of session 1 crosses a quarter of an hour"):
        charge(type(seen)(wide, seen.sessions, seen.placements, seen.entries), tariff(), policy(), OCTOBER)


def test_no_usage_makes_no_lines() -> None:
    charges = charge(evidence(), tariff(RATE_90), policy(), OCTOBER)
    assert charges.lines.is_empty()
    assert charges.unbilled.is_empty()
    assert set(charges.tie_out_ms.values()) == {0}
