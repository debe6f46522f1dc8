"""An exception keeps the number of its session when that is taken away, so that its seal still holds.

Revision: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("billing_exception", sa.Column("session_number", sa.BigInteger(), nullable=True))
    op.execute("UPDATE billing_exception SET session_number = session_id")
