"""Whom directory servers speak of, their groups, who was in them when; what bills a session is part of.

Revision: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# SQLite makes a rowid of INTEGER PRIMARY KEY only; elsewhere ids are BIGINT.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "directory_entry",
        sa.Column("id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_directory_entry_person_id_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directory_entry")),
        sa.UniqueConstraint("source", "entry", name=op.f("uq_directory_entry_source_entry")),
        sa.UniqueConstraint("source", "person_id", name=op.f("uq_directory_entry_source_person_id")),
    )
    op.create_index(op.f("ix_directory_entry_person_id"), "directory_entry", ["person_id"])
    op.create_table(
        "directory_group",
        sa.Column("id", ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directory_group")),
        sa.UniqueConstraint("source", "name", name=op.f("uq_directory_group_source_name")),
    )
    op.create_table(
        "membership",
        sa.Column("id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("directory_group_id", ID, nullable=False),
        sa.Column("valid_from_on", sa.Text(), nullable=False),
        sa.Column("valid_to_on", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_membership_person_id_person")),
        sa.ForeignKeyConstraint(
            ["directory_group_id"],
            ["directory_group.id"],
            name=op.f("fk_membership_directory_group_id_directory_group"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership")),
        sa.UniqueConstraint(
            "person_id",
            "directory_group_id",
            "valid_from_on",
            name=op.f("uq_membership_person_id_directory_group_id_valid_from_on"),
        ),
    )
    op.create_index(op.f("ix_membership_person_id"), "membership", ["person_id"])
    op.create_index(op.f("ix_membership_directory_group_id"), "membership", ["directory_group_id"])
    # Whoever takes a session away asks for its bills and exceptions.
    for table in ("charge_share", "billing_exception"):
        op.create_index(op.f(f"ix_{table}_session_id"), table, ["session_id"])
