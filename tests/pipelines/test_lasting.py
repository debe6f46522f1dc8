"""What a report brings into memory before its first cell, and what the garbage collector does meanwhile."""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import subprocess
import sys

import pytest

from pipelines.lasting import lasting, seldom

LOADED = """
import gc, json, sys
import pipelines.reports
loaded = {name.partition(".")[0] for name, module in sys.modules.items() if module is not None}
print(json.dumps({"loaded": sorted(loaded), "frozen": gc.get_freeze_count(), "on": gc.isenabled()}))
"""


def test_reports_bring_neither_drivers_of_another_database_nor_checks_of_formats() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    unasked = {"adbc_driver_manager", "adbc_driver_postgresql", "arrow", "isoduration", "psycopg"}
    unasked |= {"great_tables", "numpy", "plotly", "rfc3986_validator", "rfc3987_syntax"}
    assert unasked & set(found["loaded"]) == set()
    assert {"nbformat", "papermill", "polars", "sqlalchemy"} <= set(found["loaded"])
    assert found["frozen"] > 50_000
    assert found["on"]


def _load() -> None:
    with lasting():
        assert not gc.isenabled()
        importlib.import_module("no_such_module")


ENDS = """
from pipelines.lasting import lasting
class Ring:
    def __del__(self): print("looked at")
with lasting(): pass
ring = Ring()
ring.itself = ring
del ring
"""


def test_the_collector_does_not_look_through_everything_at_the_end() -> None:
    for code, said in ((ENDS, ""), (ENDS.replace("with lasting(): pass", ""), "looked at\n")):
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        assert done.stdout == said


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_rests_while_something_loads_and_is_then_as_it_was(on: bool) -> None:
    if not on:
        gc.disable()
    try:
        with pytest.raises(ImportError, match="no_such_module"):
            _load()
        assert gc.isenabled() == on
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.enable()
        atexit.unregister(gc.freeze)


def test_the_collector_looks_as_often_as_before_after_it_looked_seldom() -> None:
    before = gc.get_threshold()
    with seldom():
        assert gc.get_threshold() == (100_000, *before[1:])
    assert gc.get_threshold() == before
