"""`process-meter billing`: from collecting to the close, by whoever runs it."""

from __future__ import annotations

import json
import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from drafted_run import RUN, SEPTEMBER, change, copied, file_of, fill
from sqlalchemy import Engine
from typer.testing import CliRunner

from apps.cli import app
from apps.commands import reviewing
from pipelines import billing
from warehouse.errors import Problem

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, empty_warehouse: Path) -> Path:
    def filled(engine: Engine) -> None:
        fill(engine)
        change(engine, f"""UPDATE organization SET settings = '{{"billing_staff": ["{ME}", "ann"]}}'""")

    return file_of(tmp_path_factory.mktemp("made"), empty_warehouse, filled)


@pytest.fixture
def drafted(made: Path, tmp_path: Path) -> Iterator[Engine]:
    with copied(made, tmp_path) as engine:
        yield engine


def run(engine: Engine, *words: str) -> Result:
    return CliRunner().invoke(app, ["billing", *words, "--warehouse", str(engine.url)])


def test_a_run_goes_from_collecting_to_the_close(drafted: Engine) -> None:
    assert "Period 2026-09: draft; it is over" in run(drafted, "collecting", "--period", "2026-09").stdout
    listed = run(drafted, "exceptions", RUN).stdout
    assert listed == "    1  blocks   unassigned, 1.00 h: no project was set\n"
    waived = run(drafted, "waive", RUN, "--kind", "unassigned", "--reason", "small")
    assert waived.stdout == "1 exception waived.\n"
    again = run(drafted, "waive", RUN, "--exception", "1", "--reason", "small")
    assert again.stdout == "All of them were dealt with before: nothing has changed.\n"
    assert run(drafted, "exceptions", RUN).stdout.endswith(f"no project was set ({ME}: small)\n")
    for project in "AB":
        signed = run(drafted, "sign", RUN, "--project", project, "--reason", "agreed on the phone")
        assert signed.stdout == f"Run {RUN}: project {project} is signed.\n"
    shown = run(drafted, "show", RUN).stdout
    assert "Run 2026-09/1: review, 3 lines, billed 270.00 EUR, held nothing" in shown
    assert "    with buffer 0: 270.00 EUR" in shown
    assert "    overlap policy full: 270.00 EUR (the same)" in shown
    assert "    waived: 1 unassigned" in shown
    assert f"    project A: signed by {ME}" in shown
    assert run(drafted, "approve", RUN).stdout == f"Run {RUN} is approved.\n"
    assert run(drafted, "close", RUN).stdout == f"Run {RUN} is closed.\n"
    assert "Nothing was changed" in run(drafted, "verify").stdout


def test_the_lines_are_listed_for_whoever_may_see_them(drafted: Engine) -> None:
    listed = run(drafted, "lines", RUN).stdout.splitlines()
    assert len(listed) == 3
    line = r" +3  2026-09-09  P-[0-9A-F]{8}  B/01 +cad +1.000 hour +90.00 EUR"
    assert re.fullmatch(line, listed[2])
    assert [row["line"] for row in json.loads(run(drafted, "lines", RUN, "--json").stdout)] == [1, 2, 3]
    change(drafted, """UPDATE organization SET settings = '{"billing_staff": ["ann"]}'""")
    assert run(drafted, "lines", RUN).stdout == f"Run {RUN} has no line that you may see.\n"
    for words in (("show",), ("show", RUN), ("show", RUN, "--line", "1"), ("exceptions", RUN)):
        assert f"{ME} cannot see" in str(run(drafted, *words).exception)


def test_an_act_done_again_says_that_nothing_has_changed(drafted: Engine) -> None:
    acts = (
        ("dispute", RUN, "1", "--reason", "no"),
        ("hold", RUN, "1", "--reason", "wait"),
        ("transfer", RUN, "2", "--project", "B", "--phase", "01", "--reason", "B's"),
        ("sign", RUN, "--project", "B", "--reason", "seen"),
        ("withdraw", RUN, "--project", "B", "--reason", "wrong"),
    )
    for words in acts:
        first, second = run(drafted, *words), run(drafted, *words)
        assert (first.exit_code, second.exit_code) == (0, 0)
        assert second.stdout == f"{first.stdout.strip()} It was so before: nothing has changed.\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("approve", RUN), "has open exceptions: 1 unassigned"),
        (("close", RUN), "is draft; only an approved run can be closed"),
        (("release", RUN, "1", "--reason", "why"), "is draft; accept the line of a draft instead"),
        (("waive", RUN, "--reason", "why"), "say which exceptions"),
        (("sign", RUN, "--project", "A"), "to act for the manager of project A needs a reason"),
        (("collecting", "--period", "2030-01"), "there is no fiscal period '2030-01'"),
    ],
)
def test_what_is_refused_is_named_and_ends_with_1(drafted: Engine, words: tuple[str, ...], says: str) -> None:
    done = run(drafted, *words)
    assert done.exit_code == 1
    assert isinstance(done.exception, Problem)
    assert says in str(done.exception)


def test_wrong_use_ends_with_2(drafted: Engine) -> None:
    assert run(drafted, "dispute", RUN, "0", "--reason", "why").exit_code == 2
    assert run(drafted, "hold", RUN, "1").exit_code == 2


def test_json_is_what_the_functions_give(drafted: Engine) -> None:
    assert json.loads(run(drafted, "exceptions", RUN, "--json").stdout) == billing.exceptions(drafted, RUN)
    assert json.loads(run(drafted, "show", RUN, "--json").stdout) == billing.show(drafted, RUN)
    assert json.loads(run(drafted, "collecting", "--period", "2026-09", "--json").stdout)["run"] == RUN
    assert json.loads(run(drafted, "staff", "--json").stdout) == [ME.lower(), "ann"]
    drafted_again = run(drafted, "draft", "--period", "2026-09", "--showback", "--json")
    assert json.loads(drafted_again.stdout)["showback"] is True


def test_what_is_left_of_a_budget_and_the_deadline_are_shown(drafted: Engine) -> None:
    change(
        drafted,
        "UPDATE project SET budget_minor = 10000, not_to_exceed_minor = 30000 WHERE number = 'A'",
        f"UPDATE billing_run SET review_until_ms = {SEPTEMBER}",
    )
    run(drafted, "dispute", RUN, "1", "--reason", "no")
    shown = run(drafted, "show", RUN).stdout
    assert "    project A: -80.00 EUR of its budget left" in shown
    assert "    project A: 120.00 EUR of its not-to-exceed amount left" in shown
    assert "    disputed lines: 1" in shown
    assert "    to be settled or waived: 1 unassigned" in shown
    assert "    open: 1 over budget, 1 unassigned" in shown
    assert "    sign-offs are waited for until 2026-10-02T12:00:00+00:00" in shown


def test_the_staff_is_shown_and_changed(drafted: Engine) -> None:
    named = run(drafted, "staff", "--add", "Sue", "--remove", "ann").stdout
    assert named.splitlines() == sorted([ME.lower(), "sue"])
    change(drafted, "UPDATE organization SET settings = '{}'")
    assert run(drafted, "staff").stdout == (
        "NOBODY IS LISTED AS BILLING STAFF: everybody who runs a command here may change rates, projects, "
        "periods and the billing policy, and prepare, approve and close bills.\n"
        "List whose task it is: `process-meter billing staff --add ACCOUNT`\n"
    )


def test_an_act_says_which_lines_went_along_under_one_cap(capsys: pytest.CaptureFixture[str]) -> None:
    reviewing.say("Run 2026-10/1, line 5: held.", 5, [5, 3, 44])
    reviewing.say("Run 2026-10/1, line 5: held.", 5, [44])
    reviewing.say("Run 2026-10/1, line 5: held.", 5, [5])
    reviewing.say("Run 2026-10/1, line 5: held.", 5, [])
    assert capsys.readouterr().out.splitlines() == [
        "Run 2026-10/1, line 5: held. Under one cap with it, and so too: lines 3, 44.",
        "Run 2026-10/1, line 5: held. Under one cap with it, and so too: line 44.",
        "Run 2026-10/1, line 5: held.",
        "Run 2026-10/1, line 5: held. It was so before: nothing has changed.",
    ]
