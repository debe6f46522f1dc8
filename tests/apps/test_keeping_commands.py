"""The commands that bring people in from a directory server, forget, and copy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from billing_warehouse import billed_hours, organize
from slapd import ADMIN, PASSWORD, STAFF, Slapd
from sqlalchemy import Engine
from typer.testing import CliRunner

from apps.commands import directory_sync, keeping
from warehouse import store
from warehouse.errors import Problem
from warehouse.rollups import update

COMMANDS = {
    "sync": directory_sync.sync,
    "settings": directory_sync.settings,
    "erase": keeping.erase,
    "retain": keeping.retain,
    "backup": keeping.backup,
}


def run(engine: Engine, *words: str) -> str:
    """Run a command; return what it says, raise what it raises."""
    app = typer.Typer()
    for name, command in COMMANDS.items():
        app.command(name)(command)
    done = CliRunner().invoke(app, [*words, "--warehouse", str(engine.url)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.ldap
def test_sync_tells_what_it_did(engine: Engine, tmp_path: Path) -> None:
    organize(engine)
    server = Slapd(_made(tmp_path / "slapd"))
    (server.folder / "password").write_text(PASSWORD)
    (server.folder / "password").chmod(0o600)
    file = server.folder / "hq.toml"
    file.write_text(
        f'url = "{server.url}"\nbind_dn = "{ADMIN}"\npassword_file = "password"\n'
        f'[people]\nbases = ["{STAFF}"]\ndefault_office = "BER"\n'
    )
    with server.running():
        server.add_people({"dee": {}, "lost": {"l": "Paris"}})
        told = run(engine, "sync", str(file), "--on", "2026-10-10")
        again = json.loads(run(engine, "sync", str(file), "--on", "2026-10-10", "--json"))
    assert told.splitlines() == [
        "persons: 1 new, 0 changed, 0 unchanged; placements: 1 new, 0 changed, 0 unchanged",
        "people who left: 0; disabled entries: 0",
        f"set aside: uid=lost,{STAFF}: no office is called 'Paris'",
    ]
    assert again["persons"] == {"unchanged": 1}
    assert again["set_aside"] == [{"dn": f"uid=lost,{STAFF}", "reason": "no office is called 'Paris'"}]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_settings_are_set_shown_and_refused_by_key(engine: Engine, tmp_path: Path) -> None:
    organize(engine)
    file = tmp_path / "rules.toml"
    file.write_text("[accounts]\nstrip_domain = true\n[retention]\nevidence_months = 25\n")
    assert run(engine, "settings", str(file)) == "changed: accounts, retention\n"
    assert run(engine, "settings", str(file)) == "Nothing is different.\n"
    assert json.loads(run(engine, "settings")) == {
        "accounts": {"strip_domain": True},
        "retention": {"evidence_months": 25},
    }
    audited = store.read(engine, "SELECT action, subject FROM audit_event").rows()
    assert audited == [("settings", "organization")]


def test_the_deadline_of_corrections_is_set_and_shown(engine: Engine, tmp_path: Path) -> None:
    organize(engine)
    file = tmp_path / "rules.toml"
    file.write_text("correction_days = 5\n")
    assert run(engine, "settings", str(file)) == "changed: correction_days\n"
    assert json.loads(run(engine, "settings")) == {"accounts": {}, "retention": {}, "correction_days": 5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("correction_days = -1\n", "rules.toml, correction_days is no number of days;"),
        ("correction_days = true\n", "rules.toml, correction_days is no number of days;"),
        (
            "[retention]\nevidence_years = 1\n",
            "rules.toml, retention.evidence_years: unknown key; known ones:",
        ),
        ("[accounts]\nstrip_domain = 1\n", "rules.toml, accounts.strip_domain is neither true nor false;"),
        ("[colors]\n", "rules.toml, colors: unknown table; known ones: accounts, retention"),
        ("retention = 3\n", "rules.toml, retention: unknown table; known ones: accounts, retention"),
        ("= 3\n", "rules.toml is no TOML: "),
    ],
)
def test_settings_that_do_not_fit_change_nothing(
    engine: Engine, tmp_path: Path, text: str, message: str
) -> None:
    organize(engine)
    (tmp_path / "rules.toml").write_text(text)
    with pytest.raises(Problem) as caught:
        run(engine, "settings", str(tmp_path / "rules.toml"))
    assert str(caught.value).startswith(message)
    assert json.loads(run(engine, "settings")) == {"accounts": {}, "retention": {}}


def test_settings_need_an_organization(engine: Engine) -> None:
    with pytest.raises(
        Problem, match=r"the organization has no name yet; import a directory file with a row"
    ):
        run(engine, "settings")


def test_erasing_is_tried_and_done_and_rollups_follow(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    update(engine)
    assert _hours(engine) == 1
    tried = run(engine, "erase", "p1", "--reason", "asked", "--dry-run")
    assert tried.splitlines()[:2] == ["sessions: 1 would go", "segments: 4 would go"]
    assert _hours(engine) == 1
    done: dict[str, Any] = json.loads(run(engine, "erase", "p1", "--reason", "asked", "--json"))
    assert (done["code"], done["counts"]["sessions"], done["was_tried_only"]) == ("erased-1", 1, False)
    assert _hours(engine) == 0


def _hours(engine: Engine) -> int:
    return int(
        store.read(engine, "SELECT count(*) FROM demand_hour WHERE key = 'user' AND basis = 'run'").item()
    )


def test_retaining_says_when_there_is_nothing_to_do(engine: Engine) -> None:
    assert run(engine, "retain") == "Nothing is older than it is kept for.\n"


def test_a_backup_says_what_it_holds(engine: Engine, tmp_path: Path) -> None:
    told = run(engine, "backup", str(tmp_path / "copy.sqlite"))
    assert told.startswith(f"{tmp_path}/copy.sqlite: ")
    shown = json.loads(run(engine, "backup", str(tmp_path / "other.sqlite"), "--json"))
    assert shown["rows"]["mark"] == 1
