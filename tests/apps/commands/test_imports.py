"""The command that imports foreign logs: what it says, how it refuses, and a disk that is full on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from apps import cli
from warehouse.store import open_warehouse, read

HEADER = "JobID|Cluster|Partition|Account|User|Start|End|NCPUS|NodeList"
JOB = "7|hive|long|P100|ann|2026-10-01T08:00:00|2026-10-01T09:30:00|16|n1"
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), -1))
from apps.cli import main
main()
"""


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["process-meter", "import", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.fixture
def jobs(tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROCESS_METER_WAREHOUSE", warehouse_url)
    path = tmp_path / "jobs.sacct"
    path.write_text(f"{HEADER}\n{JOB}\n", encoding="utf-8")
    return path


def rolled_up(url: str) -> list[tuple[int, int]]:
    engine = open_warehouse(url)
    try:
        return read(engine, "SELECT hour_ms, unit_ms FROM use_hour ORDER BY hour_ms").rows()
    finally:
        engine.dispose()


def test_an_import_is_told_and_rolled_up(
    capsys: pytest.CaptureFixture[str], jobs: Path, warehouse_url: str
) -> None:
    code, out, err = run(capsys, "slurm", str(jobs), "--zone", "UTC", "--capacity", "64")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "slurm: 2 lines of jobs.sacct",
        "  sessions: 1 new, 0 changed, 0 removed",
        "  sessions read whole: 1",
        "  skipped, headers: 1",
    ]
    eight = 1_790_841_600_000
    assert rolled_up(warehouse_url) == [(eight, 16 * 3_600_000), (eight + 3_600_000, 16 * 1_800_000)]


def test_a_program_can_read_what_an_import_did(capsys: pytest.CaptureFixture[str], jobs: Path) -> None:
    code, out, _ = run(capsys, "slurm", str(jobs), "--json")
    document = json.loads(out)
    assert (code, document["sessions"], document["files"][0]["name"]) == (
        0,
        {"new": 1, "changed": 0, "removed": 0},
        "jobs.sacct",
    )


@pytest.mark.parametrize(
    ("content", "arguments", "line"),
    [
        (b"", (), "jobs.sacct is empty; export it again, or leave it out"),
        (b"\x7fELF\0\0", (), "jobs.sacct is a binary file; give the log as text, plain or gzipped"),
        (
            b"\x1f\x8b\x08",
            (),
            "jobs.sacct is a gzip file that is cut short; copy it again from where it was ",
        ),
        (None, (), "jobs.sacct is a directory; name the files themselves"),
        (
            b"x",
            ("--zone", "Mars/Base"),
            "unknown time zone 'Mars/Base'; give an IANA name such as Europe/Berlin",
        ),
        (b"x", ("--mapping", "none.toml"), "There is no file none.toml; check the path"),
    ],
)
def test_what_cannot_be_imported_is_one_clear_line(
    capsys: pytest.CaptureFixture[str],
    jobs: Path,
    content: bytes | None,
    arguments: tuple[str, ...],
    line: str,
) -> None:
    if content is None:
        jobs.unlink()
        jobs.mkdir()
    else:
        jobs.write_bytes(content)
    code, out, err = run(capsys, "slurm", str(jobs), *arguments)
    assert (code, out) == (1, "")
    assert err.startswith(f"process-meter: {line}")
    assert err.count("\n") == 1


def test_a_mapping_that_is_no_toml_is_refused(
    capsys: pytest.CaptureFixture[str], jobs: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text("fields = [", encoding="utf-8")
    code, _, err = run(capsys, "slurm", str(jobs), "--mapping", str(tmp_path / "mine.toml"))
    assert (code, err.startswith("process-meter: mine.toml is not a TOML file: ")) == (1, True)


def test_a_disk_that_is_full_in_the_middle_leaves_nothing_and_the_repeat_everything(
    capsys: pytest.CaptureFixture[str], jobs: Path, warehouse_url: str
) -> None:
    lines = [JOB.replace("7|", f"{number}|") for number in range(20_000)]
    jobs.write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")
    file = Path(warehouse_url.removeprefix("sqlite:///"))
    arguments = ["import", "slurm", str(jobs)]
    limit = str(file.stat().st_size + 2_000_000)
    full = subprocess.run(
        [sys.executable, "-c", LIMITED, limit, *arguments],
        cwd=Path(cli.__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (full.returncode, full.stdout) == (1, "")
    assert full.stderr.startswith("process-meter: The warehouse sqlite:///")
    assert full.stderr.count("\n") == 1
    engine = open_warehouse(warehouse_url)
    for table in ("session", "segment", "account", "import_run", "landing"):
        assert read(engine, f"SELECT count(*) FROM {table}").item() == 0
    engine.dispose()
    assert run(capsys, *arguments[1:])[0] == 0
    assert rolled_up(warehouse_url) != []
