"""The server of the screens: Voila with our own page, addresses, limits and kernels.

One page is one notebook of this folder; only those listed in `SCREENS` have an address, so nothing else of
Voila (its tree, its contents, a notebook by path) answers. Pages are rendered by kernels that are started
before anybody asks.
"""

from __future__ import annotations

import logging
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import plotly
from jupyter_core.utils import run_sync
from jupyter_server.base.handlers import JupyterHandler
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.web import StaticFileHandler, authenticated
from traitlets import List
from traitlets.config import Config
from voila.app import Voila
from voila.paths import collect_static_paths, collect_template_paths
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.treehandler import TornadoVoilaTreeHandler

from apps.kernels import Abandoned, Kernels, MadeAhead

SCREENS = (
    ("landing", "", "Start"),
    ("overview", "overview", "Overview"),
    ("live", "live", "Live"),
    ("my_time", "my-time", "My time"),
    ("billing_review", "billing", "Billing"),
)
"""Notebook, address and name of every screen, in the order of the navigation."""

FOLDER = Path(__file__).parent
HOUSE = FOLDER / "house"
MOST_KERNELS = 16
"""Open pages and waiting kernels together; a page beyond that is asked to come back later."""
WIDGETS = ["@voila-dashboards/widgets-manager8", "@jupyter-widgets/jupyterlab-manager"]
"""The only extensions that a page loads. Without the first, every widget dies without a word."""
CONTENT_POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "style-src 'self' 'unsafe-inline'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "frame-ancestors 'none'",
    ]
)
"""What a browser may load: nothing from elsewhere. Widgets write styles and compile code at run time."""


def serve_at(
    listening: socket.socket, scratch: Path, environment: dict[str, str], ready: Callable[[str], None]
) -> None:
    """Serve until interrupted, then end every process that was started.

    Parameters
    ----------
    listening
        A socket that listens on an address of this machine.
    scratch
        A folder of this server alone, for connection files.
    environment
        What kernels see beside the environment of this process.
    ready
        Called with the address of the start page.
    """
    screens = Screens(config=_settings(listening.getsockname()[0], scratch, environment))
    screens.hold(listening, MadeAhead(environment), ready)
    screens.initialize(argv=[])
    screens.start()


class Screen(TornadoVoilaHandler):  # type: ignore[misc]
    """Answers one address with one notebook."""

    def initialize(self, figures: Path | None = None, **settings: Any) -> None:
        """Take what Voila takes, and the file that the whole page is made of, where there is one."""
        super().initialize(**settings)
        self.figures = figures

    @authenticated
    async def get(self) -> None:
        """Render the notebook cell by cell; a page that is the same for everybody is rendered once."""
        stamp = self.figures.stat().st_mtime_ns if self.figures and self.figures.exists() else 0
        made_of, page = _rendered.get(self.notebook_path, (0, ""))
        if stamp and stamp == made_of:
            self.finish(page)
        elif len(self.kernel_manager.list_kernel_ids()) >= MOST_KERNELS:
            self.set_status(503)
            self.set_header("Retry-After", "60")
            self.finish("<p>Too many pages are open at once. Close some, or come back in a minute.</p>")
        else:
            _rendered[self.notebook_path] = (stamp, await self._render())

    async def _render(self) -> str:
        parts = []
        async for part in self.get_generator():
            self.write(part)
            self.flush()
            parts.append(part)
        return "".join(parts)


_rendered: dict[str, tuple[int, str]] = {}
"""By notebook: of which figures, and the page."""


class Files(JupyterHandler, StaticFileHandler):
    """Files of ours, and pages of executed reports; the Host header is checked as for every other page."""

    def set_extra_headers(self, path: str) -> None:  # noqa: ARG002
        """Say that a browser may keep the file, and asks whether it is still the same."""
        self.set_header("Cache-Control", "no-cache")


class Screens(Voila):  # type: ignore[misc]
    """Voila with our page around the notebooks, and with nothing but our addresses."""

    # No voila.json or voila.py of a working or home folder changes what is served.
    config_file_paths: Any = List()

    def hold(self, listening: socket.socket, made_ahead: MadeAhead, ready: Callable[[str], None]) -> None:
        """Keep the listening socket, which exists before anything else does, and whom to tell."""
        self.listening, self.made_ahead, self.ready = listening, made_ahead, ready
        self.port = listening.getsockname()[1]

    def setup_template_dirs(self) -> None:
        """Put our page before Voila's own."""
        self.template_paths = [str(HOUSE), *collect_template_paths(["voila", "nbconvert"], "lab", prune=True)]
        self.static_paths = collect_static_paths(["voila", "nbconvert"], "lab")

    def init_settings(self) -> dict[str, Any]:
        """Check the Host header, and let a browser load nothing from elsewhere."""
        settings: dict[str, Any] = super().init_settings()
        headers = {"Content-Security-Policy": CONTENT_POLICY, "Referrer-Policy": "no-referrer"}
        ours = {"allow_remote_access": False, "headers": headers, "compress_response": True}
        # Milliseconds; a longer patience than the pause between two pings is refused with a warning.
        return {**settings, **ours, "ws_ping_timeout": 30_000}

    def init_handlers(self) -> list[Any]:
        """Return the screens, our files and what widgets need of Voila; no tree, no contents, no paths."""
        screens = [(self._address(address), Screen, self._screen(name)) for name, address, _ in SCREENS]
        package_data = Path(plotly.__file__).parent / "package_data"
        files = [
            (self._address("house/(.*)"), Files, {"path": str(HOUSE / "static")}),
            (self._address("plotly/(plotly\\.min\\.js)"), Files, {"path": str(package_data)}),
            (self._address("reports/(.+\\.html)"), Files, {"path": self.made_ahead.reports}),
        ]
        theirs = [handler for handler in super().init_handlers() if _needed_by_widgets(handler)]
        return [*screens, *files, *theirs]

    def _address(self, path: str) -> str:
        return f"{self.server_url}{path}"

    def _screen(self, name: str) -> dict[str, Any]:
        return {
            "notebook_path": f"{name}.ipynb",
            "template_paths": self.template_paths,
            "config": self.config,
            "voila_configuration": self.voila_configuration,
            "figures": self.made_ahead.folder / "overview.html" if name == "overview" else None,
        }

    def stop(self) -> None:
        """End every kernel at once: one that is just starting would complain of an interrupt."""
        self.made_ahead.stop()
        run_sync(self.kernel_manager.shutdown_all)(now=True)
        shutil.rmtree(self.connection_dir, ignore_errors=True)

    def listen(self) -> None:
        """Answer at the socket until interrupted; then end every kernel."""
        server = HTTPServer(self.app)
        server.add_socket(self.listening)
        self.ioloop = IOLoop.current()
        PeriodicCallback(Abandoned(self.kernel_manager).close, 10_000).start()
        self.made_ahead.start()
        self.ready(f"http://{f'[{self.ip}]' if ':' in self.ip else self.ip}:{self.port}/")
        try:
            self.ioloop.start()
        except KeyboardInterrupt:
            pass
        finally:
            self.stop()


def _needed_by_widgets(handler: tuple[Any, ...]) -> bool:
    address, kind = handler[0], handler[1]
    unwanted = ("/voila/render/", "/voila/tree", "/voila/api/contents", "/voila/files/", "/login", "/logout")
    return kind is not TornadoVoilaTreeHandler and not any(word in address for word in unwanted)


def _settings(host: str, scratch: Path, environment: dict[str, str]) -> Config:
    Kernels.environment = environment
    return Config(
        Voila={
            "ip": host,
            "open_browser": False,
            "root_dir": str(FOLDER),
            "connection_dir_root": str(scratch),
            "log_level": logging.ERROR,
        },
        # The start page is where everybody comes back to, faster than a kernel starts.
        VoilaKernelManager={
            "kernel_pools_config": {"default": {"pool_size": 1}, "landing.ipynb": {"pool_size": 2}}
        },
        # Other accounts of this machine can connect to a kernel's ports; without its key they get nothing.
        KernelManager={"transport_encryption": "required"},
        VoilaConfiguration={
            "preheat_kernel": True,
            "default_pool_size": 1,
            "allow_template_override": "NO",
            "allow_theme_override": "NO",
            "kernel_spec_manager_class": Kernels,
            "extension_allowlist": WIDGETS,
            "file_allowlist": [],
            "resources": {"screens": SCREENS},
        },
    )
