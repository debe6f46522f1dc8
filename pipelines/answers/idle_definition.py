"""What another definition of idle would have said: peaks, seats, hours and the bill, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import polars as pl

from pipelines import rating
from pipelines.answers.evidence import Evidence, codes_of, gather
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.groups import SMALLEST
from pipelines.answers.owned import Owned, owned_on
from pipelines.answers.question import AS_LICENSED, Question
from pipelines.answers.wording import count, hours, listing, safe
from pipelines.queries.idle import definitions_of
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.charges import Terms
from warehouse.metrics.idle_definitions import IN_FORCE, Definition, idle_definitions
from warehouse.money import format_minor

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
SIGNAL_WORDS = {
    "input": "keyboard and pointer",
    "input+cpu": "input, or a busy processor",
    "focus": "having the focus",
    "presenting": "input, or keeping the screen awake",
}
AS_POLICY = "as the policy says"


@dataclass(frozen=True)
class Bill:
    """The last closed period, charged anew under each definition.

    Attributes
    ----------
    period
        Its name.
    amounts
        By definition: amount by currency, in minor units. `IN_FORCE` is the billing policy as it is.
    billed_ms
        By definition: billable milliseconds.
    """

    period: str
    amounts: dict[Definition, dict[str, int]]
    billed_ms: dict[Definition, int]


@dataclass(frozen=True)
class IdleDefinition:
    """The same evidence under several definitions of idle.

    Attributes
    ----------
    by_definition
        One row per definition, the policy in force first, then by signal and timeout: definition (in words,
        whole), idle_after, signal (in words), idle_minutes (Float64, null: as the policy says), peaks (Int64,
        the peak of each license, added up), seats (Int64, people with busy time, license by license),
        busy_hours, idle_hours (Float64; null where fewer than five people are in it), billed_hours (Float64,
        of the last closed period), bill (text, each currency's amount; null where no period is closed).
    tried
        The same without the policy in force, with idle_minutes known: what charts draw.
    by_license
        One row per license with sessions, those whose peak depends on the definition most first: name, owned
        (null: nothing covers it), in_force, lowest, highest (Int64, peaks).
    bill
        None where no billing period is closed.
    claims
        Markdown sentences: "hours", "peaks", "licenses", "bill".
    """

    by_definition: pl.DataFrame
    tried: pl.DataFrame
    by_license: pl.DataFrame
    bill: Bill | None
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(
    question: Question,
    minutes: str = "5,10,15,30",
    signals: str = "input,input+cpu,focus,presenting",
    evidence: Evidence | None = None,
) -> IdleDefinition:
    """Judge the evidence of a window under each definition.

    Parameters
    ----------
    minutes, signals
        Idle timeouts in minutes and signals of activity, with commas between: each with each.
    evidence
        What `gather(question)` gave, where several answers share it.

    Raises
    ------
    Problem
        A timeout or signal that is none; no session in the window, or none that tells use.
    """
    definitions = [IN_FORCE, *definitions_of(minutes, signals)]
    question = replace(question, basis="busy", key="user" if question.key == AS_LICENSED else question.key)
    found = evidence or gather(question)
    owned = owned_on(question.engine, question.end_day - timedelta(days=1))
    measured = _measured(question, found, owned, definitions)
    if not measured["busy_ms"].sum():
        raise _nothing_to_judge(question)
    bill = _bill(question, definitions)
    few = _people(found) < SMALLEST
    by_definition = _by_definition(measured, definitions, bill, hides_idle=few)
    by_license = _by_license(measured, owned)
    tried = by_definition.filter(pl.col("idle_minutes").is_not_null())
    return IdleDefinition(
        by_definition=by_definition,
        tried=tried,
        by_license=by_license,
        bill=bill,
        claims={
            "hours": _claim_hours(by_definition),
            "peaks": _claim_peaks(by_definition),
            "licenses": claim_licenses(by_license),
            "bill": _claim_bill(bill),
        },
        footer=footer_of(question, found),
        results=_results(by_definition, bill),
    )


def _nothing_to_judge(question: Question) -> Problem:
    return Problem(
        f"No session from {question.first_day} to {question.end_day} tells whether it was used: a license "
        "server's log says only who had a license",
        "enroll agents, which see input and focus: `process-meter manager token new`",
    )


def _people(found: Evidence) -> int:
    who = found.sessions.select(pl.coalesce("person", "account").n_unique()).collect()
    return int(who.item())


# --- Figures -----------------------------------------------------------------------------------------------


def _measured(
    question: Question, found: Evidence, owned: Owned, definitions: Sequence[Definition]
) -> pl.DataFrame:
    segments = frames.segments(question.engine, question.start, question.end, codes_of(question))
    return idle_definitions(
        segments.collect().lazy(),
        found.sessions,
        question.policy,
        definitions,
        question.start,
        question.end,
        key=question.key,
        weights=frames.applications(question.engine),
        group="entitlement",
        suites=owned.members.lazy(),
    ).collect()


def _by_definition(
    measured: pl.DataFrame, definitions: Sequence[Definition], bill: Bill | None, *, hides_idle: bool
) -> pl.DataFrame:
    sums = measured.group_by("signal", "idle_timeout_ms", maintain_order=True).agg(
        peaks=pl.col("peak").sum(),
        seats=pl.col("in_use").sum().cast(pl.Int64),
        busy_hours=pl.col("busy_ms").sum() / HOUR_MS,
        idle_hours=pl.lit(None, pl.Float64) if hides_idle else pl.col("idle_ms").sum() / HOUR_MS,
    )
    named = [
        (_definition_words(each), _timeout_words(each), _signal_words(each), *_billed(each, bill))
        for each in definitions
    ]
    texts = dict.fromkeys(("definition", "idle_after", "signal"), pl.String)
    schema = {**texts, "billed_hours": pl.Float64, "bill": pl.String}
    words = pl.DataFrame(named, schema=schema, orient="row")
    minutes = (pl.col("idle_timeout_ms") / MINUTE_MS).alias("idle_minutes")
    figures = sums.select(minutes, "peaks", "seats", "busy_hours", "idle_hours")
    return pl.concat([words, figures], how="horizontal").select(
        *("definition", "idle_after", "signal", "idle_minutes", "peaks", "seats", "busy_hours"),
        *("idle_hours", "billed_hours", "bill"),
    )


def _signal_words(definition: Definition) -> str:
    return AS_POLICY if definition.signal is None else SIGNAL_WORDS[definition.signal]


def _timeout_words(definition: Definition) -> str:
    if definition.idle_timeout_ms is None:
        return AS_POLICY
    return f"{definition.idle_timeout_ms / MINUTE_MS:g} minutes"


def _definition_words(definition: Definition) -> str:
    if definition == IN_FORCE:
        return f"in force, {AS_POLICY}"
    return f"{_timeout_words(definition)}, {_signal_words(definition)}"


def _billed(definition: Definition, bill: Bill | None) -> tuple[float | None, str | None]:
    if bill is None:
        return None, None
    return bill.billed_ms[definition] / HOUR_MS, _amounts(bill.amounts[definition])


def _amounts(amounts: dict[str, int]) -> str:
    return listing(format_minor(minor, currency) for currency, minor in amounts.items()) or "nothing"


def _by_license(measured: pl.DataFrame, owned: Owned) -> pl.DataFrame:
    in_force = pl.col("peak").filter(pl.col("signal").is_null(), pl.col("idle_timeout_ms").is_null()).first()
    tried = pl.col("peak").filter(pl.col("idle_timeout_ms").is_not_null())
    names = owned.pools.select(entitlement="pool", name="name", owned="owned")
    return (
        measured.group_by("entitlement")
        .agg(in_force=in_force, lowest=tried.min(), highest=tried.max())
        .join(names, on="entitlement", how="left")
        .sort(pl.col("highest") - pl.col("lowest"), "highest", "name", descending=[True, True, False])
        .select("name", "owned", "in_force", "lowest", "highest")
    )


# --- The bill ----------------------------------------------------------------------------------------------


def _bill(question: Question, definitions: Sequence[Definition]) -> Bill | None:
    """Charge the last closed period anew; None where none is closed."""
    closed = frames.runs(question.engine).filter(pl.col("status") == "closed").collect()
    if closed.is_empty():
        return None
    run = closed.row(-1, named=True)
    period = rating.find_period(question.engine, run["period"])
    inputs = rating.collect(question.engine, period, question.asked_at)
    policy = frames.policy(question.engine, "billing")
    terms = Terms(period.starts_on, period.ends_on, run["quantum_per_hour"], run["overlap_policy"])
    amounts, billed_ms = {}, {}
    for each in definitions:
        changed = each.of(policy)
        charges = rating.charges_of(inputs, inputs.stated(changed), changed, terms)
        amounts[each] = rating.amounts(charges.lines)
        billed_ms[each] = charges.tie_out_ms["billed"]
    return Bill(period.name, amounts, billed_ms)


# --- The claims --------------------------------------------------------------------------------------------


def _extremes(by_definition: pl.DataFrame, column: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the rows with the least and the most, among the definitions tried."""
    tried = by_definition.filter(pl.col("idle_minutes").is_not_null()).sort(column, maintain_order=True)
    return tried.row(0, named=True), tried.row(-1, named=True)


def _claim_hours(by_definition: pl.DataFrame) -> str:
    now = by_definition.row(0, named=True)
    least, most = _extremes(by_definition, "busy_hours")
    if least["busy_hours"] == most["busy_hours"]:
        return f"Every definition gives the same **{hours(now['busy_hours'])}** of use."
    return (
        f"As the policy stands, **{hours(now['busy_hours'])}** count as use. Over the same evidence it is "
        f"{hours(least['busy_hours'])} with {least['definition']}, and {hours(most['busy_hours'])} with "
        f"{most['definition']}: {_change(most['busy_hours'], least['busy_hours'])} more."
    )


def _change(more: float, less: float) -> str:
    return f"{(more / less - 1) * 100:.0f} %" if less else "all of it"


def _claim_peaks(by_definition: pl.DataFrame) -> str:
    now = by_definition.row(0, named=True)
    (least, most), (fewest, many) = (_extremes(by_definition, name) for name in ("peaks", "seats"))
    if least["peaks"] == most["peaks"]:
        return (
            f"The peaks do not depend on it: added up over all licenses they are **{now['peaks']:,}** under "
            "every definition tried."
        )
    return (
        f"Added up over all licenses, the peaks are **{now['peaks']:,}** as the policy stands, "
        f"{least['peaks']:,} with {least['definition']} and {most['peaks']:,} with {most['definition']}. "
        + _seats_words(now["seats"], fewest["seats"], many["seats"])
    )


def _seats_words(now: int, fewest: int, many: int) -> str:
    if fewest == many == now:
        return f"People with use, license by license, are {now:,} under each."
    return (
        f"People with use, license by license, are {now:,}, and between {fewest:,} and {many:,} with what "
        "was tried."
    )


def claim_licenses(by_license: pl.DataFrame) -> str:
    """Say which license depends on the definition, and whether what is owned does."""
    depending = by_license.filter(pl.col("lowest") < pl.col("highest"))
    if depending.is_empty():
        return "No license has a peak that depends on how idle is defined."
    first = depending.row(0, named=True)
    crossing = depending.filter((pl.col("lowest") <= pl.col("owned")) & (pl.col("owned") < pl.col("highest")))
    says = (
        f"{count(depending.height, 'license')} {'has' if depending.height == 1 else 'have'} a peak that "
        f"depends on the definition, most of all **{safe(first['name'])}**: {first['lowest']:,} to "
        f"{first['highest']:,}."
    )
    if crossing.is_empty():
        return f"{says} Nowhere does the definition decide whether what is owned is enough."
    names = listing([f"**{safe(name)}**" for name in crossing["name"].head(3)])
    return f"{says} Whether what is owned is enough depends on the definition for {names}."


def _claim_bill(bill: Bill | None) -> str:
    if bill is None:
        return (
            "No billing period is closed yet, so there is no bill to compare: draft and close one with "
            "`process-meter billing`."
        )
    parts = [_bill_in(bill, currency) for currency in bill.amounts[IN_FORCE]]
    if not parts:
        return f"Period {bill.period}, the last one closed, charges nothing under the billing policy."
    return (
        f"Period {bill.period}, the last one closed, charged anew at its rates: {'; '.join(parts)}. What was "
        "closed stays as it is; only its own use is in these amounts, no adjustment and no write-off."
    )


def _bill_in(bill: Bill, currency: str) -> str:
    now = bill.amounts[IN_FORCE][currency]
    tried = [amounts.get(currency, 0) for each, amounts in bill.amounts.items() if each != IN_FORCE]
    low, high = (format_minor(minor, currency) for minor in (min(tried), max(tried)))
    return f"**{format_minor(now, currency)}** under the billing policy, and from {low} to {high}"


def _results(by_definition: pl.DataFrame, bill: Bill | None) -> dict[str, object]:
    columns = ("definition", "idle_minutes", "peaks", "seats", "busy_hours")
    rows = by_definition.select(columns).with_columns(pl.col("busy_hours").round(3)).to_dicts()
    amounts = {} if bill is None else {_definition_words(each): sums for each, sums in bill.amounts.items()}
    return {"definitions": rows, "period": bill and bill.period, "bill_minor": amounts}
