"""`process-meter billing check-export`, `export`, `void-export`: what the shell is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from billing_warehouse import billed_hours, ms, organize
from click.testing import Result
from sqlalchemy import Engine
from typer.testing import CliRunner

from apps.cli import app
from pipelines import billing, exporting
from warehouse.errors import Problem

NOW = ms("2026-10-02 12:00")


@pytest.fixture
def url(engine: Engine, warehouse_url: str) -> str:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "vantagepoint", "pat", NOW)
    billing.approve(engine, run, "ann", NOW)
    billing.close(engine, run, "ann", NOW)
    return warehouse_url


def run(url: str, command: str, *words: str) -> Result:
    return CliRunner().invoke(
        app, ["billing", command, "2026-09/1", *words, "--warehouse", url], catch_exceptions=False
    )


def test_an_export_tells_its_files_and_batch_and_that_it_was_made_before(url: str, tmp_path: Path) -> None:
    out = str(tmp_path / "units.csv")
    first = run(url, "export", "--target", "vantagepoint", "--out", out).stdout.splitlines()
    assert first[0] == out
    assert first[1].startswith("1 row, batch 2026-09/1-VP-")
    again = run(url, "export", "--target", "vantagepoint", "--out", out).stdout.splitlines()
    batch = first[1].removeprefix("1 row, batch ")
    assert again[1].startswith("exported before on ")
    assert again[1].endswith(f", batch {batch}")
    void = run(url, "void-export", "--target", "vantagepoint", "--reason", "never posted")
    assert void.stdout == f"Batch {batch} is void.\n"


def test_a_check_says_that_all_is_well_or_lists_what_is_not_and_fails(url: str, tmp_path: Path) -> None:
    good = run(url, "check-export", "--target", "vantagepoint")
    assert (good.exit_code, good.stdout) == (0, "Run 2026-09/1: vantagepoint can import every line.\n")
    mapping = tmp_path / "map.toml"
    mapping.write_text('currency = "USD"')
    bad = run(url, "check-export", "--target", "vantagepoint", "--mapping", str(mapping))
    assert bad.exit_code == 1
    assert bad.stderr.startswith("line 1: it is in EUR, and the mapping says USD; leave currency out:")
    out = tmp_path / "units.csv"
    with pytest.raises(
        Problem, match="run 2026-09/1 cannot be imported by vantagepoint:\n  line 1: it is in EUR"
    ):
        run(url, "export", "--target", "vantagepoint", "--out", str(out), "--mapping", str(mapping))
    assert not out.exists()


def test_the_workbook_is_a_target_too(url: str, tmp_path: Path) -> None:
    out = tmp_path / "book.xlsx"
    assert run(url, "export", "--target", "workbook", "--out", str(out)).stdout == f"{out}\n"
    assert out.read_bytes()[:2] == b"PK"


@pytest.mark.parametrize("command", ["export", "check-export", "void-export"])
def test_help_lists_every_target(command: str) -> None:
    shown = CliRunner().invoke(app, ["billing", command, "--help"]).stdout
    text = "".join(letter for letter in shown if letter.isalnum() or letter in "-,")
    assert ",".join(exporting.TARGETS) in text
