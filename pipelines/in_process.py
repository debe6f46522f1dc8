"""Run a report of our own in this very process: the same outputs as a kernel's, without starting one.

A kernel costs two to three seconds before the first cell; this engine costs what the cells cost. The price is
trust: a notebook shares modules, environment and memory with the program that runs it. So only the notebooks
that this program ships go this way, and of those no billing of record (reports.py chooses).
"""

from __future__ import annotations

import ast
import atexit
import builtins
import io
import json
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import papermill
from ipykernel.jsonutil import encode_images, json_clean
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.jsonutil import json_default
from nbformat import NotebookNode
from nbformat.v4 import new_output
from papermill.engines import Engine as PapermillEngine
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError
from sqlalchemy import Engine
from traitlets import Type
from traitlets.config import Config

from pipelines.kernel import NotebookStopped, one_line
from pipelines.lasting import lasting, seldom
from warehouse.store import lending

NAME = "process-meter-in-process"
"""By which Papermill knows the engine."""

_ONE_AT_A_TIME = threading.Lock()
"""Standard streams, environment and IPython's shell are the process's own: two reports would mix them."""


def available() -> bool:
    """Tell whether this process can run a notebook itself: not where it is the kernel of another one."""
    return not InteractiveShell.initialized() or isinstance(InteractiveShell.instance(), _Shell)


def execute(
    notebook: Path,
    output: Path,
    parameters: Mapping[str, Any],
    environment: Mapping[str, str],
    warehouse: Engine,
) -> None:
    """Run a notebook here; `output` is written in any case, as far as it came. One runs at a time.

    Parameters
    ----------
    parameters
        Values for its parameters cell; they are written into `output`.
    environment
        What its cells see beside the environment of this process, for as long as they run.
    warehouse
        What they get who ask for the default one.

    Raises
    ------
    NotebookStopped
        It did not reach its end.
    """
    papermill_engines.register(NAME, InProcess)
    with _ONE_AT_A_TIME, seldom(), _environment(environment), lending(warehouse):
        try:
            papermill.execute_notebook(
                str(notebook),
                str(output),
                dict(parameters),
                engine_name=NAME,
                kernel_name="python3",
                language="python",
                progress_bar=False,
            )
        except PapermillExecutionError as error:
            raise NotebookStopped(one_line(error)) from None


@contextmanager
def _environment(added: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class InProcess(PapermillEngine):  # type: ignore[misc]
    """Papermill's engine of this module: cell after cell in one shell, until one raises."""

    has_loaded = False
    """Whether a report ran here before: to load ahead once more would keep for good what that one left."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, _kernel_name: str, **_options: Any) -> NotebookNode:
        """Execute the cells of `nb_man.nb`, as Papermill's own engine does through a kernel."""
        if not cls.has_loaded:
            _load_ahead(nb_man.nb)
            cls.has_loaded = True
        with _saved_at_the_end(nb_man), _shell() as shell:
            for index, cell in enumerate(nb_man.nb.cells):
                nb_man.cell_start(cell, index)
                try:
                    failed = cell.cell_type == "code" and not shell.execute(cell)
                    if failed:
                        nb_man.cell_exception(cell, cell_index=index, exception=None)
                        break
                finally:
                    nb_man.cell_complete(cell, cell_index=index)
        notebook: NotebookNode = nb_man.nb
        notebook.metadata["language_info"] = _language_info()
        return notebook


def _load_ahead(notebook: NotebookNode) -> None:
    """Load what the cell of imports will, with the collector at rest: a quarter of the time that they take.

    What goes wrong is left to the cell to say.
    """
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    with suppress(ImportError, SyntaxError), lasting():
        lines = [node for source in sources for node in ast.parse(source).body]
        imports: list[ast.stmt] = [node for node in lines if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), "imports", "exec"), {})  # noqa: S102 - as the cell itself will


@contextmanager
def _saved_at_the_end(nb_man: Any) -> Iterator[None]:
    """Keep Papermill from writing the notebook twice a cell, which costs more than most cells do."""
    output, nb_man.output_path = nb_man.output_path, None
    try:
        yield
    finally:
        nb_man.output_path = output


def _language_info() -> dict[str, Any]:
    version = ".".join(map(str, sys.version_info[:3]))
    return {
        "name": "python",
        "version": version,
        "mimetype": "text/x-python",
        "codemirror_mode": {"name": "ipython", "version": sys.version_info[0]},
        "pygments_lexer": "ipython3",
        "nbconvert_exporter": "python",
        "file_extension": ".py",
    }


class _Publisher(DisplayPublisher):
    """Keeps what is displayed, as a kernel would send it."""

    def publish(self, data: Any, metadata: Any = None, *_place: Any, **_options: Any) -> None:
        """Keep one bundle of representations."""
        shell = cast("_Shell", self.shell)
        shell.keep(new_output("display_data", _plain(encode_images(data)), metadata=metadata or {}))


class _LastValue(DisplayHook):
    """Keeps the value of a cell's last line."""

    def write_output_prompt(self) -> None:
        """Write nothing: the number is in the output."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        """Keep the value's representations."""
        shell = cast("_Shell", self.shell)
        data, metadata = _plain(encode_images(format_dict)), _plain(md_dict or {})
        number = self.prompt_count
        shell.keep(new_output("execute_result", data, metadata=metadata, execution_count=number))

    def finish_displayhook(self) -> None:
        """Write nothing."""
        self._is_active = False


def _plain(value: Any) -> Any:
    """Turn a bundle into what it is after its way through a kernel's JSON messages."""
    return json.loads(json.dumps(json_clean(value), default=json_default, allow_nan=False))


class _Stream(io.TextIOBase):
    """A standard stream whose text becomes an output of the cell that runs."""

    def __init__(self, name: str, shell: _Shell) -> None:
        self._name, self._shell = name, shell

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def write(self, text: str) -> int:
        """Add to the stream's output, or begin a new one."""
        if text:
            self._shell.keep_text(self._name, text)
        return len(text)


class _Shell(InteractiveShell):
    """IPython without a terminal or a kernel: outputs go into the cell."""

    display_pub_class = Type(_Publisher)
    displayhook_class = Type(_LastValue)
    outputs: list[NotebookNode]

    def init_completer(self) -> None:
        """Load no completer: nobody types here."""

    def execute(self, cell: NotebookNode) -> bool:
        """Run one cell, fill its outputs, and tell whether it reached its end."""
        self.outputs = cell.outputs = []
        with redirect_stdout(_Stream("stdout", self)), redirect_stderr(_Stream("stderr", self)):
            result = self.run_cell(cell.source, store_history=True)  # type: ignore[no-untyped-call]
        cell.execution_count = result.execution_count
        if isinstance(result.error_in_exec, KeyboardInterrupt):
            raise result.error_in_exec
        return bool(result.success)

    def keep(self, output: NotebookNode) -> None:
        """Add an output to the cell that runs."""
        self.outputs.append(output)

    def keep_text(self, stream: str, text: str) -> None:
        """Add text of a standard stream, to the output before it if that is of the same stream."""
        last = self.outputs[-1] if self.outputs else None
        if last is not None and last.output_type == "stream" and last.name == stream:
            last.text += text
        else:
            self.keep(new_output("stream", name=stream, text=text))

    def _showtraceback(self, etype: type[BaseException], evalue: BaseException, stb: list[str]) -> None:
        self.keep(new_output("error", ename=etype.__name__, evalue=str(evalue), traceback=stb))


@contextmanager
def _shell() -> Iterator[_Shell]:
    """Give a shell with a name space of its own; leave this process as it was."""
    main = sys.modules["__main__"]
    settings = Config()
    settings.HistoryManager.enabled = False
    with tempfile.TemporaryDirectory(prefix="process-meter-") as folder, warnings.catch_warnings():
        # The reader's own IPython settings have no say in a report.
        shell = _Shell.instance(user_module=ModuleType("__main__"), ipython_dir=folder, config=settings)
        try:
            yield shell
        finally:
            shell.user_ns.clear()
            atexit.unregister(shell.atexit_operations)
            shell.restore_sys_module_state()  # type: ignore[no-untyped-call]
            sys.modules["__main__"] = main
            for name in ("__IPYTHON__", "display"):
                builtins.__dict__.pop(name, None)
            _Shell.clear_instance()
