"""Who signed a request: keys derived from one master key, so that no agent's key is ever stored.

An agent's key is HMAC-SHA256(master key, agent id), in hexadecimal; its text as it stands signs the requests.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from sqlalchemy import URL

from collector import protocol
from collector.manager.refusals import not_signed
from warehouse.directory import keys_folder, secret_key

KEY_FILE = "manager.key"
AGENT_HEADER = "X-Process-Meter-Agent"
SENT_HEADER = "X-Process-Meter-Sent"
SIGNATURE_HEADER = "X-Process-Meter-Signature"


def master_key(warehouse: URL) -> bytes:
    """Return the manager's master key from the keys folder of a warehouse, drawing it at first use.

    Raises
    ------
    Problem
        The file cannot be read or written, or is damaged.
    """
    return secret_key(keys_folder(warehouse), KEY_FILE)


def agent_key(master: bytes, agent: str) -> str:
    """Return the key that an agent signs with."""
    return hmac.new(master, agent.encode(), hashlib.sha256).hexdigest()


def signature(key: str, method: str, path: str, sent_ms: int, body: bytes) -> str:
    """Return the signature of a request, as its header carries it."""
    text = protocol.signing_text(method, path, sent_ms, hashlib.sha256(body).hexdigest())
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()


def signer(master: bytes, headers: Mapping[str, str], method: str, path: str, body: bytes) -> str:
    """Return the id of the agent that signed a request; whether it is still in force is another question.

    A wrong clock is no reason to refuse: what is sent twice is stored once.

    Raises
    ------
    Refused
        401: a header is missing, or the signature is wrong.
    """
    agent, sent, given = (headers.get(name, "") for name in (AGENT_HEADER, SENT_HEADER, SIGNATURE_HEADER))
    if not (agent and sent.isascii() and sent.isdigit() and len(sent) <= 19):
        raise not_signed()
    right = signature(agent_key(master, agent), method, path, int(sent), body)
    if not hmac.compare_digest(right.encode(), given.encode("utf-8", "replace")):
        raise not_signed()
    return agent
