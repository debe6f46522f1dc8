"""Exports of ActivityWatch, written for these tests in the shape that its server gives."""

from __future__ import annotations

import gzip
import itertools
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.importers.activitywatch import Piece, flattened, read
from collector.importers.records import Hold, Options, Record, SetAside, Step, Tally
from warehouse.errors import Problem
from warehouse.metrics.states import Policy, Rule, states
from warehouse.schema import ATTENTIONS

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
NINE_MS = 1_772_442_000_000
ADA = Options(mapping={"account": r"EXAMPLE\ada"})
Spans = Sequence[tuple[float, float, str]]


def ms(seconds: float) -> int:
    return NINE_MS + round(seconds * 1000)


def event(start: float, end: float, **data: str) -> dict[str, Any]:
    at = (NINE + timedelta(seconds=start)).isoformat(timespec="microseconds")
    return {"id": 7, "timestamp": at, "duration": end - start, "data": data}


def bucket(kind: str, events: Sequence[dict[str, Any]], host: str = "DESK1") -> dict[str, Any]:
    newest_first = sorted(events, key=lambda each: str(each["timestamp"]), reverse=True)
    return {
        "id": f"aw-watcher-x_{host}",
        "created": "2026-01-01T00:00:00.000000+00:00",
        "name": None,
        "type": kind,
        "client": "aw-watcher-x",
        "hostname": host,
        "data": {},
        "events": newest_first,
    }


def windows(spans: Spans) -> list[dict[str, Any]]:
    return [event(start, end, app=app, title=f"secret {start} - {app}") for start, end, app in spans]


def statuses(spans: Spans) -> list[dict[str, Any]]:
    return [event(start, end, status=status) for start, end, status in spans]


def export(folder: Path, *buckets: dict[str, Any], name: str = "export.json") -> Path:
    path = folder / name
    document = {"buckets": {f"bucket {number}": each for number, each in enumerate(buckets)}}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def desk(folder: Path, window: Spans, afk: Spans, name: str = "export.json") -> Path:
    return export(
        folder, bucket("currentwindow", windows(window)), bucket("afkstatus", statuses(afk)), name=name
    )


def records(*paths: Path, options: Options = ADA, tally: Tally | None = None) -> list[Record]:
    return list(read(paths, options, tally or Tally()))


def holds(*paths: Path, options: Options = ADA) -> list[Hold]:
    return [record for record in records(*paths, options=options) if isinstance(record, Hold)]


def told(hold: Hold) -> list[tuple[float, str, float]]:
    """Steps as seconds since nine: start, attention, since."""
    return [
        ((step.at_ms - NINE_MS) / 1000, step.attention, ((step.since_ms or 0) - NINE_MS) / 1000)
        for step in hold.steps
    ]


def test_focus_becomes_input_no_input_and_background(tmp_path: Path) -> None:
    path = desk(
        tmp_path,
        [(0, 600, "draw"), (600, 900, "mail"), (900, 1800, "draw")],
        [(0, 1000, "not-afk"), (1000, 1500, "afk"), (1500, 1800, "not-afk")],
    )
    draw, mail = holds(path)
    assert draw == Hold(
        key=f"desk1/draw/{NINE_MS}",
        application="draw",
        account=r"EXAMPLE\ada",
        host="DESK1",
        started_ms=NINE_MS,
        ended_ms=ms(1800),
        known_until_ms=ms(1800),
        steps=(
            Step(ms(0), "input", 1, ms(0)),
            Step(ms(600), "background", 1, ms(600)),
            Step(ms(900), "input", 1, ms(900)),
            Step(ms(1000), "no_input", 1, ms(1000)),
            Step(ms(1500), "input", 1, ms(1500)),
        ),
    )
    assert (mail.started_ms, mail.ended_ms) == (ms(600), ms(900))
    assert told(mail) == [(600, "input", 600)]


def test_a_focus_that_comes_back_while_away_continues_the_gap_since_the_last_input(tmp_path: Path) -> None:
    path = desk(
        tmp_path,
        [(0, 300, "draw"), (300, 310, "mail"), (310, 900, "draw")],
        [(0, 200, "not-afk"), (200, 900, "afk")],
    )
    draw, mail = holds(path)
    assert told(draw) == [
        (0, "input", 0),
        (200, "no_input", 200),
        (300, "background", 200),
        (310, "no_input", 200),
    ]
    assert told(mail) == [(300, "no_input", 300)]  # it never had an input: since its start


def test_changed_titles_make_no_new_step(tmp_path: Path) -> None:
    path = desk(tmp_path, [(0, 10, "draw"), (10, 20, "draw"), (20, 30, "draw")], [(0, 30, "not-afk")])
    (draw,) = holds(path)
    assert told(draw) == [(0, "input", 0)]


def test_events_that_the_watcher_split_are_one_focus(tmp_path: Path) -> None:
    path = desk(tmp_path, [(0, 10, "draw"), (15, 30, "draw")], [(0, 30, "not-afk")])
    (draw,) = holds(path)
    assert told(draw) == [(0, "input", 0)]
    assert draw.ended_ms == ms(30)


def test_up_to_a_minute_of_silence_is_unobserved_and_a_longer_one_ends_the_session(tmp_path: Path) -> None:
    afk = [(0.0, 200.0, "not-afk")]
    (one,) = holds(desk(tmp_path, [(0, 40, "draw"), (100, 200, "draw")], afk))
    assert told(one) == [(0, "input", 0), (40, "unobserved", 40), (100, "input", 100)]
    two = holds(desk(tmp_path, [(0, 40, "draw"), (100.001, 200, "draw")], afk))
    assert [(hold.started_ms, hold.ended_ms) for hold in two] == [
        (ms(0), ms(40)),
        (ms(100.001), ms(200)),
    ]


def test_silence_while_another_program_had_the_focus_is_unobserved_too(tmp_path: Path) -> None:
    path = desk(
        tmp_path,
        [(0, 10, "draw"), (10, 20, "mail"), (50, 60, "mail"), (60, 70, "draw")],
        [(0, 70, "not-afk")],
    )
    draw, _ = holds(path)
    assert told(draw) == [
        (0, "input", 0),
        (10, "background", 10),
        (20, "unobserved", 10),
        (50, "background", 10),
        (60, "input", 60),
    ]


def test_the_tail_that_was_not_yet_judged_waits_for_a_later_export(tmp_path: Path) -> None:
    window = [(0.0, 285.0, "draw"), (285.0, 290.0, "mail")]
    (draw,) = holds(desk(tmp_path, window, [(0, 105, "not-afk")]))
    assert (draw.ended_ms, told(draw)) == (ms(105), [(0, "input", 0)])
    next_day = [*window, (80_000.0, 80_060.0, "mail")]
    afk = [(0.0, 105.0, "not-afk"), (80_000.0, 80_060.0, "not-afk")]
    later, mail, _ = holds(desk(tmp_path, next_day, afk))
    assert later.key == draw.key
    assert told(later) == [(0, "input", 0), (105, "no_input", 105)]
    assert told(mail) == [(285, "no_input", 285)]


def test_what_comes_long_after_the_away_watchers_last_word_is_held(tmp_path: Path) -> None:
    (long,) = holds(desk(tmp_path, [(0, 291, "draw")], [(0, 105, "not-afk")]))
    assert told(long) == [(0, "input", 0), (105, "held", 105)]
    patient = Options(mapping={"account": "ada", "afk_timeout": 600})
    (waiting,) = holds(desk(tmp_path, [(0, 700, "draw")], [(0, 105, "not-afk")]), options=patient)
    assert (waiting.ended_ms, told(waiting)) == (ms(105), [(0, "input", 0)])


def test_what_an_older_export_gave_is_never_contradicted(tmp_path: Path) -> None:
    window = [(0.0, 100.0, "draw"), (100.0, 130.0, "mail"), (130.0, 400.0, "draw")]
    afk = [(0.0, 90.0, "not-afk"), (90.0, 300.0, "afk"), (300.0, 400.0, "not-afk")]
    whole = {hold.key: hold for hold in holds(desk(tmp_path, window, afk))}
    for until in range(5, 400, 5):
        # The watcher calls the user away 180 s after the last input; until then its last word is that input.
        judged = [
            (start, min(end, until), status)
            for start, end, status in afk
            if start < until and (status == "not-afk" or until >= start + 180)
        ]
        cut = [(start, min(end, until), app) for start, end, app in window if start < until]
        for hold in holds(desk(tmp_path, cut, judged)):
            assert hold.ended_ms is not None
            of_whole = [step for step in whole[hold.key].steps if step.at_ms < hold.ended_ms]
            assert list(hold.steps) == of_whole


def test_what_the_away_watcher_did_not_see_is_held(tmp_path: Path) -> None:
    (draw,) = holds(desk(tmp_path, [(0, 50, "draw")], [(20, 50, "not-afk")]))
    assert told(draw) == [(0, "held", 0), (20, "input", 20)]


def test_without_an_away_watcher_the_focus_is_held_and_the_report_says_so(tmp_path: Path) -> None:
    tally = Tally()
    path = export(tmp_path, bucket("currentwindow", windows([(0, 50, "draw")])))
    (draw,) = records(path, tally=tally)
    assert isinstance(draw, Hold)
    assert told(draw) == [(0, "held", 0)]
    assert tally.notes == ["DESK1: no away watcher, so its time with the focus is held"]


def test_a_focus_of_no_length_lasts_until_the_next_event_or_is_a_session_of_no_length(tmp_path: Path) -> None:
    draw, mail = holds(desk(tmp_path, [(0, 0, "draw"), (2, 9, "mail")], [(0, 9, "not-afk")]))
    assert (draw.started_ms, draw.ended_ms, told(draw)) == (ms(0), ms(2), [(0, "input", 0)])
    assert (mail.started_ms, mail.ended_ms) == (ms(2), ms(9))
    (alone,) = holds(desk(tmp_path, [(0, 0, "draw")], [(0, 9, "not-afk")]))
    assert (alone.started_ms, alone.ended_ms, alone.steps) == (ms(0), ms(0), ())


def test_of_two_windows_at_a_time_the_later_one_has_the_focus(tmp_path: Path) -> None:
    draw, mail = holds(desk(tmp_path, [(0, 100, "draw"), (30, 40, "mail")], [(0, 100, "not-afk")]))
    assert told(draw) == [(0, "input", 0), (30, "background", 30), (40, "input", 40)]
    assert (mail.started_ms, mail.ended_ms) == (ms(30), ms(40))


def test_an_older_export_beside_the_whole_adds_nothing_in_either_order(tmp_path: Path) -> None:
    window, afk = (
        [(0.0, 100.0, "draw"), (100.0, 130.0, "mail")],
        [(0.0, 90.0, "not-afk"), (90.0, 130.0, "afk")],
    )
    half = desk(tmp_path, window, afk, "half.json")
    whole = desk(
        tmp_path,
        [(0, 100, "draw"), (100, 200, "mail"), (200, 300, "draw")],
        [(0, 90, "not-afk"), (90, 280, "afk"), (280, 300, "not-afk")],
        "whole.json",
    )
    alone = holds(whole)
    assert holds(half, whole) == holds(whole, half) == alone
    assert [hold.key for hold in holds(half)] == [hold.key for hold in alone]


def test_hosts_and_buckets_of_one_host_in_several_files_are_told_apart(tmp_path: Path) -> None:
    window = export(tmp_path, bucket("currentwindow", windows([(0, 60, "draw")])), name="w.json")
    afk = export(tmp_path, bucket("afkstatus", statuses([(0, 60, "not-afk")])), name="a.json")
    laptop = export(tmp_path, bucket("currentwindow", windows([(0, 60, "draw")]), "LAP"), name="l.json")
    desk_hold, laptop_hold = holds(window, afk, laptop)
    assert (desk_hold.host, told(desk_hold)) == ("DESK1", [(0, "input", 0)])
    assert (laptop_hold.host, told(laptop_hold)) == ("LAP", [(0, "held", 0)])


def test_browser_and_editor_buckets_are_counted_and_not_kept(tmp_path: Path) -> None:
    web = bucket("web.tab.current", [event(0, 50, url="https://secret.example", title="secret")])
    editor = bucket("app.editor.activity", [event(0, 50, file="/home/ada/secret.txt")])
    path = export(tmp_path, bucket("currentwindow", windows([(0, 50, "draw")])), web, editor)
    tally = Tally()
    found = records(path, tally=tally)
    assert tally.read == 3
    assert tally.skipped == {"events of buckets that are neither windows nor away": 2}
    assert "secret" not in repr(found) + repr(tally)


def test_programs_get_their_codes_and_unwanted_ones_are_somewhere_else(tmp_path: Path) -> None:
    mapping = {"account": "ada", "applications": {"Draw.exe": "DRAW"}, "only_mapped": True}
    path = desk(
        tmp_path,
        [(0, 10, "draw.exe"), (10, 20, "unknown"), (20, 30, "game.exe"), (30, 40, "draw.exe")],
        [(0, 40, "not-afk")],
    )
    tally = Tally()
    (draw,) = records(path, options=Options(mapping=mapping), tally=tally)
    assert isinstance(draw, Hold)
    assert draw.application == "DRAW"
    assert told(draw) == [(0, "input", 0), (10, "background", 10), (30, "input", 30)]
    assert tally.skipped == {
        "windows of an unknown program": 1,
        "windows of programs that the mapping does not name": 1,
    }


@pytest.mark.parametrize(
    ("broken", "reason", "kept"),
    [
        ({"timestamp": "2026-03-02T09:00:00"}, "no time with its zone", "| 2026-03-02T09:00:00 | 5.0 | draw"),
        ({"timestamp": "soon"}, "no time with its zone", "| soon | 5.0 | draw"),
        ({"duration": -1}, "negative duration", "| -1.0 | draw"),
        ({"duration": 1e12}, "not an event", "draw"),
        ({"duration": "long"}, "not an event", "currentwindow | DESK1"),
        ({"data": None}, "not an event", "currentwindow | DESK1"),
    ],
)
def test_an_event_that_cannot_be_used_is_set_aside_without_its_title(
    tmp_path: Path, broken: dict[str, Any], reason: str, kept: str
) -> None:
    good, bad = windows([(0, 5, "draw"), (5, 10, "draw")])
    path = export(tmp_path, bucket("currentwindow", [good, {**bad, **broken}]))
    aside = next(record for record in records(path) if isinstance(record, SetAside))
    assert aside.reason == reason
    assert aside.place.startswith("export.json, currentwindow, event ")
    assert aside.record.endswith(kept)
    assert "secret" not in aside.record


def test_a_status_that_nobody_knows_and_a_bucket_without_host_are_set_aside(tmp_path: Path) -> None:
    path = export(
        tmp_path,
        bucket("currentwindow", windows([(0, 5, "draw")])),
        bucket("afkstatus", statuses([(0, 5, "asleep")])),
        bucket("currentwindow", windows([(0, 5, "draw")]), ""),
    )
    assert [each.reason for each in records(path) if isinstance(each, SetAside)] == [
        "unknown status",
        "no host",
    ]


def test_whose_export_it_is_must_be_said(tmp_path: Path) -> None:
    path = desk(tmp_path, [(0, 5, "draw")], [])
    with pytest.raises(Problem, match=r"does not say whose it is; write account = 'DOMAIN.name' into a file"):
        records(path, options=Options())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "export.json is empty"),
        (b"not json", "export.json is not an export of ActivityWatch"),
        (b'{"buckets": 3}', "export.json is not an export of ActivityWatch"),
        (b'{"buckets": {}}', "export.json has no event of a window watcher"),
        (b"\xff\xfe\x00\x01", "export.json is not an export of ActivityWatch"),
        (
            gzip.compress(b'{"buckets": {}}' * 99, mtime=0)[:-9],
            "export.json is a gzip file that is damaged or cut short",
        ),
    ],
)
def test_a_file_that_is_no_export_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "export.json"
    path.write_bytes(content)
    with pytest.raises(Problem, match=message):
        records(path)


def test_a_directory_and_an_absent_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="is a directory"):
        records(tmp_path)
    with pytest.raises(Problem, match=r"There is no file absent\.json"):
        records(tmp_path / "absent.json")


def test_gzip_and_a_list_of_buckets_and_nanoseconds_are_read(tmp_path: Path) -> None:
    focus = {"timestamp": "2026-03-02T09:00:00.123456789Z", "duration": 5, "data": {"app": "draw"}}
    path = tmp_path / "export.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"buckets": [bucket("currentwindow", [focus])]}).encode()))
    (draw,) = holds(path)
    assert (draw.started_ms, draw.ended_ms) == (NINE_MS + 123, NINE_MS + 5123)


# --- Any idle timeout can be applied ------------------------------------------------------------------------


def segments(hold: Hold) -> pl.LazyFrame:
    ends = [*(step.at_ms for step in hold.steps[1:]), hold.known_until_ms]
    rows = [
        {
            "session": 1,
            "application": hold.application,
            "start": step.at_ms,
            "end": end,
            "attention": step.attention,
            "cpu_percent": 0.0,
            "inhibiting": False,
            "since": step.since_ms,
        }
        for step, end in zip(hold.steps, ends, strict=True)
    ]
    instants = pl.col("start", "end", "since").cast(pl.Datetime("ms", "UTC"))
    return pl.LazyFrame(rows).with_columns(instants, pl.col("attention").cast(pl.Enum(ATTENTIONS)))


@pytest.mark.parametrize(
    ("timeout_seconds", "seconds"),
    [
        # Away 600 to 1000 (400 s) and in the background 1600 to 1750, gone on away until 2100 (500 s).
        (300, {"active": 1500, "idle": 900}),
        (900, {"active": 1500, "pause": 900}),
        (450, {"active": 1500, "pause": 400, "idle": 500}),
    ],
)
def test_any_idle_timeout_can_be_applied_to_one_export(
    tmp_path: Path, timeout_seconds: int, seconds: dict[str, int]
) -> None:
    path = desk(
        tmp_path,
        [(0, 1600, "draw"), (1600, 1750, "mail"), (1750, 2400, "draw")],
        [
            (0, 600, "not-afk"),
            (600, 1000, "afk"),
            (1000, 1700, "not-afk"),
            (1700, 2100, "afk"),
            (2100, 2400, "not-afk"),
        ],
    )
    draw = holds(path)[0]
    policy = Policy(applications={"draw": Rule(idle_timeout_ms=timeout_seconds * 1000)})
    stated = states(segments(draw), policy).collect()
    found: dict[str, int] = defaultdict(int)
    for row in stated.iter_rows(named=True):
        found[str(row["state"])] += (row["end"] - row["start"]) // timedelta(seconds=1)
    assert found == seconds


# --- Invariants ---------------------------------------------------------------------------------------------


def spans(words: Sequence[str]) -> st.SearchStrategy[list[tuple[float, float, str]]]:
    span = st.tuples(st.integers(0, 900), st.integers(0, 120), st.sampled_from(words))
    return st.lists(span.map(lambda s: (float(s[0]), float(s[0] + s[1]), s[2])), min_size=1, max_size=9)


@given(spans(["draw", "mail"]), spans(["afk", "not-afk"]))
def test_steps_tile_the_session_and_one_program_at_a_time_has_the_focus(
    tmp_path_factory: pytest.TempPathFactory, window: Spans, afk: Spans
) -> None:
    found = holds(desk(tmp_path_factory.mktemp("export"), window, afk))
    focused: list[tuple[int, int]] = []
    for hold in found:
        assert hold.ended_ms is not None
        assert bool(hold.steps) == (hold.ended_ms > hold.started_ms)
        starts = [step.at_ms for step in hold.steps]
        assert starts == sorted(set(starts))
        if starts:
            assert starts[0] == hold.started_ms
            assert starts[-1] < hold.ended_ms
        ends = [*starts[1:], hold.ended_ms] if starts else []
        for step, end in zip(hold.steps, ends, strict=True):
            assert step.since_ms is not None
            assert hold.started_ms <= step.since_ms <= step.at_ms
            if step.attention in {"input", "no_input", "held"}:
                focused.append((step.at_ms, end))
    focused.sort()
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(focused))


@given(spans(["draw", "mail"]))
def test_what_holds_at_a_moment_is_what_began_last(events: Spans) -> None:
    pieces = [Piece(int(start), int(end), word) for start, end, word in events]
    flat = list(flattened(pieces))
    for second in range(1100):
        running = sorted(piece for piece in pieces if piece.start_ms <= second < piece.end_ms)
        there = [piece.value for piece in flat if piece.start_ms <= second < piece.end_ms]
        assert there == [piece.value for piece in running[-1:]]


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.none() | numbers | st.text(max_size=9) | st.datetimes().map(str)
events = st.lists(
    st.dictionaries(
        st.sampled_from(["timestamp", "duration", "data"]),
        values | st.dictionaries(st.sampled_from(["app", "status", "title"]), values, max_size=2),
    ),
    max_size=3,
)


@given(events, st.sampled_from(["currentwindow", "afkstatus"]))
def test_whatever_an_event_holds_it_is_used_or_set_aside(
    tmp_path_factory: pytest.TempPathFactory, given: list[dict[str, Any]], kind: str
) -> None:
    good = bucket("currentwindow", windows([(0, 60, "draw")]))
    other = {"type": kind, "hostname": "DESK2", "events": given}
    tally = Tally()
    found = records(export(tmp_path_factory.mktemp("any"), good, other), tally=tally)
    used = {record.host for record in found if isinstance(record, Hold)}
    assert "DESK1" in used
    assert len(given) + 1 == tally.read
    assert ("DESK2" in used) <= (kind == "currentwindow" and any(isinstance(one, dict) for one in given))
