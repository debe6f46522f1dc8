"""How the key figures of a report come back from its kernel: one JSON file beside the executed notebook."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

RESULTS_PATH = "PROCESS_METER_RESULTS"
"""Environment variable that names the file; without it a notebook runs on its own and hands back nothing."""


def hand_back(results: Mapping[str, object]) -> None:
    """Give the key figures to whoever runs this report.

    Parameters
    ----------
    results
        Plain JSON: text, numbers, true, false, null, lists and tables of them.

    Raises
    ------
    ValueError
        A number that is none (NaN, infinity).
    """
    path = os.environ.get(RESULTS_PATH)
    if path:
        text = json.dumps(results, allow_nan=False, indent=2, ensure_ascii=False)
        Path(path).write_text(text + "\n", encoding="utf-8")


def read_back(path: Path) -> dict[str, object]:
    """Read what a report handed back; nothing where it handed back nothing."""
    if not path.exists():
        return {}
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found
