"""What keeps a fleet from being seen: machines without an agent, and agents that need looking after."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from warehouse.errors import Problem

FINDINGS = (
    "no agent",
    "never heard",
    "silent",
    "clock is off",
    "backlog",
    "old version",
    "not in the directory",
    "revoked",
)
"""What may be found about an agent, the gravest first."""


@dataclass(frozen=True)
class Limits:
    """From where on an agent needs looking after.

    Parameters
    ----------
    silent_days
        Days without a word; the default is longer than a weekend.
    backlog
        More records than this waiting on the machine.
    clock_seconds
        Seconds that the machine's clock is off, in either direction.
    version
        The version that an agent should have at least; empty: the newest one in the fleet.

    Raises
    ------
    Problem
        A limit below zero.
    """

    silent_days: float = 4.0
    backlog: int = 1000
    clock_seconds: float = 60.0
    version: str = ""

    def __post_init__(self) -> None:
        if min(self.silent_days, self.backlog, self.clock_seconds) < 0:
            raise Problem("a limit for agents is below zero", "give days, records and seconds of 0 or more")


USUAL = Limits()
"""The limits of those who ask for none."""


def agent_findings(
    agents: pl.LazyFrame, hosts: pl.LazyFrame, at: datetime, day: date, limits: Limits = USUAL
) -> pl.LazyFrame:
    """Find the machines without an agent, and the agents that need looking after.

    Parameters
    ----------
    agents
        As `frames.agents` gives them.
    hosts
        `host`, `in_directory`, `valid_from`, `valid_to` (Date, null: open).
    at
        The moment of the question.
    day
        The day whose directory counts.
    limits
        From where on an agent needs looking after.

    Returns
    -------
    pl.LazyFrame
        `agent` (null: the machine has none in force), `host`, `version`, `last_heard`, `backlog`,
        `clock_offset_ms` (manager minus machine), `findings` (List of `FINDINGS`, gravest first; empty:
        nothing). One row per enrollment, and one per host of the directory without an enrollment in force;
        the gravest first, revoked enrollments last; of these nothing else is found.
    """
    known = agents.collect()
    listed = hosts.filter("in_directory", _in_force(day)).select("host")
    in_force = pl.col("revoked").is_null()
    bare = listed.join(known.lazy().filter(in_force), on="host", how="anti")
    outside = pl.col("host").is_in(listed.collect()["host"].implode()).not_()
    judged = known.lazy().with_columns(
        findings=pl.when(in_force)
        .then(_findings(outside, at, limits, older_than(limits.version, known["version"])))
        .otherwise(pl.lit(["revoked"]))
    )
    without = bare.with_columns(findings=pl.lit(["no agent"]))
    found = pl.concat([without, judged.drop("enrolled", "revoked")], how="diagonal")
    gravest = pl.col("findings").list.first().fill_null("").replace_strict(_RANKS, return_dtype=pl.Int64)
    return found.select(
        "agent", "host", "version", "last_heard", "backlog", "clock_offset_ms", "findings"
    ).sort(gravest, "last_heard", "host", "agent")


_RANKS = {finding: rank for rank, finding in enumerate((*FINDINGS[:-1], "", FINDINGS[-1]))}


def _in_force(day: date) -> pl.Expr:
    starts, ends = pl.col("valid_from"), pl.col("valid_to")
    return (starts.is_null() | (starts <= day)) & (ends.is_null() | (ends > day))


def _findings(outside: pl.Expr, at: datetime, limits: Limits, old: list[str]) -> pl.Expr:
    conditions = {
        "never heard": pl.col("last_heard").is_null(),
        "silent": pl.col("last_heard") < at - timedelta(days=limits.silent_days),
        "clock is off": pl.col("clock_offset_ms").abs() > limits.clock_seconds * 1000,
        "backlog": pl.col("backlog") > limits.backlog,
        "old version": pl.col("version").is_in(old),
        "not in the directory": outside,
    }
    words = [pl.when(condition).then(pl.lit(name)) for name, condition in conditions.items()]
    return pl.concat_list(words).list.drop_nulls()


def older_than(version: str, versions: Iterable[str]) -> list[str]:
    """List the different versions that are older than one; empty: than the newest of them.

    Versions are compared by the numbers that they begin with, so that 0.10 is newer than 0.9.1; what begins
    with none is older than all.
    """
    different = sorted(set(versions), key=_numbers)
    if not different:
        return []
    least = _numbers(version or different[-1])
    return [each for each in different if _numbers(each) < least]


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(number) for number in found.group().split(".")] if found else [-1]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
