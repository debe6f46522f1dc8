from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pipelines.whole_file import whole_file
from warehouse.errors import Problem


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with whole_file(path) as draft:
        draft.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(ValueError, match="stop"):
        _fail_half_way(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def _fail_half_way(path: Path) -> None:
    with whole_file(path) as draft:
        draft.write_text("half")
        raise ValueError("stop")


def test_a_folder_or_an_absent_one_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="is a folder; name a file"), whole_file(tmp_path):
        pass
    with pytest.raises(Problem, match=r"absent/x cannot be written"), whole_file(tmp_path / "absent" / "x"):
        pass


def test_the_draft_of_a_killed_process_is_removed_and_that_of_one_at_work_is_not(tmp_path: Path) -> None:
    path, old = tmp_path / "out[1].csv", time.time() - 3_700
    dead, alive, other = (
        tmp_path / name for name in (".out[1].csv.a1.draft", ".out[1].csv.b2.draft", ".out1.csv.c3.draft")
    )
    for draft in (dead, alive, other):
        draft.write_text("half")
    for draft in (dead, other):
        os.utime(draft, (old, old))
    with whole_file(path) as draft:
        draft.write_text("whole")
    assert sorted(tmp_path.iterdir()) == sorted([path, alive, other])
