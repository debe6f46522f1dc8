"""A long log that another process reads tells the same as one that is read here."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
from sqlalchemy import Engine

from collector.importers.records import Denial, Options, SetAside, Tally
from collector.importing import apart, files
from collector.importing.sources import source
from warehouse.errors import Problem
from warehouse.store import read

LOG = """\
 8:00:00 (vendord) TIMESTAMP 3/1/2026
 8:00:01 (vendord) OUT: "cad" anna@pc1
 8:00:01 (vendord) OUT: "cad" anna@pc1
 8:00:02 (vendord) DENIED: "cad" bob@pc2  (Licensed number of users already reached (-4,342:10054 ""))
 8:00:03 (vendord) IN: "cad" anna@pc1
 8:00:04 (vendord) OUT: "cad"
 8:00:05 (vendord) something that the license server says
 8:00:06 (vendord) OUT: "cad" ADA@PC3
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "debug.log"
    path.write_text(LOG)
    return path


def test_the_other_process_gives_the_same_records_and_counts(log: Path) -> None:
    origin, options = source("flexnet"), Options(zone="Europe/Berlin")
    here, there = Tally(notes=["a note from before"]), Tally(notes=["a note from before"])

    expected = list(apart.placed(origin, origin.read([log], options, here)))

    assert list(apart.read_apart(origin, [log], options, there)) == expected
    assert there == here
    assert {type(record) for record in expected} == {tuple, Denial, SetAside}
    assert here.read == 8


def test_what_an_importer_refuses_is_refused_here(log: Path) -> None:
    options = Options(zone="UTC", mapping={"date": "yesterday"})

    with pytest.raises(Problem, match="The mapping's date is 'yesterday'; write it as 2016-03-30"):
        list(apart.read_apart(source("flexnet"), [log], options, Tally()))


def test_a_bug_of_an_importer_is_not_taken_for_the_end(log: Path) -> None:
    options = Options(zone="UTC", mapping=cast("Any", []))

    with pytest.raises(RuntimeError, match=r"the importer failed:(.|\n)*AttributeError"):
        list(apart.read_apart(source("flexnet"), [log], options, Tally()))


def test_a_process_that_ends_too_early_stores_nothing(
    engine: Engine, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "WORTH_IT_BYTES", 1)
    monkeypatch.setattr(sys, "executable", "/bin/true")

    with pytest.raises(Problem, match="ended before it was done"):
        files.import_files(engine, "flexnet", [log], Options(zone="UTC"), actor="ada", at_ms=1)

    assert read(engine, "SELECT count(*) AS rows FROM foreign_event").item() == 0


def test_whoever_stops_listening_leaves_no_process_behind(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_AHEAD", 1)
    log.write_text(LOG + LOG.splitlines(keepends=True)[5] * 30_000)
    with closing(apart.read_apart(source("flexnet"), [log], Options(zone="UTC"), Tally())) as records:
        next(records)
        assert len(psutil.Process().children()) == 1

    assert psutil.Process().children() == []


def test_a_long_log_is_imported_as_a_short_one_is(
    engine: Engine, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "WORTH_IT_BYTES", 1)
    options = Options(zone="UTC")

    report = files.import_files(engine, "flexnet", [log], options, actor="ada", at_ms=1)

    assert (report.read, report.new, dict(report.aside)) == (
        8,
        3,
        {"a request without feature, user and host": 1},
    )
