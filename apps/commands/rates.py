"""`process-meter rate list|history|check|conversions|import-conversions`: what an hour costs."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from apps.commands.options import AsJson, WarehouseUrl, now_ms, opened, print_json
from apps.identity import operating_system_identity

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from warehouse.directory import Change

ConversionFile = Annotated[Path, typer.Argument(help="CSV or XLSX; docs/importing.md has the columns.")]
OnDay = Annotated[
    datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="Only rates valid on that day.")
]
RateVersion = Annotated[int | None, typer.Option("--rate", help="Only this rate version.")]


def mount(group: typer.Typer) -> None:
    """Give the group `rate` its commands beside `import`."""
    for name, run, example in (
        ("list", list_rates, "process-meter rate list --on 2026-10-01"),
        ("history", history, "process-meter rate history --rate 7"),
        ("check", check, "process-meter rate check"),
        ("conversions", list_conversions, "process-meter rate conversions --json"),
        ("import-conversions", import_conversions, "process-meter rate import-conversions factors.csv"),
    ):
        group.command(name, epilog=f"Example: {example}")(run)


def list_rates(on: OnDay = None, warehouse: WarehouseUrl = None, as_json: AsJson = False) -> None:
    """List the rates: version, for what, price and terms, valid from and to, author."""
    day = on.date() if on else None
    with opened(warehouse) as engine:
        rows = [row for row in _rates(engine) if day is None or _holds(row, day)]
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo("There is no rate; import them with `process-meter rate import FILE`.")
    for row in rows:
        typer.echo(_told(row))


def _rates(engine: Engine) -> list[dict[str, Any]]:
    """Return the rates as `frames.rates` has them, a person being told by the pseudonym."""
    from warehouse import frames

    rows = frames.rates(engine).collect().to_dicts()
    known = frames.people(engine).select("person_id", "person").unique().collect()
    people = dict(known.iter_rows())
    return [{**row, "person": people.get(row.pop("person_id"))} for row in rows]


def _holds(row: dict[str, Any], day: date) -> bool:
    return row["valid_from"] <= day and (row["valid_to"] is None or day < row["valid_to"])


def _told(row: dict[str, Any]) -> str:
    from apps.commands.rate_changes import scope_words
    from warehouse.money import format_rate

    until = f" to {row['valid_to']}" if row["valid_to"] else ""
    price = format_rate(row["rate_scaled"], row["currency"])
    terms = "".join(f", {each}" for each in _terms(row))
    return (
        f"{row['rate_id']:>5}  {scope_words(row):<34} {price:>16}{terms}; "
        f"from {row['valid_from']}{until}; {row['author']}"
    )


def _terms(row: dict[str, Any]) -> list[str]:
    """Say in words what is more to a rate than its price."""
    import json

    from warehouse.money import format_minor, format_rate

    currency = row["currency"]
    tiers = [
        f"from {_hours(at)} {format_rate(price, currency)}" for at, price in json.loads(row["tiers"] or "[]")
    ]
    said = (
        (row["increment_ms"], f"{row['increment_ms'] / 60_000:g} min {row['direction']} by {row['level']}"),
        (row["minimum_ms"], f"at least {row['minimum_ms'] / 60_000:g} min"),
        (row["free_ms"], f"first {_hours(row['free_ms'])} free"),
        (row["tier_kind"], " ".join([str(row["tier_kind"]), "; ".join(tiers)]).strip()),
        (row["package_ms"], f"packages of {_hours(row['package_ms'] or 0)}"),
        (row["daily_cap_minor"], f"at most {format_minor(row['daily_cap_minor'] or 0, currency)} a day"),
        (
            row["monthly_cap_minor"],
            f"at most {format_minor(row['monthly_cap_minor'] or 0, currency)} a period",
        ),
        (row["cost_rate_scaled"] is not None, f"costs {format_rate(row['cost_rate_scaled'] or 0, currency)}"),
    )
    return [words for is_said, words in said if is_said]


def _hours(milliseconds: int) -> str:
    return f"{milliseconds / 3_600_000:g} h"


def history(rate: RateVersion = None, warehouse: WarehouseUrl = None, as_json: AsJson = False) -> None:
    """Show every change of a rate or conversion: when, by whom, from what to what."""
    from warehouse.directory import rate_history

    with opened(warehouse) as engine:
        changes = rate_history(engine, rate)
        rates = {row["rate_id"]: row for row in _rates(engine)}
    if as_json:
        print_json([change._asdict() for change in changes])
        return
    if not changes:
        typer.echo("No rate was ever imported or changed.")
    for change in changes:
        typer.echo(_change(change, rates))


def _change(change: Change, rates: dict[int, dict[str, Any]]) -> str:
    from apps.commands.rate_changes import change_words

    at = datetime.fromtimestamp(change.at_ms / 1000, UTC)
    return f"{at:%Y-%m-%d %H:%M} UTC  {change.actor}  {change_words(change, rates)}"


def check(on: OnDay = None, warehouse: WarehouseUrl = None, as_json: AsJson = False) -> None:
    """Name what is odd about the rates: gaps, ended ones, applications without one, terms cut in a period."""
    from warehouse.directory import check_rates

    day = on.date() if on else datetime.fromtimestamp(now_ms() / 1000, UTC).date()
    with opened(warehouse) as engine:
        found = check_rates(engine, day)
    if as_json:
        print_json(found)
        return
    for sentence in found or ["Nothing is odd about the rates."]:
        typer.echo(sentence)


def list_conversions(warehouse: WarehouseUrl = None, as_json: AsJson = False) -> None:
    """List the conversion rates: from which currency to which, since when, the factor."""
    from decimal import Decimal

    from warehouse import frames

    with opened(warehouse) as engine:
        rows = frames.conversions(engine).sort("from_currency", "to_currency", "from_on").collect().to_dicts()
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo("There is no conversion; import them with `process-meter rate import-conversions FILE`.")
    for row in rows:
        factor = f"{Decimal(row['factor_scaled']).scaleb(-8):f} {row['to_currency']}"
        typer.echo(f"1 {row['from_currency']} = {factor} from {row['from_on']}; {row['author']}")


def import_conversions(file: ConversionFile, warehouse: WarehouseUrl = None) -> None:
    """Import conversion rates between currencies. All or nothing; again does no harm."""
    from warehouse import directory

    with opened(warehouse) as engine:
        done = directory.import_conversions(engine, file, operating_system_identity(), at_ms=now_ms())
    typer.echo(str(done))
