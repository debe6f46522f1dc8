"""A long log is read in a process of its own, while this one writes what was read before.

What crosses is plain: tuples of numbers and text, packed by `marshal`, which no other program ever sees: both
ends are the same Python, one the child of the other.
"""

from __future__ import annotations

import gc
import marshal
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from queue import Queue
from typing import IO, Any

from collector.importers.records import Denial, Event, Options, Reading, Record, SetAside, StoredEvent, Tally
from collector.importing.content import EventKeys, Placed
from collector.importing.judging import event_trouble
from collector.importing.sources import Source, source
from warehouse.errors import Problem

WORTH_IT_BYTES = 8_000_000
"""Of smaller files the start of another process costs what it saves."""
_BATCH = 5_000
_AHEAD = 40
"""Batches that are read before anybody wants them."""
_SIZE = 4
_EVENT = -1
_KINDS = (Denial, Reading, SetAside)
_ENDED = ("problem", "The process that reads the log ended before it was done", "import the files again")


def placed(origin: Source, records: Iterable[Record]) -> Generator[Placed | Record, None, None]:
    """Give each event its key and place; set those aside that cannot be stored; pass on all other records."""
    keys = EventKeys(origin.name)
    for record in records:
        if type(record) is not Event:
            yield record
        elif trouble := event_trouble(record):
            yield refused(trouble, record)
        else:
            yield keys.placed(record)


def refused(trouble: str, record: tuple[Any, ...]) -> SetAside:
    """Return a record that cannot be stored, as one that is set aside."""
    return SetAside("", trouble, " | ".join(map(str, record)))


# --- This process ------------------------------------------------------------------------------------------


def read_apart(
    origin: Source, files: Sequence[Path], options: Options, tally: Tally
) -> Generator[Placed | Record, None, None]:
    """Do what `placed` does with what an importer reads, in another process.

    `tally` is brought up to date from time to time, and whole at the end.

    Raises
    ------
    Problem
        What the importer raises, or that the other process ended before it was done.
    """
    with subprocess.Popen(
        [sys.executable, "-P", "-c", f"from {__name__} import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018 - both are piped
        try:
            with suppress(BrokenPipeError), child.stdin:
                pickle.dump((origin.name, list(files), options, tally.notes), child.stdin)
            for word, *rest in _messages(child.stdout):
                if word == "records":
                    yield from _records(rest, tally)
                elif word == "problem":
                    raise Problem(*rest)
                else:
                    raise RuntimeError(f"the importer failed:\n{rest[0]}")
        finally:
            child.kill()


def _messages(pipe: IO[bytes]) -> Iterator[tuple[Any, ...]]:
    """Give messages up to the last one; some wait here, so that the other process need not."""
    waiting: Queue[bytes] = Queue(_AHEAD)
    is_over = threading.Event()
    threading.Thread(target=_fetch, args=(pipe, waiting, is_over), name="log", daemon=True).start()
    try:
        while packed := waiting.get():
            yield marshal.loads(packed)  # noqa: S302 - of our own child
    finally:
        is_over.set()


def _fetch(pipe: IO[bytes], waiting: Queue[bytes], is_over: threading.Event) -> None:
    """Put what comes into the queue; an end that was not said is told as one."""
    packed = b""
    while not is_over.is_set():
        if waiting.full():
            is_over.wait(0.01)
            continue
        size = pipe.read(_SIZE)
        packed = pipe.read(int.from_bytes(size, "big")) if size else marshal.dumps(_ENDED)
        waiting.put(packed)
        if not packed or not size:
            return


def _records(told: Sequence[Any], tally: Tally) -> Iterator[Placed | Record]:
    rows, tally.read, skipped, tally.notes = told
    tally.skipped.clear()
    tally.skipped.update(skipped)
    for kind, *values in rows:
        if kind == _EVENT:
            at_ms, sequence, key, *event = values
            yield at_ms, sequence, key, StoredEvent(key, Event._make(event))
        else:
            yield _KINDS[kind]._make(values)


# --- The other process -------------------------------------------------------------------------------------


def main() -> None:
    """Read what is asked for on standard input, and tell it on standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started this one ends it
    out = sys.stdout.buffer
    try:
        name, files, options, notes = pickle.load(sys.stdin.buffer)  # noqa: S301 - of our own parent
        _tell_all(source(name), files, options, Tally(notes=notes), out)
    except Problem as problem:
        _tell(out, "problem", problem.message, problem.remedy)
    except BrokenPipeError:
        os._exit(1)  # nobody listens any more
    except Exception:  # noqa: BLE001 - whatever it is, the other side has to know
        _tell(out, "bug", traceback.format_exc())
    out.write(bytes(_SIZE))
    out.flush()


def _tell_all(origin: Source, files: Sequence[Path], options: Options, tally: Tally, out: IO[bytes]) -> None:
    gc.disable()  # see `importing._without_collector`
    coming = map(_packed, placed(origin, origin.read(files, options, tally)))
    while batch := list(islice(coming, _BATCH)):
        _tell(out, "records", batch, tally.read, dict(tally.skipped), tally.notes)
    _tell(out, "records", [], tally.read, dict(tally.skipped), tally.notes)


def _packed(record: Placed | Record) -> tuple[Any, ...]:
    if isinstance(record, Record):
        return _KINDS.index(type(record)), *record
    at_ms, sequence, key, stored = record
    return _EVENT, at_ms, sequence, key, *stored.event


def _tell(out: IO[bytes], *message: Any) -> None:
    packed = marshal.dumps(message)
    out.write(len(packed).to_bytes(_SIZE, "big"))
    out.write(packed)
    out.flush()
