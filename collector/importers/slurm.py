"""Slurm's accounting records as `sacct` prints them; docs/importers/slurm.md.

A job is one session that is `held` while it ran: nobody sees a batch job's focus. Its units are CPUs, its
project is the Slurm account, its application the partition. Its host is the cluster: a job has many nodes,
the CPUs are the cluster's, and a node is nobody's workstation. Job names, folders and command lines are
dropped while the line is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from collector.importers.lines import numbered_lines
from collector.importers.local_time import Local
from collector.importers.options import check_keys
from collector.importers.records import Hold, Options, Record, SetAside, Step, Tally
from warehouse.errors import Problem

KEYS = frozenset({"fields"})

ALL_FIELDS = (
    *("JobID", "JobIDRaw", "Cluster", "Partition", "QOS", "Account", "Group", "GID", "User", "UID", "Submit"),
    *("Eligible", "Start", "End", "Elapsed", "ExitCode", "State", "NNodes", "NCPUS", "ReqCPUS", "ReqMem"),
    *("ReqTRES", "AllocTRES", "Timelimit", "NodeList", "JobName"),
)
"""Order of the fields in a file without a header, unless the mapping says another one: as XDMoD stores it."""

_NEEDED = ("JobID", "Cluster", "Partition", "Account", "User", "Start", "End", "NCPUS", "NodeList")
_OTHER_NAMES = {"ncpus": "alloccpus"}
_EXPORT = "export it with `sacct -a -P -o JobIDRaw,Elapsed," + ",".join(_NEEDED) + "`"
_NO_NODE = ("", "None assigned", "None", "(null)")
_NO_TIME = ("", "Unknown", "None", "N/A")


def read(files: Sequence[Path], options: Options, tally: Tally) -> Iterator[Record]:
    """Give a session for each job that got a node.

    Raises
    ------
    Problem
        A file that cannot be read, or has no record of a job; a mapping that means nothing.
    """
    check_keys(options.mapping, KEYS)
    fields = _named_fields(options.mapping)
    clock = _Clock(Local(options.zone or "UTC"))
    for path in files:
        yield from _File(path, clock, fields, tally).records()
    if clock.doubtful:
        tally.notes.append(
            f"{clock.doubtful:,} times came twice, as the clock was set back: the first one was taken"
        )


def _named_fields(mapping: Mapping[str, Any]) -> Sequence[str]:
    fields = mapping.get("fields", ALL_FIELDS)
    if not isinstance(fields, list | tuple) or not all(isinstance(name, str) for name in fields):
        raise Problem("The mapping's 'fields' is not a list of names", 'write fields = ["JobID", ...]')
    _places(fields, "The mapping's 'fields'")
    return fields


class _Places(NamedTuple):
    """Where in a record each field is; the last ones may be absent."""

    job: int
    cluster: int
    partition: int
    account: int
    user: int
    start: int
    end: int
    cpus: int
    nodes: int
    raw_job: int
    elapsed: int | None
    total: int


def _places(fields: Sequence[str], whose: str) -> _Places:
    known = {name.strip().lower(): place for place, name in enumerate(fields)}
    found = [known.get(name.lower(), known.get(_OTHER_NAMES.get(name.lower(), ""))) for name in _NEEDED]
    absent = [name for name, place in zip(_NEEDED, found, strict=True) if place is None]
    if absent:
        raise Problem(f"{whose} lacks {', '.join(absent)}", _EXPORT)
    job, cluster, partition, account, user, start, end, cpus, nodes = (place or 0 for place in found)
    raw, elapsed = known.get("jobidraw", job), known.get("elapsed")
    return _Places(job, cluster, partition, account, user, start, end, cpus, nodes, raw, elapsed, len(fields))


def _header(line: str) -> list[str] | None:
    if "jobid" not in line.lower():
        return None
    names = [name.strip() for name in line.rstrip("|").split("|")]
    return names if "jobid" in map(str.lower, names) else None


@dataclass
class _Clock:
    """Reads times as sacct writes them."""

    local: Local
    doubtful: int = 0

    def instant(self, text: str) -> int | None:
        """Return an instant; None: there is none of that name."""
        if text.isdecimal():  # SLURM_TIME_FORMAT=%s
            return int(text) * 1000
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            return None
        if at.tzinfo is not None:
            return int(at.astimezone(UTC).timestamp() * 1000)
        ms, trouble = self.local.utc_ms(at)
        self.doubtful += trouble == "ambiguous"
        return ms


@dataclass
class _File:
    """Reads one file."""

    path: Path
    clock: _Clock
    fields: Sequence[str]
    tally: Tally
    places: _Places | None = field(default=None, init=False)

    def records(self) -> Iterator[Record]:
        """Give what the file's lines say, one by one."""
        is_of_jobs = False
        for number, line in numbered_lines(self.path, ("utf-8", "cp1252")):
            if not line.strip():
                continue
            self.tally.read += 1
            header = _header(line)
            if header or self.places is None:
                whose = f"The header of {self.path.name}" if header else "The mapping's 'fields'"
                self.places = _places(header or self.fields, whose)
            if header:
                self.tally.skipped["headers"] += 1
            record = None if header else self._record(line, self.places)
            if isinstance(record, str):
                yield SetAside(f"{self.path.name}, line {number}", record, _kept(line, self.places))
                continue
            is_of_jobs = True
            if record is not None:
                yield record
        if not is_of_jobs:
            raise Problem(f"{self.path.name} has no record of a job", _EXPORT)

    def _record(self, line: str, places: _Places) -> Hold | str | None:
        """Return a session; the reason to set the line aside; None where it is no job that ran."""
        values = [value.strip() for value in line.split("|")]
        # sacct -p ends a line with a separator, and a job's name, which comes last, may hold some.
        if len(values) < places.total:
            return "fewer fields than names"
        job = values[places.raw_job] or values[places.job]
        if "." in job or "." in values[places.job]:
            self.tally.skipped["steps of jobs"] += 1
            return None
        if values[places.nodes] in _NO_NODE or values[places.start] in _NO_TIME:
            self.tally.skipped["jobs that never got a node"] += 1
            return None
        return self._session(job, values, places)

    def _session(self, job: str, values: Sequence[str], places: _Places) -> Hold | str:
        started = self.clock.instant(values[places.start])
        is_open = values[places.end] in _NO_TIME
        ended = None if is_open else self.clock.instant(values[places.end])
        elapsed = 0 if places.elapsed is None else _elapsed_ms(values[places.elapsed])
        if started is None or (ended is None and not is_open):
            return "a time that is none, or that the clock jumped over"
        if elapsed is None:
            return "an elapsed time that is none"
        if ended is not None and ended < started:
            return "it ends before it starts"
        if not values[places.cpus].isdecimal():
            return "a number of CPUs that is none"
        cluster = values[places.cluster]
        return Hold(
            key=f"{cluster.lower()}:{job}:{started}",
            application=values[places.partition],
            account=values[places.user],
            host=cluster,
            started_ms=started,
            ended_ms=ended,
            known_until_ms=started + elapsed if ended is None else ended,
            steps=() if started == ended else (Step(started, units=int(values[places.cpus])),),
            subject=job,
            project=values[places.account] or None,
        )


def _elapsed_ms(text: str) -> int | None:
    """Read `[days-][hours:]minutes:seconds`; a running job's says when it was looked at."""
    days, _, clock = text.rpartition("-")
    parts = [*(days or "0").split("-"), *clock.split(":")]
    if not all(part.isdecimal() for part in parts) or not 2 <= len(parts) <= 4 or text.startswith("-"):
        return None if text else 0
    day, *times = map(int, parts)
    seconds = 0
    for part in times:
        seconds = seconds * 60 + part
    return (day * 86_400 + seconds) * 1000


def _kept(line: str, places: _Places) -> str:
    """Keep of a record what we store elsewhere, too: no name of a job."""
    values = line.split("|")
    wanted = sorted({place for place in places[:-1] if place is not None and place < len(values)})
    return "|".join(values[place].strip()[:100] for place in wanted)
