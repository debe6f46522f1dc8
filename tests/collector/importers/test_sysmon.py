"""Sysmon events, as lines written for these tests in the shapes that three exporters give."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.importers.records import Event, Hold, Options, Record, SetAside, Step, StoredEvent, Tally
from collector.importers.sysmon import pair, read
from warehouse.errors import Problem

NINE = 1_772_355_600_000  # 2026-03-01 09:00:00 UTC
GUID = "12345678-ABCD-69A4-0102-00000000070{}"


def guid(number: int) -> str:
    return GUID.format(number).lower()


def flat(number: int, time: str | None, process: int, **other: Any) -> dict[str, Any]:
    document = {
        "EventID": number,
        "UtcTime": time,
        "Hostname": "DESK1.example.com",
        "ProcessGuid": "{" + GUID.format(process) + "}",
        "Image": r"C:\Program Files\Draw\Draw.EXE",
    }
    if number == 1:
        document |= {"User": r"EXAMPLE\Ada", "LogonId": "0x3E7A", "CommandLine": "draw.exe secret.dwg"}
    return document | other


def file(folder: Path, documents: Sequence[Any]) -> Path:
    path = folder / "events.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in documents), encoding="utf-8")
    return path


def records(path: Path, options: Options | None = None, tally: Tally | None = None) -> list[Record]:
    return list(read([path], options or Options(), tally or Tally()))


def at(seconds: float) -> int:
    return NINE + round(seconds * 1000)


def stored(events: Sequence[Event]) -> list[StoredEvent]:
    return [StoredEvent(number, event) for number, event in enumerate(events)]


def start(seconds: float, process: int, **other: Any) -> Event:
    event = Event("desk1", at(seconds), "start", "draw.exe", "ada", "desk1", f"{guid(process)}@0x1")
    return event._replace(**other)


def end(seconds: float, process: int) -> Event:
    return Event("desk1", at(seconds), "end", "draw.exe", "", "desk1", guid(process))


def holds(*events: Event) -> list[Hold]:
    return [paired.hold for paired in pair(stored(events))]


def spans(*events: Event) -> list[tuple[float, float | None]]:
    return [
        ((hold.started_ms - NINE) / 1000, None if hold.ended_ms is None else (hold.ended_ms - NINE) / 1000)
        for hold in holds(*events)
    ]


def test_a_start_keeps_host_user_logon_session_and_the_programs_base_name_alone(tmp_path: Path) -> None:
    path = file(tmp_path, [flat(1, "2026-03-01 09:00:00.250", 1)])
    started, mark = records(path)
    assert started == Event(
        server="desk1.example.com",
        at_ms=NINE + 250,
        kind="start",
        application="draw.exe",
        account=r"EXAMPLE\Ada",
        host="DESK1.example.com",
        subject=f"{guid(1)}@0x3e7a",
    )
    assert mark == Event("desk1.example.com", NINE + 250, "mark")


def test_an_end_needs_no_user(tmp_path: Path) -> None:
    path = file(tmp_path, [flat(5, "2026-03-01 09:00:01.000", 1)])
    ended = records(path)[0]
    assert isinstance(ended, Event)
    assert (ended.kind, ended.account, ended.subject) == ("end", "", guid(1))


def as_evtx_dump(flat_event: dict[str, Any]) -> dict[str, Any]:
    data = {name: value for name, value in flat_event.items() if name not in {"EventID", "Hostname"}}
    system = {
        "Provider": {"#attributes": {"Name": "Microsoft-Windows-Sysmon"}},
        "EventID": flat_event["EventID"],
        "Computer": flat_event["Hostname"],
        "Channel": "Microsoft-Windows-Sysmon/Operational",
    }
    return {"Event": {"#attributes": {"xmlns": "x"}, "System": system, "EventData": data}}


def as_winlogbeat(flat_event: dict[str, Any]) -> dict[str, Any]:
    data = {name: value for name, value in flat_event.items() if name not in {"EventID", "Hostname"}}
    winlog = {
        "provider_name": "Microsoft-Windows-Sysmon",
        "channel": "Microsoft-Windows-Sysmon/Operational",
        "event_id": str(flat_event["EventID"]),
        "computer_name": flat_event["Hostname"],
        "event_data": data,
    }
    return {"@timestamp": "2026-03-01T09:00:00.251Z", "winlog": winlog, "message": "Process Create: ..."}


@pytest.mark.parametrize("shape", [as_evtx_dump, as_winlogbeat])
def test_every_shape_of_export_says_the_same(tmp_path: Path, shape: Any) -> None:
    events = [flat(1, "2026-03-01 09:00:00.250", 1), flat(5, "2026-03-01 09:10:00.000", 1)]
    assert records(file(tmp_path, [shape(event) for event in events])) == records(file(tmp_path, events))


def test_events_of_other_providers_and_other_events_of_sysmon_are_counted_not_kept(tmp_path: Path) -> None:
    other = as_evtx_dump(flat(1, "2026-03-01 09:00:00.000", 1))
    other["Event"]["System"]["Provider"]["#attributes"]["Name"] = "Microsoft-Windows-Kernel-General"
    other["Event"]["System"]["Channel"] = "System"
    connection = flat(3, "2026-03-01 11:00:00.000", 1)
    tally = Tally()
    found = records(file(tmp_path, [other, connection]), tally=tally)
    assert found == [Event("desk1.example.com", NINE + 7_200_000, "mark")]
    assert tally.read == 2
    assert tally.skipped == {"events that are not Sysmon's": 1, "other events of Sysmon": 1}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"UtcTime": None}, "no time"),
        ({"UtcTime": "yesterday"}, "no time"),
        ({"ProcessGuid": None}, "no process GUID"),
        ({"ProcessGuid": "{00000000-0000-0000-0000-000000000000}"}, "no process GUID"),
        ({"User": "-"}, "no user"),
        ({"Hostname": ""}, "no host"),
        ({"Image": "<unknown process>"}, "no program"),
    ],
)
def test_a_start_that_lacks_something_is_set_aside_without_path_or_argument(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    path = file(tmp_path, [flat(1, "2026-03-01 09:00:00.000", 1) | change])
    aside = records(path)[0]
    assert isinstance(aside, SetAside)
    assert (aside.place, aside.reason) == ("events.jsonl, line 1", reason)
    assert "secret" not in aside.record
    assert "Program Files" not in aside.record


def test_a_line_that_is_no_json_is_set_aside_as_its_length_and_digest(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    good = json.dumps(flat(1, "2026-03-01 09:00:00.000", 1))
    path.write_text(f"{good}\n\n{good[:40]}\n[1, 2]\n", encoding="utf-8")
    tally = Tally()
    aside = [each for each in records(path, tally=tally) if isinstance(each, SetAside)]
    assert [each.reason for each in aside] == ["not a JSON object"] * 2
    assert aside[1].record.startswith("6 characters, digest ")
    assert tally.read == 3


def test_a_file_without_any_event_of_sysmon_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path, [{"some": "other log"}])
    with pytest.raises(Problem, match=r"events\.jsonl has no event of Sysmon; export it as JSON"):
        records(path)


def test_a_host_may_be_given_for_events_that_do_not_name_theirs(tmp_path: Path) -> None:
    path = file(tmp_path, [flat(1, "2026-03-01 09:00:00.000", 1, Hostname="")])
    found = records(path, Options(mapping={"host": "DESK7"}))[0]
    assert isinstance(found, Event)
    assert (found.server, found.host) == ("desk7", "DESK7")


def test_a_mapping_names_applications_and_may_leave_out_all_others(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        [
            flat(1, "2026-03-01 09:00:00.000", 1),
            flat(1, "2026-03-01 09:00:01.000", 2, Image=r"C:\Windows\notepad.exe"),
            flat(5, "2026-03-01 09:00:02.000", 3, Image="<unknown process>"),
        ],
    )
    tally = Tally()
    mapping = {"applications": {"DRAW.exe": "DRAW"}, "only_mapped": True}
    draw, unknown, mark = records(path, Options(mapping=mapping), tally)
    assert isinstance(draw, Event)
    assert draw.application == "DRAW"
    assert unknown == Event(
        "desk1.example.com", at(2), "end", "", "", "DESK1.example.com", guid(3)
    )  # which process it was, the GUID says
    assert mark == Event("desk1.example.com", at(2), "mark")
    assert tally.skipped == {"events of programs that the mapping does not name": 1}


def test_one_application_may_be_given_for_all(tmp_path: Path) -> None:
    path = file(tmp_path, [flat(1, "2026-03-01 09:00:00.000", 1)])
    found = records(path, Options(application="SUITE"))[0]
    assert isinstance(found, Event)
    assert found.application == "SUITE"


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (
            {"aplications": {}},
            "Unknown key 'aplications' in the mapping; known keys: applications, host",
        ),
        ({"only_mapped": "yes"}, "The mapping's 'only_mapped' is not true or false"),
        ({"applications": {"a.exe": 3}}, "The mapping's application for 'a.exe' is not a text"),
    ],
)
def test_a_mapping_that_means_nothing_is_refused(tmp_path: Path, mapping: Any, message: str) -> None:
    path = file(tmp_path, [flat(1, "2026-03-01 09:00:00.000", 1)])
    with pytest.raises(Problem, match=message):
        records(path, Options(mapping=mapping))


def test_a_start_and_its_end_are_a_session_that_is_held() -> None:
    (hold,) = holds(start(0, 1), end(600, 1))
    assert hold == Hold(
        key=f"desk1/{guid(1)}",
        application="draw.exe",
        account="ada",
        host="desk1",
        started_ms=NINE,
        ended_ms=at(600),
        known_until_ms=at(600),
        steps=(Step(NINE),),
        subject="0x1",
    )


def test_an_end_up_to_five_seconds_before_its_start_makes_a_session_of_no_length() -> None:
    (hold,) = holds(end(0, 1), start(0.244, 1))
    assert (hold.started_ms, hold.ended_ms, hold.steps) == (at(0.244), at(0.244), ())
    assert spans(end(0, 1), start(5.001, 1)) == [(5.001, None)]


def test_an_end_without_a_start_is_no_session() -> None:
    assert holds(end(0, 1)) == []


def test_of_two_ends_of_one_process_the_first_counts() -> None:
    ((paired),) = pair(stored([start(0, 1), end(60, 1), end(3600, 1), start(0, 1)]))
    assert paired.hold.ended_ms == at(60)
    assert sorted(paired.events) == [0, 1, 2, 3]


def test_a_process_without_end_is_open_and_known_up_to_the_last_event_of_its_host() -> None:
    elsewhere = start(9000, 3, server="desk2", host="desk2")
    opened, _ = holds(start(0, 1), start(7200, 2, application="other.exe"), elsewhere)[:2]
    assert (opened.ended_ms, opened.known_until_ms) == (None, at(7200))


def test_an_open_session_is_followed_for_a_day_after_its_own_last_event_and_stays_open() -> None:
    day, much_later = 86_400, Event("desk1", at(400_000), "mark")
    (opened,) = holds(start(0, 1), much_later)
    assert (opened.ended_ms, opened.known_until_ms) == (None, at(day))
    (opened,) = holds(start(0, 1), start(90_000, 2), end(100_000, 2), much_later)
    assert (opened.ended_ms, opened.known_until_ms) == (None, at(100_000 + day))
    assert opened.steps == (Step(at(0), "unobserved"),)
    assert spans(start(0, 1), much_later, end(500_000, 1)) == [(0, 500_000)]


def test_a_mark_tells_how_far_a_host_is_known() -> None:
    (opened,) = holds(start(0, 1), Event("desk1", at(50_000), "mark"))
    assert opened.known_until_ms == at(50_000)


def test_processes_that_overlap_or_follow_within_five_seconds_are_one_session() -> None:
    overlapping = [start(0, 1), start(10, 2), end(20, 1), end(30, 2)]
    assert spans(*overlapping) == [(0, 30)]
    assert holds(*overlapping)[0].instance_count == 2
    restarted = [start(0, 1), end(20, 1), start(25, 2), end(40, 2)]
    assert spans(*restarted) == [(0, 40)]
    assert holds(*restarted)[0].instance_count == 1
    assert spans(start(0, 1), end(20, 1), start(25.001, 2), end(40, 2)) == [(0, 20), (25.001, 40)]


def test_a_session_with_an_open_process_is_open() -> None:
    (opened,) = holds(start(0, 1), start(10, 2), end(20, 2), end(90, 9))
    assert opened.ended_ms is None
    assert opened.steps == (Step(at(0), "unobserved"),)


def test_an_open_session_is_not_known_beyond_the_next_start_of_windows() -> None:
    boot = Event("desk1", at(1000), "restart")
    ((opened),) = pair(stored([start(0, 1), boot, Event("desk1", at(5000), "mark")]))
    assert (opened.hold.ended_ms, opened.hold.known_until_ms) == (None, at(1000))
    assert opened.events == (0, 1)
    assert spans(start(0, 1), boot, end(2000, 1)) == [(0, 2000)]


def test_a_start_of_windows_goes_with_the_oldest_process_that_it_leaves_open() -> None:
    boot = Event("desk1", at(1000), "restart")
    found = pair(
        stored([start(0, 1), end(5, 1), start(8, 2, account="bob"), start(9, 3, account="eve"), boot])
    )
    assert {paired.hold.account: paired.events for paired in found} == {
        "ada": (0, 1),
        "bob": (2, 4),
        "eve": (3,),
    }


def test_a_start_of_windows_is_seen_by_the_process_that_comes_first(tmp_path: Path) -> None:
    boot = flat(1, "2026-03-01 09:00:07.000", 5, Image=r"C:\Windows\System32\wininit.exe")
    found = records(file(tmp_path, [boot]), Options(mapping={"only_mapped": True}))
    assert found == [Event("desk1.example.com", at(7), "restart"), Event("desk1.example.com", at(7), "mark")]


@pytest.mark.parametrize(
    "other",
    [
        {"application": "calc.exe"},
        {"account": "bob"},
        {"host": "desk2"},
        {"server": "desk2"},
        {"subject": f"{guid(2)}@0x2"},
    ],
)
def test_another_application_account_host_or_logon_session_is_another_session(other: dict[str, Any]) -> None:
    assert len(holds(start(0, 1), start(1, 2, **other))) == 2


def test_accounts_are_compared_in_lower_case() -> None:
    assert spans(start(0, 1), end(5, 1), start(6, 2, account="ADA"), end(9, 2)) == [(0, 9)]


def written() -> st.SearchStrategy[list[Event]]:
    """Logs of one host: each process starts, most end, some within the jitter before their start."""

    def log(written: tuple[list[tuple[int, int | None]], list[int]]) -> list[Event]:
        lives, boots = written
        events = []
        for number, (started, length) in enumerate(lives):
            events.append(start(started / 10, number))
            if length is not None:
                events.append(end((started + length) / 10, number))
        return [*events, *(Event("desk1", at(boot / 10), "restart") for boot in boots)]

    life = st.tuples(st.integers(0, 500), st.one_of(st.none(), st.integers(-20, 200)))
    return st.tuples(st.lists(life, max_size=9), st.lists(st.integers(0, 700), max_size=2)).map(log)


@given(written(), st.data())
def test_the_order_in_which_events_come_changes_nothing(events: list[Event], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(stored(events)))
    assert list(pair(shuffled)) == list(pair(stored(events)))


@given(written())
def test_sessions_cover_every_process_once_and_lie_more_than_five_seconds_apart(events: list[Event]) -> None:
    found = list(pair(stored(events)))
    taken = [key for paired in found for key in paired.events]
    assert len(taken) == len(set(taken))
    starts = {number for number, event in enumerate(events) if event.kind == "start"}
    assert starts <= set(taken)
    for earlier, later in pairwise(found):
        assert earlier.hold.ended_ms is not None
        assert later.hold.started_ms > earlier.hold.ended_ms + 5_000


@given(written(), st.integers(0, 700))
def test_what_comes_later_changes_no_session_that_ended_more_than_five_seconds_before(
    events: list[Event], cut: int
) -> None:
    cut_ms = at(cut / 10)
    known = [stored_event for stored_event in stored(events) if stored_event.event.at_ms < cut_ms]
    ended = [paired.hold for paired in pair(known) if paired.hold.ended_ms is not None]
    settled = {hold for hold in ended if hold.known_until_ms < cut_ms - 5_000}
    assert settled <= {paired.hold for paired in pair(stored(events))}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
names = st.sampled_from(
    (
        *("Event", "System", "EventData", "winlog", "event_data", "EventID", "event_id", "Provider"),
        *("Computer", "UtcTime", "Hostname", "ProcessGuid", "Image", "User", "LogonId", "Channel"),
    )
)
documents = st.recursive(
    values, lambda inner: st.dictionaries(names, inner, min_size=1, max_size=6), max_leaves=12
)


@given(st.lists(documents, max_size=4))
def test_whatever_a_line_holds_it_is_an_event_or_set_aside_or_counted(
    tmp_path_factory: pytest.TempPathFactory, lines: list[Any]
) -> None:
    good = flat(1, "2026-03-01 09:00:00.000", 1)
    tally = Tally()
    found = records(file(tmp_path_factory.mktemp("any"), [good, *lines]), tally=tally)
    events = [
        record for record in found if isinstance(record, Event) and record.kind not in {"mark", "restart"}
    ]
    aside = [record for record in found if isinstance(record, SetAside)]
    assert len(events) + len(aside) + tally.skipped.total() == tally.read == len(lines) + 1
