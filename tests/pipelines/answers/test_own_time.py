"""What a person sees of an own week."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from billing_warehouse import hour, ms, on, organize, use
from sqlalchemy import Engine

from pipelines.answers.own_time import answer
from warehouse import schema, store

MONDAY = date(2026, 10, 5)
NOW = ms("2026-10-20 12:00")
HOUR = 3_600_000


@pytest.fixture(scope="module")
def used(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a warehouse, to be copied: sessions of an hour from 11:00 in Berlin."""
    path = tmp_path_factory.mktemp("own") / "warehouse.sqlite"
    shutil.copyfile(empty_warehouse, path)
    engine = store.open_warehouse(f"sqlite:///{path}")
    organize(engine)
    use(
        engine,
        hour(1, "2026-10-05"),
        hour(2, "2026-10-06"),
        hour(3, "2026-10-06", person=2),
        hour(4, "2026-10-12"),
        hour(5, "2026-10-07", application="notes"),  # not billed
        hour(6, "2026-10-08", person=None),
    )
    on(engine, 2, "A", at_="2026-10-06 09:20")
    on(engine, 3, "B", at_="2026-10-06 09:00")
    engine.dispose()
    return path


@pytest.fixture
def week(used: Path, tmp_path: Path) -> Iterator[Engine]:
    shutil.copyfile(used, tmp_path / "week.sqlite")
    engine = store.open_warehouse(f"sqlite:///{tmp_path / 'week.sqlite'}")
    yield engine
    engine.dispose()


def test_a_week_shows_own_sessions_and_what_they_are_charged_to(week: Engine) -> None:
    found = answer(week, "USER1", MONDAY, NOW)
    assert found.sessions.rows() == [
        (number, "cad", "The cad", "Europe/Berlin", datetime(2026, 10, day, 9, tzinfo=UTC),
         datetime(2026, 10, day, 10, tzinfo=UTC))
        for number, day in ((1, 5), (2, 6))
    ]  # fmt: skip
    columns = ("session", "day", "milliseconds", "project", "source", "fault", "reason", "period", "is_late")
    assert found.stretches.select(columns).rows() == [
        (1, MONDAY, HOUR, None, None, "unassigned", "no project was set", "2026-10", False),
        (2, date(2026, 10, 6), HOUR // 3, None, None, "unassigned", "no project was set", "2026-10", False),
        (2, date(2026, 10, 6), HOUR * 2 // 3, "A", "entered", None, None, "2026-10", False),
    ]


def test_all_accounts_of_a_person_count_and_those_of_several_people_do_not(week: Engine) -> None:
    with store.writing(week) as connection:
        connection.execute(schema.account.update().where(schema.account.c.id == 9).values(person_id=1))
    assert answer(week, "user1", MONDAY, NOW).sessions["session"].to_list() == [1, 2, 6]
    assert answer(week, "nobody", MONDAY, NOW).sessions["session"].to_list() == [1, 2, 6]
    with store.writing(week) as connection:
        connection.execute(schema.account.update().where(schema.account.c.id == 9).values(shared=True))
    assert answer(week, "user1", MONDAY, NOW).sessions["session"].to_list() == [1, 2]
    assert answer(week, "nobody", MONDAY, NOW).sessions.height == 0


def test_somebody_unknown_sees_nothing(week: Engine) -> None:
    found = answer(week, "mallory", MONDAY, NOW)
    assert (found.sessions.height, found.stretches.height) == (0, 0)


def test_what_was_received_later_is_not_shown_yet(week: Engine) -> None:
    assert answer(week, "user1", MONDAY, ms("2026-10-05 12:00")).stretches["session"].to_list() == [1]


def test_an_account_of_nobody_sees_its_own_sessions_as_nobodys(week: Engine) -> None:
    found = answer(week, "nobody", MONDAY, NOW)
    assert found.sessions["session"].to_list() == [6]
    assert found.stretches.select("session", "fault").rows() == [(6, "unknown_person")]
