"""Every table, constraint and index of the warehouse, with its grain.

Private to the modules of `warehouse` above it (store, frames, directory, ledger, ...): everyone else reads
typed frames and calls named writes.

Conventions, the same on SQLite and PostgreSQL:

- instants are UTC in whole milliseconds since 1970, `*_ms`, BIGINT; calendar days are ISO text `*_on`
  (`2026-10-01`), local to the office that the row belongs to; half-open [from, to), a null end is open;
- money is an integer in minor units (`*_minor`); rates are integers in 1/10,000 of the major unit
  (`rate_scaled`); never a float, never NUMERIC (SQLite stores it as REAL, silently);
- quantities of a charge line are integers in quanta, `quantum_per_hour` to the hour (1000, or 60 for HH:MM);
- codes and numbers of projects, phases and tasks are text (leading zeros stay).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    event,
    false,
    true,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ATTENTIONS = (
    "input",
    "no_input",
    "background",
    "locked",
    "disconnected",
    "suspended",
    "held",
    "unobserved",
)
"""The words of `segment.attention`, stored as their position (0 to 7)."""

# SQLite makes a rowid of INTEGER PRIMARY KEY only; elsewhere ids are BIGINT.
Id = BigInteger().with_variant(Integer(), "sqlite")


def _id() -> Column[int]:
    return Column("id", Id, primary_key=True)


def _ref(target: str, *, null: bool = False, index: bool = False) -> Column[int]:
    return Column(f"{target}_id", Id, ForeignKey(f"{target}.id"), nullable=null, index=index)


def _role(name: str, target: str) -> Column[int]:
    """Refer to a table by the role that its row plays."""
    return Column(f"{name}_id", Id, ForeignKey(f"{target}.id"), nullable=True)


def _text(name: str, *, null: bool = False, unique: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null, unique=unique)


def _int(name: str, *, null: bool = False, default: int | None = None) -> Column[int]:
    return Column(name, BigInteger, nullable=null, server_default=None if default is None else str(default))


def _flag(name: str, *, default: bool = False) -> Column[bool]:
    return Column(name, Boolean(), nullable=False, server_default=true() if default else false())


def _json(name: str) -> Column[Any]:
    return Column(name, JSON, nullable=False, server_default="{}")


def _validity() -> tuple[Column[str], Column[str]]:
    return _text("valid_from_on"), _text("valid_to_on", null=True)


# --- The organization and its calendar ---------------------------------------------------------------------

organization = Table(  # one row: the organization whose warehouse this is
    "organization",
    metadata,
    _id(),
    _text("name"),
    _text("zone"),
    _text("currency"),
    _json("settings"),  # separation_of_duties, retention, names of up to eight project fields
)

office = Table(  # one row per office
    "office",
    metadata,
    _id(),
    _text("code", unique=True),
    _text("name"),
    _text("zone"),
    _text("currency"),
    _int("opens_minute", default=480),  # business hours, local minutes of the day
    _int("closes_minute", default=1080),
    _text("business_weekdays"),  # ISO weekdays, e.g. "12345"
)

holiday = Table(  # one row per office and local day
    "holiday",
    metadata,
    _id(),
    _ref("office"),
    _text("day_on"),
    _text("name"),
    UniqueConstraint("office_id", "day_on"),
)

fiscal_period = Table(  # one row per named period, consecutive: [starts_on, ends_on)
    "fiscal_period",
    metadata,
    _id(),
    _text("name", unique=True),  # e.g. 2026-10
    _text("starts_on", unique=True),
    _text("ends_on", unique=True),
)

department = Table("department", metadata, _id(), _text("code", unique=True), _text("name"))  # one row each

cost_center = Table("cost_center", metadata, _id(), _text("code", unique=True), _text("name"))  # one row each

# --- People, accounts, machines ----------------------------------------------------------------------------

person = Table(  # one row per human being, after accounts are merged
    "person",
    metadata,
    _id(),
    _text("code", unique=True),  # stable key of the directory
    _text("employee_number", null=True),
    _text("name"),
    _text("email", null=True),
    _text("employment"),  # employee, contractor, affiliate
    *_validity(),
)

placement = Table(  # one row per person and stretch: where the person belonged at the time of use
    "placement",
    metadata,
    _id(),
    _ref("person", index=True),
    _ref("office"),
    _ref("department", null=True),
    _ref("cost_center", null=True),
    *_validity(),
    UniqueConstraint("person_id", "valid_from_on"),
)

account = Table(  # one row per operating-system or license-server account; many may be one person
    "account",
    metadata,
    _id(),
    _text("name", unique=True),  # lower case, DOMAIN\name where there is a domain
    _ref("person", null=True, index=True),
    _flag("shared"),
)

directory_entry = Table(  # one row per person and directory server that speaks of him or her
    "directory_entry",
    metadata,
    _id(),
    _ref("person", index=True),
    _text("source"),  # name of the server in its settings
    _text("entry"),  # what the server never changes: objectGUID, entryUUID
    UniqueConstraint("source", "entry"),
    UniqueConstraint("source", "person_id"),
)

directory_group = Table(  # one row per group of a directory server
    "directory_group",
    metadata,
    _id(),
    _text("source"),
    _text("name"),
    UniqueConstraint("source", "name"),
)

membership = Table(  # one row per person, group and stretch
    "membership",
    metadata,
    _id(),
    _ref("person", index=True),
    _ref("directory_group", index=True),
    *_validity(),
    UniqueConstraint("person_id", "directory_group_id", "valid_from_on"),
)

host = Table(  # one row per workstation, virtual desktop, terminal server or laptop
    "host",
    metadata,
    _id(),
    _text("name", unique=True),
    _text("kind"),  # workstation, virtual, terminal, laptop
    _ref("office", null=True),
    _text("zone"),
    _flag("in_directory"),
    *_validity(),
)

client_device = Table(  # one row per device from which a remote session is used
    "client_device", metadata, _id(), _text("name", unique=True)
)

agent = Table(  # one row per enrollment; its key is derived from the manager's own key file, never stored
    "agent",
    metadata,
    Column("id", Text, primary_key=True),
    _ref("host"),
    _text("version"),
    _text("system"),
    _int("enrolled_ms"),
    _int("revoked_ms", null=True),
    _int("last_heard_ms", null=True),
    _int("clock_offset_ms", default=0),  # manager minus agent
    _int("backlog", default=0),
    _int("policy_version", default=0),
)

enrollment_token = Table(  # one row per token; only its SHA-256 is kept
    "enrollment_token",
    metadata,
    _id(),
    _text("digest", unique=True),
    _int("uses_left"),
    _int("expires_ms"),
    _text("created_by"),
    _int("created_ms"),
)

# --- Applications and policies -----------------------------------------------------------------------------

product = Table(  # one row per product: versions, editions and suites of it group here
    "product",
    metadata,
    _id(),
    _text("code", unique=True),
    _text("name"),
    _text("vendor"),
    _int("token_weight", default=1),
)

application = Table(  # one row per metered application
    "application",
    metadata,
    _id(),
    _text("code", unique=True),
    _text("name"),
    _text("version", null=True),
    _text("edition", null=True),
    _ref("product", null=True),
    _flag("metered", default=True),
    _flag("billed"),  # flows to Expense-2-Project
)

signature = Table(  # one row per way to recognize an application
    "signature",
    metadata,
    _id(),
    _ref("application", index=True),
    _text("executable"),
    _text("arguments", null=True),
    _text("window_class", null=True),
    _text("parent", null=True),
)

policy = Table(  # one row per named policy
    "policy",
    metadata,
    _id(),
    _text("name", unique=True),
    _text("purpose"),  # collection, license, billing
)

policy_version = Table(  # one row per policy and version; never edited
    "policy_version",
    metadata,
    _id(),
    _ref("policy"),
    _int("version"),
    _int("created_ms"),
    _text("created_by"),
    _json("document"),  # the whole policy as its purpose defines it
    UniqueConstraint("policy_id", "version"),
)

# --- Evidence ----------------------------------------------------------------------------------------------

session = Table(  # one row per session: one user, one application, one logon session on one host
    "session",
    metadata,
    _id(),
    _text("key", unique=True),  # the agent's session id, or a content key of an imported record
    _text("source"),  # agent, sample, flexnet, slurm, ...
    _ref("application"),
    _ref("account"),
    _ref("host"),
    _ref("client_device", null=True),
    Column("agent_id", Text, ForeignKey("agent.id"), nullable=True),
    _text("logon_session"),
    _text("zone"),
    _int("started_ms"),
    _int("ended_ms", null=True),  # null: still open
    _int("end_uncertainty_ms", default=0),
    _int("instance_count", default=1),
    _text("application_version", null=True),
    _flag("clock_stepped"),
    _text("prompt", null=True),  # at launch: asked, entered, kept, dismissed; null: nobody was asked
    _int("clock_offset_ms", default=0),  # added to the agent's times; fixed at the session's first record
    _int("received_ms"),  # when the manager or importer first had it
    CheckConstraint("ended_ms IS NULL OR ended_ms >= started_ms", name="ends_after_start"),
    Index(None, "started_ms"),
    Index(None, "ended_ms"),
)

segment = Table(  # one row per session and closed, immutable stretch of constant evidence; they tile it
    "segment",
    metadata,
    Column("session_id", Id, ForeignKey("session.id"), primary_key=True),
    Column("start_ms", BigInteger, primary_key=True),
    _int("end_ms"),
    Column("attention", SmallInteger, nullable=False),  # position in ATTENTIONS
    Column("cpu_percent", Double, nullable=False),
    Column("units", Integer, nullable=False, server_default="1"),
    _flag("inhibiting"),
    Column("instance", Integer, nullable=True),
    _int("since_ms"),
    Column("policy_version", Integer, nullable=False),
    _int("received_ms"),
    CheckConstraint("end_ms > start_ms", name="has_length"),
    CheckConstraint("start_ms / 900000 = (end_ms - 1) / 900000", name="inside_a_quarter"),
    CheckConstraint("attention BETWEEN 0 AND 7", name="known_attention"),
    sqlite_with_rowid=False,
)


def _by_month(table: Table, connection: Connection, **_options: Any) -> None:
    """Part the table by UTC month, see migration 0003; said here, SQLite loads nothing of PostgreSQL."""
    if connection.dialect.name == "postgresql":
        table.dialect_options["postgresql"]["partition_by"] = "RANGE (start_ms)"


event.listen(segment, "before_create", _by_month)
event.listen(
    segment,
    "after_create",
    DDL("CREATE TABLE segment_default PARTITION OF segment DEFAULT").execute_if(  # type: ignore[no-untyped-call]
        dialect="postgresql"
    ),
)

watch_interval = Table(  # one row per agent and stretch in which it watched its host
    "watch_interval",
    metadata,
    _id(),
    _ref("host"),
    Column("agent_id", Text, ForeignKey("agent.id"), nullable=True),
    _int("start_ms"),
    _int("end_ms"),
    _flag("sees_focus"),
    _flag("sees_input"),
    _flag("sees_lock"),
    UniqueConstraint("host_id", "agent_id", "start_ms"),  # one agent for each logon session of a host
    CheckConstraint("end_ms > start_ms", name="has_length"),
    Index(None, "end_ms"),
)

presence = Table(  # one row per agent and open session: what it is doing now; overwritten
    "presence",
    metadata,
    Column("agent_id", Text, ForeignKey("agent.id"), primary_key=True),
    Column("session_key", Text, primary_key=True),
    _ref("application"),
    _ref("account"),
    _ref("host"),
    Column("attention", SmallInteger, nullable=False),
    _int("attention_since_ms"),
    _int("since_ms"),
    _int("started_ms"),
    _int("heard_ms"),
)

delivery = Table(  # one row per agent and epoch: how far its spool is stored
    "delivery",
    metadata,
    Column("agent_id", Text, ForeignKey("agent.id"), primary_key=True),
    Column("epoch", Text, primary_key=True),
    _int("last_sequence"),
    _int("received_ms"),
)

quarantine = Table(  # one row per record that was set aside, with the reason; never lost
    "quarantine",
    metadata,
    _id(),
    Column("agent_id", Text, nullable=False),
    _text("epoch"),
    _int("sequence"),
    _text("reason"),
    _text("record"),
    _int("received_ms"),
    UniqueConstraint("agent_id", "epoch", "sequence"),
)

# --- What changed, for whom derives from evidence ----------------------------------------------------------

mark = Table(  # one row per fact about this warehouse itself: its identity, how far something was brought
    "mark", metadata, Column("name", Text, primary_key=True), _text("value")
)

landing = Table(  # one row per session and transaction that wrote or replaced segments of it
    "landing",
    metadata,
    _id(),  # order of landing; the mirror and the rollups remember the last one they took in
    Column(
        "session_id", BigInteger, nullable=False
    ),  # no reference: an erased session still has to be noticed
    _int("started_ms", null=True),  # of a session that is gone: its month in the mirror; else null
    _int("from_ms"),  # the landed segments lie in [from, to)
    _int("to_ms"),
    _flag("replaced"),  # what was there before does not hold: read the whole session anew
    _int("at_ms"),
    sqlite_autoincrement=True,  # a number is never given twice, also after the newest row was deleted
)

# --- Rollups: derived, never evidence ----------------------------------------------------------------------

use_hour = Table(  # one row per session, UTC hour and project in force
    "use_hour",
    metadata,
    Column("session_id", Id, ForeignKey("session.id"), primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True),
    Column("project_number", Text, primary_key=True),  # as entered; empty: none
    _ref("application"),
    _ref("office", null=True),  # the person's at the session's start
    _int("run_ms"),
    _int("active_ms"),
    _int("pause_ms"),
    _int("held_ms"),
    _int("unknown_ms"),
    _int("unit_ms"),  # units x run time
    Index(None, "hour_ms"),
    sqlite_with_rowid=False,
)

demand_hour = Table(  # one row per application, key, basis and UTC hour with any demand
    "demand_hour",
    metadata,
    Column("application_id", Id, ForeignKey("application.id"), primary_key=True),
    Column("key", Text, primary_key=True),  # user, device, user_device, session, token
    Column("basis", Text, primary_key=True),  # run, busy, active
    Column("hour_ms", BigInteger, primary_key=True),
    _int("peak"),
    _int("peak_at_ms"),  # first instant of the hour at which it was reached
    _text("levels"),  # JSON: [[demand, milliseconds at it], ...], zero included, in order of demand
    # No index by hour, which would double the time of writing: whoever asks for hours names applications,
    # keys and bases, which are few, and the primary key finds them.
    sqlite_with_rowid=False,
)

# --- From other programs' logs -----------------------------------------------------------------------------

import_run = Table(  # one row per imported file and command
    "import_run",
    metadata,
    _id(),
    _text("source"),  # flexnet, lmstat, slurm, activitywatch, sysmon, table
    _text("digest"),  # SHA-256 of the file's bytes
    _text("actor"),
    _int("at_ms"),
    _json("counts"),  # lines read, kept, set aside by reason
)

foreign_event = (
    Table(  # one row per line of a foreign log of which two make a session: start, return, restart
        "foreign_event",
        metadata,
        Column("key", BigInteger, primary_key=True, autoincrement=False),  # of its content: again is no other
        _text("source"),
        _text("server"),  # license server and daemon, or the host that logged; events of two never pair
        _int("at_ms"),
        Column("sequence", BigInteger, nullable=False),  # order among those of one millisecond
        _text("kind"),  # start, end, restart, mark
        _ref("application", null=True),
        _ref("account", null=True),
        _ref("host", null=True),
        _text("subject"),  # what tells two of the same user and application apart: a process GUID; else empty
        _int("units", default=1),
        _text("session_key", null=True),  # the session that it is part of; null: none yet
        Index(None, "source", "server", "at_ms"),
    )
)

capacity_reading = (
    Table(  # one row per license server or cluster, application and instant at which it was read
        "capacity_reading",
        metadata,
        _id(),
        _text("key", unique=True),  # of its content
        _text("source"),
        _text("server"),
        _ref("application", null=True),  # null: all applications of the server together
        _int("at_ms"),
        _int("issued", null=True),  # null: not said
        _int("in_use", null=True),
        _int("reserved", null=True),
        _int("queued", null=True),
        _int("users", null=True),  # distinct ones
        _int("received_ms"),
        Index(None, "at_ms"),
    )
)

denial = Table(  # one row per request for a license that was not met at once
    "denial",
    metadata,
    _id(),
    _text("key", unique=True),  # of its content
    _text("source"),
    _text("server"),
    _text("kind"),  # denied, unsupported, queued
    _ref("application"),
    _ref("account", null=True),
    _ref("host", null=True),
    _int("at_ms"),
    _int("units", default=1),
    _text("reason", null=True),  # the server's own words, without anybody's data
    _int("received_ms"),
    Index(None, "at_ms"),
)

installation = (
    Table(  # one row per host, program as listed, version and stretch in which it was seen installed
        "installation",
        metadata,
        _id(),
        _ref("host"),
        _text("program"),
        _text("version"),  # empty: not said
        _ref("application", null=True),
        *_validity(),
        UniqueConstraint("host_id", "program", "version", "valid_from_on"),
    )
)

# --- Projects: master data and the dated layer -------------------------------------------------------------

client = Table("client", metadata, _id(), _text("code", unique=True), _text("name"))  # one row per client

project = Table(  # one row per project; its payer is a client or a cost center
    "project",
    metadata,
    _id(),
    _text("number", unique=True),
    _text("name"),
    _ref("client", null=True),
    _ref("cost_center", null=True),
    _ref("office", null=True),
    _text("currency"),
    _text("tax_code", null=True),
    _flag("chargeable", default=True),
    _text("opened_on", null=True),
    _text("closed_on", null=True),  # first day on which it takes no more time
    # What is charged to: a project; or a client or cost center itself, where no project is named.
    Column("kind", Text, nullable=False, server_default="project"),  # project, client, cost_center
    _role("manager", "person"),  # signs the project's lines in review
    _int("budget_minor", null=True),  # in the project's currency, over its life
    _int("not_to_exceed_minor", null=True),
    CheckConstraint("client_id IS NULL OR cost_center_id IS NULL", name="one_payer"),
)

project_member = Table(  # one row per person who may charge to a project, and stretch; none: everybody may
    "project_member",
    metadata,
    _id(),
    _ref("project", index=True),
    _ref("person", index=True),
    *_validity(),
    UniqueConstraint("project_id", "person_id", "valid_from_on"),
)

phase = Table(  # one row per phase of a project (WBS2)
    "phase",
    metadata,
    _id(),
    _ref("project"),
    _text("number"),
    _text("name"),
    _flag("chargeable", default=True),
    _text("opened_on", null=True),
    _text("closed_on", null=True),
    UniqueConstraint("project_id", "number"),
)

task = Table(  # one row per task of a phase (WBS3)
    "task",
    metadata,
    _id(),
    _ref("phase"),
    _text("number"),
    _text("name"),
    UniqueConstraint("phase_id", "number"),
)

project_entry = Table(  # one row per statement "this session, from then on, this project"; never edited
    "project_entry",
    metadata,
    _id(),  # a higher id outranks a lower one where they overlap
    _ref("session", index=True),
    Column("instance", Integer, nullable=True),  # null: all instances
    _int("from_ms"),
    _int("to_ms", null=True),
    _text("project_number"),  # as entered; judged by warehouse/projects.py, never dropped
    _text("phase_number", null=True),
    _text("task_number", null=True),
    _json("fields"),
    _text("author"),
    _text("reason"),
    _int("created_ms"),
)

project_preset = Table(  # one row per scope and stretch: where time goes for which no project was entered
    "project_preset",
    metadata,
    _id(),
    _ref("person", null=True),
    _ref("department", null=True),
    _ref("office", null=True),
    _ref("application", null=True),
    _ref("project", null=True),  # null: the cost center of the person at the time of use
    _ref("phase", null=True),
    _ref("task", null=True),
    *_validity(),
    _text("author"),
    _text("reason"),
    _int("created_ms"),
)

# --- Entitlements ------------------------------------------------------------------------------------------

entitlement = Table(  # one row per right bought: quantity of one metric over [valid_from, valid_to)
    "entitlement",
    metadata,
    _id(),
    _text("code", unique=True),
    _ref("product"),
    _text("metric"),  # named_user, device, concurrent, token, subscription
    _int("quantity"),  # in units, also where they are sold in packs
    _int("pack_size", default=1),  # units that can only be bought, and given back, together
    *_validity(),
    _int("unit_cost_minor", null=True),  # per unit and year; null: not known yet
    _text("currency", null=True),
    _text("contract", null=True),
    _text("notice_on", null=True),
    _text("true_up_on", null=True),  # when growth has to be reported and paid
    _int("consumption_order", default=1),
    _text("counting_rule"),  # exact_sweep, fixed_interval, user_day, consumed_balance
    _json("use_rights"),
    CheckConstraint("quantity >= 0 AND unit_cost_minor >= 0 AND pack_size >= 1", name="not_negative"),
    CheckConstraint("unit_cost_minor IS NULL OR currency IS NOT NULL", name="money_has_a_currency"),
)

entitlement_application = Table(  # one row per application that an entitlement covers
    "entitlement_application",
    metadata,
    Column("entitlement_id", Id, ForeignKey("entitlement.id"), primary_key=True),
    Column("application_id", Id, ForeignKey("application.id"), primary_key=True),
)

assignment = Table(  # one row per seat given to a person or a host, and stretch
    "assignment",
    metadata,
    _id(),
    _ref("entitlement"),
    _ref("person", null=True),
    _ref("host", null=True),
    *_validity(),
    CheckConstraint("(person_id IS NULL) <> (host_id IS NULL)", name="one_holder"),
)

harvest_event = Table(  # one row per step on the way of a seat back; never edited
    "harvest_event",
    metadata,
    _id(),
    _ref("assignment", index=True),
    _text("step"),  # propose, notice, keep, release, approve, reclaim
    _text("actor"),
    _text("reason"),
    _int("at_ms"),
)

vendor_count = Table(  # one row per product, source, unit and interval or day that a vendor's export counts
    "vendor_count",
    metadata,
    _id(),
    _ref("product"),
    _text("source"),  # which export: the account or server that it is of
    _text("unit"),  # licenses, devices, user_days, tokens
    _int("start_ms"),  # the count is of [start, end)
    _int("end_ms"),
    _int("count"),
    _int("received_ms"),
    UniqueConstraint("product_id", "source", "unit", "start_ms"),
    CheckConstraint("end_ms > start_ms AND count >= 0", name="has_length"),
    Index(None, "end_ms"),
)

# --- Rates, runs, lines ------------------------------------------------------------------------------------

rate = Table(  # one row per scope and stretch; its id is the rate version
    "rate",
    metadata,
    _id(),
    _ref("person", null=True),
    _ref("project", null=True),
    _ref("office", null=True),
    _ref("application", null=True),
    _int("rate_scaled"),
    _text("currency"),
    *_validity(),
    _int("increment_ms", default=0),  # 0: none
    _text("direction"),  # up, nearest, down
    _text("level"),  # line, session, month
    _text("author"),
    _int("created_ms"),
    _int("cost_rate_scaled", null=True),  # what the hour costs the firm itself
    _int("minimum_ms", default=0),  # the least that is billed, at the rate's level
    _int("daily_cap_minor", null=True),  # the most for one person and application, a local day
    _int("monthly_cap_minor", null=True),  # the same for a fiscal period
    Column("tier_kind", Text, nullable=True),  # graduated, volume, package; null: one price
    Column("tiers", JSON, nullable=False, server_default="[]"),  # [[from_ms, rate_scaled], ...] of a period
    _int("package_ms", null=True),  # size of a package; its price is package_ms at the tier's rate
    _int("free_ms", default=0),  # allowance of a person and application in a period
    CheckConstraint("rate_scaled >= 0", name="not_negative"),
)

conversion_rate = Table(  # one row per pair of currencies and day from which it holds, until the next row
    "conversion_rate",
    metadata,
    _id(),
    _text("from_currency"),
    _text("to_currency"),
    _text("from_on"),
    _int("factor_scaled"),  # 1/100,000,000: units of to_currency for one of from_currency
    _text("author"),
    _int("created_ms"),
    UniqueConstraint("from_currency", "to_currency", "from_on"),
    CheckConstraint("factor_scaled > 0", name="positive"),
)

billing_run = Table(  # one row per run of a fiscal period
    "billing_run",
    metadata,
    _id(),
    _text("number", unique=True),  # e.g. 2026-10/1
    _ref("fiscal_period"),
    _text("status"),  # draft, review, approved, closed, void
    _text("target"),
    _int("quantum_per_hour"),
    _text("overlap_policy"),  # union, full, foreground, equal_split
    _int("cut_off_ms"),  # evidence received later belongs to the next run
    _ref("policy_version"),
    _text("prepared_by"),
    _int("prepared_ms"),
    _text("approved_by", null=True),
    _int("approved_ms", null=True),
    _text("closed_by", null=True),
    _int("closed_ms", null=True),
    _text("input_digest"),
    _json("totals"),  # tie-out, control totals, coverage, bounds: integers, fixed at the draft
    _text("previous_digest", null=True),
    _text("digest", null=True),  # head of the chain when it closed
    _int("chain_version", default=1),  # which columns of a line its digest covers; see ledger/links.py
    _flag("showback"),  # shown to its payers, never exported
    _int("review_until_ms", null=True),  # projects unsigned by then no longer keep it from being approved
)

charge_line = Table(  # one row per run, local day, person, application, project, phase, task, rate version
    "charge_line",
    metadata,
    _id(),
    _ref("billing_run", index=True),
    _int("line_number"),
    _text("kind"),  # usage, month_rounding, cap, package, reversal, replacement
    _text("day_on"),
    _ref("person"),
    _ref("application"),
    _ref("office", null=True),  # the person's home office at the time of use
    _ref("project"),
    _ref("phase", null=True),
    _ref("task", null=True),
    _ref("rate", null=True),  # null on a non-chargeable line
    _flag("billable", default=True),
    _int("active_ms"),
    _int("pause_ms"),
    _int("buffer_ms"),
    _int("quantity"),
    _int("rate_scaled"),
    _text("currency"),
    _int("amount_minor"),
    _text("tax_code", null=True),
    _int("session_count"),
    # Whoever takes a draft's lines away asks for each of them whether another one corrects it.
    Column("original_line_id", Id, ForeignKey("charge_line.id"), nullable=True, index=True),
    _ref("fiscal_period"),  # the period incurred
    _text("note", null=True),
    _text("digest", null=True),  # chained at close
    Column("unit", Text, nullable=False, server_default="hour"),  # hour; each: a fixed amount, once
    _text("rate_currency", null=True),  # of the rate version, where it was converted to the payer's
    _int("conversion_scaled", null=True),  # by which factor; see conversion_rate
    _int("cost_minor", null=True),  # what the line's hours cost the firm itself
    UniqueConstraint("billing_run_id", "line_number"),
)

charge_share = Table(  # one row per charge line and session: what leads from the cent to the evidence
    "charge_share",
    metadata,
    Column("charge_line_id", Id, ForeignKey("charge_line.id"), primary_key=True),
    Column("session_id", Id, ForeignKey("session.id"), primary_key=True),
    _int("active_ms"),
    _int("pause_ms"),
    _int("buffer_ms"),
    Index(None, "session_id"),  # whoever takes a session away asks for its bills
)

line_review = Table(  # one row per act of review on a line; the highest id counts; never edited
    "line_review",
    metadata,
    _id(),
    Column("charge_line_id", Id, ForeignKey("charge_line.id"), nullable=False, index=True),
    _text("action"),  # dispute, accept, hold, writeoff, transfer
    _text("actor"),
    _text("reason"),
    _int("at_ms"),
    _json("detail"),  # of a transfer: project, phase, task
)

line_release = Table(  # one row per held line of a closed run that the next draft is to bill after all
    "line_release",
    metadata,
    _id(),
    Column("charge_line_id", Id, ForeignKey("charge_line.id"), nullable=False, unique=True),
    _text("actor"),
    _text("reason"),
    _int("at_ms"),
)

project_sign_off = Table(  # one row per act of a project's manager on a run; the highest id counts
    "project_sign_off",
    metadata,
    _id(),
    _ref("billing_run", index=True),
    _ref("project"),
    _text("action"),  # sign, withdraw
    _text("actor"),
    _text("reason"),
    _text("lines_digest"),  # of what was signed: a later draft with other lines needs a new signature
    _int("at_ms"),
)

export_batch = Table(  # one row per run and target that was exported; the same again is the same file
    "export_batch",
    metadata,
    _id(),
    _ref("billing_run", index=True),
    _text("target"),
    _text("batch", unique=True),  # stands in the file, so that nobody imports it twice
    _text("digest"),  # SHA-256 of the file
    _int("row_count"),
    _text("actor"),
    _int("at_ms"),
    _text("voided_by", null=True),
    _int("voided_ms", null=True),
    _text("void_reason", null=True),
)

billed_name = Table(  # one row per closed run and person on its lines: the name then, until erased
    "billed_name",
    metadata,
    _id(),
    _ref("billing_run"),
    _ref("person", index=True),
    _text("name", null=True),
    _text("employee_number", null=True),
    _text("salt", null=True),
    _text("digest"),  # of the salted name; it stays when the name is erased
    UniqueConstraint("billing_run_id", "person_id"),
)

billing_exception = Table(  # one row per thing about a run that someone has to look at
    "billing_exception",
    metadata,
    _id(),
    _ref("billing_run", index=True),
    _text("kind"),  # unassigned, invalid_project, closed_project, unknown_person, no_rate, late, ...
    _ref("session", null=True, index=True),
    _int("milliseconds", default=0),
    _text("detail"),
    _text("settled_by", null=True),
    _text("settlement", null=True),  # settled, waived
    _text("settlement_reason", null=True),
    _int("settled_ms", null=True),
    _int("session_number", null=True),  # of its session, also when that was taken away
)

audit_event = Table(  # one row per act worth an auditor's question; a hash chain
    "audit_event",
    metadata,
    _id(),
    _int("at_ms"),
    _text("actor"),
    _text("action"),
    _text("subject"),
    _json("detail"),
    _text("previous_digest", null=True),
    _text("digest"),
)

report_run = Table(  # one row per executed notebook
    "report_run",
    metadata,
    _id(),
    _text("name"),
    _json("parameters"),
    _int("started_ms"),
    _int("ended_ms", null=True),
    _text("status"),  # running, done, failed
    _text("output"),  # folder of its files, relative to the reports folder
    _json("results"),  # the key figures, for screens and comparison
)

# --- The schedule ------------------------------------------------------------------------------------------

job_run = Table(  # one row per job and moment at which it was due
    "job_run",
    metadata,
    _id(),
    _text("job"),  # e.g. report:executive_summary, billing:draft
    _int("due_ms"),
    _text("status"),  # running, done, failed, skipped
    _int("attempts", default=0),
    _int("started_ms"),
    _int("ended_ms", null=True),
    _text("reason", null=True),  # why it failed or was skipped
    _json("result"),
    _int("told_ms", null=True),  # when its failure was reported: once
    UniqueConstraint("job", "due_ms"),
)

lease = Table(  # one row per thing that one process at a time may do, on whatever machine
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    _text("holder"),
    _int("until_ms"),
)
