"""Slurm's accounting records: a job that got a node is a session; all else is counted or set aside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from collector.importers.records import Hold, Options, Record, SetAside, Step, Tally
from collector.importers.slurm import ALL_FIELDS, read
from warehouse.errors import Problem

HEADER = "JobID|JobIDRaw|Cluster|Partition|Account|User|Start|End|Elapsed|NCPUS|NodeList"
JOB = "7|7|Hive|long|P100|Ann|2026-10-01T08:00:00|2026-10-01T09:30:00|01:30:00|16|n[1-2]"
EIGHT, HALF_PAST_NINE = 1_790_841_600_000, 1_790_847_000_000


def records(path: Path, lines: Sequence[str], options: Options | None = None) -> tuple[list[Record], Tally]:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    tally = Tally()
    return list(read([path], options or Options(), tally)), tally


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "jobs.sacct"


def one(file: Path, line: str, options: Options | None = None) -> Record:
    (record,), _ = records(file, [HEADER, line], options)
    return record


def hold(file: Path, line: str, options: Options | None = None) -> Hold:
    found = one(file, line, options)
    assert isinstance(found, Hold)
    return found


def test_a_job_is_held_with_its_cpus_on_its_cluster_for_its_project(file: Path) -> None:
    assert one(file, JOB) == Hold(
        key=f"hive:7:{EIGHT}",
        application="long",
        account="Ann",
        host="Hive",
        started_ms=EIGHT,
        ended_ms=HALF_PAST_NINE,
        known_until_ms=HALF_PAST_NINE,
        steps=(Step(EIGHT, "held", 16),),
        subject="7",
        project="P100",
    )


def test_fields_are_found_by_name_in_any_order_and_case(file: Path) -> None:
    turned = ["|".join(reversed(line.split("|"))) for line in (HEADER.lower(), JOB)]
    assert records(file, turned)[0] == [one(file, JOB)]


@pytest.mark.parametrize("end", ["|", ""])
def test_parsable_output_may_end_its_lines_with_a_separator(file: Path, end: str) -> None:
    assert records(file, [HEADER + end, JOB + end])[0] == [one(file, JOB)]


def test_a_file_without_header_has_the_fields_in_their_usual_order(file: Path) -> None:
    values = dict(zip(HEADER.split("|"), JOB.split("|"), strict=True))
    line = "|".join(values.get(name, "name|with bars" if name == "JobName" else "") for name in ALL_FIELDS)
    assert records(file, [line])[0] == [one(file, JOB)]


def test_a_mapping_says_another_order(file: Path) -> None:
    options = Options(mapping={"fields": HEADER.split("|")})
    assert records(file, [JOB], options)[0] == [one(file, JOB)]


def test_files_put_together_repeat_their_header(file: Path) -> None:
    again = JOB.replace("7|7", "8|8")
    assert len(records(file, [HEADER, JOB, HEADER, again])[0]) == 2


def test_a_running_job_is_open_and_known_as_long_as_it_has_run(file: Path) -> None:
    found = hold(file, JOB.replace("2026-10-01T09:30:00", "Unknown").replace("01:30:00", "2-01:30:00"))
    assert (found.ended_ms, found.known_until_ms - EIGHT) == (None, (49 * 60 + 30) * 60_000)


def test_a_requeued_job_is_another_session(file: Path) -> None:
    found, _ = records(file, [HEADER, JOB, JOB.replace("T08", "T09")])
    assert len({record.key for record in found if isinstance(record, Hold)}) == 2


def test_tasks_of_an_array_are_jobs_of_their_own(file: Path) -> None:
    assert hold(file, JOB.replace("7|7", "7_3|12")).subject == "12"


def test_a_job_of_no_length_has_no_steps(file: Path) -> None:
    assert hold(file, JOB.replace("T09:30:00", "T08:00:00")).steps == ()


@pytest.mark.parametrize(
    ("zone", "written", "utc"),
    [
        (None, "2026-10-01T08:00:00", "2026-10-01T08:00:00Z"),
        ("Europe/Berlin", "2026-10-01T08:00:00", "2026-10-01T06:00:00Z"),
        ("Europe/Berlin", "2026-10-01T08:00:00+00:00", "2026-10-01T08:00:00Z"),
        ("Europe/Berlin", "1790841600", "2026-10-01T08:00:00Z"),
    ],
)
def test_times_are_of_the_zone_that_is_named(file: Path, zone: str | None, written: str, utc: str) -> None:
    line = JOB.replace("2026-10-01T08:00:00", written).replace("T09", "T19")
    found = hold(file, line, Options(zone=zone))
    assert found.started_ms == datetime.fromisoformat(utc).timestamp() * 1000


def test_a_time_that_came_twice_is_the_first_and_said(file: Path) -> None:
    line = JOB.replace("2026-10-01T08:00:00", "2026-10-25T02:30:00").replace("2026-10-01T09", "2026-10-25T09")
    (found,), tally = records(file, [HEADER, line], Options(zone="Europe/Berlin"))
    assert isinstance(found, Hold)
    assert found.started_ms == datetime.fromisoformat("2026-10-25T00:30:00Z").timestamp() * 1000
    assert tally.notes == ["1 times came twice, as the clock was set back: the first one was taken"]


def test_steps_and_jobs_without_a_node_are_counted(file: Path) -> None:
    steps = [JOB.replace("7|7", f"7.{step}|7.{step}") for step in ("batch", "extern", "0")]
    waiting = [JOB.replace("n[1-2]", "None assigned"), JOB.replace("2026-10-01T08:00:00", "Unknown")]
    found, tally = records(file, [HEADER, *steps, *waiting, JOB])
    assert len(found) == 1
    assert tally.read == 7
    assert tally.skipped == {"headers": 1, "steps of jobs": 3, "jobs that never got a node": 2}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("T09:30:00", "T07:30:00", "it ends before it starts"),
        ("T08:00:00", "T8 o'clock", "a time that is none, or that the clock jumped over"),
        ("2026-10-01T08", "2026-03-29T02", "a time that is none, or that the clock jumped over"),
        ("|16|", "|-16|", "a number of CPUs that is none"),
        ("|16|", "|many|", "a number of CPUs that is none"),
        ("|01:30:00|", "|-01:30:00|", "an elapsed time that is none"),
        ("|16|n[1-2]", "", "fewer fields than names"),
    ],
)
def test_what_makes_no_sense_is_set_aside(file: Path, old: str, new: str, reason: str) -> None:
    line = JOB.replace(old, new)
    found, _ = records(file, [HEADER, line, JOB], Options(zone="Europe/Berlin"))
    kept = "|".join(line.split("|"))
    assert found[0] == SetAside("jobs.sacct, line 2", reason, kept)


def test_what_is_set_aside_is_kept_without_the_name_of_the_job(file: Path) -> None:
    lines = [f"{HEADER}|JobName|WorkDir", f"{JOB}|secret|/home/ann/secret".replace("|16|", "|x|"), f"{JOB}||"]
    found, _ = records(file, lines)
    assert isinstance(found[0], SetAside)
    assert "secret" not in found[0].record


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", Options(), "jobs.sacct is empty; "),
        ("\n \n", Options(), "jobs.sacct has no record of a job; export it with `sacct -a -P -o "),
        ("hello\nthere\n", Options(), "jobs.sacct has no record of a job; export it with `sacct -a -P -o "),
        (
            "JobID|User\n1|ann\n",
            Options(),
            "The header of jobs.sacct lacks Cluster, Partition, Account, Start, ",
        ),
        ("x\n", Options(mapping={"fields": ["JobID"]}), "The mapping's 'fields' lacks Cluster, Partition, "),
        ("x\n", Options(mapping={"fields": "JobID"}), "The mapping's 'fields' is not a list of names; "),
        ("x\n", Options(mapping={"field": []}), "Unknown key 'field' in the mapping; known keys: fields"),
        ("x\n", Options(zone="Mars/Base"), "unknown time zone 'Mars/Base'; "),
    ],
)
def test_a_file_or_a_mapping_that_is_none_is_refused(
    file: Path, content: str, options: Options, message: str
) -> None:
    file.write_text(content, encoding="utf-8")
    with pytest.raises(Problem) as refused:
        list(read([file], options, Tally()))
    assert str(refused.value).startswith(message)
