"""What leaves a host: every field is known, explained, and none can hold what a person reads or writes."""

import ast
from dataclasses import fields
from pathlib import Path
from typing import get_args

import collector.agent
from collector import protocol
from collector.agent import VERSION
from collector.agent.plain_words import NEVER, WORDS, describe

SENT = {
    "session": protocol.SessionRecord,
    "segment": protocol.SegmentRecord,
    "watch": protocol.WatchRecord,
    "project": protocol.ProjectRecord,
}


def test_every_kind_of_record_is_listed_here() -> None:
    assert set(SENT.values()) == set(get_args(protocol.Record))


def test_every_field_that_is_sent_is_explained_in_plain_words() -> None:
    for kind, record in SENT.items():
        assert {field.name for field in fields(record)} - {"kind"} == set(WORDS[kind])


def test_no_field_can_hold_a_title_a_url_a_file_an_argument_or_a_key() -> None:
    words = ("title", "url", "path", "file", "argument", "command", "key", "text", "window", "screen", "name")
    for record in (*SENT.values(), protocol.PresenceRecord):
        for field in fields(record):
            assert not any(word in field.name for word in words), f"{record.__name__}.{field.name}"


def test_the_sensor_asks_no_window_for_its_title() -> None:
    source = (Path(collector.agent.__file__).parent / "sensors" / "x11.py").read_text()
    names = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    texts = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    assert not names & {
        "get_wm_name",
        "get_wm_icon_name",
        "get_image",
        "query_keymap",
        "record_create_context",
    }
    assert not texts & {"_NET_WM_NAME", "_NET_WM_VISIBLE_NAME", "WM_NAME"}


def test_a_record_is_printed_with_all_its_fields() -> None:
    record = {"kind": "watch", "start_ms": 1_793_955_600_000, "end_ms": None, "sees_focus": True}
    assert describe(7, record, "") == [
        "#7 a stretch in which the agent watched this computer",
        "    start_ms = 2026-11-06T09:00:00.000+00:00    (from)",
        "    end_ms = -    (to)",
        "    sees_focus = True    (whether the agent could see which window has the focus)",
    ]
    assert describe(7, record, "too old")[0].endswith("; the manager refused it: too old")
    assert "window titles" in NEVER


def test_the_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version

    assert version("process-meter") == VERSION
