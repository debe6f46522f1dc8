"""What a license server refused, on a week that can be counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import small_warehouse
import sqlalchemy as sa
from small_warehouse import DAYS, NOW, WINDOW, at_ms
from sqlalchemy import Engine

from collector.importers.records import Options
from collector.importing.files import import_files
from pipelines.answers import denials
from pipelines.answers.question import ask
from warehouse.errors import Problem
from warehouse.store import append

CAD, SIM, LT = 1, 2, 3
FULL = "Licensed number of users already reached. (-4,342)"
EXCLUDED = "User/host on EXCLUDE list for feature. (-38,348)"


@pytest.fixture
def week(engine: Engine) -> Engine:
    small_warehouse.fill(engine)
    return engine


def refuse(engine: Engine, *asked: tuple[Any, ...]) -> None:
    """Requests: (application, account, day, hour, minute, reason), each refused."""
    rows = [
        (f"d{place}", "flexnet", "lic", "denied", application, account, at_ms(*when), reason, 0)
        for place, (application, account, *when, reason) in enumerate(asked)
    ]
    columns = [
        "key",
        "source",
        "server",
        "kind",
        "application_id",
        "account_id",
        "at_ms",
        "reason",
        "received_ms",
    ]
    append(engine, "denial", pl.DataFrame(rows, columns, orient="row", infer_schema_length=None))


def read_capacity(engine: Engine, application: int, issued: int) -> None:
    row = {
        "key": "r", "source": "lmstat", "server": "lic", "application_id": application, "at_ms": 0,
        "issued": issued, "received_ms": 0,
    }  # fmt: skip
    append(engine, "capacity_reading", pl.DataFrame({name: [value] for name, value in row.items()}))


MONDAY = DAYS[0]
THREE = (
    (CAD, 1, MONDAY, 8, 50, FULL),  # in at 09:00
    (CAD, 2, MONDAY, 8, 40, FULL),  # in at 09:00, after twenty minutes
    (CAD, 3, MONDAY, 9, 30, EXCLUDED),
)


def test_each_refusal_has_its_class_and_the_free_seats_of_its_moment(week: Engine) -> None:
    refuse(week, *THREE)
    found = denials.answer(ask(week, **WINDOW, now=NOW))
    assert found.denials.select("application", "reason", "class", "waited", "free").rows() == [
        ("Drawing", FULL, "real", None, 5),
        ("Drawing", FULL, "retried", 10.0, 5),
        ("Drawing", EXCLUDED, "policy", None, -1),  # six people of five licenses
    ]
    assert found.denials["at"][0] == datetime(2026, 10, 5, 6, 40, tzinfo=UTC)
    assert found.by_application.rows() == [("Drawing", 3, 3, 3, 1, 1, 1, 1)]
    assert found.claims == {
        "classes": "License servers refused **3 requests** in 3 attempts: 1 did not get in, 1 got in on a "
        "retry and 1 ran into a rule. Only those who did not get in would have needed more licenses.",
        "applications": "**Drawing** was truly missed most: 1 denial of 1 person who did not get in.",
        "when": "Refusals fall into 1 of 7 days; the worst was 2026-10-05, with 3 refusals, 1 of them real.",
        "free": "In 0 of 2 refusals for want of a license, **none was free** the moment before; in 100 % "
        "some were by our count: a license that its session no longer shows may be held by the server a "
        "little longer, and one may be reserved or borrowed.",
    }
    assert found.footer.rows["denials"] == 3


def test_other_rules_sort_the_same_refusals_anew_and_change_none(week: Engine) -> None:
    refuse(week, *THREE)
    asked = ask(week, **WINDOW, now=NOW)
    wide, strict = (
        denials.answer(asked, denials.rules_of(*rules))
        for rules in ((20.0, 60.0, "nothing"), (0.0, 60.0, ""))
    )
    assert wide.denials["class"].to_list() == ["retried", "retried", "real"]
    assert strict.denials["class"].to_list() == ["real", "real", "policy"]
    assert wide.denials["reason"].to_list() == strict.denials["reason"].to_list()
    assert "hold one of: nothing." in wide.rules
    with pytest.raises(Problem, match="retry_window_ms is -60000"):
        denials.rules_of(-1, 60, "")


def test_a_reading_of_the_server_goes_before_what_is_owned(week: Engine) -> None:
    refuse(week, *THREE)
    read_capacity(week, CAD, 7)
    found = denials.answer(ask(week, **WINDOW, now=NOW))
    assert found.denials["free"].to_list() == [7, 7, 1]


def test_who_got_in_after_the_end_of_the_window_got_in(week: Engine) -> None:
    refuse(week, (CAD, 1, MONDAY, 23, 59, FULL))
    midnight_ms = at_ms(MONDAY, 23, 59) + 60_000
    with week.begin() as connection:
        moved = f"UPDATE session SET started_ms = {midnight_ms} WHERE account_id = 1 AND started_ms = "
        connection.execute(sa.text(f"{moved}{at_ms(DAYS[1], 9)}"))
    found = denials.answer(ask(week, start="2026-10-05", end="2026-10-06", now=NOW))
    assert found.denials["class"].to_list() == ["retried"]


def test_only_the_application_asked_for_is_told_of(week: Engine) -> None:
    refuse(week, *THREE, (LT, 4, MONDAY, 9, 0, FULL))
    found = denials.answer(ask(week, **WINDOW, application="lt", now=NOW))
    assert found.denials.select("application", "class", "free").rows() == [("Drawing LT", "real", 4)]


def test_people_are_pseudonyms_and_an_erased_account_is_nobody(week: Engine) -> None:
    refuse(week, *THREE, (CAD, None, MONDAY, 9, 31, FULL))
    found = denials.answer(ask(week, **WINDOW, now=NOW)).denials
    assert [str(name)[:2] for name in found["person"]] == ["P-", "P-", "P-", "No"]
    assert found["person"].null_count() == 1


@pytest.mark.parametrize("application", ["", "cad"])
def test_without_a_log_it_says_how_to_read_one(week: Engine, application: str) -> None:
    with pytest.raises(Problem) as problem:
        denials.answer(ask(week, **WINDOW, application=application, now=NOW))
    asked = " for cad" if application else ""
    assert str(problem.value) == (
        f"Whether any request was refused{asked} is not known: no log of a license server tells of it; read "
        "one with `process-meter import flexnet FILE`, or a table of denials with `process-meter import "
        "table FILE --mapping FILE.toml`"
    )


def test_a_log_without_refusals_says_that_there_were_none(engine: Engine, tmp_path: Path) -> None:
    log = tmp_path / "debug.log"
    log.write_text(
        " 8:00:00 (vendord) TIMESTAMP 10/5/2026\n"
        ' 9:00:00 (vendord) OUT: "SOLVER" ann@pc1\n'
        '10:00:00 (vendord) IN: "SOLVER" ann@pc1\n'
    )
    import_files(engine, "flexnet", [log], Options(zone="UTC"), actor="test", at_ms=1)
    found = denials.answer(ask(engine, **WINDOW, now=NOW))
    assert (found.denials.height, found.by_application.height, found.results["real"]) == (0, 0, 0)
    assert found.claims["classes"] == (
        "The license servers whose logs are known refused **no request** in this window."
    )


def test_refusals_without_any_session_are_told_all_the_same(week: Engine) -> None:
    refuse(week, *THREE)
    with week.begin() as connection:
        connection.execute(sa.text("DELETE FROM segment"))
        connection.execute(sa.text("DELETE FROM session"))
    found = denials.answer(ask(week, **WINDOW, now=NOW))
    assert found.denials.select("class", "free").rows() == [("real", 5), ("real", 5), ("policy", 5)]
    with pytest.raises(Problem, match="There are no sessions of sim from 2026-10-05"):
        denials.answer(ask(week, **WINDOW, application="sim", now=NOW))


def test_a_long_window_is_drawn_by_months(week: Engine) -> None:
    refuse(week, *THREE)
    found = denials.answer(ask(week, start="2026-01-01", end="2026-11-01", now=NOW))
    assert found.step == "month"
    assert found.over_time.rows()[-2:] == [("Sep 2026", 0, 0, 0), ("Oct 2026", 1, 1, 1)]
