"""Settings of a directory server and the way to it: what is wrong is one clear line."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slapd import ADMIN, PASSWORD, STAFF, Slapd, impostor

from warehouse.directory.ldap import read_entries
from warehouse.directory.ldap_settings import read_settings
from warehouse.errors import Problem

pytestmark = pytest.mark.ldap
GOOD = {
    "bind_dn": f'"{ADMIN}"', "password_file": '"password"', "ca_file": '"ca.pem"', "timeout_seconds": "60",
    "people.bases": f'["{STAFF}"]',
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    server = Slapd(tmp_path_factory.mktemp("slapd"))
    with server.running():
        server.add_people({"ada": {}})
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    (tmp_path / "password").chmod(0o600)
    return tmp_path


def written(folder: Path, **keys: Any) -> Path:
    """Write good settings but for some keys; `people__filter` is a key of a table, None leaves one out."""
    lines: dict[str, list[str]] = {"": []}
    for key, value in {**GOOD, **{key.replace("__", "."): value for key, value in keys.items()}}.items():
        table, _, name = key.rpartition(".")
        if value is not None:
            lines.setdefault(table, []).append(f"{name} = {value}")
    text = "\n".join(lines.pop(""))
    text += "".join(f"\n[{table}]\n" + "\n".join(keys) for table, keys in lines.items())
    (folder / "directory.toml").write_text(text)
    return folder / "directory.toml"


def tried(server: Slapd, folder: Path, **keys: Any) -> Any:
    (folder / "ca.pem").write_bytes(server.ca_file.read_bytes())
    return read_entries(read_settings(written(folder, **keys)))


@pytest.mark.parametrize("way", ["plain on loopback", "ldaps", "StartTLS", "without a name"])
def test_every_way_in_reads_the_same(server: Slapd, folder: Path, way: str) -> None:
    keys = {
        "plain on loopback": {"url": f'"{server.url}"'},
        "ldaps": {"url": f'"{server.tls_url}"'},
        "StartTLS": {"url": f'"{server.url}"', "start_tls": "true"},
        "without a name": {"url": f'"{server.tls_url}"', "bind_dn": None, "password_file": None},
    }[way]
    assert [entry.dn for entry in tried(server, folder, **keys).people] == [f"uid=ada,{STAFF}"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"bind_dn": '"cn=nobody,dc=example,dc=com"'},
         "{} refuses the password of cn=nobody,dc=example,dc=com; check bind_dn and password_file"),
        ({"people__bases": '["ou=elsewhere,dc=example,dc=com"]'}, "{} knows no such base; check `bases`"),
        ({"people__bases": '["nonsense"]'}, "{} takes a base or bind_dn for no name of an entry; check them"),
        ({"people__filter": '"(uid=*))"'}, "{} takes a filter for none; check `filter`"),
        ({"ca_file": None},
         "{} cannot be trusted: its certificate does not hold, or is signed by nobody we know; name its"),
        ({"ca_file": '"password"'}, "{folder}/password cannot be used as ca_file: "),
        ({"ca_file": '"absent.pem"'},
         "{folder}/absent.pem cannot be used as ca_file: No such file or directory; name a file"),
    ],
)  # fmt: skip
def test_a_server_that_refuses_is_told_in_one_line(
    server: Slapd, folder: Path, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(Problem) as caught:
        tried(server, folder, url=f'"{server.tls_url}"', **keys)
    assert str(caught.value).startswith(message.format(server.tls_url, folder=folder))
    assert "\n" not in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_server_that_is_not_there_is_told_in_one_line(server: Slapd, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Problem, match=rf"^ldap://127.0.0.1:{port} cannot be reached; check url, the network"):
        tried(server, folder, url=f'"ldap://127.0.0.1:{port}"')


def test_a_port_without_tls_is_told(server: Slapd, folder: Path) -> None:
    with pytest.raises(Problem, match=r"does not speak TLS there; check url and its port"):
        tried(server, folder, url=f'"ldaps://127.0.0.1:{server.port}"')


def test_another_host_s_certificate_is_not_trusted(server: Slapd, folder: Path) -> None:
    authority, context = impostor(folder, "other.example.com")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_shake_hands, args=(listening, context))
        thread.start()
        url = f'"ldaps://127.0.0.1:{listening.getsockname()[1]}"'
        with pytest.raises(Problem, match=r"cannot be trusted: its certificate is another host's; name"):
            tried(server, folder, url=url, ca_file=f'"{authority.name}"')
        thread.join()


def _shake_hands(listening: socket.socket, context: Any) -> None:
    connected, _ = listening.accept()
    with connected:
        try:
            context.wrap_socket(connected, server_side=True).close()
        except OSError:
            return  # hung up on, as it should be


def test_half_an_answer_is_none(folder: Path) -> None:
    (folder / "slapd").mkdir()
    limited = Slapd(folder / "slapd", limit=3)
    with limited.running():
        limited.add_people({f"u{number}": {} for number in range(5)})
        with pytest.raises(
            Problem, match=r"gives a part of the entries only; let a nameless reader read them"
        ):
            tried(limited, folder, url=f'"{limited.url}"', bind_dn=None, password_file=None)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"url": '"ldap://directory.example.com"'},
         "directory.toml, url: ldap:// would send names and a password to directory.example.com for everyb"),
        ({"url": '"ldaps://a.example"', "start_tls": "true"},
         "directory.toml, start_tls: ldaps:// is encrypted"),
        ({"url": '"https://a.example"'},
         "directory.toml, url: 'https://a.example' is no address of a directory server; write url = "),
        ({"url": '"ldaps://a.example:x"'}, "directory.toml, url: 'ldaps://a.example:x' is no address"),
        ({}, "directory.toml, url: '' is no address of a directory server; write url"),
        ({"urll": '"x"'}, "directory.toml, urll: unknown key; known ones: name, url, kind,"),
        ({"people__base": '"x"'}, "directory.toml, people.base: unknown key; known ones: bases, filter,"),
        ({"attributes__shoe": '"x"'}, "directory.toml, attributes.shoe: unknown key; known ones: code, name"),
        ({"people__bases": None, "url": '"ldaps://a"'},
         'directory.toml, people.bases: it is missing; write bases = ["...", "..."]'),
        ({"people__bases": "[]", "url": '"ldaps://a"'}, "directory.toml, people.bases: the list is empty;"),
        ({"url": '"ldaps://a"', "kind": '"nis"'},
         "directory.toml, kind: unknown word 'nis'; write one of active_directory, inetorgperson"),
        ({"url": '"ldaps://a"', "people__filter": '"uid=*"'},
         "directory.toml, people.filter: 'uid=*' is no filter; put it into parentheses"),
        ({"url": '"ldaps://a"', "people__leaving_percent": "101"},
         "directory.toml, people.leaving_percent: 101 does not fit; write a whole number, 0 to 100"),
        ({"url": '"ldaps://a"', "people__new_people_from": '"1.1.2026"'},
         "directory.toml, people.new_people_from: '1.1.2026' is no day; write it as 2026-01-31"),
        ({"url": '"ldaps://a"', "employment__x": '"boss"'},
         "directory.toml, employment.x: 'boss' does not fit; write one of employee, contractor, affiliate"),
        ({"url": '"ldaps://a"', "start_tls": '"yes"'},
         "directory.toml, start_tls: 'yes' is neither true nor false; write true or false"),
        ({"url": '"ldaps://a"', "password_file": None},
         "directory.toml, password_file: bind_dn needs one; name"),
        ({"url": '"ldaps://a"', "password_file": '"absent"'},
         "directory.toml, password_file: {folder}/absent cannot be read: No such file or directory; check"),
        ({"url": '"ldaps://a'}, "directory.toml is no TOML: "),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_name_the_key(folder: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(Problem) as caught:
        read_settings(written(folder, **keys))
    assert str(caught.value).startswith(message.format(folder=folder))


def test_a_password_is_for_its_owner_s_eyes(folder: Path) -> None:
    (folder / "password").chmod(0o640)
    with pytest.raises(Problem, match=r"password_file: .*/password can be read by others; run `chmod 600 "):
        read_settings(written(folder, url='"ldaps://a"'))
    (folder / "password").chmod(0o600)
    (folder / "password").write_text("\n")
    with pytest.raises(Problem, match=r"password_file: .*/password is empty; write the password into it"):
        read_settings(written(folder, url='"ldaps://a"'))


def test_settings_that_are_not_there_are_told(folder: Path) -> None:
    with pytest.raises(Problem, match=r"directory.toml cannot be read: No such file or directory; check the"):
        read_settings(folder / "directory.toml")
