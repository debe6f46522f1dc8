"""docs/postgresql.md, line by line, on Debian's own server: TLS that is checked, passwords, roles."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import small_warehouse
import yaml
from sqlalchemy import text
from tls_postgres import PASSWORD, Server, blocks, tls_postgres
from typer.testing import CliRunner

from apps.cli import app
from pipelines.schedule_file import read_schedule
from warehouse import roles, store
from warehouse.store import WarehouseProblem

pytestmark = pytest.mark.pgserver
ROLE_PASSWORDS = {
    roles.OWNER: "choose one",
    roles.INGEST: "choose another",
    roles.ANALYST: "and another",
    roles.DASHBOARD: "and one more",
}
DEPLOY = Path(__file__).parents[3] / "deploy"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on which the page's instructions were followed, up to the passwords."""
    with tls_postgres() as server, pytest.MonkeyPatch.context() as patch:
        passwords = tmp_path_factory.mktemp("passwords") / "pgpass"
        known = {"postgres": PASSWORD, "ada": "choose one for her", **ROLE_PASSWORDS}
        escaped = {role: text.replace("\\", "\\\\").replace(":", "\\:") for role, text in known.items()}
        passwords.write_text("".join(f"*:*:*:{role}:{text}\n" for role, text in escaped.items()))
        passwords.chmod(0o600)
        patch.setenv("PGPASSFILE", str(passwords))
        create, set_passwords, people = blocks("sql")
        server.psql(create, "postgres")
        _follow(blocks("sh")[0], server)
        server.psql(set_passwords)
        server.psql(people)
        yield server


def test_all_else_that_the_page_says_works(server: Server, tmp_path: Path) -> None:
    source = store.upgrade(f"sqlite:///{tmp_path / 'meter.sqlite'}")
    small_warehouse.fill(source)
    source.dispose()
    _, look, move, upgrade = blocks("sh")
    _follow(move, server, SQLITE=f"sqlite:///{tmp_path / 'meter.sqlite'}")
    _follow(upgrade, server)
    _follow(look.replace("check", "status"), server)

    engine = store.open_warehouse(server.url("ada"))
    assert store.read(engine, "SELECT count(*) AS rows FROM segment").item() > 0
    engine.dispose()


def test_both_drivers_speak_tls_to_a_server_that_is_checked(server: Server) -> None:
    engine = store.open_warehouse(server.url(roles.INGEST))
    sql = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert store.read(engine, sql).rows() == [(True, "TLSv1.3")]
    with engine.connect() as connection:
        assert tuple(connection.execute(text(sql)).one()) == (True, "TLSv1.3")
    engine.dispose()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"sslrootcert": "other.pem"}, "certificate verify failed"),
        ({"host": "127.0.0.1"}, 'server certificate for "localhost" does not match host name "127.0.0.1"'),
        ({"sslmode": "disable"}, "no encryption"),
        ({"sslrootcert": "absent.pem"}, 'root certificate file ".*absent.pem" does not exist'),
    ],
)
def test_a_server_that_cannot_be_trusted_gets_no_password(
    server: Server, options: dict[str, str], reason: str
) -> None:
    if "sslrootcert" in options:
        options = {"sslrootcert": str(server.folder / options["sslrootcert"])}
    with pytest.raises(WarehouseProblem, match=reason):
        store.open_warehouse(server.url(roles.INGEST, **options))


def test_a_wrong_password_is_not_shown(server: Server) -> None:
    url = server.url(f"{roles.INGEST}:secret%40word")
    with pytest.raises(WarehouseProblem, match="password authentication failed") as caught:
        store.open_warehouse(url)
    assert "secret" not in str(caught.value)


def test_a_password_in_the_address_reaches_both_drivers(server: Server) -> None:
    engine = store.open_warehouse(server.url(f"{roles.INGEST}:choose%20another"))
    assert store.read(engine, "SELECT current_user AS me").item() == roles.INGEST
    engine.dispose()


def test_the_containers_database_is_made_with_roles_and_their_passwords(
    server: Server, tmp_path: Path
) -> None:
    """What the image of PostgreSQL runs once, run here: quotes in a password harm nobody."""
    for role in ROLE_PASSWORDS:
        (tmp_path / role.replace("process_meter", "database")).write_text('it\'s "one"; -- $x\n')
    environment = {
        "POSTGRES_USER": "postgres",
        "POSTGRES_DB": server.url("postgres", "template1"),
        "SECRETS": str(tmp_path),
    }
    script = (DEPLOY / "database" / "roles.sh").read_text().replace("process_meter_$role", "other_$role")
    subprocess.run(["sh", "-c", script], env={**os.environ, **environment}, check=True)
    other = server.url("other_ingest:it's%20%22one%22%3B%20--%20%24x", "postgres")
    asked = subprocess.run(["psql", other, "-Atc", "SELECT 1"], capture_output=True, text=True, check=True)
    assert asked.stdout == "1\n"


def test_the_password_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a b\n")
    command = [str(DEPLOY / "with-password"), "sh", "-c", 'printf %s "$PGPASSWORD"']
    environment = {**os.environ, "PASSWORD_FILE": str(tmp_path / "secret")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "a b"


def _follow(lines: str, server: Server, **more: str) -> None:
    """Run a block of the page as a shell does, with our own command on the path."""
    place = Path(sys.executable).parent
    names = {"ADMIN": "postgres", "OWNER": roles.OWNER, "INGEST": roles.INGEST}
    environment = {
        **os.environ,
        "PATH": f"{place}{os.pathsep}{os.environ['PATH']}",
        **{name: server.url(role) for name, role in names.items()},
        **more,
    }
    done = subprocess.run(["sh", "-euc", lines], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- Containers, as far as they can be looked at without an engine -----------------------------------------


def test_the_compose_file_is_pinned_closed_and_keeps_secrets_in_files() -> None:
    composed = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    services = composed["services"]
    assert set(services) == {"database", "upgrade", "manager", "schedule"}
    assert services["database"]["image"].startswith("postgres:17.")
    assert {service["image"] for name, service in services.items() if name != "database"} == {
        "process-meter:0.1.0"
    }
    assert "ports" not in services["database"]
    assert "ports" not in services["upgrade"]
    assert "ports" not in services["schedule"]
    assert composed["networks"]["inside"] == {"internal": True}
    assert services["database"]["networks"] == ["inside"]
    assert all(set(secret) == {"file"} for secret in composed["secrets"].values())
    for name in ("database", "manager", "schedule"):
        assert services[name]["healthcheck"]["test"][0] == "CMD"
        assert services[name]["restart"] == "unless-stopped"
    for name in ("manager", "schedule"):
        assert services[name]["depends_on"]["upgrade"] == {"condition": "service_completed_successfully"}
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
    volumes = {
        place.partition(":")[0] for service in services.values() for place in service.get("volumes", [])
    }
    assert {place for place in volumes if not place.startswith(".")} == set(composed["volumes"])


def test_the_schedule_of_the_compose_file_runs_the_command_line_on_a_good_file() -> None:
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]["schedule"]
    assert service["command"][0] == service["healthcheck"]["test"][2] == "process-meter"
    for words in (service["command"][1:], service["healthcheck"]["test"][3:]):
        assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0
    given = service["environment"]["PROCESS_METER_SCHEDULE"]
    (mounted,) = [place.split(":") for place in service["volumes"] if place.startswith("./")]
    assert (Path(given).parent.as_posix(), mounted[2]) == (mounted[1], "ro")
    known = read_schedule(DEPLOY / mounted[0] / Path(given).name)
    assert f"reports:{known.folder}" in service["volumes"]
    assert known.jobs
    assert f"{known.folder}" in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def test_no_password_stands_in_the_compose_file() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    for service in services.values():
        used = set(service["secrets"])
        named = {value for value in service["environment"].values() if value.startswith("/run/secrets/")}
        assert {value.removeprefix("/run/secrets/") for value in named} <= used
        assert not [name for name in service["environment"] if name.endswith("PASSWORD")]
        assert ":" not in service["environment"].get("PROCESS_METER_WAREHOUSE", "").partition("://")[2]
