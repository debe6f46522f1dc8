"""Where each metric of the catalogue is shown, and what is asked of `query` for the same figure.

The warehouse is the sample organization with twelve people and one month, and three refused requests. Its
offices lie in several zones, one license covers three applications, another is counted in tokens. The file is
long because it is one table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache, cached_property, partial
from importlib import import_module
from typing import Any

import polars as pl
from sqlalchemy import Engine

from apps import overview
from pipelines.answers import fleet, negotiation_pack, what_if
from pipelines.answers.demand import one_pool
from pipelines.answers.evidence import gather
from pipelines.answers.negotiation_pack import NegotiationPack, Term
from pipelines.answers.prices import Offers, yearly_prices
from pipelines.answers.question import ask
from pipelines.queries import query
from pipelines.queries.asking import instant
from pipelines.queries.what_if import SHARES
from pipelines.sample.load import load
from pipelines.sample.plan import HOUR_MS, QUARTER_MS, Plan, instant_ms
from warehouse.metrics.concurrency import peak
from warehouse.periods import INSTANT
from warehouse.schema import ATTENTIONS
from warehouse.store import append

TODAY = date(2026, 11, 24)
PLAN = Plan(today=TODAY, until_ms=instant_ms(TODAY) + 15 * HOUR_MS, people=12, months=1, earlier_months=0)
NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
WINDOW = {"start": "2026-10-05", "end": "2026-10-12"}
LAST_30_DAYS = {"start": "2026-10-25", "end": "2026-11-24"}
ALL_DAYS = {"start": "2026-10-01", "end": "2026-11-25"}
SUITE, TOKENS = "draftline-suite", "femora"
BY_USER = {"application": SUITE, "key": "user", "basis": "busy"}
BY_TOKEN = {"application": TOKENS, "key": "token", "basis": "busy"}
TRIED = {"minutes": "5,30", "signals": "input,focus"}


def fill(engine: Engine) -> None:
    """Write the sample, three refused requests, an agent not heard of, and half an hour that a server saw."""
    load(engine, PLAN)
    denied = {
        "source": "flexnet",
        "server": "lm",
        "kind": "denied",
        "application_id": 1,
        "reason": "none left",
    }
    rows = [
        {"key": f"d{n}", "account_id": n, "at_ms": at, "received_ms": at, **denied}
        for n, at in enumerate(map(_ms, (8, 9, 14)), 1)
    ]
    append(engine, "denial", pl.DataFrame(rows))
    agent = {"id": "agent-1", "host_id": 1, "version": "1.0", "system": "", "enrolled_ms": 0}
    append(engine, "agent", pl.DataFrame([agent]))
    held = {"id": 900_000, "key": "held", "application_id": 1, "account_id": 1, "host_id": 1, "zone": "UTC"}
    held |= {
        "started_ms": _ms(10),
        "ended_ms": _ms(10) + 2 * QUARTER_MS,
        "source": "flexnet",
        "received_ms": 0,
    }
    append(engine, "session", pl.DataFrame([{**held, "logon_session": ""}]))
    evidence = {"session_id": 900_000, "attention": ATTENTIONS.index("held"), "units": 1, "cpu_percent": 0.0}
    quarters = [
        {
            "start_ms": start,
            "end_ms": start + QUARTER_MS,
            "since_ms": _ms(10),
            "policy_version": 1,
            "received_ms": 0,
        }
        for start in (_ms(10), _ms(10) + QUARTER_MS)
    ]
    append(engine, "segment", pl.DataFrame([{**evidence, **quarter} for quarter in quarters]))


def _ms(hour: int) -> int:
    return round(datetime(2026, 10, 6, hour, tzinfo=UTC).timestamp() * 1000)


class OnThatDay(datetime):
    """The clock of the sample: what comes up for renewal depends on the day."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> OnThatDay:
        """The sample's last moment."""
        return cls.fromtimestamp(NOW.timestamp(), tz)


class Shown:
    """What the notebooks and the screens hold of a warehouse; each is made once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.report = cache(self._report)
        self._asked: dict[str, Any] = {}
        self._gathered = gather(ask(engine, **WINDOW, now=NOW))

    def _report(self, name: str, product: str = "", **more: Any) -> Any:
        asked = ask(self.engine, **WINDOW, application=product, now=NOW)
        answer = import_module(f"pipelines.answers.{name}").answer
        if name in ("fleet_coverage", "idle_definition"):
            return answer(replace(asked, key="user"), **more)
        return answer(asked, evidence=self._gathered, **more)

    def query(self, metric: str, given: Mapping[str, object]) -> Any:
        """Ask once, however often it is compared."""
        key = f"{metric} {sorted(given.items())}"
        if key not in self._asked:
            self._asked[key] = query(self.engine, metric, given)
        return self._asked[key]

    @cached_property
    def overview(self) -> overview.Measured:
        """The first window of the screen, whole days up to yesterday."""
        asked = overview.questions(self.engine, NOW)[:1]
        return overview.answers(asked, gather(asked[0][1])).windows[0]

    def fleet(self) -> float:
        """The share on the start page, of the last 30 days."""
        return fleet.answer(self.engine, NOW).share

    @cached_property
    def pack(self) -> NegotiationPack:
        """The pack of the suite."""
        asked = ask(self.engine, **WINDOW, application=SUITE, now=NOW)
        return negotiation_pack.answer(asked, "", evidence=self._gathered)


@dataclass(frozen=True)
class Same:
    """A figure of a metric as `query` gives it and as it is shown; `given` may depend on what is shown.

    `in_part`: the screen leaves some things out, as where fewer than five people would be told of.
    """

    metric: str
    where: str
    asked: Callable[[Any], Any]
    shown: Callable[[Shown], Any]
    given: Mapping[str, object] | Callable[[Shown], Mapping[str, object]] = field(default_factory=dict)
    window: Mapping[str, object] = field(default_factory=lambda: WINDOW)
    in_part: bool = False


def plain(value: Any) -> Any:
    """Write instants and days as text, and numbers as far as they are exact."""
    if isinstance(value, float):
        return round(value, 9)
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {plain(name): plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def by(found: Any, name: str, value: str) -> dict[Any, Any]:
    """Take a value by a name; what is not there, or nothing, is left out."""
    given = found.to_dicts() if isinstance(found, pl.DataFrame) else found
    return {row[name]: row[value] for row in given if row[value] not in (None, 0)}


def cells(found: Any, *names: str) -> list[list[Any]]:
    """Take columns of rows."""
    given = found.to_dicts() if isinstance(found, pl.DataFrame) else found
    return [[row[name] for name in names] for row in given]


def sums(found: Any, name: str, value: str) -> dict[Any, Any]:
    """Add up by a name; what is not known is left out."""
    totals: dict[Any, Any] = {}
    for row in found:
        if row[value] is not None:
            totals[row[name]] = totals.get(row[name], 0) + row[value]
    return totals


# --- Use ---------------------------------------------------------------------------------------------------

STATES = ("active", "pause", "idle", "held", "unknown")


def _each(
    metric: str,
    report: str,
    frame: str,
    name: str,
    column: str = "",
    *,
    in_part: bool = False,
    **given: object,
) -> Same:
    """A metric that a frame of a report tells of each thing of a name."""
    return Same(
        metric,
        f"{report}.{frame}",
        lambda found: by(found, name, metric),
        lambda shown: by(getattr(shown.report(report), frame), name, column or metric),
        given,
        in_part=in_part,
    )


def _states(found: Any) -> dict[str, dict[str, float]]:
    told: dict[str, dict[str, float]] = {}
    for row in found:
        if row["state"] in STATES and row["hours"]:
            told.setdefault(row["application"], {})[row["state"]] = row["hours"]
    return told


def _by_state(shown: Shown) -> dict[str, dict[str, float]]:
    used = shown.report("utilization").by_application.to_dicts()
    return {
        row["application"]: {state: row[f"{state}_hours"] for state in STATES if row[f"{state}_hours"]}
        for row in used
    }


USE = [
    *(
        _each(f"{state}_hours", "utilization", "by_application", "application")
        for state in ("run", "busy", *STATES)
    ),
    *(
        _each(metric, "utilization", f"by_{name}", name, by=name)
        for metric in ("busy_hours", "idle_hours")
        for name in ("office", "day")
    ),
    *(
        Same(
            metric,
            "overview",
            partial(by, name="application", value=metric),
            lambda shown, metric=metric: by(shown.overview[1].by_application, "application", metric),
            window=LAST_30_DAYS,
        )
        for metric in ("busy_hours", "people")
    ),
    *(
        _each(metric, report, frame, "application")
        for metric in ("sessions", "people")
        for report, frame in (
            ("utilization", "by_application"),
            ("session_summary", "applications"),
            ("application_ranking", "applications"),
        )
    ),
    _each("suspended_hours", "session_summary", "applications", "application", in_part=True),
    _each("last_received", "session_summary", "applications", "application"),
    _each("unknown_share", "session_summary", "by_source", "source"),
    _each("days_used", "application_ranking", "applications", "application", basis="busy"),
    _each("last_used", "application_ranking", "applications", "application", basis="busy"),
    _each("active_users", "utilization", "by_day", "day", "people"),
    _each("session_hours", "utilization", "by_day", "day", "run_hours"),
    Same("state", "utilization.by_application", _states, _by_state),
    Same(
        "hourly_busy_time",
        "utilization.by_application",
        lambda found: sums(found, "application", "hourly_busy_time"),
        lambda shown: by(shown.report("utilization").by_application, "application", "busy_hours"),
    ),
    Same(
        "session_active_hours",
        "session_detail.sessions",
        lambda found: {
            str(name): hours for name, hours in by(found, "session", "session_active_hours").items()
        },
        lambda shown: {
            str(name): minutes / 60
            for name, minutes in by(
                shown.report("session_detail").sessions, "session", "active_minutes"
            ).items()
        },
    ),
    Same(
        "hours_by_group",
        "utilization_by_group.rows, added up",
        lambda found: sum(row["hours_by_group"] for row in found),
        lambda shown: shown.report("utilization_by_group").rows["run_hours"].sum(),
        {"by": "department,office"},
    ),
    Same(
        "cost_share",
        "utilization_by_group.results",
        lambda found: sums(found, "currency", "cost_share"),
        lambda shown: shown.report("utilization_by_group").results["cost_a_year_minor"],
        {"by": "department,office"},
    ),
    Same(
        "session_coverage",
        "the footer of every report",
        lambda found: found["session_coverage"],
        lambda shown: shown.report("utilization").footer.session_coverage,
        {"basis": "busy"},
    ),
    Same(
        "fleet_coverage",
        "fleet_coverage.share",
        lambda found: found["fleet_coverage"],
        lambda shown: shown.report("fleet_coverage").share,
    ),
    Same(
        "fleet_coverage",
        "overview",
        lambda found: found["fleet_coverage"],
        lambda shown: shown.overview[1].footer.fleet_coverage,
        window=LAST_30_DAYS,
    ),
    Same(
        "fleet_coverage",
        "the start page",
        lambda found: found["fleet_coverage"],
        Shown.fleet,
        window=LAST_30_DAYS,
    ),
    Same(
        "agent_findings",
        "fleet_coverage.agents",
        lambda found: cells(found, "agent", "findings"),
        lambda shown: cells(shown.report("fleet_coverage").agents, "agent", "findings"),
    ),
]

# --- Demand ------------------------------------------------------------------------------------------------

AT_PEAK = ("peak", "first_reached", "minutes_at_peak")
WITNESS = ("person", "host", "device", "office", "project", "state", "since")
A_DAY = ("day", "maximum", "average", "percentile", "minutes_above")


def _table(
    metric: str, report: str, frame: str, *names: str, given: Mapping[str, object] = BY_USER, **more: object
) -> Same:
    """A metric of which a frame of a report shows the same rows."""
    product = str(given.get("application", ""))
    return Same(
        metric,
        f"{report}.{frame} of {product or 'all'}",
        lambda found: cells(found, *names),
        lambda shown: cells(getattr(shown.report(report, product), frame), *names),
        {**given, **more},
    )


def _of_the_peak(found: Any) -> list[Any]:
    return [found[name] for name in AT_PEAK]


def _witnesses(found: Any) -> list[list[Any]]:
    return sorted(plain(cells(found, *WITNESS)), key=str)


def _need_95(share_of: str) -> Callable[[Shown], int]:
    def shown(screen: Shown) -> int:
        needs = screen.report("use_duration", SUITE).needs
        return int(needs.filter(share_of=share_of)["need_95"].item())

    return shown


def _inside_peak_day(shown: Shown) -> list[list[Any]]:
    """Leave out what the day's curve is begun and ended with."""
    return cells(shown.report("peak_demand", SUITE).peak_day, "at", "demand")[1:-1]


def _tried(shown: Shown, product: str = "") -> pl.DataFrame:
    """The definitions of idle that are tried, beside the policy in force."""
    found: pl.DataFrame = shown.report("idle_definition", product, **TRIED).tried
    return found


def _first(name: str) -> Callable[[Any], Any]:
    return lambda found: found[0][name]


DEMAND = [
    *(
        Same(
            metric,
            f"peak_demand of {given['application']}",
            _first(metric),
            lambda shown, metric=metric, given=given: getattr(
                shown.report("peak_demand", given["application"]), metric
            ),
            given,
        )
        for metric in AT_PEAK
        for given in (BY_USER, BY_TOKEN)
    ),
    Same(
        "peak",
        "overview",
        _first("peak"),
        lambda shown: shown.overview[2].ranking.filter(pool=SUITE)["peak"].item(),
        BY_USER,
        LAST_30_DAYS,
    ),
    *(
        Same(
            "peak_concurrency",
            f"peak_demand of {given['application']}",
            _of_the_peak,
            lambda shown, given=given: [
                getattr(shown.report("peak_demand", given["application"]), name) for name in AT_PEAK
            ],
            given,
        )
        for given in (BY_USER, BY_TOKEN)
    ),
    *(
        Same(
            metric,
            f"{report}.witnesses",
            take,
            lambda shown, report=report: _witnesses(shown.report(report, TOKENS).witnesses),
            BY_TOKEN,
        )
        for report in ("peak_demand", "peak_witness")
        for metric, take in (
            ("witnesses", _witnesses),
            ("peak_concurrency", lambda found: _witnesses(found["witnesses"])),
        )
    ),
    Same(
        "demand",
        "peak_demand.peak_day",
        lambda found: cells(found, "at", "demand"),
        _inside_peak_day,
        BY_USER,
        in_part=True,
    ),
    Same(
        "average_demand",
        "peak_demand.by_day",
        lambda found: by(found, "day", "average"),
        lambda shown: by(shown.report("peak_demand", SUITE).by_day, "day", "average"),
        {**BY_USER, "calendar": "business"},
    ),
    _table("daily_peak", "peak_demand", "by_day", "day", "peak"),
    _table(
        *("use_duration", "use_duration", "by_number", "n", "minutes_at", "minutes_at_or_above", "share"),
        calendar="business",
    ),
    *(
        Same(
            metric,
            f"use_duration.needs, 95 % of {share_of}",
            take,
            _need_95(share_of),
            {**BY_USER, **calendar, "percentile": 95},
        )
        for metric, take, share_of, calendar in (
            ("need", _first("demand"), "business hours", {"calendar": "business"}),
            ("need", _first("demand"), "hours in use", {"calendar": "in_use"}),
            ("need_of_one", lambda found: found["demand"], "time, all hours", {}),
            ("percentile_demand", lambda found: found["demand"], "business hours", {"calendar": "business"}),
            ("launch_need", _first("demand"), "launches", {}),
            ("daily_peak_need", _first("demand"), "days", {}),
        )
    ),
    Same(
        "need",
        "overview",
        _first("demand"),
        lambda shown: shown.overview[2].ranking.filter(pool=SUITE)["need_95"].item(),
        {**BY_USER, "calendar": "business"},
        LAST_30_DAYS,
    ),
    Same(
        "demand_of_a_day",
        "peak_and_average.by_day",
        lambda found: cells(found, *A_DAY),
        lambda shown: cells(shown.report("peak_and_average", SUITE).by_day, *A_DAY),
        lambda shown: {
            **BY_USER,
            "calendar": "business",
            "owned": shown.report("peak_and_average", SUITE).owned,
        },
    ),
    _table("demand_of_the_week", "heatmap", "hours", "weekday", "hour", "maximum", "mean"),
    Same(
        "demand_by_state",
        "concurrent_use.by_minute",
        lambda found: cells(found, "minute", *STATES[:4]),
        lambda shown: cells(shown.report("concurrent_use", SUITE).by_minute, "minute", *STATES[:4]),
        lambda shown: {
            "application": SUITE,
            "key": "user",
            "every": "1m",
            **_one_day(shown.report("concurrent_use", SUITE).results["first_day"]),
        },
    ),
    *(
        Same(
            metric,
            "idle_definition.tried, all licenses",
            lambda found, metric=metric: list(
                sums(
                    [{**row, "of": (row["signal"], row["idle_minutes"])} for row in found], "of", metric
                ).values()
            ),
            lambda shown, column=column: _tried(shown)[column].to_list(),
            TRIED,
        )
        for metric, column in (
            ("busy_hours_by_idle_definition", "busy_hours"),
            ("idle_hours_by_idle_definition", "idle_hours"),
        )
    ),
    *(
        Same(
            metric,
            "idle_definition.tried of a suite",
            lambda found, metric=metric: [row[metric] for row in found],
            lambda shown, column=column: (
                shown.report("idle_definition", SUITE, **TRIED).tried[column].to_list()
            ),
            {**TRIED, "application": SUITE},
        )
        for metric, column in (("peak_by_idle_definition", "peaks"), ("seats_by_idle_definition", "seats"))
    ),
    *(
        Same(
            f"peak_{bound}_bound",
            "peak_demand.results",
            _first(bound),
            lambda shown, bound=bound: shown.report("peak_demand", SUITE).results[f"peak_{bound}_bound"],
            {"application": SUITE},
        )
        for bound in ("lower", "upper")
    ),
]


def _one_day(first: str) -> dict[str, str]:
    return {"start": first, "end": str(date.fromisoformat(first) + timedelta(days=1))}


# --- What if -----------------------------------------------------------------------------------------------


MIX = ("named", "concurrent", "tokens", "cost_minor", "bound_minor")


def _levels(metric: str) -> Same:
    return Same(
        metric,
        "what_if.curve, up to the peak",
        lambda found: cells(found, "n", metric),
        lambda shown: cells(shown.report("what_if", SUITE).curve, "n", metric)[
            : shown.report("what_if", SUITE).peak + 1
        ],
        BY_USER,
    )


def _prices(shown: Shown) -> dict[str, int]:
    """The prices of the contract, as what_if takes them."""
    asked = ask(shown.engine, **WINDOW, application=TOKENS, now=NOW)
    found = yearly_prices(one_pool(asked).demand, shown.report("what_if", TOKENS).pool, Offers())
    assert found is not None
    return {
        "named_minor": found.named or 0,
        "concurrent_minor": found.concurrent or 0,
        "rented_minor": (found.rent or 0) * 12,  # the window lies in one month
        "token_minor": found.token or 0,
    }


def _at_most(found: Any) -> int:
    times = pl.col("start", "end").str.to_datetime(time_zone="UTC").cast(INSTANT)
    used = pl.DataFrame(found, infer_schema_length=None).with_columns(times)
    return int(peak(used.lazy()).collect()["peak"].item())


def _terms(shown: Shown) -> dict[str, object]:
    first = shown.pack.year_costs.row(0, named=True)
    shares = {name: getattr(Term(), name) for name in SHARES}
    return {"quantity": first["held"], "need": first["need"], "price_minor": first["price_minor"], **shares}


WHAT_IF = [
    *(_levels(metric) for metric in ("minutes_short", "turned_away", "people_affected")),
    Same(
        "launch_demand",
        "what_if.curve: launches that need more than n",
        lambda found: [
            sum(row["demand"] > n for row in found) for n in range(max(row["demand"] for row in found) + 1)
        ],
        lambda shown: (
            shown.report("what_if", SUITE)
            .curve["turned_away"]
            .to_list()[: shown.report("what_if", SUITE).peak + 1]
        ),
        BY_USER,
    ),
    *(
        Same(
            "pooled_peak",
            f"what_if.pooled, by {kind}",
            lambda found: cells(found, "place", "peak", "first_reached"),
            lambda shown, kind=kind: cells(
                shown.report("what_if", TOKENS).pooled.filter(kind=kind), "place", "peak", "first_reached"
            ),
            {**BY_TOKEN, "by": kind},
        )
        for kind in ("office", "zone")
    ),
    Same(
        "in_use_at_most",
        "what_if.at_most",
        _at_most,
        lambda shown: shown.report("what_if", SUITE).at_most,
        BY_USER,
    ),
    Same(
        "demand_trend",
        "what_if.trend",
        lambda found: cells(found, "month", "demand", "line", "months"),
        lambda shown: cells(
            what_if.answer(ask(shown.engine, **ALL_DAYS, application=SUITE, now=NOW)).trend,
            *("month", "demand", "line", "months"),
        ),
        BY_USER,
        ALL_DAYS,
    ),
    Same(
        "cheapest_mix",
        "what_if.results",
        lambda found: [
            found[name] for name in ("named", "concurrent", "tokens", "cost_minor", "bound_minor")
        ],
        lambda shown: [
            shown.report("what_if", TOKENS).results[name]
            for name in ("named", "concurrent", "tokens", "cost_minor", "bound_minor")
        ],
        lambda shown: {**BY_TOKEN, **_prices(shown)},
    ),
    Same(
        "term_cost",
        "negotiation_pack.year_costs",
        lambda found: cells(found, "year", "held", "cost_minor", "at_list_minor"),
        lambda shown: cells(shown.pack.year_costs, "year", "held", "cost_minor", "at_list_minor"),
        _terms,
        {},
    ),
]

# --- Licenses ----------------------------------------------------------------------------------------------

SEAT = ("entitlement", "holder", "last_open", "busy_hours", "coverage", "proposal")
ENDS_IN_A_YEAR = pl.col("ends") < date(2027, 11, 24)
ALL: Mapping[str, object] = {}
BUSY = {"basis": "busy"}
"""What is in use, as every report here is asked; compliance and its queries take what is open by default."""


LICENSES = [
    _table("unused_seats", "unused_licenses", "seats", *SEAT, given=ALL),
    _table("surplus", "compliance", "positions", "product", "metric", "entitled", "surplus", given=BUSY),
    _table("shortfall", "compliance", "positions", "product", "metric", "consumed", "shortfall", given=BUSY),
    Same(
        "position_value",
        "compliance.positions",
        lambda found: cells(found, "product", "value_minor"),
        lambda shown: cells(shown.report("compliance").positions, "product", "value_minor"),
        BUSY,
    ),
    _table(
        "rights_findings", "compliance", "findings", "entitlement", "right", "subject", "evidence", given=BUSY
    ),
    *(
        Same(
            metric,
            f"{report}.contracts",
            lambda found, column=column: dict(cells(found, "entitlement", column)),
            lambda shown, report=report, of=of, column=column: dict(
                cells(shown.report(report).contracts.filter(of), "entitlement", column)
            ),
        )
        for report, of in (("renewals", pl.lit(value=True)), ("contract_calendar", ENDS_IN_A_YEAR))
        for metric, column in (("need_95", "need_95"), ("money_at_risk", "money_at_risk_minor"))
    ),
    *(
        Same(
            metric,
            "vendor_reconciliation.rows",
            lambda found: cells(found, "product", "start", "ours"),
            lambda shown: cells(shown.report("vendor_reconciliation").rows, "product", "start", "ours"),
        )
        for metric in ("peak_in_stretch", "people_in_stretch")
    ),
    _table(
        *("vendor_difference", "vendor_reconciliation", "rows", "product", "start", "vendor", "difference"),
        given=ALL,
    ),
    _table("denial_class", "denials", "denials", "at", "person", "class", given=ALL),
    _table("free_seats", "denials", "denials", "at", "person", "free", given=ALL),
    Same(
        "license_cost",
        "executive_summary.results",
        lambda found: sums(found, "currency", "cost_minor"),
        lambda shown: shown.report("executive_summary").results["license_cost_minor"],
    ),
    Same(
        "idle_cost",
        "executive_summary.results",
        lambda found: sums(found, "currency", "idle_cost_minor"),
        lambda shown: shown.report("executive_summary").results["idle_cost_minor"],
    ),
]

SAME = [*USE, *DEMAND, *WHAT_IF, *LICENSES]
OF_BILLS = {"billed", "recovered"}
"""Shown of a closed bill, which the sample has none of: test_figures_agree compares them on one that has."""
SHOWN_NOWHERE = {
    *("launches", "ends", "unit_hours", "utilization"),
    *("use_intervals", "calendar", "silent_hosts"),
    *("session_use", "consumed_right", "right_in_use"),
    *("fixed_interval_use", "user_days", "consumed_balance"),
}
"""For scripts: what figures are made of, and vendors' rules by themselves."""
