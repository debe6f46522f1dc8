"""Which groups use which application, how much of its open time they are active, what their part costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import polars as pl

from pipelines.answers import groups
from pipelines.answers.evidence import Evidence, attention, codes_of, gather, no_use
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.group_labels import ALL, OTHER, labels
from pipelines.answers.question import Question, no_data
from pipelines.answers.wording import hours, listing, safe, share
from pipelines.queries.groups import groups_of, rights_on, with_groups
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.group_use import cost_shares, group_use
from warehouse.metrics.utilization import usage
from warehouse.money import HOUR_MS, format_minor

HEADINGS = {
    "department": "Department",
    "office": "Office",
    "group": "Group",
    "version": "Version",
    "name": "Application",
    "people": "People",
    "run_hours": "Run hours",
    "active_hours": "Active hours",
    "active_share": "Active share",
    "cost": "Cost share a year",
}
UNKNOWN = {
    "department": "No department",
    "office": "No office",
    "group": "In no group",
    "version": "Unknown version",
}
SUMS = ("run_ms", "active_ms", "held_ms")
STATES = ("active", "pause", "idle", "held", "unknown")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class UtilizationByGroup:
    """Use by group and application; hours are Float64.

    Attributes
    ----------
    by
        What people and sessions are grouped by: any of `group_use.GROUPS`.
    rows
        One row per group and application, most run hours first: `by`..., name (of the application), people
        (Int64, null in a row of several groups), run_hours, active_hours (null where all of it was held),
        active_share (active / run without held time, 0-1, null where nothing was seen), cost (text: the part
        of the year's license cost, each currency for itself; null: unknown). What fewer than five people used
        is folded into others: offices into their department's other offices, departments into other
        departments, and so on.
    costs
        The same in figures: `by`..., name, currency, cost_minor (Int64, a year).
    by_weekday, by_hour
        One row per local weekday and hour of the day with five people or more, the rest in one row: label,
        active_hours, pause_hours, idle_hours, held_hours, unknown_hours.
    headings
        Column of `rows` -> heading.
    claims
        Markdown sentences: "groups", "cost", "weekdays", "hours".
    """

    by: tuple[str, ...]
    rows: pl.DataFrame
    costs: pl.DataFrame
    by_weekday: pl.DataFrame
    by_hour: pl.DataFrame
    headings: dict[str, str]
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(
    question: Question, by: str = "department,office", evidence: Evidence | None = None
) -> UtilizationByGroup:
    """Measure use by groups.

    Parameters
    ----------
    question
        Its basis is the time by which cost is divided.
    by
        Any of `group_use.GROUPS`, with commas between: the department and the office of the person, the
        groups of the directory, all at the session's start; the version of the application.
    evidence
        What `gather` gave for the same question without an application, where several answers share it: a
        right that covers several applications is divided over the use of all.

    Raises
    ------
    Problem
        An unknown group, no session in the window, no directory group known, no application used by five.
    """
    asked = groups_of(by)
    found = _grouped(question, asked, evidence or gather(replace(question, application="")))
    mine = _of(question, found)
    named = _labels(question, asked, mine)
    cells = group_use(found.stated, found.sessions, asked, question.start, question.end).collect()
    costs, undivided = _costs(question, asked, cells, named)
    rows = _rows(asked, cells, named, costs)
    once = replace(mine, sessions=mine.sessions.unique("session", maintain_order=True))
    timed = {name: _by_time(question, once, name) for name in ("weekday", "hour")}
    return UtilizationByGroup(
        by=asked,
        rows=rows,
        costs=costs,
        by_weekday=timed["weekday"],
        by_hour=timed["hour"],
        headings={name: HEADINGS[name] for name in rows.columns},
        claims={
            "groups": _claim_groups(asked, rows),
            "cost": _claim_cost(costs, undivided),
            "weekdays": _claim_time(question, timed["weekday"], "weekday"),
            "hours": _claim_time(question, timed["hour"], "hour"),
        },
        footer=footer_of(question, once, key=_key_words(asked)),
        results=_results(rows, costs),
    )


# --- What was used -----------------------------------------------------------------------------------------


def _grouped(question: Question, by: Sequence[str], found: Evidence) -> Evidence:
    """Give sessions their directory groups, and names in the place of codes."""
    sessions = found.sessions
    if "group" in by:
        sessions = with_groups(question.engine, sessions)
    named = [
        pl.col(name).cast(pl.String).fill_null(UNKNOWN[name]).alias(name) for name in by if name != "office"
    ]
    if "office" in by:
        offices = frames.offices(question.engine).select(
            pl.col("office").cast(pl.String), pl.col("name").alias("_office")
        )
        sessions = sessions.with_columns(pl.col("office").cast(pl.String)).join(
            offices, on="office", how="left"
        )
        named.append(pl.coalesce("_office", "office", pl.lit(UNKNOWN["office"])).alias("office"))
    return replace(found, sessions=sessions.with_columns(named))


def _of(question: Question, found: Evidence) -> Evidence:
    """Keep the applications that are asked for."""
    codes, sessions = codes_of(question), found.sessions
    if codes is not None:
        sessions = sessions.filter(pl.col("application").cast(pl.String).is_in(codes))
    kept = sessions.collect()
    if kept.is_empty():
        raise no_data(question)
    stated = found.stated.join(kept.lazy().select("session"), on="session", how="semi").collect()
    if stated.is_empty():
        raise no_use(replace(question, basis="run"), found)
    rows = {"sessions": kept["session"].n_unique(), "segments": stated.height}
    return Evidence(stated.lazy(), kept.lazy(), rows)


# --- Rows of at least five people -------------------------------------------------------------------------


def _labels(question: Question, by: Sequence[str], mine: Evidence) -> pl.DataFrame:
    """Say under which names each application and group is shown, the applications by name."""
    found = labels(mine.stated, mine.sessions, by, question.start, question.end)
    if found.is_empty():
        raise Problem(
            f"No application was used by {groups.SMALLEST} people or more from {question.first_day} to "
            f"{question.end_day}, and a report by group shows no figures of fewer",
            "choose a longer window",
        )
    names = dict(frames.applications(question.engine).select("application", "name").collect().iter_rows())
    return found.with_columns(pl.col("_of_application").replace(names))


def _rows(by: Sequence[str], cells: pl.DataFrame, named: pl.DataFrame, costs: pl.DataFrame) -> pl.DataFrame:
    keys = [*by, "name"]
    summed = (
        _as_shown(by, cells, named)
        .group_by(keys)
        .agg(
            people=pl.when(pl.col("_alone").all()).then(pl.col("people").sum()),
            **{name: pl.col(name).sum() for name in SUMS},
        )
    )
    texts = costs.group_by(keys, maintain_order=True).agg(
        cost=pl.struct("cost_minor", "currency")
        .map_elements(lambda row: format_minor(row["cost_minor"], row["currency"]), return_dtype=pl.String)
        .str.join(" + ")
    )
    seen_ms = pl.col("run_ms") - pl.col("held_ms")
    return (
        summed.join(texts, on=keys, how="left")
        .with_columns(attention(["active_ms"], run="run_ms", held="held_ms"))
        .sort("run_ms", *keys, descending=[True, *(False for _ in keys)])
        .select(
            *keys,
            "people",
            # Polars multiplies by the reciprocal: 60 hours would read 59.99999999999999.
            run_hours=(pl.col("run_ms") / HOUR_MS).round(12),
            active_hours=(pl.col("active_ms") / HOUR_MS).round(12),
            active_share=pl.when(seen_ms > 0).then(pl.col("active_ms") / seen_ms),
            cost="cost",
        )
    )


def _as_shown(by: Sequence[str], frame: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    """Put the names that are shown in the place of those that there are, and `name` for the application."""
    return frame.join(named, on=["application", *by]).with_columns(
        *(pl.col(f"_of_{name}").alias(name) for name in by), pl.col("_of_application").alias("name")
    )


# --- Cost --------------------------------------------------------------------------------------------------


def _costs(
    question: Question, by: Sequence[str], cells: pl.DataFrame, named: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Divide the rights of the window's last day; also give the cost, by currency, of those nobody used."""
    rights = _rights(question)
    covers = frames.entitlement_applications(question.engine).collect()
    weight = f"{question.basis}_ms"
    divided = cost_shares(cells, rights, covers, by, weight).collect()
    used = cells.filter(pl.col(weight) > 0)["application"].unique()
    touched = covers.filter(pl.col("application").cast(pl.String).is_in(used.implode()))
    idle = rights.join(touched, on="entitlement", how="anti").drop_nulls("unit_cost_minor")
    costs = (
        _as_shown(by, divided, named)
        .group_by(*by, "name", "currency")
        .agg(pl.col("cost_minor").sum())
        .sort("cost_minor", *by, "name", "currency", descending=[True, *(False for _ in (*by, 0, 0))])
    )
    cost = (pl.col("quantity") * pl.col("unit_cost_minor")).sum()
    undivided = idle.group_by("currency").agg(cost=cost).sort("currency")
    return costs, dict(undivided.iter_rows())


def _rights(question: Question) -> pl.DataFrame:
    """List the rights in force on the window's last day, of what is asked for."""
    rights = rights_on(question.engine, question.end_day - timedelta(days=1))
    codes = codes_of(question)
    if codes is None:
        return rights
    covers = frames.entitlement_applications(question.engine).collect()
    asked = covers.filter(pl.col("application").cast(pl.String).is_in(codes))
    return rights.join(asked, on="entitlement", how="semi")


# --- Weekdays and hours ------------------------------------------------------------------------------------


def _by_time(question: Question, mine: Evidence, time: str) -> pl.DataFrame:
    window = (question.start, question.end, question.zone)
    used = usage(mine.stated, mine.sessions, [time], *window).collect()
    label = pl.format("{}:00", pl.col(time).cast(pl.String).str.zfill(2))
    if time == "weekday":
        label = pl.lit(pl.Series(WEEKDAYS)).gather(pl.col(time) - 1)
    sums = [f"{state}_ms" for state in STATES]
    # An hour in which sessions only ended had nobody in it.
    labeled = used.filter(pl.col("people") > 0).sort(time).with_columns(name=label)
    folded = groups.at_least_five(labeled, sums, other="other")
    if folded.is_empty():
        folded = labeled.select(pl.lit("all").alias("name"), *(pl.col(name).sum() for name in sums)).head(1)
    return folded.select(
        "name", *((pl.col(f"{state}_ms") / HOUR_MS).alias(f"{state}_hours") for state in STATES)
    ).rename({"name": "label"})


# --- The claims --------------------------------------------------------------------------------------------


def _place(by: Sequence[str], row: dict[str, object]) -> str:
    """Write where a row's use was: ` in Engineering, Berlin`; nothing where nobody knows."""
    known = [name for name in by if row[name] != UNKNOWN[name]]
    words = (safe(f"{'version ' if name == 'version' else ''}{row[name]}") for name in known)
    return f" in {', '.join(words)}" if known else ""


def _claim_groups(by: Sequence[str], rows: pl.DataFrame) -> str:
    alone = rows.drop_nulls("people")
    if alone.is_empty():
        first = "**No group of an application has five people or more**, so none is shown for itself."
    else:
        first = _claim_first(by, alone)
        if alone.height < rows.height:
            first = f"Of the groups that are not joined with others: {first}"
    parts = [first]
    if by in {("department",), ("office",), ("department", "office")} and _is_unknown(by, rows):
        parts.append(
            "Whose sessions these are is not known: `process-meter directory import` says which people "
            "belong where."
        )
    if "group" in by:
        parts.append(
            "A person in two groups counts in each, so the groups may add up to more than the whole."
        )
    return " ".join(parts)


def _is_unknown(by: Sequence[str], rows: pl.DataFrame) -> bool:
    folded = {name: [UNKNOWN[name], OTHER[name], ALL[name]] for name in by}
    return all(rows[name].is_in(folded[name]).all() and (rows[name] == UNKNOWN[name]).any() for name in by)


def _claim_first(by: Sequence[str], alone: pl.DataFrame) -> str:
    first = alone.row(0, named=True)
    seen = alone.drop_nulls("active_share").sort("active_share", "run_hours", descending=[False, True])
    text = f"**{safe(first['name'])} is open longest{_place(by, first)}**: {hours(first['run_hours'])}"
    if first["active_share"] is None:
        return (
            f"{text}. Whether anyone was active in it is not known: a license server or a cluster tells what "
            "was open, not who was at work."
        )
    text = f"{text}, {share(first['active_share'])} of them active."
    least = seen.row(0, named=True)
    if seen.height == 1 or least == first:
        return text
    return (
        f"{text} The smallest active part has {safe(least['name'])}{_place(by, least)}: "
        f"{share(least['active_share'])} of {hours(least['run_hours'])}."
    )


def _claim_cost(costs: pl.DataFrame, undivided: dict[str, int]) -> str:
    left = listing(format_minor(cost, currency) for currency, cost in undivided.items() if cost)
    unused = (
        f" Licenses of {left} a year cover applications without such use, and are nobody's." if left else ""
    )
    if costs.is_empty():
        none = "No cost can be divided among groups: "
        if left:
            return f"{none}nobody had any time that counts for it.{unused}"
        return f"{none}none is known. `process-meter entitlement import FILE` says what licenses cost."
    by_currency = costs.group_by("currency").agg(pl.col("cost_minor").sum()).sort("currency")
    amounts = listing(format_minor(cost, currency) for currency, cost in by_currency.iter_rows())
    return f"The licenses cost **{amounts} a year**, divided among the groups by their use.{unused}"


def _claim_time(question: Question, used: pl.DataFrame, time: str) -> str:
    known = used.filter(pl.col("label") != "other")
    column = "active_hours" if known["active_hours"].sum() else "held_hours"
    ordered = known.sort(column, descending=True, maintain_order=True)
    what = "hour of the day" if time == "hour" else "weekday"
    if known.height < 2 or not ordered[column].sum():
        return f"Too few people were there to tell one {what} from another."
    first, last = ordered.row(0, named=True), ordered.row(-1, named=True)
    done = "active" if column == "active_hours" else "open"
    return (
        f"The {what} with the most {done} time is **{first['label']}**, with {hours(first[column])} in all; "
        f"the one with the least is {last['label']}, with {hours(last[column])}. Times are those of "
        f"{question.zone}."
    )


def _key_words(by: Sequence[str]) -> str:
    where = listing(HEADINGS[name].lower() for name in by)
    return f"time of every session, by {where} at its start; people once, accounts merged"


def _results(rows: pl.DataFrame, costs: pl.DataFrame) -> dict[str, object]:
    totals = costs.group_by("currency").agg(pl.col("cost_minor").sum()).sort("currency")
    seen = rows["active_hours"].drop_nulls()
    active = float(seen.sum()) if seen.len() else None
    return {
        "rows": rows.with_columns(pl.selectors.float().round(6)).to_dicts(),
        "run_hours": round(float(rows["run_hours"].sum()), 3),
        "active_hours": None if active is None else round(active, 3),
        "cost_a_year_minor": dict(totals.iter_rows()),
    }
