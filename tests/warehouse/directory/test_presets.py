"""Presets: where a team's time goes for which nobody entered a project."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import directory, frames, schema, store
from warehouse.errors import Problem

HEAD = "person,department,office,application,project,phase,task,valid_from,valid_to,reason\n"
Bring = Callable[..., str]


@pytest.fixture
def bring(filled: Engine, tmp_path: Path) -> Bring:
    """Give a function that imports a text, by default as whoever runs the command on the server."""

    def imported(text: str, actor: str = "root", *, on_server: bool = True, at_ms: int = 1_700) -> str:
        path = tmp_path / "presets.csv"
        path.write_text(HEAD + text)
        return str(directory.import_presets(filled, path, actor, at_ms=at_ms, on_server=on_server))

    return imported


@pytest.fixture
def refused(bring: Bring, filled: Engine) -> Bring:
    """Give a function that returns why a text is refused, and sees that nothing was written."""

    def refusal(text: str, actor: str = "root", *, on_server: bool = True) -> str:
        before = frames.project_presets(filled).collect()
        with pytest.raises(Problem) as caught:
            bring(text, actor, on_server=on_server)
        assert frames.project_presets(filled).collect().equals(before)
        return str(caught.value).removeprefix("presets.csv, ")

    return refusal


def _presets(engine: Engine) -> list[tuple[Any, ...]]:
    return frames.project_presets(engine).drop("person", "created").collect().rows()


TEAM = ",ENG,,draw,0042,01,001,2026-10-01,2027-01-01,design phase\n"


def test_a_preset_has_a_scope_a_target_days_an_author_and_a_reason(bring: Bring, filled: Engine) -> None:
    assert bring(TEAM, "eva") == "presets: 1 new, 0 changed, 0 unchanged"
    days = (date(2026, 10, 1), date(2027, 1, 1))
    assert _presets(filled) == [(1, None, "ENG", None, "draw", "0042", "01", "001", *days, "design phase")]
    with filled.connect() as connection:
        preset = schema.project_preset.c
        assert connection.execute(sa.select(preset.author, preset.created_ms)).all() == [("eva", 1_700)]


def test_without_a_project_time_goes_to_the_persons_own_cost_center(bring: Bring, filled: Engine) -> None:
    bring("e17,,,,,,,2026-10-01,,overhead\n,,BER,,-,,,2026-10-01,,overhead\n")
    targets = frames.project_presets(filled).select("person_id", "office", "project").collect().rows()
    assert targets == [(1, None, None), (None, "BER", None)]


def test_the_same_file_again_does_no_harm(bring: Bring, filled: Engine) -> None:
    text = TEAM + "e17,,,,,,,2026-10-01,,overhead\n"
    bring(text, "eva")
    stored = frames.project_presets(filled).collect()
    assert bring(text, "tom", at_ms=9_999) == "presets: 0 new, 0 changed, 2 unchanged"
    assert frames.project_presets(filled).collect().equals(stored)


def test_whoever_names_a_project_names_all_of_the_target(bring: Bring, filled: Engine) -> None:
    bring(TEAM)
    bring(",ENG,,draw,0042,01,,2026-10-01,,one task less\n")
    assert _presets(filled)[0][5:8] == ("0042", "01", None)[:3]
    bring(",ENG,,draw,-,,,2026-10-01,,to the cost centers\n")
    assert _presets(filled)[0][5:8] == (None, None, None)


def test_a_change_keeps_what_was_before_in_the_audit(bring: Bring, filled: Engine) -> None:
    bring(TEAM)
    bring(",ENG,,draw,,,,2026-10-01,2026-12-01,ends early\n", "tom")
    with filled.connect() as connection:
        detail = connection.scalar(
            sa.select(schema.audit_event.c.detail).order_by(schema.audit_event.c.id.desc()).limit(1)
        )
    assert detail == {
        "presets": {"changed": 1},
        "notes": [
            {
                "preset": 1,
                "reason": ["design phase", "ends early"],
                "valid_to_on": ["2027-01-01", "2026-12-01"],
            }
        ],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            ",ENG,,,0042,,,2026-10-01,,a\n,ENG,,,ADMIN,,,2026-12-01,,b\n",
            ("row 3, column valid_from: overlaps row 2: two presets of the same scope are valid on "
            "2026-12-01; give the earlier one valid_to 2026-12-01"),
        ),
        (
            ",ENG,,,0042,,,2026-10-01,,a\n,ENG,,,ADMIN,,,2026-10-01,,b\n",
            "row 3, column valid_from: the same scope and first day as row 2; remove one of them",
        ),
        (",ENG,,,0042,,,2026-10-01,,\n", ("row 2, column reason: the cell is empty; say why, for whoever "
         "asks later")),
        (",ENG,,,0042,,,2026-10-01,,-\n", ("row 2, column reason: there must be a reason; say why in at most "
         "1,000 characters")),
        (
            f",ENG,,,0042,,,2026-10-01,,{'x' * 40_000}\n",
            "row 2, column reason: 40,000 characters are too many; say why in at most 1,000 characters",
        ),
        (
            ",SEA,,,0042,,,2026-10-01,,a\n",
            ("row 2, column department: unknown department 'SEA'; import it first: "
            "`process-meter directory import FILE`"),
        ),
        (
            ",,,paint,0042,,,2026-10-01,,a\n",
            ("row 2, column application: unknown application 'paint'; apply a policy that names it first: "
            "`process-meter manager policy apply FILE.toml`"),
        ),
        (
            ",ENG,,,7,,,2026-10-01,,a\n",
            ("row 2, column project: unknown project '7'; import it first: "
            "`process-meter project import FILE`"),
        ),
        (
            ",ENG,,,0042,02,,2026-10-01,,a\n",
            ("row 2, column phase: '02' is not a phase of project '0042'; import it first: "
            "`process-meter project import FILE`"),
        ),
        (
            ",ENG,,,0042,01,009,2026-10-01,,a\n",
            ("row 2, column task: '009' is not a task of phase '01'; import it first: "
            "`process-meter project import FILE`"),
        ),
        (
            ",ENG,,,0042,,001,2026-10-01,,a\n",
            "row 2, column task: no phase is named; name the phase that it belongs to",
        ),
        (
            ",ENG,,,,01,,2026-10-01,,a\n",
            "row 2, column phase: no project is named; name the project that it belongs to",
        ),
        (
            ",ENG,,,0042,,,2026-10-01,2026-10-01,a\n",
            "row 2, column valid_to: 2026-10-01 is not after valid_from 2026-10-01; swap or widen them",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_and_nothing_is_written(refused: Bring, text: str, message: str) -> None:
    assert refused(text) == message


# --- Whose presets they are --------------------------------------------------------------------------------


def test_a_manager_presets_own_projects_and_nothing_else(
    bring: Bring, refused: Bring, filled: Engine, files: Any
) -> None:
    files.bring(filled, "projects", "project,manager\n0042,e17\n")
    with store.writing(filled) as connection:
        connection.execute(schema.organization.update().values(settings={"billing_staff": ["pat"]}))
    assert bring(TEAM, "ada", on_server=False) == "presets: 1 new, 0 changed, 0 unchanged"
    for text in (
        "e18,,,,ADMIN,,,2026-10-01,,somebody else's project\n",
        "e18,,,,,,,2026-10-01,,a cost center\n",
        ",ENG,,draw,ADMIN,,,2026-10-01,,away with it\n",
    ):
        assert refused(text, "ada", on_server=False) == (
            "row 2, column project: ada neither manages this project nor is one of the billing staff, and "
            "cannot say whose time goes to it; let its manager or the billing staff do it"
        )
    assert bring("e18,,,,,,,2026-10-01,,a cost center\n", "pat", on_server=False).startswith("presets: 1 new")


# --- Closed periods ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["approved", "closed"])
def test_no_preset_changes_what_was_billed(  # noqa: PLR0917
    bring: Bring, refused: Bring, filled: Engine, use_the_first_rate: Any, files: Any, status: str
) -> None:
    bring(",ENG,,,0042,,,2026-01-01,,a\n")
    files.bring(filled, "rates", "rate,currency,valid_from\n12,EUR,2026-01-01\n")
    use_the_first_rate(filled, status)  # it bills June

    told = "days before 2026-07-01 are billed by an approved or closed run; let it begin or end on 2026-07-01"
    end = " or later, and correct single sessions from before"
    assert refused("e17,,,,0042,,,2026-06-30,,late\n") == f"row 2, column valid_from: {told}{end}"
    assert refused(",ENG,,,ADMIN,,,2026-01-01,,other\n") == f"row 2, column valid_from: {told}{end}"
    assert refused(",ENG,,,,,,2026-01-01,2026-06-30,\n") == f"row 2, column valid_to: {told}{end}"
    assert bring(",ENG,,,,,,2026-01-01,2026-07-01,\n") == "presets: 0 new, 1 changed, 0 unchanged"
    assert bring("e17,,,,0042,,,2026-07-01,,in time\n") == "presets: 1 new, 0 changed, 0 unchanged"


def test_a_draft_keeps_nobody_from_changing_presets(
    bring: Bring, filled: Engine, use_the_first_rate: Any, files: Any
) -> None:
    files.bring(filled, "rates", "rate,currency,valid_from\n12,EUR,2026-01-01\n")
    use_the_first_rate(filled, "draft")
    assert bring(",ENG,,,0042,,,2026-01-01,,a\n") == "presets: 1 new, 0 changed, 0 unchanged"
