"""Bringing the rollups up to date, a stretch of days at a time."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import NamedTuple

import polars as pl
import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from warehouse import frames, store
from warehouse.metrics.states import Policy
from warehouse.rollups import stand
from warehouse.rollups.demand import demand_hours
from warehouse.rollups.evidence import read
from warehouse.rollups.stand import OvertakenError, Stand
from warehouse.rollups.storing import replace_rows
from warehouse.rollups.stretches import Stretch, everything, of_changes
from warehouse.rollups.touched import touched
from warehouse.rollups.use import use_hours
from warehouse.store.url import located


@dataclass(frozen=True)
class RolledUp:
    """What one update did.

    Attributes
    ----------
    through
        Number of the last landing that is taken in.
    stretches, use_hours, demand_hours
        Stretches of days that were derived, and the rows written of them.
    is_overtaken
        Another update began meanwhile, and takes in what this one would have: `through` is not reached yet.
    """

    through: int
    stretches: int = 0
    use_hours: int = 0
    demand_hours: int = 0
    is_overtaken: bool = False


class Derived(NamedTuple):
    """Rows of `use_hour` and of `demand_hour` of one stretch."""

    uses: pl.DataFrame
    demand: pl.DataFrame


def update(engine: Engine) -> RolledUp:
    """Take in what changed since the last time: evidence, project entries, people, weights, the policy.

    Each stretch of days is one transaction, and the mark of how far the rollups stand comes last: after a
    crash the same is done again.

    Returns
    -------
    RolledUp
        All zero where nothing had changed.

    Raises
    ------
    Problem
        The database cannot be used, or does not take the rows; what is written so far stays, and is right.
    """
    policy = frames.policy(engine, "license")
    known = stand.stored(engine)
    new = stand.current(engine, policy)
    if known is None:
        return _roll(engine, everything(engine), policy, new)
    if known == new:
        return RolledUp(new.landing)
    changes = touched(engine, known, new, _longest_timeout_ms(policy))
    todo = everything(engine) if changes is None else of_changes(engine, changes)
    return _roll(engine, todo, policy, new)


def rebuild(engine: Engine) -> RolledUp:
    """Derive everything anew."""
    policy = frames.policy(engine, "license")
    return _roll(engine, everything(engine), policy, stand.current(engine, policy))


def _longest_timeout_ms(policy: Policy) -> int:
    return max(rule.idle_timeout_ms for rule in (policy.default, *policy.applications.values()))


def _roll(engine: Engine, todo: Iterable[Stretch], policy: Policy, new: Stand) -> RolledUp:
    """Derive and write stretch by stretch, and note at last how far that brought the rollups."""
    done = RolledUp(new.landing)
    with located(engine.url):
        proof = stand.take_over(engine)
        try:
            with closing(_ahead(engine, todo, policy)) as ahead:
                for stretch, derived in ahead:
                    done = _add(done, _write(engine, stretch, derived, policy, proof))
            with store.writing(engine) as connection:
                stand.require(connection, proof)
                stand.keep(connection, new)
        except OvertakenError:
            return replace(done, is_overtaken=True)
    return done


# Rows go in through the drivers themselves, see `warehouse.store.bulk`.
_REFUSALS = (IntegrityError, sqlite3.IntegrityError, psycopg.IntegrityError)


AT_ONCE = 2
"""Stretches that are derived at a time: reading one leaves a processor to the other."""
_Derivations = Generator[tuple[Stretch, Derived], None, None]


def _ahead(engine: Engine, todo: Iterable[Stretch], policy: Policy) -> _Derivations:
    """Derive stretches while the one before them is written: the two need different things of a machine."""
    with ThreadPoolExecutor(AT_ONCE, "rollups") as apart:
        coming: deque[tuple[Stretch, Future[Derived]]] = deque()
        for stretch in todo:
            coming.append((stretch, apart.submit(_derive, engine, stretch, policy)))
            if len(coming) > AT_ONCE:
                first, derived = coming.popleft()
                yield first, derived.result()
        for last, derived in coming:
            yield last, derived.result()


def _derive(engine: Engine, stretch: Stretch, policy: Policy) -> Derived:
    evidence = read(engine, stretch, policy)
    return Derived(use_hours(evidence, stretch), demand_hours(evidence, stretch))


def _write(engine: Engine, stretch: Stretch, derived: Derived, policy: Policy, proof: str) -> Derived:
    """Write what was derived of a stretch; derive it again when a session was taken away in between."""
    for is_last in (False, False, True):
        try:
            with store.writing(engine) as connection:
                stand.require(connection, proof)
                replace_rows(connection, stretch, *derived)
            break
        except _REFUSALS:
            if is_last:
                raise
            derived = _derive(engine, stretch, policy)
    return derived


def _add(done: RolledUp, derived: Derived) -> RolledUp:
    return replace(
        done,
        stretches=done.stretches + 1,
        use_hours=done.use_hours + derived.uses.height,
        demand_hours=done.demand_hours + derived.demand.height,
    )
