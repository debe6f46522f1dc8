"""Demand has no index by hour any more: it doubled the time of writing, and its primary key serves as well.

Revision: 0005
Revises: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index(op.f("ix_demand_hour_hour_ms"), table_name="demand_hour")
