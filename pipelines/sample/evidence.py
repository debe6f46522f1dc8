"""All of the sample's evidence: sessions with their segments, watch intervals, project entries, presence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipelines.sample import entries, organization, segments, sessions, stories, uses, watches, workdays
from pipelines.sample.people import TERMINAL_SERVER, Person, strangers
from pipelines.sample.plan import MINUTE_MS, SECOND_MS, Plan, instant_ms
from pipelines.sample.products import APPLICATION_ID, APPLICATIONS, REMOTE

CLOSING_DELAY_MS = 75 * SECOND_MS
"""A segment is final, and has arrived, at most this long after its end."""
CHUNK_SESSIONS = 20_000
GUEST_ACCOUNT_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was collected.

    `sessions`, `watch_intervals` and `project_entries` are rows of their tables; `segments` makes its rows in
    pieces, ordered by session and start, so that a year needs little memory.
    """

    sessions: pl.DataFrame
    watch_intervals: pl.DataFrame
    project_entries: pl.DataFrame
    _tiled: pl.DataFrame
    _focus: pl.DataFrame
    _locks: pl.DataFrame
    _holes: pl.DataFrame
    _plan: Plan

    def segments(self) -> Iterator[pl.DataFrame]:
        """Make the segments of some thousand sessions at a time."""
        random = self._plan.random("segments")
        bounds = np.arange(0, self._tiled.height + CHUNK_SESSIONS, CHUNK_SESSIONS)
        whose = self._focus["session"].to_numpy()
        for first in bounds[:-1]:
            part = self._tiled[int(first) : int(first) + CHUNK_SESSIONS]
            if part.is_empty():
                return
            low = np.searchsorted(whose, part["session"][0], "left")
            high = np.searchsorted(whose, part["session"][-1], "right")
            yield segments.tile(part, self._focus[low:high], self._locks, self._holes, random)


def collect(plan: Plan, staff: list[Person]) -> Evidence:
    """Live through all working days of the plan."""
    everybody = [*staff, *strangers(plan, staff)]
    away = stories.absences(plan, staff)
    days = stories.without_unheard(workdays.working_days(plan, everybody), away)
    gone = workdays.absences(plan, days)
    blind = stories.holes(plan, days)
    used = sessions.assign(
        plan, everybody, days, uses.uses(plan, everybody, days, workdays.stretches(days, gone))
    )
    focused = used.with_columns(start="focus")
    waits = uses.gaps(plan, focused)
    opened = _opened(
        plan, everybody, used, stories.solver_runs(plan, everybody, days), stories.deliveries(away)
    )
    focus = _focus(plan, focused, waits, gone, opened)
    locks = _locks(plan, everybody, days, gone, uses.self_locks(focused, waits))
    hosts = organization.host_ids(plan, staff)
    return Evidence(
        _session_rows(plan, staff, everybody, opened, hosts),
        stories.heard(watches.watches(plan, everybody, hosts, days, blind), hosts, staff, away),
        entries.entries(plan, staff, _billed(staff, opened)),
        opened.filter(pl.col("closes") > pl.col("opens")),
        focus,
        locks,
        blind.sort("person", "start"),
        plan,
    )


def _opened(
    plan: Plan, everybody: list[Person], used: pl.DataFrame, runs: pl.DataFrame, late: pl.DataFrame
) -> pl.DataFrame:
    """Return one row per session in the order of their start, with what tiling needs to know."""
    until = plan.horizon_ms - CLOSING_DELAY_MS
    plain = (
        used.group_by("session", maintain_order=True)
        .agg(pl.col("person", "application", "opens", "closes").first())
        .with_columns(units=pl.lit(1, dtype=pl.Int64), on_server=pl.lit(value=False))
    )
    failed = stories.failed_starts(plan, plain).with_columns(
        session=None, closes="opens", units=pl.lit(1, dtype=pl.Int64), on_server=pl.lit(value=False)
    )
    columns = ["person", "application", "opens", "closes", "units", "on_server", "session"]
    solved = runs.with_columns(session=None)
    together = pl.concat([part.select(columns) for part in (plain, failed, solved)], how="vertical_relaxed")
    ordered = (
        together.filter(pl.col("opens") < until)
        .sort("opens", "person", "application")
        .rename({"session": "used_as"})
        .with_columns(
            session=pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
            is_open=pl.col("closes") > until,
            closes=pl.min_horizontal("closes", pl.lit(until)),
        )
    )
    return _with_circumstances(plan, everybody, ordered, late)


def _with_circumstances(
    plan: Plan, everybody: list[Person], ordered: pl.DataFrame, late: pl.DataFrame
) -> pl.DataFrame:
    random = plan.random("circumstances")
    remote = [p.id for p in everybody if p.remote]
    maps = pl.col("person").is_in(remote) & (pl.col("application") == APPLICATION_ID[REMOTE])
    is_late = pl.col("opens") < pl.col("late_to")
    return (
        ordered.join(late, on="person", how="left", maintain_order="left")
        .with_columns(
            remote=maps | pl.col("on_server"),
            instance=pl.Series(random.integers(1_200, 64_000, ordered.height)),
            late_from=pl.when(is_late).then("late_from"),
            delivered=pl.when(is_late).then("delivered"),
            policy_from=pl.lit(instant_ms(plan.rollout)),
        )
        .with_columns(
            received=pl.max_horizontal(
                pl.col("opens") + 10 * SECOND_MS,
                pl.when(pl.col("opens") >= pl.col("late_from")).then(pl.col("delivered") + 5 * SECOND_MS),
            )
        )
    )


def _focus(
    plan: Plan, focused: pl.DataFrame, waits: pl.DataFrame, gone: pl.DataFrame, opened: pl.DataFrame
) -> pl.DataFrame:
    """Return the pieces of all sessions in which they have the focus, by the session's id."""
    ids = opened.select("used_as", "session").drop_nulls()
    found = uses.pieces(plan, focused, waits)
    known = focused.select("row", "stretch", "day_id", "presenting", used_as="session", use_end="end")
    rows = found.join(known, on="row", maintain_order="left")
    return (
        pl.concat([rows, _walked_off(rows, gone).select(rows.columns)])
        .join(ids, on="used_as")
        .rename({"presenting": "inhibiting"})
        .select(pl.col(name).cast(kind) for name, kind in segments.PIECE.items())
        .sort("session", "start")
    )


def _walked_off(rows: pl.DataFrame, gone: pl.DataFrame) -> pl.DataFrame:
    """Return the minutes in which the desk is empty and the screen not locked yet."""
    slow = gone.filter(pl.col("lock_delay") > 0, ~pl.col("presenting")).select(
        "day_id",
        away_start="start",
        away_end=pl.min_horizontal("end", pl.col("start") + pl.col("lock_delay")),
    )
    last = rows.filter(pl.col("end") == pl.col("use_end"))
    typed = pl.when(pl.col("attention") == segments.INPUT).then("end").otherwise("since")
    return last.join(
        slow, left_on=["day_id", "end"], right_on=["day_id", "away_start"], how="inner"
    ).with_columns(
        start="end",
        end="away_end",
        since=typed,
        last_input=typed,
        attention=pl.lit(segments.NO_INPUT, dtype=pl.Int32),
        presenting=pl.lit(value=False),
    )


def _locks(
    plan: Plan, everybody: list[Person], days: pl.DataFrame, gone: pl.DataFrame, self_locks: pl.DataFrame
) -> pl.DataFrame:
    """Return when whose machine was locked or asleep."""
    away = gone.filter(~pl.col("presenting")).join(days.select("day_id", "person"), on="day_id").select(
        "person", start=pl.col("start") + pl.col("lock_delay"), end="end"
    )  # fmt: skip
    nights = days.select(
        "person", start="finish", end=pl.col("arrive").shift(-1).over("person").fill_null(plan.horizon_ms)
    )
    laptops = [p.id for p in everybody if p.laptop]
    locks = (
        pl.concat([away, nights, self_locks]).filter(pl.col("end") > pl.col("start")).sort("person", "start")
    )
    sleepy = pl.Series(plan.random("sleep").random(locks.height) < 0.6)
    sleeps = pl.col("person").is_in(laptops) & sleepy & (pl.col("end") - pl.col("start") > 30 * MINUTE_MS)
    asleep_at = pl.when(sleeps).then(pl.col("start") + 8 * MINUTE_MS)
    marked = locks.with_columns(asleep_at=asleep_at)
    locked = marked.select(
        "person", "start", end=pl.coalesce("asleep_at", "end"), attention=pl.lit(segments.LOCKED)
    )
    asleep = marked.drop_nulls("asleep_at").select(
        "person", start="asleep_at", end="end", attention=pl.lit(segments.SUSPENDED)
    )
    return pl.concat([locked, asleep]).sort("person", "start")


def _billed(staff: list[Person], opened: pl.DataFrame) -> pl.DataFrame:
    billed = [APPLICATION_ID[a.code] for a in APPLICATIONS if a.billed]
    authors = pl.DataFrame({"person": [p.id for p in staff], "author": [p.account for p in staff]})
    return opened.filter(pl.col("application").is_in(billed), pl.col("closes") > pl.col("opens")).join(
        authors, on="person", maintain_order="left"
    )  # fmt: skip


def _session_rows(
    plan: Plan, staff: list[Person], everybody: list[Person], opened: pl.DataFrame, hosts: dict[str, int]
) -> pl.DataFrame:
    random = plan.random("session rows")
    count = opened.height
    key = np.frombuffer(random.bytes(16 * count), dtype=np.uint8).reshape(count, 16)
    versions = [a.version for a in APPLICATIONS]
    lost = random.random(count) < 0.002
    known = opened.join(_owners(staff, everybody, hosts), on="person", maintain_order="left")
    guest = pl.Series(random.random(count) < GUEST_ACCOUNT_SHARE) & pl.col("guest_account_id").is_not_null()
    server = hosts[TERMINAL_SERVER]
    host = pl.when("remote").then(server).otherwise("host_id")
    return known.select(
        id="session",
        key=pl.Series([row.tobytes().hex() for row in key], dtype=pl.String),
        source=pl.lit("sample"),
        application_id="application",
        account_id=pl.when(guest).then("guest_account_id").otherwise("account_id"),
        host_id=host,
        client_device_id=pl.when("remote").then("person"),
        agent_id=pl.format("sample-{}", host.cast(pl.String).str.zfill(4)),
        logon_session=pl.when("remote").then(pl.lit("rdp-tcp#3")).otherwise(pl.lit("console")),
        zone=pl.when("remote").then(pl.lit("Europe/Berlin")).otherwise("zone"),
        started_ms="opens",
        ended_ms=pl.when(~pl.col("is_open")).then("closes"),
        end_uncertainty_ms=pl.when(pl.Series(lost) & ~pl.col("is_open"))
        .then(60_000)
        .otherwise(0)
        .cast(pl.Int64),
        instance_count=pl.Series(1 + (random.random(count) < 0.08).astype(np.int64)),
        application_version=pl.Series(versions)[opened["application"] - 1],
        clock_stepped=pl.Series(random.random(count) < 0.0004),
        received_ms="received",
    )


def _owners(staff: list[Person], everybody: list[Person], hosts: dict[str, int]) -> pl.DataFrame:
    accounts = dict(organization.accounts(staff).select("name", "id").iter_rows())
    return pl.DataFrame(
        {
            "person": [p.id for p in everybody],
            "account_id": [accounts[p.account] for p in everybody],
            "guest_account_id": [accounts.get(organization.guest_account(p)) for p in everybody],
            "host_id": [hosts[p.host] for p in everybody],
            "zone": [p.office.zone for p in everybody],
        },
        schema_overrides={"guest_account_id": pl.Int64},
    )
