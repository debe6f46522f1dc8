"""A closed month written out twenty times, a year later each time, on both databases: the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from reruns import closed_month, count_from, digests
from sqlalchemy import Engine

TIMES = 20


def test_workbook_and_import_file_are_the_same_twenty_times(
    engine: Engine, postgres_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "own"
    keys.mkdir()
    (keys / "pseudonym.key").write_bytes(b"k" * 32)
    monkeypatch.setenv("PROCESS_METER_KEYS", str(keys))
    count_from(postgres_engine, 1_000)
    found = set()
    for each in (engine, postgres_engine):
        found |= digests(each, closed_month(each), tmp_path, TIMES)
    assert len(found) == 1
