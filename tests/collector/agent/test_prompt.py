"""What is asked, and what an answer comes to, without a window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from listed_projects import BRIDGE, LEAVE, MALL, TOWER, project_list

from collector.agent.project_list import ProjectList, read
from collector.agent.project_rules import Choice
from collector.agent.prompt import current, fitting, is_kept, label, printable, resolved, rows
from collector.agent.sample import Project

KNOWN = read([project_list(BRIDGE, LEAVE, MALL, TOWER)])


def used(number: str, set_ms: int = 0, **more: str) -> Project:
    return Project(number, more.get("phase"), None, "ana", set_ms, {"order": "7"})


def shown(text: str, *recent: Project) -> list[tuple[str, str, bool]]:
    return [(row.number, row.payer, row.recent is not None) for row in rows(KNOWN, recent, text)[0]]


def test_recent_projects_come_first_and_once_and_all_others_by_number() -> None:
    assert shown("", used("4712"), used("4711", phase="1")) == [
        ("4712", "ACME", True),
        ("4711", "ACME", True),
        ("0815", "Port Authority", False),
        ("LEAVE", "never billed", False),
    ]


def test_a_search_looks_in_recent_ones_too() -> None:
    assert shown("bridge", used("4712"))[:2] == [("4712", "ACME", True), ("0815", "Port Authority", False)]


def test_what_is_in_no_list_can_be_chosen_as_it_was_typed_after_all_that_fits() -> None:
    found, _ = rows(KNOWN, (), " 471 ")
    assert [(row.number, row.name) for row in found] == [
        ("4711", "Mall East"),
        ("4712", "Tower Bridge"),
        ("471", "as typed: it is not in the list"),
    ]
    assert [row.number for row in rows(KNOWN, (), "4711")[0]] == ["4711"]
    assert [row.number for row in rows(ProjectList(), (), "1-B")[0]] == ["1-B"]
    assert rows(ProjectList(), (), "") == ([], 0)


def test_a_recent_project_that_is_closed_by_now_says_so() -> None:
    found, _ = rows(KNOWN, [used("OLD")], "OLD")
    assert [(row.number, row.name) for row in found] == [("OLD", "not in the list of open projects")]


def test_no_more_lines_are_shown_than_anybody_reads() -> None:
    many = read([project_list(*({"number": f"{n:04}", "name": "x"} for n in range(1_000)))])
    found, more = rows(many, (), "")
    assert (len(found), more) == (200, 800)


def test_the_project_of_now_is_the_one_chosen_last_at_a_launch_or_on_the_command_line() -> None:
    assert current(None, []) is None
    assert current(used("A", 5), [used("B", 6), used("C", 9)]) == used("B", 6)
    assert current(used("A", 7), [used("B", 6)]) == used("A", 7)


def test_a_phase_is_meant_by_its_number_its_name_or_both_or_stands_as_typed() -> None:
    options = [("10", "Design"), ("1", "Ten"), ("A1", "a2"), ("A2", "x")]
    meant = [resolved(text, options) for text in ("10", " design ", "1 · Ten", "a2", "A2", "99", " ")]
    assert meant == ["10", "10", "1", "A1", "A2", "99", None]
    assert [label("10", "Design"), label("B", "B"), label("B", "")] == ["10 · Design", "B", "B"]


def test_kept_is_what_differs_in_nothing_from_the_last_choice() -> None:
    before = used("A", 5, phase="1")
    assert is_kept(Choice("A", "1", None, {"order": "7"}), before)
    assert not is_kept(Choice("A", "1", None, {}), before)
    assert not is_kept(Choice("A", "2", None, {"order": "7"}), before)
    assert not is_kept(Choice("A"), None)


def test_no_text_can_upset_a_screen() -> None:
    assert printable("a\nb\x00\u202ec 😀 é") == "a\ufffdb\ufffd\ufffdc \ufffd é"


def test_a_long_name_is_cut_with_an_ellipsis() -> None:
    assert fitting("Harbor Bridge", 13, len) == "Harbor Bridge"
    assert fitting("Harbor Bridge", 9, len) == "Harbor B…"
    assert fitting("Harbor Bridge", 8, len) == "Harbor…"


@given(st.text(max_size=40), st.integers(1, 30))
def test_a_cut_text_fits_and_is_a_beginning(text: str, width: int) -> None:
    cut = fitting(text, width, len)
    assert len(cut) <= width
    assert cut == text or (cut.endswith("…") and text.startswith(cut[:-1]))
