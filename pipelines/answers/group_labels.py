"""Under which name each group is shown, so that no row tells of fewer than five people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from pipelines.answers import groups
from warehouse.metrics.group_use import GROUPS, group_use

OTHER = {name: f"Other {name}s" for name in ("application", *GROUPS)}
ALL = {name: f"All {name}s" for name in ("application", *GROUPS)}
"""What is shown in the place of several, beside some that are shown for themselves, or of all."""

Path = tuple[str, ...]


def labels(
    stated: pl.LazyFrame, sessions: pl.LazyFrame, by: Sequence[str], start: datetime, end: datetime
) -> pl.DataFrame:
    """Fold what fewer than five people used, from the outermost level in: applications, then `by`.

    At each level those of fewer than five stand together with the smallest of five or more, as
    `groups.at_least_five` has it; where none has five, all stand together. No total is to be shown beside its
    parts: what is left out of it would be the use of few.

    Parameters
    ----------
    stated, sessions, by, start, end
        As for `group_use`; no column of `by` has nulls.

    Returns
    -------
    pl.DataFrame
        One row per application and group in use: `application`, `by`..., the names to show
        (`_of_application`, and `_of_` before each of `by`), and `_alone` (Boolean: shown for itself). Empty
        where no application was used by five.
    """
    levels = ["application", *by]
    columns = [*levels, *(f"_of_{level}" for level in levels)]
    nothing = pl.DataFrame(schema={**dict.fromkeys(columns, pl.String), "_alone": pl.Boolean})
    shown: dict[Path, Path] = {(): ()}
    for depth, level in enumerate(levels):
        used = group_use(stated, sessions, by[:depth], start, end).collect()
        if used.filter(pl.col("people") >= groups.SMALLEST).is_empty() and not depth:
            return nothing
        shown = {
            (*parent, name): (*shown[parent], label)
            for parent, children in _children(used, levels[: depth + 1])
            for name, label in _shown_as(children, level, is_alone=parent == shown[parent]).items()
        }
    rows = [(*path, *label, path == label) for path, label in shown.items()]
    return pl.DataFrame(rows, nothing.schema, orient="row")


def _children(used: pl.DataFrame, levels: Sequence[str]) -> list[tuple[Path, pl.DataFrame]]:
    """Give what stands under each parent, named by the last level."""
    *parents, own = levels
    named = used.with_columns(name=pl.col(own))
    if not parents:
        return [((), named)]
    parts = named.partition_by(parents, as_dict=True, maintain_order=True)
    return [(tuple(map(str, parent)), part) for parent, part in parts.items()]


def _shown_as(children: pl.DataFrame, level: str, *, is_alone: bool) -> dict[str, str]:
    """Give each name the one that it is shown under: its own only if its parent stands for itself."""
    large: list[str] = []
    if is_alone:
        large = groups.at_least_five(children, ["run_ms"], other="").drop_nulls("people")["name"].to_list()
    rest = (OTHER if large else ALL)[level]
    return {name: name if name in large else rest for name in children["name"]}
