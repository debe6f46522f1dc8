"""Live: which metered applications are open now, in which state, under pseudonyms; nobody's idle time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import ipywidgets
import polars as pl
from IPython.display import HTML, display
from markupsafe import Markup
from sqlalchemy import Engine

from apps import page
from apps.page import Column
from collector.manager import presence
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.states import STATES
from warehouse.store import open_warehouse

REFRESH_SECONDS = 5
SILENT = timedelta(minutes=3)
"""An agent that has said nothing for so long is called silent."""
MOST_ROWS = 300
"""A longer list helps nobody."""

IDLE_WORDS = (
    "What is idle follows from the license policy. How long somebody is idle is not shown: idle time exists "
    "to allocate licenses, never to judge people."
)

COUNTS = [Column("name", "Application"), Column("open", "Open", "count")] + [
    Column(state, state.capitalize(), "count") for state in STATES
]

LIST = [
    Column("name", "Application"),
    Column("pseudonym", "Pseudonym", "code"),
    Column("state", "State", "state"),
    Column("since", "Since", "code"),
    Column("started", "Open since", "code"),
    Column("office", "Office"),
]


@dataclass(frozen=True)
class Now:
    """What is open at one moment.

    Attributes
    ----------
    sessions
        As `collector.manager.presence.live` gives them: one row per open session.
    agents
        As `warehouse.frames.agents` gives them: one row per enrollment.
    """

    at: datetime
    zone: str
    sessions: pl.DataFrame
    agents: pl.DataFrame


def read(engine: Engine, at: datetime | None = None) -> Now:
    """Read what is open at `at`, now unless said."""
    moment = at or datetime.now(UTC)
    return Now(
        at=moment,
        zone=_zone(engine),
        sessions=presence.live(engine, frames.policy(engine, "license"), moment),
        agents=frames.agents(engine).collect(),
    )


def _zone(engine: Engine) -> str:
    """Return the organization's zone; UTC before it has one, when agents may report already."""
    try:
        return str(frames.organization(engine)["zone"])
    except Problem:
        return "UTC"


def clock(now: Now) -> Markup:
    """Return the title with the moment that the screen shows; the page's script watches that it moves on."""
    local = now.at.astimezone(ZoneInfo(now.zone))
    lead = f"Open metered applications at {local:%H:%M:%S} on {local:%Y-%m-%d} ({now.zone})"
    late = Markup('<p class="late" data-live="{}" hidden>Not refreshed any more: reload the page.</p>')
    return page.heading("Live", f"{lead}, anew every {REFRESH_SECONDS} seconds.") + late.format(
        int(now.at.timestamp())
    )


def screen(now: Now) -> Markup:
    """Return counts by application and state, the list of sessions, and which agents are silent."""
    if now.agents.filter(pl.col("revoked").is_null()).is_empty() and now.sessions.is_empty():
        return page.empty(
            "No agent is enrolled yet",
            "Make a token on the manager, then enroll each machine with it:",
            "process-meter manager token new",
        )
    parts = [_key_figures(now.sessions), _by_application(now.sessions), _list(now)]
    return Markup("").join([*parts, silent_agents(now)])


def _key_figures(sessions: pl.DataFrame) -> Markup:
    counts = {state: sessions.filter(pl.col("state") == state).height for state in STATES}
    return page.figures(
        [
            ("Open", f"{sessions.height:,}", "sessions"),
            ("At work", f"{counts['active'] + counts['pause']:,}", f"{counts['pause']:,} in a short pause"),
            ("Idle", f"{counts['idle']:,}", "or locked, or disconnected"),
            ("Held", f"{counts['held']:,}", "attention not visible"),
            ("Unknown", f"{counts['unknown']:,}", "not heard from"),
        ]
    )


def by_application(sessions: pl.DataFrame) -> pl.DataFrame:
    """Count open sessions: `name`, `open`, and one column per state shown; busiest application first."""
    states = [(pl.col("state") == state).sum().cast(pl.Int64).alias(state) for state in STATES]
    return (
        sessions.group_by("name")
        .agg(pl.len().cast(pl.Int64).alias("open"), *states)
        .sort(["open", "name"], descending=[True, False])
    )


def _by_application(sessions: pl.DataFrame) -> Markup:
    if sessions.is_empty():
        return page.empty(
            "No metered application is open right now",
            "This page shows a launch within seconds. Which programs are metered:",
            "process-meter manager policy show",
        )
    counted = page.table(by_application(sessions), COUNTS, "Open sessions", cards=True)
    return page.section("By application", [counted])


def _list(now: Now) -> Markup:
    if now.sessions.is_empty():
        return Markup("")
    more = now.sessions.height - MOST_ROWS
    return page.section(
        "Who",
        [
            page.table(listed(now), LIST, "Open sessions, by application", cards=True),
            page.words(f"{more:,} more are counted above.") if more > 0 else Markup(""),
            page.basis(f"Pseudonyms; times of {now.zone}. {IDLE_WORDS}"),
        ],
    )


def listed(now: Now) -> pl.DataFrame:
    """Return the open sessions as they are listed, in local time; `since` is empty while idle."""

    def local(column: str, form: str) -> pl.Expr:
        return pl.col(column).dt.convert_time_zone(now.zone).dt.strftime(form)

    return now.sessions.head(MOST_ROWS).select(
        "name",
        "pseudonym",
        pl.col("state").cast(pl.String),
        local("since", "%H:%M:%S"),
        local("started", "%Y-%m-%d %H:%M"),
        "office",
    )


def silent_agents(now: Now) -> Markup:
    """Return which agents have not been heard from, and since when; nothing when all have."""
    enrolled = now.agents.filter(pl.col("revoked").is_null())
    silent = enrolled.filter(
        (pl.col("last_heard").is_null()) | (pl.lit(now.at) - pl.col("last_heard") > SILENT)
    )
    if silent.is_empty():
        return page.words(f"All {enrolled.height:,} agents are being heard from." if enrolled.height else "")
    rows = silent.sort("last_heard", nulls_last=False).select(
        "agent",
        "version",
        pl.col("last_heard").dt.convert_time_zone(now.zone).dt.strftime("%Y-%m-%d %H:%M").fill_null("never"),
        pl.col("backlog").cast(pl.Int64),
    )
    columns = [
        Column("agent", "Agent", "code"),
        Column("version", "Version"),
        Column("last_heard", "Last heard", "code"),
        Column("backlog", "Records it had left", "count"),
    ]
    words = page.words(
        f"{silent.height:,} of {enrolled.height:,} agents have not been heard from for 3 minutes or more. "
        "What their machines do meanwhile is unknown, and arrives when they come back."
    )
    shown = page.table(rows.head(MOST_ROWS), columns, f"The first {MOST_ROWS} at most, longest silent first")
    return page.section("Silent agents", [words, page.more("Which they are", shown)])


def show() -> None:
    """Show the screen as plain HTML at once, then keep it fresh through widgets for as long as it is open."""
    title, body = ipywidgets.HTML(), ipywidgets.HTML()
    engine = _opened()
    first = _fill(title, body, engine)
    display(HTML(Markup('<div class="first">{}</div>').format(first)), title, body)
    _tasks.add(asyncio.get_running_loop().create_task(_keep_fresh(title, body, engine)))


_tasks: set[asyncio.Task[None]] = set()
"""Running tasks; the loop itself keeps only weak references."""


def _opened() -> Engine | Problem:
    try:
        return open_warehouse()
    except Problem as problem:
        return problem


def _fill(title: ipywidgets.HTML, body: ipywidgets.HTML, engine: Engine | Problem) -> Markup:
    try:
        if isinstance(engine, Problem):
            raise engine
        now = read(engine)
        parts = clock(now), screen(now)
    except Problem as problem:
        parts = page.heading("Live"), page.trouble(problem)
    title.value, body.value = str(parts[0]), str(parts[1])
    return parts[0] + parts[1]


async def _keep_fresh(title: ipywidgets.HTML, body: ipywidgets.HTML, engine: Engine | Problem) -> None:
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        _fill(title, body, engine)
