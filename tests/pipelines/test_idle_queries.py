"""Other definitions of idle, asked from the shell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from small_warehouse import fill
from sqlalchemy import Engine

from pipelines.queries import query
from pipelines.queries.idle import definitions_of
from warehouse.errors import Problem
from warehouse.metrics.idle_definitions import Definition
from warehouse.store import upgrade

MINUTE = 60_000


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = upgrade(f"sqlite:///{tmp_path_factory.mktemp('idle') / 'warehouse.sqlite'}")
    fill(engine)
    yield engine
    engine.dispose()


def test_busy_hours_grow_with_the_timeout(week: Engine) -> None:
    """Each of six people gives input for 90 minutes, and then none for 30, on five days."""
    asked = {"application": "cad", "minutes": "29, 31", "signals": "input"}
    assert query(week, "busy_hours_by_idle_definition", asked) == [
        {
            "signal": "input",
            "application": "cad",
            "idle_minutes": 29.0,
            "busy_hours_by_idle_definition": 45.0,
        },
        {
            "signal": "input",
            "application": "cad",
            "idle_minutes": 31.0,
            "busy_hours_by_idle_definition": 60.0,
        },
    ]
    peaks = query(week, "peak_by_idle_definition", asked)
    assert [row["peak_by_idle_definition"] for row in peaks if isinstance(row, dict)] == [6, 6]


def test_definitions_are_each_timeout_with_each_signal_once() -> None:
    assert definitions_of("5, 0.5,5", "focus,input") == [
        Definition(5 * MINUTE, "input"),
        Definition(MINUTE // 2, "input"),
        Definition(5 * MINUTE, "focus"),
        Definition(MINUTE // 2, "focus"),
    ]


@pytest.mark.parametrize(
    ("minutes", "signals", "message"),
    [
        ("0", "input", "an idle timeout cannot be '0'"),
        ("five", "input", "an idle timeout cannot be 'five'"),
        ("inf", "input", "an idle timeout cannot be 'inf'"),
        ("5", "typing", "signal cannot be 'typing'"),
        ("5", "", "no definition of idle"),
        (" ,", "input", "no definition of idle"),
    ],
)
def test_definitions_that_are_none_are_refused(minutes: str, signals: str, message: str) -> None:
    with pytest.raises(Problem, match=message):
        definitions_of(minutes, signals)
