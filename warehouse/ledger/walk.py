"""Along the chain of one closed run: each line upon the stored digest before it: one change is named once."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from warehouse.ledger.links import Batch, form_of
from warehouse.ledger.runs import Run


class Walk:
    """Follows the chain from a run's header over its lines to its own digest.

    Parameters
    ----------
    run
        A closed run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._form = form_of(run)
        self._header: str = self._form.header_digest(run)
        self._before: str | None = self._header
        self._name = "the run itself"
        # What the line before should have as its digest, where it has another one.
        self._should: str | None = None
        self._starts_broken = False
        self._next = 1

    def over(self, batch: Batch) -> Iterator[str]:
        """Check the next lines; give one sentence per break."""
        stored, texts = batch.lines["digest"], self._form.texts(batch)
        before = pl.concat([pl.Series("digest", [self._before], dtype=pl.String), stored[:-1]])
        computed = pl.Series(self._form.links(before, texts), dtype=pl.String)
        numbers = batch.lines["line_number"]
        yield from self._gaps(numbers)
        broken = computed.ne_missing(stored).arg_true().to_list()
        for place in broken:
            should = self._should if place == 0 else computed[place - 1]
            # Where only the digest before was changed, this line still follows what that should be.
            if should is None or self._form.link(should, texts[place]) != stored[place]:
                follows = self._name if place == 0 else f"line {numbers[place - 1]}"
                yield (
                    f"run {self._run.number}: line {numbers[place]}, or what it follows ({follows}), "
                    "was changed"
                )
        self._starts_broken |= broken[:1] == [0] and self._before == self._header
        self._before, self._name = stored[-1], f"line {numbers[-1]}"
        self._should = computed[-1] if broken[-1:] == [batch.lines.height - 1] else None

    def _gaps(self, numbers: pl.Series) -> Iterator[str]:
        """Name the lines that are gone: they are numbered 1, 2, ..."""
        awaited = pl.concat([pl.Series(numbers.name, [self._next]), numbers[:-1] + 1])
        for place in (numbers != awaited).arg_true():
            # A number out of all bounds does not say that all before it are gone.
            if numbers[place] == awaited[place] + 1:
                yield f"run {self._run.number}: line {awaited[place]} is not there"
            else:
                yield f"run {self._run.number}: line {awaited[place]} and maybe others are not there"
        self._next = numbers[-1] + 1

    def end(self) -> Iterator[str]:
        """Check the run's own digest after its last line."""
        count = self._run.totals.get("control", {}).get("lines")
        if isinstance(count, int) and self._next <= count:
            yield f"run {self._run.number}: line {self._next} is not there"
        ends = [self._form.end(last, self._header) for last in (self._before, self._should) if last]
        if self._run.digest in ends:
            return
        if self._starts_broken and self._run.chain_version > 1:
            yield f"run {self._run.number}: the run itself was changed, not only its first line"
        else:
            yield f"run {self._run.number}: it does not end with the digest it was closed with"
