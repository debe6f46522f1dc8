"""A draft to be reviewed: whose lines are whose, who manages what, who is billing staff.

Ada (person 1, account `user1`) used cad from 09:00 to 10:00 UTC on 7 and 8 September 2026 for project A, and
on the 9th for phase 01 of project B, at 90 EUR an hour; Ben (person 2, `user2`) for an hour on the 10th
without a project. Ben manages A, Cy (person 3, `user3`) manages B. pat, ann and sue are billing staff. pat
has drafted run 2026-09/1: lines 1 and 2 are on A, line 3 on B.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from billing_warehouse import hour, ms, on, organize, price, use
from sqlalchemy import Engine

from pipelines import billing
from warehouse import ledger, store

RUN, PERIOD = "2026-09/1", "2026-09"
SEPTEMBER, OCTOBER = ms("2026-10-02 12:00"), ms("2026-11-02 12:00")
NOW = SEPTEMBER + 3_600_000
"""An hour after the draft."""

STATEMENTS = (
    "UPDATE project SET manager_id = 2 WHERE number = 'A'",
    "UPDATE project SET manager_id = 3 WHERE number = 'B'",
    """UPDATE organization SET settings = '{"billing_staff": ["Pat", "ann", "sue"]}'""",
)


def fill(engine: Engine, policy: dict[str, Any] | None = None) -> None:
    """Write the warehouse, and draft the run."""
    organize(engine, policy)
    price(engine, 1, 900_000)
    days = [f"2026-09-{day:02}" for day in (7, 8, 9, 10)]
    use(engine, *(hour(number, day) for number, day in enumerate(days[:3], 1)))
    use(engine, hour(4, days[3], person=2))
    for number, project, phase in ((1, "A", None), (2, "A", None), (3, "B", "01")):
        on(engine, number, project, at_=f"{days[number - 1]} 09:00", phase=phase)
    change(engine, *STATEMENTS)
    assert billing.draft(engine, PERIOD, "generic", "pat", SEPTEMBER) == RUN


def change(engine: Engine, *statements: str) -> None:
    """Run statements."""
    with store.writing(engine) as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def file_of(folder: Path, empty: Path, fill: Callable[[Engine], object]) -> Path:
    """Make a warehouse once, to be copied for many tests."""
    path = folder / "warehouse.sqlite"
    shutil.copyfile(empty, path)
    engine = store.open_warehouse(f"sqlite:///{path}")
    fill(engine)
    engine.dispose()
    return path


@contextmanager
def copied(made: Path, folder: Path) -> Iterator[Engine]:
    """Open a copy of a warehouse that was made once for many tests."""
    for part in ("", ".keys"):
        if Path(f"{made}{part}").exists():
            copy = shutil.copytree if part else shutil.copy2
            copy(f"{made}{part}", folder / f"warehouse.sqlite{part}")
    engine = store.open_warehouse(f"sqlite:///{folder / 'warehouse.sqlite'}")
    yield engine
    engine.dispose()


def lines(engine: Engine, *columns: str, run: str = RUN) -> list[tuple[Any, ...]]:
    """Return columns of a run's lines."""
    return ledger.lines_of(engine, run).select(columns).rows()


def events(engine: Engine) -> list[tuple[str, str]]:
    """Return who did what, oldest first."""
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT actor, action FROM audit_event ORDER BY id"))
        return [(actor, action) for actor, action in rows]


def make_approvable(engine: Engine) -> None:
    """Let sue waive what has no project, and both managers sign."""
    billing.waive(engine, RUN, "sue", "known", NOW, kind="unassigned")
    billing.sign(engine, RUN, "A", "user2", "", NOW)
    billing.sign(engine, RUN, "B", "user3", "", NOW)
