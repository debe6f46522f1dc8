from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from collector.manager import signing
from collector.manager.refusals import Refused
from warehouse.directory import keys_folder

MASTER = bytes(range(32))
BODY = b'{"a": 1}'


def headers(**changed: str) -> dict[str, str]:
    key = signing.agent_key(MASTER, "agent-1")
    return {
        "X-Process-Meter-Agent": "agent-1",
        "X-Process-Meter-Sent": "1000",
        "X-Process-Meter-Signature": signing.signature(key, "POST", "/v1/batches", 1_000, BODY),
        **{f"X-Process-Meter-{name}": value for name, value in changed.items()},
    }


def test_keys_and_signatures_are_these() -> None:
    key = signing.agent_key(MASTER, "agent-1")

    # The same as: printf agent-1 | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102...1f
    assert key == "10e04a8677ee737c8da194b32fa2e880e0638075e9002397a65e556f9390e8b4"
    assert signing.signature(key, "GET", "/v1/policy", 1_000, b"") == (
        "b58aacb487c8f741194a6d50dc1e3c38fd4eeb7dc1d6fea2e01b341362ab3653"
    )


def test_the_signer_of_a_request_is_found() -> None:
    assert signing.signer(MASTER, headers(), "POST", "/v1/batches", BODY) == "agent-1"


@pytest.mark.parametrize(
    "changed",
    [
        {"Agent": "agent-2"},
        {"Agent": ""},
        {"Sent": "1001"},
        {"Sent": ""},
        {"Sent": "-1000"},
        {"Sent": "1000 "},
        {"Sent": "9" * 5_000},
        {"Sent": "\u0661"},
        {"Signature": ""},
        {"Signature": "0" * 64},
        {"Signature": "\u00e4"},
    ],
)
def test_changed_headers_are_refused(changed: dict[str, str]) -> None:
    with pytest.raises(Refused) as caught:
        signing.signer(MASTER, headers(**changed), "POST", "/v1/batches", BODY)

    assert caught.value.status == 401


@given(
    body=st.binary(),
    method=st.sampled_from(["GET", "POST"]),
    path=st.sampled_from(["/v1/batches", "/v1/live"]),
)
def test_a_signature_is_good_for_one_request_alone(body: bytes, method: str, path: str) -> None:
    if (body, method, path) == (BODY, "POST", "/v1/batches"):
        return
    with pytest.raises(Refused):
        signing.signer(MASTER, headers(), method, path, body)


def test_the_master_key_is_drawn_once_and_kept_private(engine: Engine) -> None:
    key = signing.master_key(engine.url)

    path = keys_folder(engine.url) / "manager.key"
    assert signing.master_key(engine.url) == key == path.read_bytes()
    assert len(key) == 32
    assert os.name != "posix" or path.stat().st_mode & 0o777 == 0o600
