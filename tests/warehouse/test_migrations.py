"""The migrations and schema.py say the same, on both databases."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from warehouse import schema, store

MONTH = re.compile(r"segment_\d{4}_\d\d")


def test_the_migrations_create_what_the_schema_declares(both_engines: Engine) -> None:
    with both_engines.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": _is_no_partition})
        assert compare_metadata(context, schema.metadata) == []


def test_the_migrations_create_the_very_same_sqlite_tables(engine: Engine, tmp_path: Path) -> None:
    declared = sa.create_engine(f"sqlite:///{tmp_path / 'declared.sqlite'}")
    schema.metadata.create_all(declared)

    assert _sqlite_tables(engine) == _sqlite_tables(declared)
    declared.dispose()


def test_the_migrations_create_the_very_same_postgresql_constraints(postgres_engine: Engine) -> None:
    migrated = _postgresql_facts(postgres_engine)
    with postgres_engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    schema.metadata.create_all(postgres_engine)

    assert migrated == _postgresql_facts(postgres_engine)


def test_revisions_are_the_numbers_of_the_files_in_one_line() -> None:
    config = Config()
    config.set_main_option("script_location", str(store.MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)

    assert [script.revision for script in scripts.walk_revisions()][::-1] == store.revisions()
    assert scripts.get_heads() == [store.revisions()[-1]]


def test_rights_and_what_refers_to_them_live_through_the_change_of_their_table(
    tmp_path: Path, postgres_engine: Engine
) -> None:
    lite = sa.create_engine(f"sqlite:///{tmp_path / 'before.sqlite'}")
    sa.event.listen(lite, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys=ON"))
    with postgres_engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    for engine in (lite, postgres_engine):
        _upgrade(engine, "0005")
        with engine.begin() as connection:
            for statement in BOUGHT:
                connection.exec_driver_sql(statement)
        _upgrade(engine, "0006")
        with engine.connect() as connection:
            kept = connection.exec_driver_sql(
                "SELECT entitlement.id, code, quantity, pack_size, unit_cost_minor, true_up_on, person_id"
                " FROM entitlement JOIN assignment ON entitlement_id = entitlement.id"
            ).all()
        assert [tuple(row) for row in kept] == [(7, "E-7", 3, 1, 500, None, 1)]
    lite.dispose()


BOUGHT = (
    """INSERT INTO person (id, code, name, employment, valid_from_on)
       VALUES (1, 'e1', 'Ada', 'employee', '2026-01-01')""",
    "INSERT INTO product (id, code, name, vendor) VALUES (1, 'cad', 'CAD', 'Maker')",
    """INSERT INTO entitlement (id, code, product_id, metric, quantity, valid_from_on, unit_cost_minor,
                                currency, counting_rule)
       VALUES (7, 'E-7', 1, 'named_user', 3, '2026-01-01', 500, 'EUR', 'exact_sweep')""",
    "INSERT INTO assignment (entitlement_id, person_id, valid_from_on) VALUES (7, 1, '2026-01-01')",
)


def _upgrade(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(store.MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        connection.exec_driver_sql("BEGIN" if engine.dialect.name == "sqlite" else "SELECT 1")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _sqlite_tables(engine: Engine) -> dict[str, list[str]]:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"
        ).all()
    return {name: sorted(_parts(sql)) for name, sql in rows}


def _parts(sql: str) -> list[str]:
    """Split a statement into columns and constraints: their order within a table is the only freedom.

    SQLite writes a column that was added later at the end, and its reference beside it.
    """
    flat = " ".join(sql.split())
    referring = re.compile(r"(\w+) (\w+) CONSTRAINT (\w+) REFERENCES (\w+) \((\w+)\)")
    flat = referring.sub(r"\1 \2, CONSTRAINT \3 FOREIGN KEY(\1) REFERENCES \4 (\5)", flat)
    head, _, rest = flat.partition("(")
    inside, _, options = rest.rpartition(")")
    parts = re.split(r", (?![^(]*\))", inside.strip())
    return [head, options, *(part.strip() for part in parts)]


def _postgresql_facts(engine: Engine) -> list[tuple[str, ...]]:
    with engine.connect() as connection:
        constraints = connection.exec_driver_sql(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            # Newer servers name NOT NULL after the order in which tables were made; columns say it below.
            " WHERE connamespace = 'public'::regnamespace AND contype <> 'n'"
        ).all()
        columns = connection.exec_driver_sql(
            "SELECT table_name, column_name, data_type || is_nullable || coalesce(column_default, '')"
            " FROM information_schema.columns WHERE table_schema = 'public'"
        ).all()
        indexes = connection.exec_driver_sql(
            "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        ).all()
    rows = [tuple(row) for row in (*constraints, *columns, *indexes)]
    return sorted(row for row in rows if row[0] != "alembic_version" and not MONTH.fullmatch(row[0]))


def _is_no_partition(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or not (name or "").startswith("segment_")


def test_an_installed_wheel_can_upgrade(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=Path(__file__).parents[2], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed 100%")
    upgrade = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'installed 100%')!r})\n"
        "from warehouse import store\n"
        f"assert str(store.MIGRATIONS).startswith({str(tmp_path)!r})\n"
        f"engine = store.upgrade('sqlite:///{tmp_path}/warehouse.sqlite')\n"
        "print(store.status(engine)['revision'])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", upgrade], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == store.revisions()[-1]
