"""What holds for any debug log: however it is cut into files and commands, it tells the same."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st
from written_logs import holds, told

from collector.importers.flexnet import pair, read
from collector.importers.flexnet.messages import LINE, plain_move, request_of
from collector.importers.records import Event

WHO = [(feature, user) for feature in ("f", "g h") for user in ("ana@pc1", "Ana@PC1", "john smith@pc2")]
START = datetime(2016, 2, 28, 20, 0)  # noqa: DTZ001 - local, as in the log

said = st.one_of(
    st.tuples(
        st.sampled_from(["OUT", "OUT", "IN", "IN", "DENIED", "QUEUED"]),
        st.sampled_from(WHO),
        st.sampled_from(["", "(1 license)", "(2 licenses)", "(3 licenses)", "(2 licenses) [77]", "[78]"]),
    ).map(lambda parts: f'{parts[0]}: "{parts[1][0]}" {parts[1][1]}  {parts[2]}'),
    st.sampled_from(["FlexNet Licensing version v11", "EXITING DUE TO SIGNAL 15 Exit reason 5", "a message"]),
)
steps = st.integers(min_value=1, max_value=5 * 3600)
moves = st.lists(
    st.tuples(
        steps,
        st.just("demo"),
        st.tuples(
            st.sampled_from(["OUT", "IN"]), st.sampled_from(WHO), st.integers(min_value=1, max_value=4)
        ).map(lambda parts: f'{parts[0]}: "{parts[1][0]}" {parts[1][1]}  ({parts[2]} licenses)'),
    ),
    min_size=1,
    max_size=30,
)
messages = st.lists(st.tuples(steps, st.sampled_from(["demo", "MLM"]), said), min_size=1, max_size=30)


def lines(moments: list[tuple[int, str, str]]) -> list[str]:
    """Return a log with a date line at least every six hours, as every daemon writes them."""
    written: list[str] = []
    now = START

    def write(daemon: str, text: str) -> None:
        written.append(f"{now.hour:2d}:{now:%M:%S} ({daemon}) {text}\n")

    for step, daemon, text in moments:
        now += timedelta(seconds=step)
        write("lmgrd", f"TIMESTAMP {now.month}/{now.day}/{now.year}")
        write(daemon, text)
    return written


def events_of(folder: Path, *logs: str) -> list[Event]:
    return [each for each in told(read, folder, *logs).records if isinstance(each, Event)]


@given(messages, st.data())
def test_a_log_cut_into_two_files_tells_what_the_whole_tells(
    moments: list[tuple[int, str, str]], data: st.DataObject
) -> None:
    whole = lines(moments)
    # Before a date line: a file that has none cannot be read.
    cut = 2 * data.draw(st.integers(min_value=1, max_value=len(moments)))
    first, second = "".join(whole[:cut]), "".join(whole[cut:])
    with TemporaryDirectory() as folder:

        def records(*logs: str) -> list[Event]:
            return events_of(Path(folder), *filter(None, logs))

        expected = holds(pair, records(first + second))
        assert holds(pair, records(first, second)) == expected
        assert holds(pair, records(second, first)) == expected
        assert holds(pair, records(first), records(first + second)) == expected
        if second:
            assert holds(pair, records(first), records(second)) == expected
            assert holds(pair, records(second), records(first)) == expected


@given(moves)
def test_at_any_time_sessions_hold_what_was_taken_and_not_given_back(
    moments: list[tuple[int, str, str]],
) -> None:
    with TemporaryDirectory() as folder:
        events = events_of(Path(folder), "".join(lines(moments)))
    sessions = holds(pair, events)
    out: Counter[str] = Counter()
    for event in (each for each in events if each.kind in {"start", "end"}):
        who = f"{event.application} {event.account} {event.host}".lower()
        if event.kind == "start":
            out[who] += event.units
        else:
            out[who] = max(0, out[who] - event.units)
        at = event.at_ms
        held: Counter[str] = Counter()
        for hold in sessions:
            if hold.started_ms <= at and (hold.ended_ms is None or at < hold.ended_ms):
                name = f"{hold.application} {hold.account} {hold.host}".lower()
                held[name] += ([step.units for step in hold.steps if step.at_ms <= at] or [0])[-1]
        if at < events[-1].at_ms:  # what is taken by the last line is not known to be held for any time
            assert held == +out


@given(
    st.sampled_from(["demo", "a b"]),
    st.sampled_from(["OUT", "IN"]),
    st.text(max_size=12),
    st.text(max_size=25),
)
def test_the_fast_way_through_a_line_reads_what_the_careful_one_reads(
    daemon: str, word: str, feature: str, who: str
) -> None:
    line = f' 9:00:00 ({daemon}) {word}: "{feature}" {who}'
    fast = plain_move(line)
    if fast is None:
        return
    found = LINE.match(line)
    assert found is not None
    careful = request_of(found[3])
    assert not isinstance(careful, str)
    assert fast == (found[1], found[2], careful.feature, careful.account, careful.host)
    assert (careful.units, careful.process) == (1, "")
