"""October 2026 of five people, on one sheet of paper: `month_on_paper.csv`, and all that prices it.

A row is a session: where it began on the wall's clock, and what happened then, in minutes and seconds: i
input, g a gap with the focus, b in the background, l locked, d disconnected, s asleep, h held, u nobody
watched. `A | +20:00 B/01` is project A from its start, and phase 01 of B from 20 minutes later on. A session
is received at its end unless the sheet says otherwise.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from billing_cases import session
from billing_warehouse import Told, ms
from sqlalchemy import Engine

from warehouse import store
from warehouse.schema import ATTENTIONS

SHEET = Path(__file__).with_suffix(".csv")
CUT_OFF = ms("2026-11-02 12:00")
LATER = ms("2026-12-02 12:00")

LETTERS = {
    "i": "input", "g": "no_input", "b": "background", "l": "locked", "d": "disconnected", "s": "suspended",
    "h": "held", "u": "unobserved",
}  # fmt: skip
APPLICATIONS = {"cad": 1, "fem": 2, "view": 3, "sim": 4}
PEOPLE = {"ada": 1, "ben": 2, "cleo": 3, "dan": 4, "eve": 5}
ACCOUNTS = {**PEOPLE, "ada.adm": 6, "frontdesk": 7}
MACHINES = {"ws1": 1, "ws2": 2, "ws3": 3, "lap1": 4, "ny1": 5, "ny2": 6}
BER, NYC = 1, 2
ZONES = {BER: "Europe/Berlin", NYC: "America/New_York"}

POLICY = {
    "default": {"idle_timeout_ms": 300_000, "buffer_ms": 60_000},
    "applications": {"fem": {"idle_timeout_ms": 600_000, "buffer_ms": 0}, "sim": {"signal": "focus"}},
}
PROJECTS = {"A": "EUR", "B": "EUR", "C": "EUR", "LEAVE": "EUR", "U": "USD", "P": "GBP", "20": "EUR"}
RATES: tuple[dict[str, Any], ...] = (
    {"rate_scaled": 400_000},
    {"application_id": 1, "rate_scaled": 900_000, "valid_to_on": "2026-10-15", "increment_ms": 360_000},
    {"application_id": 1, "rate_scaled": 960_000, "valid_from_on": "2026-10-15",
     "valid_to_on": "2026-11-01", "increment_ms": 360_000},
    {"application_id": 2, "office_id": NYC, "rate_scaled": 1_200_000, "currency": "USD",
     "increment_ms": 360_000, "level": "session"},
    {"application_id": 2, "project_id": 2, "rate_scaled": 755_000, "increment_ms": 3_600_000,
     "level": "month"},
    {"person_id": 2, "project_id": 1, "rate_scaled": 1_100_000, "minimum_ms": 900_000},
    {"application_id": 3, "rate_scaled": 100_000, "tier_kind": "graduated",
     "tiers": json.dumps([[10_800_000, 80_000]]), "free_ms": 1_800_000},
    {"application_id": 4, "rate_scaled": 500_000, "daily_cap_minor": 10_000},
    {"application_id": 1, "rate_scaled": 990_000, "valid_from_on": "2026-11-01", "increment_ms": 360_000},
)  # fmt: skip
"""Numbered from 1. In 1/10,000 EUR an hour, from 2026 on, upwards by the line, unless they say otherwise."""

FACTORS = (
    ("EUR", "USD", "2026-10-01", 108_000_000),
    ("EUR", "USD", "2026-10-15", 110_000_000),
    ("EUR", "GBP", "2026-01-01", 86_750_000),
)

Row = dict[str, Any]


def fill(engine: Engine) -> None:
    """Write the organization, its prices and the month."""
    for table, rows in (*organization(), *prices(RATES), *_evidence()):
        store.append(engine, table, pl.DataFrame(rows, infer_schema_length=None))


def organization() -> Iterator[tuple[str, list[Row]]]:
    """Give the rows of who works where with what."""
    since = "2026-01-01"
    yield "organization", [{"id": 1, "name": "Paper", "zone": "Europe/Berlin", "currency": "EUR"}]
    yield "office", [
        {"id": number, "code": code, "name": code, "zone": ZONES[number], "currency": "EUR",
         "business_weekdays": "12345"}
        for code, number in (("BER", BER), ("NYC", NYC))
    ]  # fmt: skip
    yield (
        "fiscal_period",
        [
            {"id": 1, "name": "2026-10", "starts_on": "2026-10-01", "ends_on": "2026-11-01"},
            {"id": 2, "name": "2026-11", "starts_on": "2026-11-01", "ends_on": "2026-12-01"},
        ],
    )
    yield (
        "cost_center",
        [{"id": 1, "code": "10", "name": "Berlin"}, {"id": 2, "code": "20", "name": "New York"}],
    )
    yield "person", [
        {"id": number, "code": name, "employee_number": f"{number:04}", "name": name.title(),
         "employment": "employee", "valid_from_on": since}
        for name, number in PEOPLE.items()
    ]  # fmt: skip
    stays = [(1, BER, since, None), (2, BER, since, None), (3, NYC, since, None), (4, NYC, since, None),
             (5, BER, since, "2026-10-19"), (5, NYC, "2026-10-19", None)]  # fmt: skip
    yield "placement", [
        {"id": number, "person_id": person, "office_id": office, "cost_center_id": office,
         "valid_from_on": first, "valid_to_on": last}
        for number, (person, office, first, last) in enumerate(stays, 1)
    ]  # fmt: skip
    yield (
        "account",
        [
            {
                "id": number,
                "name": name,
                "person_id": PEOPLE.get(name.removesuffix(".adm")),
                "shared": number == 7,
            }
            for name, number in ACCOUNTS.items()
        ],
    )
    yield "host", [
        {"id": number, "name": name, "kind": "workstation", "office_id": _office(name),
         "zone": ZONES[_office(name)], "in_directory": True, "valid_from_on": since}
        for name, number in MACHINES.items()
    ]  # fmt: skip
    yield (
        "application",
        [
            {"id": number, "code": code, "name": code.upper(), "billed": True}
            for code, number in APPLICATIONS.items()
        ],
    )
    yield "policy", [{"id": 1, "name": "billing", "purpose": "billing"}]
    yield "policy_version", [
        {"id": 1, "policy_id": 1, "version": 1, "created_ms": 0, "created_by": "admin",
         "document": json.dumps(POLICY)}
    ]  # fmt: skip


def _office(machine: str) -> int:
    return NYC if machine.startswith("ny") else BER


def prices(rates: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Give the rows of who pays, and what."""
    yield "client", [{"id": 1, "code": "PORT", "name": "Port Authority"}]
    yield "project", [
        {"id": number, "number": code, "name": f"Project {code}", "client_id": None if code == "20" else 1,
         "cost_center_id": 2 if code == "20" else None, "currency": currency, "chargeable": code != "LEAVE",
         "closed_on": "2026-10-08" if code == "C" else None,
         "kind": "cost_center" if code == "20" else "project"}
        for number, (code, currency) in enumerate(PROJECTS.items(), 1)
    ]  # fmt: skip
    yield (
        "phase",
        [
            {"id": 1, "project_id": 2, "number": "01", "name": "Design"},
            {"id": 2, "project_id": 2, "number": "02", "name": "Proof"},
        ],
    )
    yield "task", [{"id": 1, "phase_id": 1, "number": "X", "name": "Drawings"}]
    by = {"author": "rita", "created_ms": 0}
    yield (
        "project_preset",
        [
            {
                "id": 1,
                "office_id": NYC,
                "project_id": 5,
                "valid_from_on": "2026-10-10",
                "reason": "pool",
                **by,
            },
            {"id": 2, "person_id": 4, "valid_from_on": "2026-10-20", "reason": "own cost", **by},
        ],
    )
    plain = {"currency": "EUR", "valid_from_on": "2026-01-01", "direction": "up", "level": "line", **by,
             "increment_ms": 0, "minimum_ms": 0, "free_ms": 0, "tiers": "[]"}  # fmt: skip
    yield "rate", [{"id": number, **plain, **rate} for number, rate in enumerate(rates, 1)]
    yield (
        "conversion_rate",
        [
            {
                "id": number,
                "from_currency": given,
                "to_currency": wanted,
                "from_on": day,
                "factor_scaled": factor,
                **by,
            }
            for number, (given, wanted, day, factor) in enumerate(FACTORS, 1)
        ],
    )


# --- The sheet ---------------------------------------------------------------------------------------------


def sheet() -> list[dict[str, str]]:
    """Return the rows of the sheet."""
    with SHEET.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _evidence() -> Iterator[tuple[str, list[Row]]]:
    told = [(row, _told(row)) for row in sheet()]
    yield "session", [_session(row, segments) for row, (_, segments) in told]
    yield "segment", [_segment(row, each) for row, (_, segments) in told for each in segments]
    entries = [entry for row in sheet() for entry in _entries(row)]
    yield "project_entry", [{"id": number, **entry} for number, entry in enumerate(entries, 1)]


def _told(row: dict[str, str]) -> Told:
    at, stretches = _start(row), []
    for each in row["pattern"].split():
        until = at + _length(each[1:])
        stretches.append((f"{at:%Y-%m-%d %H:%M:%S.%f}", f"{until:%Y-%m-%d %H:%M:%S.%f}", LETTERS[each[0]]))
        at = until
    return session(int(row["session"]), *stretches, application=row["application"])


def _start(row: dict[str, str]) -> datetime:
    return datetime.fromisoformat(row["start"]).astimezone(UTC)


def _length(text: str) -> timedelta:
    minutes, _, seconds = text.partition(":")
    whole, _, thousandths = seconds.partition(".")
    return timedelta(minutes=int(minutes), seconds=int(whole), milliseconds=int(thousandths or 0))


def _received(row: dict[str, str], segments: list[Row]) -> int:
    return ms(row["received"] or segments[-1]["end"])


def _session(row: dict[str, str], segments: list[Row]) -> Row:
    return {
        "id": int(row["session"]), "key": f"paper-{row['session']}", "source": "agent",
        "application_id": APPLICATIONS[row["application"]], "account_id": ACCOUNTS[row["account"]],
        "host_id": MACHINES[row["machine"]], "logon_session": "1", "zone": ZONES[_office(row["machine"])],
        "started_ms": ms(segments[0]["start"]), "ended_ms": ms(segments[-1]["end"]),
        "received_ms": _received(row, segments),
    }  # fmt: skip


def _segment(row: dict[str, str], segment: Row) -> Row:
    return {
        "session_id": segment["session"], "start_ms": ms(segment["start"]), "end_ms": ms(segment["end"]),
        "attention": ATTENTIONS.index(segment["attention"]), "cpu_percent": 0.0,
        "since_ms": ms(segment["since"]), "policy_version": 1,
        "received_ms": ms(row["received"] or segment["end"]),
    }  # fmt: skip


def _entries(row: dict[str, str]) -> Iterator[Row]:
    for each in row["projects"].split(" | ") if row["projects"] else ():
        after, _, codes = each.rpartition(" ")
        start = _start(row) + _length(after[1:] or "0:00")
        project, phase, task, *_ = (*codes.split("/"), None, None)
        yield {
            "session_id": int(row["session"]), "from_ms": ms(start), "project_number": project,
            "phase_number": phase, "task_number": task, "author": row["account"], "reason": "at launch",
            "created_ms": ms(start),
        }  # fmt: skip
