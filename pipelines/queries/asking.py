"""What every query is asked with, and what it looks at: a window, applications, a zone, a policy's states."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

import polars as pl
from sqlalchemy import Engine

from pipelines.answers.owned import TOKENS, owned_on
from pipelines.report_parameters import Parameter, nearest
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.concurrency import KEYS, curve, intervals
from warehouse.metrics.percentiles import CALENDARS, calendar
from warehouse.metrics.states import BASES, states
from warehouse.periods import business_days, day_bounds, union, zone_of

Values = Mapping[str, Any]
Answer = dict[str, Any] | list[dict[str, Any]]


@dataclass(frozen=True)
class Query:
    """One question that a script may ask: what it answers, with which parameters."""

    name: str
    about: str
    parameters: tuple[Parameter, ...]
    run: Callable[[Engine, Values], Answer]


@dataclass(frozen=True)
class Evidence:
    """What a query looks at: whole sessions of a window, with their states.

    `counted` is how demand is put together, as `concurrency.intervals` takes it: `group` and `suites` where
    all that a license covers counts as one, nothing where each application counts by itself.
    """

    start: datetime
    end: datetime
    sessions: pl.LazyFrame
    stated: pl.LazyFrame
    counted: Mapping[str, Any] = field(default_factory=dict)


WINDOW = (
    Parameter("start", "str", "", "first day, e.g. 2026-10-01; left out: the first one with evidence"),
    Parameter("end", "str", "", "first day after the window; left out: the day after the last with evidence"),
)
_OF_PRODUCT = (
    "of an application, counted by itself, or of a product, of which all that its license covers is one"
)
APPLICATION = Parameter(
    "application", "str", "", "code of an application or a product; left out: all of them"
)
DEMANDED = Parameter("application", "str", "", f"code {_OF_PRODUCT}; left out: every application")
ONE = Parameter("application", "str", "", f"code {_OF_PRODUCT}")
ZONE = Parameter("zone", "str", "", "zone of the days; left out: the organization's, else UTC")
KEY = Parameter("key", "str", "user", f"what counts once: {', '.join(KEYS)}")
BASIS = Parameter("basis", "str", "run", f"which time counts: {', '.join(BASES)}")
CALENDAR = Parameter("calendar", "str", "all", f"the time that counts: {', '.join(CALENDARS)}")
PERCENTILE = Parameter("percentile", "float", 95.0, "0 to 100")


def evidence(engine: Engine, values: Values, zone: str) -> Evidence:
    """Read the window, whole days of the zone, and the states of what is in it."""
    start, end = window(engine, values, zone)
    return _read(engine, start, end, application(engine, values.get("application", "")), {})


def demanded(engine: Engine, values: Values, zone: str) -> Evidence:
    """Read the window for a question about demand: of an application, or of all that a license covers."""
    start, end = window(engine, values, zone)
    return _read(engine, start, end, *counting(engine, values, zone_of(zone), end))


def _read(
    engine: Engine, start: datetime, end: datetime, codes: list[str] | None, counted: Mapping[str, Any]
) -> Evidence:
    stated = states(frames.segments(engine, start, end, codes), frames.policy(engine, "license"))
    sessions = frames.sessions(engine, start, end, codes)
    return Evidence(start, end, sessions.collect().lazy(), stated.collect().lazy(), counted)


def counting(
    engine: Engine, values: Values, zone: tzinfo, end: datetime
) -> tuple[list[str] | None, dict[str, Any]]:
    """Find the applications that demand is of, and how they are put together: see `Evidence.counted`.

    A product means what its license covers on the last day of the window, as in the reports; of one that is
    licensed by tokens and otherwise, too, the key decides.
    """
    code = values["application"]
    codes = application(engine, code)
    if codes is None or codes == [code]:
        return codes, {}
    owned = owned_on(engine, (end - timedelta(milliseconds=1)).astimezone(zone).date())
    pools = owned.pools.filter(pl.col("product") == code, pl.col("metric").is_not_null())["pool"].to_list()
    if not pools:
        raise Problem(
            f"no license of the product {code!r} is known at the end of the window",
            f"import it, or ask for one application: {', '.join(codes)}",
        )
    by_tokens = [pool for pool in pools if pool.endswith(TOKENS) == (values.get("key") == "token")]
    members = owned.members.filter(pl.col("entitlement") == (by_tokens or pools)[0])
    suites = members.with_columns(entitlement=pl.lit(code)).lazy()
    return members["application"].to_list(), {"group": "entitlement", "suites": suites}


def window(engine: Engine, values: Values, zone: str) -> tuple[datetime, datetime]:
    """Return the days asked for; those left out are the first and the last one with evidence."""
    known = frames.span(engine)
    if known is None:
        raise Problem("the warehouse holds no session yet", "import a log or let agents deliver first")
    local = zone_of(zone)
    first = day(values["start"], "start") or known[0].astimezone(local).date()
    last = (known[1] - timedelta(milliseconds=1)).astimezone(local).date()
    end = day(values["end"], "end") or last + timedelta(days=1)
    if first >= end:
        raise Problem(f"the end {end} is not after the start {first}", "the end is the first day left out")
    return day_bounds(zone, first)[0], day_bounds(zone, end)[0]


def day(text: str, name: str) -> date | None:
    """Read a day; None where nothing is given."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Problem(f"{name} cannot be {text!r}", "write a day as 2026-10-01") from None


def application(engine: Engine, code: str) -> list[str] | None:
    """Return the application asked for, or those of a product; None: all of them."""
    if not code:
        return None
    known = frames.applications(engine).select("application", "product").collect()
    if code in known["application"]:
        return [code]
    if of_product := known.filter(pl.col("product") == code)["application"].to_list():
        return [str(each) for each in of_product]
    names = [*known["application"], *known["product"].drop_nulls().unique(maintain_order=True)]
    raise Problem(f"there is no application {code!r}", nearest(code, names, "there are"))


def zone(engine: Engine, values: Values) -> str:
    """Return the zone asked for, else the organization's, else UTC."""
    asked = values.get("zone") or frames.home_zone(engine) or "UTC"
    zone_of(asked)
    return str(asked)


def word(name: str, given: str, known: Iterable[str]) -> None:
    """Refuse a word that is not one of the known ones."""
    if given not in (names := tuple(known)):
        raise Problem(f"{name} cannot be {given!r}", nearest(given, names, "give one of"))


def one_application(metric: str, values: Values) -> None:
    """Refuse a question about all applications together."""
    if not values["application"]:
        raise Problem(f"{metric} asks for one application", "add -p application=CODE")


def used(engine: Engine, seen: Evidence, values: Values) -> pl.LazyFrame:
    """Say when each key was in use, by `application`: the code of a product where that is asked for."""
    word("key", values["key"], KEYS)
    word("basis", values["basis"], BASES)
    return by_application(
        intervals(
            *(seen.stated, seen.sessions, values["key"], values["basis"], seen.start, seen.end),
            weights=frames.applications(engine),
            **seen.counted,
        )
    )


def by_application(found: pl.LazyFrame) -> pl.LazyFrame:
    """Call the group `application`, whether it is one or all that a license covers."""
    return found.rename({"entitlement": "application"}, strict=False)


def hours(engine: Engine, seen: Evidence, values: Values, in_use: pl.LazyFrame) -> pl.LazyFrame:
    """Return the calendar asked for; `business` is whenever an office is open, holidays left out."""
    word("calendar", values["calendar"], CALENDARS)
    if values["calendar"] == "business":
        return union(open_days(engine, seen).select("start", "end"))
    if values["calendar"] == "in_use" and in_use.collect().is_empty():
        raise Problem("nothing was in use in this window", "choose another window, or take calendar=all")
    return calendar(values["calendar"], seen.start, seen.end, demand=curve(in_use))


def open_days(engine: Engine, seen: Evidence) -> pl.LazyFrame:
    """Give the business hours of every office, holidays left out: `day` (there), `start`, `end`."""
    found = business_days(frames.offices(engine), frames.holidays(engine), seen.start, seen.end).collect()
    if found.is_empty():
        raise Problem(
            "no office is open in this window", "import offices and their hours, or take calendar=all"
        )
    return found.select("day", "start", "end").lazy()


def instant(moment: datetime | None) -> str | None:
    """Write an instant as ISO 8601 UTC with seconds."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def rows(frame: pl.LazyFrame) -> list[dict[str, Any]]:
    """Turn a frame into plain rows: instants and days as text, numbers without the noise of floats."""
    # Polars multiplies by the reciprocal: 16 hours would read 15.999999999999998.
    found = frame.with_columns(pl.col(pl.Float64).round(12), pl.col(pl.Date).dt.to_string("iso")).collect()
    return [{name: _plain(value) for name, value in row.items()} for row in found.to_dicts()]


def _plain(value: Any) -> Any:
    return instant(value) if isinstance(value, datetime) else value
