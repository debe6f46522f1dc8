"""Members of projects: who may charge to what, and when."""

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

Bring = Callable[..., str]


@pytest.fixture
def bring(filled: Engine, tmp_path: Path) -> Bring:
    """Give a function that imports a text, by default as whoever runs the command on the server."""

    def imported(text: str, actor: str = "root", *, on_server: bool = True) -> str:
        (tmp_path / "members.csv").write_text("project,person,valid_from,valid_to\n" + text)
        return str(directory.import_members(filled, tmp_path / "members.csv", actor, on_server=on_server))

    return imported


@pytest.fixture
def refused(bring: Bring, filled: Engine) -> Bring:
    """Give a function that returns why a text is refused, and sees that nothing was written."""

    def refusal(text: str, actor: str = "root", *, on_server: bool = True) -> str:
        before = frames.project_members(filled).collect()
        with pytest.raises(Problem) as caught:
            bring(text, actor, on_server=on_server)
        assert frames.project_members(filled).collect().equals(before)
        return str(caught.value).removeprefix("members.csv, ")

    return refusal


def _members(engine: Engine) -> list[tuple[Any, ...]]:
    return frames.project_members(engine).drop("person").collect().rows()


def _name_staff(engine: Engine, *staff: str) -> None:
    with store.writing(engine) as connection:
        connection.execute(schema.organization.update().values(settings={"billing_staff": list(staff)}))


def test_members_have_days_and_again_does_no_harm(bring: Bring, filled: Engine) -> None:
    text = "0042,e17,2026-01-01,2026-07-01\n0042,e17,2026-10-01,\nADMIN,e18,2026-01-01,\n"
    assert bring(text) == "members: 3 new, 0 changed, 0 unchanged"
    stored = _members(filled)
    assert stored == [
        ("0042", 1, date(2026, 1, 1), date(2026, 7, 1)),
        ("0042", 1, date(2026, 10, 1), None),
        ("ADMIN", 2, date(2026, 1, 1), None),
    ]
    assert bring(text) == "members: 0 new, 0 changed, 3 unchanged"
    assert _members(filled) == stored


def test_a_membership_ends_and_goes_on(bring: Bring, filled: Engine) -> None:
    bring("0042,e17,2026-01-01,\n")
    assert bring("0042,e17,2026-01-01,2026-02-01\n") == "members: 0 new, 1 changed, 0 unchanged"
    assert _members(filled) == [("0042", 1, date(2026, 1, 1), date(2026, 2, 1))]
    bring("0042,e17,2026-01-01,-\n")
    assert _members(filled) == [("0042", 1, date(2026, 1, 1), None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "7,e17,2026-01-01,\n",
            (
                "row 2, column project: unknown project '7'; "
                "import it first: `process-meter project import FILE`"
            ),
        ),
        (
            "0042,e99,2026-01-01,\n",
            (
                "row 2, column person: unknown person 'e99'; "
                "import it first: `process-meter directory import FILE`"
            ),
        ),
        ("0042,-,2026-01-01,\n", "row 2, column person: the cell is empty; fill it in"),
        (
            "0042,e17,,\n",
            "row 2, column valid_from: the cell is empty; write the first day, as 2026-01-01",
        ),
        (
            "0042,e17,2026-01-01,2026-01-01\n",
            ("row 2, column valid_to: 2026-01-01 is not after valid_from 2026-01-01; swap or widen them"),
        ),
        (
            "0042,e17,2026-01-01,\n0042,e17,2026-03-01,\n",
            (
                "row 3, column valid_from: overlaps row 2: two memberships of the same scope are valid on "
                "2026-03-01; give the earlier one valid_to 2026-03-01"
            ),
        ),
        (
            "0042,e17,2026-01-01,\n0042,e17,2026-01-01,2026-02-01\n",
            ("row 3, column valid_from: the same project, person and first day as row 2; remove one of them"),
        ),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_written(refused: Bring, text: str, message: str) -> None:
    assert refused(text) == message


def test_the_manager_of_a_project_names_its_members_and_no_others(
    bring: Bring, refused: Bring, filled: Engine, files: Any
) -> None:
    files.bring(filled, "projects", "project,manager\n0042,e17\n")
    _name_staff(filled, "pat")
    assert bring("0042,e18,2026-01-01,\n", "EXAMPLE\\Ada", on_server=False).startswith("members: 1 new")
    told = refused("ADMIN,e18,2026-01-01,\n", "EXAMPLE\\Ada", on_server=False)
    assert told == (
        "row 2, column project: EXAMPLE\\Ada neither manages this project nor is one of the billing staff, "
        "and cannot say who charges to it; let its manager or the billing staff do it"
    )


def test_where_billing_staff_is_named_the_server_alone_is_no_right(refused: Bring, filled: Engine) -> None:
    _name_staff(filled, "pat")
    assert "root neither manages" in refused("0042,e18,2026-01-01,\n")


def test_billing_staff_is_known_in_upper_and_lower_case(bring: Bring, filled: Engine) -> None:
    _name_staff(filled, " Pat ")
    assert bring("0042,e18,2026-01-01,\n", "PAT", on_server=False).startswith("members: 1 new")


def test_from_afar_nobody_is_staff_where_none_was_named(refused: Bring) -> None:
    assert "root neither manages" in refused("0042,e18,2026-01-01,\n", on_server=False)


def test_whoever_imported_is_on_record(bring: Bring, filled: Engine) -> None:
    bring("0042,e17,2026-01-01,\n", "eva")
    with filled.connect() as connection:
        newest = connection.execute(
            sa.select(
                schema.audit_event.c.actor, schema.audit_event.c.subject, schema.audit_event.c.detail
            ).order_by(schema.audit_event.c.id.desc())
        ).first()
    assert newest == ("eva", "members.csv", {"members": {"new": 1}})
