from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from sqlalchemy import Engine

from apps import live
from apps.live import Now

AT = datetime(2026, 10, 5, 12, 0, tzinfo=UTC)
INSTANT = pl.Datetime("ms", "UTC")
SESSIONS = {
    "application": pl.String,
    "name": pl.String,
    "pseudonym": pl.String,
    "office": pl.String,
    "state": pl.Enum(["active", "pause", "idle", "suspended", "held", "unknown"]),
    "since": INSTANT,
    "started": INSTANT,
}
AGENTS = {
    "agent": pl.String,
    "version": pl.String,
    "revoked": INSTANT,
    "last_heard": INSTANT,
    "backlog": pl.Int64,
}


def _now(sessions: list[tuple[object, ...]], agents: list[tuple[object, ...]]) -> Now:
    return Now(
        at=AT,
        zone="Europe/Berlin",
        sessions=pl.DataFrame(sessions, schema=SESSIONS, orient="row"),
        agents=pl.DataFrame(agents, schema=AGENTS, orient="row"),
    )


def _minutes_ago(minutes: int) -> datetime:
    return AT - timedelta(minutes=minutes)


HEARD = ("agent-1", "0.1.0", None, _minutes_ago(0), 0)
THREE = [
    ("cad", "CAD", "P-00000001", "BER", "active", _minutes_ago(5), _minutes_ago(60)),
    ("cad", "CAD", "P-00000002", "BER", "idle", None, _minutes_ago(180)),
    ("solver", "Solver <9>", "P-00000003", None, "held", _minutes_ago(1), _minutes_ago(1)),
]


def test_sessions_are_counted_by_application_and_state() -> None:
    counted = live.by_application(_now(THREE, [HEARD]).sessions)
    assert counted.select("name", "open", "active", "idle", "held", "unknown").rows() == [
        ("CAD", 2, 1, 1, 0, 0),
        ("Solver <9>", 1, 0, 0, 1, 0),
    ]


def test_who_is_listed_under_pseudonyms_in_local_time_and_nobody_s_idle_time() -> None:
    assert live.listed(_now(THREE, [HEARD])).rows() == [
        ("CAD", "P-00000001", "active", "13:55:00", "2026-10-05 13:00", "BER"),
        ("CAD", "P-00000002", "idle", None, "2026-10-05 11:00", "BER"),
        ("Solver <9>", "P-00000003", "held", "13:59:00", "2026-10-05 13:59", None),
    ]


def test_the_screen_shows_counts_list_and_that_all_agents_are_heard_from() -> None:
    html = live.screen(_now(THREE, [HEARD]))
    assert "<div><dt>At work</dt><dd>1<small>0 in a short pause</small></dd></div>" in html
    assert '<span class="dot idle">idle</span>' in html
    assert "Solver &lt;9&gt;" in html
    assert "All 1 agents are being heard from." in html


def test_an_agent_that_fell_silent_is_named_with_when_it_was_last_heard() -> None:
    agents = [
        HEARD,
        ("agent-2", "0.1.0", None, _minutes_ago(10), 7),
        ("agent-3", "0.1.0", None, None, 0),
        ("agent-4", "0.1.0", _minutes_ago(60), _minutes_ago(600), 0),
    ]
    html = live.silent_agents(_now(THREE, agents))
    assert "2 of 3 agents have not been heard from" in html
    assert html.index("never") < html.index("2026-10-05 13:50")
    assert "agent-4" not in html


def test_without_agents_the_screen_says_how_to_enroll_one() -> None:
    html = live.screen(_now([], []))
    assert "No agent is enrolled yet" in html
    assert "<code>process-meter manager token new</code>" in html


def test_with_agents_and_nothing_open_the_screen_says_so() -> None:
    html = live.screen(_now([], [HEARD]))
    assert "No metered application is open right now" in html


def test_the_title_carries_the_moment_in_local_time() -> None:
    html = live.clock(_now(THREE, [HEARD]))
    assert 'at 14:00:00 on <span class="c">2026-10-05</span> (Europe/Berlin)' in html
    assert f'data-live="{int(AT.timestamp())}"' in html


def test_agents_may_report_before_the_organization_has_a_name(engine: Engine) -> None:
    now = live.read(engine, AT)
    assert (now.zone, now.sessions.height) == ("UTC", 0)
    assert "No agent is enrolled yet" in live.screen(now)
