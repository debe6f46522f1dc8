"""Draft, close and export, killed at 50 random moments each: done again, they lead to what calm ones do.

To the chain's head and to the bytes of workbook and import file, on both databases.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from random import Random

import killed_acts
import pytest
from closed_periods import close_period
from killed_acts import copied

from pipelines.sample.load import load
from pipelines.sample.plan import HOUR_MS, Plan, instant_ms
from pipelines.whole_file import DEAD_AFTER_S
from warehouse.store import open_warehouse

KILLS = 50
PLAN = Plan(today=date(2026, 11, 24), people=14, months=2, earlier_months=0)


@pytest.fixture
def own_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One key of the pseudonyms for all copies: it is kept apart from the warehouse."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "pseudonym.key").write_bytes(b"k" * 32)
    monkeypatch.setenv("PROCESS_METER_KEYS", str(tmp_path / "keys"))


@pytest.fixture(params=["draft", "close", "export"])
def prepared(request: pytest.FixtureRequest, own_keys: None, both_urls: str) -> str:
    """Name of an act, on a warehouse in which it can begin: September is closed."""
    engine = open_warehouse(both_urls)
    load(engine, PLAN)
    close_period(engine, "2026-09", instant_ms(date(2026, 10, 1)) + 8 * HOUR_MS)
    killed_acts.prepare(request.param, engine)
    engine.dispose()
    return str(request.param)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    """A new folder for every copy."""
    return (_made(tmp_path / f"copy-{number}") for number in itertools.count())


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.timeout(3_600)
def test_an_act_that_was_killed_is_done_again_as_if_nothing_had_been(
    prepared: str, both_urls: str, folders: Iterator[Path], tmp_path: Path
) -> None:
    takes, expected = _undisturbed(prepared, both_urls, folders, tmp_path)
    moments, cut = Random(20261129), 0
    for folder in itertools.islice(folders, KILLS):
        with copied(both_urls, tmp_path) as url:
            cut += _killed(prepared, url, folder, moments.uniform(0, takes))
            left = _done_again(prepared, url, folder)
        assert left == expected[left["drafts"]]
    assert cut > KILLS // 4  # the others were done: the machine was busier before


def _undisturbed(
    act: str, warehouse: str, folders: Iterator[Path], copies: Path
) -> tuple[float, dict[object, dict[str, object]]]:
    """Return how long an act takes in a process of its own, and what it leads to, by the number of drafts.

    A draft may be killed once it is written: done again, it is a second one, of which the audit log tells.
    All but that log is as after one.
    """
    takes, once = _left(act, warehouse, next(folders), copies, again=False)
    if act != "draft":
        return takes, {once["drafts"]: once}
    _, twice = _left(act, warehouse, next(folders), copies, again=True)
    assert (once["drafts"], twice["drafts"]) == (1, 2)
    assert _but_for_the_log(twice) == _but_for_the_log(once)
    return takes, {1: once, 2: twice}


def _left(
    act: str, warehouse: str, folder: Path, copies: Path, *, again: bool
) -> tuple[float, dict[str, object]]:
    with copied(warehouse, copies) as url:
        takes = float(killed_acts.end(killed_acts.start(act, url, folder)))
        engine = open_warehouse(url)
        if again:
            killed_acts.again(act, engine, folder)
        left = killed_acts.left(act, engine, folder)
        engine.dispose()
    return takes, left


def _but_for_the_log(left: dict[str, object]) -> dict[str, object]:
    files = left["files"]
    assert isinstance(files, dict)
    table, workbook = killed_acts.FILES
    assert sorted(files) == [table, workbook]
    return {name: value for name, value in left.items() if name not in ("drafts", "files")} | {
        table: files[table]
    }


def _killed(act: str, url: str, folder: Path, after_s: float) -> bool:
    """Kill an act on its way; return whether it was."""
    child = killed_acts.start(act, url, folder)
    time.sleep(after_s)
    child.kill()
    was_cut = not killed_acts.end(child)
    whole = [path for path in folder.iterdir() if not path.name.startswith(".")]
    assert all(path.stat().st_size for path in whole)
    return was_cut


def _done_again(act: str, url: str, folder: Path) -> dict[str, object]:
    """Return what the act leaves when it is done once more, long after the kill."""
    for draft in folder.iterdir():
        os.utime(draft, (0, time.time() - DEAD_AFTER_S - 1))
    engine = open_warehouse(url)
    began = time.monotonic()
    killed_acts.again(act, engine, folder)
    assert time.monotonic() - began < 60  # no lock is waited for
    left = killed_acts.left(act, engine, folder)
    engine.dispose()
    return left
