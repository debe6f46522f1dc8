"""Billing in full: accounts, members and presets; tiers, caps and currencies; signatures, exports, schedule.

Revision: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# SQLite makes a rowid of INTEGER PRIMARY KEY only; elsewhere ids are BIGINT.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _add_columns()
    for make in (_projects, _conversions, _signatures, _exports, _schedule):
        make()


def _number(name: str, *, default: int | None = None) -> sa.Column[int]:
    is_set = default is not None
    return sa.Column(
        name, sa.BigInteger(), server_default=str(default) if is_set else None, nullable=not is_set
    )


def _word(name: str, *, null: bool = False, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=null)


def _json(name: str, default: str) -> sa.Column[object]:
    return sa.Column(name, sa.JSON(), server_default=default, nullable=False)


def _add_columns() -> None:
    added = {
        "project": [
            _word("kind", default="project"), _number("budget_minor"), _number("not_to_exceed_minor"),
        ],
        "rate": [
            _number("cost_rate_scaled"), _number("minimum_ms", default=0), _number("daily_cap_minor"),
            _number("monthly_cap_minor"), _word("tier_kind", null=True), _json("tiers", "[]"),
            _number("package_ms"), _number("free_ms", default=0),
        ],
        "billing_run": [
            _number("chain_version", default=1),
            sa.Column("showback", sa.Boolean(), server_default=sa.false(), nullable=False),
            _number("review_until_ms"),
        ],
        "charge_line": [
            _word("unit", default="hour"), _word("rate_currency", null=True), _number("conversion_scaled"),
            _number("cost_minor"),
        ],
        "line_review": [_json("detail", "{}")],
        "billing_exception": [_word("settlement_reason", null=True), _number("settled_ms")],
        "session": [_word("prompt", null=True)],
    }  # fmt: skip
    for table, columns in added.items():
        for column in columns:
            op.add_column(table, column)
    op.create_index(op.f("ix_charge_line_original_line_id"), "charge_line", ["original_line_id"])
    # Alembic would add the reference as a constraint of its own, which SQLite cannot.
    op.execute(
        "ALTER TABLE project ADD COLUMN manager_id"
        f" {'INTEGER' if op.get_bind().dialect.name == 'sqlite' else 'BIGINT'}"
        " CONSTRAINT fk_project_manager_id_person REFERENCES person (id)"
    )


def _id() -> sa.Column[int]:
    return sa.Column("id", ID, nullable=False)


def _ref(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(f"{name}_id", ID, nullable=null)


def _constraints(table: str, *targets: str) -> list[sa.Constraint]:
    keys: list[sa.Constraint] = [
        sa.ForeignKeyConstraint(
            [f"{target}_id"], [f"{target}.id"], name=op.f(f"fk_{table}_{target}_id_{target}")
        )
        for target in targets
    ]
    return [sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")), *keys]


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def _projects() -> None:
    op.create_table(
        "project_member", _id(), _ref("project"), _ref("person"), _word("valid_from_on"),
        _word("valid_to_on", null=True),
        *_constraints("project_member", "project", "person"),
        _unique("project_member", "project_id", "person_id", "valid_from_on"),
    )  # fmt: skip
    for column in ("person_id", "project_id"):
        op.create_index(op.f(f"ix_project_member_{column}"), "project_member", [column])
    scopes = ("person", "department", "office", "application", "project", "phase", "task")
    op.create_table(
        "project_preset", _id(), *(_ref(name, null=True) for name in scopes), _word("valid_from_on"),
        _word("valid_to_on", null=True), _word("author"), _word("reason"),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        *_constraints("project_preset", *scopes),
    )  # fmt: skip


def _conversions() -> None:
    table = "conversion_rate"
    op.create_table(
        table, _id(), _word("from_currency"), _word("to_currency"), _word("from_on"),
        sa.Column("factor_scaled", sa.BigInteger(), nullable=False), _word("author"),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("factor_scaled > 0", name=op.f("ck_conversion_rate_positive")),
        *_constraints(table),
        _unique(table, "from_currency", "to_currency", "from_on"),
    )  # fmt: skip


def _signatures() -> None:
    table = "project_sign_off"
    op.create_table(
        table, _id(), _ref("billing_run"), _ref("project"), _word("action"), _word("actor"), _word("reason"),
        _word("lines_digest"), sa.Column("at_ms", sa.BigInteger(), nullable=False),
        *_constraints(table, "billing_run", "project"),
    )  # fmt: skip
    op.create_index(op.f("ix_project_sign_off_billing_run_id"), table, ["billing_run_id"])
    op.create_table(
        "line_release", _id(), _ref("charge_line"), _word("actor"), _word("reason"),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        *_constraints("line_release", "charge_line"),
        _unique("line_release", "charge_line_id"),
    )  # fmt: skip


def _exports() -> None:
    table = "export_batch"
    op.create_table(
        table, _id(), _ref("billing_run"), _word("target"), _word("batch"), _word("digest"),
        sa.Column("row_count", sa.BigInteger(), nullable=False), _word("actor"),
        sa.Column("at_ms", sa.BigInteger(), nullable=False), _word("voided_by", null=True),
        _number("voided_ms"), _word("void_reason", null=True),
        *_constraints(table, "billing_run"),
        _unique(table, "batch"),
    )  # fmt: skip
    op.create_index(op.f("ix_export_batch_billing_run_id"), table, ["billing_run_id"])


def _schedule() -> None:
    op.create_table(
        "job_run", _id(), _word("job"), sa.Column("due_ms", sa.BigInteger(), nullable=False), _word("status"),
        _number("attempts", default=0), sa.Column("started_ms", sa.BigInteger(), nullable=False),
        _number("ended_ms"), _word("reason", null=True), _json("result", "{}"), _number("told_ms"),
        *_constraints("job_run"),
        _unique("job_run", "job", "due_ms"),
    )  # fmt: skip
    op.create_table(
        "lease", _word("name"), _word("holder"), sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )  # fmt: skip
