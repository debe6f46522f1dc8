"""The reports on demand work on a license server's log alone, and say what it cannot know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_warehouse import NOW, WINDOW
from sqlalchemy import Engine, text

from collector.importers.records import Options
from collector.importing.files import import_files
from pipelines.answers import (
    concurrent_use,
    heatmap,
    peak_and_average,
    peak_witness,
    session_summary,
    use_duration,
    utilization,
)
from pipelines.answers.question import Question, ask
from warehouse.errors import Problem


@pytest.fixture
def log_alone(engine: Engine, tmp_path: Path) -> Engine:
    log = tmp_path / "debug.log"
    log.write_text(
        " 8:00:00 (vendord) TIMESTAMP 10/5/2026\n"
        ' 9:00:00 (vendord) OUT: "SOLVER" ann@pc1\n'
        ' 9:30:00 (vendord) OUT: "SOLVER" bob@pc2\n'
        ' 9:45:00 (vendord) DENIED: "SOLVER" cat@pc3  (Licensed number of users already reached. (-4,342))\n'
        '10:00:00 (vendord) IN: "SOLVER" ann@pc1\n'
        '11:00:00 (vendord) IN: "SOLVER" bob@pc2\n'
    )
    import_files(engine, "flexnet", [log], Options(zone="UTC"), actor="test", at_ms=1)
    return engine


ANSWERS: dict[str, Callable[[Question], Any]] = {
    "peak_and_average": peak_and_average.answer,
    "use_duration": use_duration.answer,
    "heatmap": heatmap.answer,
    "peak_witness": peak_witness.answer,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_was_open_is_told_without_organization_entitlement_or_idle(log_alone: Engine, name: str) -> None:
    found = ANSWERS[name](ask(log_alone, **WINDOW, basis="run", now=NOW))
    assert (found.pool, found.owned, found.key) == ("SOLVER", None, "user")
    lines = dict(found.footer.lines())
    assert (lines["Fleet coverage"], lines["Time zone"]) == ("—", "UTC")
    assert lines["Peak, with what is missing"] == "2, whatever the missing data hold"


@pytest.mark.parametrize("name", ANSWERS)
def test_who_was_at_work_is_not_known_and_it_says_how_to_ask(log_alone: Engine, name: str) -> None:
    with pytest.raises(Problem, match=r"is not known: a license server .*; ask with basis=run"):
        ANSWERS[name](ask(log_alone, **WINDOW, now=NOW))


def test_a_denial_of_the_log_is_counted_on_its_day(log_alone: Engine) -> None:
    found = peak_and_average.answer(ask(log_alone, **WINDOW, basis="run", now=NOW))
    assert found.by_day["denials"].to_list() == [1, 0, 0, 0, 0, 0, 0]
    assert found.by_day["average"][0] == pytest.approx(2.5 / 24)
    assert found.claims["denials"] == "The license server refused 1 request on 1 day."
    assert "in all hours" in found.claims["days"]


def test_without_a_directory_nobody_has_an_office(log_alone: Engine) -> None:
    found = peak_witness.answer(ask(log_alone, **WINDOW, basis="run", now=NOW))
    assert found.witnesses["state"].to_list() == ["open", "open"]
    assert found.claims["parts"] == (
        "Their offices are not known: no directory was imported. No project was entered for their sessions."
    )


def test_minute_by_minute_it_says_that_attention_is_unseen(log_alone: Engine) -> None:
    found = concurrent_use.answer(ask(log_alone, **WINDOW, now=NOW))
    assert found.claims["idle"].startswith("Whether anyone was at work is not known")
    nine, ten = found.by_hour.select("active", "pause", "idle", "held").rows()
    assert nine == (None, None, None, 1.5)
    assert ten == (None, None, None, 1.0)


def test_time_that_was_held_has_no_used_part(log_alone: Engine) -> None:
    found = utilization.answer(ask(log_alone, **WINDOW, now=NOW))
    shown = ("run_hours", "busy_hours", "idle_hours", "held_hours", "busy_share")
    assert found.by_application.select(shown).rows() == [(2.5, None, None, 2.5, None)]
    assert found.over_time.select(shown).rows() == [(2.5, None, None, 2.5, None), *[(0, 0, 0, 0, None)] * 6]
    assert (found.results["run_hours"], found.results["busy_hours"], found.results["busy_share"]) == (
        2.5,
        None,
        None,
    )
    unseen = "a license server or a cluster tells what was open, not who was at work"
    assert found.claims == {
        "all": (
            f"Applications were open for 2.5 hours. **Whether they were in use is not known**: {unseen}. "
            "Agents on the machines would tell it. The busiest day was 2026-10-05, with 2 people."
        ),
        "applications": "No application was used by five people or more, so none is shown by itself.",
        "offices": "All use is from one office, or from offices too small to be shown by themselves.",
        "over_time": "What was open each time is known, its used part is not.",
    }


def test_beside_what_agents_saw_it_says_how_much_was_only_held(log_alone: Engine) -> None:
    with log_alone.begin() as connection:
        one = "SELECT min(session_id) FROM segment"
        connection.execute(text(f"UPDATE segment SET attention = 0 WHERE session_id = ({one})"))
    found = utilization.answer(ask(log_alone, **WINDOW, now=NOW))
    assert found.results["busy_hours"] == 1.0
    assert found.claims["all"] == (
        "Applications were open for 2.5 hours and **in use for 40 %** of that: 1.0 hours. Whether 1.5 hours "
        "of it were used is not known: a license server or a cluster tells what was open, not who was at "
        "work. The busiest day was 2026-10-05, with 2 people."
    )


def test_what_the_sessions_were_is_told_without_guessing_their_states(log_alone: Engine) -> None:
    found = session_summary.answer(ask(log_alone, **WINDOW, now=NOW))
    shown = ("run_hours", "active_hours", "pause_hours", "idle_hours", "held_hours", "unknown_hours")
    assert found.applications.select(shown).rows() == [(2.5, None, None, None, 2.5, 0.0)]
