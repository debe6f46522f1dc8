"""Landings, rollups, and what other programs' logs bring: events, capacity, denials, installations.

Revision: 0002
Revises: 0001
"""

from __future__ import annotations

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# SQLite makes a rowid of INTEGER PRIMARY KEY only; elsewhere ids are BIGINT.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "import_run",
        sa.Column("id", ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.JSON(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_run")),
    )
    op.create_table(
        "landing",
        sa.Column("id", ID, nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=True),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("replaced", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_landing")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "mark",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_mark")),
    )
    op.create_table(
        "capacity_reading",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("application_id", ID, nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("issued", sa.BigInteger(), nullable=True),
        sa.Column("in_use", sa.BigInteger(), nullable=True),
        sa.Column("reserved", sa.BigInteger(), nullable=True),
        sa.Column("queued", sa.BigInteger(), nullable=True),
        sa.Column("users", sa.BigInteger(), nullable=True),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["application.id"],
            name=op.f("fk_capacity_reading_application_id_application"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_capacity_reading")),
        sa.UniqueConstraint("key", name=op.f("uq_capacity_reading_key")),
    )
    op.create_index(op.f("ix_capacity_reading_at_ms"), "capacity_reading", ["at_ms"], unique=False)
    op.create_table(
        "demand_hour",
        sa.Column("application_id", ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), nullable=False),
        sa.Column("peak", sa.BigInteger(), nullable=False),
        sa.Column("peak_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("levels", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_demand_hour_application_id_application")
        ),
        sa.PrimaryKeyConstraint("application_id", "key", "basis", "hour_ms", name=op.f("pk_demand_hour")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_demand_hour_hour_ms"), "demand_hour", ["hour_ms"], unique=False)
    op.create_table(
        "denial",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("application_id", ID, nullable=False),
        sa.Column("account_id", ID, nullable=True),
        sa.Column("host_id", ID, nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_denial_account_id_account")),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_denial_application_id_application")
        ),
        sa.ForeignKeyConstraint(["host_id"], ["host.id"], name=op.f("fk_denial_host_id_host")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_denial")),
        sa.UniqueConstraint("key", name=op.f("uq_denial_key")),
    )
    op.create_index(op.f("ix_denial_at_ms"), "denial", ["at_ms"], unique=False)
    op.create_table(
        "foreign_event",
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("application_id", ID, nullable=True),
        sa.Column("account_id", ID, nullable=True),
        sa.Column("host_id", ID, nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("units", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("session_key", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_foreign_event_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_foreign_event_application_id_application")
        ),
        sa.ForeignKeyConstraint(["host_id"], ["host.id"], name=op.f("fk_foreign_event_host_id_host")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_foreign_event")),
    )
    op.create_index(
        op.f("ix_foreign_event_source_server_at_ms"),
        "foreign_event",
        ["source", "server", "at_ms"],
        unique=False,
    )
    op.create_table(
        "installation",
        sa.Column("id", ID, nullable=False),
        sa.Column("host_id", ID, nullable=False),
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("application_id", ID, nullable=True),
        sa.Column("valid_from_on", sa.Text(), nullable=False),
        sa.Column("valid_to_on", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_installation_application_id_application")
        ),
        sa.ForeignKeyConstraint(["host_id"], ["host.id"], name=op.f("fk_installation_host_id_host")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
        sa.UniqueConstraint(
            "host_id",
            "program",
            "version",
            "valid_from_on",
            name=op.f("uq_installation_host_id_program_version_valid_from_on"),
        ),
    )
    op.create_table(
        "use_hour",
        sa.Column("session_id", ID, nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), nullable=False),
        sa.Column("project_number", sa.Text(), nullable=False),
        sa.Column("application_id", ID, nullable=False),
        sa.Column("office_id", ID, nullable=True),
        sa.Column("run_ms", sa.BigInteger(), nullable=False),
        sa.Column("active_ms", sa.BigInteger(), nullable=False),
        sa.Column("pause_ms", sa.BigInteger(), nullable=False),
        sa.Column("held_ms", sa.BigInteger(), nullable=False),
        sa.Column("unknown_ms", sa.BigInteger(), nullable=False),
        sa.Column("unit_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_use_hour_application_id_application")
        ),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_use_hour_office_id_office")),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_use_hour_session_id_session")),
        sa.PrimaryKeyConstraint("session_id", "hour_ms", "project_number", name=op.f("pk_use_hour")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_use_hour_hour_ms"), "use_hour", ["hour_ms"], unique=False)
    # What was there before any landing was noted has landed now.
    op.execute(
        "INSERT INTO landing (session_id, from_ms, to_ms, replaced, at_ms)"
        " SELECT session_id, min(start_ms), max(end_ms), false, 0 FROM segment GROUP BY session_id"
    )
    mark = sa.table("mark", sa.column("name"), sa.column("value"))
    op.execute(mark.insert().values(name="identity", value=uuid4().hex))
