"""Each role of a PostgreSQL warehouse can do its work, and nothing more."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import manager_rig as rig
import pytest
import small_warehouse
import sqlalchemy as sa
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from apps import ahead, forms, landing, live
from apps.commands.warehouse import upgrade
from collector.importers.records import Options
from collector.importing.files import import_files
from collector.manager import enrollment, policies
from warehouse import frames, roles, store
from warehouse.errors import Problem
from warehouse.upkeep import upkeep

AS = Callable[[str], Engine]
WINDOW = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def signed_in(small_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AS]:
    """The small week with roles; gives an engine of whoever signs in as one of them."""
    roles.apply(small_engine)
    opened: dict[str, Engine] = {}

    def sign_in(role: str) -> Engine:
        url = small_engine.url.set(username=role).render_as_string(hide_password=False)
        if role not in opened:
            opened[role] = store.open_warehouse(url)
        return opened[role]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROCESS_METER_MIRROR", str(tmp_path_factory.mktemp("mirror")))
        yield sign_in
    for engine in opened.values():
        engine.dispose()


@pytest.fixture(autouse=True)
def _keys(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESS_METER_KEYS", str(tmp_path_factory.getbasetemp() / "keys"))


# --- The owner ---------------------------------------------------------------------------------------------


def test_the_owner_upgrades_and_rules(signed_in: AS) -> None:
    engine = signed_in(roles.OWNER)
    url = engine.url.render_as_string(hide_password=False)
    store.upgrade(url).dispose()
    roles.apply(engine)
    assert policies.apply_text(engine, rig.POLICY, "policy.toml", "admin", rig.NOON)
    assert enrollment.new_token(engine, 1, enrollment.lifetime("1h"), "admin", rig.NOON)
    assert frames.charge_lines(engine).collect().height == 3


def test_an_upgrade_gives_the_roles_their_rights_on_what_it_brings_and_leaves_their_limits(
    signed_in: AS, small_engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = signed_in(roles.OWNER)
    with small_engine.begin() as connection:
        # As a table is that a newer version brought.
        connection.execute(sa.text("REVOKE ALL ON landing FROM process_meter_ingest"))
        connection.execute(sa.text("ALTER ROLE process_meter_owner SET lock_timeout = '7s'"))
    _refused(signed_in(roles.INGEST), "SELECT * FROM landing")
    upgrade(engine.url.render_as_string(hide_password=False))
    assert capsys.readouterr().out.endswith(" is ready, its roles have their rights.\n")
    with signed_in(roles.INGEST).begin() as connection:
        connection.execute(sa.text("SELECT * FROM landing"))
    with small_engine.begin() as connection:
        limits = connection.scalar(sa.text(_LIMITS))
        connection.execute(sa.text("ALTER ROLE process_meter_owner SET lock_timeout = '60s'"))
    assert limits == ["lock_timeout=7s"]


_LIMITS = "SELECT rolconfig FROM pg_roles WHERE rolname = 'process_meter_owner'"


def test_an_upgrade_leaves_alone_a_warehouse_that_was_given_no_roles_on_a_server_that_has_them(
    signed_in: AS, postgres_engine: Engine
) -> None:
    assert roles.renew(signed_in(roles.OWNER))
    assert not roles.renew(postgres_engine)
    owner = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'session'::regclass"
    with postgres_engine.connect() as connection:
        assert connection.scalar(sa.text(owner)) != roles.OWNER


def test_the_months_belong_to_the_owner_whoever_has_them_made(signed_in: AS) -> None:
    owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relname LIKE 'segment%'"
    with signed_in(roles.INGEST).begin() as connection:
        connection.execute(sa.text("SELECT make_segment_months(ARRAY[date '2001-02-03'])"))
        found = connection.scalars(sa.text(owners + " AND relkind IN ('r', 'p')")).all()
        assert list(found) == [roles.OWNER]
        assert connection.scalar(sa.text("SELECT to_regclass('segment_2001_02') IS NOT NULL"))


# --- Who brings evidence -----------------------------------------------------------------------------------


def test_the_manager_does_all_its_work_as_ingest(signed_in: AS) -> None:
    owner, engine = signed_in(roles.OWNER), signed_in(roles.INGEST)
    policies.apply_text(owner, rig.POLICY, "policy.toml", "admin", rig.NOON)
    token = enrollment.new_token(owner, 1, enrollment.lifetime("1h"), "admin", rig.NOON)
    with rig.running(engine) as client:
        status, enrolled = client.ask("POST", "/v1/enroll", rig.as_request(token))
        assert status == 201
        client.agent, client.key = enrolled["agent"], enrolled["key"]
        records = [rig.session(), rig.segment(0, 60), rig.watch(0, 60), rig.project(), rig.segment(9, 3)]
        status, answer = client.deliver(rig.batch(records, presence=[rig.presence()]))
        assert (status, answer["acknowledged"], answer["quarantined"]) == (200, 5, 1)
        assert client.deliver(rig.batch([rig.closed()], first=6))[0] == 200
        assert client.ask("GET", "/v1/policy")[0] == client.ask("GET", "/v1/live")[0] == 200
    assert upkeep(engine).rolled_up.use_hours > 0


def test_a_log_is_imported_as_ingest(signed_in: AS, tmp_path: Path) -> None:
    log = tmp_path / "jobs.txt"
    log.write_text(JOBS)
    engine = signed_in(roles.INGEST)
    for _ in range(2):
        report = import_files(engine, "slurm", [log], Options(zone="UTC"), actor="ada", at_ms=rig.NOON)
        assert report.lines()


JOBS = """\
JobID|Cluster|Partition|Account|User|Start|End|NCPUS|NodeList
7|hive|long|bridge|ann|2016-10-01T08:00:00|2016-10-01T09:00:00|4|n1
"""


@pytest.mark.parametrize(
    "act",
    [
        "INSERT INTO enrollment_token (digest, uses_left) VALUES ('d', 1)",
        "UPDATE enrollment_token SET expires_ms = 1",
        "UPDATE person SET name = 'Eve'",
        "INSERT INTO rate (rate_scaled) VALUES (1)",
        "UPDATE charge_line SET amount_minor = 0",
        "INSERT INTO policy_version (version) VALUES (9)",
        "SELECT * FROM audit_event",
        "SELECT * FROM charge_line",
        "DROP TABLE segment",
        "TRUNCATE segment",
        "CREATE TABLE loot (id integer)",
        "SELECT * FROM segment_default",
    ],
)
def test_ingest_can_do_nothing_else(signed_in: AS, act: str) -> None:
    _refused(signed_in(roles.INGEST), act)


# --- Who reads ---------------------------------------------------------------------------------------------


def test_an_analyst_reads_every_frame(signed_in: AS) -> None:
    upkeep(signed_in(roles.INGEST))
    engine = signed_in(roles.ANALYST)
    named = [name.lower() for name in frames.__all__ if name.isupper()]
    for name in named:
        frame = getattr(frames, name)
        takes_window = "start" in inspect.signature(frame).parameters
        (frame(engine, *WINDOW) if takes_window else frame(engine)).collect()
    assert frames.segments(engine, *WINDOW).collect().height > 0
    assert frames.people(engine).collect().height == 6
    assert frames.organization(engine)["name"] == "Tiny Works"


@pytest.mark.parametrize(
    "act",
    [
        "SELECT digest FROM enrollment_token",
        "INSERT INTO enrollment_token (digest) VALUES ('d')",
        "SELECT name FROM person",
        "SELECT email FROM person",
        "SELECT name FROM account",
        "SELECT author FROM project_entry",
        "SELECT * FROM host",
        "SELECT record FROM quarantine",
        "SELECT actor FROM audit_event",
        "DELETE FROM segment",
        "UPDATE session SET source = 'me'",
        "SELECT make_segment_months(ARRAY[date '2001-02-03'])",
    ],
)
def test_an_analyst_sees_no_names_and_writes_nothing(signed_in: AS, act: str) -> None:
    engine = signed_in(roles.ANALYST)
    _refused(engine, act)
    _refused(engine, f"SET TRANSACTION READ WRITE; {act}")


def test_the_screens_are_drawn_as_dashboard(signed_in: AS) -> None:
    engine = signed_in(roles.DASHBOARD)
    now = small_warehouse.NOW
    assert "65 h" in ahead.make(engine, now)["overview"]
    assert "Tiny Works" in landing.title(engine, now)
    assert "tile" in landing.tiles(engine, "person1", now)
    assert live.screen(live.read(engine, now))


@pytest.mark.parametrize(
    "act",
    [
        "SELECT name FROM person",
        "SELECT name FROM host",
        "SELECT author FROM project_entry",
        "SELECT * FROM charge_share",
        "SELECT * FROM rate",
        "SELECT * FROM enrollment_token",
        "SELECT detail FROM audit_event",
        "SELECT * FROM foreign_event",
        "INSERT INTO report_run (name) VALUES ('x')",
        "DELETE FROM presence",
    ],
)
def test_the_screens_can_do_nothing_else(signed_in: AS, act: str) -> None:
    _refused(signed_in(roles.DASHBOARD), act)


# --- Limits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "limit", "read_only"),
    [
        (roles.OWNER, "0", "off"),
        (roles.INGEST, "10min", "off"),
        (roles.ANALYST, "10min", "on"),
        (roles.DASHBOARD, "30s", "on"),
    ],
)
def test_each_role_has_its_limits(signed_in: AS, role: str, limit: str, read_only: str) -> None:
    with signed_in(role).connect() as connection:
        found = [
            connection.scalar(sa.text(f"SHOW {name}"))
            for name in ("statement_timeout", "default_transaction_read_only", "application_name")
        ]
    assert found == [limit, read_only, "process-meter"]


def test_a_statement_beyond_its_limit_ends_with_one_line(signed_in: AS) -> None:
    url = signed_in(roles.DASHBOARD).url.update_query_dict({"options": "-c statement_timeout=50"})
    impatient = store.open_warehouse(url.render_as_string(hide_password=False))
    with pytest.raises(Problem, match=r"cannot be used: .*canceling statement due to statement timeout"):
        store.read(impatient, "SELECT CAST(pg_sleep(9) AS text) AS slept")
    impatient.dispose()


def test_roles_are_made_by_an_administrator(small_engine: Engine, engine: Engine) -> None:
    with pytest.raises(Problem, match="SQLite has no roles"):
        roles.apply(engine)
    with small_engine.begin() as connection:
        connection.execute(sa.text("DROP ROLE IF EXISTS stranger"))
        connection.execute(sa.text("CREATE ROLE stranger LOGIN"))
        connection.execute(sa.text("GRANT SELECT ON alembic_version TO stranger"))
    stranger = sa.create_engine(small_engine.url.set(username="stranger"))
    with pytest.raises(Problem, match=r"roles are not there|must be owner|permission denied"):
        roles.apply(stranger)
    stranger.dispose()


def _refused(engine: Engine, act: str) -> None:
    with (
        pytest.raises(DBAPIError, match=r"permission denied|must be owner|read-only transaction"),
        engine.begin() as connection,
    ):
        connection.execute(sa.text(act))


def test_pages_of_acts_are_not_shown_by_a_server_that_only_reads(signed_in: AS) -> None:
    stopped = forms.read_only(signed_in(roles.DASHBOARD))
    assert stopped is not None
    assert "This page writes, and this server only reads" in stopped
    assert forms.read_only(signed_in(roles.OWNER)) is None
