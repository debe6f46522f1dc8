"""Unused seats, positions, and contracts that come up for renewal."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from use_cases import Session, at, described, session, stated

from warehouse.errors import Problem
from warehouse.metrics.concurrency import curve, intervals
from warehouse.metrics.licenses import PROPOSALS, position, renewals, unused
from warehouse.metrics.percentiles import calendar
from warehouse.metrics.utilization import FleetCoverage
from warehouse.periods import INSTANT

MINUTE = 60_000
START, END = at(-9 * 60), at(-9 * 60 + 60 * 24 * 60)  # 60 days from 5 October 2026, UTC
LONG_AGO = date(2026, 1, 1)
COVERS = pl.LazyFrame({"entitlement": ["suite", "suite", "solo"], "application": ["cad", "bim", "fem"]})


def seats(*rows: tuple[Any, ...]) -> pl.LazyFrame:
    """Assignments from (entitlement, person, host[, valid from][, valid to])."""
    whole = [(*row, *((LONG_AGO, None)[len(row) - 3 :])) for row in rows]
    kinds = {"entitlement": pl.String, "person": pl.String, "host": pl.String}
    return pl.LazyFrame(whole, schema=kinds | {"valid_from": pl.Date, "valid_to": pl.Date}, orient="row")


def fleet(**observed: int) -> FleetCoverage:
    """Observed workdays of each host, of ten: H_1=8."""
    rows = [(name.replace("_", "-"), days, 10) for name, days in observed.items()]
    schema = {"host": pl.String, "observed_workdays": pl.UInt32, "workdays": pl.UInt32}
    return FleetCoverage(pl.LazyFrame(rows, schema=schema, orient="row"), 0.75)


def judged(
    assigned: pl.LazyFrame, sessions: list[Session], hosts: FleetCoverage, **options: Any
) -> list[dict[str, Any]]:
    window = options.pop("window", (START, END))
    return (
        unused(assigned, COVERS, stated(*sessions), described(*sessions), hosts, *window, **options)
        .collect()
        .to_dicts()
    )


ELSEWHERE = session(9, (0, 10, "active"), application="mail", person="P-1", host="H-1")
"""Tells that H-1 is the host of P-1."""


def test_a_seat_without_busy_time_is_reclaimed_where_enough_was_observed() -> None:
    idle = session(1, (0, 60, "idle"), (60, 90, "held"), person="P-1", host="H-1")
    assert judged(seats(("suite", "P-1", None)), [idle, ELSEWHERE], fleet(H_1=8)) == [
        {
            "entitlement": "suite",
            "person": "P-1",
            "host": None,
            "last_active": None,
            "busy_ms": 0,
            "coverage": 0.8,
            "fleet_coverage": 0.75,
            "proposal": "reclaim",
        }
    ]


def test_nothing_is_proposed_where_too_little_was_observed_or_no_host_is_known() -> None:
    (away,) = judged(seats(("suite", "P-1", None)), [ELSEWHERE], fleet(H_1=7))
    assert (away["coverage"], away["proposal"]) == (0.7, "not observed enough")
    (unheard,) = judged(seats(("suite", "P-2", None)), [ELSEWHERE], fleet(H_1=10))
    assert (unheard["coverage"], unheard["proposal"]) == (None, "not observed enough")


def test_coverage_is_over_all_hosts_of_the_person() -> None:
    second = session(8, (0, 10, "idle"), application="mail", person="P-1", host="H-2")
    (seat,) = judged(seats(("suite", "P-1", None)), [ELSEWHERE, second], fleet(H_1=10, H_2=4))
    assert (seat["coverage"], seat["proposal"]) == (0.7, "not observed enough")


def test_use_of_any_application_of_the_suite_counts_and_less_than_the_threshold_is_under_used() -> None:
    use = [
        session(1, (0, 20, "active"), (20, 30, "pause"), (30, 90, "idle"), application="bim"),
        session(2, (100, 110, "active"), application="cad"),
        session(3, (200, 290, "active"), application="fem"),
    ]
    assigned = seats(("suite", "P-1", None))
    (seat,) = judged(assigned, use, fleet(H_1=10), threshold_ms=41 * MINUTE)
    assert (seat["busy_ms"], seat["last_active"]) == (40 * MINUTE, at(110))
    assert seat["proposal"] == "under-used"
    assert judged(assigned, use, fleet(H_1=10), threshold_ms=40 * MINUTE)[0]["proposal"] == "keep"
    assert judged(assigned, use, fleet(H_1=10))[0]["proposal"] == "keep"
    (unseen,) = judged(assigned, use, fleet(H_1=1), threshold_ms=41 * MINUTE)
    assert unseen["proposal"] == "not observed enough"


def test_a_seat_of_a_host_is_used_by_anyone_on_it() -> None:
    use = [session(1, (0, 20, "active"), person="P-7", host="H-1", application="fem")]
    rows = judged(seats(("solo", None, "H-1"), ("solo", None, "H-2")), use, fleet(H_1=10, H_2=10))
    assert [(row["host"], row["busy_ms"], row["proposal"]) for row in rows] == [
        ("H-1", 20 * MINUTE, "keep"),
        ("H-2", 0, "reclaim"),
    ]


def test_use_outside_the_window_is_no_use_but_the_last_activity_is_told() -> None:
    before = session(1, (-24 * 60, -24 * 60 + 30, "active"))
    later = session(2, (61 * 24 * 60, 61 * 24 * 60 + 30, "active"))
    (seat,) = judged(seats(("suite", "P-1", None)), [before, later], fleet(H_1=10))
    assert (seat["busy_ms"], seat["last_active"]) == (0, at(-24 * 60 + 30))
    across = session(3, (51 * 24 * 60, 52 * 24 * 60, "active"))
    window = (START, START + timedelta(days=51, hours=12))
    (cut,) = judged(seats(("suite", "P-1", None)), [across], fleet(H_1=10), window=window)
    assert (cut["busy_ms"], cut["last_active"]) == (180 * MINUTE, window[1])


def test_only_seats_that_are_assigned_at_the_end_are_judged_and_new_ones_are_kept() -> None:
    assigned = seats(
        ("suite", "P-1", None, LONG_AGO, date(2026, 12, 3)),  # given back on the last day
        ("solo", "P-1", None, LONG_AGO, date(2026, 12, 4)),
        ("suite", "P-2", None, date(2026, 12, 4)),  # not yet
        ("solo", "P-2", None, date(2026, 11, 5)),  # for 29 days
    )
    sessions = [ELSEWHERE, session(8, (0, 10, "idle"), person="P-2", application="mail")]
    rows = judged(assigned, sessions, fleet(H_1=10))
    assert [(row["entitlement"], row["person"], row["proposal"]) for row in rows] == [
        ("solo", "P-1", "reclaim"),
        ("solo", "P-2", "keep"),
    ]
    # In New York the window ends on 3 December, in Auckland on the 4th.
    later = judged(assigned, sessions, fleet(H_1=10), zone="Pacific/Auckland")
    assert [(row["entitlement"], row["person"]) for row in later] == [("solo", "P-2"), ("suite", "P-2")]


@pytest.mark.parametrize(
    "options", [{"threshold_ms": -1}, {"minimum_coverage": 1.5}, {"window": (END, START)}]
)
def test_what_cannot_be_judged_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(Problem):
        judged(seats(), [], fleet(), **options)


def test_proposals_are_the_four_words() -> None:
    frame = unused(seats(), COVERS, stated(), described(), fleet(), START, END).collect()
    assert frame.schema["proposal"] == pl.Enum(PROPOSALS)
    assert frame.schema["last_active"] == INSTANT
    assert frame.is_empty()


# --- Positions and renewals

ENTITLEMENTS = pl.LazyFrame(
    {
        "entitlement": ["pool", "seats", "tokens", "old"],
        "product": ["cad", "cad", "fem", "cad"],
        "product_name": ["CAD", "CAD", "FEM", "CAD"],
        "vendor": ["V", "V", "W", "V"],
        "metric": ["concurrent", "named_user", "token", "concurrent"],
        "quantity": [5, 3, 10, 7],
        "valid_from": [LONG_AGO] * 3 + [date(2020, 1, 1)],
        "valid_to": [date(2027, 1, 1), date(2026, 12, 1), None, LONG_AGO],
        "unit_cost_minor": [100_000, 50_000, 1_000, 1],
        "currency": ["EUR", "EUR", "USD", "EUR"],
        "contract": ["C-1", "C-2", "C-3", None],
        "notice_on": [date(2026, 10, 1), None, None, None],
        "consumption_order": [1, 1, 1, 1],
        "counting_rule": ["exact_sweep"] * 4,
        "pack_size": [1, 1, 1, 1],
    }
)
CROWD = [
    session(1, (0, 100, "active"), application="cad"),
    session(2, (0, 96, "active"), application="cad", person="P-2"),
    session(3, (0, 4, "active"), application="cad", person="P-3"),
    session(4, (0, 10, "held", 12), application="fem"),
]
SUITES = pl.LazyFrame({"entitlement": ["pool", "seats", "tokens"], "application": ["cad", "cad", "fem"]})


def positions(rights: pl.LazyFrame = ENTITLEMENTS, **counts: Any) -> list[dict[str, Any]]:
    """Position of each pool, with seats of two holders, and the peaks and missing seats that are given."""
    peaks = pl.LazyFrame(
        list(counts.pop("peaks", {}).items()),
        schema={"entitlement": pl.String, "peak": pl.Int64},
        orient="row",
    )
    without = pl.LazyFrame(
        list(counts.pop("unseated", {}).items()),
        schema={"entitlement": pl.String, "unseated": pl.Int64},
        orient="row",
    )
    assigned = seats(
        ("seats", "P-1", None), ("seats", None, "H-1"), ("seats", "P-1", None), ("pool", "P-1", None)
    )
    return position(rights, assigned, peaks, date(2026, 10, 5), without).collect().to_dicts()


def shown(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    names = ("pool", "entitled", "consumed", "surplus", "shortfall", "value_minor", "currency")
    return [tuple(row[name] for name in names) for row in rows]


def test_the_position_sets_the_entitled_against_the_consumed_in_the_unit_of_the_metric() -> None:
    rows = positions(peaks={"cad:concurrent": 3, "fem:token": 12}, unseated={"cad:named_user": 2})
    assert shown(rows) == [
        ("cad:concurrent", 5, 3, 2, 0, 200_000, "EUR"),
        ("cad:named_user", 3, 4, 0, 1, -50_000, "EUR"),
        ("fem:token", 10, 12, 0, 2, -2_000, "USD"),
    ]
    assert [(row["assigned"], row["unseated"]) for row in rows] == [(None, None), (2, 2), (None, None)]
    assert [row["missing"] for row in rows] == [[], ["notice date"], ["end", "notice date"]]
    assert [row["consumed"] for row in positions()] == [0, 2, 0]


def two_rights(**changes: Any) -> pl.LazyFrame:
    """Five concurrent licenses at 1,000.00 EUR, consumed first, and seven at 800.00 EUR."""
    facts = {
        **ENTITLEMENTS.filter(entitlement="pool").collect().to_dicts()[0],
        "entitlement": "later",
        "quantity": 7,
        "unit_cost_minor": 80_000,
        "consumption_order": 2,
    }
    later = pl.LazyFrame([facts | changes], schema=ENTITLEMENTS.collect_schema())
    return pl.concat([ENTITLEMENTS.filter(entitlement="pool"), later])


def test_rights_of_one_product_and_metric_make_one_position_and_the_last_is_spared_first() -> None:
    (row,) = positions(two_rights(), peaks={"cad:concurrent": 4})
    assert row["rights"] == ["pool", "later"]
    assert shown([row]) == [("cad:concurrent", 12, 4, 8, 0, 7 * 80_000 + 100_000, "EUR")]
    (short,) = positions(two_rights(), peaks={"cad:concurrent": 15})
    assert shown([short]) == [("cad:concurrent", 12, 15, 0, 3, -3 * 80_000, "EUR")]


def test_only_whole_packs_can_be_given_back_or_bought() -> None:
    (row,) = positions(two_rights(pack_size=5), peaks={"cad:concurrent": 4})
    assert (row["surplus"], row["value_minor"]) == (8, 5 * 80_000 + 100_000)
    (short,) = positions(two_rights(pack_size=5), peaks={"cad:concurrent": 13})
    assert (short["shortfall"], short["value_minor"]) == (1, -5 * 80_000)


def test_money_is_left_out_where_a_cost_is_missing_or_two_currencies_would_be_added() -> None:
    unknown = two_rights(unit_cost_minor=None, currency=None)
    (row,) = positions(unknown, peaks={"cad:concurrent": 4})
    assert (row["surplus"], row["value_minor"], row["currency"], row["missing"]) == (
        8,
        None,
        None,
        ["unit cost"],
    )
    (even,) = positions(unknown, peaks={"cad:concurrent": 12})
    assert (even["surplus"], even["value_minor"]) == (0, 0)
    (mixed,) = positions(two_rights(currency="USD"), peaks={"cad:concurrent": 4})
    assert mixed["value_minor"] is None
    (one,) = positions(two_rights(currency="USD"), peaks={"cad:concurrent": 6})
    assert (one["value_minor"], one["currency"]) == (6 * 80_000, "USD")


def need(**options: Any) -> list[dict[str, Any]]:
    found = intervals(
        stated(*CROWD), described(*CROWD), "user", "busy", START, END, group="entitlement", suites=SUITES
    )
    hours = calendar("all", at(0), at(100))
    day = options.pop("day", date(2026, 10, 5))
    return renewals(ENTITLEMENTS, curve(found), hours, day, **options).collect().to_dicts()


def test_renewals_name_what_is_owned_what_is_needed_and_the_money_between() -> None:
    seats_first, pool = need()
    assert pool == {
        "entitlement": "pool",
        "product": "cad",
        "product_name": "CAD",
        "vendor": "V",
        "metric": "concurrent",
        "contract": "C-1",
        "valid_to": date(2027, 1, 1),
        "notice_on": date(2026, 10, 1),
        "owned": 5,
        "peak": 3,
        "need_95": 2,
        "need": 2,
        "money_at_risk_minor": 300_000,
        "currency": "EUR",
        "missing": [],
    }
    assert (seats_first["entitlement"], seats_first["need"]) == ("seats", 2)


def test_two_people_can_never_share_a_named_seat() -> None:
    in_use = pl.LazyFrame({"entitlement": ["seats", "pool"], "in_use": [4, 4]})
    seats_first, pool = need(seats_in_use=in_use)
    assert (seats_first["need_95"], seats_first["need"], seats_first["money_at_risk_minor"]) == (2, 4, 0)
    assert pool["need"] == 2


def test_only_contracts_that_end_within_the_horizon_are_listed() -> None:
    assert [row["entitlement"] for row in need(months=2)] == ["seats"]
    assert [row["entitlement"] for row in need(months=3)] == ["seats", "pool"]
    assert [row["entitlement"] for row in need(day=date(2026, 12, 2))] == ["pool"]
    with pytest.raises(Problem, match="a horizon of 0 months"):
        need(months=0)


def test_what_is_given_back_is_whole_packs_and_a_contract_without_a_cost_says_so() -> None:
    packs = ENTITLEMENTS.with_columns(pack_size=pl.lit(2, pl.Int64))
    unknown = ENTITLEMENTS.with_columns(unit_cost_minor=pl.lit(None, pl.Int64))
    day, hours = date(2026, 10, 5), calendar("all", at(0), at(100))
    assert renewals(packs, NEVER, hours, day).collect()["money_at_risk_minor"].to_list() == [100_000, 400_000]
    without = renewals(unknown, NEVER, hours, day).collect()
    assert without["money_at_risk_minor"].to_list() == [None, None]
    assert without["missing"].to_list() == [["unit cost", "notice date"], ["unit cost"]]


NEVER = pl.LazyFrame(schema={"entitlement": pl.String, "at": INSTANT, "demand": pl.Int64})


def test_a_contract_that_was_never_used_has_all_its_money_at_risk() -> None:
    answer = renewals(ENTITLEMENTS, NEVER, calendar("all", at(0), at(100)), date(2026, 10, 5))
    columns = ("peak", "need_95", "money_at_risk_minor")
    assert answer.select(columns).collect().rows() == [(0, 0, 150_000), (0, 0, 500_000)]
