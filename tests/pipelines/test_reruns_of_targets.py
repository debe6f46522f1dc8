"""Each accounting target's files, written anew a year later by somebody else: same bytes, no new batch."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from billing_warehouse import billed_hours, ms, organize
from closed_periods import close_period
from sqlalchemy import Engine

from pipelines import exporting

CLOSED = ms("2026-10-02 12:00")
YEAR_MS = 365 * 86_400_000


def _said(now_ms: int) -> Callable[[], float]:
    return lambda: now_ms / 1000


def _files(engine: Engine, target: str, folder: Path, actor: str, now_ms: int) -> dict[str, str]:
    folder.mkdir()
    out = folder / f"september{exporting.TARGETS[target].ENDING}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", _said(now_ms))
        made = exporting.export(engine, "2026-09/1", target, out, actor, now_ms)
    return {made.batch: ""} | {path.name: sha256(path.read_bytes()).hexdigest() for path in made.files}


@pytest.mark.parametrize("target", exporting.TARGETS)
def test_every_target_gets_the_same_files_a_year_later(engine: Engine, tmp_path: Path, target: str) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-09-08"])
    close_period(engine, "2026-09", CLOSED, target)
    first = _files(engine, target, tmp_path / "now", "ann", CLOSED)
    assert _files(engine, target, tmp_path / "later", "bob", CLOSED + YEAR_MS) == first
    assert len(first) > 1
