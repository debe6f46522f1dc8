"""The spool: records in order, state with them, kills, full disks, damage."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from collector.agent.errors import AgentProblem, SpoolFull
from collector.agent.spool import BALLAST_BYTES, Spool, SpoolReader
from collector.protocol import ProjectRecord, WatchRecord


def watch(start_ms: int) -> WatchRecord:
    return WatchRecord(
        start_ms=start_ms, end_ms=start_ms + 1, sees_focus=True, sees_input=True, sees_lock=False
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.sqlite"


def starts(spool: Spool) -> list[tuple[int, int]]:
    return [(row.sequence, json.loads(row.body)["start_ms"]) for row in spool.peek(100, 10**6)]


def test_records_are_numbered_in_order_and_forgotten_when_acknowledged(path: Path) -> None:
    with Spool(path) as spool:
        spool.commit([watch(7), watch(8)], {})
        spool.commit([watch(9)], {})
        assert starts(spool) == [(1, 7), (2, 8), (3, 9)]
        spool.acknowledge(2)
        assert starts(spool) == [(3, 9)]
        assert (spool.backlog(), spool.last_sequence()) == (1, 3)


def test_what_the_protocol_got_later_is_not_written_while_it_says_nothing(path: Path) -> None:
    entry = ProjectRecord(session="0" * 32, from_ms=1, project="0042", author="ana", reason="set")
    with Spool(path) as spool:
        spool.commit([entry, replace(entry, fields={"order": "7"})], {})
        bodies = [json.loads(row.body) for row in spool.peek(9, 10**6)]
    assert [body.get("fields", "absent") for body in bodies] == ["absent", {"order": "7"}]
    assert {"instance", "to_ms", "phase", "task"} <= bodies[0].keys()


def test_numbers_go_on_after_everything_was_acknowledged_and_the_file_opened_again(path: Path) -> None:
    with Spool(path) as spool:
        epoch = spool.epoch
        spool.commit([watch(7)], {})
        spool.acknowledge(1)
    with Spool(path) as spool:
        spool.commit([watch(8)], {})
        assert starts(spool) == [(2, 8)]
        assert spool.epoch == epoch
        assert len(epoch) == 32


def test_the_state_comes_back(path: Path) -> None:
    with Spool(path) as spool:
        assert spool.state() is None
        spool.commit([], {"a": [1, None]})
    with Spool(path) as spool:
        assert spool.state() == {"a": [1, None]}


def test_a_batch_is_bounded_by_count_and_by_size(path: Path) -> None:
    with Spool(path) as spool:
        spool.commit([watch(number) for number in range(10)], {})
        assert len(spool.peek(4, 10**6)) == 4
        size = len(spool.peek(1, 1)[0].body)
        assert len(spool.peek(10, 3 * size)) == 3
        assert len(spool.peek(10, 1)) == 1, "at least one, or it would never go"


def test_a_refused_record_is_set_aside_and_the_others_begin_a_new_epoch(path: Path) -> None:
    with Spool(path) as spool:
        epoch = spool.epoch
        spool.commit([watch(7), watch(8)], {})
        spool.refuse(1, "no such thing")
        assert starts(spool) == [(1, 8)]
        assert spool.epoch != epoch
        reader = SpoolReader(path)
        assert reader.counts() == (1, 1)
        assert [(row["start_ms"], reason) for _, row, reason in reader.records()] == [
            (8, ""),
            (7, "no such thing"),
        ]
        reader.close()


def test_a_full_disk_loses_nothing_and_the_ballast_makes_room(path: Path) -> None:
    with Spool(path) as spool:
        spool.commit([watch(1)], {"step": 1})
        assert path.with_name("ballast").stat().st_size == BALLAST_BYTES
        (pages,) = spool._connection.execute("PRAGMA page_count").fetchone()
        spool._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(SpoolFull, match="make room"):
            spool.commit([watch(number) for number in range(1000)], {"step": 2})
        assert not path.with_name("ballast").exists()
        assert starts(spool) == [(1, 1)]
        assert spool.state() == {"step": 1}
        spool._connection.execute("PRAGMA max_page_count = 100000")
        spool.commit([watch(2)], {"step": 3})
        spool.acknowledge(1)
        assert starts(spool) == [(2, 2)]
        assert path.with_name("ballast").exists(), "made again once room was made"


def test_a_file_size_limit_counts_as_a_full_disk(path: Path) -> None:
    script = f"""
import resource, signal
from pathlib import Path
from collector.agent.errors import SpoolFull
from collector.agent.spool import Spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Spool(Path({str(path)!r})) as spool:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    try:
        spool.commit([], {{"text": "x" * 200_000}})
    except SpoolFull:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        spool.commit([], {{"text": "y"}})
        print(spool.state())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "{'text': 'y'}", done.stderr


def test_a_damaged_spool_is_set_aside_and_a_new_epoch_begins(path: Path) -> None:
    path.write_bytes(b"this is no database, but long enough to be looked at" * 20)
    with Spool(path) as spool:
        assert spool.set_aside is not None
        assert spool.set_aside.read_bytes().startswith(b"this is no database")
        spool.commit([watch(1)], {})
        assert starts(spool) == [(1, 1)]


def test_a_folder_that_cannot_be_written_is_one_clear_problem(tmp_path: Path) -> None:
    with pytest.raises(AgentProblem, match="spool cannot be opened"):
        Spool(tmp_path / "absent" / "spool.sqlite")


def test_a_reader_needs_a_spool(path: Path) -> None:
    with pytest.raises(AgentProblem, match="there is no spool yet"):
        SpoolReader(path)


def test_after_a_kill_at_any_moment_records_and_state_agree(path: Path) -> None:
    """A child commits record n together with state n, until it is killed: both are there, or neither."""
    script = f"""
from pathlib import Path
from collector.agent.spool import Spool
from collector.protocol import WatchRecord
spool = Spool(Path({str(path)!r}))
number = (spool.state() or {{"n": 0}})["n"]
while True:
    number += 1
    record = WatchRecord(start_ms=number, end_ms=number + 1, sees_focus=True, sees_input=True, sees_lock=True)
    spool.commit([record], {{"n": number}})
    print(number, flush=True)
"""
    for _ in range(5):
        child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        assert child.stdout
        for _ in range(3):
            child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    connection = sqlite3.connect(path)
    (state,) = connection.execute("SELECT value FROM kept WHERE name = 'state'").fetchone()
    rows = [json.loads(body)["start_ms"] for (body,) in connection.execute("SELECT body FROM record")]
    connection.close()
    assert rows == list(range(1, json.loads(state)["n"] + 1))
