from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from apps import serve
from apps.screens import FOLDER, SCREENS
from apps.serve import listen, refuse_unless_loopback
from warehouse.errors import Problem


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_addresses_that_only_this_machine_reaches_are_served(host: str) -> None:
    refuse_unless_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "meter.example.com", ""])
def test_without_sign_in_no_other_machine_is_served(host: str) -> None:
    with pytest.raises(Problem, match=r"without signing in; serve them on 127\.0\.0\.1$"):
        refuse_unless_loopback(host)


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Problem) as problem:
            listen("127.0.0.1", port)
    assert str(problem.value) == (
        f"port {port} of 127.0.0.1 cannot be used (Address already in use); "
        "stop the other program or choose another one with --port"
    )


def test_an_absent_warehouse_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"absent\.sqlite"):
        serve.serve(f"sqlite:///{tmp_path / 'absent.sqlite'}", port=0)


def test_every_screen_has_its_notebook_module_and_few_cells() -> None:
    for name, _, _ in SCREENS:
        notebook = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
        assert (FOLDER / f"{name}.py").is_file()
        assert len(notebook["cells"]) <= 5
        assert not any(cell.get("outputs") for cell in notebook["cells"])
