from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from manager_rig import NOON, POLICY, new_agent, rows
from sqlalchemy import Engine

from collector import protocol
from collector.manager import enrollment, policies, signing
from collector.manager.refusals import Refused
from warehouse.errors import Problem

HOUR = timedelta(hours=1)
HOUR_MS = 3_600_000


def request(token: str, host: str = "ws-1", zone: str = "Europe/London") -> protocol.EnrollmentRequest:
    return protocol.EnrollmentRequest(
        token=token, host=host, zone=zone, system="Linux", agent_version="0.1.0"
    )


def enroll(engine: Engine, asked: protocol.EnrollmentRequest, now_ms: int = NOON) -> protocol.Enrollment:
    return enrollment.enroll(engine, signing.master_key(engine.url), asked, now_ms)


def test_a_token_makes_an_agent_of_a_host(both_engines: Engine) -> None:
    policies.apply_text(both_engines, POLICY, "policy.toml", "admin", NOON)
    token = enrollment.new_token(both_engines, 1, HOUR, "admin", NOON)

    made = enroll(both_engines, request(token, "WS-1"))

    assert len(made.agent) == 32
    assert len(made.key) == 64
    assert [each.code for each in made.policy.applications] == ["cad", "gis"]
    assert rows(
        both_engines,
        "SELECT a.id, h.name, h.zone, a.version, a.system, a.enrolled_ms FROM agent a "
        "JOIN host h ON h.id = a.host_id",
    ) == [(made.agent, "ws-1", "Europe/London", "0.1.0", "Linux", NOON)]


def test_only_the_digest_of_a_token_is_stored(engine: Engine) -> None:
    token = enrollment.new_token(engine, 3, HOUR, "admin", NOON)

    [(digest, uses, expires, by)] = rows(
        engine, "SELECT digest, uses_left, expires_ms, created_by FROM enrollment_token"
    )
    assert (len(digest), uses, expires, by) == (64, 3, NOON + HOUR_MS, "admin")
    assert token not in digest


def test_a_token_is_good_for_so_many_uses(both_engines: Engine) -> None:
    token = enrollment.new_token(both_engines, 2, HOUR, "admin", NOON)
    enroll(both_engines, request(token, "ws-1"))
    enroll(both_engines, request(token, "ws-2"))

    with pytest.raises(Refused) as caught:
        enroll(both_engines, request(token, "ws-3"))

    assert caught.value.status == 403
    assert rows(both_engines, "SELECT count(*) FROM agent") == [(2,)]
    assert rows(both_engines, "SELECT count(*) FROM host") == [(2,)]


@pytest.mark.parametrize("now_ms", [NOON + HOUR_MS, NOON + 2 * HOUR_MS])
def test_a_token_expires(engine: Engine, now_ms: int) -> None:
    token = enrollment.new_token(engine, 1, HOUR, "admin", NOON)

    with pytest.raises(Refused, match="unknown, used up or expired"):
        enroll(engine, request(token), now_ms)


def test_a_token_that_nobody_made_is_refused(engine: Engine) -> None:
    with pytest.raises(Refused, match="unknown, used up or expired"):
        enroll(engine, request("guess"))


@pytest.mark.parametrize("attempt", range(3))
def test_of_many_who_enroll_at_once_with_one_use_exactly_one_wins(both_engines: Engine, attempt: int) -> None:
    token = enrollment.new_token(both_engines, 1, HOUR, "admin", NOON)
    signing.master_key(both_engines.url)
    crowd = Barrier(6)

    def rush(number: int) -> bool:
        crowd.wait(120)
        try:
            enroll(both_engines, request(token, f"ws-{number}"))
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        won = list(threads.map(rush, range(6)))

    assert won.count(True) == 1
    assert rows(both_engines, "SELECT count(*) FROM agent") == [(1,)]
    assert rows(both_engines, "SELECT uses_left FROM enrollment_token") == [(0,)]


def test_a_host_that_enrolls_again_gets_a_new_agent_and_the_old_one_stays(engine: Engine) -> None:
    first, second = new_agent(engine), new_agent(engine)

    assert first.agent != second.agent
    assert first.key != second.key
    assert rows(engine, "SELECT count(*), count(DISTINCT host_id) FROM agent") == [(2, 1)]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (request("t", " "), "host is empty"),
        (request("t", zone="London"), "zone 'London' is not an IANA time zone"),
    ],
)
def test_a_host_without_name_or_zone_does_not_use_its_token_up(
    engine: Engine, asked: protocol.EnrollmentRequest, message: str
) -> None:
    with pytest.raises(Refused, match=message) as caught:
        enroll(engine, asked)

    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("text", "length"),
    [("30m", timedelta(minutes=30)), ("24h", timedelta(days=1)), (" 7d ", timedelta(days=7))],
)
def test_a_lifetime_is_minutes_hours_or_days(text: str, length: timedelta) -> None:
    assert enrollment.lifetime(text) == length


@pytest.mark.parametrize("text", ["", "0h", "24", "1w", "-1h", "400d", "999999d", "1.5h"])
def test_any_other_lifetime_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="is no lifetime of a token; give minutes, hours or days"):
        enrollment.lifetime(text)


@pytest.mark.parametrize(
    ("uses", "expires"), [(0, HOUR), (-1, HOUR), (10**6, HOUR), (1, timedelta()), (1, timedelta(days=999))]
)
def test_a_token_needs_uses_and_a_life(engine: Engine, uses: int, expires: timedelta) -> None:
    with pytest.raises(Problem):
        enrollment.new_token(engine, uses, expires, "admin", NOON)


def test_agents_are_listed_with_pseudonyms(engine: Engine) -> None:
    agent = new_agent(engine).agent

    listed = enrollment.agents(engine)

    assert listed["agent"].to_list() == [agent]
    assert listed["host"].str.starts_with("H-").all()


def test_an_agent_is_revoked_once(both_engines: Engine) -> None:
    agent = new_agent(both_engines).agent

    enrollment.revoke(both_engines, agent, "admin", NOON + 5)

    assert rows(both_engines, "SELECT revoked_ms FROM agent") == [(NOON + 5,)]
    with pytest.raises(Problem, match="No agent in force has the id"):
        enrollment.revoke(both_engines, agent, "admin", NOON)


def test_policies_tokens_and_revocations_are_audited_without_the_token(both_engines: Engine) -> None:
    agent = new_agent(both_engines).agent
    enrollment.revoke(both_engines, agent, "boss", NOON)

    events = rows(both_engines, "SELECT actor, action, subject FROM audit_event ORDER BY id")
    assert events == [
        ("admin", "policy apply", "collection"),
        ("admin", "policy apply", "license"),
        ("admin", "policy apply", "billing"),
        ("admin", "manager token", "a new enrollment token"),
        ("boss", "manager revoke", agent),
    ]
