from __future__ import annotations

from hashlib import sha256
from typing import Any

from billing_cases import session
from billing_warehouse import hour, on, organize, price, use, waive_all
from ledger_flips import SEPTEMBER, closed_ledger
from sqlalchemy import Engine

from pipelines import billing
from pipelines.explaining import told
from warehouse import ledger

KINDS = ("active", "pause", "buffer")


def explained(engine: Engine, run: str, line: int) -> dict[str, Any]:
    return billing.show(engine, run, line)


def sums(found: dict[str, Any]) -> dict[str, int]:
    return {
        kind: sum(row["milliseconds"] for row in found["stretches"] if row["kind"] == kind) for kind in KINDS
    }


def drafted(engine: Engine) -> str:
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    waive_all(engine, run, SEPTEMBER)
    return run


def test_the_stretches_of_every_line_sum_to_its_milliseconds_reversals_included(both_engines: Engine) -> None:
    closed_ledger(both_engines)
    kinds = set()
    for run in ("2026-09/1", "2026-10/1"):
        for number in ledger.lines_of(both_engines, run)["line"]:
            found = explained(both_engines, run, number)
            kinds.add(found["line"]["kind"])
            assert sums(found) == {kind: found["line"][f"{kind}_ms"] for kind in KINDS}
    assert kinds == {"usage", "reversal", "replacement"}


def test_a_line_is_told_from_its_segments_to_the_cent(engine: Engine) -> None:
    organize(engine, {"default": {"idle_timeout_ms": 600_000, "buffer_ms": 60_000}})
    price(engine, 1, 900_000, increment_ms=360_000, direction="up")
    use(
        engine,
        session(
            1,
            ("2026-09-07 09:00", "2026-09-07 09:20", "input"),
            ("2026-09-07 09:20", "2026-09-07 09:25", "no_input"),
            ("2026-09-07 09:25", "2026-09-07 09:32", "input"),
            ("2026-09-07 09:32", "2026-09-07 10:00", "no_input"),
        ),
    )
    on(engine, 1, "A", at_="2026-09-07 09:00")
    found = explained(engine, drafted(engine), 1)
    assert found["arithmetic"] == [
        "active 1,620,000 + pause 300,000 + buffer 60,000 = 1,980,000 ms",
        "rounded up to 360,000 ms = 2,160,000 ms",
        "2,160,000 ms / 3,600 ms a quantum = 600 quanta of 1/1000 h",
        "600 / 1000 h x 90.00 EUR/h = 54.00 EUR",
    ]
    told = [
        (
            row["start"][11:16],
            row["end"][11:16],
            row["state"],
            row["attention"],
            row["kind"],
            row["milliseconds"],
        )
        for row in found["stretches"]
    ]
    assert told == [
        ("09:00", "09:15", "active", "input", "active", 900_000),
        ("09:15", "09:20", "active", "input", "active", 300_000),
        ("09:20", "09:25", "pause", "no_input", "pause", 300_000),
        ("09:25", "09:30", "active", "input", "active", 300_000),
        ("09:30", "09:32", "active", "input", "active", 120_000),
        ("09:32", "09:33", "idle", "no_input", "buffer", 60_000),
    ]
    assert found["policy"] == {
        "version": 1, "idle_timeout_ms": 600_000, "buffer_ms": 60_000, "overlap": "union",
    }  # fmt: skip
    assert (found["entries"][0]["project"], found["entries"][0]["reason"]) == ("A", "at launch")


def test_a_reversal_is_told_in_words_by_what_it_takes_back(engine: Engine) -> None:
    closed_ledger(engine)
    numbers = ledger.lines_of(engine, "2026-10/1")
    reversal = numbers.filter(numbers["kind"] == "reversal")["line"][0]
    lines = list(told(explained(engine, "2026-10/1", reversal)))
    assert lines[:6] == [
        f"Line {reversal} of run 2026-10/1: reversal, 2026-09-08, cad, A",
        "    corrects line 2 of run 2026-09/1",
        "    active -3,600,000 + pause 0 + buffer 0 = -3,600,000 ms",
        "    rounded up to 360,000 ms = -3,600,000 ms",
        "    -3,600,000 ms / 3,600 ms a quantum = -1,000 quanta of 1/1000 h",
        "    -1,000 / 1000 h x 90.00 EUR/h = -90.00 EUR",
    ]
    assert "    09:00:00.000 to 09:15:00.000  active      -900,000 ms  active, input" in lines
    assert not any("Ada" in line for line in lines)


def test_tiers_of_one_rate_share_the_stretches_of_their_day(engine: Engine) -> None:
    organize(engine)
    tiers = {"tier_kind": "graduated", "tiers": "[[0, 900000], [1800000, 600000]]"}
    price(engine, 1, 900_000, **tiers)
    use(engine, hour(1, "2026-09-07"))
    on(engine, 1, "A", at_="2026-09-07 09:00")
    run = drafted(engine)
    parts = [explained(engine, run, line) for line in ledger.lines_of(engine, run)["line"]]
    assert [sums(part)["active"] for part in parts] == [part["line"]["active_ms"] for part in parts]
    assert [len(part["stretches"]) for part in parts] == [2, 2]
    assert sum(sums(part)["active"] for part in parts) == 3_600_000


def test_a_converted_rate_is_told_with_its_factor_and_a_closed_line_with_its_link(engine: Engine) -> None:
    closed_ledger(engine)
    found = explained(engine, "2026-09/1", 3)
    assert found["arithmetic"][-2:] == [
        "80.00 USD/h x 92,000,000 / 100,000,000 = 73.60 EUR/h",
        "1,000 / 1000 h x 73.60 EUR/h = 73.60 EUR",
    ]
    link = found["chain"]
    assert sha256(f"{link['before']}|{link['text']}".encode()).hexdigest() == link["digest"]
    assert link["text"].startswith(
        "3|5:usage|10:2026-09-09|1|3:fem|3:BER|1:A|~|~|2|1|3600000|0|0|1000|736000|3:EUR|7360|"
    )
