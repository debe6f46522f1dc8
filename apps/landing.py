"""The start page: four tiles, each of which leads on and can be taken away as numbers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

import polars as pl
from markupsafe import Markup
from sqlalchemy import Engine

from apps import downloads, page, report_links
from apps.page import Column
from pipelines.answers import about_you, fleet, last_period
from pipelines.answers.about_you import AboutYou
from pipelines.answers.fleet import Fleet
from pipelines.answers.footer import Footer
from pipelines.answers.last_period import LastPeriod
from pipelines.answers.renewals import Renewals
from warehouse import frames
from warehouse.errors import Problem
from warehouse.money import format_minor

HOUR_MS = 3_600_000

CONTRACTS = [
    Column("product_name", "Product"),
    Column("counted", "Counted by"),
    Column("valid_to", "Ends", "day"),
    Column("notice_on", "Notice by", "day"),
    Column("owned", "Owned", "count"),
    Column("peak", "Peak", "count"),
    Column("need_95", "95 % need", "count"),
    Column("need", "Needed", "count"),
    Column("money_at_risk_minor", "At risk a year", "money"),
]
OFFICES = [
    Column("name", "Office"),
    Column("hosts", "Machines", "count"),
    Column("unseen", "Never seen", "count"),
    Column("workdays", "Workdays", "count"),
    Column("observed_workdays", "Watched", "count"),
    Column("coverage", "Coverage", "share"),
]
PAYERS = [
    Column("payer", "Payer"),
    Column("lines", "Lines", "count"),
    Column("amount_minor", "Billed", "money"),
    Column("held_minor", "On hold", "money"),
]
OWN = [
    Column("name", "Application"),
    Column("sessions", "Sessions", "count"),
    Column("first", "First start", "words"),
    Column("last", "Last start", "words"),
]
VIEWS = [Column("at", "When", "code"), Column("actor", "Who"), Column("action", "What")]

FIRST_STEPS = (
    "Enter the organization, its offices, people and machines: `process-meter directory import FILE`.",
    "Start the manager, `process-meter manager serve`, and make a token: `process-meter manager token new`.",
    "On each machine `process-meter-agent enroll URL --token TOKEN`, then `process-meter-agent run`.",
    "Enter what you own: `process-meter entitlement import FILE`.",
    "Enter what is charged: `process-meter project import FILE`, `process-meter rate import FILE`.",
    "Or look around in a sample organization: `process-meter demo`.",
)

Answer = TypeVar("Answer")


# --- Renewals: made ahead, because the need is that of twelve months ---------------------------------------


def renewals_tile(found: Renewals) -> Markup:
    """Return what comes up for renewal and what is at risk."""
    if found.contracts.is_empty():
        why = "No contract of the warehouse ends within twelve months. Enter what you own:"
        return no_renewals(why, "process-meter entitlement import FILE")
    today = found.footer.made_at.astimezone(ZoneInfo(found.footer.zone)).date()
    contracts = found.contracts.with_columns(counted=pl.col("metric").cast(pl.String).str.replace("_", " "))
    return page.tile(
        "Renewals due in 12 months: money at risk",
        _amounts(found.at_risk_minor),
        [],
        _renewals_basis(found.footer),
        [
            page.link("Peaks against what is owned", "overview"),
            report_links.link("peak_demand", "Report: peak demand"),
            report_links.link("unused_licenses", "Report: unused seats"),
            downloads.links("renewals", contracts, CONTRACTS),
        ],
        inside=page.words(_renewals_claim(contracts, today)) + page.table(contracts, CONTRACTS, cards=True),
    )


def _renewals_claim(contracts: pl.DataFrame, today: date) -> str:
    over = contracts.filter(pl.col("money_at_risk_minor") > 0).height
    words = f"A year of more than is needed, in {over} of {contracts.height} contracts that end soon."
    notices = contracts.filter(pl.col("notice_on").is_not_null()).sort("notice_on", "product_name")
    missed, due = notices.filter(pl.col("notice_on") < today), notices.filter(pl.col("notice_on") >= today)
    if missed.height:
        words += f" For {missed.height} of them the day of notice has passed."
    if due.height:
        name, day = due.select("product_name", "notice_on").row(0)
        words += f" The next notice is due by {day}: {name}."
    return words


def _renewals_basis(footer: Footer) -> str:
    return (
        "Needed: of shared licenses, what covers 95 % of business hours; of seats, the holders with any use. "
        f"At risk: what is owned beyond that, at a year's price. Basis {footer.basis}. {footer.window}, "
        f"{footer.zone}. {_sentence(footer.policy)} "
        f"{_covered(footer.session_coverage, footer.fleet_coverage)} "
        f"As of {page.moment(footer.made_at, footer.zone)}."
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _covered(session: float | None, whole_fleet: float | None) -> str:
    return (
        f"Session coverage {page.shown(session, 'share')}, fleet coverage {page.shown(whole_fleet, 'share')}."
    )


def no_renewals(why: str, command: str = "") -> Markup:
    """Return the tile when there is nothing to renew, or nothing to judge it by."""
    return _empty_tile("Renewals due in 12 months", why, command)


def _empty_tile(title: str, why: str, command: str = "") -> Markup:
    return Markup('<section class="card tile"><h2>{}</h2>{}</section>').format(
        title, page.nothing(why, command)
    )


def _amounts(minor: dict[str, int]) -> list[str]:
    return [format_minor(amount, currency) for currency, amount in minor.items()] or ["0"]


# --- What is read when the page is asked for ---------------------------------------------------------------


def title(engine: Engine, now: datetime | None = None) -> Markup:
    """Return the title: whose software use this is, and the moment; before all else, the first steps."""
    try:
        organization = frames.organization(engine)
    except Problem:
        return page.heading("Nothing here yet", "In this order:") + page.steps(FIRST_STEPS)
    moment = page.moment(now or datetime.now(UTC), str(organization["zone"]))
    return page.heading(f"Software use at {organization['name']}", f"As of {moment}.")


def not_begun(engine: Engine) -> Markup | None:
    """Return what another screen shows while there is no organization; None: there is one."""
    try:
        frames.organization(engine)
    except Problem:
        return page.empty("Nothing here yet", "The page Start says in which order it is set up.")
    return None


def tiles(engine: Engine, account: str, now: datetime | None = None) -> Markup:
    """Return the three tiles that are quick to read, with the sections that they lead to."""
    moment = now or datetime.now(UTC)
    if not_begun(engine):
        return Markup("")  # the first steps stand above
    covered = _try(lambda: fleet.answer(engine, moment))
    period = _try(lambda: last_period.answer(engine, moment))
    you = about_you.answer(engine, account, moment)
    row = page.tiles([fleet_tile(covered), period_tile(period), you_tile(you)])
    return row + fleet_section(covered) + period_section(period) + you_section(you)


def _try(answer: Callable[[], Answer]) -> Answer | Problem:
    try:
        return answer()
    except Problem as problem:
        return problem


def fleet_tile(found: Fleet | Problem) -> Markup:
    """Return how much of the fleet is watched."""
    if isinstance(found, Problem):
        return _empty_tile("Fleet coverage", str(found), "process-meter directory import FILE")
    return page.tile(
        "Fleet coverage",
        [page.shown(found.share, "share")],
        [
            ("Workdays watched", f"{found.observed_workdays:,} of {found.workdays:,}"),
            ("Machines in the directory", f"{found.hosts:,}"),
            ("Never heard from", f"{found.unseen:,}"),
        ],
        "A machine's workday is watched when half of its office's business hours or more were. "
        f"{found.first_day} to {found.end_day}, the last day not included, {found.zone}.",
        [page.link("By office", "#fleet"), downloads.links("fleet-coverage", found.by_office, OFFICES)],
    )


def fleet_section(found: Fleet | Problem) -> Markup:
    """Return fleet coverage by office."""
    if isinstance(found, Problem):
        return Markup("")
    words = page.words("What happens on machines that are not watched is in no figure of these screens.")
    return page.section(
        "Fleet coverage by office", [words, page.table(found.by_office, OFFICES, cards=True)], "fleet"
    )


def period_tile(found: LastPeriod | Problem) -> Markup:
    """Return what the last billing run charges, holds, and could not assign."""
    if isinstance(found, Problem):
        return _empty_tile("Last period billed", str(found))
    return page.tile(
        f"{found.period} {'billed' if found.status == 'closed' else 'to be billed'}",
        _amounts(found.billed_minor),
        [
            ("On hold in review", ", ".join(_amounts(found.held_minor))),
            ("Without a project", _hours(found.not_assigned_ms)),
            ("Run", f"{found.run}, {found.status}"),
        ],
        "Billable: busy time and the buffer of each idle gap, by the billing policy; local days of each "
        "person's home office. Amounts are net.",
        [
            page.link("By payer", "#billing"),
            report_links.link("e2p_charges", "Report: charges"),
            downloads.links(f"billed-{found.period}", found.by_payer, PAYERS),
        ],
    )


def _hours(milliseconds: int | None) -> str:
    return page.NOTHING if milliseconds is None else f"{milliseconds / HOUR_MS:,.1f} h"


def period_section(found: LastPeriod | Problem) -> Markup:
    """Return what is billed by payer."""
    if isinstance(found, Problem):
        return Markup("")
    words = page.words(
        f"Run {found.run} of period {found.period} is {found.status}. "
        f"Every line of it: `process-meter billing show {found.run}`."
    )
    return page.section("Billed by payer", [words, page.table(found.by_payer, PAYERS, cards=True)], "billing")


# --- What is recorded about you ----------------------------------------------------------------------------


def you_tile(found: AboutYou) -> Markup:
    """Return how much is recorded about who looks."""
    own = _own(found)
    sessions = int(own["sessions"].sum())
    return page.tile(
        "What is recorded about you",
        [f"{sessions:,} {'session' if sessions == 1 else 'sessions'}"],
        [
            ("Applications", f"{own.height:,}"),
            ("Who looked at your name", f"{found.views.height:,} times" if found.views.height else "nobody"),
            ("You appear as", found.pseudonyms[-1] if found.pseudonyms else page.NOTHING),
        ],
        f"Account {found.account}, the last {about_you.DAYS} days. Never used to judge performance.",
        [page.link("All of it", "#you"), downloads.links("about-you", own, OWN)],
    )


def _own(found: AboutYou) -> pl.DataFrame:
    local = pl.col("first", "last").dt.convert_time_zone(found.zone).dt.strftime("%Y-%m-%d %H:%M")
    return found.applications.with_columns(local)


def you_section(found: AboutYou) -> Markup:
    """Return what is held about who looks, who saw their name, and what they can do about it."""
    own = _own(found)
    nothing = page.words(f"Nothing was recorded about the account {found.account} in the last 7 days.")
    seen = found.views.with_columns(
        pl.col("at").dt.convert_time_zone(found.zone).dt.strftime("%Y-%m-%d %H:%M")
    )
    views = page.words("Nobody has looked at your name.") if seen.is_empty() else page.table(seen, VIEWS)
    return page.section(
        "What is recorded about you",
        [
            nothing if own.is_empty() else page.table(own, OWN, f"The last 7 days, {found.zone}", cards=True),
            page.subtitle("What such a record holds"),
            page.facts(about_you.FIELDS, "fields"),
            page.subtitle("Who looked at your name"),
            views,
            page.subtitle("What it is for, and what it is not for"),
            page.words(
                "It exists to allocate licenses and to charge software to projects. Use for judging "
                "performance is excluded: no figure, screen or command shows how long a person was idle, and "
                "others see you under a pseudonym.",
                "If something is wrong, have it corrected: a project with `process-meter-agent project "
                "set NUMBER` on your machine, a billed line with `process-meter billing dispute`, anything "
                "else by whoever runs this warehouse. Evidence is never changed; a correction is "
                "added and outranks it. What your machine sends: `process-meter-agent show-my-data`.",
            ),
        ],
        "you",
    )
