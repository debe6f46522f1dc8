"""One charge line from the cent to the segment: its price, its arithmetic, and what it charges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine

from pipelines.rating import Period, collect
from pipelines.recomputing import rules_of
from warehouse import directory, frames, ledger
from warehouse.ledger import Run
from warehouse.metrics import assignment
from warehouse.metrics.charges import Evidence, billable, used
from warehouse.metrics.overlap import without_overlap
from warehouse.metrics.quantities import KINDS_MS, rounded_up
from warehouse.money import HOUR_MS, format_minor, format_rate

DAY = timedelta(days=1)
KINDS = ("active", "pause", "buffer")
_CODES = ("project", "phase", "task")
_STRETCHES = (
    "session", "segment_start", "start", "end", "state", "attention", "kind", "entry", "milliseconds",
)  # fmt: skip


def explanation(engine: Engine, run: Run, line: Mapping[str, Any]) -> dict[str, Any]:
    """Say what a line is made of, as plain JSON without the name of anybody.

    Parameters
    ----------
    line
        A row of `ledger.lines_of` the run.

    Returns
    -------
    dict
        rate (the version that priced it; None: none), policy (version, what it says of the application, and
        the run's overlap policy), arithmetic (sentences), stretches (session, segment_start, start, end,
        state, attention, kind: active, pause or buffer, entry, milliseconds, negative on a reversal),
        entries (those of the stretches: who entered what, when and why), corrects (run and line), chain
        (closed runs: the digest before it, its text, its own digest).
    """
    origin = _origin(engine, run, line)
    of, sign = (origin, -1) if line["kind"] == "reversal" and origin else ((run, line), 1)
    stretches = _stretches(engine, *of).with_columns(pl.col("milliseconds") * sign)
    rate = _rate(engine, line["rate_id"])
    shares = _shares_of(engine, run, line)
    found: dict[str, Any] = {
        "rate": rate,
        "policy": _policy(_rules_run(engine, of[0], of[1]), line["application"]),
        "arithmetic": list(arithmetic(run, line, rate, shares)),
        "stretches": _plain(stretches),
        "entries": _entries(engine, stretches["entry"].drop_nulls().unique().to_list()),
    }
    if origin:
        found["corrects"] = {"run": origin[0].number, "line": origin[1]["line"]}
    chained = ledger.link_of(engine, run, line["line"]) if run.status == "closed" else None
    return found | ({"chain": chained} if chained else {})


def _plain(rows: pl.DataFrame) -> list[dict[str, Any]]:
    temporal = [name for name, dtype in rows.schema.items() if dtype.is_temporal()]
    return rows.with_columns(pl.col(temporal).dt.to_string("iso")).to_dicts()


def _origin(engine: Engine, run: Run, line: Mapping[str, Any]) -> tuple[Run, dict[str, Any]] | None:
    """Return the line that a correction corrects, and its run."""
    if line["original_line_id"] is None:
        return None
    known = ledger.originals_of(engine, run.number).filter(pl.col("line") == line["line"])
    _, number, original = known.row(0)
    with engine.connect() as connection:
        other = ledger.find_run(connection, number)
    return other, ledger.lines_of(engine, number).filter(pl.col("line") == original).to_dicts()[0]


def _rules_run(engine: Engine, run: Run, line: Mapping[str, Any]) -> Run:
    """Return the run whose policy and terms a line was charged by: that of the period incurred."""
    if line["period"] == run.period:
        return run
    with engine.connect() as connection:
        closed = ledger.closed_runs(connection)
    return next((each for each in closed if each.period == line["period"]), run)


def _policy(run: Run, application: str) -> dict[str, Any]:
    policy = rules_of(run).policy
    rule = policy.applications.get(application, policy.default)
    return {
        "version": policy.version,
        "idle_timeout_ms": rule.idle_timeout_ms,
        "buffer_ms": rule.buffer_ms,
        "overlap": run.overlap_policy,
    }


def _rate(engine: Engine, rate_id: int | None) -> dict[str, Any] | None:
    if rate_id is None:
        return None
    rows = _plain(frames.rates(engine).filter(pl.col("rate_id") == rate_id).collect())
    key = directory.pseudonym_key(engine.url)
    for row in rows:
        person = row.pop("person_id")
        return {**row, "person": None if person is None else directory.pseudonym("P", person, key)}
    return None


def _shares_of(engine: Engine, run: Run, line: Mapping[str, Any]) -> pl.DataFrame:
    return ledger.shares_of(engine, run.number).filter(pl.col("line_id") == line["line_id"])


# --- Arithmetic --------------------------------------------------------------------------------------------


def arithmetic(
    run: Run, line: Mapping[str, Any], rate: Mapping[str, Any] | None, shares: pl.DataFrame
) -> Iterator[str]:
    """Say in words and whole numbers how a line's time becomes its amount.

    Only what leads exactly to the line's own numbers is said to lead there.
    """
    raw = sum(line[name] for name in KINDS_MS)
    parts = " + ".join(f"{kind} {line[name]:,}" for kind, name in zip(KINDS, KINDS_MS, strict=True))
    if raw:
        yield f"{parts} = {raw:,} ms"
    quantum = HOUR_MS // run.quantum_per_hour
    if line["unit"] == "hour" and raw:
        rounded, how = _rounded(raw, rate, shares)
        yield how
        quantity = (abs(rounded) * 2 + quantum) // (2 * quantum) * (1 if rounded >= 0 else -1)
        if quantity == line["quantity"]:
            of = f"quanta of 1/{run.quantum_per_hour} h"
            yield f"{rounded:,} ms / {quantum:,} ms a quantum = {quantity:,} {of}"
        else:
            yield (
                f"of which this line takes {line['quantity']:,} quanta of 1/{run.quantum_per_hour} h: its "
                "rate has a minimum, tiers, packages or free hours, or it was billed in other quanta"
            )
    elif line["unit"] == "hour":
        yield f"{line['quantity']:,} quanta of 1/{run.quantum_per_hour} h, {_why_without_time(line)}"
    yield from _money(run, line, rate)


def _rounded(raw: int, rate: Mapping[str, Any] | None, shares: pl.DataFrame) -> tuple[int, str]:
    """Round time as the rate says, and say how."""
    step = int(rate["increment_ms"]) if rate else 0
    if rate is None or (not step and not rate.get("minimum_ms")):
        return raw, f"no increment: {raw:,} ms stay"
    if rate["level"] == "month":
        return raw, f"the month is rounded as a whole, on a line of its own: {raw:,} ms stay"
    each = (
        [raw] if rate["level"] == "line" else shares.select(pl.sum_horizontal(KINDS_MS)).to_series().to_list()
    )
    terms = {name: rate.get(name) or 0 for name in ("increment_ms", "minimum_ms")}
    rows = pl.DataFrame({"raw_ms": [abs(ms) for ms in each]}).with_columns(
        **{name: pl.lit(value, pl.Int64) for name, value in terms.items()},
        direction=pl.lit(rate["direction"]),
    )
    sign = -1 if raw < 0 else 1
    ended = [sign * ms for ms in rows.select(rounded_up("raw_ms")).to_series()]
    what = " + ".join(f"{ms:,}" for ms in ended)
    of = "of each session " if rate["level"] == "session" else ""
    return sum(ended), f"rounded {rate['direction']} to {step:,} ms {of}= {what} ms"


def _why_without_time(line: Mapping[str, Any]) -> str:
    return (
        "which bring the month's lines to the rounded month" if line["kind"] == "month_rounding" else "alone"
    )


def _money(run: Run, line: Mapping[str, Any], rate: Mapping[str, Any] | None) -> Iterator[str]:
    """Say how the quantity becomes the amount."""
    price = format_rate(line["rate_scaled"], line["currency"])
    if rate and line["conversion_scaled"] is not None and line["unit"] == "hour":
        own = format_rate(rate["rate_scaled"], rate["currency"])
        yield f"{own} x {line['conversion_scaled']:,} / 100,000,000 = {price}"
    amount = format_minor(line["amount_minor"], line["currency"])
    if not line["billable"]:
        yield "the project or phase is not chargeable: nothing is billed"
    elif line["unit"] == "hour":
        yield f"{line['quantity']:,} / {run.quantum_per_hour} h x {price} = {amount}"
    else:
        yield f"a fixed amount, once: {amount}"


# --- Stretches ---------------------------------------------------------------------------------------------


def _stretches(engine: Engine, run: Run, line: Mapping[str, Any]) -> pl.DataFrame:
    """Return what of each segment a line charges, by the evidence of its run's cut-off.

    Lines that share a day, person, application and codes, as the tiers of one rate do, take the time of each
    session and kind one after the other.
    """
    shares = _shares_of(engine, run, line)
    if shares.is_empty():
        return pl.DataFrame(
            schema=dict.fromkeys(_STRETCHES, pl.String) | {"entry": pl.Int64, "milliseconds": pl.Int64}
        )
    pieces = _pieces(engine, run, line).sort("session", "kind", "start_ms", "end_ms")
    wanted = shares.unpivot(KINDS_MS, index="session", variable_name="name", value_name="share").with_columns(
        kind=pl.col("name").replace_strict(
            {name: place for place, name in enumerate(KINDS_MS)}, return_dtype=pl.Int8
        )
    )
    before = _taken_before(engine, run, line)
    after = pl.col("length").cum_sum().over("session", "kind")
    cut = (
        pieces.with_columns(length=pl.col("end_ms") - pl.col("start_ms"))
        .with_columns(done=after - pl.col("length"))
        .join(wanted.select("session", "kind", "share"), on=["session", "kind"])
        .join(before, on=["session", "kind"], how="left")
        .with_columns(pl.col("taken").fill_null(0))
    )
    first = pl.max_horizontal("done", "taken")
    last = pl.min_horizontal(pl.col("done") + pl.col("length"), pl.col("taken") + pl.col("share"))
    mine = cut.with_columns(
        start=pl.col("start_ms") + first - pl.col("done"), milliseconds=last - first
    ).filter(pl.col("milliseconds") > 0)
    instants = {
        name: pl.col(name).cast(pl.Datetime("ms", "UTC")) for name in ("segment_start", "start", "end")
    }
    return (
        mine.with_columns(
            end=pl.col("start") + pl.col("milliseconds"),
            kind=pl.col("kind").replace_strict(dict(enumerate(KINDS)), return_dtype=pl.String),
        )
        .with_columns(**instants)
        .sort("session", "start")
        .select(_STRETCHES)
    )


def _pieces(engine: Engine, run: Run, line: Mapping[str, Any]) -> pl.DataFrame:
    """Charge the line's day again as far as its codes, for its person alone: what overlap leaves of it."""
    rules = rules_of(_rules_run(engine, run, line))
    day = Period(line["period"], 0, line["day"], line["day"] + DAY)
    cut_off = datetime.fromtimestamp(run.cut_off_ms / 1000, UTC)
    inputs = collect(engine, day, cut_off, also=[line["application"]]).of_people({line["person_id"]})
    evidence = Evidence(inputs.stated(rules.policy), inputs.sessions, inputs.placements, inputs.entries)
    terms = replace(rules.terms, starts_on=line["day"], ends_on=line["day"] + DAY)
    found = billable(used(evidence, terms), rules.policy, terms)
    counted = without_overlap(found.entered, terms.overlap)
    entries = assignment.with_unfit(inputs.entries, inputs.tariff).select("entry", *_CODES, "unfit")
    days = found.used.days.drop("from_ms", "to_ms", "session", "application", "person_id", strict=False)
    placed = counted.join(entries, on="entry", how="left").join(days, on="stay")
    charged = assignment.assigned(placed, inputs.tariff, terms)
    mine = charged.filter(
        pl.all_horizontal(pl.col(name).eq_missing(line[name]) for name in ("application", "office", *_CODES))
    )
    segments = found.used.usage.select("session", "lane", "state", "attention", segment_start="start_ms")
    return mine.sort("start_ms").join_asof(
        segments.sort("segment_start"), left_on="start_ms", right_on="segment_start", by=["session", "lane"],
        check_sortedness=False,
    )  # fmt: skip


def _taken_before(engine: Engine, run: Run, line: Mapping[str, Any]) -> pl.DataFrame:
    """Sum what lines before this one, of the same place, take of each session and kind."""
    keys = ("day", "person_id", "application", "office", *_CODES, "period")
    same = pl.all_horizontal(pl.col(name).eq_missing(line[name]) for name in keys)
    siblings = ledger.lines_of(engine, run.number).filter(
        same, pl.col("line") < line["line"], pl.col("kind") != "reversal"
    )
    shares = ledger.shares_of(engine, run.number).join(siblings.select("line_id"), on="line_id")
    sums = shares.group_by("session").agg(pl.col(KINDS_MS).sum())
    return sums.unpivot(KINDS_MS, index="session", variable_name="name", value_name="taken").select(
        "session",
        "taken",
        kind=pl.col("name").replace_strict(
            {name: place for place, name in enumerate(KINDS_MS)}, return_dtype=pl.Int8
        ),
    )


def _entries(engine: Engine, numbers: list[int]) -> list[dict[str, Any]]:
    """Return project entries; an author who is a person of the directory goes by the pseudonym."""
    key = directory.pseudonym_key(engine.url)
    with engine.connect() as connection:
        return [
            {**row, "author": _author(connection, row["author"], key)}
            for row in _plain(ledger.entries_behind(engine, numbers))
        ]


def _author(connection: Connection, name: str, key: bytes) -> str:
    person = ledger.person_behind(connection, name)
    return name if person is None else directory.pseudonym("P", person, key)


# --- For people --------------------------------------------------------------------------------------------


def told(found: Mapping[str, Any]) -> Iterator[str]:
    """Write what `showing.show` gives of a line as sentences and short tables for a terminal."""
    line = found["line"]
    codes = ".".join(str(line[name]) for name in _CODES if line[name])
    what = f"{line['kind']}, {line['day']}, {line['application']}, {codes}"
    yield f"Line {line['line']} of run {line['run']}: {what}"
    if "corrects" in found:
        yield f"    corrects line {found['corrects']['line']} of run {found['corrects']['run']}"
    yield from (f"    {sentence}" for sentence in found["arithmetic"])
    yield from _told_price(found)
    for session in found["sessions"]:
        yield (
            f"Session {session['session']} on {session['device']}: {session['started'][:19]} to "
            f"{(session['ended'] or 'open')[:19]} UTC, received {session['received'][:19]}"
        )
        yield from _told_stretches(found["stretches"], session["session"])
    for entry in found["entries"]:
        where = ".".join(str(entry[name]) for name in _CODES if entry[name])
        yield (
            f"Entry {entry['entry']}: session {entry['session']} on {where} from {entry['from'][:19]} UTC, "
            f"by {entry['author']} ({entry['reason']})"
        )
    for review in found["reviews"]:
        yield f"Review: {review['action']} by {review['actor']}: {review['reason']}"
    if "chain" in found:
        yield f"Digest: {found['chain']['digest']}"


def _told_price(found: Mapping[str, Any]) -> Iterator[str]:
    rate, policy = found["rate"], found["policy"]
    if rate:
        scope = [str(rate[name]) for name in ("person", "project", "office", "application") if rate[name]]
        yield (
            f"Rate version {rate['rate_id']}, for {' and '.join(scope) or 'anything'}, "
            f"from {rate['valid_from']}: {format_rate(rate['rate_scaled'], rate['currency'])}"
        )
    yield (
        f"Billing policy version {policy['version']}: idle after {policy['idle_timeout_ms'] // 1000} s, "
        f"buffer {policy['buffer_ms'] // 1000} s, overlap {policy['overlap']}"
    )


def _told_stretches(stretches: list[dict[str, Any]], session: int) -> Iterator[str]:
    for row in stretches:
        if row["session"] == session:
            yield (
                f"    {row['start'][11:23]} to {row['end'][11:23]}  {row['kind']:6}  "
                f"{row['milliseconds']:>12,} ms  {row['state']}, {row['attention']}"
            )
