"""Imports store all or nothing, again without doubling, and in parts as in one piece."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from clock_card import CARD
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from collector.importers.records import Options
from collector.importing.files import Report, import_files, import_from
from warehouse.errors import Problem
from warehouse.store import append, open_warehouse, read, writing

NOW_MS = 1_800_000_000_000
NO_ZONE = "times that name no zone are read as UTC, as there is no organization yet; --zone names another one"


def bring(engine: Engine, *files: Path, options: Options | None = None, chunk: int = 1_000) -> Report:
    return import_from(engine, CARD, files, options or Options(), actor="somebody", at_ms=NOW_MS, chunk=chunk)


def write(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def card(tmp_path: Path) -> Path:
    return tmp_path / "card.log"


SESSIONS = """
    SELECT session.key, application.code, account.name AS account, host.name AS host, started_ms, ended_ms,
           session.zone
    FROM session JOIN application ON application.id = application_id JOIN account ON account.id = account_id
    JOIN host ON host.id = host_id ORDER BY started_ms, session.key
"""
SEGMENTS = """
    SELECT session.key, start_ms, end_ms, attention, segment.units, since_ms, cpu_percent, policy_version
    FROM segment JOIN session ON session.id = session_id ORDER BY session.key, start_ms
"""
EVENTS = "SELECT key, at_ms, kind, units, session_key FROM foreign_event ORDER BY key"
DENIALS = "SELECT key, kind, at_ms, units FROM denial ORDER BY key"
READINGS = """
    SELECT key, server, code, at_ms, issued FROM capacity_reading
    LEFT JOIN application ON application.id = application_id ORDER BY key
"""
ASIDE = "SELECT agent_id, epoch, sequence, reason, record FROM quarantine ORDER BY epoch"


def held(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """Everything that an import brings, ids, landings and times of receipt aside."""
    queries = {"session": SESSIONS, "segment": SEGMENTS, "event": EVENTS, "denial": DENIALS}
    queries |= {"reading": READINGS, "aside": ASIDE}
    return {name: read(engine, sql).rows() for name, sql in queries.items()}


def spans(engine: Engine) -> list[tuple[int, int | None]]:
    return [(row[4] // 1000, row[5] and row[5] // 1000) for row in held(engine)["session"]]


def segments(engine: Engine) -> list[tuple[int, int, int, int]]:
    rows = read(
        engine,
        "SELECT start_ms, end_ms, attention, units FROM segment ORDER BY start_ms, session_id",
    )
    return [(start // 1000, end // 1000, attention, units) for start, end, attention, units in rows.rows()]


HELD, UNOBSERVED = 6, 7

# --- What is stored ----------------------------------------------------------------------------------------


def test_a_start_and_an_end_make_a_session_whose_segments_are_cut_at_quarters(
    both_engines: Engine, card: Path
) -> None:
    bring(both_engines, write(card, ["100 start cad Ann WS1 2", "2000 end cad ann ws1 2"]))
    assert [row[1:] for row in held(both_engines)["session"]] == [
        ("cad", "ann", "ws1", 100_000, 2_000_000, "UTC")
    ]
    assert segments(both_engines) == [(100, 900, HELD, 2), (900, 1800, HELD, 2), (1800, 2000, HELD, 2)]
    landed = read(both_engines, "SELECT from_ms, to_ms, replaced, at_ms FROM landing").rows()
    assert [tuple(map(int, row)) for row in landed] == [(100_000, 2_000_000, 0, NOW_MS)]


def test_a_partial_return_goes_on_with_what_is_left(both_engines: Engine, card: Path) -> None:
    lines = ["100 start cad ann ws1 5", "300 end cad ann ws1 2", "950 end cad ann ws1 3"]
    bring(both_engines, write(card, lines))
    assert segments(both_engines) == [(100, 300, HELD, 5), (300, 900, HELD, 3), (900, 950, HELD, 3)]


def test_an_open_session_is_unobserved_up_to_the_last_whole_quarter(both_engines: Engine, card: Path) -> None:
    bring(both_engines, write(card, ["100 start cad ann ws1 1", "2000 mark"]))
    assert spans(both_engines) == [(100, None)]
    assert segments(both_engines) == [(100, 900, UNOBSERVED, 1), (900, 1800, UNOBSERVED, 1)]


def test_an_open_session_grows_and_is_held_once_its_end_is_known(both_engines: Engine, card: Path) -> None:
    lines = ["100 start cad ann ws1 1", "1000 mark", "2000 mark", "2100 end cad ann ws1 1"]
    for count in (2, 3, 4):
        bring(both_engines, write(card, lines[:count]))
    assert segments(both_engines) == [(100, 900, HELD, 1), (900, 1800, HELD, 1), (1800, 2100, HELD, 1)]
    landed = read(both_engines, "SELECT from_ms, to_ms, replaced FROM landing ORDER BY id")
    assert [(start // 1000, end // 1000, bool(again)) for start, end, again in landed.rows()] == [
        (100, 900, False),
        (900, 1800, False),
        (100, 2100, True),
    ]


def test_a_session_of_no_length_has_no_segment(both_engines: Engine, card: Path) -> None:
    bring(both_engines, write(card, ["100 start cad ann ws1 1", "100 end cad ann ws1 1"]))
    assert (spans(both_engines), segments(both_engines)) == ([(100, 100)], [])
    assert read(both_engines, "SELECT id FROM landing").rows() == []


def test_what_was_read_whole_is_stored_and_never_shortened(both_engines: Engine, card: Path) -> None:
    for line in ("300 open cad ann ws1 100", "950 whole cad ann ws1 100", "920 whole cad ann ws1 100"):
        bring(both_engines, write(card, [line]))
    bring(both_engines, write(card, ["1900 open cad ann ws1 100"]))
    assert (spans(both_engines), segments(both_engines)) == (
        [(100, 950)],
        [(100, 900, HELD, 1), (900, 950, HELD, 1)],
    )


def test_an_earlier_file_moves_ends_to_other_starts_and_takes_sessions_away(
    both_engines: Engine, tmp_path: Path
) -> None:
    later = write(tmp_path / "later.log", ["200 start cad ann ws1 1", "300 end cad ann ws1 1"])
    earlier = write(tmp_path / "earlier.log", ["100 start cad ann ws1 1"])
    bring(both_engines, later)
    report = bring(both_engines, earlier)
    assert spans(both_engines) == [(100, 300), (200, None)]
    assert (report.new, report.changed, report.removed, report.open) == (1, 1, 0, 1)


def test_projects_are_entered_once_with_their_source(engine: Engine, tmp_path: Path) -> None:
    records = tmp_path / "jobs.sacct"
    names = "JobID|Cluster|Partition|Account|User|Start|End|NCPUS|NodeList"
    records.write_text(f"{names}\n7|hive|long|P100|ann|2026-10-01T08:00:00|Unknown|4|n1\n", encoding="utf-8")
    for end in ("Unknown", "2026-10-01T09:00:00"):
        records.write_text(records.read_text(encoding="utf-8").replace("Unknown", end), encoding="utf-8")
        import_files(engine, "slurm", [records], Options(), actor="somebody", at_ms=NOW_MS)
    entries = read(engine, "SELECT from_ms, to_ms, project_number, author, reason FROM project_entry").rows()
    assert entries == [(1_790_841_600_000, None, "P100", "slurm", "imported")]


def test_everything_can_be_recorded_as_one_application(engine: Engine, card: Path) -> None:
    lines = ["100 start cad ann ws1 1", "120 start sim ann ws1 1", "130 end sim ann ws1 1", "140 mark"]
    lines += ["150 denied sim bob ws2 1", "160 have sim 5"]
    bring(engine, write(card, lines), options=Options(application="suite", capacity=9))
    assert {row[1] for row in held(engine)["session"]} == {"suite"}
    sql = "SELECT code, issued FROM capacity_reading JOIN application ON application.id = application_id"
    assert read(engine, f"{sql} ORDER BY issued").rows() == [("suite", 5), ("suite", 9)]


def test_accounts_are_given_to_their_people_by_the_organizations_rule(engine: Engine, card: Path) -> None:
    settings_ = '{"accounts": {"strip_domain": true}}'
    for table, row in {
        "organization": {
            "id": 1,
            "name": "Works",
            "zone": "Europe/Berlin",
            "currency": "EUR",
            "settings": settings_,
        },
        "person": {
            "id": 1,
            "code": "p1",
            "name": "Ann",
            "employment": "employee",
            "valid_from_on": "2020-01-01",
        },
        "account": {"id": 1, "name": "ann", "person_id": 1},
    }.items():
        append(engine, table, pl.DataFrame([row]))
    report = bring(engine, write(card, ["100 start cad WORKS\\Ann ws1 1"]))
    assert read(engine, "SELECT name, person_id FROM account ORDER BY id").rows() == [
        ("ann", 1),
        ("works\\ann", 1),
    ]
    assert report.notes == [
        NO_ZONE.replace("UTC, as there is no organization yet", "Europe/Berlin, the organization's zone"),
        "1 accounts were given to their people by the organization's rule",
    ]


def test_a_stated_capacity_is_one_step_however_often_it_is_stated(engine: Engine, tmp_path: Path) -> None:
    first = write(tmp_path / "1.log", ["100 start cad ann ws1 1", "150 end cad ann ws1 1"])
    second = write(tmp_path / "2.log", ["200 start cad ann ws1 1", "250 end cad ann ws1 1"])
    for file, capacity in ((second, 5), (first, 5), (second, 5)):
        bring(engine, file, options=Options(capacity=capacity))
    assert read(engine, "SELECT server, at_ms, issued FROM capacity_reading").rows() == [("card", 100_000, 5)]
    bring(engine, second, options=Options(capacity=7))
    sql = "SELECT at_ms, issued FROM capacity_reading ORDER BY at_ms"
    assert read(engine, sql).rows() == [(100_000, 5), (200_000, 7)]


# --- Again, in parts, in any order -------------------------------------------------------------------------

_WHO = st.tuples(st.sampled_from(["cad", "sim"]), st.sampled_from(["ann ws1", "Bob WS2"]))
_LINES = st.one_of(
    st.tuples(st.sampled_from(["start", "end"]), _WHO, st.integers(1, 3)).map(
        lambda drawn: f"{drawn[0]} {' '.join(drawn[1])} {drawn[2]}"
    ),
    st.sampled_from(["restart", "mark", "denied cad ann ws1 1", "have cad 5", "no sense"]),
)
_LOGS = st.lists(st.tuples(st.sampled_from([0, 1, 7, 100, 800, 2_000]), _LINES), min_size=1, max_size=14)


def _written(drawn: Sequence[tuple[int, str]]) -> list[str]:
    now, lines = 0, []
    for wait, line in drawn:
        now += wait
        lines.append(f"{now} {line}")
    return lines


@contextmanager
def fresh(empty: Path) -> Iterator[tuple[Engine, Path]]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copyfile(empty, folder / "warehouse.sqlite")
        engine = open_warehouse(f"sqlite:///{folder / 'warehouse.sqlite'}")
        try:
            yield engine, folder
        finally:
            engine.dispose()


def after(empty: Path, *commands: Sequence[Sequence[str]], chunk: int = 1_000) -> object:
    """What is held after commands, each of them given files as lists of lines."""
    with fresh(empty) as (engine, folder):
        for number, command in enumerate(commands):
            files = [write(folder / f"{number}-{place}.log", lines) for place, lines in enumerate(command)]
            bring(engine, *files, chunk=chunk)
        return held(engine)


@given(_LOGS, st.integers(0, 14), st.integers(1, 4))
def test_parts_in_any_order_leave_what_the_whole_leaves(
    empty_warehouse: Path, drawn: list[tuple[int, str]], cut: int, chunk: int
) -> None:
    lines = _written(drawn)
    cut %= len(lines)
    while 0 < cut < len(lines) and lines[cut].split()[0] == lines[cut - 1].split()[0]:
        cut += 1  # equal lines of one second in two files cannot be told apart
    first, second = lines[:cut], lines[cut:]
    whole = after(empty_warehouse, [lines])
    assert after(empty_warehouse, [lines], [lines], chunk=chunk) == whole
    if first and second:
        assert after(empty_warehouse, [second, first], chunk=chunk) == whole
        assert after(empty_warehouse, [first], [lines]) == whole
        assert after(empty_warehouse, [first], [second]) == whole
        assert after(empty_warehouse, [second], [first], chunk=chunk) == whole


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.sampled_from(["whole", "open"]), st.sampled_from("ab"), st.integers(1, 40)),
        min_size=1,
        max_size=6,
    ),
    st.randoms(use_true_random=False),
)
def test_sessions_read_whole_are_the_same_in_any_order(
    empty_warehouse: Path, drawn: list[tuple[str, str, int]], random: object
) -> None:
    lines = [f"{at * 100} {kind} cad {account} ws1 100" for kind, account, at in drawn]
    shuffled = lines.copy()
    random.shuffle(shuffled)
    whole = after(empty_warehouse, [lines])
    assert after(empty_warehouse, *([line] for line in [[one] for one in shuffled])) == whole
    assert after(empty_warehouse, [shuffled], [lines], chunk=2) == whole


def test_again_changes_nothing_but_says_so(both_engines: Engine, card: Path) -> None:
    lines = ["100 start cad ann ws1 1", "150 denied cad bob ws2 1", "160 have cad 5", "200 end cad ann ws1 1"]
    write(card, [*lines, "210 end cad ann ws1 1", "nonsense"])
    first, second = bring(both_engines, card), bring(both_engines, card)
    assert first.kept == second.kept == {"start": 1, "end": 2, "denial": 1, "reading": 1}
    assert second.known == second.kept
    assert (first.new, second.new, second.changed, second.removed) == (1, 0, 0, 0)
    assert read(both_engines, "SELECT count(*) FROM import_run").row(0) == (2,)
    assert read(both_engines, "SELECT count(*) FROM landing").row(0) == (1,)


def test_a_file_given_twice_or_overlapping_another_one_counts_once(engine: Engine, tmp_path: Path) -> None:
    lines = ["100 start cad ann ws1 1", "100 start cad ann ws1 1", "200 end cad ann ws1 1", "300 mark"]
    whole, copy = write(tmp_path / "whole.log", lines), write(tmp_path / "copy.log", lines)
    part = write(tmp_path / "part.log", lines[:3])
    report = bring(engine, whole, copy, part)
    assert [file.name for file in report.files] == ["copy.log", "part.log"]
    assert sorted(spans(engine), key=str) == [(100, 200), (100, None)]


def test_a_file_is_not_imported_again_as_another_application(both_engines: Engine, tmp_path: Path) -> None:
    lines = ["100 start cad ann ws1 1", "200 end cad ann ws1 1"]
    one, named = write(tmp_path / "one.log", lines), write(tmp_path / "named.log", lines[1:])
    new = write(tmp_path / "new.log", lines[:1])
    bring(both_engines, one, options=Options(application="suite"))
    bring(both_engines, named)
    before = held(both_engines)
    for path, message in (
        (one, "one.log was imported before as application suite; give --application suite, as it was then"),
        (named, "named.log was imported before without --application; leave it out, as it was then"),
    ):
        with pytest.raises(Problem) as refused:
            bring(both_engines, new, path, options=Options(application="solver"))
        assert str(refused.value) == message.replace(";", ": what it tells counts under one application;")
    assert held(both_engines) == before
    assert bring(both_engines, one, options=Options(application="suite")).new == 0


def test_a_file_that_an_older_version_imported_is_taken_as_whatever_is_asked(
    engine: Engine, card: Path
) -> None:
    bring(engine, write(card, ["100 start cad ann ws1 1", "200 end cad ann ws1 1"]))
    with writing(engine) as connection:
        connection.execute(text("UPDATE import_run SET counts = '{\"read\": 2}'"))
    assert bring(engine, card, options=Options(application="suite")).kept == {"start": 1, "end": 1}


def test_another_mapping_may_read_something_else_of_a_file_as_another_application(
    engine: Engine, tmp_path: Path
) -> None:
    row = "ann,ws1,2026-10-01 08:00,2026-10-01 09:00,2026-10-01 10:00"
    table = write(tmp_path / "use.csv", ["user,host,start,end,later", row])
    for code, start, end in (("cad", "start", "end"), ("sim", "end", "later")):
        columns = {"user": "user", "host": "host", "start": start, "end": end}
        mapping = {"records": "sessions", "columns": columns, "format": {"dates": "iso"}}
        options = Options(application=code, zone="UTC", mapping=mapping)
        report = import_files(engine, "table", [table], options, actor="somebody", at_ms=NOW_MS)
        assert report.new == 1


# --- What cannot be used -----------------------------------------------------------------------------------


def test_lines_that_make_no_sense_are_kept_with_their_reason(both_engines: Engine, card: Path) -> None:
    lines = [
        "what\tis\u2028this?",
        "100 end cad ann ws1 -5",
        "99999999999 mark",
        "1000 whole cad ann ws1 2000",
    ]
    report = bring(both_engines, write(card, [*lines, f"5 start {'x' * 501} ann ws1 1"]))
    assert read(both_engines, "SELECT agent_id, reason FROM quarantine ORDER BY reason").rows() == [
        ("import:card", "a name that is missing, or of more than 500 characters"),
        ("import:card", "a number that is negative or too large"),
        ("import:card", "a time before 1970 or after 2099"),
        ("import:card", "it ends before it starts"),
        ("import:card", "no line of a card"),
    ]
    assert report.places["no line of a card"] == ["card.log, line 1"]


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("flexlm", Options(), "There is no source 'flexlm'; name one of "),
        ("slurm", Options(zone="Europe/Berlyn"), "unknown time zone 'Europe/Berlyn'; give an IANA name"),
        ("slurm", Options(mapping={"sheet": 1}), "Unknown key 'sheet' in the mapping of slurm; known keys: "),
    ],
)
def test_what_was_asked_wrongly_is_refused(
    engine: Engine, card: Path, source: str, options: Options, message: str
) -> None:
    write(card, ["100 mark"])
    with pytest.raises(Problem) as refused:
        import_files(engine, source, [card], options, actor="somebody", at_ms=NOW_MS)
    assert str(refused.value).startswith(message)


def test_a_file_that_breaks_off_leaves_nothing_of_the_whole_import(
    both_engines: Engine, tmp_path: Path
) -> None:
    good = write(tmp_path / "good.log", [f"{at} start cad ann ws1 1" for at in range(50)])
    bad = tmp_path / "bad.log"
    bad.write_bytes(b"60 end cad ann ws1 1\n" * 50 + b"70 end cad \xff ws1 1\n")
    before = held(both_engines)
    with pytest.raises(Problem, match=r"bad.log, line 51: this is not UTF-8; save the file as UTF-8"):
        bring(both_engines, good, bad, chunk=10)
    assert held(both_engines) == before
    bring(both_engines, good)
    assert len(held(both_engines)["session"]) == 50


def test_the_report_speaks_to_people_and_to_programs(engine: Engine, card: Path) -> None:
    lines = [
        "100 start cad ann ws1 1",
        "200 end cad ann ws1 1",
        "210 end cad ann ws1 1",
        "300 start cad b w 1",
    ]
    report = bring(engine, write(card, [*lines, "nonsense"]))
    assert list(report.lines()) == [
        "card: 5 lines of card.log",
        "  sessions: 2 new, 0 changed, 0 removed",
        "  open, their end is not known: 1 of this source in all",
        "  ends without a start: 1",
        "  ends: 2",
        "  starts: 2",
        "  set aside, no line of a card: 1 (card.log, line 5)",
        f"  note: {NO_ZONE}",
    ]
    document = report.document()
    assert document["sessions"] == {"new": 2, "changed": 0, "removed": 0}
    assert document["set_aside"] == [
        {"reason": "no line of a card", "count": 1, "first": ["card.log, line 5"]}
    ]
    assert (document["open"], document["unpaired"], document["read"]) == (1, 1, 5)
