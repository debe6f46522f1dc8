"""1,000 single values of a closed ledger, changed one at a time by a superuser: each is named."""

from __future__ import annotations

from random import Random

from ledger_flips import closed_ledger, columns, unnamed
from sqlalchemy import Engine

from pipelines import billing

CHANGES = 1_000


def test_each_of_a_thousand_changes_is_named(both_engines: Engine) -> None:
    closed_ledger(both_engines)
    every, draw = columns(), Random(20261129)
    faults = [unnamed(both_engines, *draw.choice(every), seed) for seed in range(CHANGES)]
    assert [fault for fault in faults if fault] == []
    assert billing.verify(both_engines) == []
