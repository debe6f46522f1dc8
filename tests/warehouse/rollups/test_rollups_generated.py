"""Whatever lands in whatever order: rollups equal what the metrics say of the evidence, and their rebuild."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import landed_evidence as rig
import polars as pl
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from landed_evidence import Part
from sqlalchemy import Engine

from warehouse import frames, rollups, schema, store
from warehouse.metrics.concurrency import KEYS, curve, intervals, peak
from warehouse.metrics.percentiles import calendar, minutes_at_or_above
from warehouse.metrics.states import BASES, states
from warehouse.metrics.utilization import usage

START, END = datetime(2026, 10, 5, tzinfo=UTC), datetime(2026, 10, 8, tzinfo=UTC)
CELL = 5
"""Minutes: everything starts and ends on a grid, so that ends and starts often meet."""

ATTENTIONS = ("input", "no_input", "background", "locked", "suspended", "held", "unobserved")
UPDATE = ("update",)
MEASURES = ("run_ms", "active_ms", "pause_ms", "held_ms", "unknown_ms", "unit_ms")


# --- Generated stories -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Story:
    """Evidence of some sessions, and what happens to the warehouse, one after another."""

    sessions: dict[int, tuple[list[Part], dict[str, Any]]]
    events: list[tuple[Any, ...]]


@st.composite
def parts(draw: st.DrawFn) -> list[Part]:
    now = CELL * draw(st.integers(0, 2 * 24 * 12))
    found = []
    lengths = st.integers(1, 20)
    kinds = st.tuples(lengths, st.sampled_from(ATTENTIONS), st.integers(1, 2), st.sampled_from([None, 1, 2]))
    for cells, attention, units, instance in draw(st.lists(kinds, min_size=1, max_size=6)):
        found.append(Part(now, now + CELL * cells, attention, units, instance))
        now += CELL * cells
    return found


FACTS = st.fixed_dictionaries(
    {
        "application_id": st.integers(1, 3),
        "account_id": st.integers(1, 5),
        "host_id": st.integers(1, 2),
        "client_device_id": st.sampled_from([None, 1]),
    }
)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    sessions = {number: (draw(parts()), draw(FACTS)) for number in range(1, draw(st.integers(1, 5)) + 1)}
    number, share = st.sampled_from(sorted(sessions)), st.integers(0, 2)
    event = st.one_of(
        st.tuples(st.just("land"), number, share),
        st.tuples(st.just("replace"), number, parts()),
        st.tuples(st.just("erase"), number),
        st.tuples(st.just("enter"), number, st.integers(0, 300), st.sampled_from([None, 1, 2])),
        st.tuples(st.just("own"), st.integers(1, 5), st.sampled_from([None, 1, 2])),
        st.tuples(st.just("move"), st.integers(1, 2), st.integers(1, 2)),
        st.tuples(st.just("weigh"), st.integers(1, 4)),
        st.tuples(st.just("judge"), st.sampled_from([60_000, 600_000, 3_600_000]), st.booleans()),
    )
    thirds = [("land", session, third) for session in sessions for third in range(3)]
    landing = draw(st.permutations(thirds))
    late = draw(st.integers(0, 2))
    after = draw(st.permutations([*landing[:late], *draw(st.lists(event, min_size=1, max_size=3))]))
    return Story(sessions, [*landing[late:], UPDATE, *after[:1], UPDATE, *after[1:]])


class Tale:
    """A story as it is told to a warehouse."""

    def __init__(self, engine: Engine, story: Story) -> None:
        self.engine, self.story = engine, story
        self.landed: set[tuple[int, int]] = set()
        self.gone: set[int] = set()
        for number, (found, facts) in story.sessions.items():
            rig.session(engine, number, found[0].start, found[-1].end, **facts)

    def tell(self) -> None:
        for name, *details in self.story.events:
            getattr(self, f"_{name}")(*details)

    def _land(self, number: int, third: int) -> None:
        """A third of a session's segments, each once; nothing more of what was replaced or erased."""
        if number not in self.gone and (number, third) not in self.landed:
            self.landed.add((number, third))
            rows = rig.segments(number, self.story.sessions[number][0])
            rig.arrive(self.engine, rows[len(rows) * third // 3 : len(rows) * (third + 1) // 3])

    def _replace(self, number: int, other: list[Part]) -> None:
        if number not in self.gone:
            self.landed |= {(number, third) for third in range(3)}
            rig.replace(self.engine, number, *other, application_id=number % 3 + 1)

    def _erase(self, number: int) -> None:
        if number not in self.gone:
            self.gone.add(number)
            rig.erase(self.engine, number)

    def _enter(self, number: int, minutes: float, instance: int | None) -> None:
        if number not in self.gone:
            start = self.story.sessions[number][0][0].start + minutes
            rig.enter(self.engine, number, f"P{instance}", start, start + 120, instance=instance)

    def _own(self, account: int, person: int | None) -> None:
        self._change(schema.account, account, person_id=person)

    def _move(self, placement: int, office: int) -> None:
        self._change(schema.placement, placement, office_id=office)

    def _weigh(self, weight: int) -> None:
        self._change(schema.product, 1, token_weight=weight)

    def _judge(self, timeout_ms: int, of_one: bool) -> None:
        rule = {"idle_timeout_ms": timeout_ms}
        document = {"applications": {"cad": rule | {"held_is_active": True}}} if of_one else {"default": rule}
        with self.engine.connect() as connection:
            version = connection.scalar(sa.select(sa.func.count()).select_from(schema.policy_version))
        row = {"policy_id": 1, "version": version, "created_ms": version, "created_by": "me"}
        rig.insert(self.engine, "policy_version", row | {"document": document})

    def _update(self) -> None:
        rollups.update(self.engine)

    def _change(self, table: sa.Table, number: int, **values: Any) -> None:
        with store.writing(self.engine) as connection:
            connection.execute(table.update().where(table.c.id == number).values(**values))


@contextmanager
def told(empty: Path, story: Story) -> Iterator[Engine]:
    """A warehouse to which a story was told, its rollups up to date."""
    with TemporaryDirectory() as folder:
        shutil.copyfile(empty, Path(folder) / "warehouse.sqlite")
        engine = store.open_warehouse(f"sqlite:///{folder}/warehouse.sqlite")
        rig.fill(engine)
        Tale(engine, story).tell()
        rollups.update(engine)
        yield engine
        engine.dispose()


# --- What has to hold --------------------------------------------------------------------------------------


def rows(engine: Engine) -> list[list[tuple[Any, ...]]]:
    with engine.connect() as connection:
        return [
            [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for table in (schema.use_hour, schema.demand_hour)
        ]


@given(stories())
def test_the_rollups_are_those_of_the_evidence_in_whatever_order_it_landed(
    empty_warehouse: Path, story: Story
) -> None:
    with told(empty_warehouse, story) as engine:
        kept = rows(engine)
        rollups.rebuild(engine)
        assert rows(engine) == kept


@given(stories(), st.integers(0, 60), st.integers(1, 12))
@settings(max_examples=12)
def test_hours_of_use_add_up_to_usage_and_hours_of_demand_to_its_peak_and_levels(
    empty_warehouse: Path, story: Story, first: int, count: int
) -> None:
    start, end = START + timedelta(hours=first), START + timedelta(hours=first + count)
    with told(empty_warehouse, story) as engine:
        stated = states(frames.segments(engine, start, end), frames.policy(engine, "license"))
        sessions = frames.sessions(engine, start, end)
        used = usage(stated, sessions, ["application", "office"], start, end).collect()
        hours = (
            frames.use_hours(engine, start, end).group_by("application", "office").agg(pl.col(MEASURES).sum())
        )
        some = pl.any_horizontal(pl.col(MEASURES) > 0)
        wanted = used.select("application", "office", *MEASURES).filter(some)
        assert hours.sort("application", "office").collect().rows() == wanted.rows()
        for key in KEYS:
            for basis in BASES:
                weights = frames.applications(engine).select("application", "token_weight")
                found = intervals(stated, sessions, key, basis, start, end, weights=weights)
                demand = frames.demand_hours(engine, start, end).filter(key=key, basis=basis).collect()
                assert (
                    peaks(demand)
                    == peak(found).select("application", "peak", "first_reached").collect().rows()
                )
                assert minutes(demand, count) == minutes_of(found, start, end)


def peaks(demand: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Highest demand of each application, and when it was first reached."""
    highest = demand.filter(pl.col("peak") == pl.col("peak").max().over("application"))
    return (
        highest.group_by("application")
        .agg(pl.col("peak").first(), pl.col("peak_at").min())
        .sort("application")
        .rows()
    )


def minutes(demand: pl.DataFrame, hours: int) -> dict[tuple[str, int], float]:
    """Minutes at each level of each application; an hour without a row is one without demand."""
    levels = (
        demand.explode("levels").unnest("levels").group_by("application", "demand").agg(pl.col("ms").sum())
    )
    found = {(row["application"], row["demand"]): row["ms"] / 60_000 for row in levels.to_dicts()}
    for application, rows_of in demand.group_by("application"):
        found[str(application[0]), 0] += 60 * (hours - rows_of.height)
    return {place: length for place, length in found.items() if length}


def minutes_of(found: pl.LazyFrame, start: datetime, end: datetime) -> dict[tuple[str, int], float]:
    swept = curve(found)
    if swept.collect().is_empty():
        return {}
    at = minutes_at_or_above(swept, calendar("all", start, end)).collect()
    return {(row["application"], row["n"]): row["minutes_at"] for row in at.to_dicts() if row["minutes_at"]}
