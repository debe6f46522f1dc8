"""The reports on demand work on a license server's log alone, and say what it cannot know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_warehouse import NOW, WINDOW
from sqlalchemy import Engine

from collector.importers.records import Options
from collector.importing.files import import_files
from pipelines.answers import concurrent_use, heatmap, peak_and_average, peak_witness, use_duration
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
