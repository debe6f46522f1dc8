from __future__ import annotations

from pathlib import Path

import pytest
from reruns import closed_month, digests
from sqlalchemy import Engine

from pipelines import billing


def test_a_closed_month_is_written_the_same_a_year_later_and_on_the_other_database(
    engine: Engine, postgres_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "own"
    keys.mkdir()
    (keys / "pseudonym.key").write_bytes(b"k" * 32)
    monkeypatch.setenv("PROCESS_METER_KEYS", str(keys))
    found = set()
    for each in (engine, postgres_engine):
        run = closed_month(each)
        found |= digests(each, run, tmp_path, 2)
        assert billing.verify(each, recompute=True) == []
    assert len(found) == 1
