"""Real lmstat output against a count of its own: string splits, nothing of the importer's."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from collector.importers.lmstat import read
from collector.importers.records import Options, Reading, SetAside, Tally
from warehouse.errors import Problem

pytestmark = pytest.mark.realdata

Numbers = dict[str, tuple[int, int]]


@pytest.fixture
def folder(real_data: Path) -> Path:
    return real_data / "lmstat-snapshots"


def readings(path: Path, **mapping: str) -> tuple[dict[str, Reading], Tally]:
    tally = Tally()
    records = list(read([path], Options(zone="UTC", mapping=mapping), tally))
    assert [each for each in records if isinstance(each, SetAside)] == []
    found = [each for each in records if isinstance(each, Reading)]
    assert len({each.application for each in found}) == len(found)
    return {each.application or "": each for each in found}, tally


def counted(path: Path) -> tuple[Numbers, dict[str, list[int]]]:
    """Count licenses issued and in use; reserved, waited for and listed with users below each feature."""
    numbers: Numbers = {}
    below: dict[str, list[int]] = {}
    feature = ""
    for line in path.read_text(encoding="utf-8").split("\n"):
        words = line.split()
        if words[:2] == ["Users", "of"]:
            feature = words[2].rstrip(":")  # feature42 comes twice, with the same numbers
            below[feature] = [0, 0, 0, 0]
            if "Total" in line:
                numbers[feature] = int(words[5]), int(words[10])
        elif "RESERVATION" in line:
            below[feature][0] += int(words[0])
        elif " queued for " in line:
            below[feature][1] += int(words[-2])
        elif ", start " in line:
            after = line.split(", start ")[1]
            below[feature][2] += int(after.split(", ")[1].split()[0]) if "license" in after else 1
    return numbers, below


@pytest.mark.parametrize(
    ("name", "server", "at", "features"),
    [
        ("lmstat_app1.txt", "VENDOR1", datetime(2017, 10, 20, 17, 2, tzinfo=UTC), 53),
        ("lmstat_app2.txt", "vendor1", datetime(2017, 10, 20, 17, 2, tzinfo=UTC), 10),
        # Two daemons, and no line says which one a feature is of: the license server's name stands for both.
        ("lmstat_app3.txt", "host1", datetime(2017, 10, 20, 17, 2, tzinfo=UTC), 46),
        ("lmstat_app4.txt", "LMCOMSOL", datetime(2025, 4, 22, 11, 8, tzinfo=UTC), 57),
        ("lmstat_app5.txt", "MLM", datetime(2025, 2, 10, 11, 26, tzinfo=UTC), 118),
        ("lmstat_app6.txt", "MLM", datetime(2026, 3, 16, 12, 16, tzinfo=UTC), 52),
        ("lmstat_server_down.txt", "daemon", datetime(2017, 11, 23, 15, 8, tzinfo=UTC), 2),
    ],
)
def test_licenses_issued_in_use_reserved_and_queued_are_those_of_a_plain_count(
    folder: Path, name: str, server: str, at: datetime, features: int
) -> None:
    numbers, below = counted(folder / name)
    found, _ = readings(folder / name)
    said = {feature: (each.issued, each.in_use) for feature, each in found.items() if each.issued is not None}
    assert said == numbers
    assert len(said) == features
    assert {(each.server, each.at_ms) for each in found.values()} == {(server, round(at.timestamp() * 1000))}
    for feature, each in found.items():
        assert [each.reserved, each.queued] == below[feature][:2]


def test_users_are_counted_once_each_and_not_at_all_where_the_list_was_cut_off(folder: Path) -> None:
    found, _ = readings(folder / "lmstat_app2.txt")
    assert found["feature2"] == Reading("vendor1", found["feature2"].at_ms, "feature2", 144, 22, 0, 0, 13)
    down, _ = readings(folder / "lmstat_server_down.txt")
    assert [down[feature].users for feature in ("feature1", "feature2")] == [0, None]


def test_a_feature_that_one_daemon_lists_twice_alike_counts_once(folder: Path) -> None:
    found, tally = readings(folder / "lmstat_app1.txt")
    assert (found["feature42"].issued, found["feature42"].in_use, found["feature42"].reserved) == (
        1814,
        169,
        169,
    )
    assert tally.skipped == {"features listed twice": 1}


def test_a_feature_that_is_not_counted_has_users_and_no_capacity(folder: Path) -> None:
    found, tally = readings(folder / "lmstat_app4.txt")
    assert found["SERIAL"] == Reading("LMCOMSOL", found["SERIAL"].at_ms, "SERIAL", None, 1, 0, 0, 1)
    assert "SUBSURFACEFLOW" not in found
    assert tally.skipped == {"features of which the server did not tell": 2}


def test_a_status_without_features_is_no_reading(folder: Path) -> None:
    found, tally = readings(folder / "lmstat_server_up_win.txt")
    assert (found, tally.skipped) == ({}, {"snapshots without a feature": 1})


def test_what_has_expired_is_not_issued_and_what_is_listed_twice_adds_up(folder: Path) -> None:
    in_september, _ = readings(folder / "lmstat_i_app1.txt", date="2018-09-30")
    assert in_september["feature12"] == Reading("vendor2", in_september["feature12"].at_ms, "feature12", 52)
    in_october, tally = readings(folder / "lmstat_i_app1.txt", date="2018-10-01")
    assert in_october["feature12"].issued == 50
    assert tally.skipped == {"licenses that have expired": 3}
    assert {feature: each.issued for feature, each in in_october.items()} == {
        "feature1": 2,
        "feature2": 25,
        "feature3": 5,
        "feature4": 1,
        "feature5": 1,
        "feature6": 2,
        "feature7": 600,
        "feature8": 100,
        "feature9": 20,
        "feature10": 50,
        "feature_11": 150,
        "feature12": 50,
        "feature15": 2,
        "feature16": 1,
    }


def test_a_listing_may_have_its_columns_in_another_order(folder: Path) -> None:
    found, _ = readings(folder / "lmstat_i_app2.txt", date="2020-05-01")
    assert len(found) == 8
    assert (found["feature_name_9"].server, found["feature_name_9"].issued) == ("vendor", 2)


@pytest.mark.parametrize("name", ["lmstat_i_app1.txt", "lmstat_new.txt", "lmstat_old.txt"])
def test_what_has_no_date_or_no_feature_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(Problem, match=r"has no date|no output of lmstat"):
        readings(folder / name)
