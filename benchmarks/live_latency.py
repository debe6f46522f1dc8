"""How long until the live view knows: launch, loss of focus, close; against the limit of 15 seconds.

One real desktop, the policy's default timings (presence every 5 s), the whole line: agent, HTTP, manager,
warehouse. The screen itself asks every 5 s, which is added to each figure.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "rigs"))

from desktop import Desktop
from line import Line
from sqlalchemy import Engine

from warehouse import frames
from warehouse.store import open_warehouse

LIMIT_S = 15
SCREEN_ASKS_EVERY_S = 5
ROUNDS = 3
POLICY = """
[[collection.applications]]
code = "mousepad"
name = "Mousepad"
signatures = [{ executable = "mousepad" }]

[[collection.applications]]
code = "xterm"
name = "XTerm"
signatures = [{ executable = "xterm" }]
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name, Desktop(Path(name)) as desktop:
        line = Line("line", f"sqlite:///{name}/meter.sqlite", Path(name), desktop.environment())
        try:
            prepare(line)
            engine = open_warehouse(line.url)
            figures = [measure(desktop, engine) for _ in range(ROUNDS)]
            engine.dispose()
        finally:
            line.stop()
    for what in figures[0]:
        worst = max(figure[what] for figure in figures) + SCREEN_ASKS_EVERY_S
        print(
            f"{what:<16} {worst:5.1f} s at worst of {ROUNDS}, limit {LIMIT_S} s, ratio {worst / LIMIT_S:.2f}"
        )


def prepare(line: Line) -> None:
    line.run("warehouse", "upgrade")
    policy = line.folder / "policy.toml"
    policy.write_text(POLICY)
    line.run("manager", "policy", "apply", str(policy))
    line.start_manager()
    line.enroll()
    line.start_agent()
    time.sleep(8)


def measure(desktop: Desktop, engine: Engine) -> dict[str, float]:
    editor = desktop.launch("mousepad")
    desktop.xdotool("key", "a")
    launch = until(lambda: attention(engine) == "input")
    terminal = desktop.launch("xterm")
    focus = until(lambda: attention(engine) == "background")
    desktop.end(editor)
    close = until(lambda: attention(engine) is None)
    desktop.end(terminal)
    return {"launch": launch, "loss of focus": focus, "close": close}


def attention(engine: Engine) -> str | None:
    rows = frames.presence(engine).collect()
    found = rows.filter(rows["application"] == "mousepad")["attention"].to_list()
    return str(found[0]) if found else None


def until(condition: Callable[[], bool]) -> float:
    start = time.time()
    while not condition():
        if time.time() - start > 60:
            raise TimeoutError("not seen within 60 s")
        time.sleep(0.1)
    return time.time() - start


if __name__ == "__main__":
    main()
