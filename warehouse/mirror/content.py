"""One number for the content of many segments, whatever their order: from files in Polars, from SQL in SQL.

Each segment gives a number below 2^31, so that the sum of 2^32 of them fits into 64 bits; SQLite fails where
a sum does not. The number takes in every column of the mirror but not the order of the rows: two sets of
segments with one count, one length and one content are the same for every purpose but a forger's.

    (start mod P) x (session mod 1009 + 1)     P = 1,000,003; instants in milliseconds since 1970
    + (end - start) x (attention + 1) x 31     attention as its place in `warehouse.schema.ATTENTIONS`
    + (since mod P) x 7 + (received mod P) x 3
    + (whole part of cpu_percent x 1024, mod P) x 11
    + (units mod Q) x 13 + ((instance, or -1 where it is null) + 1 mod Q) x 19      Q = 10,007
    + (policy_version mod Q) x 23 + (17 where inhibiting) + (application mod Q) x 29    application as its id
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from warehouse import store

P, Q = 1_000_003, 10_007
SUMS: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "rows": pl.Int64,
    "length_ms": pl.Int64,
    "content": pl.Int64,
}
"""Number of segments, sum of their lengths, and the number of their content."""

_SQL = f"""
    count(*) AS rows, CAST(coalesce(sum(segment.end_ms - segment.start_ms), 0) AS BIGINT) AS length_ms,
    CAST(coalesce(sum(
        (segment.start_ms % {P}) * (segment.session_id % 1009 + 1)
        + (segment.end_ms - segment.start_ms) * (segment.attention + 1) * 31
        + (segment.since_ms % {P}) * 7 + (segment.received_ms % {P}) * 3
        + (CAST({{whole}} AS BIGINT) % {P}) * 11
        + (segment.units % {Q}) * 13
        + ((CAST(coalesce(segment.instance, -1) AS BIGINT) + 1) % {Q}) * 19
        + (segment.policy_version % {Q}) * 23
        + CASE WHEN segment.inhibiting THEN 17 ELSE 0 END + (session.application_id % {Q}) * 29
    ), 0) AS BIGINT) AS content
"""
# SQLite's CAST cuts, PostgreSQL's rounds, and SQLite may have no trunc.
_WHOLE = {True: "segment.cpu_percent * 1024", False: "trunc(segment.cpu_percent * 1024)"}
_MONTH = {
    True: "strftime('%Y-%m', session.started_ms / 1000, 'unixepoch')",
    False: "to_char(to_timestamp(session.started_ms / 1000) AT TIME ZONE 'UTC', 'YYYY-MM')",
}


def stored(now: store.Snapshot, sessions: str, parameters: store.Parameters | None = None) -> pl.DataFrame:
    """Return one row of `SUMS` for the segments of the sessions that a condition on `session` holds for."""
    sql = f"""
        SELECT {_sums(now)} FROM session CROSS JOIN segment
        WHERE segment.session_id = session.id AND {sessions}
    """  # noqa: S608 - our own texts
    return now.read(sql, parameters).select(pl.col(name).cast(dtype) for name, dtype in SUMS.items())


def stored_by_month(now: store.Snapshot) -> pl.DataFrame:
    """Return `month` and `SUMS` of all segments, by the month in which their session started."""
    sql = f"""
        SELECT {_MONTH[now.is_sqlite]} AS month, {_sums(now)}
        FROM segment JOIN session ON session.id = segment.session_id GROUP BY 1 ORDER BY 1
    """  # noqa: S608 - our own texts
    return now.read(sql).select(
        pl.col("month").cast(pl.String), *(pl.col(name).cast(dtype) for name, dtype in SUMS.items())
    )


def _sums(now: store.Snapshot) -> str:
    return _SQL.format(whole=_WHOLE[now.is_sqlite])


def filed(segments: pl.LazyFrame, applications: Mapping[str, int]) -> pl.LazyFrame:
    """Return one row of `SUMS` for segments in the columns of the mirror.

    Parameters
    ----------
    applications
        Id by code; a code that is not there gives a content that no stored segments have.
    """
    length = _ms("end") - _ms("start")
    application = pl.col("application").replace_strict(
        list(applications), list(applications.values()), default=-1, return_dtype=pl.Int64
    )
    content = (
        (_ms("start") % P) * (pl.col("session") % 1009 + 1)
        + length * (pl.col("attention").to_physical().cast(pl.Int64) + 1) * 31
        + (_ms("since") % P) * 7
        + (_ms("received") % P) * 3
        + ((pl.col("cpu_percent") * 1024).cast(pl.Int64) % P) * 11
        + (_whole("units") % Q) * 13
        + ((_whole("instance").fill_null(-1) + 1) % Q) * 19
        + (_whole("policy_version") % Q) * 23
        + _whole("inhibiting") * 17
        + pl.when(application >= 0).then(application % Q).otherwise(-1) * 29
    )
    return segments.select(rows=pl.len().cast(pl.Int64), length_ms=length.sum(), content=content.sum())


def _ms(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Int64)


def _whole(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Int64)
