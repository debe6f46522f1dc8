"""Fields of a project entry: from a file into the organization's settings."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import frames, schema
from warehouse.directory.project_fields import set_project_fields
from warehouse.errors import Problem
from warehouse.projects import FieldRule

TOML = """
[[field]]
name = "order"
label = "Work order"
required = true
pattern = 'WO-[0-9]{5}'

[[field]]
name = "kind"
kind = "choice"
choices = ["Study", "Design"]
"""


def _file(folder: Path, text: str) -> Path:
    path = folder / "fields.toml"
    path.write_text(text)
    return path


def test_fields_are_set_read_back_and_again_does_no_harm(filled: Engine, tmp_path: Path) -> None:
    path = _file(tmp_path, TOML)
    assert set_project_fields(filled, path, "eva", at_ms=5)
    assert frames.project_fields(filled) == (
        FieldRule("order", "Work order", "text", True, "WO-[0-9]{5}"),
        FieldRule("kind", "kind", "choice", choices=("Study", "Design")),
    )
    assert not set_project_fields(filled, path, "eva", at_ms=6)
    with filled.connect() as connection:
        event = schema.audit_event.c
        chosen = sa.select(event.at_ms, event.actor, event.detail).where(event.action == "settings")
        assert connection.execute(chosen).all() == [(5, "eva", {"changed": ["project_fields"]})]


def test_other_settings_stay(filled: Engine, tmp_path: Path) -> None:
    with filled.begin() as connection:
        connection.execute(schema.organization.update().values(settings={"billing_staff": ["pat"]}))
    set_project_fields(filled, _file(tmp_path, TOML), "Pat")
    assert frames.organization(filled)["settings"]["billing_staff"] == ["pat"]


def test_an_empty_file_takes_all_fields_away(filled: Engine, tmp_path: Path) -> None:
    set_project_fields(filled, _file(tmp_path, TOML), "eva")
    assert set_project_fields(filled, _file(tmp_path, ""), "eva")
    assert frames.project_fields(filled) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("field = 3", "fields.toml, project_fields is no list; give one table [[field]] for each field"),
        ("[fields]\n", "fields.toml: unknown table 'fields'; write one [[field]] for each field"),
        (
            '[[field]]\nname = "order"\nkind = "money"\n',
            ("fields.toml, project field order: unknown kind 'money'; use one of text, number, date, choice"),
        ),
    ],
)
def test_a_file_that_means_nothing_is_refused(
    filled: Engine, tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(Problem) as caught:
        set_project_fields(filled, _file(tmp_path, text), "eva")
    assert str(caught.value) == message
    assert frames.project_fields(filled) == ()


@pytest.mark.parametrize("content", [b"[[field", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_refused(filled: Engine, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fields.toml"
    path.write_bytes(content)
    with pytest.raises(Problem, match=r"fields\.toml is no TOML"):
        set_project_fields(filled, path, "eva")


def test_where_nobody_has_named_the_organization_there_are_no_fields(engine: Engine, tmp_path: Path) -> None:
    assert frames.project_fields(engine) == ()
    with pytest.raises(Problem, match="the organization has no name yet"):
        set_project_fields(engine, _file(tmp_path, TOML), "eva")
