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
from IPython.display import HTML, display
from markupsafe import Markup
from sqlalchemy import Engine

from apps import downloads, forms, landing, page, visit
from apps.billing_sections import (
    completeness,
    evidence,
    exceptions,
    lines,
    projects,
    screen,
    tie_out,
    went,
    why_not,
)
from pipelines import billing
from pipelines.answers import run_acts, run_review
from pipelines.answers.run_acts import Acts
from pipelines.answers.run_review import RunReview, Runs
from pipelines.answers.wording import count
from pipelines.exporting import TARGETS, export
from pipelines.workbook import write_workbook
from warehouse.errors import Problem
from warehouse.projects import Codes
from warehouse.store import open_warehouse

EVERY = ""
LINE_ACTS = {
    "accept": ("Accept", "Accepted"),
    "hold": ("Hold back", "Held"),
    "writeoff": ("Write off", "Wrote off"),
    "dispute": ("Dispute", "Disputed"),
    "transfer": ("Transfer", "Transferred"),
    "release": ("Release", "Released"),
}
"""By the act: what it is called, and what is said once it is done."""

PARTS = ("why_not", "exceptions", "projects", "lines", "evidence", "tie_out", "files")

# --- The desk ----------------------------------------------------------------------------------------------


class Desk:
    """The page of one viewer: what is shown, and the acts, each of which is done on the server's side."""

    def __init__(self, engine: Engine, account: str, whose: Runs) -> None:
        self.engine, self.account, self.whose = engine, account, whose
        self.said, self.top = ipywidgets.HTML(), ipywidgets.HTML()
        self.parts = {name: ipywidgets.HTML() for name in PARTS}
        self.run = forms.choice("Period", _options(whose))
        self.run.value = _first(whose) if self.run.options else None
        self.target = forms.choice("Target", [(name, name) for name in TARGETS])
        self.kind, self.why_kind = forms.choice("Kind", []), forms.text("Reason")
        self.project, self.why_project = forms.choice("Project", []), forms.text("Reason")
        self.only = forms.choice("Show lines of", [])
        self.line, self.act = forms.text("Line"), forms.choice("Act", [])
        self.why_line, self.to = forms.text("Reason"), forms.text("To project / phase / task")
        self.why_run = forms.text("Reason to make it void")
        self.found: RunReview | None = None
        self.can = Acts()
        self.drafted: str | None = None
        self.shown: str | None = None
        self.buttons = self._buttons()
        self.rows = self._rows()
        for widget in (self.run, self.only):
            widget.observe(self._chosen, names="value")
        for widget in (self.act, self.kind, self.project):
            widget.observe(lambda _change: self._show_acts(), names="value")

    # --- What is shown -----------------------------------------------------------------------------------

    def fill(self) -> Markup:
        """Read the chosen run or period anew, and show it; return what it says first."""
        first = self._fill_collecting() if self.run.value in self.whose.collecting else self._fill_run()
        self.top.value, self.parts["why_not"].value = str(first), str(why_not(self.can))
        self._show_acts()
        return first

    def _fill_run(self) -> Markup:
        found = run_review.answer(self.engine, self.run.value, self.whose)
        self.found, self.can = found, run_acts.of_run(self.engine, found, self.whose, _now_ms())
        self._offer(found)
        for name, make in (("exceptions", exceptions), ("projects", projects)):
            self.parts[name].value = str(make(found))
        self.parts["lines"].value = str(lines(found, self.only.value or EVERY))
        self.parts["tie_out"].value = str(tie_out(self.engine, found.facts["period"]))
        return screen(found, self.can)

    def _fill_collecting(self) -> Markup:
        for part in self.parts.values():
            part.value = ""
        told = billing.collecting(self.engine, self.run.value, _now_ms())
        self.found, self.can = None, run_acts.of_period(self.engine, told, self.whose)
        return completeness(told)

    def _show_acts(self) -> None:
        """Show what can be done now, and hide the rest."""
        can, act = self.can.can, self.act.value
        if self.kind.value == run_acts.ONLY_WAIVED:
            can -= {"settle"}
        can -= {"sign"} if self.project.value not in self.can.to_sign else set()
        can -= {"withdraw"} if self.project.value not in self.can.signed else set()
        has_lines = self.found is not None and not self.found.lines.is_empty()
        for name, button in self.buttons.items():
            forms.show(button, is_shown=name in can)
        self.buttons["draft"].description = "Draft" if self.found is None else "Draft again"
        for widgets, is_shown in (
            ((self.buttons["do"], self.act, self.why_line), act in can),
            ((self.to,), act == "transfer"),
            ((self.line, self.buttons["explain"], self.only), has_lines),
            ((self.target,), "draft" in can),
            ((self.why_run,), "void" in can),
            ((self.kind, self.why_kind), bool(self.can.kinds)),
            ((self.project, self.why_project), bool(self.project.options)),
        ):
            for widget in widgets:
                forms.show(widget, is_shown=is_shown)
        for row in self.rows.values():
            forms.show(row, is_shown=any(forms.is_shown(child) for child in row.children))

    def _offer(self, found: RunReview) -> None:
        """Offer what there is in the run to choose from; what was chosen stays where it still is."""
        numbers = found.projects["project"].to_list()
        mine = [number for number in numbers if number in {*self.can.to_sign, *self.can.signed}]
        for widget, options in (
            (self.kind, [(kind.replace("_", " "), kind) for kind in self.can.kinds]),
            (self.project, [(number, number) for number in mine]),
            (self.only, [("all projects", EVERY), *((number, number) for number in numbers)]),
            (self.act, [(words, name) for name, (words, _) in LINE_ACTS.items() if name in self.can.can]),
        ):
            forms.offer(widget, options)
        if self.run.value != self.shown and found.facts["target"] in TARGETS:
            self.target.value = found.facts["target"]
        self.shown = self.run.value

    def _chosen(self, _change: object) -> None:
        def shown() -> str:
            self.parts["evidence"].value = self.parts["files"].value = ""
            self.fill()
            return ""

        forms.told(self.said, shown)

    # --- The acts ----------------------------------------------------------------------------------------

    def do(self, act: Callable[[str, int], str]) -> Callable[[object], None]:
        """Return what a button does: the act with the chosen run and the moment, then the page anew.

        An act returns what it has done, in words; none: that was so already.
        """

        def pressed(_button: object) -> None:
            def acted() -> str:
                done = act(self.run.value, _now_ms())
                self._look_again()
                return done or forms.SAME

            forms.told(self.said, acted)

        return pressed

    def _look_again(self) -> None:
        """Read which runs there are by now; a run that was just drafted is the one to look at."""
        self.whose = run_review.runs(self.engine, self.account, _today())
        options, wanted = _options(self.whose), (self.drafted, self.run.value)
        self.run.unobserve(self._chosen, names="value")
        known = [value for _, value in options]
        self.run.options = options
        self.run.value = next((run for run in wanted if run in known), _first(self.whose))
        self.drafted = None
        self.run.observe(self._chosen, names="value")
        self.fill()

    def deal_with(self, act: Any, words: str) -> Callable[[str, int], str]:
        """Settle or waive all open exceptions of the chosen kind."""

        def dealt(run: str, now: int) -> str:
            number = act(self.engine, run, self.account, self.why_kind.value, now, kind=self.kind.value)
            return f"{words} {count(number, 'exception')} of {run}." if number else ""

        return dealt

    def sign_with(self, act: Any, words: str) -> Callable[[str, int], str]:
        """Sign the chosen project, or withdraw its sign-off."""

        def signed(run: str, now: int) -> str:
            project, why = self.project.value, self.why_project.value
            return words.format(project) if act(self.engine, run, project, self.account, why, now) else ""

        return signed

    def review_line(self, run: str, now: int) -> str:
        """Do the chosen act to the line that is named."""
        line, act, who_and_why = self._line(), self.act.value, (self.account, self.why_line.value, now)
        if act == "transfer":
            to = self._target_of_transfer()
            is_new = billing.transfer(self.engine, run, line, to, *who_and_why)
            return f"Transferred line {line} to {to.project}: draft the period again." if is_new else ""
        if act == "release":
            marked = billing.release(self.engine, run, line, *who_and_why)
        else:
            marked = billing.review(self.engine, run, line, act, *who_and_why)
        return went(LINE_ACTS[act][1], marked, self._caps())

    def _target_of_transfer(self) -> Codes:
        words = [part.strip() or None for part in self.to.value.split("/")]
        if not words[0] or len(words) > 3:
            raise Problem(
                "nothing says where to transfer the line",
                "write project / phase / task, such as 0301-02 / 10",
            )
        return Codes(words[0], *words[1:])

    def _caps(self) -> set[int]:
        """Return the numbers of the lines that bring others down to a cap."""
        return set() if self.found is None else set(self.found.lines.filter(kind="cap")["line"])

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
        rows, parts = self.rows, self.parts
        whole = (rows["run"], rows["void"], parts["why_not"], parts["files"])
        staffs = (parts["exceptions"], rows["exceptions"]) if self.whose.actor.is_staff else ()
        return [
            *(forms.row(self.run), self.said, self.top, *whole, *staffs),
            *(parts["projects"], rows["sign_offs"], rows["only"], parts["lines"], rows["line"]),
            *(parts["evidence"], parts["tie_out"]),
        ]

    def _rows(self) -> dict[str, ipywidgets.Box]:
        named = self.buttons
        whole = (named[name] for name in ("draft", "approve", "close", "workbook", "export"))
        return {
            "run": forms.row(self.target, *whole),
            "void": forms.row(self.why_run, named["void"]),
            "exceptions": forms.row(self.kind, self.why_kind, named["settle"], named["waive"]),
            "sign_offs": forms.row(self.project, self.why_project, named["sign"], named["withdraw"]),
            "only": forms.row(self.only),
            "line": forms.row(self.line, self.act, self.to, self.why_line, named["do"], named["explain"]),
        }

    def _buttons(self) -> dict[str, ipywidgets.Button]:
        """Return a button for each act, named as in `run_acts.Acts`; `do` does the chosen act to a line."""
        acts = {
            "draft": ("Draft", self.do(self._draft)),
            "approve": ("Approve", self.do(self._approve)),
            "close": ("Close for good", self.do(self._close)),
            "void": ("Make void", self.do(self._void)),
            "workbook": ("Workbook", self.file("workbook")),
            "export": ("Import file", self.file("target")),
            "settle": ("Settle", self.do(self.deal_with(billing.settle, "Settled"))),
            "waive": ("Waive", self.do(self.deal_with(billing.waive, "Waived"))),
            "sign": ("Sign off", self.do(self.sign_with(billing.sign, "Project {} is signed off."))),
            "withdraw": (
                "Take back",
                self.do(self.sign_with(billing.withdraw, "The sign-off of project {} is taken back.")),
            ),
            "do": ("Do it", self.do(self.review_line)),
            "explain": ("Where it comes from", self.explain),
        }
        return {name: forms.button(words, act) for name, (words, act) in acts.items()}

    def _draft(self, run: str, now: int) -> str:
        period = run if run in self.whose.collecting else billing.show(self.engine, run)["period"]
        self.drafted = billing.draft(self.engine, period, self.target.value, self.account, now)
        return f"{self.drafted} is drafted."

    def _approve(self, run: str, now: int) -> str:
        billing.approve(self.engine, run, self.account, now)
        return f"{run} is approved."

    def _close(self, run: str, now: int) -> str:
        billing.close(self.engine, run, self.account, now)
        return f"{run} is closed."

    def _void(self, run: str, now: int) -> str:
        billing.void(self.engine, run, self.account, self.why_run.value, now)
        return f"{run} is void."


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
        if not_begun := landing.not_begun(engine):
            display(HTML(title + not_begun))
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
        "Enter the fiscal periods, `process-meter calendar import FILE`; once one is over, draft it:",
        "process-meter billing draft --period 2026-10",
    )
