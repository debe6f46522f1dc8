"""Use outside the rights of the contract that it consumed: by version, place, employment, devices, machines.

Only what a contract says is judged: where it says nothing of a right, there is no finding; nor where nobody
knows the version, the office or the employment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from warehouse.periods import INSTANT

RIGHTS = ("version", "region", "contractors", "affiliates", "second device", "virtualization")
REGIONS = ("AMER", "EMEA", "APAC")

_AREAS = {"America": "AMER", "Europe": "EMEA", "Africa": "EMEA", "Asia": "APAC", "Australia": "APAC",
          "Pacific": "APAC", "Indian": "APAC"}  # fmt: skip
_ELSEWHERE = dict.fromkeys(
    (
        *("Asia/Aden", "Asia/Amman", "Asia/Baghdad", "Asia/Bahrain", "Asia/Beirut", "Asia/Damascus"),
        *("Asia/Dubai", "Asia/Gaza", "Asia/Hebron", "Asia/Jerusalem", "Asia/Kuwait", "Asia/Muscat"),
        *("Asia/Nicosia", "Asia/Qatar", "Asia/Riyadh", "Asia/Tehran", "Indian/Mauritius"),
        *("Atlantic/Reykjavik", "Atlantic/Canary", "Atlantic/Madeira", "Atlantic/Azores", "Atlantic/Faroe"),
    ),
    "EMEA",
) | {"Atlantic/Bermuda": "AMER", "Pacific/Honolulu": "AMER"}
"""Zones that are not of the region of their area."""

VIRTUAL = ("virtual", "terminal")
"""Kinds of host that are no machine of their own."""

FINDING: dict[str, pl.DataType | type[pl.DataType]] = {
    "entitlement": pl.String,
    "right": pl.String,
    "subject": pl.String,
    "what": pl.String,
    "first_seen": INSTANT,
    "evidence": pl.Int64,
}


def region_of(zone: str | None) -> str | None:
    """Return the sales region of an IANA zone; None where it is none of any."""
    return _ELSEWHERE.get(zone or "", _AREAS.get((zone or "").partition("/")[0]))


def outside_rights(  # noqa: PLR0913, PLR0917 - use, what is allowed, and the facts about who and where
    consumed: pl.LazyFrame,
    use_rights: pl.LazyFrame,
    sessions: pl.LazyFrame,
    people: pl.LazyFrame,
    hosts: pl.LazyFrame,
    offices: pl.LazyFrame,
) -> pl.LazyFrame:
    """Find the use that the contract which it consumed does not allow.

    Parameters
    ----------
    consumed
        What `consumption` gives.
    use_rights
        `entitlement`; `version` (the newest that may be used), `earlier_versions` (how many before it,
        counted by their first number), `regions` (of `REGIONS`), `contractors`, `affiliates`,
        `second_device`, `virtualization` (allowed or not). Null: the contract says nothing of it.
    sessions
        `session`, `version`.
    people
        `person`, `employment`.
    hosts
        `host`, `kind`.
    offices
        `office`, `zone`.

    Returns
    -------
    pl.LazyFrame
        `entitlement`, `right` (of `RIGHTS`), `subject` (pseudonym of a person or a host), `what` (in words),
        `first_seen` (Datetime) and `evidence` (Int64: how many stretches of use show it). One row per right
        of an entitlement, subject and what it did, in this order.
    """
    facts = _facts(consumed, sessions, people, hosts, offices).join(use_rights, on="entitlement").collect()
    found = [*_versions(facts), _regions(facts), *_employment(facts), _devices(facts), _virtual(facts)]
    return (
        pl.concat([pl.DataFrame(schema=FINDING), *found])
        .lazy()
        .sort("entitlement", "right", "subject", "what")
    )


def _facts(
    consumed: pl.LazyFrame,
    sessions: pl.LazyFrame,
    people: pl.LazyFrame,
    hosts: pl.LazyFrame,
    offices: pl.LazyFrame,
) -> pl.LazyFrame:
    """Put beside each consumed part what rights are about."""
    zones = offices.select(pl.col("office", "zone").cast(pl.String)).collect()
    regions = zones.with_columns(
        _region=pl.Series([region_of(zone) for zone in zones["zone"]], dtype=pl.String)
    )
    return (
        consumed.filter(pl.col("entitlement").is_not_null())
        .join(
            sessions.select("session", _version=pl.col("version").cast(pl.String)), on="session", how="left"
        )
        .join(people.select("person", _employment="employment").unique("person"), on="person", how="left")
        .join(hosts.select("host", _kind="kind").unique("host"), on="host", how="left")
        .join(regions.lazy().select("office", "_region"), on="office", how="left")
    )


def _told(facts: pl.DataFrame, right: str, subject: pl.Expr, what: pl.Expr) -> pl.DataFrame:
    """Count the rows of what is not allowed by entitlement, subject and words."""
    return (
        facts.group_by("entitlement", subject.alias("subject"), what.alias("what"))
        .agg(first_seen=pl.col("start").min(), evidence=pl.len().cast(pl.Int64))
        .select(pl.lit(right).alias(name) if name == "right" else pl.col(name) for name in FINDING)
    )


_WHO = pl.coalesce("person", "host")


def _versions(facts: pl.DataFrame) -> Iterator[pl.DataFrame]:
    limits = ("_version", "version", "earlier_versions")
    seen = facts.select(limits).unique().drop_nulls(["_version", "version"])
    judged = [_version_words(*row) for row in seen.iter_rows()]
    words = seen.with_columns(_words=pl.Series(judged, dtype=pl.String)).drop_nulls("_words")
    wrong = facts.join(words, on=limits, nulls_equal=True)
    yield _told(wrong, "version", _WHO, pl.col("_words"))


def _version_words(used: str, newest: str, earlier: int | None) -> str | None:
    """Say what is wrong with a version; None: it is allowed, or no number can be read."""
    mine, limit = (_numbers(text) for text in (used, newest))
    if not mine or not limit:
        return None
    if mine[: len(limit)] > limit:
        return f"version {used}, newer than {newest}"
    if earlier is not None and limit[0] - mine[0] > earlier:
        return f"version {used}, more than {earlier} before {newest}"
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:4])


def _regions(facts: pl.DataFrame) -> pl.DataFrame:
    is_elsewhere = ~pl.col("_region").is_in(pl.col("regions"))
    wrong = facts.filter(pl.col("regions").is_not_null(), pl.col("_region").is_not_null()).filter(
        is_elsewhere
    )
    return _told(wrong, "region", _WHO, pl.format("used in {}", "_region"))


def _employment(facts: pl.DataFrame) -> Iterator[pl.DataFrame]:
    for right, word, words in (
        ("contractors", "contractor", "used by a contractor"),
        ("affiliates", "affiliate", "used by an affiliate"),
    ):
        wrong = facts.filter(~pl.col(right), pl.col("_employment") == word)
        yield _told(wrong, right, pl.col("person"), pl.lit(words))


def _devices(facts: pl.DataFrame) -> pl.DataFrame:
    allowed = 1 + pl.col("second_device").cast(pl.Int64)
    known = facts.filter(pl.col("second_device").is_not_null(), pl.col("person").is_not_null())
    counted = (
        known.group_by("entitlement", "person", "second_device")
        .agg(_devices=pl.col("device").n_unique())
        .filter(pl.col("_devices") > allowed)
    )
    firsts = known.group_by("entitlement", "person", "device").agg(_first=pl.col("start").min())
    beyond = (
        firsts.join(counted, on=["entitlement", "person"])
        .with_columns(_place=pl.col("_first").rank("ordinal").over("entitlement", "person"))
        .filter(pl.col("_place") > allowed)
        .select("entitlement", "person", "device", "_devices")
    )
    wrong = known.join(beyond, on=["entitlement", "person", "device"])
    words = pl.format("{} devices, {} allowed", "_devices", allowed)
    return _told(wrong, "second device", pl.col("person"), words)


def _virtual(facts: pl.DataFrame) -> pl.DataFrame:
    wrong = facts.filter(~pl.col("virtualization"), pl.col("_kind").is_in(VIRTUAL))
    return _told(wrong, "virtualization", pl.col("host"), pl.format("used on a {} host", "_kind"))
