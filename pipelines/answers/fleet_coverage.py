"""Which machines are seen, which are not, and which agents need looking after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from pipelines.answers import fleet
from pipelines.answers.footer import Footer, source, window_words
from pipelines.answers.question import Question
from pipelines.answers.wording import count, listing, safe, share
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.fleet import FINDINGS, USUAL, Limits, agent_findings
from warehouse.metrics.utilization import fleet_coverage

CALENDAR = "business days of each machine's office, holidays left out"
ELSEWHERE = "No office"
UNLISTED = "Not in the directory"

IN_A_SENTENCE = {
    "never heard": "never heard from",
    "silent": "silent",
    "clock is off": "on a machine whose clock is off",
    "backlog": "with a backlog",
    "old version": "of an old version",
    "not in the directory": "on a machine that is not in the directory",
}
"""Findings as they follow a number: 3 with a backlog."""

NO_AGENT = "No agent has enrolled yet, so no machine is watched"
ENROLL = (
    "draw a token with `process-meter manager token new`, then run `process-meter-agent enroll URL --token "
    "TOKEN` on each machine"
)


@dataclass(frozen=True)
class Thresholds:
    """When enough was seen.

    Parameters
    ----------
    well_percent
        A machine of which so many percent of its workdays were observed, or more, is well seen.
    blind_percent
        An office of which less than so many percent of host-workdays were observed is blind.

    Raises
    ------
    Problem
        A percentage outside 0 to 100, or a blind office that is seen better than a well seen machine.
    """

    well_percent: float = 80.0
    blind_percent: float = 50.0

    def __post_init__(self) -> None:
        if not 0 <= self.blind_percent <= self.well_percent <= 100:
            raise Problem(
                f"well seen from {self.well_percent:g} % on and blind below {self.blind_percent:g} % is no "
                "scale",
                "give percentages from 0 to 100, that of blind not above the other",
            )

    def levels(self) -> tuple[str, ...]:
        """Name how well a machine may be seen, best first; its number is `level` of `hosts`."""
        well, blind = f"{self.well_percent:g} %", f"{self.blind_percent:g} %"
        return (
            f"seen {well} or more",
            f"seen {blind} to {well}",
            f"seen under {blind}",
            "not seen once",
            "never heard from",
            "no workday counted",
        )


@dataclass(frozen=True)
class FleetReport:
    """What is seen of a fleet, machine by machine, and what its agents are found to lack.

    Attributes
    ----------
    hosts
        One row per machine of the directory with a workday in the window, and per other machine with an
        agent in force; by office, least seen first: office (its name), host (pseudonym), coverage (0-1;
        null: it had no workday in the window), level (Int64, place in `levels`).
    levels
        How well a machine may be seen, in words, best first.
    offices
        One row per office, least covered first: office, name, hosts, unseen, observed_workdays, workdays,
        coverage.
    agents
        One row per enrollment, and per machine without one, the gravest first: agent (null: none), host,
        office, version, last_heard (Datetime UTC), backlog (records that wait), clock_offset_seconds
        (positive: the machine's clock is late), coverage, findings (text; null: nothing).
    share
        Observed host-workdays / host-workdays, 0-1; None where the directory lists no machine.
    claims
        Markdown sentences: "machines", "offices", "agents".
    """

    hosts: pl.DataFrame
    levels: tuple[str, ...]
    offices: pl.DataFrame
    agents: pl.DataFrame
    share: float | None
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


@dataclass(frozen=True)
class _Seen:
    """What the warehouse holds about watching: its frames, and the coverage of the hosts."""

    agents: pl.DataFrame
    watches: pl.DataFrame
    hosts: pl.DataFrame
    by_host: pl.DataFrame
    share: float | None


def answer(question: Question, thresholds: Thresholds = Thresholds(), limits: Limits = USUAL) -> FleetReport:
    """Say how well every machine, office and agent is seen; agents as they are now, not in the window.

    Raises
    ------
    Problem
        No agent has ever enrolled, and nothing was watched.
    """
    seen = _read(question)
    offices = fleet.by_office(seen.by_host.lazy(), seen.hosts.lazy(), frames.offices(question.engine))
    hosts = _hosts(question, seen, thresholds)
    agents = _agents(question, seen, hosts, limits)
    levels = thresholds.levels()
    return FleetReport(
        hosts=hosts,
        levels=levels,
        offices=offices,
        agents=agents.with_columns(findings=_in_words()),
        share=seen.share,
        claims={
            "machines": _claim_machines(hosts, seen.share, thresholds),
            "offices": _claim_offices(offices, thresholds),
            "agents": _claim_agents(agents),
        },
        footer=_footer(question, seen),
        results={
            "fleet_coverage": seen.share,
            "machines": {words: int((hosts["level"] == place).sum()) for place, words in enumerate(levels)},
            "blind_offices": _blind(offices, thresholds)["office"].to_list(),
            "agents": _counts(agents),
        },
    )


def _read(question: Question) -> _Seen:
    engine, window = question.engine, (question.start, question.end)
    agents, watches = frames.agents(engine).collect(), frames.watches(engine, *window).collect()
    if agents.is_empty() and watches.is_empty():
        raise Problem(NO_AGENT, ENROLL)
    hosts = frames.hosts(engine)
    try:
        covered = fleet_coverage(
            watches.lazy(), hosts, frames.offices(engine), frames.holidays(engine), *window
        )
    except Problem:
        # Agents come before the directory in a young warehouse: the report then tells of agents alone.
        by_host = pl.DataFrame(
            schema={"host": pl.String, "observed_workdays": pl.UInt32, "workdays": pl.UInt32}
        )
        return _Seen(agents, watches, hosts.collect(), by_host, None)
    return _Seen(agents, watches, hosts.collect(), covered.by_host.collect(), covered.share)


def _hosts(question: Question, seen: _Seen, thresholds: Thresholds) -> pl.DataFrame:
    in_force = seen.agents.filter(pl.col("revoked").is_null())["host"]
    heard = pl.concat([seen.agents.filter(pl.col("last_heard").is_not_null())["host"], seen.watches["host"]])
    names = frames.offices(question.engine).select("office", office_name="name").collect()
    shown = pl.concat([seen.by_host["host"], in_force]).unique()
    place = (
        pl.when("in_directory").then(pl.col("office_name").fill_null(ELSEWHERE)).otherwise(pl.lit(UNLISTED))
    )
    return (
        seen.hosts.filter(pl.col("host").is_in(shown.implode()))
        .join(seen.by_host, on="host", how="left")
        .join(names, on="office", how="left")
        .with_columns(place.alias("office"), is_heard=pl.col("host").is_in(heard.implode()))
        .with_columns(coverage=pl.col("observed_workdays") / pl.col("workdays"), level=_level(thresholds))
        .sort(
            *(pl.col("coverage").mean().over("office"), "office", "level", "coverage", "host"),
            descending=[False, False, True, False, False],
            nulls_last=True,
        )
        .select("office", "host", "coverage", "level")
    )


def _level(thresholds: Thresholds) -> pl.Expr:
    """Place a machine in the levels; in whole workdays, so that 80 % is reached exactly."""
    observed, workdays = pl.col("observed_workdays").cast(pl.Int64), pl.col("workdays").cast(pl.Int64)
    return (
        pl.when(workdays.is_null())
        .then(5)
        .when(~pl.col("is_heard"))
        .then(4)
        .when(observed == 0)
        .then(3)
        .when(100 * observed < thresholds.blind_percent * workdays)
        .then(2)
        .when(100 * observed < thresholds.well_percent * workdays)
        .then(1)
        .otherwise(0)
        .cast(pl.Int64)
    )


def _agents(question: Question, seen: _Seen, hosts: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    last_day = question.end_day - timedelta(days=1)
    found = agent_findings(seen.agents.lazy(), seen.hosts.lazy(), question.asked_at, last_day, limits)
    return (
        found.collect()
        .join(hosts, on="host", how="left", maintain_order="left")
        .select(
            *("agent", "host", "office", "version", "last_heard", "backlog"),
            clock_offset_seconds=pl.col("clock_offset_ms") / 1000,
            coverage="coverage",
            findings="findings",
        )
    )


def _in_words() -> pl.Expr:
    words = pl.col("findings").list.join(", ")
    return pl.when(words != "").then(words).alias("findings")


# --- The claims --------------------------------------------------------------------------------------------


def _claim_machines(hosts: pl.DataFrame, covered: float | None, thresholds: Thresholds) -> str:
    if covered is None:
        return (
            f"**How much of the fleet is seen cannot be told**: {count(hosts.height, 'machine')} with an "
            "agent, but the directory lists no machine with a workday in the window. Import it with "
            "`process-meter directory import FILE`."
        )
    listed = hosts.filter(pl.col("coverage").is_not_null())
    well, never = ((listed["level"] == level).sum() for level in (0, 4))
    verb, were = ("was" if number == 1 else "were" for number in (well, never))
    return (
        f"**{share(covered)} of the fleet's workdays were seen.** Of "
        f"{count(listed.height, 'machine')} in the directory {well:,} {verb} seen on "
        f"{thresholds.well_percent:g} % of workdays or more, and **{never:,} {were} never heard from**."
    )


def _claim_offices(offices: pl.DataFrame, thresholds: Thresholds) -> str:
    if offices.is_empty():
        return "No office has a machine in the directory yet."
    blind = _blind(offices, thresholds)
    bound = f"{thresholds.blind_percent:g} %"
    if blind.is_empty():
        worst = offices.row(0, named=True)
        return (
            f"**No office is blind**: each has {bound} of its host-workdays observed or more. Least seen is "
            f"{safe(worst['name'])}, {share(worst['coverage'])}."
        )
    names = [f"**{safe(row['name'])}** ({share(row['coverage'])})" for row in blind.to_dicts()[:5]]
    more = f" and {blind.height - 5:,} more" if blind.height > 5 else ""
    verb = "is" if blind.height == 1 else "are"
    return (
        f"{listing(names)}{more} {verb} blind: less than {bound} of the host-workdays were observed. Peaks "
        "and unused seats of people there are not to be trusted."
    )


def _blind(offices: pl.DataFrame, thresholds: Thresholds) -> pl.DataFrame:
    bound = thresholds.blind_percent * pl.col("workdays")
    return offices.filter(100 * pl.col("observed_workdays") < bound)


def _claim_agents(agents: pl.DataFrame) -> str:
    counts = _counts(agents)
    bare, revoked = counts.pop("no agent"), counts.pop("revoked")
    in_force = agents.filter(pl.col("agent").is_not_null()).height - revoked
    ill = agents.filter(pl.col("findings").list.set_intersection(list(counts)).list.len() > 0).height
    found = listing(f"{number:,} {IN_A_SENTENCE[name]}" for name, number in counts.items() if number)
    several = ", some of them for more than one reason" if sum(counts.values()) > ill else ""
    words = (
        f"**{ill:,} of {count(in_force, 'agent')} {'needs' if ill == 1 else 'need'} looking after**: {found}"
        f"{several}."
        if ill
        else f"**None of {count(in_force, 'agent')} needs looking after.**"
    )
    lack = f"{count(bare, 'machine')} of the directory {'has' if bare == 1 else 'have'} no agent"
    return f"{words} {lack}; {count(revoked, 'agent')} {'was' if revoked == 1 else 'were'} revoked."


def _counts(agents: pl.DataFrame) -> dict[str, int]:
    return {finding: agents.filter(pl.col("findings").list.contains(finding)).height for finding in FINDINGS}


def _footer(question: Question, seen: _Seen) -> Footer:
    return Footer(
        basis="watched: an agent ran on the machine, whether or not an application was open",
        key="machines of the directory; agents as they were when this was made",
        window=window_words(question),
        zone=question.zone,
        calendar=CALENDAR,
        session_coverage=None,
        fleet_coverage=seen.share,
        policy="none: being seen does not depend on what counts as idle",
        rows={
            "machines": seen.hosts.height,
            "agents": seen.agents.height,
            "watch intervals": seen.watches.height,
        },
        made_at=question.asked_at,
        source=source(question.engine),
    )
