"""`%%sql` in a notebook: one SELECT on the warehouse, read-only, its answer a Polars frame.

    %%sql hours
    SELECT application_id, count(*) AS n FROM session WHERE started_ms >= :since GROUP BY application_id

`:since` is bound to the notebook's name `since`, never written into the text; the answer is shown, and kept
under the name after `%%sql` if there is one.
"""

from __future__ import annotations

import re
from typing import Any

import polars as pl
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, magics_class
from sqlalchemy import Engine

from warehouse.errors import Problem
from warehouse.store import open_warehouse, read

_BOUND = re.compile(r"(?<!:):([a-z_]+)")


@magics_class
class Sql(Magics):
    """Holds the connection that a notebook's queries share."""

    engine: Engine | None = None

    @cell_magic
    def sql(self, line: str, cell: str) -> pl.DataFrame | None:
        """Run one SELECT; keep its answer under the name in `line`, if any.

        Raises
        ------
        Problem
            A name that the notebook does not have, or that is none; whatever the database says.
        """
        name = line.strip()
        if name and not name.isidentifier():
            raise Problem(f"%%sql cannot keep its answer as {name!r}", "give one name, as in `%%sql hours`")
        answer = self._read(cell.strip().rstrip(";"))
        if not name:
            return answer
        self._names()[name] = answer
        return None

    def _read(self, text: str) -> pl.DataFrame:
        if self.engine is None:
            self.engine = open_warehouse(read_only=True)
        known = self._names()
        asked = set(_BOUND.findall(text))
        if unknown := sorted(asked - set(known)):
            raise Problem(f"%%sql asks for :{unknown[0]}", f"set {unknown[0]} in a cell before")
        return read(self.engine, text, {each: known[each] for each in asked})

    def _names(self) -> dict[str, Any]:
        assert self.shell is not None  # noqa: S101 - magics belong to a shell
        names: dict[str, Any] = self.shell.user_ns
        return names


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Give a notebook `%%sql`; `%load_ext apps.lab.sql` in a kernel of another kind."""
    shell.register_magics(Sql)
