"""The sessions of a question and their states: read once, judged once, shared by every figure of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy import Engine

from pipelines.answers.question import Question, no_data
from pipelines.engines import engine_frames, engine_named
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.states import StateEnum, states
from warehouse.metrics.utilization import fleet_coverage, session_coverage
from warehouse.periods import INSTANT

STATED = pl.Schema(
    [
        ("session", pl.Int64()),
        ("start", INSTANT),
        ("end", INSTANT),
        ("units", pl.Int32()),
        ("state", StateEnum),
    ]
)
"""Columns of `Evidence.stated`."""


@dataclass(frozen=True)
class Evidence:
    """What the warehouse holds for a question.

    Attributes
    ----------
    stated
        What `states` gives, without what no figure needs: session, start, end, units, state.
    sessions
        What `frames.sessions` gives.
    rows
        How many of each were read.
    """

    stated: pl.LazyFrame
    sessions: pl.LazyFrame
    rows: dict[str, int]


def gather(question: Question) -> Evidence:
    """Read and judge what a question is about.

    Raises
    ------
    Problem
        The window holds no session.
    """
    window, codes = (question.start, question.end), codes_of(question)
    sessions = frames.sessions(question.engine, *window, codes).collect()
    if sessions.is_empty():
        raise no_data(question)
    judged = _judged(question, codes)
    rows = {"sessions": sessions.height, "segments": judged.height}
    return Evidence(judged.lazy(), sessions.lazy(), rows)


def gather_any(question: Question) -> Evidence:
    """Read what a question is about, as `gather`; a window without sessions is no problem, but empty."""
    try:
        return gather(question)
    except Problem:
        sessions = frames.sessions(question.engine, question.start, question.end, codes_of(question))
        if sessions.collect().height:
            raise
        stated = pl.LazyFrame(schema=STATED)
        return Evidence(stated, sessions, {"sessions": 0, "segments": 0})


def _judged(question: Question, codes: list[str] | None) -> pl.DataFrame:
    window, policy = (question.start, question.end), question.policy
    if question.compute_on:
        with engine_named(question.compute_on, question.engine, question.master) as place:
            return engine_frames(place, policy, *window, codes).judged().collect()
    segments = frames.segments(question.engine, *window, codes)
    stated = states(segments, policy, question.asked_at)
    return stated.select("session", "start", "end", "units", "state").collect()


def no_use(question: Question, evidence: Evidence) -> Problem:
    """Say why a window with sessions holds no use of the question's basis."""
    held = evidence.stated.filter(pl.col("state") == "held").head(1).collect()
    if question.basis != "run" and held.height:
        return Problem(
            f"Whether anyone was active from {question.first_day} to {question.end_day} is not known: a "
            "license server or a cluster tells what was open, not who was at work",
            "ask with basis=run, which counts what was open",
        )
    return no_data(question, f"moments of {question.basis} time")


def attention(columns: Sequence[str], *, run: str, held: str) -> list[pl.Expr]:
    """Keep what tells whether anyone was at work; null where all open time was held, which tells nothing.

    Parameters
    ----------
    columns
        Sums over a row, such as hours of active time.
    run, held
        Columns of the row's open time and of the held part of it, in the same unit.
    """
    is_seen = (pl.col(held) == 0) | ((pl.col(run) - pl.col(held)).round(9) > 0)
    return [pl.when(is_seen).then(pl.col(name)).alias(name) for name in columns]


def coverage(question: Question, evidence: Evidence) -> float | None:
    """Give the session coverage of the question's basis, 0-1; None where there is no session time."""
    try:
        return session_coverage(evidence.stated, question.basis, question.start, question.end)
    except Problem:
        return None


def fleet_share(engine: Engine, start: datetime, end: datetime) -> float | None:
    """Give the observed host-workdays / host-workdays, 0-1; None where the directory has no host-workday."""
    directory = (frames.hosts(engine), frames.offices(engine), frames.holidays(engine))
    try:
        return fleet_coverage(frames.watches(engine, start, end), *directory, start, end).share
    except Problem:
        return None


def codes_of(question: Question) -> list[str] | None:
    """List the applications that are asked for; None: all."""
    if not question.application:
        return None
    asked = (pl.col("application") == question.application) | (pl.col("product") == question.application)
    return (
        frames.applications(question.engine)
        .filter(asked.fill_null(value=False))
        .collect()["application"]
        .to_list()
    )
