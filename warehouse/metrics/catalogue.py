"""Every metric once: what it is called, in which unit, how precisely, by what grain, and what it means.

Tooltips, tables and documentation read it; a description is written for the reader of the chart. The file is
long because it is one table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from warehouse.metrics.averages import average_demand
from warehouse.metrics.bounds import peak_bounds, silent_hosts
from warehouse.metrics.charges import charge
from warehouse.metrics.concurrency import curve, intervals, peak, witnesses
from warehouse.metrics.consumption import consumed_intervals, consumption, uses
from warehouse.metrics.contract_terms import term
from warehouse.metrics.counting_rules import consumed_balance, fixed_intervals, user_days
from warehouse.metrics.demand_over import by_day, by_hour_of_week, states_over_time
from warehouse.metrics.denials import classified, with_free
from warehouse.metrics.fleet import agent_findings
from warehouse.metrics.group_use import cost_shares, group_use
from warehouse.metrics.growth import trend
from warehouse.metrics.hourly import hourly_usage
from warehouse.metrics.idle_definitions import idle_definitions
from warehouse.metrics.license_cost import idle_cost, license_cost, recovered
from warehouse.metrics.license_mix import cheapest_mix
from warehouse.metrics.licenses import position, renewals, unused
from warehouse.metrics.percentiles import (
    calendar,
    daily_peak_percentile,
    daily_peaks,
    launch_percentile,
    launches,
    minutes_at_or_above,
    percentile,
    percentiles,
)
from warehouse.metrics.ranking import ranking
from warehouse.metrics.reconciliation import peak_in, people_in, reconciled
from warehouse.metrics.session_times import received, session_times, unknown_by_source
from warehouse.metrics.states import states
from warehouse.metrics.use_rights import outside_rights
from warehouse.metrics.utilization import daily_usage, fleet_coverage, session_coverage, usage
from warehouse.metrics.what_if import at_most, pooling, what_if


@dataclass(frozen=True)
class Metric:
    """What there is to say about a metric.

    Attributes
    ----------
    name
        As people read it.
    unit
        Of the figure as it is shown; empty for a word or a list.
    precision
        Digits after the decimal point.
    grain
        What one figure is for.
    description
        For the reader of the chart.
    function
        Where it is computed; times come from it in milliseconds and are shown in `unit`.
    column
        Its column in what the function gives; empty where the whole result is the metric.
    """

    name: str
    unit: str
    precision: int
    grain: str
    description: str
    function: Callable[..., Any]
    column: str = ""


_BY = "any grouping of sessions and local time"
_NOT_BY_PERSON = "any grouping but by person, account, host, device or session"
_AT = "application, product or entitlement"

CATALOGUE: dict[str, Metric] = {
    # --- States and use
    "state": Metric(
        "State",
        "",
        0,
        "segment",
        "What a stretch of a session was, by the policy in force: active, pause, idle, suspended, held or "
        "unknown. A gap without activity is judged whole: shorter than the idle timeout it is a pause, else "
        "it is idle from the last activity on.",
        states,
        "state",
    ),
    "run_hours": Metric(
        "Run hours",
        "h",
        1,
        _NOT_BY_PERSON,
        "Time for which an application was open: busy, idle and held time. Time asleep and time that nobody "
        "watched is not in it.",
        usage,
        "run_ms",
    ),
    "busy_hours": Metric(
        "Busy hours",
        "h",
        1,
        _BY,
        "Time in which an application was truly used: active time and pauses shorter than the idle timeout.",
        usage,
        "busy_ms",
    ),
    "active_hours": Metric(
        "Active hours",
        "h",
        1,
        _BY,
        "Time with activity, by the activity signal of the policy.",
        usage,
        "active_ms",
    ),
    "pause_hours": Metric(
        "Pause hours",
        "h",
        1,
        _BY,
        "Time in gaps without activity that were shorter than the idle timeout; it counts as busy.",
        usage,
        "pause_ms",
    ),
    "idle_hours": Metric(
        "Idle hours",
        "h",
        1,
        _NOT_BY_PERSON,
        "Time for which an application was open and nobody used it: gaps as long as the idle timeout or "
        "longer, from the last activity on, and locked or disconnected screens. It says which licenses could "
        "be shared, and nothing about any person.",
        usage,
        "idle_ms",
    ),
    "held_hours": Metric(
        "Held hours",
        "h",
        1,
        _BY,
        "Time for which a license or job was taken where attention cannot be seen, such as a batch job.",
        usage,
        "held_ms",
    ),
    "suspended_hours": Metric(
        "Suspended hours",
        "h",
        1,
        _NOT_BY_PERSON,
        "Time for which an application was open on a sleeping machine; in no other figure.",
        usage,
        "suspended_ms",
    ),
    "unknown_hours": Metric(
        "Unknown hours",
        "h",
        1,
        _BY,
        "Time of sessions that nobody watched. It is never counted as use and never billed.",
        usage,
        "unknown_ms",
    ),
    "sessions": Metric(
        "Sessions",
        "sessions",
        0,
        _BY,
        "Sessions seen open, however briefly: one user, one application, one logon session on one host.",
        usage,
        "sessions",
    ),
    "people": Metric(
        "People",
        "people",
        0,
        _BY,
        "Different people with a session seen open; an account that belongs to nobody known counts as one.",
        usage,
        "people",
    ),
    "launches": Metric(
        "Launches", "launches", 0, _BY, "Sessions that began. A launch alone is not use.", usage, "launches"
    ),
    "ends": Metric("Ends", "sessions", 0, _BY, "Sessions that ended in the window.", usage, "ends"),
    "unit_hours": Metric(
        "Unit hours",
        "unit h",
        1,
        _NOT_BY_PERSON,
        "Run time times the licenses or CPUs that a session took.",
        usage,
        "unit_ms",
    ),
    "days_used": Metric(
        "Days used",
        "days",
        0,
        "application",
        "Local days on which an application was in use at any moment.",
        ranking,
        "days_used",
    ),
    "last_used": Metric(
        "Last used",
        "",
        0,
        "application",
        "End of the last use of an application in the window.",
        ranking,
        "last_used",
    ),
    "hours_by_group": Metric(
        "Open hours of a group",
        "h",
        1,
        "department, office, directory group or version, and application",
        "Time for which the people of a group had an application open. A person in two groups of the "
        "directory counts in each, so groups may add up to more than the whole.",
        group_use,
        "run_ms",
    ),
    "cost_share": Metric(
        "Cost share",
        "minor units of currency a year",
        0,
        "department, office, directory group or version, application and currency",
        "The group's part of what the licenses cost a year, divided by use to the last cent: the parts sum "
        "to the whole.",
        cost_shares,
        "cost_minor",
    ),
    "session_active_hours": Metric(
        "Active hours of a session",
        "h",
        1,
        "session",
        "Time with activity in one session, whole. Of a single session nothing says how long it was idle.",
        session_times,
        "active_ms",
    ),
    "unknown_share": Metric(
        "Unknown share",
        "share",
        3,
        "source of sessions",
        "The part of all session time that nobody watched, by where the sessions are known from.",
        unknown_by_source,
        "unknown_share",
    ),
    "last_received": Metric(
        "Last received",
        "",
        0,
        "application",
        "When the newest record of an application's sessions came in.",
        received,
        "last_received",
    ),
    "session_hours": Metric(
        "Session hours",
        "h",
        4,
        "local day",
        "Run time of all sessions on a day: suspended and unknown time is no part of it.",
        daily_usage,
        "session_hours",
    ),
    "utilization": Metric(
        "Utilization",
        "share",
        4,
        "local day",
        "Unit hours as a share of what the known capacity could give on that day, which may have 23 or 25 "
        "hours. Empty where no capacity is known; above 1 where demand exceeded it.",
        daily_usage,
        "utilization",
    ),
    "active_users": Metric(
        "Active users",
        "people",
        0,
        "local day",
        "Different people with a session seen open on a day.",
        daily_usage,
        "active_users",
    ),
    "hourly_busy_time": Metric(
        "Busy time by hour",
        "h",
        2,
        "UTC hour, person, application and project",
        "Time in which an application was truly used, hour by hour, for the project that was in force at "
        "each moment.",
        hourly_usage,
        "busy_ms",
    ),
    "session_coverage": Metric(
        "Session coverage",
        "share",
        3,
        "window and basis",
        "How much of all session time is known well enough for the basis of the figure: for run, unknown "
        "time is missing; for busy and active, held time as well.",
        session_coverage,
    ),
    "fleet_coverage": Metric(
        "Fleet coverage",
        "share",
        3,
        "host, and window",
        "On how many of their workdays the hosts of the directory were watched for at least half of the "
        "business hours. A host never heard from counts as nothing.",
        fleet_coverage,
        "observed_workdays",
    ),
    "agent_findings": Metric(
        "Agent findings",
        "",
        0,
        "enrollment, or host without one",
        "What an agent needs to be looked after for: none on the machine, never heard, silent, a clock that "
        "is off, a backlog, an old version, a machine that the directory does not list, or revoked; by "
        "limits that the asker sets.",
        agent_findings,
        "findings",
    ),
    # --- Concurrent use
    "use_intervals": Metric(
        "In use",
        "",
        0,
        f"{_AT}, and key",
        "When each person, device or session had the application in use; overlapping use of one key counts "
        "once.",
        intervals,
    ),
    "demand": Metric(
        "Demand",
        "licenses",
        0,
        f"{_AT}, and instant",
        "How many licenses were in use at an instant, counted exactly: one that ends and one that starts at "
        "the same instant are never in use together.",
        curve,
        "demand",
    ),
    "average_demand": Metric(
        "Average demand",
        "licenses",
        1,
        f"{_AT}, and local day",
        "Licenses in use on average over the hours of a day that count, weighted by time.",
        average_demand,
        "average",
    ),
    "peak": Metric(
        "Peak",
        "licenses",
        0,
        _AT,
        "The most licenses that were ever in use at the same instant.",
        peak,
        "peak",
    ),
    "first_reached": Metric(
        "First reached",
        "",
        0,
        _AT,
        "The first instant at which demand was at its peak.",
        peak,
        "first_reached",
    ),
    "minutes_at_peak": Metric(
        "Minutes at the peak",
        "min",
        1,
        _AT,
        "For how long demand was at its peak, in all.",
        peak,
        "minutes_at_peak",
    ),
    "witnesses": Metric(
        "Witnesses",
        "",
        0,
        "session in use at an instant",
        "Who was part of a peak: pseudonym, host, office, in which state and since when.",
        witnesses,
        "since",
    ),
    "calendar": Metric(
        "Calendar",
        "",
        0,
        "stretch of time",
        "The hours that a share of time is taken of: all hours, business hours of an office without its "
        "holidays, or the hours in which the application was in use.",
        calendar,
    ),
    "need": Metric(
        "Enough for p % of time",
        "licenses",
        0,
        _AT,
        "The fewest licenses with which demand is met for p % of the calendar's time, time without demand "
        "included.",
        percentiles,
        "demand",
    ),
    "need_of_one": Metric(
        "Enough for p % of time",
        "licenses",
        0,
        "one application, product or entitlement",
        "The fewest licenses with which demand is met for p % of the calendar's time, time without demand "
        "included.",
        percentile,
    ),
    "use_duration": Metric(
        "Minutes with n or more in use",
        "min",
        1,
        f"{_AT}, and n",
        "For how long at least n licenses were in use; the curve falls as n grows, and shows how seldom the "
        "last licenses are needed.",
        minutes_at_or_above,
        "minutes_at_or_above",
    ),
    "launch_need": Metric(
        "Enough for p % of launches",
        "licenses",
        0,
        _AT,
        "The fewest licenses with which p % of launches would have found one free. A launch counts only if "
        "it takes one more license; those at the same instant queue up.",
        launch_percentile,
        "demand",
    ),
    "demand_of_a_day": Metric(
        "Demand of a day",
        "licenses",
        0,
        "local day",
        "Highest demand of a local day, its average and percentile in the calendar, and the minutes above "
        "what is owned.",
        by_day,
        "maximum",
    ),
    "demand_of_the_week": Metric(
        "Demand by hour of the week",
        "licenses",
        0,
        "weekday and hour",
        "Highest and mean demand of each hour of the week, over all weeks of the window.",
        by_hour_of_week,
        "maximum",
    ),
    "demand_by_state": Metric(
        "Demand by state",
        "licenses",
        1,
        "minute",
        "How many were active, in a pause, idle or held at once, in the mean of a minute. A person with two "
        "sessions counts once, by the better of their states.",
        states_over_time,
        "active",
    ),
    "daily_peak": Metric(
        "Daily peak",
        "licenses",
        0,
        f"{_AT}, and local day",
        "The most licenses in use at the same instant of a day; 0 on a day without use.",
        daily_peaks,
        "peak",
    ),
    "daily_peak_need": Metric(
        "Enough for p % of days",
        "licenses",
        0,
        _AT,
        "The fewest licenses that cover the peak of p % of days, days without use included.",
        daily_peak_percentile,
        "demand",
    ),
    # --- Other definitions of idle
    "peak_by_idle_definition": Metric(
        "Peak under a definition of idle",
        "licenses",
        0,
        f"definition of idle, and {_AT}",
        "The most licenses that were in use at the same instant, had idle been defined so: by another "
        "timeout or another signal of activity, over the same evidence.",
        idle_definitions,
        "peak",
    ),
    "seats_by_idle_definition": Metric(
        "People with use under a definition of idle",
        "people",
        0,
        f"definition of idle, and {_AT}",
        "Different people with busy time, had idle been defined so.",
        idle_definitions,
        "in_use",
    ),
    "busy_hours_by_idle_definition": Metric(
        "Busy hours under a definition of idle",
        "h",
        1,
        f"definition of idle, and {_AT}",
        "Time in which an application was truly used, had idle been defined so; it never falls as the "
        "timeout grows.",
        idle_definitions,
        "busy_ms",
    ),
    "idle_hours_by_idle_definition": Metric(
        "Idle hours under a definition of idle",
        "h",
        1,
        f"definition of idle, and {_AT}",
        "Time for which an application was open and nobody used it, had idle been defined so.",
        idle_definitions,
        "idle_ms",
    ),
    # --- Missing data and denials
    "peak_lower_bound": Metric(
        "Peak, lower bound",
        "licenses",
        0,
        _AT,
        "The most licenses that are known to have been in use at the same instant.",
        peak_bounds,
        "lower",
    ),
    "peak_upper_bound": Metric(
        "Peak, upper bound",
        "licenses",
        0,
        _AT,
        "The most licenses that may have been in use at the same instant: time whose state is unknown counts "
        "as use, and each silent machine for its own mean of the 30 days up to when it was last observed.",
        peak_bounds,
        "upper",
    ),
    "silent_hosts": Metric(
        "Mean use of a silent machine",
        "licenses",
        3,
        f"{_AT}, and stretch of business hours in which one machine was silent",
        "How many licenses a machine used on average in business hours, over the 30 days up to the last "
        "workday on which it was observed.",
        silent_hosts,
        "mean",
    ),
    "denial_class": Metric(
        "Class of a denial",
        "",
        0,
        "request that a license server did not meet at once",
        "Real, retried with success, or refused by a rule that more licenses would not have changed; told "
        "apart by parameters, so that the same denials can be sorted anew.",
        classified,
        "class",
    ),
    "free_seats": Metric(
        "Free seats then",
        "licenses",
        0,
        "request that a license server did not meet at once",
        "Licenses that were free in the moment before a request was refused; below zero where more were in "
        "use than there are, empty where the capacity is not known.",
        with_free,
        "free",
    ),
    # --- Licenses
    "unused_seats": Metric(
        "Unused seats",
        "seats",
        0,
        "entitlement and holder",
        "Assigned seats without busy time in the window, or with less than a threshold. One is proposed for "
        "reclaiming only where enough of its holder's workdays was observed, so that a laptop away or a "
        "machine without an agent costs nobody a license. Launches alone are not use.",
        unused,
        "proposal",
    ),
    "surplus": Metric(
        "Surplus",
        "licenses",
        0,
        "product and metric with a right in force on a day",
        "Licenses entitled beyond those consumed, in the unit that the contract names. Where several rights "
        "cover the same use, each use consumes one of them, in the order of consumption.",
        position,
        "surplus",
    ),
    "shortfall": Metric(
        "Shortfall",
        "licenses",
        0,
        "product and metric with a right in force on a day",
        "Licenses consumed beyond those entitled; demand above what is owned is shown as it is.",
        position,
        "shortfall",
    ),
    "position_value": Metric(
        "Value",
        "minor units of currency a year",
        0,
        "product and metric with a right in force on a day",
        "What a surplus costs a year, in whole packs, the rights that are consumed last given back first; of "
        "a shortfall, what it would cost to buy. Empty where a contract's cost is not known, or two "
        "currencies would be added.",
        position,
        "value_minor",
    ),
    "session_use": Metric(
        "Use of a session",
        "",
        0,
        "session and unbroken use",
        "When each session was in use, with the licenses that it had checked out.",
        uses,
    ),
    "consumed_right": Metric(
        "Right consumed",
        "",
        0,
        "part of a session's use",
        "Which license right a use consumed: a person's own seat first, then suites, then shared licenses, "
        "then tokens, unless the contracts say otherwise. A use keeps its license to its end.",
        consumption,
        "entitlement",
    ),
    "right_in_use": Metric(
        "Right in use",
        "",
        0,
        "entitlement and key",
        "When each person, device or session consumed a license of a right, in the unit that it counts.",
        consumed_intervals,
    ),
    "rights_findings": Metric(
        "Use outside the rights",
        "stretches of use",
        0,
        "entitlement, right, and person or host",
        "Use that the contract which it consumed does not allow: a version, region, employment, further "
        "device or virtual machine. Only what a contract says is judged.",
        outside_rights,
        "evidence",
    ),
    # --- Vendors' counting rules
    "fixed_interval_use": Metric(
        "In use by fixed intervals",
        "",
        0,
        f"{_AT}, and key",
        "Use as vendors see it who count devices in intervals of ten minutes: a device in use at any moment "
        "of an interval counts for all of it, the first partial interval is free.",
        fixed_intervals,
    ),
    "user_days": Metric(
        "User-days",
        "user-days",
        0,
        f"{_AT}, and day",
        "People with five minutes of use or more on a day, as vendors count who charge by the day.",
        user_days,
        "user_days",
    ),
    "consumed_balance": Metric(
        "Tokens spent",
        "token h",
        1,
        f"{_AT}, and day",
        "Tokens as they are spent where a contract sells a balance: units times weight for each hour of use.",
        consumed_balance,
        "spent_ms",
    ),
    "peak_in_stretch": Metric(
        "Peak of a stretch",
        "licenses",
        0,
        "product, and stretch that a vendor counts",
        "The most in use at once in a day or interval that a vendor's export counts.",
        peak_in,
        "count",
    ),
    "people_in_stretch": Metric(
        "People in a stretch",
        "people",
        0,
        "product, and stretch that a vendor counts",
        "Who used a product for five minutes or more in a day or interval that a vendor's export counts.",
        people_in,
        "count",
    ),
    "vendor_difference": Metric(
        "Difference to the vendor",
        "as the vendor counts",
        0,
        "product, and stretch that a vendor counts",
        "The vendor's count less ours by the same rule, with the way of counting that explains it.",
        reconciled,
        "difference",
    ),
    "need_95": Metric(
        "95 % need",
        "licenses",
        0,
        "entitlement up for renewal",
        "The fewest licenses with which demand is met for 95 % of business hours.",
        renewals,
        "need_95",
    ),
    "money_at_risk": Metric(
        "Money at risk",
        "minor units of currency a year",
        0,
        "entitlement up for renewal",
        "What the licenses owned beyond the need cost a year: what the next renewal could save.",
        renewals,
        "money_at_risk_minor",
    ),
    # --- What if
    "launch_demand": Metric(
        "Demand at a launch",
        "licenses",
        0,
        f"{_AT}, and launch that takes one more license",
        "How many licenses were in use with this launch; with so many or more it would have found one free.",
        launches,
        "demand",
    ),
    "minutes_short": Metric(
        "Minutes short",
        "min",
        1,
        "n licenses of one application, product or entitlement",
        "For how long demand would have been above n licenses.",
        what_if,
        "minutes_short",
    ),
    "turned_away": Metric(
        "Requests turned away",
        "launches",
        0,
        "n licenses of one application, product or entitlement",
        "Launches that raised demand above n licenses: with n they would have found none free. Demand is "
        "taken as it was, so who would have tried again or given up is not in it.",
        what_if,
        "turned_away",
    ),
    "people_affected": Metric(
        "People affected",
        "people",
        0,
        "n licenses of one application, product or entitlement",
        "Different people of whom at least one launch would have been turned away with n licenses.",
        what_if,
        "people_affected",
    ),
    "pooled_peak": Metric(
        "Peak by place",
        "licenses",
        0,
        "office or zone, and all together",
        "The most licenses in use at once in each place, and in all of them as one pool: the difference "
        "between their sum and the peak of the pool is what sharing saves.",
        pooling,
        "peak",
    ),
    "in_use_at_most": Metric(
        "In use at most",
        "",
        0,
        f"{_AT}, and key",
        "When each person, device or session may have had the application in use, if all of the time that "
        "hides whether it was (unknown; for busy and active held time, too) was use: the upper bound while "
        "data are missing.",
        at_most,
    ),
    "demand_trend": Metric(
        "Trend of demand",
        "licenses",
        1,
        "month",
        "A straight line through the months, and the band in which a month is likely to lie; few months make "
        "it wide.",
        trend,
        "line",
    ),
    "cheapest_mix": Metric(
        "Cheapest mix",
        "minor units of currency",
        0,
        "product, or products that share a pool of tokens",
        "The seats, concurrent licenses and tokens that meet a service level over the real demand at the "
        "least cost, with the proof how close to the least it is.",
        cheapest_mix,
        "cost_minor",
    ),
    "term_cost": Metric(
        "Cost of the term",
        "minor units of currency",
        0,
        "year of a contract",
        "What a contract costs in each of its years: held at the discounted price with its uplift, added by "
        "true-up, given back as far as the step-down allows.",
        term,
        "cost_minor",
    ),
    "license_cost": Metric(
        "License cost",
        "minor units of currency",
        0,
        "entitlement, and window",
        "Quantity x unit cost a year x days in force in the window / 365, rounded half away from zero to the "
        "minor unit. Empty where the contract names no cost.",
        license_cost,
        "cost_minor",
    ),
    "idle_cost": Metric(
        "Idle cost",
        "minor units of currency",
        0,
        "license, currency, and window",
        "License cost x the idle share of the run time of its applications: what was paid for time in which "
        "they were open and nobody was at work. Empty where nothing was open or attention was never seen.",
        idle_cost,
        "idle_cost_minor",
    ),
    "recovered": Metric(
        "Recovered by E2P",
        "minor units of currency",
        0,
        "license and currency",
        "What closed billing runs charged projects for the use of its applications; lines held or written "
        "off are not in it. Amounts in two currencies are never added.",
        recovered,
        "recovered_minor",
    ),
    # --- Charges
    "billed": Metric(
        "Billed",
        "h",
        3,
        "charge line",
        "Hours charged to projects: busy time and the buffer of each idle gap, each moment of a person in an "
        "application once, rounded by the rate; quantity times rate gives the amount.",
        charge,
        "lines",
    ),
}
