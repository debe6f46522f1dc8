"""The heavy metrics on an engine of choice: Polars on this machine, or Apache Spark on many.

Both compute `warehouse.portable`; the answers have the columns, types and order of `warehouse.metrics`, so
what is made of them need not know where they came from. `process-meter query --engine` is the face of it;
docs/scale.md says when it pays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import narwhals.stable.v2 as nw
import polars as pl
import polars.selectors as cs
from sqlalchemy import Engine

from warehouse import frames, portable
from warehouse.errors import Problem
from warehouse.metrics.licenses import PROPOSALS
from warehouse.metrics.states import Policy, StateEnum
from warehouse.metrics.utilization import FleetCoverage
from warehouse.periods import INSTANT, local_quarters

ENGINES = ("polars", "spark")
_STATED = ("session", "start", "end", "units", "state")


class Place(Protocol):
    """Where frames lie and are computed."""

    @property
    def warehouse(self) -> Engine:
        """Whose evidence it computes."""
        ...

    def segments(self, start: datetime, end: datetime, applications: list[str] | None) -> Any:
        """Give the segments of every session that overlaps [start, end), as a frame of the engine."""
        ...

    def put(self, frame: pl.LazyFrame) -> Any:
        """Bring a frame there; instants become milliseconds, words plain text."""
        ...

    def keep(self, frame: Any) -> Any:
        """Have a frame computed once, however often it is asked."""
        ...

    def take(self, frame: Any) -> pl.LazyFrame:
        """Compute a frame of the engine and bring it here."""
        ...


@dataclass(frozen=True)
class OnPolars:
    """A place on this machine."""

    warehouse: Engine

    def segments(self, start: datetime, end: datetime, applications: list[str] | None) -> pl.LazyFrame:
        """Read the mirror, and what landed since from SQL."""
        return self.put(frames.segments(self.warehouse, start, end, applications))

    def put(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Turn instants into milliseconds and words into plain text."""
        return in_integers(frame)

    def keep(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Compute it."""
        return frame.collect().lazy()

    def take(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Compute it."""
        return frame.collect().lazy()


def in_integers(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Turn instants into milliseconds and words into plain text, which every engine understands alike."""
    return frame.with_columns(cs.datetime().dt.epoch("ms"), (cs.enum() | cs.categorical()).cast(pl.String))


@contextmanager
def engine_named(name: str, warehouse: Engine, master: str = "") -> Iterator[Place]:
    """Start an engine, and stop it in the end.

    Parameters
    ----------
    name
        One of `ENGINES`.
    warehouse
        Whose evidence it shall compute.
    master
        For Spark: `spark://HOST:PORT`, or `local[N]` for N threads of this machine.

    Raises
    ------
    Problem
        An unknown engine, a master where none is used or none where one is; Spark, Java or the master cannot
        be had; a computation failed there.
    """
    if name not in ENGINES:
        raise Problem(f"there is no engine {name!r}", f"give one of {', '.join(ENGINES)}")
    if name == "polars":
        if master:
            raise Problem("a master is for the engine spark", "leave --master out, or add --engine spark")
        yield OnPolars(warehouse)
        return
    from pipelines.spark import spark_at  # noqa: PLC0415 - half a second, for those who ask for it

    with spark_at(master, warehouse) as place:
        yield place


@dataclass(frozen=True)
class EngineFrames:
    """Evidence of a window on an engine, and the heavy questions about it.

    Attributes
    ----------
    place
        Where it is.
    stated
        What `portable.states` gives, there, without what no question needs: session, start, end, units,
        state.
    sessions
        What `frames.sessions` gives, there.
    """

    place: Place
    stated: Any
    sessions: Any

    def judged(self) -> pl.LazyFrame:
        """Bring session, start, end, units and state here, as `metrics.states` gives them."""
        found = self._take(self.stated, "start", "end").with_columns(pl.col("state").cast(StateEnum))
        return found.sort("session", "start")

    def intervals(self, key: str, basis: str, start: datetime, end: datetime, **options: Any) -> pl.LazyFrame:
        """Answer as `metrics.concurrency.intervals`, which names the options; keys come in order of text."""
        group = options.get("group", "application")
        found = self._take(self._used(key, basis, start, end, options), "start", "end")
        return found.sort(group, "key", "start", "end")

    def curve(self, key: str, basis: str, start: datetime, end: datetime, **options: Any) -> pl.LazyFrame:
        """Answer as `metrics.concurrency.curve` of the same intervals."""
        used = self._used(key, basis, start, end, options)
        return self._take(portable.curve(self.place.keep(used)), "at").sort(
            options.get("group", "application"), "at"
        )

    def peak(self, key: str, basis: str, start: datetime, end: datetime, **options: Any) -> pl.LazyFrame:
        """Answer as `metrics.concurrency.peak` of the same intervals."""
        used = self._used(key, basis, start, end, options)
        found = self._take(portable.peak(self.place.keep(used)), "first_reached")
        return found.sort(options.get("group", "application"))

    def _used(self, key: str, basis: str, start: datetime, end: datetime, options: Mapping[str, Any]) -> Any:
        there = {
            name: self.place.put(value) if isinstance(value, pl.LazyFrame) else value
            for name, value in options.items()
        }
        return portable.intervals(self.stated, self.sessions, key, basis, start, end, **there)

    def usage(self, by: list[str], start: datetime, end: datetime, zone: str = "UTC") -> pl.LazyFrame:
        """Answer as `metrics.utilization.usage`; counts are Int64."""
        quarters = self.place.put(local_quarters(zone, start, end))
        found = self._take(portable.usage(self.stated, self.sessions, by, start, end, quarters))
        return found.sort(by) if by else found

    def usage_hours(self, by: str, start: datetime, end: datetime) -> pl.LazyFrame:
        """Answer as `metrics.usage_hours.usage_hours`, but not by project."""
        found = self._take(portable.usage_hours(self.stated, self.sessions, by, start, end))
        return found.sort(by, nulls_last=True)

    def unused(  # noqa: PLR0913, PLR0917 - as metrics.licenses.unused
        self,
        assignments: pl.LazyFrame,
        entitlement_applications: pl.LazyFrame,
        fleet: FleetCoverage,
        start: datetime,
        end: datetime,
        zone: str = "UTC",
        **bounds: Any,
    ) -> pl.LazyFrame:
        """Answer as `metrics.licenses.unused`, which names the bounds."""
        judged = portable.unused(
            self.place.put(assignments),
            self.place.put(entitlement_applications),
            self.stated,
            self.sessions,
            self.place.put(fleet.by_host),
            fleet.share,
            start,
            end,
            zone,
            **bounds,
        )
        found = self._take(judged, "last_active").with_columns(pl.col("proposal").cast(pl.Enum(PROPOSALS)))
        return found.sort("entitlement", "person", "host", nulls_last=True)

    def _take(self, frame: Any, *instants: str) -> pl.LazyFrame:
        return self.place.take(frame).with_columns(pl.col(name).cast(INSTANT) for name in instants)


def engine_frames(
    place: Place,
    policy: Policy,
    start: datetime,
    end: datetime,
    applications: list[str] | None = None,
) -> EngineFrames:
    """Bring the evidence of a window to an engine: segments from the mirror, sessions from SQL.

    Parameters
    ----------
    place
        What `engine_named` gives.
    policy
        The rules by which segments get their states.
    start, end
        The window, [start, end), with zones.
    applications
        Codes; None: all.

    Raises
    ------
    Problem
        The mirror cannot be trusted, and Spark reads nothing else.
    """
    sessions = place.put(frames.sessions(place.warehouse, start, end, applications))
    segments = place.segments(start, end, applications)
    stated = nw.from_native(portable.states(segments, policy)).select(_STATED).to_native()
    return EngineFrames(place, place.keep(stated), sessions)
