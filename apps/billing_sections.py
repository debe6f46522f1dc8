"""Billing, in words and tables: where a run stands, what keeps it, its lines, where one comes from."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import polars as pl
from markupsafe import Markup
from sqlalchemy import Engine

from apps import page
from apps.page import Column
from pipelines.answers import billing_reconciliation
from pipelines.answers.billed_run import REVIEWED, reviewed
from pipelines.answers.run_acts import MOST_NAMED, Acts
from pipelines.answers.run_review import RunReview
from pipelines.answers.wording import count, listing
from warehouse.errors import Problem
from warehouse.money import HOUR_MS, format_minor

MOST_LINES = 25
"""Of all projects together a longer list helps nobody: choose one of them."""
MOST_OF_PROJECT = 500
"""Of a project that is chosen, whose lines somebody goes through."""
STEPS = ("collecting", "draft", "review", "approved", "closed")
EXCEPTIONS = [
    Column("words", "What"),
    Column("open", "Open", "count"),
    Column("settled", "Settled", "count"),
    Column("waived", "Waived", "count"),
    Column("hours", "Hours", "hours"),
    Column("why", "Why it matters", "words"),
]
PROJECTS = [
    Column("label", "Project"),
    Column("amount", "To be billed", "amount"),
    Column("lines", "Lines", "count"),
    Column("sign_off", "Sign-off"),
    Column("limit_left", "Left to the limit", "amount"),
]
LINES = [
    Column("line", "Line", "code"),
    Column("day", "Day", "day"),
    Column("person", "Person", "code"),
    Column("application", "Application", "words"),
    Column("where", "Charged to", "words"),
    Column("quantity", "Hours", "amount"),
    Column("rate", "Rate", "amount"),
    Column("amount", "Amount", "amount"),
    Column("review", "Review"),
]
STEPS_TABLE = [
    Column("words", "Step"),
    Column("hours", "Hours", "hours"),
    Column("share", "Of run time", "share"),
]
MOST_STRETCHES = 200
PIECES = [
    Column("session", "Session", "code"),
    Column("start", "From", "code"),
    Column("end", "To", "code"),
    Column("state", "State", "state"),
    Column("kind", "Charged as"),
    Column("milliseconds", "Milliseconds", "count"),
]
STRETCHES = [
    Column("session", "Session", "code"),
    Column("day", "From", "code"),
    Column("until", "To", "code"),
    Column("active", "Active h", "amount"),
    Column("pause", "Pause h", "amount"),
    Column("buffer", "Buffer h", "amount"),
]


def screen(found: RunReview, can: Acts) -> Markup:
    """Return where the run stands and what keeps it from going on."""
    return _figures(found) + _stands(found.facts) + _waits(can)


AMOUNT = {"closed": "Billed", "void": "Would have been billed"}


def _figures(found: RunReview) -> Markup:
    facts = found.facts
    states = facts["exceptions_by_state"]
    unsigned = found.projects.filter(pl.col("state").is_in(["unsigned", "changed", "withdrawn"])).height
    amount = AMOUNT.get(facts["status"], "To be billed")
    # A manager, who sees fewer lines, would take it for the amount of own projects.
    whole = " of the whole run" if found.lines.height < facts["lines"] else ""
    return page.figures(
        [
            (amount, _amounts(facts["billed_minor"]), f"{count(facts['lines'], 'line')}{whole}"),
            ("Held back", _amounts(facts["held_minor"]), "stays in the ledger"),
            ("In dispute", f"{len(facts['disputed_lines']):,}", "lines"),
            ("Blocking", f"{sum(facts['blocking'].values()):,}", f"of {sum(states['open'].values()):,} open"),
            ("Unsigned", f"{unsigned:,}", "projects"),
        ]
    )


def _amounts(minor: dict[str, int]) -> str:
    # An amount stays with its currency where several break over lines.
    told = (format_minor(amount, code).replace(" ", "\u00a0") for code, amount in sorted(minor.items()))
    return ", ".join(told) or "nothing"


def _stands(facts: dict[str, Any]) -> Markup:
    """Return the steps of a run's life with the one it is in."""
    status = facts["status"]
    steps = [
        Markup("<li{}>{}</li>").format(Markup(' aria-current="step"') if step == status else "", step)
        for step in STEPS
    ]
    signed = [
        f"{what} by {facts[f'{what}_by']}"
        for what in ("prepared", "approved", "closed")
        if facts[f"{what}_by"]
    ]
    more = [f"target {facts['target']}"] + (["showback: shown, never exported"] if facts["showback"] else [])
    until = facts["review_until"]
    more += [f"projects may sign until {_minute(until)}"] if until else []
    void = page.words("This run is void: it bills nothing.") if status == "void" else Markup("")
    return page.section(
        f"Run {facts['run']}",
        [
            Markup('<ol class="steps">{}</ol>').format(Markup("").join(steps)),
            void,
            page.basis(", ".join([*signed, *more])),
        ],
    )


def _waits(can: Acts) -> Markup:
    """Return in words what has to happen before the run can be approved."""
    if not can.waits:
        return Markup("")
    items = Markup("").join(Markup("<li>{}</li>").format(wait) for wait in can.waits)
    return page.section("Before it can be approved", [Markup("<ul>{}</ul>").format(items)])


def why_not(can: Acts) -> Markup:
    """Return why some acts are not there, and who can do them."""
    return page.basis(" ".join(can.said)) if can.said else Markup("")


def went(done: str, marked: list[int], caps: Collection[int]) -> str:
    """Say which lines an act of review has taken: those under one cap go together; none: nothing.

    Parameters
    ----------
    done
        What was done to them: Held.
    marked
        Numbers of the lines.
    caps
        Numbers of those that bring others down to a cap.
    """
    usage = [line for line in marked if line not in caps]
    cap = [line for line in marked if line in caps]
    told = [_numbered("line", usage)] if usage else []
    told += [f"the cap's {_numbered('line', cap)}"] if cap else []
    along = ": what is under one cap is billed together or not at all" if len(marked) > 1 else ""
    return f"{done} {' and '.join(told)}{along}." if told else ""


def _numbered(noun: str, numbers: list[int]) -> str:
    """Name lines: line 3; lines 3, 5 and 7; lines 1, 2, 3, 4, 5, 6, 7, 8 and 12 more."""
    named = [str(number) for number in numbers[:MOST_NAMED]]
    named += [f"{len(numbers) - MOST_NAMED:,} more"] if len(numbers) > MOST_NAMED else []
    return f"{noun if len(numbers) == 1 else noun + 's'} {listing(named)}"


def completeness(told: dict[str, Any]) -> Markup:
    """Return how complete a period is before its draft: what `billing.collecting` says."""
    agents, sessions = told["agents"], told["sessions"]
    low, high = (_amounts(told[name]["amount_minor"]) for name in ("lower_bound", "upper_bound"))
    shares = [page.shown(told[f"{kind}_coverage"], "share") for kind in ("session", "fleet")]
    expected = [
        f"{row['kind'].replace('_', ' ')} {row['count']:,} ({row['milliseconds'] / HOUR_MS:,.1f} h)"
        for row in told["exceptions"]
    ]
    figures = page.figures(
        [
            ("Bill so far", low, "what is known"),
            ("At most", high, "if all that is unknown was use"),
            ("Agents out", f"{agents['out']:,}", f"of {agents['in_force']:,}"),
            ("Unknown", f"{told['unknown_hours']:,.1f} h", "of sessions"),
            ("Open sessions", f"{sessions['open']:,}", f"of {sessions['all']:,}"),
        ]
    )
    over = (
        "It is over and can be drafted." if told["is_over"] else f"It is over at {_minute(told['over_at'])}."
    )
    words = page.words(
        f"Session coverage {shares[0]}, fleet coverage {shares[1]}. {over}",
        f"To be expected: {', '.join(expected) or 'no exceptions'}.",
    )
    return figures + page.section(f"Period {told['period']} is being collected", [words])


def _minute(iso: str) -> str:
    return f"{iso[:16].replace('T', ' ')} UTC"


def exceptions(found: RunReview) -> Markup:
    """Return the exceptions by kind."""
    if found.exceptions.is_empty():
        return page.section("Exceptions", [page.words("There is none.")])
    words = pl.col("kind").str.replace_all("_", " ") + pl.when("blocks").then(pl.lit("")).otherwise(
        pl.lit(" (informs)")
    )
    rows = found.exceptions.with_columns(words=words)
    return page.section("Exceptions", [page.table(rows, EXCEPTIONS, cards=True)])


def projects(found: RunReview) -> Markup:
    """Return the projects: first those that wait or have a limit, the others behind a click."""
    sign_off = pl.when(pl.col("by").is_null()).then("state").otherwise(pl.format("{} ({})", "state", "by"))
    rows = found.projects.with_columns(
        label=pl.concat_str("project", "name", separator=" ", ignore_nulls=True), sign_off=sign_off
    )
    is_first = (pl.col("state") != "not needed") | pl.col("limit_left").is_not_null()
    first, rest = rows.filter(is_first), rows.filter(~is_first)
    heading = AMOUNT.get(found.facts["status"], "To be billed")
    columns = [replace(each, heading=heading) if each.name == "amount" else each for each in PROJECTS]
    parts = [page.table(first, columns, cards=True)] if first.height else []
    if rest.height:
        parts.append(
            page.more(
                f"{count(rest.height, 'project')} without sign-off or limit",
                page.table(rest, columns, cards=True),
            )
        )
    return page.section("Projects", parts or [page.words("The run has no line.")])


def lines(found: RunReview, project: str) -> Markup:
    """Return the lines of a project up to `MOST_OF_PROJECT`, or of all (empty) up to `MOST_LINES`."""
    rows = found.lines if not project else found.lines.filter(pl.col("project") == project)
    # What somebody has said something about is looked for first.
    ordered = rows.sort(pl.col("review").is_null(), "line")
    shown = ordered.head(MOST_OF_PROJECT if project else MOST_LINES).with_columns(
        where=pl.concat_str("project", "phase", "task", separator=" / ", ignore_nulls=True),
        review=reviewed(),
    )
    more = rows.height - shown.height
    words = (
        page.words(
            f"{more:,} more are not shown: {'' if project else 'choose a project, or '}list them with "
            f"`process-meter billing lines {found.facts['run']}`."
        )
        if more
        else Markup("")
    )
    return page.section(
        "Charge lines", [page.table(shown, LINES, count(rows.height, "line"), cards=True), page.basis(words)]
    )


def evidence(told: dict[str, Any]) -> Markup:
    """Return where one line comes from: its sessions, and the acts of review on it."""
    line, sessions = told["line"], told["sessions"]
    rows = pl.DataFrame(
        [
            (row["session"], row["started"][:16], (row["ended"] or "open")[:16],
             *(f"{row[f'{kind}_ms'] / HOUR_MS:.3f}" for kind in ("active", "pause", "buffer")))
            for row in sessions
        ],
        [column.name for column in STRETCHES],
        orient="row",
    )  # fmt: skip
    acts = [
        f"{REVIEWED.get(row['action'], row['action'])} by {row['actor']}: {row['reason']}"
        for row in told["reviews"]
    ]
    parts = [
        page.words(*(sentence[:1].upper() + sentence[1:] for sentence in (*told["arithmetic"], *acts))),
        page.table(rows, STRETCHES, f"{count(rows.height, 'session')}, UTC", cards=True)
        if rows.height
        else Markup(""),
        _pieces(told["stretches"]),
        page.basis(
            "Everything, with entries and digest: "
            f"`process-meter billing show {line['run']} --line {line['line']}`."
        ),
    ]
    return page.section(f"Line {line['line']}: where it comes from", parts)


def _pieces(stretches: list[dict[str, Any]]) -> Markup:
    """Return the stretches of evidence that a line charges, behind a click."""
    shown = [
        (row["session"], row["start"][:19], row["end"][:19], row["state"], row["kind"], row["milliseconds"])
        for row in stretches[:MOST_STRETCHES]
    ]
    if not shown:
        return Markup("")
    rows = pl.DataFrame(shown, [column.name for column in PIECES], orient="row")
    more = f", the first {MOST_STRETCHES:,} of them" if len(stretches) > MOST_STRETCHES else ""
    table = page.table(rows, PIECES, "UTC", cards=True)
    return page.more(f"{len(stretches):,} stretches of evidence{more}", table)


def tie_out(engine: Engine, period: str) -> Markup:
    """Return how run time becomes billed time, step by step."""
    try:
        found = billing_reconciliation.answer(engine, period)
    except Problem as problem:
        return page.section("Tie-out", [page.words(str(problem))])
    hours = found.steps["hours"].to_list()
    widest = max([abs(value) for value in hours] + [1e-9])
    rows = zip(found.steps["words"], hours, strict=True)
    bars = Markup("").join(_bar(words, value, abs(value) / widest) for words, value in rows)
    return page.section(
        "Tie-out: from run time to billed time",
        [
            page.prose(found.claims["run"]),
            Markup('<table class="waterfall"><tbody>{}</tbody></table>').format(bars),
        ],
    )


def _bar(words: str, hours: float, part: float) -> Markup:
    """Return a step as a row with a bar of its length."""
    kind = "plus" if hours >= 0 else "minus"
    bar = Markup('<i class="{}" style="width:{}%"></i>').format(kind, round(100 * part, 1))
    row = Markup('<tr><th scope="row">{}</th><td class="n">{}</td><td class="bar">{}</td></tr>')
    return row.format(words, f"{page.shown(hours, 'hours')} h", bar)
