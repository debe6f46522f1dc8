"""Packs, true-up days and incomplete contracts; what vendors count.

Revision: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# SQLite makes a rowid of INTEGER PRIMARY KEY only; elsewhere ids are BIGINT.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NOT_NEGATIVE = "quantity >= 0 AND unit_cost_minor >= 0 AND pack_size >= 1"
HAS_CURRENCY = "unit_cost_minor IS NULL OR currency IS NOT NULL"
KEPT = (
    "id, code, product_id, metric, quantity, valid_from_on, valid_to_on, unit_cost_minor, currency, contract,"
    " notice_on, consumption_order, counting_rule, use_rights"
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _make_anew()
    else:
        _alter()
    _vendor_counts()


def _alter() -> None:
    op.add_column("entitlement", sa.Column("pack_size", sa.BigInteger(), server_default="1", nullable=False))
    op.add_column("entitlement", sa.Column("true_up_on", sa.Text(), nullable=True))
    for name in ("unit_cost_minor", "currency"):
        op.alter_column("entitlement", name, nullable=True)
    op.drop_constraint(op.f("ck_entitlement_not_negative"), "entitlement")
    op.create_check_constraint(op.f("ck_entitlement_not_negative"), "entitlement", NOT_NEGATIVE)
    op.create_check_constraint(op.f("ck_entitlement_money_has_a_currency"), "entitlement", HAS_CURRENCY)


def _make_anew() -> None:
    """SQLite changes no column: the rows wait aside, and what refers to them is judged at the end."""
    op.execute("PRAGMA defer_foreign_keys=ON")
    op.execute(f"CREATE TEMPORARY TABLE entitlement_before AS SELECT {KEPT} FROM entitlement")  # noqa: S608
    op.drop_table("entitlement")
    op.create_table(
        "entitlement",
        sa.Column("id", ID, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("product_id", ID, nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("pack_size", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("valid_from_on", sa.Text(), nullable=False),
        sa.Column("valid_to_on", sa.Text(), nullable=True),
        sa.Column("unit_cost_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("contract", sa.Text(), nullable=True),
        sa.Column("notice_on", sa.Text(), nullable=True),
        sa.Column("true_up_on", sa.Text(), nullable=True),
        sa.Column("consumption_order", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("counting_rule", sa.Text(), nullable=False),
        sa.Column("use_rights", sa.JSON(), server_default="{}", nullable=False),
        sa.CheckConstraint(NOT_NEGATIVE, name=op.f("ck_entitlement_not_negative")),
        sa.CheckConstraint(HAS_CURRENCY, name=op.f("ck_entitlement_money_has_a_currency")),
        sa.ForeignKeyConstraint(
            ["product_id"], ["product.id"], name=op.f("fk_entitlement_product_id_product")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entitlement")),
        sa.UniqueConstraint("code", name=op.f("uq_entitlement_code")),
    )
    op.execute(f"INSERT INTO entitlement ({KEPT}) SELECT {KEPT} FROM entitlement_before")  # noqa: S608
    op.execute("DROP TABLE entitlement_before")


def _vendor_counts() -> None:
    op.create_table(
        "vendor_count",
        sa.Column("id", ID, nullable=False),
        sa.Column("product_id", ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("end_ms > start_ms AND count >= 0", name=op.f("ck_vendor_count_has_length")),
        sa.ForeignKeyConstraint(
            ["product_id"], ["product.id"], name=op.f("fk_vendor_count_product_id_product")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vendor_count")),
        sa.UniqueConstraint(
            "product_id",
            "source",
            "unit",
            "start_ms",
            name=op.f("uq_vendor_count_product_id_source_unit_start_ms"),
        ),
    )
    op.create_index(op.f("ix_vendor_count_end_ms"), "vendor_count", ["end_ms"])
