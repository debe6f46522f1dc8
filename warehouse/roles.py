"""Who may do what on PostgreSQL: an owner, one who brings evidence, and two who read.

- `process_meter_owner` owns the tables: `warehouse upgrade|copy|retain|erase`, billing, master data, the
  manager's policies and tokens;
- `process_meter_ingest` writes evidence and what derives from it: the manager, `import`, `warehouse mirror`;
- `process_meter_analyst` reads evidence, licenses and bills, without names: notebooks, `query`, `export`;
- `process_meter_dashboard` reads what the screens need.

The statements can be run as often as one likes: what they give is all that the roles have then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema
from warehouse.errors import Problem
from warehouse.store import writing
from warehouse.store.url import located

OWNER, INGEST = "process_meter_owner", "process_meter_ingest"
ANALYST, DASHBOARD = "process_meter_analyst", "process_meter_dashboard"
ROLES = (OWNER, INGEST, ANALYST, DASHBOARD)

SETTINGS = {
    OWNER: {"lock_timeout": "60s"},
    INGEST: {
        "statement_timeout": "10min",
        "lock_timeout": "30s",
        "idle_in_transaction_session_timeout": "10min",
    },
    ANALYST: {
        "default_transaction_read_only": "on",
        "statement_timeout": "10min",
        "idle_in_transaction_session_timeout": "30min",
    },
    DASHBOARD: {
        "default_transaction_read_only": "on",
        "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "60s",
    },
}
"""How long a role's statements may run and wait; PostgreSQL applies them at sign-in."""

FUNCTIONS = (
    *("make_segment_months", "is_closed_run", "refuse_change"),
    *("guard_closed_run", "guard_closed_line", "guard_below_closed_line"),
)
"""Of migration 0003."""
READ, ADD, CHANGE, DROP = "SELECT", "INSERT", "UPDATE", "DELETE"

EVIDENCE = {
    "account": (READ, ADD, CHANGE),
    "agent": (READ, ADD, CHANGE),
    "application": (READ, ADD),
    "capacity_reading": (READ, ADD, CHANGE),
    "client_device": (READ, ADD),
    "delivery": (READ, ADD, CHANGE),
    "demand_hour": (READ, ADD, CHANGE, DROP),
    "denial": (READ, ADD),
    "foreign_event": (READ, ADD, CHANGE),
    "host": (READ, ADD),
    "import_run": (READ, ADD),
    "installation": (READ, ADD, CHANGE),
    "landing": (READ, ADD, DROP),
    "mark": (READ, ADD, CHANGE),
    "presence": (READ, ADD, DROP),
    "project_entry": (READ, ADD, DROP),
    "quarantine": (READ, ADD),
    "segment": (READ, ADD, DROP),
    "session": (READ, ADD, CHANGE, DROP),
    "use_hour": (READ, ADD, CHANGE, DROP),
    "vendor_count": (READ, ADD, CHANGE),
    "watch_interval": (READ, ADD, CHANGE),
}
"""What the one who brings evidence does with which table."""
NEEDED_BY_INGEST = (
    *(
        "charge_share",
        "billing_exception",
        "cost_center",
        "department",
        "entitlement",
        "entitlement_application",
        "fiscal_period",
        "holiday",
    ),
    *("office", "organization", "person", "placement", "policy", "policy_version", "product", "project"),
    *("phase", "task", "signature", "client", "project_member"),
)
"""What that work reads besides."""

CLOSED_TO_ANALYSTS = (
    *("enrollment_token", "quarantine", "delivery", "foreign_event", "audit_event", "import_run"),
    *("directory_entry", "client_device", "billed_name"),
)
SCREENS = (
    *(
        "account",
        "agent",
        "application",
        "assignment",
        "audit_event",
        "billing_run",
        "capacity_reading",
        "charge_line",
        "client",
    ),
    *("cost_center", "demand_hour", "denial", "department", "entitlement", "entitlement_application"),
    *(
        "fiscal_period",
        "holiday",
        "host",
        "landing",
        "line_release",
        "line_review",
        "mark",
        "office",
        "organization",
        "person",
    ),
    *("phase", "placement", "policy", "policy_version", "presence", "product", "project"),
    *("project_member", "project_preset", "project_sign_off", "conversion_rate"),
    *("billing_exception", "export_batch", "job_run", "lease"),
    *("project_entry", "report_run", "segment", "session", "task", "use_hour", "watch_interval"),
)
NAMES = {
    "person": ("code", "employee_number", "name", "email"),
    "account": ("name",),
    "host": ("name",),
    "project_entry": ("author",),
}
"""Columns that say who somebody is: analysts get pseudonyms, made of the ids with a key kept apart."""
HIDDEN_FROM_SCREENS = {
    "person": NAMES["person"],
    "host": NAMES["host"],
    "project_entry": NAMES["project_entry"],
    "audit_event": ("detail", "previous_digest", "digest"),
}
"""The screens look up the account of whoever has signed in, and who looked at that person's name."""


def statements(place: str = "public") -> list[str]:
    """Return the SQL that makes the roles and gives each its rights; for an administrator to run.

    Parameters
    ----------
    place
        The schema in which the tables are.
    """
    return [*_make(), *grants(place)]


def grants(place: str = "public") -> list[str]:
    """Return the SQL that gives the roles their rights, which the tables' owner may run again."""
    return [*_own(place), *_take_back(place), *_let_ingest(place), *_let_read(place)]


def apply(engine: Engine) -> None:
    """Make the roles and give each its rights and limits, in one transaction.

    Raises
    ------
    Problem
        The warehouse is a SQLite file, or whoever signs in may not make roles and they are not there.
    """
    if engine.dialect.name != "postgresql":
        raise Problem("SQLite has no roles", "name a PostgreSQL warehouse")
    with located(engine.url), writing(engine) as connection:
        place = str(connection.scalar(sa.text("SELECT quote_ident(current_schema())")))
        for statement in statements(place) if _may_make(connection) else grants(place):
            connection.execute(sa.text(statement))


def renew(engine: Engine) -> bool:
    """Give the roles their rights on what an upgrade brought; return whether this warehouse has roles.

    It has once `apply` made the owner its owner: another warehouse of the same server may have none. The
    limits of the roles are left as an administrator has set them since.
    """
    if engine.dialect.name != "postgresql":
        return False
    with located(engine.url), writing(engine) as connection:
        place = str(connection.scalar(sa.text("SELECT quote_ident(current_schema())")))
        owned = sa.text("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass(:table)")
        has_roles = bool(connection.scalar(owned, {"table": f"{place}.session"}) == OWNER)
        for statement in grants(place) if has_roles else ():
            connection.execute(sa.text(statement))
    return has_roles


def _may_make(connection: Connection) -> bool:
    if connection.scalar(
        sa.text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
    ):
        return True
    found = connection.scalar(
        sa.text("SELECT count(*) FROM pg_roles WHERE rolname = ANY(:roles)"), {"roles": list(ROLES)}
    )
    if found != len(ROLES):
        raise Problem(
            "The roles are not there, and you may not make any",
            "sign in as an administrator of the server",
        )
    return False


# --- Roles and what is theirs ------------------------------------------------------------------------------


def _make() -> Iterator[str]:
    for role in ROLES:
        yield (f"DO $$ BEGIN IF to_regrole('{role}') IS NULL THEN CREATE ROLE {role} LOGIN; END IF; END $$")
        for name, value in SETTINGS[role].items():
            yield f"ALTER ROLE {role} SET {name} = '{value}'"
    # Giving tables away takes membership, which an administrator who is no superuser lacks.
    yield (
        "DO $$ BEGIN IF NOT pg_has_role(current_user, 'process_meter_owner', 'MEMBER') THEN"
        " EXECUTE format('GRANT process_meter_owner TO %I', current_user); END IF; END $$"
    )


def _own(place: str) -> Iterator[str]:
    yield f"GRANT USAGE, CREATE ON SCHEMA {place} TO {OWNER}"
    tables = ", ".join(f"'{name}'" for name in (*schema.metadata.tables, "alembic_version"))
    acts = ", ".join(f"'{name}'" for name in FUNCTIONS)
    yield _GIVE.format(place=place, owner=OWNER, tables=tables, acts=acts)


_GIVE = """DO $$
DECLARE
    found regclass;
    act regprocedure;
BEGIN
    FOR found IN
        SELECT oid FROM pg_class
        WHERE relnamespace = '{place}'::regnamespace AND relkind IN ('r', 'p')
          AND relowner <> '{owner}'::regrole
          AND (relname IN ({tables})
               OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = '{place}.segment'::regclass))
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO {owner}', found);
    END LOOP;
    FOR act IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = '{place}'::regnamespace AND proowner <> '{owner}'::regrole
          AND proname IN ({acts})
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO {owner}', act);
    END LOOP;
END $$"""


def _take_back(place: str) -> Iterator[str]:
    others = ", ".join(("PUBLIC", INGEST, ANALYST, DASHBOARD))
    for kind in ("TABLES", "SEQUENCES"):
        yield f"REVOKE ALL ON ALL {kind} IN SCHEMA {place} FROM {others}"
    yield f"REVOKE ALL ON FUNCTION {place}.make_segment_months(date[]) FROM {others}"


# --- Rights ------------------------------------------------------------------------------------------------


def _let_ingest(place: str) -> Iterator[str]:
    yield f"GRANT USAGE ON SCHEMA {place} TO {INGEST}, {ANALYST}, {DASHBOARD}"
    yield f"GRANT SELECT ON {place}.alembic_version TO {INGEST}, {ANALYST}, {DASHBOARD}"
    for table, acts in EVIDENCE.items():
        yield f"GRANT {', '.join(acts)} ON {place}.{table} TO {INGEST}"
        if ADD in acts and _is_numbered(table):
            yield f"GRANT USAGE, SELECT, UPDATE ON SEQUENCE {place}.{table}_id_seq TO {INGEST}"
    for table in NEEDED_BY_INGEST:
        yield f"GRANT SELECT ON {place}.{table} TO {INGEST}"
    # It can use a token up, and make none.
    yield f"GRANT SELECT, UPDATE (uses_left) ON {place}.enrollment_token TO {INGEST}"
    yield f"GRANT EXECUTE ON FUNCTION {place}.make_segment_months(date[]) TO {INGEST}"


def _is_numbered(table: str) -> bool:
    key = schema.metadata.tables[table].columns.get("id")
    return key is not None and isinstance(key.type, sa.BigInteger)


def _let_read(place: str) -> Iterator[str]:
    open_tables = [name for name in schema.metadata.tables if name not in CLOSED_TO_ANALYSTS]
    for role, tables, hidden in ((ANALYST, open_tables, NAMES), (DASHBOARD, SCREENS, HIDDEN_FROM_SCREENS)):
        for table in tables:
            yield f"GRANT {_readable(table, hidden.get(table, ()))} ON {place}.{table} TO {role}"


def _readable(table: str, hidden: Sequence[str]) -> str:
    shown = [column.name for column in schema.metadata.tables[table].columns if column.name not in hidden]
    return f"{READ} ({', '.join(shown)})" if hidden else READ
