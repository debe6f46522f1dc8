"""Between which numbers a peak lies while agents are still out and machines are silent."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from pipelines.answers.demand import Pool
from pipelines.answers.wording import count
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.bounds import LOOK_BACK, Counting, peak_bounds, silent_hosts
from warehouse.metrics.states import states
from warehouse.metrics.utilization import host_workdays


@dataclass(frozen=True)
class Missing:
    """What missing data can change about a peak.

    Attributes
    ----------
    lower, upper
        The least and the most that the peak can have been.
    unheard
        Hosts of the directory that were never observed in the window, nor in the 30 days before: they are in
        neither bound.
    """

    lower: int
    upper: int
    unheard: int

    @property
    def words(self) -> str:
        """Say it as a footer does."""
        between = f"{self.lower:,} is certain, {self.upper:,} is possible"
        if self.lower == self.upper:
            between = f"{self.lower:,}, whatever the missing data hold"
        if not self.unheard:
            return between
        machines = count(self.unheard, "machine")
        verb = "is" if self.unheard == 1 else "are"
        return f"{between}; {machines} unheard of in this time and the 30 days before {verb} in neither"

    @property
    def results(self) -> dict[str, object]:
        """Give the bounds as key figures."""
        return {"peak_lower_bound": self.lower, "peak_upper_bound": self.upper}

    @property
    def claim(self) -> str:
        """Say it in a sentence under a figure; empty where nothing is missing."""
        if self.lower == self.upper:
            return ""
        return (
            f" While data are missing, the peak lies **between {self.lower:,} and {self.upper:,}**: the "
            "first is what is known; for the second, time that nobody watched counts as use, and silent "
            "machines count at their own mean."
        )


def missing(pool: Pool) -> Missing:
    """Find the bounds of a pool's peak, by the question's basis and the pool's key."""
    question = pool.demand.question
    counting, codes, mine, stated = _counted(pool)
    silent, unheard = _silent(pool, counting, codes, mine, stated)
    window = (question.start, question.end)
    bounds = peak_bounds(stated, mine.lazy(), counting, *window, silent).collect()
    return Missing(bounds["lower"][0], bounds["upper"][0], unheard)


def silent_machines(pool: Pool) -> pl.DataFrame:
    """Give what `bounds.silent_hosts` gives of a pool; no rows where nobody was silent.

    Raises
    ------
    Problem
        The directory lists no machine: nobody can be silent.
    """
    silent, _ = _silent(pool, *_counted(pool))
    if silent is None:
        raise Problem(
            "the directory lists no machine that could be silent",
            "import the hosts: process-meter directory import FILE",
        )
    return silent.collect()


def _counted(pool: Pool) -> tuple[Counting, list[str], pl.DataFrame, pl.LazyFrame]:
    """Take how a pool is counted, its applications, and its own sessions and states."""
    question, found = pool.demand.question, pool.demand.found
    codes = pool.members.select("application").collect()["application"].to_list()
    mine = found.sessions.filter(pl.col("application").cast(pl.String).is_in(codes)).collect()
    stated = found.stated.filter(pl.col("session").is_in(mine["session"].implode()))
    weights = frames.applications(question.engine)
    counting = Counting(pool.row["key"], question.basis, weights, "entitlement", pool.members)
    return counting, codes, mine, stated


def _silent(
    pool: Pool, counting: Counting, codes: list[str], mine: pl.DataFrame, stated: pl.LazyFrame
) -> tuple[pl.LazyFrame | None, int]:
    """Find what silent hosts would have used, and how many were never heard; nobody is silent tomorrow."""
    question = pool.demand.question
    engine, first, end = question.engine, question.start - LOOK_BACK, min(question.end, question.asked_at)
    hosts = frames.hosts(engine).collect()
    if end <= question.start or not hosts["in_directory"].any():
        return None, 0
    watches = frames.watches(engine, first, end).collect().lazy()
    workdays = host_workdays(
        watches, hosts.lazy(), frames.offices(engine), frames.holidays(engine), first, end
    )
    unheard = workdays.group_by("host").agg(pl.col("is_observed").any()).filter(~pl.col("is_observed")).height
    earlier = frames.sessions(engine, first, question.start, codes).collect()
    earlier = earlier.filter(~pl.col("session").is_in(mine["session"].implode()))
    before = states(
        frames.segments(engine, first, question.start, codes), question.policy, question.asked_at
    ).filter(pl.col("session").is_in(earlier["session"].implode()))
    together = pl.concat([before.select(stated.collect_schema().names()), stated])
    sessions = pl.concat([earlier, mine]).lazy()
    return silent_hosts(
        together, sessions, counting, workdays, watches, question.start, end
    ).collect().lazy(), unheard
