"""The first tables of the warehouse.

Revision: 0001
Revises: nothing
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite makes a rowid of INTEGER PRIMARY KEY only; elsewhere ids are BIGINT.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "audit_event",
        sa.Column("id", ID, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("previous_digest", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
    )
    op.create_table(
        "client",
        sa.Column("id", ID, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client")),
        sa.UniqueConstraint("code", name=op.f("uq_client_code")),
    )
    op.create_table(
        "client_device",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_device")),
        sa.UniqueConstraint("name", name=op.f("uq_client_device_name")),
    )
    op.create_table(
        "cost_center",
        sa.Column("id", ID, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_center")),
        sa.UniqueConstraint("code", name=op.f("uq_cost_center_code")),
    )
    op.create_table(
        "department",
        sa.Column("id", ID, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_department")),
        sa.UniqueConstraint("code", name=op.f("uq_department_code")),
    )
    op.create_table(
        "enrollment_token",
        sa.Column("id", ID, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("uses_left", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollment_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_enrollment_token_digest")),
    )
    op.create_table(
        "fiscal_period",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Text(), nullable=False),
        sa.Column("ends_on", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fiscal_period")),
        sa.UniqueConstraint("ends_on", name=op.f("uq_fiscal_period_ends_on")),
        sa.UniqueConstraint("name", name=op.f("uq_fiscal_period_name")),
        sa.UniqueConstraint("starts_on", name=op.f("uq_fiscal_period_starts_on")),
    )
    op.create_table(
        "office",
        sa.Column("id", ID, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("opens_minute", sa.BigInteger(), server_default="480", nullable=False),
        sa.Column("closes_minute", sa.BigInteger(), server_default="1080", nullable=False),
        sa.Column("business_weekdays", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_office")),
        sa.UniqueConstraint("code", name=op.f("uq_office_code")),
    )
    op.create_table(
        "organization",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("settings", sa.JSON(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization")),
    )
    op.create_table(
        "person",
        sa.Column("id", ID, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("employee_number", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("employment", sa.Text(), nullable=False),
        sa.Column("valid_from_on", sa.Text(), nullable=False),
        sa.Column("valid_to_on", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("code", name=op.f("uq_person_code")),
    )
    op.create_table(
        "policy",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy")),
        sa.UniqueConstraint("name", name=op.f("uq_policy_name")),
    )
    op.create_table(
        "product",
        sa.Column("id", ID, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("token_weight", sa.BigInteger(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
        sa.UniqueConstraint("code", name=op.f("uq_product_code")),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", ID, nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
        sa.UniqueConstraint(
            "agent_id", "epoch", "sequence", name=op.f("uq_quarantine_agent_id_epoch_sequence")
        ),
    )
    op.create_table(
        "report_run",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parameters", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("results", sa.JSON(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_run")),
    )
    op.create_table(
        "account",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("person_id", ID, nullable=True),
        sa.Column("shared", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_account_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("name", name=op.f("uq_account_name")),
    )
    op.create_index(op.f("ix_account_person_id"), "account", ["person_id"], unique=False)
    op.create_table(
        "application",
        sa.Column("id", ID, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("edition", sa.Text(), nullable=True),
        sa.Column("product_id", ID, nullable=True),
        sa.Column("metered", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("billed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["product.id"], name=op.f("fk_application_product_id_product")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_application")),
        sa.UniqueConstraint("code", name=op.f("uq_application_code")),
    )
    op.create_table(
        "entitlement",
        sa.Column("id", ID, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("product_id", ID, nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("valid_from_on", sa.Text(), nullable=False),
        sa.Column("valid_to_on", sa.Text(), nullable=True),
        sa.Column("unit_cost_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("contract", sa.Text(), nullable=True),
        sa.Column("notice_on", sa.Text(), nullable=True),
        sa.Column("consumption_order", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("counting_rule", sa.Text(), nullable=False),
        sa.Column("use_rights", sa.JSON(), server_default="{}", nullable=False),
        sa.CheckConstraint(
            "quantity >= 0 AND unit_cost_minor >= 0", name=op.f("ck_entitlement_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["product_id"], ["product.id"], name=op.f("fk_entitlement_product_id_product")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entitlement")),
        sa.UniqueConstraint("code", name=op.f("uq_entitlement_code")),
    )
    op.create_table(
        "holiday",
        sa.Column("id", ID, nullable=False),
        sa.Column("office_id", ID, nullable=False),
        sa.Column("day_on", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_holiday_office_id_office")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holiday")),
        sa.UniqueConstraint("office_id", "day_on", name=op.f("uq_holiday_office_id_day_on")),
    )
    op.create_table(
        "host",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("office_id", ID, nullable=True),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("in_directory", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("valid_from_on", sa.Text(), nullable=False),
        sa.Column("valid_to_on", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_host_office_id_office")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host")),
        sa.UniqueConstraint("name", name=op.f("uq_host_name")),
    )
    op.create_table(
        "placement",
        sa.Column("id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("office_id", ID, nullable=False),
        sa.Column("department_id", ID, nullable=True),
        sa.Column("cost_center_id", ID, nullable=True),
        sa.Column("valid_from_on", sa.Text(), nullable=False),
        sa.Column("valid_to_on", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["cost_center_id"], ["cost_center.id"], name=op.f("fk_placement_cost_center_id_cost_center")
        ),
        sa.ForeignKeyConstraint(
            ["department_id"], ["department.id"], name=op.f("fk_placement_department_id_department")
        ),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_placement_office_id_office")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_placement_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_placement")),
        sa.UniqueConstraint("person_id", "valid_from_on", name=op.f("uq_placement_person_id_valid_from_on")),
    )
    op.create_index(op.f("ix_placement_person_id"), "placement", ["person_id"], unique=False)
    op.create_table(
        "policy_version",
        sa.Column("id", ID, nullable=False),
        sa.Column("policy_id", ID, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("document", sa.JSON(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(
            ["policy_id"], ["policy.id"], name=op.f("fk_policy_version_policy_id_policy")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_version")),
        sa.UniqueConstraint("policy_id", "version", name=op.f("uq_policy_version_policy_id_version")),
    )
    op.create_table(
        "project",
        sa.Column("id", ID, nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("client_id", ID, nullable=True),
        sa.Column("cost_center_id", ID, nullable=True),
        sa.Column("office_id", ID, nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("tax_code", sa.Text(), nullable=True),
        sa.Column("chargeable", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("opened_on", sa.Text(), nullable=True),
        sa.Column("closed_on", sa.Text(), nullable=True),
        sa.CheckConstraint("client_id IS NULL OR cost_center_id IS NULL", name=op.f("ck_project_one_payer")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_project_client_id_client")),
        sa.ForeignKeyConstraint(
            ["cost_center_id"], ["cost_center.id"], name=op.f("fk_project_cost_center_id_cost_center")
        ),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_project_office_id_office")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("number", name=op.f("uq_project_number")),
    )
    op.create_table(
        "agent",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("host_id", ID, nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("enrolled_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_heard_ms", sa.BigInteger(), nullable=True),
        sa.Column("clock_offset_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("backlog", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("policy_version", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["host_id"], ["host.id"], name=op.f("fk_agent_host_id_host")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent")),
    )
    op.create_table(
        "assignment",
        sa.Column("id", ID, nullable=False),
        sa.Column("entitlement_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=True),
        sa.Column("host_id", ID, nullable=True),
        sa.Column("valid_from_on", sa.Text(), nullable=False),
        sa.Column("valid_to_on", sa.Text(), nullable=True),
        sa.CheckConstraint("(person_id IS NULL) <> (host_id IS NULL)", name=op.f("ck_assignment_one_holder")),
        sa.ForeignKeyConstraint(
            ["entitlement_id"], ["entitlement.id"], name=op.f("fk_assignment_entitlement_id_entitlement")
        ),
        sa.ForeignKeyConstraint(["host_id"], ["host.id"], name=op.f("fk_assignment_host_id_host")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_assignment_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment")),
    )
    op.create_table(
        "billing_run",
        sa.Column("id", ID, nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("fiscal_period_id", ID, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("quantum_per_hour", sa.BigInteger(), nullable=False),
        sa.Column("overlap_policy", sa.Text(), nullable=False),
        sa.Column("cut_off_ms", sa.BigInteger(), nullable=False),
        sa.Column("policy_version_id", ID, nullable=False),
        sa.Column("prepared_by", sa.Text(), nullable=False),
        sa.Column("prepared_ms", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("input_digest", sa.Text(), nullable=False),
        sa.Column("totals", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("previous_digest", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["fiscal_period_id"],
            ["fiscal_period.id"],
            name=op.f("fk_billing_run_fiscal_period_id_fiscal_period"),
        ),
        sa.ForeignKeyConstraint(
            ["policy_version_id"],
            ["policy_version.id"],
            name=op.f("fk_billing_run_policy_version_id_policy_version"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_run")),
        sa.UniqueConstraint("number", name=op.f("uq_billing_run_number")),
    )
    op.create_table(
        "entitlement_application",
        sa.Column("entitlement_id", ID, nullable=False),
        sa.Column("application_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["application.id"],
            name=op.f("fk_entitlement_application_application_id_application"),
        ),
        sa.ForeignKeyConstraint(
            ["entitlement_id"],
            ["entitlement.id"],
            name=op.f("fk_entitlement_application_entitlement_id_entitlement"),
        ),
        sa.PrimaryKeyConstraint("entitlement_id", "application_id", name=op.f("pk_entitlement_application")),
    )
    op.create_table(
        "phase",
        sa.Column("id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("chargeable", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("opened_on", sa.Text(), nullable=True),
        sa.Column("closed_on", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_phase_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phase")),
        sa.UniqueConstraint("project_id", "number", name=op.f("uq_phase_project_id_number")),
    )
    op.create_table(
        "rate",
        sa.Column("id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=True),
        sa.Column("project_id", ID, nullable=True),
        sa.Column("office_id", ID, nullable=True),
        sa.Column("application_id", ID, nullable=True),
        sa.Column("rate_scaled", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("valid_from_on", sa.Text(), nullable=False),
        sa.Column("valid_to_on", sa.Text(), nullable=True),
        sa.Column("increment_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("rate_scaled >= 0", name=op.f("ck_rate_not_negative")),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_rate_application_id_application")
        ),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_rate_office_id_office")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_rate_person_id_person")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_rate_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rate")),
    )
    op.create_table(
        "signature",
        sa.Column("id", ID, nullable=False),
        sa.Column("application_id", ID, nullable=False),
        sa.Column("executable", sa.Text(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=True),
        sa.Column("window_class", sa.Text(), nullable=True),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_signature_application_id_application")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signature")),
    )
    op.create_index(op.f("ix_signature_application_id"), "signature", ["application_id"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_delivery_agent_id_agent")),
        sa.PrimaryKeyConstraint("agent_id", "epoch", name=op.f("pk_delivery")),
    )
    op.create_table(
        "presence",
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("session_key", sa.Text(), nullable=False),
        sa.Column("application_id", ID, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("host_id", ID, nullable=False),
        sa.Column("attention", sa.SmallInteger(), nullable=False),
        sa.Column("attention_since_ms", sa.BigInteger(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_presence_account_id_account")),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_presence_agent_id_agent")),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_presence_application_id_application")
        ),
        sa.ForeignKeyConstraint(["host_id"], ["host.id"], name=op.f("fk_presence_host_id_host")),
        sa.PrimaryKeyConstraint("agent_id", "session_key", name=op.f("pk_presence")),
    )
    op.create_table(
        "session",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("application_id", ID, nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("host_id", ID, nullable=False),
        sa.Column("client_device_id", ID, nullable=True),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("logon_session", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("end_uncertainty_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("instance_count", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("application_version", sa.Text(), nullable=True),
        sa.Column("clock_stepped", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("clock_offset_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "ended_ms IS NULL OR ended_ms >= started_ms", name=op.f("ck_session_ends_after_start")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_session_account_id_account")),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_session_agent_id_agent")),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_session_application_id_application")
        ),
        sa.ForeignKeyConstraint(
            ["client_device_id"], ["client_device.id"], name=op.f("fk_session_client_device_id_client_device")
        ),
        sa.ForeignKeyConstraint(["host_id"], ["host.id"], name=op.f("fk_session_host_id_host")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
        sa.UniqueConstraint("key", name=op.f("uq_session_key")),
    )
    op.create_index(op.f("ix_session_ended_ms"), "session", ["ended_ms"], unique=False)
    op.create_index(op.f("ix_session_started_ms"), "session", ["started_ms"], unique=False)
    op.create_table(
        "task",
        sa.Column("id", ID, nullable=False),
        sa.Column("phase_id", ID, nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["phase_id"], ["phase.id"], name=op.f("fk_task_phase_id_phase")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
        sa.UniqueConstraint("phase_id", "number", name=op.f("uq_task_phase_id_number")),
    )
    op.create_table(
        "watch_interval",
        sa.Column("id", ID, nullable=False),
        sa.Column("host_id", ID, nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("sees_focus", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("sees_input", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("sees_lock", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.CheckConstraint("end_ms > start_ms", name=op.f("ck_watch_interval_has_length")),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_watch_interval_agent_id_agent")),
        sa.ForeignKeyConstraint(["host_id"], ["host.id"], name=op.f("fk_watch_interval_host_id_host")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watch_interval")),
        sa.UniqueConstraint(
            "host_id", "agent_id", "start_ms", name=op.f("uq_watch_interval_host_id_agent_id_start_ms")
        ),
    )
    op.create_index(op.f("ix_watch_interval_end_ms"), "watch_interval", ["end_ms"], unique=False)
    op.create_table(
        "billing_exception",
        sa.Column("id", ID, nullable=False),
        sa.Column("billing_run_id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("session_id", ID, nullable=True),
        sa.Column("milliseconds", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.Column("settlement", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["billing_run_id"],
            ["billing_run.id"],
            name=op.f("fk_billing_exception_billing_run_id_billing_run"),
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["session.id"], name=op.f("fk_billing_exception_session_id_session")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_exception")),
    )
    op.create_index(
        op.f("ix_billing_exception_billing_run_id"), "billing_exception", ["billing_run_id"], unique=False
    )
    op.create_table(
        "charge_line",
        sa.Column("id", ID, nullable=False),
        sa.Column("billing_run_id", ID, nullable=False),
        sa.Column("line_number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("day_on", sa.Text(), nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("application_id", ID, nullable=False),
        sa.Column("office_id", ID, nullable=True),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("phase_id", ID, nullable=True),
        sa.Column("task_id", ID, nullable=True),
        sa.Column("rate_id", ID, nullable=True),
        sa.Column("billable", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("active_ms", sa.BigInteger(), nullable=False),
        sa.Column("pause_ms", sa.BigInteger(), nullable=False),
        sa.Column("buffer_ms", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("rate_scaled", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_code", sa.Text(), nullable=True),
        sa.Column("session_count", sa.BigInteger(), nullable=False),
        sa.Column("original_line_id", ID, nullable=True),
        sa.Column("fiscal_period_id", ID, nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_charge_line_application_id_application")
        ),
        sa.ForeignKeyConstraint(
            ["billing_run_id"], ["billing_run.id"], name=op.f("fk_charge_line_billing_run_id_billing_run")
        ),
        sa.ForeignKeyConstraint(
            ["fiscal_period_id"],
            ["fiscal_period.id"],
            name=op.f("fk_charge_line_fiscal_period_id_fiscal_period"),
        ),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("fk_charge_line_office_id_office")),
        sa.ForeignKeyConstraint(
            ["original_line_id"], ["charge_line.id"], name=op.f("fk_charge_line_original_line_id_charge_line")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_charge_line_person_id_person")),
        sa.ForeignKeyConstraint(["phase_id"], ["phase.id"], name=op.f("fk_charge_line_phase_id_phase")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_charge_line_project_id_project")
        ),
        sa.ForeignKeyConstraint(["rate_id"], ["rate.id"], name=op.f("fk_charge_line_rate_id_rate")),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_charge_line_task_id_task")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charge_line")),
        sa.UniqueConstraint(
            "billing_run_id", "line_number", name=op.f("uq_charge_line_billing_run_id_line_number")
        ),
    )
    op.create_index(op.f("ix_charge_line_billing_run_id"), "charge_line", ["billing_run_id"], unique=False)
    op.create_table(
        "project_entry",
        sa.Column("id", ID, nullable=False),
        sa.Column("session_id", ID, nullable=False),
        sa.Column("instance", sa.Integer(), nullable=True),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=True),
        sa.Column("project_number", sa.Text(), nullable=False),
        sa.Column("phase_number", sa.Text(), nullable=True),
        sa.Column("task_number", sa.Text(), nullable=True),
        sa.Column("fields", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["session.id"], name=op.f("fk_project_entry_session_id_session")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_entry")),
    )
    op.create_index(op.f("ix_project_entry_session_id"), "project_entry", ["session_id"], unique=False)
    op.create_table(
        "segment",
        sa.Column("session_id", ID, nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("attention", sa.SmallInteger(), nullable=False),
        sa.Column("cpu_percent", sa.Double(), nullable=False),
        sa.Column("units", sa.Integer(), server_default="1", nullable=False),
        sa.Column("inhibiting", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("instance", sa.Integer(), nullable=True),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("attention BETWEEN 0 AND 7", name=op.f("ck_segment_known_attention")),
        sa.CheckConstraint("end_ms > start_ms", name=op.f("ck_segment_has_length")),
        sa.CheckConstraint(
            "start_ms / 900000 = (end_ms - 1) / 900000", name=op.f("ck_segment_inside_a_quarter")
        ),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_segment_session_id_session")),
        sa.PrimaryKeyConstraint("session_id", "start_ms", name=op.f("pk_segment")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "charge_share",
        sa.Column("charge_line_id", ID, nullable=False),
        sa.Column("session_id", ID, nullable=False),
        sa.Column("active_ms", sa.BigInteger(), nullable=False),
        sa.Column("pause_ms", sa.BigInteger(), nullable=False),
        sa.Column("buffer_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["charge_line_id"], ["charge_line.id"], name=op.f("fk_charge_share_charge_line_id_charge_line")
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["session.id"], name=op.f("fk_charge_share_session_id_session")
        ),
        sa.PrimaryKeyConstraint("charge_line_id", "session_id", name=op.f("pk_charge_share")),
    )
    op.create_table(
        "line_review",
        sa.Column("id", ID, nullable=False),
        sa.Column("charge_line_id", ID, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["charge_line_id"], ["charge_line.id"], name=op.f("fk_line_review_charge_line_id_charge_line")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_review")),
    )
    op.create_index(op.f("ix_line_review_charge_line_id"), "line_review", ["charge_line_id"], unique=False)
