from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from manager_rig import NOON, batch, new_agent, presence, take
from sqlalchemy import Engine

from collector.manager.presence import counts, judged, live
from warehouse import frames
from warehouse.metrics.states import STATES, Policy, Rule

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
FIVE_SECONDS = timedelta(seconds=5)
KINDS = {
    "application": pl.String,
    "name": pl.String,
    "person": pl.String,
    "host": pl.String,
    "office": pl.String,
    "attention": pl.Enum(
        ["input", "no_input", "background", "locked", "disconnected", "suspended", "held", "unobserved"]
    ),
    **dict.fromkeys(("attention_since", "since", "started", "heard"), pl.Datetime("ms", "UTC")),
}


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


def row(attention: str, **changed: Any) -> dict[str, Any]:
    return {
        "application": "cad",
        "name": "Draftline CAD",
        "person": "P-00000001",
        "host": "H-00000001",
        "office": "LON",
        "attention": attention,
        "attention_since": ago(minutes=2),
        "since": ago(minutes=3),
        "started": ago(hours=1),
        "heard": ago(seconds=2),
        **changed,
    }


def shown(policy: Policy, *rows: dict[str, Any]) -> pl.DataFrame:
    return judged(pl.LazyFrame(list(rows), schema=KINDS), policy, NOW, FIVE_SECONDS).collect()


@pytest.mark.parametrize(
    ("presence_row", "state", "since", "provisional"),
    [
        (row("input"), "active", ago(minutes=2), False),
        (row("no_input"), "pause", ago(minutes=3), True),
        (row("background"), "pause", ago(minutes=3), True),
        (row("no_input", since=ago(minutes=15)), "idle", None, False),
        (row("no_input", since=ago(minutes=14, seconds=59)), "pause", ago(minutes=14, seconds=59), True),
        (row("locked"), "idle", None, False),
        (row("disconnected"), "idle", None, False),
        (row("suspended"), "suspended", ago(minutes=2), False),
        (row("held"), "held", ago(minutes=2), False),
        (row("unobserved"), "unknown", ago(minutes=2), False),
        (row("input", heard=ago(seconds=15)), "active", ago(minutes=2), False),
        (row("input", heard=ago(seconds=15.001)), "unknown", ago(seconds=15.001), False),
    ],
)
def test_the_license_policy_gives_a_session_its_state_now(
    presence_row: dict[str, Any], state: str, since: datetime | None, provisional: bool
) -> None:
    [found] = shown(Policy(), presence_row).rows(named=True)

    assert (found["state"], found["since"], found["provisional"]) == (state, since, provisional)


@pytest.mark.parametrize(
    ("rule", "attention", "state", "provisional"),
    [
        (Rule(signal="focus"), "no_input", "active", False),
        (Rule(signal="focus"), "background", "pause", True),
        (Rule(held_is_active=True), "held", "active", False),
        (Rule(idle_timeout_ms=180_000), "background", "idle", False),
        (Rule(signal="input+cpu", idle_timeout_ms=180_000), "background", "idle", True),
        (Rule(signal="presenting"), "locked", "idle", True),
    ],
)
def test_an_applications_own_rule_goes_first(
    rule: Rule, attention: str, state: str, provisional: bool
) -> None:
    [found] = shown(Policy(applications={"cad": rule}), row(attention)).rows(named=True)

    assert (found["state"], found["provisional"]) == (state, provisional)


def test_no_name_host_or_length_of_idleness_is_shown() -> None:
    frame = shown(Policy(), row("locked"))

    assert frame.columns == [
        "application",
        "name",
        "pseudonym",
        "office",
        "attention",
        "state",
        "since",
        "provisional",
        "stale",
        "started",
        "heard",
    ]
    assert frame.schema["state"] == pl.Enum(STATES)
    assert frame["since"].to_list() == [None]


def test_counts_add_up_by_application() -> None:
    frame = counts(
        shown(
            Policy(),
            row("input"),
            row("locked"),
            row("input", person="P-00000002"),
            row("input", person=None, heard=ago(minutes=5)),
            row("held", application="gis", name="Terralume GIS"),
        )
    )

    assert frame.select(
        "application", "sessions", "input", "locked", "held", "stale", "pseudonyms"
    ).rows() == [
        ("cad", 4, 2, 1, 0, 1, ["P-00000001", "P-00000002"]),
        ("gis", 1, 0, 0, 1, 0, ["P-00000001"]),
    ]


def test_nothing_open_is_an_empty_frame() -> None:
    assert shown(Policy()).is_empty()
    assert counts(shown(Policy())).is_empty()


def test_live_reads_what_agents_said(both_engines: Engine) -> None:
    agent = new_agent(both_engines).agent
    take(
        both_engines,
        agent,
        batch(presence=[presence(), presence("b" * 32, application="gis", attention="locked")]),
    )

    frame = live(
        both_engines, frames.policy(both_engines, "license"), datetime.fromtimestamp(NOON / 1_000, UTC)
    )

    assert frame.select("application", "state", "stale").rows() == [
        ("cad", "active", False),
        ("gis", "idle", False),
    ]
    assert frame["pseudonym"].str.starts_with("A-").all()
