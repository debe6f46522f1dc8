"""Which foreign sources there are: the only place that knows all importers, and loads the one asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from collector.importers.records import Options, Paired, Record, StoredEvent, Tally
from warehouse.errors import Problem

Read = Callable[[Sequence[Path], Options, Tally], Iterator[Record]]
Pair = Callable[[Sequence[StoredEvent]], Iterator[Paired]]


@dataclass(frozen=True)
class Source:
    """One importer: its name, the keys of a mapping that it knows, and its functions."""

    name: str
    keys: frozenset[str]
    read: Read
    pair: Pair | None = None
    """Of sources whose lines are only halves of sessions."""
    host_is_server: bool = False
    """Whether the host of a whole session is what has the capacity: a cluster."""
    zone: str | None = None
    """Zone of its times where nobody names one; None: the organization's."""


def _flexnet() -> Source:
    from collector.importers.flexnet import KEYS, pair, read  # noqa: PLC0415

    return Source("flexnet", KEYS, read, pair)


def _lmstat() -> Source:
    from collector.importers.lmstat import KEYS, read  # noqa: PLC0415

    return Source("lmstat", KEYS, read)


def _slurm() -> Source:
    from collector.importers.slurm import KEYS, read  # noqa: PLC0415

    return Source("slurm", KEYS, read, host_is_server=True, zone="UTC")


def _activitywatch() -> Source:
    from collector.importers.activitywatch import KEYS, read  # noqa: PLC0415

    return Source("activitywatch", KEYS, read)


def _sysmon() -> Source:
    from collector.importers.sysmon import KEYS, pair, read  # noqa: PLC0415

    return Source("sysmon", KEYS, read, pair)


def _table() -> Source:
    from collector.importers.table import KEYS, read  # noqa: PLC0415

    return Source("table", KEYS, read)


_LOADERS: dict[str, Callable[[], Source]] = {
    "flexnet": _flexnet,
    "lmstat": _lmstat,
    "slurm": _slurm,
    "activitywatch": _activitywatch,
    "sysmon": _sysmon,
    "table": _table,
}
SOURCES = tuple(_LOADERS)
"""Names that `source` finds."""


def source(name: str) -> Source:
    """Load an importer.

    Raises
    ------
    Problem
        There is none of that name.
    """
    if name not in _LOADERS:
        raise Problem(f"There is no source {name!r}", f"name one of {', '.join(SOURCES)}")
    return _LOADERS[name]()


def check_mapping(source: Source, options: Options) -> None:
    """Refuse a mapping that has a key which the importer does not know.

    Raises
    ------
    Problem
        Naming the key and those that there are.
    """
    for key in options.mapping:
        if key not in source.keys:
            known = ", ".join(sorted(source.keys))
            remedy = f"known keys: {known}" if known else "leave --mapping out"
            raise Problem(f"Unknown key {key!r} in the mapping of {source.name}", remedy)
