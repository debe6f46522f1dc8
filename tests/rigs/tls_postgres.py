"""A real PostgreSQL server as Debian packs it, with TLS and passwords, set up as docs/postgresql.md says."""

from __future__ import annotations

import os
import pwd
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import trustme

PAGE = Path(__file__).parents[2] / "docs" / "postgresql.md"
PASSWORD = "letters & <signs> @:/"


def blocks(language: str) -> list[str]:
    """Return the blocks of the page in a language: `sql`, `sh`, `conf`, `hba`."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


class Server:
    """A server that runs on `localhost`; another one's authority does not vouch for it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.bin = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.ca, self.other_ca = folder / "ca.pem", folder / "other.pem"
        # The server refuses to run as root.
        self.user = "postgres" if os.getuid() == 0 else None

    def url(self, role: str, database: str = "process_meter", host: str = "localhost", **options: str) -> str:
        """Return an address without a password."""
        query = {"sslmode": "verify-full", "sslrootcert": str(self.ca), **options}
        text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        return f"postgresql://{role}@{host}:{self.port}/{database}?{text}"

    def psql(self, sql: str, database: str = "process_meter") -> str:
        """Run SQL as the administrator, as the page says: with psql."""
        command = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--set", "ON_ERROR_STOP=1"]
        url = self.url("postgres", database)
        done = subprocess.run([*command, url], input=sql, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    @contextmanager
    def running(self) -> Iterator[None]:
        self._make()
        command = [self.bin / "postgres", "-D", self.data, "-p", str(self.port), "-c", "fsync=off"]
        with (
            (self.folder / "log").open("w") as log,
            subprocess.Popen(command, user=self.user, stdout=log, stderr=log) as process,
        ):
            try:
                self._wait(process)
                yield
            finally:
                process.send_signal(signal.SIGINT)  # do not wait for those who are connected
                process.wait(60)

    def _make(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca)
        trustme.CA().cert_pem.write_to_path(self.other_ca)
        certificate = authority.issue_cert("localhost")
        (self.folder / "password").write_text(PASSWORD)
        self._give(self.folder)
        self._give(self.folder / "password")
        arguments = ["--pwfile", self.folder / "password", "--username=postgres", "--auth=scram-sha-256"]
        initdb = [self.bin / "initdb", "--pgdata", self.data, "--encoding=UTF8", "--locale=C.UTF-8"]
        subprocess.run([*initdb, *arguments], user=self.user, check=True, capture_output=True)
        certificate.private_key_pem.write_to_path(self.data / "server.key")
        (self.data / "server.key").chmod(0o600)
        certificate.cert_chain_pems[0].write_to_path(self.data / "server.pem")
        ours = "listen_addresses = 'localhost'\nunix_socket_directories = ''\n"
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(ours + "".join(blocks("conf")))
        (self.data / "pg_hba.conf").write_text("".join(blocks("hba")))
        for path in self.data.iterdir():
            self._give(path)

    def _give(self, path: Path) -> None:
        if self.user:
            owner = pwd.getpwnam(self.user)
            os.chown(path, owner.pw_uid, owner.pw_gid)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        give_up_at = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < give_up_at:
            ready = [self.bin / "pg_isready", "--host=localhost", f"--port={self.port}", "--quiet"]
            if subprocess.run(ready, check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())


@contextmanager
def tls_postgres() -> Iterator[Server]:
    """Run a server with a data folder of its own, outside of those that pytest closes to other users."""
    with TemporaryDirectory(prefix="process-meter-tls-") as folder:
        server = Server(Path(folder))
        with server.running():
            yield server
