"""The demo's folder, and the sample's warehouse in it: whole, or not there at all."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from pipelines.sample import bills
from pipelines.sample.load import Loaded, Progress, load
from pipelines.sample.plan import Plan
from warehouse import frames, mirror
from warehouse.errors import Problem
from warehouse.store import open_warehouse, upgrade

WAREHOUSE = "warehouse.sqlite"
ELSEWHERE = "name another folder with --home, or erase this one with `make clean`"


@dataclass(frozen=True, slots=True)
class Home:
    """The demo's folder and what lies in it."""

    folder: Path

    @property
    def warehouse(self) -> Path:
        """File of the embedded warehouse."""
        return self.folder / WAREHOUSE

    @property
    def url(self) -> str:
        """URL of the embedded warehouse."""
        return f"sqlite:///{self.warehouse}"

    @property
    def agent(self) -> Path:
        """Folder of the agent that meters this machine."""
        return self.folder / "agent"

    @property
    def policy(self) -> Path:
        """The collection policy in force, as it was applied."""
        return self.folder / "policy.toml"

    @property
    def reports(self) -> Path:
        """Folder of executed reports."""
        return self.folder / "reports"

    @property
    def bills(self) -> Path:
        """Folder of workbooks and export files."""
        return self.folder / "bills"

    def prepare(self) -> None:
        """Make the folder, for this account alone.

        Raises
        ------
        Problem
            It cannot be made.
        """
        try:
            for folder in (self.folder, self.reports, self.bills):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Problem(
                f"{self.folder} cannot be made: {error.strerror}", "name another folder with --home"
            ) from error


def open_sample(home: Home) -> Engine:
    """Open the sample that an earlier run made.

    Raises
    ------
    Problem
        The file is of another version of this program, or holds another organization.
    """
    try:
        engine = open_warehouse(home.url)
    except Problem as problem:
        raise Problem(problem.message, ELSEWHERE) from problem
    if not sample_settings(engine):
        engine.dispose()
        raise Problem(f"{home.warehouse} is a warehouse, but not the demo's sample", ELSEWHERE)
    return engine


def sample_settings(engine: Engine) -> dict[str, Any]:
    """Return what the sample says of itself (`made_on`, `seed`, `people`); empty for any other warehouse."""
    try:
        settings = frames.organization(engine)["settings"]
    except Problem:
        return {}
    return dict(settings.get("sample", {}))


def make_sample(home: Home, plan: Plan, approver: str, progress: Progress) -> Loaded:
    """Make the sample beside, and rename it when it is whole.

    Parameters
    ----------
    approver
        Who closed the bill of the month before last.
    """
    aside = Home(home.folder / "loading")
    _forget(home, aside)
    aside.folder.mkdir(mode=0o700)
    engine = upgrade(aside.url)
    try:
        loaded = load(engine, plan, progress)
        progress("the Parquet mirror", 0.95)
        mirror.update(engine)  # the reports read it; the rollups can wait for the manager
        progress("the bill of the month before last", 0.97)
        bills.close_month_before_last(engine, plan, approver)
    finally:
        engine.dispose()
    for made in sorted(aside.folder.iterdir(), key=lambda path: path == aside.warehouse):
        # The warehouse comes last: once it is there, so is everything else.
        made.replace(home.folder / made.name)
    aside.folder.rmdir()
    return loaded


def _forget(home: Home, aside: Home) -> None:
    """Remove what belongs to a warehouse that is no more: keys, enrollment and policy, a half-made sample."""
    for rest in (aside.folder, home.agent, home.policy, *home.folder.glob(f"{WAREHOUSE}*")):
        if rest.is_dir():
            shutil.rmtree(rest)
        else:
            rest.unlink(missing_ok=True)


def plan_now(clock_ms: int) -> Plan:
    """Return the plan of the demo: everything, up to this minute."""
    until_ms = clock_ms // 60_000 * 60_000
    return Plan(today=datetime.fromtimestamp(until_ms / 1000, UTC).date(), until_ms=until_ms)
