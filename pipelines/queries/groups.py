"""Use and cost of groups: departments, offices, groups of the directory, versions of an application."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
from sqlalchemy import Engine

from pipelines.queries.asking import (
    APPLICATION,
    BASIS,
    WINDOW,
    ZONE,
    Answer,
    Evidence,
    Query,
    Values,
    application,
    evidence,
    rows,
    word,
    zone,
)
from pipelines.report_parameters import Parameter
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.catalogue import CATALOGUE
from warehouse.metrics.group_use import GROUPS, cost_shares, group_use, in_groups
from warehouse.metrics.states import BASES
from warehouse.money import HOUR_MS
from warehouse.periods import zone_of

BY = Parameter("by", "str", "department", f"any of {', '.join(GROUPS)}, with commas between")


def groups_of(text: str) -> tuple[str, ...]:
    """Read what to group by: any of GROUPS, with commas between."""
    named = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in named:
        word("by", name, GROUPS)
    if not named:
        raise Problem("by is empty", f"give any of {', '.join(GROUPS)}, with commas between")
    return named


def with_groups(engine: Engine, sessions: pl.LazyFrame) -> pl.LazyFrame:
    """Give sessions the groups of the directory; a name that two servers know says of which it is.

    Raises
    ------
    Problem
        No group is known.
    """
    known = frames.memberships(engine).collect()
    if known.is_empty():
        raise Problem(
            "No directory group is known",
            "read groups with `process-meter directory sync`, or group by department, office or version",
        )
    twice = pl.col("source").n_unique().over("group") > 1
    server = pl.when(pl.col("source") == "").then(pl.lit("a file")).otherwise("source")
    named = pl.when(twice).then(pl.format("{} ({})", "group", server)).otherwise("group")
    return in_groups(sessions.collect(), known.with_columns(group=named)).lazy()


def rights_on(engine: Engine, day: date) -> pl.DataFrame:
    """List the rights in force on a day."""
    in_force = (pl.col("valid_from") <= day) & (pl.col("valid_to").is_null() | (pl.col("valid_to") > day))
    return frames.entitlements(engine).filter(in_force).collect()


def _hours_by_group(engine: Engine, values: Values) -> Answer:
    by, seen = groups_of(values["by"]), evidence(engine, values, zone(engine, values))
    used = group_use(seen.stated, _grouped(engine, seen, by), by, seen.start, seen.end)
    return rows(used.select(*by, "application", hours_by_group=pl.col("run_ms") / HOUR_MS))


def _cost_share(engine: Engine, values: Values) -> Answer:
    """Divide over all applications, whichever is asked for: a right may cover several."""
    word("basis", values["basis"], BASES)
    by, local, codes = (
        groups_of(values["by"]),
        zone(engine, values),
        application(engine, values["application"]),
    )
    seen = evidence(engine, {**values, "application": ""}, local)
    used = group_use(seen.stated, _grouped(engine, seen, by), by, seen.start, seen.end).collect()
    last_day = (seen.end - timedelta(milliseconds=1)).astimezone(zone_of(local)).date()
    covers = frames.entitlement_applications(engine).collect()
    divided = cost_shares(used, rights_on(engine, last_day), covers, by, f"{values['basis']}_ms")
    mine = pl.lit(value=True) if codes is None else pl.col("application").is_in(codes)
    return rows(divided.filter(mine).rename({"cost_minor": "cost_share"}))


def _grouped(engine: Engine, seen: Evidence, by: tuple[str, ...]) -> pl.LazyFrame:
    return with_groups(engine, seen.sessions) if "group" in by else seen.sessions


QUERIES = (
    Query(
        "hours_by_group",
        CATALOGUE["hours_by_group"].description,
        (BY, APPLICATION, *WINDOW, ZONE),
        _hours_by_group,
    ),
    Query(
        "cost_share",
        CATALOGUE["cost_share"].description,
        (BY, BASIS, APPLICATION, *WINDOW, ZONE),
        _cost_share,
    ),
)
"""In the order of `query list`."""
