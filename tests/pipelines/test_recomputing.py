from __future__ import annotations

import pytest
import sqlalchemy as sa
from billing_warehouse import hour, on, price, use
from ledger_flips import closed_ledger
from sqlalchemy import Engine

from pipelines import billing, recomputing
from warehouse import store


@pytest.fixture
def closed(engine: Engine) -> Engine:
    closed_ledger(engine)
    return engine


def test_a_closed_period_comes_out_again_whatever_arrived_since(closed: Engine) -> None:
    use(closed, hour(20, "2026-09-11"), received="2026-12-01 08:00")
    on(closed, 20, "A", at_="2026-09-11 09:00", created="2026-12-01 08:00")
    on(closed, 1, "B", at_="2026-09-07 09:00", entry=21, created="2026-12-01 08:00")
    price(closed, 9, 100_000, project_id=1)
    assert list(recomputing.differences(closed)) == []
    assert billing.verify(closed, recompute=True) == []


GIVES = "run 2026-09/1, line {}: the evidence of its cut-off {}"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            ["UPDATE segment SET attention = 4 WHERE session_id = 2 AND start_ms % 3600000 = 0"],
            [
                GIVES.format(2, "gives 0.800 h and 72.00 EUR, and not 1.000 h and 90.00 EUR"),
                GIVES.format(2, "gives its sessions other shares"),
            ],
        ),
        (
            ["DELETE FROM segment WHERE session_id = 3"],
            [GIVES.format(3, "does not give it"), GIVES.format(3, "gives its sessions other shares")],
        ),
        (
            [
                "UPDATE segment SET received_ms = 0",
                "UPDATE session SET received_ms = 0",
                "UPDATE project_entry SET created_ms = 0",
            ],
            [GIVES.format(2, "gives 2.000 h and 180.00 EUR, and not 1.000 h and 90.00 EUR")],
        ),
    ],
)
def test_evidence_that_was_changed_since_is_named_by_the_lines_that_rest_on_it(
    closed: Engine, changes: list[str], says: list[str]
) -> None:
    with store.writing(closed) as connection:
        for statement in changes:
            connection.execute(sa.text(statement))
    found = list(recomputing.differences(closed))
    assert [sentence for sentence in says if not any(sentence in one for one in found)] == []
    assert billing.verify(closed) == []
