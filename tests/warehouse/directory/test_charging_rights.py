"""What only the billing staff may change, where the organization lists any."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import directory, schema
from warehouse.directory.charging_rights import correction_days
from warehouse.directory.organization_settings import change_settings
from warehouse.directory.project_fields import set_project_fields
from warehouse.errors import Problem

Act = Callable[[Engine, Path, str], object]

FILES = {
    "rates.csv": "rate,currency,valid_from,application\n12,EUR,2031-01-01,solve\n",
    "conversions.csv": "from,to,valid_from,factor\nUSD,EUR,2026-01-01,0.9\n",
    "projects.csv": "project,name,cost_center\nNEW,New,4711\n",
    "periods.csv": "record,name,starts_on,ends_on\nperiod,2026-02,2026-02-01,2026-03-01\n",
    "holidays.csv": "record,name,office,day\nholiday,Epiphany,*,2026-01-06\n",
    "fields.toml": '[[field]]\nname = "order"\n',
    "settings.toml": "correction_days = 5\n",
}
CHECKS = {"correction_days": lambda days: correction_days({"correction_days": days})}
ACTS: dict[str, tuple[str, Act, str]] = {
    "rates": ("rates.csv", directory.import_rates, "import rates"),
    "conversions": ("conversions.csv", directory.import_conversions, "import conversion rates"),
    "projects": ("projects.csv", directory.import_projects, "import projects"),
    "periods": ("periods.csv", directory.import_calendar, "import fiscal periods"),
    "fields": ("fields.toml", set_project_fields, "set the fields of project entries"),
    "deadline": (
        "settings.toml",
        lambda engine, path, actor: change_settings(engine, path, CHECKS, actor),
        "change until when sessions are corrected",
    ),
}


@pytest.fixture
def staffed(filled: Engine, tmp_path: Path) -> Engine:
    """Give a warehouse in which Pat alone is billing staff, and write the files."""
    with filled.begin() as connection:
        connection.execute(schema.organization.update().values(settings={"billing_staff": ["pat"]}))
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return filled


def _events(engine: Engine) -> int:
    with engine.connect() as connection:
        return len(connection.scalars(sa.select(schema.audit_event.c.id)).all())


@pytest.mark.parametrize("name", ACTS)
def test_what_decides_about_money_is_for_the_billing_staff(
    staffed: Engine, tmp_path: Path, name: str
) -> None:
    file, act, words = ACTS[name]
    before = _events(staffed)
    with pytest.raises(Problem) as caught:
        act(staffed, tmp_path / file, "eve")
    assert str(caught.value) == (
        f"eve cannot {words}: eve is not of the billing staff; let the billing staff do it, or be added to "
        "it by one of them: `process-meter billing staff` says who that is"
    )
    assert _events(staffed) == before
    act(staffed, tmp_path / file, "PAT")
    assert _events(staffed) == before + 1


def test_holidays_are_no_matter_of_money(staffed: Engine, tmp_path: Path) -> None:
    done = directory.import_calendar(staffed, tmp_path / "holidays.csv", "eve")
    assert str(done) == "holidays: 2 new, 0 changed, 0 unchanged"


def test_as_long_as_nobody_is_listed_everybody_is_staff(filled: Engine, tmp_path: Path) -> None:
    (tmp_path / "rates.csv").write_text(FILES["rates.csv"])
    assert str(directory.import_rates(filled, tmp_path / "rates.csv", "eve")) == (
        "rates: 1 new, 0 changed, 0 unchanged"
    )
