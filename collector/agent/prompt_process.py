"""The process that asks for a project: `python -I -m collector.agent.prompt_process FOLDER`.

It reads the question, opens the window, writes the answer and ends. Where no window can be opened, that is
the answer.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collector.agent.home import Home, read_document, write_private
from collector.agent.prompting import UNABLE

NO_TKINTER = (
    "this Python has no tkinter, so nobody is asked for a project (on Debian: apt install python3-tk)"
)


def main(folder: str) -> int:
    """Ask once; return the exit status: 0 also where another window is open, which goes on instead."""
    os.umask(0o077)
    home = Home(Path(folder))
    with home.asking() as alone:
        question = read_document(home.question)
        if alone and question:
            write_private(
                home.answer, json.dumps({**_asked(home, question), "sessions": question["sessions"]})
            )
    return 0


def _asked(home: Home, question: Mapping[str, Any]) -> dict[str, Any]:
    try:
        from collector.agent.prompt_window import ask  # noqa: PLC0415  (many a Python has no tkinter)
    except ImportError:
        return {"outcome": UNABLE, "reason": NO_TKINTER}
    return ask(home, question)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
