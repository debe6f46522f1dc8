from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import trustme

from collector.manager.http import serve
from warehouse.errors import Problem


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::"])
def test_an_address_that_others_reach_needs_tls(host: str, warehouse_url: str) -> None:
    with pytest.raises(
        Problem, match=r"without TLS; give --tls-cert and --tls-key, or listen on 127\.0\.0\.1"
    ):
        serve(host, 0, warehouse_url=warehouse_url)


def test_an_address_that_is_not_ours_is_named(warehouse_url: str) -> None:
    with pytest.raises(Problem, match=r"There is no address 'no\.such\.host\.invalid' here"):
        serve("no.such.host.invalid", 0, warehouse_url=warehouse_url)


def test_a_taken_port_is_named_before_anything_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Problem) as caught:
            serve("127.0.0.1", port, warehouse_url="sqlite:////no/such/folder/warehouse.sqlite")

    assert (
        str(caught.value)
        == f"Port {port} of 127.0.0.1 is taken; stop what listens there, or give another --port"
    )


def test_a_port_that_is_none_is_refused(warehouse_url: str) -> None:
    with pytest.raises(Problem, match="70000 is not the number of a port; give a --port from"):
        serve("127.0.0.1", 70_000, warehouse_url=warehouse_url)


def test_a_missing_warehouse_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="There is no warehouse at"):
        serve("127.0.0.1", 0, warehouse_url=f"sqlite:///{tmp_path / 'none.sqlite'}")


def test_a_certificate_needs_its_key(tmp_path: Path, warehouse_url: str) -> None:
    with pytest.raises(Problem, match="TLS needs a certificate and its key; give both"):
        serve("127.0.0.1", 0, tls_cert=tmp_path / "cert.pem", warehouse_url=warehouse_url)


@pytest.mark.parametrize("content", [None, "", "nonsense"])
def test_a_certificate_that_is_none_is_named(tmp_path: Path, warehouse_url: str, content: str | None) -> None:
    certificate = tmp_path / "cert.pem"
    if content is not None:
        certificate.write_text(content)

    with pytest.raises(Problem, match=r"The certificate .*cert\.pem with the key .*cert\.pem cannot be used"):
        serve("127.0.0.1", 0, certificate, certificate, warehouse_url)


def test_a_key_of_another_certificate_is_named(tmp_path: Path, warehouse_url: str) -> None:
    first, second = trustme.CA().issue_cert("a.example"), trustme.CA().issue_cert("b.example")
    first.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    second.private_key_pem.write_to_path(tmp_path / "key.pem")

    with pytest.raises(Problem, match=r"cannot be used: .*give PEM files that belong together"):
        serve("127.0.0.1", 0, tmp_path / "cert.pem", tmp_path / "key.pem", warehouse_url)


PROGRAM = """
import sys
from pathlib import Path
from collector.manager.http import serve
host, url, *tls = sys.argv[1:]
pair = map(Path, tls) if tls else (None, None)
serve(host, 0, *pair, warehouse_url=url, on_ready=lambda at: print(at, flush=True))
print("ended")
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_manager_says_where_it_is_and_ends_when_told(warehouse_url: str, how: signal.Signals) -> None:
    command = [sys.executable, "-c", PROGRAM, "127.0.0.1", warehouse_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as manager:
        assert manager.stdout is not None
        url = manager.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}/v1/health", timeout=120) as answer:
            assert json.load(answer)["status"] == "ok"
        manager.send_signal(how)
        said, complaints = manager.communicate(timeout=120)

    assert url.startswith("http://127.0.0.1:")
    assert (said, complaints) == ("ended\n", "")
    assert manager.returncode == 0


def test_a_manager_with_a_certificate_may_listen_everywhere(warehouse_url: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    command = [sys.executable, "-c", PROGRAM, "0.0.0.0", warehouse_url]
    command += [str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")]

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as manager:
        assert manager.stdout is not None
        url = manager.stdout.readline().strip().replace("0.0.0.0", "127.0.0.1")
        with urllib.request.urlopen(f"{url}/v1/health", timeout=120, context=trusting) as answer:
            assert json.load(answer)["status"] == "ok"
        manager.send_signal(signal.SIGINT)
        manager.communicate(timeout=120)

    assert url.startswith("https://")
    assert manager.returncode == 0
