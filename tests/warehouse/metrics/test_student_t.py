"""Student's t distribution against the tables."""

from __future__ import annotations

import pytest

from warehouse.metrics.student_t import t_quantile, t_share


@pytest.mark.parametrize(
    ("share", "degrees", "quantile"),
    # Tables of Student's t, to three decimals.
    [
        (0.9, 1, 3.078),
        (0.95, 2, 2.920),
        (0.9, 10, 1.372),
        (0.975, 10, 2.228),
        (0.995, 30, 2.750),
        (0.5, 3, 0.0),
    ],
)
def test_quantiles_are_those_of_the_tables(share: float, degrees: int, quantile: float) -> None:
    assert t_quantile(share, degrees) == pytest.approx(quantile, abs=5e-4)
    assert t_share(t_quantile(share, degrees), degrees) == pytest.approx(share)
