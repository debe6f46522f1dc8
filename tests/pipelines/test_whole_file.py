from __future__ import annotations

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
