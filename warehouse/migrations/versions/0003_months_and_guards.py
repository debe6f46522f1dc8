"""PostgreSQL alone: segments lie in months, and what is closed or audited cannot be changed by mistake.

SQLite stays as it is: it has neither partitions nor several users.

Revision: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    # A function that runs with its owner's rights must not find a table that its caller slipped in.
    place = connection.scalar(sa.text("SELECT quote_ident(current_schema())"))
    safe_path = f"SET search_path = {place}, pg_temp"
    _partition()
    op.execute(_MAKE_MONTHS.replace("{safe_path}", safe_path))
    op.execute("REVOKE ALL ON FUNCTION make_segment_months(date[]) FROM PUBLIC")
    _move_segments()
    for statement in (_IS_CLOSED, _REFUSE, _GUARD_RUN, _GUARD_LINE, _GUARD_BELOW_LINE):
        op.execute(statement.replace("{safe_path}", safe_path))
    for table, acts, function in _GUARDS:
        op.execute(
            f"CREATE TRIGGER guard BEFORE {acts} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
        op.execute(
            f"CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


# --- Months ------------------------------------------------------------------------------------------------


def _partition() -> None:
    op.execute("ALTER TABLE segment RENAME TO segment_before")
    op.execute("ALTER INDEX pk_segment RENAME TO pk_segment_before")
    op.create_table(
        "segment",
        sa.Column("session_id", sa.BigInteger(), nullable=False),
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
        postgresql_partition_by="RANGE (start_ms)",
    )
    op.execute("CREATE TABLE segment_default PARTITION OF segment DEFAULT")


def _move_segments() -> None:
    op.execute(
        "SELECT make_segment_months(array_agg(DISTINCT month)) FROM ("
        " SELECT date_trunc('month', to_timestamp(start_ms / 1000) AT TIME ZONE 'UTC')::date AS month"
        " FROM segment_before WHERE start_ms BETWEEN 0 AND 4102444800000) AS months"
    )
    names = (
        "session_id, start_ms, end_ms, attention, cpu_percent, units, inhibiting, instance, since_ms,"
        " policy_version, received_ms"
    )
    op.execute(f"INSERT INTO segment ({names}) SELECT {names} FROM segment_before")  # noqa: S608
    op.execute("DROP TABLE segment_before")


# Whoever writes segments calls this first, with the first days of the months that the segments start in; it
# runs with the rights of the tables' owner, so that a role that only inserts can have its months made.
#
# A month that cannot be made at once is left: its segments lie in segment_default, nothing is refused, and
# the next call moves them. Attaching needs the default partition and the session table for a moment, which
# others may be writing to; two that both hold and both want would wait for each other. Who finds another one
# making months waits for that one's end, as any write to the default partition would.
# Made apart and then attached, since CREATE TABLE ... PARTITION OF would keep every reader of `segment` out.
_MAKE_MONTHS = """
CREATE FUNCTION make_segment_months(months date[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER {safe_path} AS $$
DECLARE
    usual text := current_setting('lock_timeout');
    month date;
    name text;
    from_ms bigint;
    to_ms bigint;
    made integer := 0;
BEGIN
    FOREACH month IN ARRAY coalesce(months, '{}') LOOP
        month := date_trunc('month', month);
        name := 'segment_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass(name) IS NOT NULL OR month NOT BETWEEN '1990-01-01' AND '2099-12-01';
        from_ms := extract(epoch FROM month::timestamp) * 1000;
        to_ms := extract(epoch FROM month + interval '1 month') * 1000;
        BEGIN
            PERFORM pg_advisory_xact_lock(7306095);
            PERFORM set_config('lock_timeout', '1s', true);
            EXECUTE format('CREATE TABLE %I (LIKE segment INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
            LOCK TABLE segment_default IN ACCESS EXCLUSIVE MODE;
            EXECUTE format(
                'WITH moved AS (DELETE FROM segment_default WHERE start_ms >= %s AND start_ms < %s'
                ' RETURNING *) INSERT INTO %I SELECT * FROM moved', from_ms, to_ms, name);
            EXECUTE format(
                'ALTER TABLE segment ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name, from_ms, to_ms);
            PERFORM set_config('lock_timeout', usual, true);
            made := made + 1;
        EXCEPTION WHEN duplicate_table THEN
            NULL;  -- whom this waited for has made it
        WHEN lock_not_available OR deadlock_detected OR object_in_use THEN
            RAISE LOG 'process-meter: the month % of segments could not be made now', name;
            EXIT;
        END;
    END LOOP;
    RETURN made;
END $$
"""

# --- Guards ------------------------------------------------------------------------------------------------

# They keep mistakes and strangers out, not an owner of the tables, who can drop them: the hash chain finds
# that. `warehouse copy` writes closed runs into an empty warehouse, and says so by the setting.

_IS_CLOSED = """
CREATE FUNCTION is_closed_run(run bigint) RETURNS boolean
LANGUAGE sql STABLE {safe_path} AS $$
    SELECT coalesce(current_setting('process_meter.copying', true), '') <> 'yes'
       AND EXISTS (SELECT FROM billing_run WHERE id = run AND status = 'closed')
$$
"""
_REFUSE = """
CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql {safe_path} AS $$
BEGIN
    IF coalesce(current_setting('process_meter.copying', true), '') = 'yes' THEN
        RETURN coalesce(NEW, OLD);
    END IF;
    RAISE EXCEPTION '% of % is refused: what is written there stays', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$
"""
# A run that is being closed still gets its digests, each once.
_GUARD_RUN = """
CREATE FUNCTION guard_closed_run() RETURNS trigger
LANGUAGE plpgsql {safe_path} AS $$
BEGIN
    IF is_closed_run(OLD.id) AND NOT (
        TG_OP = 'UPDATE' AND OLD.digest IS NULL AND to_jsonb(NEW) - 'digest' = to_jsonb(OLD) - 'digest'
    ) THEN
        RAISE EXCEPTION '% of the closed billing run % is refused: correct it in the next run',
            TG_OP, OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN coalesce(NEW, OLD);
END $$
"""
_GUARD_LINE = """
CREATE FUNCTION guard_closed_line() RETURNS trigger
LANGUAGE plpgsql {safe_path} AS $$
BEGIN
    IF (TG_OP <> 'INSERT' AND is_closed_run(OLD.billing_run_id)
        OR TG_OP <> 'DELETE' AND is_closed_run(NEW.billing_run_id))
       AND NOT (
        TG_OP = 'UPDATE' AND OLD.digest IS NULL AND to_jsonb(NEW) - 'digest' = to_jsonb(OLD) - 'digest'
    ) THEN
        RAISE EXCEPTION '% of a charge line of a closed billing run is refused: correct it in the next run',
            TG_OP USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN coalesce(NEW, OLD);
END $$
"""
_GUARD_BELOW_LINE = """
CREATE FUNCTION guard_below_closed_line() RETURNS trigger
LANGUAGE plpgsql {safe_path} AS $$
BEGIN
    IF EXISTS (
        SELECT FROM charge_line
        WHERE id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.charge_line_id END,
                     CASE WHEN TG_OP <> 'DELETE' THEN NEW.charge_line_id END)
          AND is_closed_run(billing_run_id)
    ) THEN
        RAISE EXCEPTION '% of % of a closed billing run is refused: correct it in the next run',
            TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN coalesce(NEW, OLD);
END $$
"""
_GUARDS = (
    ("audit_event", "UPDATE OR DELETE", "refuse_change"),
    ("billing_run", "UPDATE OR DELETE", "guard_closed_run"),
    ("charge_line", "INSERT OR UPDATE OR DELETE", "guard_closed_line"),
    ("charge_share", "INSERT OR UPDATE OR DELETE", "guard_below_closed_line"),
    ("line_review", "INSERT OR UPDATE OR DELETE", "guard_below_closed_line"),
)
