"""The window that asks for a project at launch: recent projects first, a search, phase, task and fields.

It opens at the top right, above all others, and takes no focus: whoever is typing goes on typing in the
application. A click or the desktop's own way from window to window (Alt+Tab) leads into it; from there
everything is done by keyboard. Enter takes what is chosen, at first the project that was chosen last; Escape
puts it off. Nothing but what is entered here is read.
"""

from __future__ import annotations

import os
import tkinter
from collections.abc import Mapping, Sequence
from datetime import datetime
from tkinter import font, ttk
from typing import Any

from collector.agent.clock import SystemClock
from collector.agent.home import Home
from collector.agent.process_table import account
from collector.agent.project_list import ProjectList, load
from collector.agent.project_rules import Choice, objections
from collector.agent.prompt import Row, current, fitting, is_kept, label, printable, resolved, rows
from collector.agent.prompting import UNABLE
from collector.agent.sample import Project
from collector.protocol import FieldRule, ListedPhase

WIDTHS = {"number": 130, "name": 260, "payer": 170}
"""Columns of the list, in pixels of a screen of 96 dots per inch."""
HEADINGS = {"number": "Number", "name": "Project", "payer": "Client or cost center"}
MOST_LINES, FEWEST_LINES = 9, 3
MARGIN = 24
DENSITY = 96
LEAST_HEIGHT = 620
"""Pixels at 96 dpi that the window needs with all eight fields, and the desktop around it."""
WARNING = "#a03000"
QUIET = "#555555"


def ask(home: Home, question: Mapping[str, Any]) -> dict[str, Any]:
    """Show the window until it is answered; return `outcome`, and `project` or `reason` with it.

    Parameters
    ----------
    question
        `applications`: their names.
    """
    try:
        root = tkinter.Tk(className="Process-meter")
    except tkinter.TclError as error:
        return {"outcome": UNABLE, "reason": f"no window can be opened, so nobody is asked: {error}"}
    root.withdraw()
    window = PromptWindow(root, home, [str(name) for name in question["applications"]])
    window.open()
    root.mainloop()
    return window.answer


class PromptWindow:
    """One question, from its opening to its answer.

    Parameters
    ----------
    root
        Hidden as yet.
    home
        Where list, recent projects and the project in force are read.
    applications
        Names of those that were launched.
    """

    def __init__(self, root: tkinter.Tk, home: Home, applications: Sequence[str]) -> None:
        self.answer: dict[str, Any] = {"outcome": "dismissed"}
        self._root = root
        self._known: ProjectList = load(home.projects)
        self._recent = home.recent()
        self._in_force = home.project()
        self._before = current(self._in_force, self._recent)
        self._scale = _scaled(root)
        self._rows: list[Row] = []
        self._phases: tuple[ListedPhase, ...] = ()
        self._told: list[str] = []
        names = ("search", "phase", "task", "more", "note", "use")
        self._texts = {name: tkinter.StringVar(root) for name in names}
        self._fields = {rule.name: tkinter.StringVar(root) for rule in self._known.rules}
        self._build(applications)
        self._bind()
        self._fill()

    def open(self) -> None:
        """Show it at the top right, above all others, without taking the focus."""
        root = self._root
        root.attributes("-topmost", True)
        root.resizable(False, False)
        root.update_idletasks()
        while root.winfo_reqheight() > root.winfo_screenheight() - 4 * MARGIN and self._shorten():
            root.update_idletasks()
        left = root.winfo_screenwidth() - root.winfo_reqwidth() - self._px(MARGIN)
        root.geometry(f"+{max(0, left)}+{self._px(MARGIN)}")
        _open_quietly(root)
        self._search.focus_set()

    # --- What it is made of --------------------------------------------------------------------------------

    def _build(self, applications: Sequence[str]) -> None:
        root, names = self._root, " and ".join(map(printable, applications))
        root.title("Which project? - Process Meter")
        frame = ttk.Frame(root, padding=self._px(14))
        frame.grid()
        frame.columnconfigure(0, weight=1)
        width = sum(map(self._px, WIDTHS.values()))
        bold = font.nametofont("TkDefaultFont").copy()
        bold.configure(weight="bold", size=font.nametofont("TkDefaultFont")["size"] + 2)
        self._bold = bold  # kept: a font ends with its object
        heading = fitting(f"Which project is {names} for?", 2 * width, bold.measure)
        ttk.Label(frame, text=heading, font=bold, wraplength=width).grid(sticky="w")
        left = f"{printable(self._in_force.number)} in force" if self._in_force else "it without one"
        hint = f"For the whole session, from its launch on; “Not now” leaves {left}."
        ttk.Label(frame, text=hint, foreground=QUIET, wraplength=width).grid(
            sticky="w", pady=(0, self._px(8))
        )
        self._build_search(frame)
        self._build_codes(frame)
        note = ttk.Label(frame, textvariable=self._texts["note"], foreground=WARNING, wraplength=width)
        note.grid(sticky="w", pady=(self._px(6), 0))
        self._build_buttons(frame)

    def _build_search(self, frame: ttk.Frame) -> None:
        ttk.Label(frame, text="Find a project by number, name or client").grid(sticky="w")
        self._search = ttk.Entry(frame, textvariable=self._texts["search"])
        self._search.grid(sticky="ew", pady=(0, self._px(4)))
        table = ttk.Frame(frame)
        table.grid(sticky="ew")
        table.columnconfigure(0, weight=1)
        self._list = ttk.Treeview(
            table, columns=tuple(WIDTHS), show="headings", selectmode="browse", height=MOST_LINES
        )
        for name, width in WIDTHS.items():
            self._list.heading(name, text=HEADINGS[name], anchor="w")
            self._list.column(name, width=self._px(width), stretch=name == "name")
        self._list.tag_configure("recent", font=self._bold_of_list())
        bar = ttk.Scrollbar(table, orient="vertical", command=self._list.yview)
        self._list.configure(yscrollcommand=bar.set)
        self._list.grid(row=0, column=0, sticky="ew")
        bar.grid(row=0, column=1, sticky="ns")
        ttk.Label(frame, textvariable=self._texts["more"], foreground=QUIET).grid(sticky="w")

    def _bold_of_list(self) -> font.Font:
        self._emphasis = font.nametofont("TkDefaultFont").copy()
        self._emphasis.configure(weight="bold")
        return self._emphasis

    def _build_codes(self, frame: ttk.Frame) -> None:
        grid = ttk.Frame(frame)
        grid.grid(sticky="ew", pady=(self._px(6), 0))
        grid.columnconfigure((1, 3), weight=1, uniform="entries")
        self._phase = ttk.Combobox(grid, textvariable=self._texts["phase"])
        self._task = ttk.Combobox(grid, textvariable=self._texts["task"])
        boxes: list[tuple[str, str, ttk.Widget]] = [("Phase", "", self._phase), ("Task", "", self._task)]
        boxes += [
            (rule.label, " *" if rule.required else "", self._box(grid, rule)) for rule in self._known.rules
        ]
        most, measure = self._px(110), font.nametofont("TkDefaultFont").measure
        for place, (text, star, box) in enumerate(boxes):
            row, column = place // 2, 2 * (place % 2)
            before = 0 if column == 0 else self._px(12)
            caption = ttk.Label(grid, text=fitting(printable(text), most, measure) + star)
            caption.grid(row=row, column=column, sticky="w", padx=(before, self._px(6)))
            box.grid(row=row, column=column + 1, sticky="ew", pady=self._px(2))

    def _box(self, grid: ttk.Frame, rule: FieldRule) -> ttk.Widget:
        if rule.kind == "choice":
            return ttk.Combobox(grid, textvariable=self._fields[rule.name], values=rule.choices)
        return ttk.Entry(grid, textvariable=self._fields[rule.name])

    def _build_buttons(self, frame: ttk.Frame) -> None:
        line = ttk.Frame(frame)
        line.grid(sticky="ew", pady=(self._px(10), 0))
        line.columnconfigure(0, weight=1)
        self._later = ttk.Button(line, text="Not now (Esc)", command=self._dismiss)
        use = ttk.Button(line, textvariable=self._texts["use"], command=self._submit, default="active")
        self._later.grid(row=0, column=1, padx=self._px(8))
        use.grid(row=0, column=2)

    def _bind(self) -> None:
        root = self._root
        for key in ("<Return>", "<KP_Enter>"):
            root.bind(key, lambda _: self._dismiss() if root.focus_get() is self._later else self._submit())
        root.bind("<Escape>", lambda _: self._dismiss())
        root.protocol("WM_DELETE_WINDOW", self._dismiss)
        self._search.bind("<Down>", lambda _: self._move(1))
        self._search.bind("<Up>", lambda _: self._move(-1))
        self._list.bind("<<TreeviewSelect>>", lambda _: self._show_chosen())
        self._texts["search"].trace_add("write", lambda *_: self._fill())
        self._texts["phase"].trace_add("write", lambda *_: self._offer_tasks())
        for text in (self._texts["phase"], self._texts["task"], *self._fields.values()):
            text.trace_add("write", lambda *_: self._renew())

    # --- Choosing ------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Show what fits the search, and choose the first of it."""
        text = self._texts["search"].get()
        self._rows, more = rows(self._known, self._recent, text)
        self._list.delete(*self._list.get_children())
        measure, pad = font.nametofont("TkDefaultFont").measure, self._px(14)
        for place, row in enumerate(self._rows):
            cells = [
                fitting(
                    printable(cell), self._px(width) - pad, self._emphasis.measure if row.recent else measure
                )
                for cell, width in zip((row.number, row.name, row.payer), WIDTHS.values(), strict=True)
            ]
            tags = ("recent",) if row.recent else ()
            self._list.insert("", "end", iid=str(place), values=cells, tags=tags)
        self._texts["more"].set(f"{more:,} more: type a part of what you look for" if more else "")
        if self._rows and (text.strip() or self._rows[0].recent):
            self._choose(0)
        else:
            self._show_chosen()

    def _move(self, step: int) -> str:
        chosen = self._list.selection()
        place = int(chosen[0]) + step if chosen else 0
        if 0 <= place < len(self._rows):
            self._choose(place)
        return "break"

    def _choose(self, place: int) -> None:
        self._list.selection_set(str(place))
        self._list.see(str(place))
        self._show_chosen()

    def _chosen(self) -> Row | None:
        selected = self._list.selection()
        return self._rows[int(selected[0])] if selected else None

    def _show_chosen(self) -> None:
        """Offer the phases of the project that is chosen, and what was entered with it last time."""
        row = self._chosen()
        self._phases = row.listed.project.phases if row and row.listed else ()
        self._phase["values"] = [label(phase.number, printable(phase.name)) for phase in self._phases]
        last = row.recent if row else None
        phase, task = (last.phase or "", last.task or "") if last else ("", "")
        self._texts["phase"].set(self._labelled(phase, [(each.number, each.name) for each in self._phases]))
        self._texts["task"].set(self._labelled(task, self._tasks()))
        for name, text in self._fields.items():
            text.set(last.fields.get(name, "") if last else "")
        self._renew()

    @staticmethod
    def _labelled(number: str, options: Sequence[tuple[str, str]]) -> str:
        return label(number, printable(dict(options).get(number, "")))

    def _offer_tasks(self) -> None:
        self._task["values"] = [label(number, printable(name)) for number, name in self._tasks()]

    def _tasks(self) -> tuple[tuple[str, str], ...]:
        number = self._phase_number()
        return next((phase.tasks for phase in self._phases if phase.number == number), ())

    def _phase_number(self) -> str | None:
        options = [(phase.number, printable(phase.name)) for phase in self._phases]
        return resolved(self._texts["phase"].get(), options)

    def _choice(self) -> Choice | None:
        row = self._chosen()
        if row is None:
            return None
        task = resolved(
            self._texts["task"].get(), [(number, printable(name)) for number, name in self._tasks()]
        )
        entered = {name: text.get().strip() for name, text in self._fields.items()}
        return Choice(
            row.number, self._phase_number(), task, {name: text for name, text in entered.items() if text}
        )

    def _renew(self) -> None:
        """Say on the button what Enter does now; what was objected to before is over."""
        choice = self._choice()
        self._told = []
        self._texts["note"].set("")
        word = "Keep" if choice and is_kept(choice, self._before) else "Use"
        number = (
            fitting(printable(choice.project), self._px(120), font.nametofont("TkDefaultFont").measure)
            if choice
            else "a project"
        )
        self._texts["use"].set(f"{word} {number} (Enter)")

    # --- Ending --------------------------------------------------------------------------------------------

    def _submit(self) -> None:
        """Take what is chosen; what the server will object to is said first, and sent if it is meant so."""
        choice = self._choice()
        if choice is None:
            self._texts["note"].set("Choose a project first, or put it off with Escape.")
            return
        found = objections(choice, self._known, datetime.now().astimezone().date())
        if found and found != self._told:
            self._told = found
            self._texts["note"].set("\n".join(_sentence(each) for each in found[:4]))
            self._texts["use"].set("Send it as it is (Enter)")
            return
        outcome = "kept" if is_kept(choice, self._before) else "entered"
        self.answer = {"outcome": outcome, "project": _document(choice)}
        self._root.destroy()

    def _dismiss(self) -> None:
        self._root.destroy()

    # --- Measures ------------------------------------------------------------------------------------------

    def _px(self, pixels: int) -> int:
        return round(pixels * self._scale)

    def _shorten(self) -> bool:
        """Take a line off the list; return whether it could be shorter still."""
        lines = int(self._list["height"]) - 1
        self._list.configure(height=max(FEWEST_LINES, lines))
        return lines > FEWEST_LINES


def _document(choice: Choice) -> dict[str, Any]:
    now_ms = SystemClock().now().wall_ms
    project = Project(choice.project, choice.phase, choice.task, account(), now_ms, dict(choice.fields))
    return {
        name: getattr(project, name) for name in ("number", "phase", "task", "author", "set_ms", "fields")
    }


def _sentence(objection: str) -> str:
    return printable(f"{objection[:1].upper()}{objection[1:]}.")


def _scaled(root: tkinter.Tk) -> float:
    """Fit fonts and lines to the density of the screen; return its pixels for each of a screen of 96 dpi."""
    density = _density(root)
    if density:
        # The whole window has to fit, whatever the settings say.
        root.tk.call("tk", "scaling", min(density, DENSITY * root.winfo_screenheight() / LEAST_HEIGHT) / 72)
        for name in font.names(root):
            named = font.nametofont(name, root)
            named.configure(size=named.cget("size"))
    scale = float(root.tk.call("tk", "scaling")) * 72 / DENSITY
    style = ttk.Style(root)
    if root.tk.call("tk", "windowingsystem") == "x11":
        style.theme_use("clam")
    style.configure(
        "Treeview", rowheight=font.nametofont("TkDefaultFont").metrics("linespace") + round(5 * scale)
    )
    style.map("Treeview", background=[("selected", "#1f5f8b")], foreground=[("selected", "#ffffff")])
    return max(1.0, scale)


def _density(root: tkinter.Tk) -> float | None:
    if root.tk.call("tk", "windowingsystem") != "x11":
        return None
    try:
        from collector.agent.x11_manners import dots_per_inch  # noqa: PLC0415  (Xlib may be absent)
    except ImportError:
        return None
    return dots_per_inch(os.environ.get("DISPLAY", ""))


def _open_quietly(root: tkinter.Tk) -> None:
    """Show the window; on X11 its manager is told that nobody asked for it just now."""
    if root.tk.call("tk", "windowingsystem") == "x11":
        try:
            from collector.agent.x11_manners import ask_for_no_focus  # noqa: PLC0415  (Xlib may be absent)
        except ImportError:
            pass
        else:
            root.update_idletasks()
            ask_for_no_focus(os.environ.get("DISPLAY", ""), root.winfo_id())
    root.deiconify()
