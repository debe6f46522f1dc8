"""Closed periods, looked at again: what came late, was corrected or released is reversed and replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from math import lcm

import polars as pl
from sqlalchemy import Engine

from pipelines.rating import Inputs, Period, charges_of, collect
from warehouse import frames, ledger
from warehouse.errors import Problem
from warehouse.ledger import Release, Run
from warehouse.metrics.charges import Terms
from warehouse.metrics.corrections import corrections
from warehouse.metrics.states import Policy
from warehouse.projects import Codes, Master

DAY = timedelta(days=1)
UNSURE = ("not_a_member", "invalid_field", "no_account", "no_conversion")
"""Kinds of exceptions that are looked at again with every draft: they are few."""
EXCEPTIONS = {"kind": pl.String, "session": pl.Int64, "milliseconds": pl.Int64, "detail": pl.String}


@dataclass(frozen=True)
class Adjustments:
    """What a draft books for closed periods.

    Attributes
    ----------
    lines, shares
        As `ledger.write_lines` takes them, `line` counting from 1; the lines also have `review`, that of the
        line they correct.
    late
        Exceptions of kind `late`: which session, how much, why.
    periods
        Names of the periods that have a line.
    """

    lines: pl.DataFrame
    shares: pl.DataFrame
    late: pl.DataFrame
    periods: list[str]


def adjust(engine: Engine, closed: list[Run], inputs: Inputs, quantum_per_hour: int) -> Adjustments:
    """Compare every closed period with what is known of it by now.

    Parameters
    ----------
    closed
        The closed runs, in the order of the chain.
    inputs
        Those of the period being drafted: its cut-off is how far evidence counts.

    Raises
    ------
    Problem
        A line that corrects a period billed in another quantum is no whole number of this one's.
    """
    if not closed:
        return _together([])
    cut_off_ms = int(inputs.cut_off.timestamp() * 1000)
    # The newest closed run has looked, for all periods, at what had arrived by its own cut-off.
    arrived = ledger.late(
        engine,
        after_ms=closed[-1].cut_off_ms,
        until_ms=cut_off_ms,
        before_ms=max(_window_ms(run)[1] for run in closed),
    )
    releases = _releases(engine, cut_off_ms)
    quanta = {run.number: run.quantum_per_hour for run in closed}
    parts = []
    for run in sorted(closed, key=lambda run: run.starts_on):
        touched, released = _touched(engine, run, arrived, inputs), releases.get(run.period, {})
        if released or not touched.is_empty():
            further = _of_period(engine, run, (touched, released), inputs, quanta)
            parts.append(_in_quanta(further, run, quanta, quantum_per_hour))
    return _together([part for part in parts if part.lines.height])


Released = Mapping[int, Release]
"""Held lines to be billed after all, by the line's id."""


def _releases(engine: Engine, cut_off_ms: int) -> dict[str, Released]:
    """Return what was released by the cut-off, by the period incurred."""
    with engine.connect() as connection:
        pending = ledger.pending_releases(connection)
    return {
        period: {release.line_id: release for release in releases if release.at_ms <= cut_off_ms}
        for period, releases in pending.items()
    }


def _of_period(
    engine: Engine, run: Run, new: tuple[pl.DataFrame, Released], inputs: Inputs, quanta: Mapping[str, int]
) -> Adjustments:
    """Compare what stands of a period with what it comes to by now, in quanta of all runs alike."""
    touched, released = new
    standing, shares = ledger.standing_lines(engine, run.period)
    # An application that is no longer billed stays billed in the periods in which it was.
    now = collect(engine, _period(run), inputs.cut_off, also=set(standing["application"]))
    is_released = pl.col("line_id").is_in(list(released))
    people = _people(touched, now, standing, shares) | set(standing.filter(is_released)["person_id"])
    standing = standing.filter(pl.col("person_id").is_in(list(people)))
    common = _common(quanta)
    fresh, fresh_shares = _fresh(now.of_people(people), run)
    further = corrections(
        standing.with_columns(pl.col("quantity") * common // pl.col("run").replace_strict(quanta)),
        shares.join(standing, on="line_id", how="semi"),
        fresh.with_columns(pl.col("quantity") * (common // run.quantum_per_hour)),
        fresh_shares,
        renewed=released,
    )
    reasons = _reasons(touched, now)
    lines = _noted(_free(further.lines, released), standing, (reasons, released), run, inputs.period.name)
    return Adjustments(lines, further.shares, _late(touched, lines, further.shares, run), [run.period])


def _free(lines: pl.DataFrame, released: Released) -> pl.DataFrame:
    """Let what replaces a released line be billed: its reversal takes nothing back that was billed."""
    is_free = (pl.col("kind") != "reversal") & pl.col("original_line_id").is_in(list(released))
    return lines.with_columns(review=pl.when(~is_free.fill_null(value=False)).then("review"))


def _common(quanta: Mapping[str, int]) -> int:
    return lcm(*quanta.values())


def _in_quanta(part: Adjustments, run: Run, quanta: Mapping[str, int], quantum_per_hour: int) -> Adjustments:
    """Count the lines in the quanta of the run that books them, if that is exact: the amounts stay."""
    common = _common(quanta)
    exact = pl.col("quantity") * quantum_per_hour
    wrong = part.lines.filter(exact % common != 0)
    if not wrong.is_empty():
        raise Problem(
            f"run {run.number} must be corrected by {wrong['quantity'][0]} / {common} hours, which are no "
            f"whole number of the {quantum_per_hour} quanta an hour of this draft",
            f"draft with a target like {run.target}",
        )
    return replace(part, lines=part.lines.with_columns(quantity=exact // common))


# --- Who is touched ----------------------------------------------------------------------------------------


def _touched(engine: Engine, run: Run, arrived: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
    """List the sessions of a closed period about which something is new: session, milliseconds, reason."""
    start_ms, end_ms = _window_ms(run)
    mine = arrived.filter((pl.col("from_ms") < end_ms) & (pl.col("to_ms") > start_ms))
    columns = ["session", "milliseconds", "reason"]
    return pl.concat([mine.select(columns), _curable(engine, run, inputs).select(columns)])


def _window_ms(run: Run) -> tuple[int, int]:
    start, end = (int(instant.timestamp()) * 1000 for instant in _period(run).window())
    return start, end


def _period(run: Run) -> Period:
    return Period(run.period, run.period_id, run.starts_on, run.ends_on)


def _curable(engine: Engine, run: Run, inputs: Inputs) -> pl.DataFrame:
    """List exceptions of a closed run whose cause may be gone: a project is known, an account has a person.

    One of whom it is not sure is listed too: if nothing has changed, no line comes of it.
    """
    exceptions = ledger.exceptions_of(engine, run.number).drop_nulls("session")
    newest = run.totals.get("newest_rate") or 0
    has_new_rates = not inputs.tariff.rates.filter(pl.col("rate_id") > newest).is_empty()
    known_presets = run.totals.get("newest_preset") or 0
    has_new_presets = not inputs.tariff.presets.filter(pl.col("preset") > known_presets).is_empty()
    is_known = pl.col("person_id").is_not_null() & ~pl.col("shared")
    cured = (
        ((pl.col("kind") == "unknown_person") & is_known)
        | ((pl.col("kind") == "no_rate") & has_new_rates)
        | ((pl.col("kind") == "unassigned") & has_new_presets)
        | pl.col("kind").is_in(UNSURE)
        | _is_outdated(engine, run, exceptions, inputs)
    )
    return exceptions.filter(cured).select(
        "session",
        "milliseconds",
        pl.format("{} settled", pl.col("kind").str.replace_all("_", " ")).alias("reason"),
    )


def _is_outdated(engine: Engine, run: Run, exceptions: pl.DataFrame, inputs: Inputs) -> pl.Series:
    """Say which complaints about a project its master would no longer make, on any day of the period."""
    faulty = exceptions.filter(pl.col("kind").is_in(["invalid_project", "closed_project"]))
    if faulty.is_empty():
        return pl.repeat(value=False, n=exceptions.height, eager=True)
    entries = frames.project_entries(engine, *_period(run).window()).collect()
    mine = (
        entries.join(faulty, on="session", how="semi").select("session", "project", "phase", "task").unique()
    )
    days = [run.starts_on + DAY * place for place in range((run.ends_on - run.starts_on).days)]
    master = Master.of(inputs.tariff.projects, inputs.tariff.phases, inputs.tariff.tasks)
    complaints: dict[int, set[str]] = {}
    for session, *codes in mine.iter_rows():
        reasons = {master.judge(Codes(*codes), day).reason for day in days}
        complaints.setdefault(session, set()).update(reasons)
    return pl.Series(
        [
            kind in ("invalid_project", "closed_project") and detail not in complaints.get(session, set())
            for kind, session, detail in exceptions.select("kind", "session", "detail").iter_rows()
        ],
        dtype=pl.Boolean,
    )


def _people(touched: pl.DataFrame, now: Inputs, standing: pl.DataFrame, shares: pl.DataFrame) -> set[int]:
    """Return whose lines to look at: who is behind the sessions by now, and who was when they were billed."""
    behind = now.sessions.join(touched, on="session", how="semi")["person_id"].drop_nulls()
    billed = shares.join(touched, on="session", how="semi").join(standing, on="line_id")["person_id"]
    return {*behind, *billed}


# --- What it comes to --------------------------------------------------------------------------------------


def _fresh(inputs: Inputs, run: Run) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Charge a closed period again as its run did: same policy, overlap, quantum and known rates."""
    rules = {name: run.policy_document.get(name, {}) for name in ("default", "applications")}
    policy = Policy.from_document(run.policy_version, rules)
    terms = Terms(
        run.starts_on,
        run.ends_on,
        run.quantum_per_hour,
        run.overlap_policy,
        newest_rate=run.totals.get("newest_rate"),
        charge_to=str(run.policy_document.get("charge_to", "project")),
    )
    charges = charges_of(inputs, inputs.stated(policy), policy, terms)
    return charges.lines, charges.shares


def _reasons(touched: pl.DataFrame, now: Inputs) -> dict[int, str]:
    """Say for each person why their lines change."""
    known = touched.join(now.sessions.select("session", "person_id"), on="session")
    grouped = known.group_by("person_id").agg(pl.col("reason").unique().sort())
    return {person: " and ".join(reasons) for person, reasons in grouped.iter_rows()}


def _noted(
    lines: pl.DataFrame,
    standing: pl.DataFrame,
    why: tuple[dict[int, str], Released],
    run: Run,
    billed_in: str,
) -> pl.DataFrame:
    """Say on each line what it corrects, both periods, and why."""
    reasons, released = why
    originals = {row["line_id"]: f"line {row['line']} of run {row['run']}" for row in standing.to_dicts()}
    verbs = {"reversal": "reverses", "replacement": "replaces"}
    notes = []
    for kind, original, person in lines.select("kind", "original_line_id", "person_id").iter_rows():
        what = f"{verbs[kind]} {originals[original]}" if kind in verbs else "not billed before"
        told = [f"held line released: {released[original].reason}"] if original in released else []
        told += [reasons[person]] if person in reasons else [] if told else ["late evidence"]
        notes.append(f"{what}: used in {run.period}, billed in {billed_in}, {' and '.join(told)}")
    return lines.with_columns(note=pl.Series(notes, dtype=pl.String), period=pl.lit(run.period))


def _late(touched: pl.DataFrame, lines: pl.DataFrame, shares: pl.DataFrame, run: Run) -> pl.DataFrame:
    """List the sessions that moved a line."""
    moved = shares.join(lines, on="line", how="semi").select("session").unique()
    detail = pl.format(
        "{} of period {}, after the cut-off of run {}", "reason", pl.lit(run.period), pl.lit(run.number)
    )
    rows = touched.join(moved, on="session", how="semi").unique().sort("session", "reason")
    return rows.select(pl.lit("late").alias("kind"), "session", "milliseconds", detail.alias("detail"))


def _together(parts: list[Adjustments]) -> Adjustments:
    """Count the lines of all periods through."""
    lines, shares, offset = [], [], 0
    for part in parts:
        lines.append(part.lines.with_columns(pl.col("line") + offset))
        shares.append(part.shares.with_columns(pl.col("line") + offset))
        offset += part.lines.height
    if not parts:
        nothing = pl.DataFrame()
        return Adjustments(nothing, nothing, pl.DataFrame(schema=EXCEPTIONS), [])
    late = pl.concat([part.late for part in parts])
    return Adjustments(pl.concat(lines), pl.concat(shares), late, [part.periods[0] for part in parts])
