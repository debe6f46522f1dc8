"""The sweep as a hand would write it: one packed whole number per edge, one sort, one pass over them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


def peaks(holder: Any, start: Any, end: Any, groups: int, people: int = 0) -> list[list[int]]:
    """Give peak, first instant and milliseconds at it of each group.

    Parameters
    ----------
    holder
        What counts: the group of each interval; or group x `people` + person, where a person counts once.
    """
    origin = int(start.min())
    span = int(end.max()) - origin + 1
    edges = packed(holder, start - origin, end - origin, span, 1 if people else 0)
    edges.sort()
    if people:
        edges = outermost(edges, span, people)
        edges.sort()
    return [[peak, at + origin, ms] for peak, at, ms in swept(edges, span, groups).tolist()]


@njit
def packed(holder: Any, start: Any, end: Any, span: int, is_end: int) -> Any:
    """Write both edges of each interval; the lowest bit says which, and so which come first at an instant."""
    edges = np.empty(2 * start.size, np.int64)
    for place in range(start.size):
        course = holder[place] * span
        edges[2 * place] = (course + start[place]) * 2 + 1 - is_end
        edges[2 * place + 1] = (course + end[place]) * 2 + is_end
    return edges


@njit
def outermost(edges: Any, span: int, people: int) -> Any:
    """Keep where a person's depth leaves or reaches zero, as edges of the group, ends first."""
    kept = np.empty_like(edges)
    found, depth = 0, 0
    for edge in edges:
        is_end = edge & 1
        depth -= is_end
        if depth == 0:
            course = edge >> 1
            kept[found] = (course // span // people * span + course % span) * 2 + 1 - is_end
            found += 1
        depth += 1 - is_end
    return kept[:found]


@njit
def swept(edges: Any, span: int, groups: int) -> Any:
    """Add up, instant by instant."""
    found = np.zeros((groups, 3), np.int64)
    depth, place = 0, 0
    while place < edges.size:
        at = edges[place] >> 1
        while place < edges.size and edges[place] >> 1 == at:
            depth += 2 * (edges[place] & 1) - 1
            place += 1
        group = at // span
        if depth > found[group, 0]:
            found[group, 0], found[group, 1], found[group, 2] = depth, at % span, 0
        if depth and depth == found[group, 0]:
            found[group, 2] += (edges[place] >> 1) - at
    return found
