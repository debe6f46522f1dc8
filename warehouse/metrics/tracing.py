"""What leads from a line back to its sessions: the rows of worked time that it is made of."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from warehouse.metrics.quantities import KINDS_MS


@dataclass(frozen=True)
class Trace:
    """Which rows of worked time each line is made of, listed for as many lines as are asked for.

    Attributes
    ----------
    worked
        session and the columns of `KINDS_MS`, ordered by session.
    rows
        By the `place` of a line: the numbers of its rows in `worked`, in order.
    merged
        By `place`: whether a session may have several of them.
    """

    worked: pl.DataFrame
    rows: pl.Series
    merged: pl.Series

    @property
    def size(self) -> int:
        """How many lines there are: places count from 0 to it."""
        return len(self.rows)

    def of(self, lines: pl.DataFrame) -> pl.DataFrame:
        """List the sessions of lines.

        Parameters
        ----------
        lines
            `place`, and what else is to be carried along; each place once.

        Returns
        -------
        pl.DataFrame
            The columns of `lines`, session and those of `KINDS_MS`: one row per line and session, in the
            order of the lines and of their sessions.
        """
        places = lines["place"]
        known = lines.with_row_index("__line").with_columns(
            row=self.rows.gather(places), merged=self.merged.gather(places)
        )
        alone = self._told(known.filter(~pl.col("merged")))
        # Few lines are merged: only their sessions are put together and sorted in.
        several = self._told(known.filter("merged"))
        if several.is_empty():
            return alone.drop("__line")
        keys = [*lines.columns, "session"]
        summed = several.group_by("__line", *keys).agg(pl.col(KINDS_MS).sum()).sort("__line", "session")
        every = pl.concat([alone, summed.select(alone.columns)])
        return every.sort("__line", maintain_order=True).drop("__line")

    def _told(self, known: pl.DataFrame) -> pl.DataFrame:
        """List the rows of worked time of lines, in their order."""
        found = known.drop("merged").explode("row").drop_nulls("row")
        return found.drop("row").hstack(self.worked[found["row"]])

    def counts(self) -> pl.Series:
        """Count the sessions of each line, in the order of their places (Int64)."""
        lines = pl.DataFrame({"place": pl.int_range(self.size, eager=True), "count": self.rows.list.len()})
        merged = self.of(lines.filter(self.merged).select("place")).group_by("place").len("sessions")
        known = lines.join(merged, on="place", how="left", maintain_order="left")
        return known.select(pl.coalesce("sessions", "count").cast(pl.Int64)).to_series()
