"""Documentation keeps in step with the product."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from apps.cli import app
from warehouse import schema
from warehouse.metrics.states import BASES, STATES

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def _commands(group: typer.main.TyperGroup, path: tuple[str, ...] = ()) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, command in group.commands.items():
        if isinstance(command, typer.main.TyperGroup):
            found |= _commands(command, (*path, name))
        else:
            found[" ".join((*path, name))] = command
    return found


ROOT_COMMAND = typer.main.get_command(app)
assert isinstance(ROOT_COMMAND, typer.main.TyperGroup)
COMMANDS = _commands(ROOT_COMMAND)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert f"Example: process-meter {name}" in (command.epilog or "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


def test_commands_in_the_readme_exist() -> None:
    lines = re.findall(
        r"^process-meter ([a-z -]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    unknown = [line for line in lines if not any(line.strip().startswith(name) for name in COMMANDS)]
    assert lines
    assert unknown == []


def test_the_page_of_commands_is_the_one_that_make_docs_writes(tmp_path: Path) -> None:
    written = tmp_path / "commands.md"
    typer_docs = [sys.executable, "-m", "typer", "apps.cli", "utils", "docs", "--name", "process-meter"]
    subprocess.run([*typer_docs, "--output", str(written)], cwd=ROOT, check=True, capture_output=True)
    assert written.read_text(encoding="utf-8") == (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_report_is_listed_with_its_own_question(path: Path) -> None:
    page = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    title = json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"][0].strip().removeprefix("# ")
    assert f"| {path.stem} | {title} |" in page


def test_the_glossary_explains_every_state_basis_and_attention() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert [word for word in (*STATES, *BASES, *schema.ATTENTIONS) if word not in page] == []
