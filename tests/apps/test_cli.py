"""The command line: exit codes, and one clear line for everything that goes wrong."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps import cli
from apps.identity import operating_system_identity


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run one command in this process; return exit code, stdout and stderr."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["process-meter", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    captured = capsys.readouterr()
    code = ended.value.code
    return (0 if code is None else int(code)), captured.out, captured.err


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that has to fail; return its one line."""
    code, _, err = run(capsys, *arguments)
    assert code == 1
    (line,) = err.splitlines()
    return line


def test_without_arguments_it_shows_help_and_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    assert (code, "Start with: process-meter demo" in out + err) == (2, True)


def test_an_unknown_option_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "warehouse", "status", "--nonsense")[0] == 2


def test_a_warehouse_is_made_and_described(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'meter.sqlite'}"
    assert run(capsys, "warehouse", "upgrade", "--warehouse", url)[:2] == (
        0,
        f"The warehouse {url} is ready.\n",
    )
    code, out, _ = run(capsys, "warehouse", "status", "--warehouse", url, "--json")
    assert (code, json.loads(out)["rows"]["segment"]) == (0, 0)


def test_a_missing_warehouse_is_named_with_the_remedy(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = failure(capsys, "warehouse", "status", "--warehouse", f"sqlite:///{tmp_path}/none.sqlite")
    assert f"{tmp_path}/none.sqlite" in line
    assert "process-meter warehouse upgrade" in line
    assert not (tmp_path / "none.sqlite").exists()


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/name", "postgresql://u:secret@127.0.0.1:1/none"])
def test_a_wrong_warehouse_url_is_one_line_without_the_password(
    capsys: pytest.CaptureFixture[str], url: str
) -> None:
    line = failure(capsys, "warehouse", "status", "--warehouse", url)
    assert line.startswith("process-meter: ")
    assert "secret" not in line


@pytest.mark.parametrize(
    ("noun", "text", "named"),
    [
        ("project", "projekt,name\n1,Bridge\n", "projekt"),
        ("project", "project,name,currency,opened\n1,Bridge,USD,31.12.2026\n", "row 2, column opened"),
        ("project", "project,name,currency\n1,Bridge,USD\n1,Tower,USD\n", "row 3"),
        ("rate", "rate,currency,valid_from\n-5,USD,2026-01-01\n", "row 2, column rate"),
        ("calendar", "", "empty"),
    ],
)
def test_an_unusable_file_names_its_place_and_nothing_is_stored(  # noqa: PLR0917
    capsys: pytest.CaptureFixture[str], tmp_path: Path, warehouse_url: str, noun: str, text: str, named: str
) -> None:
    path = tmp_path / "given.csv"
    path.write_text(text)
    line = failure(capsys, noun, "import", str(path), "--warehouse", warehouse_url)
    assert path.name in line
    assert named in line
    assert run(capsys, "project", "list", "--json", "--warehouse", warehouse_url)[1] == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("report", "run", "utilizaton"), "utilization"),
        (("report", "run", "utilization", "-p", "aplication=x"), "application"),
        (("report", "run", "utilization", "-p", "application"), "name=value"),
        (("report", "run", "utilization"), "enroll an agent, or `process-meter import` a log"),
        (("billing", "draft", "--period", "1990-01"), "1990-01"),
        (("billing", "approve", "1990-01/1"), "1990-01/1"),
        (("manager", "revoke", "nobody"), "nobody"),
        (("manager", "serve", "--host", "0.0.0.0"), "--tls-cert"),
        (("apps", "serve", "--host", "0.0.0.0"), "signing in"),
    ],
)
def test_what_cannot_be_done_is_one_line_that_names_it(  # noqa: PLR0917
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    warehouse_url: str,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    named: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert named in failure(capsys, *arguments, "--warehouse", warehouse_url)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


@pytest.mark.parametrize("service", ["manager", "apps"])
def test_a_taken_port_is_named(
    capsys: pytest.CaptureFixture[str], warehouse_url: str, taken_port: int, service: str
) -> None:
    line = failure(capsys, service, "serve", "--port", str(taken_port), "--warehouse", warehouse_url)
    assert str(taken_port) in line


def test_an_argument_in_another_encoding_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = run(capsys, "billing", "show", "Fr\udcfchling")
    assert (code, out) == (1, "")
    assert error == "process-meter: the argument Fr\\udcfchling is not UTF-8; set the terminal to UTF-8\n"


def test_an_unforeseen_failure_is_one_line_and_a_traceback_only_with_debug(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("boom")

    monkeypatch.setattr("warehouse.store.open_warehouse", fail)
    assert "--debug" in failure(capsys, "project", "list")
    monkeypatch.setenv("PROCESS_METER_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["process-meter", "project", "list"])
    with pytest.raises(KeyError, match="boom"):
        cli.main()


def test_help_comes_without_loading_the_heavy_packages() -> None:
    code = (
        "import sys; sys.argv = ['process-meter', '--help']\n"
        "from apps import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'polars', 'sqlalchemy', 'plotly', 'voila', 'papermill'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_who_acts_is_the_systems_word_not_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = operating_system_identity()
    for name in ("USER", "LOGNAME", "USERNAME", "LNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert operating_system_identity() == honest
