"""Codes of what the ledger's rows name by number: by them it is told what was billed."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from warehouse.ledger.links import Read

_SELECT = {
    "application": "SELECT id, code FROM application",
    "office": "SELECT id, code FROM office",
    "project": "SELECT id, number FROM project",
    "phase": "SELECT id, project_id, number FROM phase",
    "task": "SELECT id, phase_id, number FROM task",
    "fiscal_period": "SELECT id, name FROM fiscal_period",
}
_ABOVE = {"phase": "project_id", "task": "phase_id"}
_CALLED = {"fiscal_period": "period"}


class Words:
    """The codes by now; the imports never give a row another one.

    Parameters
    ----------
    read
        Reads each table once, when it is needed.
    """

    def __init__(self, read: Read) -> None:
        self._known = cache(partial(_read, read))

    def told(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add to rows with `application_id`, `office_id`, ... or some of them: `application`, `office`, ...

        A fiscal period is told by its name, as `period`; a phase or a task by its number, within the project
        or the phase of the same row. What is not there is told by its number behind a character that no code
        contains, so that it passes for no other row.
        """
        for table in _SELECT:
            column, name = f"{table}_id", _CALLED.get(table, table)
            if column in rows.columns:
                known = self._known(table)
                keys = [each for each in known.columns if each != name]
                gone = pl.concat_str(pl.lit("\0"), pl.col(column).cast(pl.String))
                rows = rows.join(known, on=keys, how="left", maintain_order="left")
                rows = rows.with_columns(pl.coalesce(name, gone))
        return rows


def _read(read: Read, table: str) -> pl.DataFrame:
    above = {_ABOVE[table]: pl.Int64()} if table in _ABOVE else {}
    columns = {f"{table}_id": pl.Int64(), **above, _CALLED.get(table, table): pl.String()}
    return read(_SELECT[table], pl.Schema(columns), {}).unique([f"{table}_id", *above], maintain_order=True)
