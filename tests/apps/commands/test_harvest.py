"""`process-meter harvest`: the list of seats, and a step that is written down or refused."""

from __future__ import annotations

import json

import pytest
import small_warehouse
from sqlalchemy import Engine
from typer.testing import CliRunner

from apps.cli import app
from warehouse.errors import Problem


@pytest.fixture
def url(engine: Engine, warehouse_url: str) -> str:
    small_warehouse.fill(engine, with_charges=False)
    return warehouse_url


def run(url: str, *words: str) -> str:
    done = CliRunner().invoke(app, ["harvest", *words, "--warehouse", url], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_a_step_is_written_down_and_shows_in_the_list(url: str) -> None:
    assert run(url, "list").startswith("No seat can be reclaimed")
    assert run(url, "note", "1", "propose", "--reason", "not opened since spring") == "seat 1: propose\n"
    (row,) = json.loads(run(url, "list", "--json"))
    assert (row["seat"], row["entitlement"], row["stands"]) == (1, "LT-1", "propose")
    assert "LT-1" in run(url, "list")


def test_a_step_out_of_order_is_one_clear_sentence(url: str) -> None:
    with pytest.raises(Problem, match="seat 1: reclaim comes after approve, and it has no step yet"):
        run(url, "note", "1", "reclaim", "--reason", "now")
