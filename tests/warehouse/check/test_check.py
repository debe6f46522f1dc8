"""`check` names each thing that is wrong, and nothing where all is well."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from billing_warehouse import hour, ms, on, use
from planted_defects import DEFECTS, plant, tidy
from sqlalchemy import Engine

from apps import cli
from pipelines import billing
from warehouse import ledger, store
from warehouse.check import RULES, check


def found(engine: Engine) -> list[str]:
    return [f"{finding.rule}: {finding}" for finding in check(engine)]


def in_order(findings: list[str]) -> list[str]:
    """Order findings by rule, those of one rule as they are."""
    rules = list(RULES)
    return sorted(findings, key=lambda text: rules.index(text.partition(":")[0]))


@pytest.fixture(scope="module")
def tidy_file(tmp_path_factory: pytest.TempPathFactory, empty_warehouse: Path) -> Path:
    path = tmp_path_factory.mktemp("tidy") / "warehouse.sqlite"
    shutil.copyfile(empty_warehouse, path)
    engine = store.open_warehouse(f"sqlite:///{path}")
    tidy(engine)
    engine.dispose()
    return path


@pytest.fixture
def tidied(tmp_path: Path, tidy_file: Path) -> Iterator[Engine]:
    """A copy of the tidy warehouse."""
    shutil.copyfile(tidy_file, tmp_path / "warehouse.sqlite")
    engine = store.open_warehouse(f"sqlite:///{tmp_path / 'warehouse.sqlite'}")
    yield engine
    engine.dispose()


def test_where_all_is_well_nothing_is_found(both_engines: Engine) -> None:
    assert found(both_engines) == []
    tidy(both_engines)
    assert found(both_engines) == []


@pytest.mark.parametrize("name", DEFECTS)
def test_each_planted_defect_is_named(tidied: Engine, name: str) -> None:
    statements, expected = DEFECTS[name]
    plant(tidied, statements)
    assert found(tidied) == in_order(expected)


def test_on_postgresql_the_same_is_found(postgres_engine: Engine) -> None:
    apart = (
        "an overlap and a hole of one length", "unknown zones", "two placements at a time",
        "two rates at a time", "a period that leaves days out", "segments without a session",
        "a charge line on a session without segments", "a changed amount", "a changed audit event",
    )  # fmt: skip
    tidy(postgres_engine)
    for name in apart:
        plant(postgres_engine, DEFECTS[name][0])
    expected = [finding for name in apart for finding in DEFECTS[name][1]]
    assert sorted(found(postgres_engine)) == sorted(expected)


@pytest.mark.parametrize(
    "name", ["a negative length", "a segment crossing a quarter", "an unknown application"]
)
def test_what_postgresql_refuses_is_found_there_too(postgres_engine: Engine, name: str) -> None:
    statements, expected = DEFECTS[name]
    tidy(postgres_engine)
    plant(postgres_engine, statements)
    assert found(postgres_engine) == in_order(expected)


def test_two_closed_runs_of_one_period_are_named(tidied: Engine) -> None:
    """The second one is chained as it should be: the chain alone would not find it."""
    use(tidied, hour(3, "2026-10-05"))
    on(tidied, 3, "A", at_="2026-10-05 09:00")
    now = ms("2026-11-02 12:00")
    run = billing.draft(tidied, "2026-10", "generic", "pat", now)
    plant(tidied, ["UPDATE billing_run SET fiscal_period_id = 9 WHERE number = '2026-10/1'"])
    billing.approve(tidied, run, "ann", now)
    billing.close(tidied, run, "ann", now)
    both = "2026-09/1 (closed), 2026-10/1 (closed)"
    assert found(tidied) == [f"run: period 2026-09: has several standing runs: {both}"]


def test_an_open_session_is_tiled_as_far_as_it_is_known(tidied: Engine) -> None:
    plant(tidied, ["UPDATE session SET ended_ms = NULL WHERE id = 1"])
    assert found(tidied) == []
    plant(tidied, ["DELETE FROM segment WHERE session_id = 1 AND start_ms = {09:45}"])
    assert found(tidied) == []
    plant(tidied, ["DELETE FROM segment WHERE session_id = 1 AND start_ms = {09:00}"])
    assert found(tidied) == ["tiling: session 1 (s1): hole of 900,000 ms before 2026-09-07T09:15:00Z"]


def test_a_session_of_no_length_needs_no_segments_and_any_other_does(tidied: Engine) -> None:
    session = """
        INSERT INTO session (id, key, source, application_id, account_id, host_id, logon_session, zone,
                             started_ms, ended_ms, received_ms)
        VALUES (5, 'five', 'agent', 1, 1, 1, '1', 'UTC', {09:00}, {09:00}, 0)
    """
    plant(tidied, [session])
    assert found(tidied) == []
    plant(tidied, ["UPDATE session SET ended_ms = ended_ms + 10 WHERE id = 5"])
    assert found(tidied) == ["tiling: session 5 (five): hole of 10 ms before 2026-09-07T09:00:00.010Z"]
    plant(tidied, ["UPDATE session SET ended_ms = ended_ms - 20 WHERE id = 5"])
    assert found(tidied) == ["length: session 5 (five): ends 10 ms before it starts"]


def test_of_many_findings_of_a_rule_twenty_are_shown_and_the_others_counted(tidied: Engine) -> None:
    use(tidied, *(hour(number, "2026-10-05") for number in range(101, 200)))
    plant(tidied, ["DELETE FROM segment WHERE session_id > 100 AND start_ms % 3600000 = 900000",
                   "UPDATE session SET zone = 'Nowhere', application_id = 99 WHERE id > 100"])  # fmt: skip
    sentences = found(tidied)
    assert len(sentences) == 3 * 21
    assert sentences[20] == "tiling: tiling: and 79 more that break this rule"
    assert sentences[41] == "reference: reference: and 79 more that break this rule"
    assert sentences[62] == "zone: zone: and 79 more that break this rule"


def test_rules_keep_their_order(tidied: Engine) -> None:
    for name in ("a changed ledger row", "unknown zones", "a hole"):
        plant(tidied, DEFECTS[name][0])
    rules = [finding.rule for finding in check(tidied)]
    assert rules == ["tiling", "zone", "zone", "chain"]


def test_a_run_that_is_void_stands_for_nothing(tidied: Engine) -> None:
    with store.writing(tidied) as connection:
        ledger.move(connection, ledger.find_run(connection, "2026-09/1"), "void")
    plant(tidied, ["DELETE FROM charge_share"])
    assert found(tidied) == []


# --- Command line ------------------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["process-meter", "warehouse", "check", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def test_the_command_names_each_finding_on_a_line_and_fails(
    tidied: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    url = tidied.url.render_as_string()
    assert run(capsys, "--warehouse", url) == (0, "All 15 rules hold.\n", "")
    for name in ("a hole", "a changed ledger row"):
        plant(tidied, DEFECTS[name][0])
    code, out, err = run(capsys, "--warehouse", url)
    said = "process-meter: 2 of 15 rules are broken; at most 20 findings of each are shown\n"
    assert (code, err) == (1, said)
    assert out.splitlines() == DEFECTS["a hole"][1] + DEFECTS["a changed ledger row"][1]
    code, out, _ = run(capsys, "--warehouse", url, "--json")
    assert (code, [finding["rule"] for finding in json.loads(out)]) == (1, ["tiling", "chain"])
