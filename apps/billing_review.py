"""Billing: where each run stands, what keeps it, its lines down to the evidence, and the acts of review.

Every act is a function of `pipelines.billing`, which checks who acts: what a browser sends decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ipywidgets
import polars as pl
from IPython.display import HTML, display
from markupsafe import Markup
from sqlalchemy import Engine

from apps import downloads, forms, page, visit
from apps.billing_sections import completeness, evidence, exceptions, lines, projects, screen, tie_out
from pipelines import billing
from pipelines.answers import run_review
from pipelines.answers.run_review import RunReview, Runs
from pipelines.exporting import TARGETS, export
from pipelines.workbook import write_workbook
from warehouse.errors import Problem
from warehouse.projects import Codes
from warehouse.store import open_warehouse

EVERY = ""
LINE_ACTS = {
    "accept": "Accept",
    "hold": "Hold back",
    "writeoff": "Write off",
    "dispute": "Dispute",
    "transfer": "Transfer",
}

# --- The desk ----------------------------------------------------------------------------------------------


class Desk:
    """The page of one viewer: what is shown, and the acts, each of which is done on the server's side."""

    def __init__(self, engine: Engine, account: str, whose: Runs) -> None:
        self.engine, self.account, self.whose = engine, account, whose
        self.said, self.top = ipywidgets.HTML(), ipywidgets.HTML()
        self.parts = {
            name: ipywidgets.HTML()
            for name in ("exceptions", "projects", "lines", "evidence", "tie_out", "files")
        }
        self.run = forms.choice("Period", _options(whose))
        self.run.value = _first(whose) if self.run.options else None
        self.target = forms.choice("Target", [(name, name) for name in TARGETS])
        self.kind, self.why_kind = forms.choice("Kind", []), forms.text("Reason")
        self.project, self.why_project = forms.choice("Project", []), forms.text("Reason")
        self.only = forms.choice("Show lines of", [])
        self.line, self.act, self.why_line = (
            forms.text("Line"),
            forms.choice("Act", [(words, name) for name, words in LINE_ACTS.items()]),
            forms.text("Reason"),
        )
        self.to = forms.text("To project / phase / task")
        self.why_run = forms.text("Reason")
        self.rows = [self._exceptions(), self._sign_offs(), forms.row(self.only), self._line_acts()]
        for widget in (self.run, self.only):
            widget.observe(self._chosen, names="value")

    # --- What is shown -----------------------------------------------------------------------------------

    def fill(self) -> Markup:
        """Read the chosen run or period anew, and show it; return what it says first."""
        if self.run.value in self.whose.collecting:
            return self._fill_collecting()
        found = run_review.answer(self.engine, self.run.value, self.whose)
        self.top.value = str(screen(found))
        self._show_acts(are_shown=True)
        self._offer(found)
        for name, make in (("exceptions", exceptions), ("projects", projects)):
            self.parts[name].value = str(make(found))
        self.parts["lines"].value = str(lines(found, self.only.value or EVERY))
        self.parts["tie_out"].value = str(tie_out(self.engine, found.facts["period"]))
        return screen(found)

    def _fill_collecting(self) -> Markup:
        for part in self.parts.values():
            part.value = ""
        self._show_acts(are_shown=False)
        told = billing.collecting(self.engine, self.run.value, _now_ms())
        self.top.value = str(completeness(told))
        return completeness(told)

    def _show_acts(self, *, are_shown: bool) -> None:
        """Show the acts on a run, or hide them where there is none yet."""
        for row in self.rows:
            row.layout.display = "" if are_shown else "none"

    def _offer(self, found: RunReview) -> None:
        """Offer what there is in the run to choose from; what was chosen stays where it still is."""
        open_kinds = found.exceptions.filter(pl.col("open") > 0)["kind"].to_list()
        numbers = found.projects["project"].to_list()
        for widget, options in (
            (self.kind, [(kind.replace("_", " "), kind) for kind in open_kinds]),
            (self.project, [(number, number) for number in numbers]),
            (self.only, [("all projects", EVERY), *((number, number) for number in numbers)]),
        ):
            forms.offer(widget, options)

    def _chosen(self, _change: object) -> None:
        def shown() -> str:
            self.parts["evidence"].value = self.parts["files"].value = ""
            self.fill()
            return ""

        forms.told(self.said, shown)

    # --- The acts ----------------------------------------------------------------------------------------

    def do(self, said: str, act: Callable[[str, int], object]) -> Callable[[object], None]:
        """Return what a button does: the act with the chosen run and the moment, then the page anew."""

        def pressed(_button: object) -> None:
            def acted() -> str:
                done = act(self.run.value, _now_ms())
                self._look_again(done)
                return (
                    forms.SAME if done is False or done == [] else said.format(run=self.run.value, done=done)
                )

            forms.told(self.said, acted)

        return pressed

    def _look_again(self, done: object) -> None:
        """Read which runs there are by now; a run that was just drafted is the one to look at."""
        self.whose = run_review.runs(self.engine, self.account, _today())
        options, kept = _options(self.whose), self.run.value
        self.run.unobserve(self._chosen, names="value")
        known = [value for _, value in options]
        self.run.options = options
        self.run.value = done if done in known else kept if kept in known else _first(self.whose)
        self.run.observe(self._chosen, names="value")
        self.fill()

    def deal_with(self, act: Any) -> Callable[[str, int], object]:
        """Settle or waive all open exceptions of the chosen kind."""
        return lambda run, now: act(
            self.engine, run, self.account, self.why_kind.value, now, kind=self.kind.value
        )

    def sign_with(self, act: Any) -> Callable[[str, int], object]:
        """Sign the chosen project, or withdraw its sign-off."""
        return lambda run, now: act(
            self.engine, run, self.project.value, self.account, self.why_project.value, now
        )

    def review_line(self, run: str, now: int) -> object:
        """Do the chosen act to the line that is named."""
        line = self._line()
        if self.act.value != "transfer":
            return billing.review(
                self.engine, run, line, self.act.value, self.account, self.why_line.value, now
            )
        words = [part.strip() or None for part in self.to.value.split("/")]
        if not words[0] or len(words) > 3:
            raise Problem(
                "nothing says where to transfer the line",
                "write project / phase / task, such as 0301-02 / 10",
            )
        to = Codes(words[0], *words[1:])
        return billing.transfer(self.engine, run, line, to, self.account, self.why_line.value, now)

    def _line(self) -> int:
        text = self.line.value.strip()
        if not (text.isascii() and text.isdigit() and int(text)):
            raise Problem(f"{text or 'nothing'} is not the number of a line", "write one of the first column")
        return int(text)

    def explain(self, _button: object) -> None:
        """Show where the line that is named comes from."""

        def shown() -> str:
            line = self._line()
            if not run_review.answer(self.engine, self.run.value, self.whose).lines["line"].eq(line).any():
                raise Problem(f"line {line} is not among those that you see", "write one of the first column")
            self.parts["evidence"].value = str(evidence(billing.show(self.engine, self.run.value, line)))
            return ""

        forms.told(self.said, shown)

    def file(self, target: str) -> Callable[[object], None]:
        """Return what makes a file of the run and offers it as a link."""

        def pressed(_button: object) -> None:
            def made() -> str:
                self.whose.actor.require_staff("take files of a run away")
                now, run = _now_ms(), self.run.value
                with TemporaryDirectory() as folder:
                    path = (
                        Path(folder)
                        / f"{run.replace('/', '-')}-{target}{'.xlsx' if target == 'workbook' else ''}"
                    )
                    if target == "workbook":
                        write_workbook(self.engine, run, path, self.account, now)
                        kind = downloads.XLSX_TYPE
                    else:
                        told = billing.show(self.engine, run)["target"]
                        path = path.with_name(f"{run.replace('/', '-')}-{told}")
                        export(self.engine, run, told, path, self.account, now)
                        kind = "application/octet-stream"
                    link = downloads.link(path.name, kind, path.read_bytes(), path.name)
                self.parts["files"].value = str(page.on(link))
                return "The file is ready below."

            forms.told(self.said, made)

        return pressed

    # --- How it is laid out ------------------------------------------------------------------------------

    def widgets(self) -> list[ipywidgets.Widget]:
        """Return the page below its title, in order."""
        is_staff, parts = self.whose.actor.is_staff, self.parts
        return [
            *(forms.row(self.run), self.said, self.top),
            *(self._whole_run() if is_staff else []),
            *((parts["exceptions"], self.rows[0]) if is_staff else ()),
            *(parts["projects"], self.rows[1], self.rows[2], parts["lines"], self.rows[3]),
            *(parts["evidence"], parts["tie_out"]),
        ]

    def _exceptions(self) -> ipywidgets.Widget:
        settle = self.do("{done} exceptions of {run} are settled.", self.deal_with(billing.settle))
        waive = self.do("{done} exceptions of {run} are waived.", self.deal_with(billing.waive))
        buttons = (forms.button("Settle", settle), forms.button("Waive", waive))
        return forms.row(self.kind, self.why_kind, *buttons)

    def _sign_offs(self) -> ipywidgets.Widget:
        sign = self.do("The project is signed off.", self.sign_with(billing.sign))
        withdraw = self.do("The sign-off is taken back.", self.sign_with(billing.withdraw))
        buttons = (forms.button("Sign off", sign), forms.button("Take back", withdraw))
        return forms.row(self.project, self.why_project, *buttons)

    def _line_acts(self) -> ipywidgets.Widget:
        buttons = (
            forms.button("Do it", self.do("Done.", self.review_line)),
            forms.button("Where it comes from", self.explain),
        )
        return forms.row(self.line, self.act, self.why_line, self.to, *buttons)

    def _whole_run(self) -> list[ipywidgets.Widget]:
        words = "Who prepared a run, or wrote its rates, cannot approve it. What is closed stays as it is."
        acts = {
            "Draft": self.do("{done} is drafted.", self._draft),
            "Approve": self.do("{run} is approved.", self._approve),
            "Close for good": self.do("{run} is closed.", self._close),
            "Void": self.do("{run} is void.", self._void),
            "Workbook": self.file("workbook"),
            "Import file": self.file("target"),
        }
        buttons = [forms.button(name, act) for name, act in acts.items()]
        row = forms.row(self.target, self.why_run, *buttons)
        return [row, self.parts["files"], ipywidgets.HTML(str(page.basis(words)))]

    def _draft(self, run: str, now: int) -> str:
        period = run if run in self.whose.collecting else billing.show(self.engine, run)["period"]
        return billing.draft(self.engine, period, self.target.value, self.account, now)

    def _approve(self, run: str, now: int) -> None:
        billing.approve(self.engine, run, self.account, now)

    def _close(self, run: str, now: int) -> None:
        billing.close(self.engine, run, self.account, now)

    def _void(self, run: str, now: int) -> None:
        billing.void(self.engine, run, self.account, self.why_run.value, now)


# --- The page ----------------------------------------------------------------------------------------------


def show() -> None:
    """Show the page: its figures as plain HTML at once, then the desk."""
    title = page.heading(
        "Billing", "Runs from draft to close: what keeps them, who has to sign, where each cent comes from."
    )
    try:
        engine, account = open_warehouse(), visit.viewer()
        if stopped := forms.read_only(engine):
            display(HTML(title + stopped))
            return
        whose = run_review.runs(engine, account, _today())
        if not _options(whose) or not whose.may_look:
            display(HTML(title + _nothing(whose)))
            return
        desk = Desk(engine, account, whose)
        first = desk.fill()
    except Problem as problem:
        display(HTML(title + page.trouble(problem)))
        return
    display(HTML(title), HTML(Markup('<div class="first">{}</div>').format(first)), *desk.widgets())


def _options(whose: Runs) -> list[tuple[str, str]]:
    """Return periods that are collected, then runs, each with what to call it."""
    collected = [(f"{period}: collecting", period) for period in whose.collecting]
    return [*collected, *((label, number) for number, label in whose.numbers)]


def _first(whose: Runs) -> str:
    """Return what there is most to do about: an open run, else the newest."""
    under_way = [number for number, label in whose.numbers if label.endswith((": draft", ": review"))]
    everything = [*under_way, *(number for number, _ in whose.numbers), *whose.collecting]
    return everything[0]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _today() -> date:
    return datetime.now(UTC).date()


def _nothing(whose: Runs) -> Markup:
    if not whose.may_look:
        return page.empty(
            "This page is for billing staff and for managers of projects",
            "Your own lines are on the page My time. Who is billing staff:",
            "process-meter billing staff",
        )
    return page.empty(
        "There is no billing run yet",
        "Once a fiscal period is over, draft it:",
        "process-meter billing draft --period 2026-10",
    )
