"""A closed run keeps the names of its people as they were, apart from the chain, so that they can be erased.

Revision: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# SQLite makes a rowid of INTEGER PRIMARY KEY only; elsewhere ids are BIGINT.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    table = "billed_name"
    keys = [
        sa.ForeignKeyConstraint(
            [f"{target}_id"], [f"{target}.id"], name=op.f(f"fk_{table}_{target}_id_{target}")
        )
        for target in ("billing_run", "person")
    ]
    op.create_table(
        table,
        sa.Column("id", ID, nullable=False),
        sa.Column("billing_run_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("employee_number", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        *keys,
        sa.UniqueConstraint("billing_run_id", "person_id", name=op.f(f"uq_{table}_billing_run_id_person_id")),
    )
    op.create_index(op.f(f"ix_{table}_person_id"), table, ["person_id"])
    if op.get_bind().dialect.name == "postgresql":  # as the other guards: an erasure deletes, nobody rewrites
        for guard, act in (("guard", "UPDATE"), ("guard_truncate", "TRUNCATE")):
            op.execute(
                f"CREATE TRIGGER {guard} BEFORE {act} ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )
