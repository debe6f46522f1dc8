"""Overview: how applications are used, over time and against what is owned, for one of three windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
from markupsafe import Markup
from sqlalchemy import Engine

from apps import charts, downloads, page
from apps.page import Column
from pipelines.answers import groups, peak_demand, utilization
from pipelines.answers.evidence import Evidence
from pipelines.answers.peak_demand import PeakDemand
from pipelines.answers.question import AS_LICENSED, Question, ask
from pipelines.answers.utilization import HOURS, Utilization
from warehouse import frames
from warehouse.errors import Problem

USE = [
    Column("name", "Application"),
    Column("people", "People", "count"),
    Column("run_hours", "Run h", "hours"),
    Column("busy_share", "Busy", "share"),
    Column("active_hours", "Active h", "hours"),
    Column("pause_hours", "Pause h", "hours"),
    Column("idle_hours", "Idle h", "hours"),
    Column("held_hours", "Held h", "hours"),
    Column("unknown_hours", "Unknown h", "hours"),
]
OVER_TIME = [Column("label", "Stretch"), *(column for column in USE[4:])]
DEMAND = [
    Column("name", "License"),
    Column("key", "Counted by"),
    Column("owned", "Owned", "count"),
    Column("peak", "Peak", "count"),
    Column("need_95", "95 % need", "count"),
    Column("minutes_above_owned", "Minutes above owned", "count"),
]
LABELS = {"day": "%-d %b", "week": "%-d %b", "month": "%b %Y"}


@dataclass(frozen=True)
class Window:
    """Whole local days up to yesterday, [first_day, end_day): today's would be half seen."""

    code: str
    words: str
    first_day: date
    end_day: date


Measured = tuple[Window, Utilization | None, PeakDemand | Problem]
"""A window with its answers, or with why there are none."""


@dataclass(frozen=True)
class Figures:
    """What the screen shows, as of one moment."""

    as_of: datetime
    zone: str
    windows: list[Measured]


def windows(today: date) -> list[Window]:
    """Return the windows to choose from; the first is the one shown first."""
    year = today.replace(year=today.year - 1, day=min(today.day, 28) if today.month == 2 else today.day)
    return [
        Window("30", "Last 30 days", today - timedelta(days=30), today),
        Window("90", "Last 90 days", today - timedelta(days=90), today),
        Window("365", "Last 12 months", year, today),
    ]


def questions(engine: Engine, now: datetime) -> list[tuple[Window, Question]]:
    """Ask about every window; the last one holds the others."""
    zone = ZoneInfo(str(frames.organization(engine)["zone"]))
    return [
        (window, ask(engine, start=f"{window.first_day}", end=f"{window.end_day}", key=AS_LICENSED, now=now))
        for window in windows(now.astimezone(zone).date())
    ]


def answers(asked: list[tuple[Window, Question]], evidence: Evidence) -> Figures:
    """Measure every window from the evidence of the longest."""
    measured: list[Measured] = []
    for window, question in asked:
        try:
            use = utilization.answer(question, evidence)
            measured.append((window, use, peak_demand.answer(question, evidence, with_bounds=False)))
        except Problem as problem:
            measured.append((window, None, problem))
    return Figures(asked[0][1].asked_at, asked[0][1].zone, measured)


def screen(figures: Figures) -> Markup:
    """Return the screen: the chooser, then every window, of which one is shown."""
    title = page.heading(
        "Overview",
        "How metered applications are used, in whole days up to yesterday. "
        f"As of {page.moment(figures.as_of, figures.zone)}.",
    )
    parts = [
        Markup('<div class="window" data-window="{}">{}</div>').format(
            window.code, _window(window, use, demand)
        )
        for window, use, demand in figures.windows
    ]
    return Markup("").join([title, _chooser([window for window, *_ in figures.windows]), *parts])


def _chooser(choices: list[Window]) -> Markup:
    picks = [
        Markup(
            '<input class="pick" type="radio" name="window" id="w{0}"{1}><label for="w{0}">{2}</label>'
        ).format(window.code, Markup("") if number else Markup(" checked"), window.words)
        for number, window in enumerate(choices)
    ]
    return Markup('<fieldset class="choice"><legend>Window</legend>{}</fieldset>').format(
        Markup("").join(picks)
    )


def _window(window: Window, use: Utilization | None, demand: PeakDemand | Problem) -> Markup:
    if use is None or isinstance(demand, Problem):
        return page.empty("Nothing in this window", str(demand))
    if not enough_people(use):
        return page.empty(
            "Too few people to show",
            f"Fewer than {groups.SMALLEST} people used a metered application at a time between "
            f"{window.first_day} and {window.end_day}. Figures are shown of groups of five and more. "
            "What is open right now is on the Live screen.",
        )
    return Markup("").join(
        [
            key_figures(use),
            page.section("By application", [*_by_application(window, use), _basis(use)]),
            page.section("Over time", [*_over_time(window, use), _basis(use)]),
            page.section("Peak against what is owned", _demand(window, demand)),
            coverage(use),
        ]
    )


def enough_people(use: Utilization) -> bool:
    """Whether what is summed over everybody is the sum of five people at least."""
    seen = [use.by_day["people"].max(), use.by_application["people"].max()]
    return max(int(str(number or 0)) for number in seen) >= groups.SMALLEST


def key_figures(use: Utilization) -> Markup:
    """Return the sums over all applications."""
    hours = use.by_application.select(pl.col(HOURS).sum()).row(0, named=True)
    run = hours["run_hours"]

    def part(name: str) -> str:
        return f"{page.shown(hours[name] / run, 'share')} of run time" if run else ""

    return page.figures(
        [
            ("Run time", f"{run:,.0f} h", "applications open"),
            ("Busy", f"{hours['busy_hours']:,.0f} h", part("busy_hours")),
            ("Idle", f"{hours['idle_hours']:,.0f} h", part("idle_hours")),
            ("Held", f"{hours['held_hours']:,.0f} h", "open, attention not visible"),
            ("Session coverage", page.shown(use.footer.session_coverage, "share"), "of session time known"),
            ("Fleet coverage", page.shown(use.footer.fleet_coverage, "share"), "of host-workdays seen"),
        ]
    )


def _by_application(window: Window, use: Utilization) -> Iterator[Markup]:
    yield page.prose(use.claims["applications"])
    if use.applications.is_empty():
        return
    says = f"Hours of each application by state, {window.words.lower()}"
    yield page.chart(charts.utilization(use.applications), says)
    yield page.more("The numbers", page.table(use.applications, USE, says))
    yield page.on(downloads.links(f"utilization-{window.code}", use.applications, USE))


def _over_time(window: Window, use: Utilization) -> Iterator[Markup]:
    found = groups.over_time(use.by_day, HOURS, window.first_day)
    if found is None:
        yield page.words("Not shown: there are months in which fewer than five people were at work.")
        return
    grain, stretches = found
    labeled = stretches.with_columns(label=pl.col("start").dt.strftime(LABELS[grain]))
    yield page.words(_grain_words(grain, stretches["start"][-1], window))
    says = f"Hours by state and {grain}, {window.words.lower()}"
    figure = charts.utilization_over_time(labeled)
    # As many labels as fit side by side on a phone.
    yield page.chart(figure.update_layout(xaxis={"nticks": 7, "tickangle": 0}), says)
    yield page.more("The numbers", page.table(labeled, OVER_TIME, says))
    yield page.on(downloads.links(f"over-time-{window.code}", labeled, OVER_TIME))


def _grain_words(grain: str, last: date, window: Window) -> str:
    if grain == "day":
        return "By day."
    words = f"By {grain}, named by its first day, so that five people or more are in each."
    days = (window.end_day - last).days
    return f"{words} The last week is cut short: {days} of 7 days." if grain == "week" and days < 7 else words


def _demand(window: Window, demand: PeakDemand) -> Iterator[Markup]:
    yield page.prose(demand.claims["ranking"])
    ranking = demand.ranking.with_columns(pl.col("minutes_above_owned").round().cast(pl.Int64))
    says = f"Most licenses in use at once against what is owned, {window.words.lower()}"
    yield page.chart(charts.demand_and_owned(ranking), says)
    yield page.more("The numbers", page.table(ranking, DEMAND, says))
    yield page.on(downloads.links(f"peak-{window.code}", ranking, DEMAND))
    footer = demand.footer
    yield page.basis(
        f"Basis: {footer.basis}. Counted by {footer.key}. {footer.window}, {footer.zone}; 95 % need: "
        f"{footer.calendar}. {footer.policy[:1].upper()}{footer.policy[1:]}."
    )


def _basis(use: Utilization) -> Markup:
    footer = use.footer
    return page.basis(f"States by the {footer.policy}. {footer.window}, {footer.zone}, {footer.calendar}.")


def coverage(use: Utilization) -> Markup:
    """Return in words how much of what happened these figures know."""
    session, fleet = use.footer.session_coverage, use.footer.fleet_coverage
    sentences = [
        f"Of all session time, {page.shown(session, 'share')} has a known state for the basis busy; the rest "
        "is unknown or held, and counts as neither used nor idle."
        if session is not None
        else "There is no session time in this window.",
        f"Of the workdays of all machines in the directory, {page.shown(fleet, 'share')} were watched for at "
        "least half of the business hours. Use on the others is not in these figures."
        if fleet is not None
        else "The directory has no machine with a workday in this window, so nobody can say how much of the "
        "fleet is watched.",
    ]
    return page.section("How much of it was seen", [page.words(*sentences)])
