"""A real directory server, Debian's slapd, as a child on a loopback port: people as a test tells them."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme

from warehouse.directory.ldap import _ldap3

ADMIN = "cn=admin,dc=example,dc=com"
SUFFIX = "dc=example,dc=com"
STAFF = f"ou=staff,{SUFFIX}"
PASSWORD = "letters & <signs>"
SCHEMAS = ("core", "cosine", "nis", "inetorgperson", "msuser")
# The attributes of Active Directory, on the people of any directory.
LIKE_ACTIVE_DIRECTORY = (
    "objectclass ( 1.3.6.1.4.1.4203.666.100.1 NAME 'likeActiveDirectory' SUP top AUXILIARY MAY ( "
    "sAMAccountName $ userPrincipalName $ userAccountControl $ objectGUID $ department $ employeeID $ "
    "objectCategory ) )"
)

Values = Mapping[str, str | int | bytes | Sequence[str]]


class Slapd:
    """A server that runs; `url` and `tls_url` are where, `ca_file` who vouches for it."""

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self.folder = folder
        self.port, self.tls_port = _free_ports(2)
        self.url = f"ldap://127.0.0.1:{self.port}"
        self.tls_url = f"ldaps://127.0.0.1:{self.tls_port}"
        self.ca_file = folder / "ca.pem"
        self._write_files(limit)

    def _write_files(self, limit: int | None) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_pem.write_to_path(self.folder / "server.key")
        certificate.cert_chain_pems[0].write_to_path(self.folder / "server.pem")
        (self.folder / "database").mkdir()
        lines = [
            *(f"include /etc/ldap/schema/{name}.schema" for name in SCHEMAS),
            LIKE_ACTIVE_DIRECTORY,
            "modulepath /usr/lib/ldap",
            "moduleload back_mdb",
            f"pidfile {self.folder}/slapd.pid",
            f"TLSCertificateFile {self.folder}/server.pem",
            f"TLSCertificateKeyFile {self.folder}/server.key",
            "database mdb",
            f'suffix "{SUFFIX}"',
            f'rootdn "{ADMIN}"',
            f'rootpw "{PASSWORD}"',
            f"directory {self.folder}/database",
            "maxsize 104857600",
            "dbnosync",
            *([f"limits * size={limit} size.prtotal={limit}"] if limit else []),
        ]
        (self.folder / "slapd.conf").write_text("\n".join(lines) + "\n")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it, with nothing but its first two entries."""
        command = ["/usr/sbin/slapd", "-d", "0", "-f", str(self.folder / "slapd.conf")]
        with subprocess.Popen([*command, "-h", f"{self.url} {self.tls_url}"]) as process:
            try:
                self._wait(process)
                self.add(SUFFIX, objectClass=["dcObject", "organization"], dc="example", o="Example")
                self.add(STAFF, objectClass="organizationalUnit", ou="staff")
                yield
            finally:
                process.terminate()
                process.wait(60)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        give_up_at = time.monotonic() + 120
        while time.monotonic() < give_up_at and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.tls_port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError("slapd did not start")

    # --- What it holds ------------------------------------------------------------------------------------

    @contextmanager
    def _signed_in(self) -> Iterator[Any]:
        ldap3, _ = _ldap3()
        server = ldap3.Server("127.0.0.1", self.port, get_info=ldap3.NONE)
        connection = ldap3.Connection(
            server, ADMIN, PASSWORD, auto_bind=True, raise_exceptions=True, check_names=False
        )
        yield connection
        connection.unbind()

    def add(self, dn: str, **attributes: Any) -> None:
        """Add an entry."""
        with self._signed_in() as connection:
            connection.add(dn, attributes=attributes)

    def add_people(self, people: Mapping[str, Values], base: str = STAFF) -> None:
        """Add people by their uid; what is not said of them is made up."""
        with self._signed_in() as connection:
            for uid, said in people.items():
                facts: dict[str, Any] = {"uid": uid, "cn": f"Person {uid}", "sn": uid, **said}
                classes = ["inetOrgPerson", "likeActiveDirectory"]
                connection.add(f"uid={uid},{base}", classes, facts)

    def change(self, dn: str, **attributes: Any) -> None:
        """Give an entry other values of some attributes; None: none."""
        ldap3, _ = _ldap3()
        changes = {
            name: [
                (ldap3.MODIFY_REPLACE, [] if value is None else value if isinstance(value, list) else [value])
            ]
            for name, value in attributes.items()
        }
        with self._signed_in() as connection:
            connection.modify(dn, changes)

    def rename(self, dn: str, relative: str) -> None:
        """Give an entry another name."""
        with self._signed_in() as connection:
            connection.modify_dn(dn, relative)

    def delete(self, dn: str) -> None:
        """Take an entry away."""
        with self._signed_in() as connection:
            connection.delete(dn)


def _free_ports(count: int) -> list[int]:
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in listening]
    for each in listening:
        each.close()
    return ports


def impostor(folder: Path, host: str) -> tuple[Path, ssl.SSLContext]:
    """Make an authority, and a server's side of TLS whose certificate is another host's."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "other-ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return folder / "other-ca.pem", context
