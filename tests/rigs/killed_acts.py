"""Acts of billing in a process of their own, which is killed at any moment; and what they leave."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa
from closed_periods import make_ready, run_of
from sqlalchemy import Engine

from pipelines import billing, exporting
from pipelines.workbook import write_workbook
from warehouse import check, ledger, store
from warehouse.ledger.run_events import events_of

RUN, PERIOD = "2026-10/1", "2026-10"
NOW = 1_793_620_800_000  # 2026-11-02 12:00 UTC
FILES = ("october.csv", "october.xlsx")

ROOT = Path(__file__).parents[2]


def act(name: str, engine: Engine, folder: Path) -> None:
    """Do one act: draft, close, or export with the workbook."""
    if name == "draft":
        billing.draft(engine, PERIOD, "generic", "pat", NOW)
    elif name == "close":
        billing.close(engine, RUN, "ann", NOW)
    else:
        exporting.export(engine, RUN, "generic", folder / FILES[0], "ann", NOW)
        write_workbook(engine, RUN, folder / FILES[1], "ann", NOW)


def prepare(name: str, engine: Engine) -> None:
    """Bring October to where the act can begin."""
    if name != "draft":
        act("draft", engine, ROOT)
        make_ready(engine, RUN, NOW)
        billing.approve(engine, RUN, "ann", NOW)
    if name == "export":
        act("close", engine, ROOT)


def again(name: str, engine: Engine, folder: Path) -> None:
    """Do an act once more; a close that was done before the kill needs no other."""
    if name != "close" or run_of(engine, RUN).status != "closed":
        act(name, engine, folder)


def left(name: str, engine: Engine, folder: Path) -> dict[str, object]:
    """Return all that an act leads to which anybody sees: lines to the chain's head, files to the byte.

    `drafts` is how often October was drafted: the workbook's audit log tells of each.
    """
    if name == "draft":
        make_ready(engine, RUN, NOW)
        billing.approve(engine, RUN, "ann", NOW)
        act("close", engine, folder)
    if name != "export":
        act("export", engine, folder)
    assert check.check(engine) == []
    assert billing.verify(engine) == []
    run, lines = run_of(engine, RUN), ledger.lines_of(engine, RUN)
    shares = ledger.shares_of(engine, RUN).join(lines.select("line_id", "line"), on="line_id")
    batches = sa.text("SELECT batch, target, digest, row_count FROM export_batch ORDER BY batch")
    with engine.connect() as connection:
        known = [tuple(row) for row in connection.execute(batches)]
        leases = connection.execute(sa.text("SELECT count(*) FROM lease")).scalar()
    return {
        "drafts": events_of(engine, run)["action"].to_list().count("billing draft"),
        "head": run.digest,
        "inputs": run.input_digest,
        "totals": run.totals,
        "lines": lines.drop("line_id", "original_line_id").rows(),
        "originals": ledger.originals_of(engine, RUN).rows(),
        "shares": shares.sort("line", "session").drop("line_id").rows(),
        "exceptions": ledger.exceptions_of(engine, RUN).rows(),
        "batches": known,
        "leases": leases,
        "files": {path.name: sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())},
    }


# --- Copies of a warehouse ----------------------------------------------------------------------------------


@contextmanager
def copied(url: str, folder: Path) -> Iterator[str]:
    """Give the URL of a copy of a warehouse that nobody has open, and throw the copy away."""
    if url.startswith("sqlite"):
        path = folder / f"{uuid4().hex}.sqlite"
        shutil.copyfile(url.removeprefix("sqlite:///"), path)
        yield f"sqlite:///{path}"
        for each in folder.glob(f"{path.name}*"):
            each.unlink() if each.is_file() else shutil.rmtree(each)
        return
    given = sa.make_url(url)
    name = f"copy_{uuid4().hex[:12]}"
    _on_server(url, f'CREATE DATABASE "{name}" TEMPLATE "{given.database}"')
    yield given.set(database=name).render_as_string(hide_password=False)
    _on_server(url, f'DROP DATABASE "{name}" WITH (FORCE)')


def _on_server(url: str, statement: str) -> None:
    server = sa.make_url(url).set(database="postgres")
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(statement))
    admin.dispose()


# --- The process -------------------------------------------------------------------------------------------


def start(name: str, url: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start an act in a process of its own, and wait until it begins."""
    child = subprocess.Popen(
        [sys.executable, __file__, name, url, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    return child


def end(child: subprocess.Popen[bytes]) -> str:
    """Wait until the process is over; return what it has said of its act since."""
    said, _ = child.communicate()
    return said.decode()


def main(name: str, url: str, folder: str) -> None:
    """Be the process: say that the act begins, and how many seconds it has taken."""
    engine = store.open_warehouse(url)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    began = time.monotonic()
    act(name, engine, Path(folder))
    sys.stdout.write(f"{time.monotonic() - began}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
