"""The mirror against the evidence: what its files really hold, session by session, beside what SQL holds."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa
from polars.exceptions import PolarsError
from sqlalchemy import Engine

from warehouse import mirror, schema
from warehouse.check.findings import Findings
from warehouse.check.snapshot import Snapshot
from warehouse.check.tiling import label
from warehouse.mirror import MirrorFile, Unusable

COMPARED = ("segments", "first", "last", "length_ms", "content", "application_id")
FILED = pl.Schema({"month": pl.String, "session": pl.Int64, **dict.fromkeys(COMPARED, pl.Int64)})
"""One row per month, file and session."""
_P = 1_000_003


def check(
    engine: Engine, snapshot: Snapshot, known: pl.DataFrame, evidence: pl.DataFrame, findings: Findings
) -> None:
    """Read every file of the mirror and compare it with `tiling.seen`; where there is no mirror, nothing."""
    try:
        manifest = mirror.manifest_of(engine)
        if manifest is None:
            return
        codes = {code: int(number) for number, code in manifest.applications.items()}
    except Unusable as problem:
        findings.add("mirror", "the mirror", str(problem))
        return
    files = [_filed(engine, file, codes, findings) for file in manifest.files]
    filed = pl.concat([FILED.to_frame(), *files])
    unread = set(manifest.months()) - set(filed["month"])
    landed = landed_after(engine, min(manifest.landed_through, snapshot.newest))
    stored = known.join(evidence, on="session").with_columns(month=_month("started"))
    wrong = _differing(filed, stored).filter(
        ~pl.col("session").is_in(landed), ~pl.col("month").is_in(list(unread))
    )
    for (month,), sessions in wrong.sort("month", "session").group_by("month", maintain_order=True):
        findings.add("mirror", f"mirror of {month}", _sentence(snapshot, sessions))


def landed_after(engine: Engine, number: int) -> list[int]:
    """Return the sessions that landed after a number, by now: whoever stands there cannot have them yet."""
    row = schema.landing.c
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(row.session_id).where(row.id > number).distinct()))


def _filed(engine: Engine, file: MirrorFile, codes: dict[str, int], findings: Findings) -> pl.DataFrame:
    """Add up one file by session; one that cannot be read has no rows."""
    session, start = pl.col("session"), pl.col("start")
    falls = (session < session.shift(1)) | ((session == session.shift(1)) & (start <= start.shift(1)))
    try:
        rows = mirror.scan(engine, file).with_columns(falls=falls)
        sums = rows.group_by("session").agg(*_sums(codes), falls=pl.col("falls").any()).collect()
    except (OSError, PolarsError) as error:
        findings.add("mirror", f"mirror file {file.name}", f"cannot be read: {str(error).splitlines()[0]}")
        return FILED.to_frame()
    if sums["falls"].any():
        findings.add("mirror", f"mirror file {file.name}", "is not in order of sessions and starts")
    return sums.select(pl.lit(file.month).alias("month"), *FILED.names()[1:]).cast(FILED)


def _sums(codes: dict[str, int]) -> list[pl.Expr]:
    """Add up what `tiling.seen` says of a session, from the columns of the mirror."""
    start, end, since, received = (
        pl.col(name).cast(pl.Int64) for name in ("start", "end", "since", "received")
    )
    words, units, version, instance = (
        pl.col(name).to_physical().cast(pl.Int64)
        for name in ("attention", "units", "policy_version", "instance")
    )
    content = (
        (start % _P + 1)
        * (
            end % _P * 3
            + since % _P * 7
            + received % _P * 11
            + words * 13_000_027
            + units % 1009 * 17_000_023
            + version % 1009 * 29_000_039
            + pl.col("inhibiting").cast(pl.Int64) * 31_000_051
            + instance.fill_null(-1) * 23
            + (pl.col("cpu_percent") * 1000).cast(pl.Int64) % _P * 19
        )
        % 2_147_483_647
    )
    application = pl.col("application").first().replace_strict(codes, default=-1, return_dtype=pl.Int64)
    return [
        pl.len().alias("segments"), start.min().alias("first"), end.max().alias("last"),
        (end - start).sum().alias("length_ms"), content.sum().alias("content"),
        application.alias("application_id"),
    ]  # fmt: skip


def _month(started: str) -> pl.Expr:
    return pl.from_epoch(started, time_unit="ms").dt.strftime("%Y-%m")


def _differing(filed: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Return month, session and what both say, for the sessions of which they do not say the same."""
    # A session may lie in several files of its month.
    sums = [pl.col("segments", "length_ms", "content").sum(), pl.col("first", "application_id").min()]
    together = filed.group_by("month", "session").agg(*sums, pl.col("last").max())
    both = together.join(stored, on=["month", "session"], how="full", coalesce=True, suffix="_stored")
    differs = [pl.col(name).ne_missing(pl.col(f"{name}_stored")) for name in COMPARED]
    return both.filter(pl.any_horizontal(differs))


def _sentence(snapshot: Snapshot, sessions: pl.DataFrame) -> str:
    first = sessions.row(0, named=True)
    mine, theirs = (
        f"{first[f'segments{end}'] or 0:,} segments of {first[f'length_ms{end}'] or 0:,} ms"
        for end in ("", "_stored")
    )
    says = f"has {mine}" if mine != theirs else f"has other values in {mine}"
    others = f", and {sessions.height - 1:,} more sessions differ" if sessions.height > 1 else ""
    stored = f", the warehouse {theirs}" if mine != theirs else ""
    return f"{label(snapshot, int(first['session']))} {says}{stored}{others}"
