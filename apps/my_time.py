"""My time: own sessions of a week, what they are charged to, and setting that right; own lines, disputes."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import ipywidgets
import polars as pl
from IPython.display import HTML, display
from markupsafe import Markup
from sqlalchemy import Engine

from apps import forms, landing, page, visit
from apps.page import Column
from pipelines import billing
from pipelines.answers import about_you, my_time
from pipelines.answers.billed_run import reviewed
from pipelines.answers.my_time import MyTime
from pipelines.answers.wording import count
from warehouse import corrections
from warehouse.corrections import Correction
from warehouse.errors import Problem
from warehouse.money import HOUR_MS
from warehouse.projects import Codes, FieldRule
from warehouse.store import open_warehouse

WEEK = timedelta(days=7)
UNKNOWN = (
    "The directory does not know whose account this is, so that its time is charged to nobody: let billing "
    "enter it, `process-meter directory import FILE`."
)
NONE = ""

STRETCHES = [
    Column("label", "When"),
    Column("name", "Application", "words"),
    Column("hours", "Hours", "amount"),
    Column("where", "Charged to", "words"),
    Column("says", "To do", "alert"),
]
LINES = [
    Column("run", "Run", "code"),
    Column("line", "Line", "code"),
    Column("day", "Day", "day"),
    Column("application", "Application", "words"),
    Column("where", "Charged to", "words"),
    Column("quantity", "Hours", "amount"),
    Column("amount", "Amount", "amount"),
    Column("review", "Review"),
]


# --- What the page says ------------------------------------------------------------------------------------


def screen(found: MyTime) -> Markup:
    """Return the week: its hours, and what each stretch is charged to."""
    wrong = found.faulty
    figures = page.figures(
        [
            ("With a project", _hours(found.hours_ms(faulty=False)), "of billed applications"),
            ("To put right", _hours(found.hours_ms(faulty=True)), count(wrong.height, "entry", "entries")),
            ("Sessions", f"{found.week.sessions.height:,}", "of billed applications"),
            ("Until", _deadline(found), "for what is to put right"),
        ]
    )
    return figures + _stretches(found)


def _hours(milliseconds: int) -> str:
    return f"{milliseconds / HOUR_MS:,.1f} h"


def _deadline(found: MyTime) -> str:
    until = found.faulty.filter(~pl.col("is_late"))["deadline"].min()
    return (
        "no deadline"
        if not isinstance(until, datetime)
        else f"{until.astimezone(ZoneInfo(found.zone)):%Y-%m-%d}"
    )


def _stretches(found: MyTime) -> Markup:
    rows = listed(found)
    if rows.is_empty():
        nothing = "No application that is billed was used in this week, as far as was delivered by now."
        told = [page.words(nothing), *([] if found.is_known else [page.words(UNKNOWN)])]
        return page.section("What your time is charged to", told)
    says = (
        pl.when(pl.col("fault").is_null())
        .then(pl.lit(""))
        .otherwise(
            pl.col("reason")
            + pl.when("is_late").then(pl.lit(" (too late for you; tell billing)")).otherwise(pl.lit(""))
        )
    )
    shown = rows.with_columns(
        label=pl.format("{}. {}", "place", "when"), says=says, where=pl.col("where").fill_null("no project")
    )
    words = (
        f"Times of {found.zone}. Hours are busy time and the buffer that the billing policy grants; "
        "nothing else is charged."
    )
    return page.section(
        "What your time is charged to", [page.table(shown, STRETCHES, cards=True), page.basis(words)]
    )


def listed(found: MyTime) -> pl.DataFrame:
    """Return the stretches of the week, oldest first, numbered, with what is shown of each.

    Returns
    -------
    pl.DataFrame
        The columns of `own_time.OwnTime.stretches`, place (1, 2, ...), when, name, hours, where (null: none).
    """
    names = found.week.sessions.select("session", "name").unique("session")
    local = {name: pl.col(name).dt.convert_time_zone(found.zone) for name in ("start", "end")}
    return found.week.stretches.join(names, on="session", how="left", maintain_order="left").with_columns(
        place=pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
        when=_span(local["start"], local["end"]),
        name=pl.coalesce("name", "application"),
        hours=(pl.col("milliseconds") / HOUR_MS).map_elements(
            lambda value: f"{value:,.2f}", return_dtype=pl.String
        ),
        where=pl.concat_str("project", "phase", "task", separator=" / ", ignore_nulls=True).replace("", None),
    )


def _span(start: pl.Expr, end: pl.Expr) -> pl.Expr:
    """Say from when to when within a day; which clock, where it was turned between."""
    offsets = [at.dt.base_utc_offset() + at.dt.dst_offset() for at in (start, end)]
    clocks = [
        pl.when(offsets[0] != offsets[1]).then(at.dt.strftime(" %Z")).otherwise(pl.lit(""))
        for at in (start, end)
    ]
    day, to = start.dt.strftime("%a %m-%d %H:%M"), end.dt.strftime(" to %H:%M")
    return pl.concat_str(day, clocks[0], to, clocks[1])


def own_lines(found: MyTime) -> Markup:
    """Return own lines of the week in billing runs."""
    if found.lines.is_empty():
        return page.section(
            "Your lines in billing", [page.words("No billing run has a line of yours in this week yet.")]
        )
    rows = found.lines.with_columns(review=reviewed())
    open_ones = int(found.lines["is_open"].sum())
    still = (
        f"{open_ones:,} of {count(rows.height, 'line')} can still be disputed: the run is in draft or review."
    )
    over = "Their runs are approved or closed: what is wrong with one has to be told to billing."
    words = still if open_ones else over
    return page.section("Your lines in billing", [page.table(rows, LINES, cards=True), page.words(words)])


# --- The desk ----------------------------------------------------------------------------------------------


class Desk:
    """The page of one person: the week, and what the person says of it; each act is judged on the server."""

    def __init__(self, engine: Engine, account: str, now_ms: Callable[[], int]) -> None:
        self.engine, self.account, self.now_ms = engine, account, now_ms
        today = datetime.fromtimestamp(now_ms() / 1000, UTC).date()
        self.monday = _monday(today)
        self.day = forms.day("Day", today)
        self.day.observe(self._day_chosen, names="value")
        self.title, self.said, self.top, self.lines = (ipywidgets.HTML() for _ in range(4))
        self.entry = forms.choice("Entry", [])
        self.project = forms.search("Project", "number or name", [])
        self.phase, self.task = forms.choice("Phase", []), forms.choice("Task", [])
        self.reason = forms.text("Reason")
        self.line, self.why = forms.choice("Line", []), forms.text("Why it is wrong")
        self.disputing = forms.row(self.line, self.why, forms.button("Dispute", self.dispute))
        self.found = self._read()
        self.fields = {rule.name: _field(rule) for rule in self.found.fields}
        codes = (self.project, self.phase, self.task, *self.fields.values())
        set_it = forms.button("Set project", self.set_project)
        self.entering = forms.row(self.entry, *codes, self.reason, set_it)
        self.project.observe(self._project_chosen, names="value")
        self.phase.observe(self._phase_chosen, names="value")

    # --- What is shown -----------------------------------------------------------------------------------

    def _read(self) -> MyTime:
        return my_time.answer(self.engine, self.account, self.monday, self.now_ms())

    def fill(self) -> Markup:
        """Read the week anew and show it; return what it says first."""
        self.found = self._read()
        self.title.value = str(page.subtitle(f"Week of {self.monday}"))
        self.top.value, self.lines.value = str(screen(self.found)), str(own_lines(self.found))
        self._offer()
        return page.subtitle(f"Week of {self.monday}") + screen(self.found)

    def _offer(self) -> None:
        rows = listed(self.found)
        wrong_first = rows.sort(pl.col("fault").is_null(), "place")
        offered = [
            (f"{place}: {when} {name}, {where or 'no project'}", place)
            for place, when, name, where in wrong_first.select("place", "when", "name", "where").iter_rows()
        ]
        several = self.found.faulty.height > 1
        every = [(f"all {self.found.faulty.height:,} that are to put right", 0)] if several else []
        forms.offer(self.entry, [*offered, *every])
        self.project.options = tuple(_label(project.number, project.name) for project in self.found.projects)
        self.entering.layout.display = "" if rows.height else "none"
        self.disputing.layout.display = "" if self.found.lines["is_open"].any() else "none"
        disputable = self.found.lines.filter("is_open").select("run", "line", "day", "application")
        forms.offer(
            self.line,
            [
                (f"{run}, line {line}: {day} {application}", (run, line))
                for run, line, day, application in disputable.iter_rows()
            ],
        )

    def _number(self) -> str:
        """Return the number of the project that is written; names follow after a space."""
        text = str(self.project.value).strip()
        by_label = {_label(project.number, project.name): project.number for project in self.found.projects}
        return by_label.get(text, text)

    def _project_chosen(self, _change: object) -> None:
        chosen = [project for project in self.found.projects if project.number == self._number()]
        phases = chosen[0].phases if chosen else ()
        forms.offer(
            self.phase, [("none", NONE), *((_label(each.number, each.name), each.number) for each in phases)]
        )
        self._phase_chosen(None)

    def _phase_chosen(self, _change: object) -> None:
        phases = [
            phase
            for project in self.found.projects
            if project.number == self._number()
            for phase in project.phases
        ]
        tasks = [task for phase in phases if phase.number == self.phase.value for task in phase.tasks]
        forms.offer(self.task, [("none", NONE), *((_label(number, name), number) for number, name in tasks)])

    # --- The acts ----------------------------------------------------------------------------------------

    def turn(self, weeks: int) -> Callable[[object], None]:
        """Return what shows another week."""

        def pressed(_button: object) -> None:
            self.day.value = self.monday + weeks * WEEK

        return pressed

    def _day_chosen(self, _change: object) -> None:
        def turned() -> str:
            if self.day.value is not None:
                self.monday = _monday(self.day.value)
                # What was chosen is of the other week, whose places are numbered from 1, too.
                self.entry.options = self.line.options = ()
                self.fill()
            return ""

        forms.told(self.said, turned)

    def set_project(self, _button: object) -> None:
        """Say what the chosen entry, or all that are to put right, was for."""

        def done() -> str:
            if not self._number():
                raise Problem("no project is chosen", "write its number or name, and choose it")
            codes = Codes(self._number(), self.phase.value or None, self.task.value or None)
            fields = {name: str(widget.value) for name, widget in self.fields.items() if widget.value}
            reason = self.reason.value.strip()
            made = [
                Correction(session, codes, reason, start, end, fields)
                for session, start, end in self._spans()
            ]
            told = corrections.correct(self.engine, made, self.account, self.now_ms())
            self.fill()
            entries = count(told.new, "entry", "entries")
            return f"Set {entries} to {codes.project}." if told.new else forms.SAME

        forms.told(self.said, done)

    def _spans(self) -> list[tuple[int, int, int]]:
        rows = listed(self.found)
        chosen = rows.filter(pl.col("place") == self.entry.value) if self.entry.value else self.found.faulty
        if chosen.is_empty():
            raise Problem("no entry is chosen", "choose one of the list")
        spans = chosen.select("session", pl.col("start").dt.epoch("ms"), pl.col("end").dt.epoch("ms"))
        return [(int(session), int(start), int(end)) for session, start, end in spans.iter_rows()]

    def dispute(self, _button: object) -> None:
        """Dispute the chosen line."""

        def done() -> str:
            if not self.line.value:
                raise Problem("no line is chosen", "only lines of a run in draft or review can be disputed")
            run, line = self.line.value
            is_new = billing.review(
                self.engine, run, line, "dispute", self.account, self.why.value, self.now_ms()
            )
            self.fill()
            return f"Line {line} of run {run} is in dispute." if is_new else forms.SAME

        forms.told(self.said, done)

    # --- How it is laid out ------------------------------------------------------------------------------

    def widgets(self) -> list[ipywidgets.Widget]:
        """Return the page below its title, in order."""
        weeks = [forms.button(words, self.turn(by)) for words, by in (("Week before", -1), ("Week after", 1))]
        return [
            forms.row(self.title, self.day, *weeks),
            self.said,
            self.top,
            self.entering,
            self.lines,
            self.disputing,
        ]


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _label(number: str, name: str) -> str:
    return f"{number} {name}" if name and name != number else number


def _field(rule: FieldRule) -> Any:
    """Return what takes a field of the organization's own; what fits in it is judged on the server."""
    if rule.kind == "choice":
        return forms.choice(rule.label, [("none", NONE), *((word, word) for word in rule.choices)])
    return forms.text(rule.label)


# --- The page ----------------------------------------------------------------------------------------------


def show() -> None:
    """Show the page: the week as plain HTML at once, then the desk, then what is held about who looks."""
    title = page.heading(
        "My time and projects", "What was recorded of the applications that are billed, and who pays for it."
    )
    try:
        engine, account = open_warehouse(), visit.viewer()
        if stopped := forms.read_only(engine):
            display(HTML(title + stopped))
            return
        if not_begun := landing.not_begun(engine):
            display(HTML(title + not_begun))
            return
        desk = Desk(engine, account, _now_ms)
        first = desk.fill()
        about = landing.you_section(about_you.answer(engine, account, datetime.now(UTC)))
    except Problem as problem:
        display(HTML(title + page.trouble(problem)))
        return
    display(
        HTML(title), HTML(Markup('<div class="first">{}</div>').format(first)), *desk.widgets(), HTML(about)
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
