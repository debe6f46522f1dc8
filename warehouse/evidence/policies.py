"""Versions of the policies, and the applications that they meter."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.evidence.inserting import insert_new, pairs


class PolicyVersion(NamedTuple):
    """One version of a policy, as its purpose defines the document."""

    version: int
    document: dict[str, Any]


def newest_policy(connection: Connection, purpose: str) -> PolicyVersion | None:
    """Return the newest version of a purpose (collection, license, billing); None when there is none."""
    policy, version = schema.policy.c, schema.policy_version.c
    row = connection.execute(
        sa.select(version.version, version.document)
        .join(schema.policy, policy.id == version.policy_id)
        .where(policy.purpose == purpose)
        .order_by(version.version.desc())
        .limit(1)
    ).one_or_none()
    return PolicyVersion(*row) if row else None


def newest_version(connection: Connection, purpose: str) -> int:
    """Return the newest version number of a purpose; 0 when there is none."""
    version = schema.policy_version
    query = (
        sa.select(sa.func.max(version.c.version))
        .select_from(version.join(schema.policy))
        .where(schema.policy.c.purpose == purpose)
    )
    return int(connection.scalar(query) or 0)


def add_policy_version(
    connection: Connection, purpose: str, document: Mapping[str, Any], actor: str, now_ms: int
) -> int:
    """Store the next version of a purpose's policy and return its number."""
    insert_new(connection, schema.policy, [{"name": purpose, "purpose": purpose}])
    policy_id = connection.scalar(
        sa.select(schema.policy.c.id).where(schema.policy.c.name == purpose).with_for_update()
    )
    number = newest_version(connection, purpose) + 1
    connection.execute(
        sa.insert(schema.policy_version).values(
            policy_id=policy_id, version=number, created_ms=now_ms, created_by=actor, document=dict(document)
        )
    )
    return number


def store_applications(connection: Connection, applications: Sequence[Mapping[str, Any]]) -> None:
    """Make the metered applications those of a collection policy.

    Parameters
    ----------
    applications
        Each with `code`, `name`, `billed`, `signatures`, and perhaps `product`, `version`, `edition`. Others
        keep their evidence, and are metered no more.
    """
    connection.execute(sa.update(schema.application).values(metered=False))
    products = _products(connection, {row["product"] for row in applications if row.get("product")})
    for row in applications:
        _store_application(connection, row, products.get(row.get("product", "")))


def _products(connection: Connection, codes: Collection[str]) -> dict[str, int]:
    insert_new(
        connection, schema.product, [{"code": code, "name": code, "vendor": ""} for code in sorted(codes)]
    )
    product = schema.product.c
    rows = connection.execute(sa.select(product.code, product.id).where(product.code.in_(codes)))
    return pairs(rows)


def _store_application(connection: Connection, row: Mapping[str, Any], product_id: int | None) -> None:
    table, signature = schema.application, schema.signature
    values = {
        "name": row["name"],
        "metered": True,
        "billed": row["billed"],
        # What the policy does not say stays as the product list has it.
        **{name: row[name] for name in ("version", "edition") if name in row},
        **({} if product_id is None else {"product_id": product_id}),
    }
    insert_new(connection, table, [{"code": row["code"], **values}])
    connection.execute(sa.update(table).where(table.c.code == row["code"]).values(**values))
    number = connection.scalar(sa.select(table.c.id).where(table.c.code == row["code"]))
    connection.execute(sa.delete(signature).where(signature.c.application_id == number))
    connection.execute(
        sa.insert(signature),
        [{"application_id": number, **dict.fromkeys(_SIGNATURE), **each} for each in row["signatures"]],
    )


_SIGNATURE = ("executable", "arguments", "window_class", "parent")


def application_ids(connection: Connection) -> dict[str, int]:
    """Return the id of every application, by code."""
    rows = connection.execute(sa.select(schema.application.c.code, schema.application.c.id))
    return pairs(rows)
