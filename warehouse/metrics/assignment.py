"""Who pays: the entered project, a preset or a cost center's account; and whether it may be charged."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics.quantities import KINDS_MS
from warehouse.metrics.scopes import eras, fitting
from warehouse.metrics.tariff import Tariff, Terms
from warehouse.projects import Codes, Master, entered_fields

CHARGE_TO = ("project", "cost_center")
"""Whom a billing policy charges: the project that was entered, or the cost center of the person."""

PRESET_SCOPES = ("person_id", "department", "office", "application")
"""What a preset may be limited to; the earlier, the more it counts."""

CODES = ("project", "phase", "task")


def with_unfit(entries: pl.DataFrame, tariff: Tariff) -> pl.DataFrame:
    """Add `unfit`: which field of a project entry does not fit, in one sentence; null where all do.

    Parameters
    ----------
    entries
        `CODES`, and `fields` (JSON) where the organization has fields.
    """
    if not tariff.fields:
        return entries.with_columns(unfit=pl.lit(None, pl.String))
    master = Master.of(tariff.projects, tariff.phases, tariff.tasks, fields=tariff.fields)
    said = entries.select(*CODES, "fields").unique()
    reasons = [
        master.unfit(Codes(project, phase, task), entered_fields(fields)) or None
        for project, phase, task, fields in said.iter_rows()
    ]
    known = said.with_columns(unfit=pl.Series(reasons, dtype=pl.String))
    return entries.join(known, on=[*CODES, "fields"], how="left", nulls_equal=True, maintain_order="left")


def assigned(places: pl.DataFrame, tariff: Tariff, terms: Terms) -> pl.DataFrame:
    """Say whose account takes the time for which no project was entered, or all time.

    Parameters
    ----------
    places
        One row per `day`, `person_id`, `application`, `office`, `department`, `cost_center` and codes as
        entered (`project` null: none was).

    Returns
    -------
    pl.DataFrame
        The same rows in the same order; `CODES` are whom they are charged to, `preset` (null: none) says by
        which preset, and `reason` why nobody's account takes time that a cost center should pay for.

    Raises
    ------
    Problem
        No such way to charge, or two presets of one scope are valid on the same day.
    """
    if terms.charge_to not in CHARGE_TO:
        raise Problem(f"nothing charges to {terms.charge_to!r}", f"use one of {', '.join(CHARGE_TO)}")
    plain = places.with_columns(preset=pl.lit(None, pl.Int64), reason=pl.lit(None, pl.String))
    if terms.charge_to == "cost_center":
        # Whatever was entered beside a project that is not charged is nobody's fault.
        unasked = plain.with_columns(unfit=pl.lit(None, pl.String))
        return _to_cost_centers(unasked, pl.lit(value=True), tariff.projects)
    if tariff.presets.is_empty():
        return plain
    given = _with_preset(places, tariff.presets)
    to_center = pl.col("preset").is_not_null() & pl.col("project").is_null()
    return _to_cost_centers(given, to_center, tariff.projects)


def _with_preset(places: pl.DataFrame, presets: pl.DataFrame) -> pl.DataFrame:
    """Add `preset`, and put its codes in the place of those that nobody entered."""
    keys = ["day", *PRESET_SCOPES]
    wanted = places.filter(pl.col("project").is_null()).select(keys).unique()
    found = fitting(wanted, presets, PRESET_SCOPES, "preset")
    best = found.filter(pl.col("weight") == pl.col("weight").max().over(keys)).drop("weight")
    _refuse_two(best, keys)
    targets = presets.select("preset", *(pl.col(name).alias(f"{name}_preset") for name in CODES))
    known = best.join(targets, on="preset")
    found = places.join(known, on=keys, how="left", nulls_equal=True, maintain_order="left")
    is_preset = pl.col("project").is_null() & pl.col("preset").is_not_null()
    codes = [pl.when(is_preset).then(f"{name}_preset").otherwise(name).alias(name) for name in CODES]
    mine = pl.when(is_preset).then("preset").alias("preset")
    return found.with_columns(*codes, mine).drop(f"{name}_preset" for name in CODES)


def _refuse_two(best: pl.DataFrame, keys: Sequence[str]) -> None:
    double = best.filter(pl.len().over(keys) > 1).sort("day", "preset")
    if not double.is_empty():
        first, second = double["preset"].unique().sort().to_list()[:2]
        raise Problem(
            f"presets {first} and {second} are both valid on {double['day'][0]} for the same scope",
            "end the one before the other begins",
        )


def _to_cost_centers(places: pl.DataFrame, which: pl.Expr, projects: pl.DataFrame) -> pl.DataFrame:
    """Give time to the account of its cost center: the row of `project` of that kind, without a phase."""
    accounts = projects.filter(pl.col("kind") == "cost_center", pl.col("cost_center").is_not_null()).select(
        "cost_center", account="project"
    )
    known = places.join(
        accounts.unique("cost_center", keep="first", maintain_order=True),
        on="cost_center",
        how="left",
        maintain_order="left",
    )
    nowhere = pl.format(
        "the person belongs to no cost center on {}; import where: `process-meter directory import FILE`",
        "day",
    )
    unknown = pl.format(
        "cost center {} has no account; import a project of kind cost_center with this number: "
        "`process-meter project import FILE`",
        "cost_center",
    )
    reason = pl.when(pl.col("cost_center").is_null()).then(nowhere).otherwise(unknown)
    return known.with_columns(
        pl.when(which).then("account").otherwise("project").alias("project"),
        *(pl.when(which).then(None).otherwise(name).alias(name) for name in ("phase", "task")),
        reason=pl.when(which & pl.col("account").is_null()).then(reason),
    ).drop("account")


def judged(places: pl.DataFrame, tariff: Tariff) -> pl.DataFrame:
    """Add `fault` (a kind of exception) and its `reason`, `chargeable`, `currency` and `tax_code`.

    Parameters
    ----------
    places
        What `assigned` gives; `unfit` (see `with_unfit`) says what is wrong with the fields of an entry.
    """
    projects = tariff.projects.select("project", "currency", "tax_code")
    listed = tariff.members["project"].unique()
    # Whose time it is matters to the projects alone that have members, and the day as far as any has an edge.
    member = pl.when(pl.col("project").is_in(listed.implode())).then("person_id")
    masters = (tariff.projects, tariff.phases)
    edges = [rows[name] for rows in masters for name in ("opened_on", "closed_on")]
    first = eras(places["day"], *edges, tariff.members["valid_from"], tariff.members["valid_to"])
    known = places.rename({"reason": "lacking"}).with_columns(
        member=member, era=pl.col("day").replace_strict(first, return_dtype=pl.Date)
    )
    keys = [*CODES, "era", "member"]
    found = known.join(_verdicts(known.select(keys), tariff), on=keys, how="left", nulls_equal=True)
    no_account, unassigned = pl.col("lacking").is_not_null(), pl.col("project").is_null()
    unfit = pl.col("fault").is_null() & pl.col("unfit").is_not_null()
    return found.join(projects, on="project", how="left").with_columns(
        fault=pl.when(no_account).then(pl.lit("no_account"))
        .when(unassigned).then(pl.lit("unassigned"))
        .when(unfit).then(pl.lit("invalid_field")).otherwise("fault"),
        reason=pl.when(no_account).then("lacking")
        .when(unassigned).then(pl.lit("no project was set")).when(unfit).then("unfit").otherwise("reason"),
        chargeable=pl.col("chargeable").fill_null(value=False) & ~unfit,
    ).drop("lacking", "member", "unfit", "era")  # fmt: skip


def _verdicts(places: pl.DataFrame, tariff: Tariff) -> pl.DataFrame:
    """Judge each set of codes once per era, and per person where it matters."""
    master = Master.of(tariff.projects, tariff.phases, tariff.tasks, tariff.members)
    wanted = places.drop_nulls("project").unique()
    verdicts = [
        (project, phase, task, day, member, *master.judge(Codes(project, phase, task), day, member))
        for project, phase, task, day, member in wanted.iter_rows()
    ]
    verdict = {"fault": pl.String, "reason": pl.String, "chargeable": pl.Boolean}
    found = pl.DataFrame(verdicts, schema={**wanted.schema, **verdict}, orient="row")
    return found.with_columns(reason=pl.when(pl.col("fault").is_not_null()).then("reason"))


def notices(places: pl.DataFrame) -> pl.DataFrame:
    """Tell what presets assigned, by preset and project: kind, session (null), milliseconds, detail."""
    given = places.drop_nulls("preset").group_by("preset", "project").agg(
        milliseconds=pl.sum_horizontal(pl.col(KINDS_MS).sum())
    )  # fmt: skip
    detail = pl.format("preset {} assigned time that had no project to {}", "preset", "project")
    return given.sort("preset", "project").select(
        pl.lit("preset").alias("kind"), pl.lit(None, pl.Int64).alias("session"), "milliseconds",
        detail.alias("detail"),
    )  # fmt: skip
