"""The collection policy: read strictly, kept as a last good copy."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from collector.agent.errors import AgentProblem
from collector.agent.policy import NO_POLICY, decode_policy, load_policy, store_policy
from collector.protocol import CollectionPolicy, MonitoredApplication, Signature

POLICY = CollectionPolicy(
    version=3,
    applications=(
        MonitoredApplication(
            code="cad",
            name="CAD",
            billed=True,
            prompt=True,
            signatures=(Signature(executable="cad*", arguments="*-x*"), Signature(executable="/opt/cad")),
        ),
    ),
)


def document() -> dict[str, Any]:
    return dict(json.loads(json.dumps(asdict(POLICY))))


def test_a_policy_is_read_as_it_was_sent() -> None:
    assert decode_policy(document()) == POLICY


def test_unknown_fields_of_a_newer_manager_are_passed_over() -> None:
    assert decode_policy({**document(), "colour": "blue"}) == POLICY


def test_timings_have_defaults() -> None:
    assert decode_policy({"version": 3, "applications": document()["applications"]}) == POLICY


def test_the_poll_is_at_most_half_the_gap_floor() -> None:
    assert decode_policy({**document(), "gap_floor_ms": 1_000, "poll_ms": 1_000}).poll_ms == 500


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"version": "3"}, "version"),
        ({"version": True}, "version"),
        ({"gap_floor_ms": 0}, "gap_floor_ms"),
        ({"poll_ms": 1.5}, "poll_ms"),
        ({"applications": None}, "applications"),
        ({"applications": [{"code": "a", "name": "A", "signatures": []}]}, "applications #1 signatures"),
        ({"applications": [{"name": "A", "signatures": [{"executable": "a"}]}]}, "applications #1 code"),
        ({"applications": [{"code": "a", "name": "A", "signatures": [{"executable": 7}]}]}, "executable"),
        ({"applications": ["cad"]}, "applications #1"),
    ],
)
def test_a_bad_policy_is_refused_and_the_place_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(AgentProblem, match=named):
        decode_policy({**document(), **change})


def test_no_object_is_no_policy() -> None:
    with pytest.raises(AgentProblem, match="not an object"):
        decode_policy([])


def test_the_last_good_copy_comes_back(tmp_path: Path) -> None:
    store_policy(tmp_path / "policy.json", POLICY)
    assert load_policy(tmp_path / "policy.json") == POLICY
    assert (tmp_path / "policy.json").stat().st_mode & 0o777 == 0o600


def test_without_a_good_copy_nothing_is_metered(tmp_path: Path) -> None:
    assert load_policy(tmp_path / "policy.json") == NO_POLICY
    (tmp_path / "policy.json").write_text("{")
    assert load_policy(tmp_path / "policy.json") == NO_POLICY
