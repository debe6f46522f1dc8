"""The agent's folder, and whether the right thing is installed."""

from pathlib import Path

import pytest

from collector.agent.errors import AgentProblem
from collector.agent.home import Enrolled, Home, default_home, write_private
from collector.agent.installed import refuse_two_collectors, refuse_two_collectors_briefly
from collector.agent.sample import Project

ENROLLED = Enrolled("https://meter.example.org", "agent-1", "secret", "host", "Etc/UTC")


def test_an_enrollment_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "new" / "home")
    home.enroll(ENROLLED)
    assert home.enrolled() == ENROLLED
    assert home.config.stat().st_mode & 0o777 == 0o600
    assert home.folder.stat().st_mode & 0o777 == 0o700


def test_a_key_is_in_no_text_of_an_enrollment() -> None:
    assert "secret" not in repr(ENROLLED)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": "x"}'])
def test_a_missing_or_damaged_enrollment_says_what_to_do(tmp_path: Path, text: str) -> None:
    home = Home(tmp_path)
    if text:
        home.config.write_text(text)
    with pytest.raises(AgentProblem, match="enroll"):
        home.enrolled()


def test_a_project_comes_back(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.project() is None
    project = Project("0042", "10", None, "ana", 1_793_955_600_000)
    home.set_project(project)
    assert home.project() == project
    home.project_file.write_text('{"number": "1"}')
    assert home.project() is None


def test_one_home_has_one_agent(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with home.alone():
        assert home.is_running()
        with pytest.raises(AgentProblem, match="running here already"), Home(tmp_path).alone():
            pass
    assert not home.is_running()


def test_the_spool_of_a_former_enrollment_is_put_aside(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.put_spool_aside() is None
    home.spool.write_text("old")
    home.spool.with_name("spool.sqlite-wal").write_text("log")
    aside = home.put_spool_aside()
    assert aside is not None
    assert (aside.read_text(), aside.with_name(aside.name + "-wal").read_text()) == ("old", "log")
    home.spool.write_text("newer")
    assert home.put_spool_aside() not in (None, aside)


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(AgentProblem, match="cannot be written"):
        write_private(tmp_path / "taken", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_the_home_is_the_one_named_or_where_the_system_keeps_such() -> None:
    assert default_home({"PROCESS_METER_AGENT_HOME": "/x"}) == Path("/x")
    assert default_home({"XDG_DATA_HOME": "/data"}).name == "process-meter-agent"


def test_the_package_as_installed_here_belongs_to_one_distribution() -> None:
    refuse_two_collectors()
    refuse_two_collectors_briefly()


def test_two_distributions_of_one_package_are_refused(tmp_path: Path) -> None:
    for name, files in (
        ("process_meter-1", "collector/__init__.py"),
        ("other-2", "collector/spy.py"),
        ("third-3", "collectors/x.py"),
    ):
        (tmp_path / f"{name}.dist-info").mkdir()
        (tmp_path / f"{name}.dist-info" / "RECORD").write_text(f"{files},sha256=x,1\n")
    with pytest.raises(AgentProblem, match=r"other-2\.dist-info and process_meter-1\.dist-info"):
        refuse_two_collectors_briefly([str(tmp_path), str(tmp_path)])
