"""One session's stretch of time not yet closed: pieces of constant evidence, and when they become segments.

Pieces tile the session from where its last closed segment ended. A piece lies inside one UTC minute and is
final once its attention is known and its minute is over; final pieces that continue each other are one
segment. Times are the session's own: UTC milliseconds placed by the wall anchor of its start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, NamedTuple, Self

from collector.protocol import Attention

MINUTE_MS = 60_000
QUARTER_MS = 900_000
CPU_THRESHOLDS = (5.0, 50.0)
"""Percent of one core; a segment is cut where a minute's mean crosses one."""
UNMEASURED = -1
"""Band of a stretch in which CPU time is not known, or not spent."""
UNWATCHED: tuple[Attention, ...] = ("suspended", "unobserved")


class Evidence(NamedTuple):
    """What is constant in a piece."""

    attention: Attention | None
    """None: the application has the focus, and whether its gap reaches the floor is not known yet."""
    since_ms: int
    instance: int | None
    inhibiting: bool
    policy_version: int


@dataclass(slots=True)
class Piece:
    """A stretch [start_ms, end_ms) of constant evidence."""

    start_ms: int
    end_ms: int
    evidence: Evidence
    cpu_ms: float = 0.0
    band: int | None = None
    """How many thresholds the mean of its minute reaches; None while the minute lasts."""

    @property
    def length_ms(self) -> int:
        """Length in milliseconds."""
        return self.end_ms - self.start_ms

    @property
    def cpu_percent(self) -> float:
        """Mean use of the process tree, in percent of one core."""
        return 100 * self.cpu_ms / self.length_ms

    @property
    def is_final(self) -> bool:
        """Whether nothing about it can change any more."""
        return self.band is not None and self.evidence.attention is not None

    def absorb(self, following: Piece) -> None:
        """Grow by the piece that follows."""
        self.end_ms = following.end_ms
        self.cpu_ms += following.cpu_ms


@dataclass(slots=True)
class Timeline:
    """The open end of one session's tiling; `until_ms` is how far it is tiled."""

    until_ms: int
    pieces: list[Piece] = field(default_factory=list)
    growing: Piece | None = None
    """Final pieces that continue each other: a segment whose end may still move on."""

    def add(self, end_ms: int, evidence: Evidence, cpu_rate: float = 0.0) -> None:
        """Tile on to `end_ms` with constant evidence; `cpu_rate` is CPU time per time."""
        unwatched = evidence.attention in UNWATCHED
        step_ms, band = (QUARTER_MS, UNMEASURED) if unwatched else (MINUTE_MS, None)
        while self.until_ms < end_ms:
            cut_ms = min(end_ms, (self.until_ms // step_ms + 1) * step_ms)
            piece = Piece(self.until_ms, cut_ms, evidence, cpu_rate * (cut_ms - self.until_ms), band)
            self._append(piece)
            self.until_ms = cut_ms

    def _append(self, piece: Piece) -> None:
        last = self.pieces[-1] if self.pieces else None
        if last and last.band == piece.band and piece.start_ms % MINUTE_MS and _continues(last, piece):
            last.absorb(piece)
        else:
            self.pieces.append(piece)

    def resolve(self, attention: Attention) -> None:
        """Say what the stretch was whose gap was not known."""
        pieces, self.pieces = self.pieces, []
        for piece in pieces:
            if piece.evidence.attention is None:
                piece.evidence = piece.evidence._replace(attention=attention)
            self._append(piece)

    def close(self, *, ended: bool = False) -> list[Piece]:
        """Return the segments that are closed from now on, in order; `ended`: the session is over."""
        self._judge_minutes(ended=ended)
        closed: list[Piece] = []
        while self.pieces and self.pieces[0].is_final:
            closed.extend(self._grow(self.pieces.pop(0)))
        if self.growing and (ended or self.growing.end_ms % QUARTER_MS == 0):
            closed.append(self.growing)
            self.growing = None
        return closed

    def _grow(self, piece: Piece) -> Iterator[Piece]:
        last = self.growing
        if last and last.band == piece.band and piece.start_ms % QUARTER_MS and _continues(last, piece):
            last.absorb(piece)
            return
        if last:
            yield last
        self.growing = replace(piece)

    def _judge_minutes(self, *, ended: bool) -> None:
        """Give every minute that is over its band, by the mean over what was watched of it."""
        unjudged = (piece for piece in self.pieces if piece.band is None)
        for minute, group in groupby(unjudged, lambda piece: piece.start_ms // MINUTE_MS):
            if ended or (minute + 1) * MINUTE_MS <= self.until_ms:
                _judge(list(group))

    def trailing(self) -> Iterator[Piece]:
        """Yield the pieces not yet closed, latest first."""
        yield from reversed(self.pieces)
        if self.growing:
            yield self.growing

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read back what `dataclasses.asdict` made of one, through JSON or not."""
        pieces = [_piece(row) for row in document["pieces"]]
        growing = document["growing"]
        return cls(document["until_ms"], pieces, _piece(growing) if growing else None)


def _continues(before: Piece, after: Piece) -> bool:
    """Whether both are one stretch; a new input matters everywhere but in the midst of input."""
    evidence = after.evidence
    if before.evidence.attention == "input":
        evidence = evidence._replace(since_ms=before.evidence.since_ms)
    return before.evidence == evidence


def _judge(pieces: list[Piece]) -> None:
    mean = 100 * sum(piece.cpu_ms for piece in pieces) / sum(piece.length_ms for piece in pieces)
    band = sum(mean >= threshold for threshold in CPU_THRESHOLDS)
    for piece in pieces:
        piece.band = band


def _piece(row: Mapping[str, Any]) -> Piece:
    return Piece(row["start_ms"], row["end_ms"], Evidence(*row["evidence"]), row["cpu_ms"], row["band"])
