"""Student's t distribution for whole degrees of freedom: its share below a value, and its quantiles."""

from __future__ import annotations

from math import atan, cos, pi, sin, sqrt


def t_quantile(share: float, degrees: int) -> float:
    """Find the quantile of Student's t distribution, by bisection of its exact distribution function.

    Parameters
    ----------
    share
        Between 0.5 and 1: the part of the distribution below the quantile.
    degrees
        Degrees of freedom, 1 or more.
    """
    low, high = 0.0, 1e6
    while high - low > 1e-9 * max(1.0, low):
        middle = (low + high) / 2
        low, high = (low, middle) if t_share(middle, degrees) >= share else (middle, high)
    return high


def t_share(value: float, degrees: int) -> float:
    """Give the part of Student's t distribution below a value of 0 or more.

    For whole degrees of freedom it is a finite sum (M. Abramowitz and I. A. Stegun, Handbook of Mathematical
    Functions, 26.7.3 and 26.7.4).
    """
    angle = atan(value / sqrt(degrees))
    even = degrees % 2 == 0
    term = total = 1.0 if even else cos(angle)
    for factor in range(2 if even else 3, degrees - 1, 2):
        term *= (factor - 1) / factor * cos(angle) ** 2
        total += term
    if even:
        return 0.5 + sin(angle) * total / 2
    return 0.5 + (angle + (sin(angle) * total if degrees > 1 else 0.0)) / pi
