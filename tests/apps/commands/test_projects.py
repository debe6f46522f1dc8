"""The commands of the project master and of corrections, as they are typed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from billing_warehouse import hour, on, organize, use

from apps import cli
from warehouse import store

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, warehouse_url: str
) -> Iterator[Run]:
    """Give a function that runs a command on a warehouse with three sessions in October."""
    monkeypatch.setenv("PROCESS_METER_WAREHOUSE", warehouse_url)
    engine = store.open_warehouse(warehouse_url)
    organize(engine)
    use(engine, hour(1, "2026-10-05"), hour(2, "2026-10-06"), hour(3, "2026-10-07", person=3))
    on(engine, 2, "A", at_="2026-10-06 09:00")
    on(engine, 3, "A", at_="2026-10-07 09:00")
    engine.dispose()

    def typed(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["process-meter", "project", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return typed


def test_the_queue_is_read_corrected_and_traced(run: Run) -> None:
    code, out, _ = run("check", "--period", "2026-10")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith("session 1  2026-10-05 09:00-10:00 UTC  P-")
    assert lines[0].endswith("  cad  1.000 h: no project was set (no deadline)")
    assert lines[1] == (
        "Period 2026-10: 2.000 of 3.000 billable hours are assigned, 1.000 wait to be corrected."
    )
    assert lines[2].startswith("Without an employee number, which accounting systems ask for: P-")

    one = ("correct", "--session", "1", "--project", "B", "--phase", "01", "--reason", "forgot")
    assert run(*one) == (0, "corrections: 1 new, 0 unchanged\n", "")
    assert run(*one) == (0, "corrections: 0 new, 1 unchanged\n", "")
    _, out, _ = run("trace", "1")
    assert out.endswith(": nothing -> B / 01 from 2026-10-05 09:00:00 UTC (forgot)\n")
    assert json.loads(run("trace", "1", "--json")[1])[0]["after"] == {
        "project": "B",
        "phase": "01",
        "task": None,
    }
    queue = json.loads(run("check", "--period", "2026-10", "--json")[1])
    assert (queue["queue"], queue["assigned_ms"]) == ([], 3 * 3_600_000)


def test_a_stretch_is_told_in_the_time_of_the_home_office(run: Run) -> None:
    half = ("--from", "2026-10-05T11:30", "--to", "2026-10-05T11:45")
    assert run("correct", "--session", "1", "--project", "A", "--reason", "x", *half)[0] == 0
    assert "from 2026-10-05 09:30:00 UTC to 2026-10-05 09:45:00 UTC" in run("trace", "1")[1]


def test_the_queue_is_written_as_a_file_that_is_filled_in(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "queue.csv"
    assert run("check", "--period", "2026-10", "--out", str(path))[0] == 0
    text = path.read_text(encoding="utf-8-sig").replace("+02:00,,,,,", "+02:00,A,,,forgot,")
    path.write_text(text)
    assert run("correct", str(path)) == (0, "corrections: 1 new, 0 unchanged\n", "")
    code, _, err = run("check", "--period", "2026-10", "--out", str(tmp_path / "queue.txt"))
    assert (code, err) == (
        1,
        "process-meter: queue.txt is neither .csv nor .xlsx; end its name with one of them\n",
    )


@pytest.mark.parametrize(
    "wrong",
    [
        ("correct",),
        ("correct", "--session", "1", "--project", "A"),
        ("correct", "queue.csv", "--session", "1"),
        ("correct", "--session", "1", "--project", "A", "--reason", "x", "--field", "order"),
        ("correct", "--session", "1", "--project", "A", "--reason", "x", "--field", "a=1", "--field", "a=2"),
    ],
)
def test_wrong_use_is_told_and_does_nothing(run: Run, wrong: tuple[str, ...]) -> None:
    code, out, _ = run(*wrong)
    assert (code, out) == (2, "")
    assert run("trace", "1")[1] == "Nothing was ever said of session 1.\n"


def test_a_refusal_is_one_line_with_its_remedy(run: Run) -> None:
    code, _, err = run("correct", "--session", "1", "--project", "=1+1", "--reason", "x")
    assert (code, err) == (
        1,
        (
            "process-meter: project =1+1 is not in the project master; choose one of the project master, or "
            "import it: `process-meter project import FILE`\n"
        ),
    )


def test_fields_are_set_shown_and_needed(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "fields.toml"
    file.write_text('[[field]]\nname = "order"\nrequired = true\n')
    assert run("fields", str(file)) == (0, "The fields are set.\n", "")
    assert run("fields", str(file)) == (0, "Nothing is different.\n", "")
    assert json.loads(run("fields")[1]) == [
        {"name": "order", "label": "order", "kind": "text", "required": True, "longest": 255}
    ]
    one = ("correct", "--session", "1", "--project", "A", "--reason", "x")
    assert "the field order is missing" in run(*one)[2]
    assert run(*one, "--field", "order=7")[0] == 0


def test_members_and_presets_are_imported_listed_and_exported(run: Run, tmp_path: Path) -> None:
    members, presets = tmp_path / "members.csv", tmp_path / "presets.csv"
    members.write_text("project,person,valid_from\nA,p1,2026-01-01\n")
    presets.write_text("office,project,valid_from,reason\nBER,B,2026-10-01,the bridge\n")
    assert run("presets")[1] == (
        "There is no preset yet; import them with `process-meter project preset FILE`.\n"
    )
    assert run("members", str(members)) == (0, "members: 1 new, 0 changed, 0 unchanged\n", "")
    assert run("preset", str(presets)) == (0, "presets: 1 new, 0 changed, 0 unchanged\n", "")
    assert run("presets")[1] == "office BER from 2026-10-01: B (the bridge)\n"
    assert json.loads(run("presets", "--json")[1])[0]["office"] == "BER"
    for what, rows in (("projects", 7), ("members", 1), ("presets", 1)):
        path = tmp_path / f"{what}.xlsx"
        assert run("export", str(path), "--what", what) == (0, f"{path}: {rows} rows\n", "")
    queue = json.loads(run("check", "--period", "2026-10", "--json")[1])["queue"]
    assert [(row["session"], row["fault"]) for row in queue] == [(3, "not_a_member")]
