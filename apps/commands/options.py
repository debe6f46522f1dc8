"""Options that many commands share, and who is acting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sqlalchemy import Engine

WarehouseUrl = Annotated[
    str | None,
    typer.Option(
        "--warehouse",
        envvar="PROCESS_METER_WAREHOUSE",
        metavar="URL",
        help="The warehouse, e.g. sqlite:///meter.sqlite or postgresql://host/name.  [default: SQLite in the "
        "user's data folder]",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON.")]


@contextmanager
def opened(url: str | None) -> Iterator[Engine]:
    """Open a warehouse for one command."""
    from warehouse.store import open_warehouse

    engine = open_warehouse(url)
    try:
        yield engine
    finally:
        engine.dispose()


def print_json(value: Any) -> None:
    """Print `value` as indented JSON; instants are ISO 8601 UTC, anything else unknown is its text."""
    typer.echo(json.dumps(value, indent=2, default=_plain, ensure_ascii=False))


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def now_ms() -> int:
    """Return the wall clock, UTC, in whole milliseconds."""
    import time

    return time.time_ns() // 1_000_000
