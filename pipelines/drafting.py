"""The draft of a billing run: charged, adjusted, counted, and written in the place of the draft before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine

from pipelines import adjusting, budgets, rating, settling
from pipelines.acting import find_actor
from warehouse import evidence, frames, ledger, store
from warehouse.errors import Problem
from warehouse.ledger import Review, Run
from warehouse.metrics import caps
from warehouse.metrics.charges import Charges, Terms
from warehouse.metrics.states import Policy

LINE_KEY = (
    "kind", "day", "person_id", "application", "office", "project", "phase", "task", "rate_id",
    "rate_scaled", "original_line_id",
)  # fmt: skip
"""What makes a line of a new draft the same one as a line of the draft before."""

DAY_MS = 86_400_000

Keyed = tuple[tuple[Any, ...], Review]


@dataclass(frozen=True)
class Order:
    """What is asked for: which period, for which accounting target, by whom, with which cut-off.

    A showback run is shown to its payers alone, and never exported.
    """

    period: str
    target: str
    quantum_per_hour: int
    actor: str
    now_ms: int
    showback: bool = False


@dataclass(frozen=True)
class Draft:
    """A draft before it is written: columns of `billing_run`, lines, their shares, exceptions."""

    values: dict[str, Any]
    lines: pl.DataFrame
    shares: pl.DataFrame
    exceptions: pl.DataFrame


def draft(engine: Engine, order: Order) -> str:
    """Make a draft and write it; see `billing.draft`."""
    period, now = rating.find_period(engine, order.period), datetime.fromtimestamp(order.now_ms / 1000, UTC)
    with engine.connect() as connection:
        find_actor(connection, order.actor).require_staff(f"draft period {period.name}")
        _refuse_settled(ledger.standing_run(connection, period.id), period.name)
        chain = ledger.closed_runs(connection)
    rating.refuse_unfinished(engine, period, now)
    policy, document = _billing_policy(engine, order)
    terms = terms_of(period, order.quantum_per_hour, document)
    made = _make(engine, rating.collect(engine, period, now), policy, terms, chain)
    made.values.update(
        status="draft",
        target=order.target,
        prepared_by=order.actor,
        prepared_ms=order.now_ms,
        cut_off_ms=order.now_ms,
        previous_digest=chain[-1].digest if chain else None,
        showback=order.showback,
        review_until_ms=review_until_ms(document, order.now_ms),
    )
    with store.writing(engine) as connection:
        ledger.serialize(connection)
        return _write(connection, engine, period, made)


def _refuse_settled(run: Run | None, period: str) -> None:
    if run is not None and run.status == "closed":
        raise Problem(
            f"period {period} is closed by run {run.number}",
            "what came later is booked by the next period's draft",
        )
    if run is not None and run.status == "approved":
        raise Problem(f"run {run.number} of period {period} is approved", "close it, or void it first")


def terms_of(period: rating.Period, quantum_per_hour: int, document: Mapping[str, Any]) -> Terms:
    """Return what a run of a period fixes, by the document of its billing policy."""
    return Terms(
        period.starts_on,
        period.ends_on,
        quantum_per_hour,
        str(document.get("overlap", "union")),
        charge_to=str(document.get("charge_to", "project")),
    )


def review_until_ms(document: Mapping[str, Any], now_ms: int) -> int | None:
    """Return until when the managers' sign-offs are waited for: `review_days` from now; None: for good."""
    days = int(document.get("review_days", 0))
    return now_ms + days * DAY_MS if days else None


def _billing_policy(engine: Engine, order: Order) -> tuple[Policy, Mapping[str, Any]]:
    """Return the newest billing policy, and its whole document; where there is none, record the defaults."""
    with store.writing(engine) as connection:
        newest = evidence.newest_policy(connection, "billing")
        if newest is None:
            evidence.add_policy_version(connection, "billing", Policy().document(), order.actor, order.now_ms)
    return frames.policy(engine, "billing"), newest.document if newest else {}


def _make(engine: Engine, inputs: rating.Inputs, policy: Policy, terms: Terms, chain: list[Run]) -> Draft:
    """Charge the period and the corrections of closed ones."""
    stated = inputs.stated(policy)
    charges = rating.charges_of(inputs, stated, policy, terms)
    further = adjusting.adjust(engine, chain, inputs, terms.quantum_per_hour)
    if charges.tie_out_ms["run"] == 0 and further.lines.is_empty():
        raise Problem(
            f"nobody used a billed application in period {inputs.period.name}, as far as was received by "
            f"{inputs.cut_off:%Y-%m-%d %H:%M} UTC",
            "see which are billed and whether agents deliver: `process-meter manager policy show`, `agents`",
        )
    usage = charges.lines.with_columns(period=pl.lit(inputs.period.name))
    lines = _appended(usage, further.lines, usage.height)
    shares = _appended(charges.shares, further.shares, usage.height)
    exceptions = pl.concat(
        [charges.unbilled, charges.notices, further.late, _clock_flags(inputs, charges.shares)]
    )
    values = {
        "quantum_per_hour": terms.quantum_per_hour,
        "overlap_policy": terms.overlap,
        "policy_version": policy.version,
        "input_digest": inputs.digest(),
        "totals": {
            **_sums(charges, lines, usage.height),
            "adjusted_periods": further.periods,
            **rating.alternatives(inputs, policy, terms, charges),
            **rating.coverage(engine, inputs, stated),
            "control": rating.control_totals(inputs, lines, shares),
            "exceptions": dict(exceptions.group_by("kind").len().sort("kind").iter_rows()),
            "newest_rate": inputs.tariff.rates["rate_id"].max() or 0,
            "newest_preset": inputs.tariff.presets["preset"].max() or 0,
            "calendar_digest": rating.calendar_digest(engine),
            "words": rating.words(engine, lines),
        },
    }
    return Draft(values, lines, shares, exceptions)


def _sums(charges: Charges, lines: pl.DataFrame, of_usage: int) -> dict[str, Any]:
    """Sum up the tie-out and the money: the period's own lines come first, then the adjustments."""
    return {
        "tie_out_ms": charges.tie_out_ms,
        "not_assigned_ms": charges.not_assigned_ms,
        "outside_ms": charges.outside_ms,
        "amount_minor": rating.amounts(lines),
        "usage_minor": rating.amounts(lines.filter(pl.col("line") <= of_usage)),
        "adjustment_minor": rating.amounts(lines.filter(pl.col("line") > of_usage)),
    }


def _appended(first: pl.DataFrame, further: pl.DataFrame, offset: int) -> pl.DataFrame:
    if further.is_empty():
        return first
    return pl.concat([first, further.with_columns(pl.col("line") + offset)], how="diagonal")


def _clock_flags(inputs: rating.Inputs, shares: pl.DataFrame) -> pl.DataFrame:
    """List billed sessions during which a wall clock was set."""
    stepped = inputs.sessions.filter("clock_stepped").select("session")
    billed = shares.join(stepped, on="session", how="semi")
    time_ms = pl.sum_horizontal("active_ms", "pause_ms", "buffer_ms").sum()
    detail = "the wall clock was set during the session; durations do not depend on it"
    return billed.group_by("session").agg(milliseconds=time_ms).sort("session").select(
        pl.lit("clock").alias("kind"), "session", "milliseconds", pl.lit(detail).alias("detail")
    )  # fmt: skip


def _write(connection: Connection, engine: Engine, period: rating.Period, made: Draft) -> str:
    """Write a draft in the place of the one before it, whose reviews stay with the lines that stay."""
    before = ledger.standing_run(connection, period.id)
    _refuse_settled(before, period.name)
    refuse_overtaken(connection, made.values["previous_digest"], period.name)
    version = made.values.pop("policy_version")
    values = made.values | {"policy_version_id": ledger.policy_version_id(connection, version)}
    kept: list[Keyed] = []
    settled: settling.Settled = {}
    if before is None:
        number = ledger.new_number(connection, period.name, period.id)
        run_id = ledger.add_run(connection, {**values, "number": number, "fiscal_period_id": period.id})
    else:
        number, run_id = before.number, before.id
        kept, settled = (
            _reviews_by_key(connection, engine, before),
            settling.settled_before(connection, before),
        )
        values["status"] = before.status
        ledger.delete_lines(connection, run_id)
        ledger.replace_run(connection, run_id, values)
    ledger.write_lines(connection, run_id, _complete(made.lines), made.shares)
    ledger.write_exceptions(connection, run_id, made.exceptions)
    dropped = _restore_reviews(connection, run_id, made, kept)
    budgets.note(connection, ledger.find_run(connection, number))
    dropped_settlements = settling.restore(connection, run_id, settled)
    detail = {
        "target": values["target"],
        "cut_off_ms": values["cut_off_ms"],
        "amount_minor": values["totals"]["amount_minor"],
        "input_digest": values["input_digest"],
        "reviews_dropped": dropped,
        "settlements_dropped": dropped_settlements,
        "showback": values["showback"],
    }
    ledger.record_event(
        connection, values["prepared_by"], "billing draft", number, detail, values["prepared_ms"]
    )
    return number


def _complete(lines: pl.DataFrame) -> pl.DataFrame:
    """Add the columns that only corrections have."""
    missing = [name for name in ("original_line_id", "note") if name not in lines.columns]
    return lines.with_columns(pl.lit(None, ledger.LINES[name]).alias(name) for name in missing)


def refuse_overtaken(connection: Connection, previous_digest: str | None, what: str) -> None:
    """Refuse to go on with a draft since which another run was closed.

    Raises
    ------
    Problem
        Naming that run.
    """
    closed = ledger.closed_runs(connection)
    if (closed[-1].digest if closed else None) != previous_digest:
        raise Problem(
            f"run {closed[-1].number} was closed since {what} was drafted, and may correct the same lines",
            "draft it again (an approved run: void it first)",
        )


def _reviews_by_key(connection: Connection, engine: Engine, run: Run) -> list[Keyed]:
    """Return a draft's acts of review with what their lines are.

    But none that a transfer has carried out, nor what the draft itself has held back: the next one says anew
    what is, as lines may have been released since.
    """
    keys = {
        line: tuple(key) for line, *key in ledger.lines_of(engine, run.number)["line_id", *LINE_KEY].rows()
    }
    acts: dict[int, list[Review]] = {}
    for review in ledger.reviews_of(connection, run.id):
        mine = acts.setdefault(review.line_id, [])
        if review.action == "transfer":
            mine.clear()
        elif (review.reason, review.actor, review.at_ms) != (
            ledger.INHERITED,
            run.prepared_by,
            run.prepared_ms,
        ):
            mine.append(review)
    return [(keys[line], review) for line, mine in acts.items() for review in mine]


def _restore_reviews(connection: Connection, run_id: int, made: Draft, kept: list[Keyed]) -> list[str]:
    """Give the new lines the reviews of the old ones; return in words those whose line is gone."""
    lines = _complete(made.lines)
    numbers = {tuple(key): line for line, *key in lines.select("line", *LINE_KEY).iter_rows()}
    inherited = _inherited(lines, made.values)
    stays = [(numbers[key], review) for key, review in kept if key in numbers]
    ids = {line: ledger.line_id(connection, run_id, line) for line, _ in [*inherited, *stays]}
    ledger.add_reviews(
        connection, [review._replace(line_id=ids[line] or 0) for line, review in [*inherited, *stays]]
    )
    ledger.add_reviews(connection, _held_under_caps(connection, run_id, made.values))
    return [
        f"{review.action} by {review.actor}: {review.reason}" for key, review in kept if key not in numbers
    ]


def _held_under_caps(connection: Connection, run_id: int, values: Mapping[str, Any]) -> list[Review]:
    """Hold back what a closed period gets anew under a cap whose other lines are all held back."""
    standing = ledger.corrected_like(connection, run_id)
    grouped = caps.together(standing).join(standing, on="line")
    is_new = pl.col("is_mine") & pl.col("review").is_null()
    way = pl.col("review").filter(~is_new)
    is_held = way.is_in(ledger.NOT_BILLED).fill_null(value=False).all() & (way.n_unique() == 1)
    held = grouped.filter(is_new).join(
        grouped.group_by("cap").agg(way=way.first(), is_held=is_held).filter("is_held"), on="cap"
    )
    told = (values["prepared_by"], ledger.INHERITED, values["prepared_ms"])
    return [Review(line, action, *told) for line, action in held.select("line", "way").rows()]


def _inherited(lines: pl.DataFrame, values: Mapping[str, Any]) -> list[tuple[int, Review]]:
    """Hold back the lines that correct a line which was held back."""
    if "review" not in lines.columns:
        return []
    back = lines.filter(pl.col("review").is_in(ledger.NOT_BILLED)).select("line", "review")
    return [
        (line, Review(0, action, values["prepared_by"], ledger.INHERITED, values["prepared_ms"]))
        for line, action in back.iter_rows()
    ]
