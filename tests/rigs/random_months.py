"""Months as nobody would work them: sessions on top of each other, entries at random, prices with every term.

The organization is that of `month_on_paper`; what is random is drawn from one seed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import month_on_paper as paper
import polars as pl
from billing_cases import session
from billing_warehouse import ms
from sqlalchemy import Engine

from warehouse import store
from warehouse.schema import ATTENTIONS

Row = dict[str, Any]

DAYS = [
    datetime(2026, 9, 30, tzinfo=UTC),
    *(datetime(2026, 10, day, tzinfo=UTC) for day in (1, 7, 14, 18, 24, 25, 31)),
]
"""Edges of the month, of prices, of a project, of a home office, of summer time; and the day before each."""

CODES = [
    ("A", None, None), ("B", None, None), ("B", "01", None), ("B", "01", "X"), ("B", "02", None),
    ("C", None, None), ("LEAVE", None, None), ("U", None, None), ("P", None, None), ("20", None, None),
    ("B", "99", None), ("NOPE", None, None), ("B", None, "X"),
]  # fmt: skip
LATE, TOO_LATE = ms("2026-11-03 08:00"), ms("2026-11-10 00:00")
"""After the cut-off of October: when a laptop delivers, and when somebody corrects a project."""

MINUTE = 60_000


def fill(engine: Engine, seed: int, sessions: int = 40) -> None:
    """Write the organization, random prices, and a random month."""
    draw = Random(seed)
    tables = dict((*paper.organization(), *paper.prices(list(_rates(draw)))))
    stories = [_story(draw, number) for number in range(1, sessions + 1)]
    entries = [entry for story in stories for entry in _entries(draw, story)]
    draw.shuffle(entries)
    tables["session"] = [_session(draw, story) for story in stories]
    tables["segment"] = [row for story in stories for row in story["segments"]]
    tables["project_entry"] = [{"id": number, **entry} for number, entry in enumerate(entries, 1)]
    for table, rows in tables.items():
        store.append(engine, table, pl.DataFrame(rows, infer_schema_length=None))


# --- Prices ------------------------------------------------------------------------------------------------


def _rates(draw: Random) -> Iterator[Row]:
    """Keep the scopes and days of the prices on paper, and draw all else."""
    for rate in paper.RATES:
        level = draw.choice(["line", "session", "month"])
        drawn = {
            "increment_ms": draw.choice([0, 0, 7_000, MINUTE, 6 * MINUTE, 15 * MINUTE]),
            "direction": draw.choice(["up", "down", "nearest"]),
            "level": level,
            "minimum_ms": draw.choice([0, 0, 123_456, 15 * MINUTE]),
            "rate_scaled": draw.choice([rate["rate_scaled"], draw.randrange(2_000_000)]),
            "daily_cap_minor": draw.choice([None, draw.randrange(20_000)]),
            "monthly_cap_minor": draw.choice([None, draw.randrange(50_000)]),
            "free_ms": 0, "tier_kind": None, "tiers": "[]",
        }  # fmt: skip
        yield {**rate, **drawn, **(_tiers(draw) if level != "month" else {})}


def _tiers(draw: Random) -> Row:
    """Draw an allowance and tiers."""
    kind = draw.choice([None, "graduated", "volume"])
    first = draw.randrange(1, 20) * 6 * MINUTE
    edges = [first, first + draw.randrange(1, 20) * 6 * MINUTE]
    tiers = [[edge, draw.randrange(1, 900_000)] for edge in edges]
    return {
        "free_ms": draw.choice([0, 0, 777_600, 30 * MINUTE]),
        "tier_kind": kind,
        "tiers": json.dumps(tiers if kind else []),
    }


# --- Evidence ----------------------------------------------------------------------------------------------


def _story(draw: Random, number: int) -> Row:
    """Draw a session: of whom, where, and its segments."""
    at, stretches = draw.choice(DAYS) + _moment(draw), []
    for _ in range(draw.randrange(1, 9)):
        until = at + timedelta(milliseconds=_length_ms(draw))
        letter = paper.LETTERS[draw.choice("iiiiigggblsdhu")]
        stretches.append((f"{at:%Y-%m-%d %H:%M:%S.%f}", f"{until:%Y-%m-%d %H:%M:%S.%f}", letter))
        at = until
    application = draw.choice(list(paper.APPLICATIONS))
    _, segments = session(number, *stretches, application=application)
    has_instances = draw.random() < 0.3
    received = ms(segments[-1]["end"]) if draw.random() < 0.85 else LATE
    return {
        "number": number, "account": draw.choice(list(paper.ACCOUNTS)), "application": application,
        "machine": draw.choice(list(paper.MACHINES)), "has_instances": has_instances, "received": received,
        "segments": [_segment(each, received, draw.choice([1, 2, None]) if has_instances else None)
                     for each in segments],
    }  # fmt: skip


def _moment(draw: Random) -> timedelta:
    """Draw when a session begins: anywhere, on a second, or on a quarter of an hour."""
    return timedelta(
        milliseconds=draw.choice(
            [draw.randrange(86_400_000), draw.randrange(30 * 3_600) * 1_000, draw.randrange(100) * 900_000]
        )
    )


def _length_ms(draw: Random) -> int:
    """Draw how long a stretch is: at and beside the timeout, and anything else."""
    whole, any_ms = draw.randrange(1, 40) * MINUTE, draw.randrange(1, 3_000_000)
    return draw.choice([whole, 5 * MINUTE, 5 * MINUTE - 1, MINUTE, any_ms])


def _segment(segment: Row, received: int, instance: int | None) -> Row:
    return {
        "session_id": segment["session"], "start_ms": ms(segment["start"]), "end_ms": ms(segment["end"]),
        "attention": ATTENTIONS.index(segment["attention"]), "cpu_percent": 0.0, "instance": instance,
        "since_ms": ms(segment["since"]), "policy_version": 1, "received_ms": received,
    }  # fmt: skip


def _session(draw: Random, story: Row) -> Row:
    return {
        "id": story["number"], "key": f"random-{story['number']}", "source": "agent",
        "application_id": paper.APPLICATIONS[story["application"]],
        "account_id": paper.ACCOUNTS[story["account"]], "host_id": paper.MACHINES[story["machine"]],
        "logon_session": "1", "zone": draw.choice(list(paper.ZONES.values())),
        "started_ms": story["segments"][0]["start_ms"], "ended_ms": story["segments"][-1]["end_ms"],
        "received_ms": story["received"],
    }  # fmt: skip


def _entries(draw: Random, story: Row) -> Iterator[Row]:
    """Draw what somebody said of a session: nothing, once at its start, or again and again."""
    first, last = story["segments"][0]["start_ms"], story["segments"][-1]["end_ms"]
    for place in range(draw.choice([0, 1, 1, 1, 2, 3])):
        start = draw.randrange(first, last) if place else first
        project, phase, task = draw.choice(CODES)
        instance = draw.choice([None, 1, 2]) if story["has_instances"] else None
        yield {
            "session_id": story["number"], "instance": instance, "from_ms": start,
            "to_ms": draw.choice([None, None, start + draw.randrange(1, 7_200_000)]),
            "project_number": project, "phase_number": phase, "task_number": task, "author": "ada",
            "reason": "drawn", "created_ms": draw.choice([start, start, TOO_LATE]),
        }  # fmt: skip
