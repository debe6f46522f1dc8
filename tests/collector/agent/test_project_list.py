"""The list of open projects on the host: taken in whole or not at all, and read as it came."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listed_projects import BRIDGE, LEAVE, MALL, ORDER, TOWER, gzipped, lines, project_list

from collector.agent import project_list as module
from collector.agent.errors import AgentProblem
from collector.agent.project_list import inflated, load, store, version
from collector.protocol import FieldRule, ListedPhase, ListedProject


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "projects.jsonl.gz"


def test_a_list_is_kept_in_a_private_file_and_read_by_number(path: Path) -> None:
    store(path, [project_list(TOWER, BRIDGE, LEAVE, rules=[ORDER], version="v7")])

    known = load(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert version(path) == "v7"
    assert [(each.number, each.name, each.payer, each.chargeable) for each in known.projects] == [
        ("0815", "Harbor Bridge", "Port Authority", True),
        ("4712", "Tower Bridge", "ACME", True),
        ("LEAVE", "Leave", "", False),
    ]
    assert known.rules == (FieldRule(name="order", label="Work order", required=True, pattern="WO-[0-9]{5}"),)
    assert known.by_number["4712"].project == ListedProject(
        number="4712", name="Tower Bridge", payer="ACME", opened_on="2027-02-01"
    )
    assert known.by_number["0815"].project.phases[:2] == (
        ListedPhase(number="10", name="Design", tasks=(("A", "Drawings"), ("B", "Models"))),
        ListedPhase(number="20", name="Site", chargeable=False),
    )


def test_a_search_finds_every_word_in_number_name_or_payer_and_numbers_first(path: Path) -> None:
    store(path, [project_list(BRIDGE, MALL, TOWER, {"number": "7", "name": "Old 4711"})])
    known = load(path)

    def found(text: str, most: int = 9) -> tuple[list[str], int]:
        projects, more = known.find(text, most)
        return [each.number for each in projects], more

    assert found("") == (["0815", "4711", "4712", "7"], 0)
    assert found("BRIDGE") == (["0815", "4712"], 0)
    assert found("acme bridge") == (["4712"], 0)
    assert found("471") == (["4711", "4712", "7"], 0)
    assert found("4711 ") == (["4711", "7"], 0)
    assert found("", most=3) == (["0815", "4711", "4712"], 1)
    assert found("nowhere") == ([], 0)


def test_what_a_newer_manager_adds_is_passed_over(path: Path) -> None:
    newer = {**BRIDGE, "color": "blue", "phases": [{"number": "10", "name": "Design", "color": "red"}]}
    store(path, [project_list(newer, rules=[{**ORDER, "hint": "ask"}])])

    assert load(path).by_number["0815"].project.phases == (ListedPhase(number="10", name="Design"),)
    assert load(path).rules[0].label == "Work order"


GOOD = project_list(BRIDGE, MALL)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is cut short"),
        (GOOD[:-9], "is cut short"),
        (GOOD[:40], "is cut short"),
        (GOOD[:60] + b"\x00" + GOOD[61:], "is damaged"),
        (GOOD + b"more", "is damaged"),
        (b"<html>", "is damaged"),
        (gzipped(b"<html>\n"), "has no head"),
        (gzipped(b"[]\n"), "has no version"),
        (gzipped(b'{"version": 7}\n'), "has no version"),
    ],
)
def test_a_list_that_is_none_leaves_the_last_good_one(path: Path, content: bytes, said: str) -> None:
    store(path, [project_list(MALL, version="good")])

    with pytest.raises(AgentProblem, match=rf"The list of open projects {said}.*; the last good list stays"):
        store(path, [content])

    assert version(path) == "good"
    assert [each.number for each in load(path).projects] == ["4711"]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_list_that_grows_beyond_the_limit_is_not_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LIST_BYTES", 10_000_000)
    bomb = gzipped(b'{"version": "1"}\n' + b" " * 10_000_000)
    assert len(bomb) < 10_100

    with pytest.raises(AgentProblem, match="has over 10000000 bytes"):
        store(path, [bomb])


def test_pieces_stay_small_however_much_is_in_them() -> None:
    sizes = [len(piece) for piece in inflated([gzipped(b"x" * 1_000_000)])]

    assert sum(sizes) == 1_000_000
    assert max(sizes) == module.PIECE_BYTES


def test_without_a_good_list_there_are_no_projects(path: Path) -> None:
    assert (version(path), load(path).projects) == ("", ())
    path.write_bytes(b"damaged")
    assert (version(path), load(path).projects) == ("", ())
    path.write_bytes(gzipped(lines([{"version": "1"}, {"number": "7"}])))
    assert load(path).projects == ()


def test_a_disk_that_takes_nothing_is_named(path: Path) -> None:
    path.parent.joinpath("file").write_text("")

    with pytest.raises(AgentProblem, match="it cannot be written"):
        store(path.parent / "file" / "list", [GOOD])


@given(
    members=st.lists(st.binary(max_size=300), min_size=1, max_size=4).filter(any),
    sizes=st.lists(st.integers(1, 40), min_size=1),
)
def test_however_gzip_is_cut_what_was_put_in_comes_out(members: list[bytes], sizes: list[int]) -> None:
    whole = b"".join(map(gzipped, members))
    chunks, rest = [], whole
    for size in sizes:
        chunks.append(rest[:size])
        rest = rest[size:]

    assert b"".join(inflated([*chunks, rest])) == b"".join(members)
    assert zlib.decompressobj(wbits=31).decompress(whole) == members[0]
