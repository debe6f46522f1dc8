"""When a page is asked for, and who asks.

A preheated kernel runs its notebook up to `await_visitor` before anybody looks. Voila's own function for that
needs most of Jupyter's server, two seconds of every kernel's start; this one speaks the same protocol.
"""

from __future__ import annotations

import os
import sys

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from apps.identity import operating_system_identity


def await_visitor() -> None:
    """Wait in a preheated kernel until its page is asked for; return at once in any other."""
    if os.environ.get("VOILA_PREHEAT") != "True":
        return
    host, port, kernel = (os.environ[f"VOILA_{name}"] for name in ("APP_IP", "APP_PORT", "KERNEL_ID"))
    place = f"[{host}]" if ":" in host else host
    address = f"ws://{place}:{port}{os.environ.get('VOILA_SERVER_URL', '/')}voila/query/{kernel}"
    try:
        # A proxy must not see what goes on within this machine.
        with connect(address, proxy=None, open_timeout=30) as server:
            server.recv()
    except (WebSocketException, OSError) as error:
        # Without the server nobody waits for this page: showing it is harmless.
        sys.stderr.write(f"process-meter: no word from the server at {address}: {error}\n")


def viewer() -> str:
    """Return the account of who looks: whoever runs the server, as the operating system knows them.

    Only this machine reaches the screens; who is let in from elsewhere will have signed in.
    """
    return operating_system_identity().lower()
