"""Machines without an agent, and agents that need looking after."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.errors import Problem
from warehouse.frames.evidence import AGENTS
from warehouse.frames.organization import HOSTS
from warehouse.metrics.fleet import FINDINGS, USUAL, Limits, agent_findings, older_than

NOW = datetime(2026, 10, 12, 8, tzinfo=UTC)
DAY = date(2026, 10, 12)


def agent(name: str, host: str = "", **facts: Any) -> dict[str, Any]:
    fixed = {"version": "0.2.0", "enrolled": datetime(2026, 1, 1, tzinfo=UTC), "revoked": None}
    said = {"last_heard": NOW, "clock_offset_ms": 0, "backlog": 0}
    return {"agent": name, "host": host or f"H-{name}"} | fixed | said | facts


def host(name: str, **facts: Any) -> dict[str, Any]:
    fixed = {"host_id": 1, "kind": "laptop", "office": "HQ", "zone": "UTC", "in_directory": True}
    return {"host": name} | fixed | {"valid_from": date(2026, 1, 1), "valid_to": None} | facts


def found(
    agents: list[dict[str, Any]], hosts: list[dict[str, Any]], limits: Limits = USUAL
) -> list[tuple[Any, ...]]:
    frames = pl.LazyFrame(agents, schema=AGENTS), pl.LazyFrame(hosts, schema=HOSTS)
    return agent_findings(*frames, NOW, DAY, limits).select("agent", "host", "findings").collect().rows()


def test_each_finding_is_made_from_its_limit_on_and_the_gravest_stands_first() -> None:
    ago = timedelta(days=4, milliseconds=1)
    agents = [
        agent("fine", last_heard=NOW - timedelta(days=4), backlog=1000, clock_offset_ms=-60_000),
        agent("out"),
        agent("old", version="0.1.9"),
        agent("full", backlog=1001),
        agent("fast", clock_offset_ms=-60_001),
        agent("quiet", last_heard=NOW - ago, version="0.1.9"),
        agent("new", last_heard=None),
        agent("gone", revoked=NOW, last_heard=None, backlog=5000),
    ]
    hosts = [host(f"H-{each['agent']}") for each in agents if each["agent"] != "out"] + [host("H-bare")]
    assert found(agents, hosts) == [
        (None, "H-bare", ["no agent"]),
        (None, "H-gone", ["no agent"]),
        ("new", "H-new", ["never heard"]),
        ("quiet", "H-quiet", ["silent", "old version"]),
        ("fast", "H-fast", ["clock is off"]),
        ("full", "H-full", ["backlog"]),
        ("old", "H-old", ["old version"]),
        ("out", "H-out", ["not in the directory"]),
        ("fine", "H-fine", []),
        ("gone", "H-gone", ["revoked"]),
    ]


def test_a_machine_that_has_left_or_has_a_second_agent_lacks_none() -> None:
    hosts = [
        host("H-1"),
        host("H-2", valid_to=DAY),
        host("H-3", valid_from=DAY + timedelta(days=1)),
        host("H-4", in_directory=False),
    ]
    agents = [agent("a", "H-1"), agent("b", "H-1", revoked=NOW)]
    assert found(agents, hosts) == [("a", "H-1", []), ("b", "H-1", ["revoked"])]


def test_limits_are_the_asker_s() -> None:
    limits = Limits(silent_days=0.5, backlog=0, clock_seconds=0, version="0.3")
    facts: dict[str, Any] = {"last_heard": NOW - timedelta(days=1), "backlog": 1, "clock_offset_ms": 1}
    assert found([agent("a", **facts)], [host("H-a")], limits) == [
        ("a", "H-a", ["silent", "clock is off", "backlog", "old version"])
    ]
    with pytest.raises(Problem, match="a limit for agents is below zero"):
        Limits(backlog=-1)


def test_no_agent_and_no_machine_is_nothing() -> None:
    assert found([], []) == []


@pytest.mark.parametrize(
    ("version", "versions", "old"),
    [
        ("", ["0.9.1", "0.10", "0.9.1"], ["0.9.1"]),
        ("", ["0.1.0", "0.1"], []),
        ("0.1.1", ["0.1.0", "0.1.1rc1", "0.2"], ["0.1.0"]),
        ("1", ["", "dev"], ["", "dev"]),
        ("1", [], []),
    ],
)
def test_versions_are_compared_as_numbers(version: str, versions: list[str], old: list[str]) -> None:
    assert sorted(older_than(version, versions)) == old


numbers = st.lists(st.integers(0, 30), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))


@given(st.lists(numbers, min_size=1), st.lists(st.sampled_from(["H-1", "H-2", "H-3"]), max_size=5))
def test_every_machine_of_the_directory_and_every_enrollment_is_accounted_for(
    versions: list[str], with_agents: list[str]
) -> None:
    agents = [
        agent(str(place), name, version=versions[place % len(versions)])
        for place, name in enumerate(with_agents)
    ]
    rows = found(agents, [host(name) for name in ("H-1", "H-2", "H-3")])
    assert {row[1] for row in rows} == {"H-1", "H-2", "H-3"}
    assert len(rows) == len(with_agents) + 3 - len(set(with_agents))
    assert all(FINDINGS.index(finding) >= 0 for row in rows for finding in row[2])
    if with_agents:
        assert any("old version" not in row[2] for row in rows if row[0]), "the newest is never old"
