"""Launches, exits and process trees, on real processes of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from collector.agent import process_table
from collector.agent.clock import Moment, SystemClock
from collector.agent.processes import LogonSession, Processes, Seen
from collector.agent.sample import SessionKey
from collector.protocol import MonitoredApplication, Signature

CLOCK = SystemClock()
PATIENCE = 60
"""Seconds; what is waited for comes at once unless the machine is busy."""
BURN = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"

TICKS_MS = 60
"""The system counts CPU time in ticks of 10 ms, in four sums, and the shell starts `sleep` at its end."""


class Bench:
    """A program of a name that nobody else on this machine has, and what is started of it."""

    def __init__(self, folder: Path) -> None:
        self.name = f"pm{uuid4().hex[:9]}"
        self.program = folder / self.name
        shutil.copy("/bin/sleep", self.program)
        self.shell = folder / f"{self.name}sh"
        shutil.copy("/bin/sh", self.shell)
        self.children: list[subprocess.Popen[bytes]] = []

    def start(self, *command: object, **options: object) -> subprocess.Popen[bytes]:
        child = subprocess.Popen([str(part) for part in command], **options)
        self.children.append(child)
        return child

    def processes(self, *signatures: Signature, display: str | None = None) -> Processes:
        chosen = signatures or (Signature(executable=self.name),)
        made = Processes(LogonSession(process_table.account(), "1", display))
        made.meter([MonitoredApplication(code="app", name="App", signatures=chosen)])
        return made

    def below(self, parent: subprocess.Popen[bytes]) -> int:
        """How many processes below one are the program by now."""
        return sum(
            process_table.path(child.pid) == str(self.program)
            for child in psutil.Process(parent.pid).children()
        )

    def end(self) -> None:
        for child in self.children:
            child.kill()
            child.communicate()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.end()


def kill(child: subprocess.Popen[bytes]) -> None:
    """End a process, and leave it as a zombie."""
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)


def until(condition: Callable[[], Any]) -> Any:
    """Wait until something is true; return it."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def scan(processes: Processes, windows: dict[int, frozenset[str]] | None = None) -> Seen:
    return processes.scan(CLOCK.now(), lambda: windows or {})


def pids(seen: Seen) -> set[int]:
    return {instance.identity.pid for instance in seen.instances}


def cpu(seen: Seen) -> float:
    return sum(seen.cpu_ms.values())


def test_a_launch_is_seen_with_its_true_start(bench: Bench) -> None:
    processes = bench.processes()
    assert scan(processes).instances == ()
    before = CLOCK.now().boot_ms
    child = bench.start(bench.program, 60)
    after = CLOCK.now().boot_ms
    (instance,) = scan(processes).instances
    assert instance.identity.pid == child.pid
    assert instance.key.application == "app"
    assert before - 10 <= instance.started_ms <= after


def test_what_runs_already_is_seen_at_the_first_scan(bench: Bench) -> None:
    child = bench.start(bench.program, 60)
    assert pids(scan(bench.processes())) == {child.pid}


def test_an_exit_wakes_the_wait_and_is_known_to_the_millisecond(bench: Bench) -> None:
    processes = bench.processes()
    child = bench.start(bench.program, 60)
    (instance,) = scan(processes).instances
    child.terminate()
    killed_ms = CLOCK.now().boot_ms
    ended = processes.exits.wait(PATIENCE)
    noted_ms = CLOCK.now().boot_ms
    processes.note_exits(ended, noted_ms)
    seen = scan(processes)
    assert ended == {child.pid}
    assert noted_ms - killed_ms < PATIENCE * 1000 / 2  # woken, that is
    assert seen.instances == ()
    assert seen.exits == {instance.identity: noted_ms}


def test_an_exit_is_seen_by_the_poll_where_nothing_wakes(bench: Bench) -> None:
    processes = bench.processes()
    child = bench.start(bench.program, 60)
    scan(processes)
    kill(child)  # a zombie from now on: nobody waits for it
    assert scan(processes).instances == ()


def test_a_shell_that_becomes_the_program_is_seen_from_then_on(bench: Bench) -> None:
    processes = bench.processes()
    child = bench.start("/bin/sh", "-c", f"read told; exec {bench.program} 60", stdin=subprocess.PIPE)
    before = CLOCK.now().boot_ms
    assert scan(processes).instances == ()
    after = CLOCK.now().boot_ms
    assert child.stdin
    child.stdin.write(b"now\n")
    child.stdin.flush()
    until(lambda: process_table.path(child.pid) == str(bench.program))
    (instance,) = until(lambda: scan(processes).instances)
    assert instance.identity.pid == child.pid
    assert before <= instance.started_ms <= after


def test_arguments_and_parents_are_matched(bench: Bench) -> None:
    processes = bench.processes(Signature(executable=bench.name, arguments="6?", parent=f"{bench.name}sh"))
    bench.start(bench.program, 61)
    shell = bench.start(bench.shell, "-c", f"{bench.program} 99 & {bench.program} 62 & wait")
    until(lambda: bench.below(shell) == 2)
    (instance,) = scan(processes).instances
    assert process_table.command_line(instance.identity.pid)[1:] == ["62"]


def test_a_window_class_is_waited_for_and_the_start_stays_true(bench: Bench) -> None:
    processes = bench.processes(Signature(executable=bench.name, window_class="Main"))
    before = CLOCK.now().boot_ms
    child = bench.start(bench.program, 60)
    after = CLOCK.now().boot_ms
    assert scan(processes).instances == ()
    time.sleep(0.2)
    (instance,) = until(lambda: scan(processes, {child.pid: frozenset({"main"})}).instances)
    assert before - 10 <= instance.started_ms <= after


def test_a_process_of_another_display_belongs_to_another_logon_session(bench: Bench) -> None:
    processes = bench.processes(display=":7")
    here = bench.start(bench.program, 60, env={"DISPLAY": ":7.0"})
    bench.start(bench.program, 60, env={"DISPLAY": ":8"})
    nowhere = bench.start(bench.program, 60, env={})
    assert pids(scan(processes)) == {here.pid, nowhere.pid}


@pytest.mark.parametrize("user", [65534 if os.geteuid() == 0 else None])
def test_a_process_of_another_account_is_not_seen(bench: Bench, user: int | None) -> None:
    # Only root can start one; others see that the processes of root are not their own.
    own = process_table.is_own(os.getpid())
    if user is None:
        other = process_table.is_own(1)
    else:
        other = process_table.is_own(bench.start("/bin/sleep", 60, user=user).pid)
    assert (own, other) == (True, False)


def test_the_time_of_children_counts_also_of_those_that_have_ended(bench: Bench) -> None:
    processes = bench.processes(Signature(executable=bench.shell.name))
    scan(processes)
    total, _, used_ms = burned(processes, bench, f"/bin/sh -c '{BURN}'")
    assert total == pytest.approx(used_ms, abs=TICKS_MS)


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(f"/bin/sh -c '{BURN}'", id="a child"),
        pytest.param(f"/bin/sh -c '( {BURN} ); :'", id="a child and a grandchild"),
        pytest.param(f"( ( {BURN} ); : )", id="a child and a grandchild of the same program"),
    ],
)
def test_what_ended_counts_once_also_before_a_search_misses_it(bench: Bench, work: str) -> None:
    processes = bench.processes(Signature(executable=bench.shell.name))
    scan(processes)
    report = bench.shell.with_suffix(".times")
    waiting = f"{work}; times > {report}; read done"  # launches nothing afterwards
    bench.start(bench.shell, "-c", waiting, stdin=subprocess.PIPE)
    counted = 0.0
    while counted < 3 * TICKS_MS:  # enough to be missed, or counted twice
        counted += cpu(scan(processes))
    until(lambda: ended(report))
    counted += cpu(processes.scan(CLOCK.now(), dict, search=False))
    assert counted == pytest.approx(said_ms(report), abs=TICKS_MS)


def burned(processes: Processes, bench: Bench, work: str) -> tuple[float, int, float]:
    """Scan while a shell has work done; return its CPU time, the most instances at once, and what it says."""
    report = bench.shell.with_suffix(".times")
    bench.start(bench.shell, "-c", f"{work}; times > {report}; sleep 60")
    seen = [scan(processes)]
    while not ended(report):
        time.sleep(0.05)
        seen.append(scan(processes))
    seen.append(scan(processes))
    return sum(map(cpu, seen)), max(len(each.instances) for each in seen), said_ms(report)


def ended(report: Path) -> bool:
    return report.exists() and report.read_text().count("\n") == 2


def said_ms(report: Path) -> float:
    """Return what a shell's `times` printed: its own CPU time and its children's."""
    minutes = re.findall(r"(\d+)m([\d.]+)s", report.read_text())
    return 1000 * sum(60 * int(minute) + float(second) for minute, second in minutes)


def test_time_before_the_first_scan_is_not_counted(bench: Bench) -> None:
    burned(bench.processes(Signature(executable=bench.shell.name)), bench, BURN)
    assert cpu(scan(bench.processes(Signature(executable=bench.shell.name)))) == 0


def test_a_helper_of_the_same_program_is_counted_once(bench: Bench) -> None:
    processes = bench.processes(Signature(executable=bench.shell.name))
    scan(processes)
    total, most, used_ms = burned(processes, bench, f"{bench.shell} -c '{BURN}'")
    assert most == 2
    assert total == pytest.approx(used_ms, abs=TICKS_MS)


def test_another_policy_looks_for_other_programs(bench: Bench) -> None:
    processes = bench.processes()
    child = bench.start(bench.program, 60)
    assert pids(scan(processes)) == {child.pid}
    processes.meter([])
    assert scan(processes).instances == ()
    processes.meter([MonitoredApplication(code="b", name="B", signatures=(Signature(executable="pm*"),))])
    assert child.pid in pids(scan(processes))


def test_without_a_search_exits_are_seen_and_launches_wait(bench: Bench) -> None:
    processes = bench.processes()
    first = bench.start(bench.program, 60)
    time.sleep(0.1)
    before = scan(processes)
    second = bench.start(bench.program, 60)
    kill(first)
    assert not processes.knows(second.pid)
    quick = processes.scan(CLOCK.now(), dict, search=False)
    assert quick.instances == ()
    assert [identity.pid for identity in quick.exits] == [first.pid]
    both = quick.then(scan(processes))
    assert pids(both) == {second.pid}
    assert set(both.exits) == {instance.identity for instance in before.instances}
    assert processes.knows(second.pid)


def test_a_launch_is_found_by_the_first_search_after_it_which_knows_when_the_one_before_was(
    bench: Bench,
) -> None:
    processes = bench.processes()
    assert scan(processes).searched_ms is None
    child = bench.start(bench.program, 60)
    quick = processes.scan(CLOCK.now(), dict, search=False)
    seen = scan(processes)
    assert quick.instances == ()
    assert pids(seen) == {child.pid}
    assert seen.searched_ms is not None
    assert seen.searched_ms == quick.searched_ms <= seen.instances[0].started_ms


def test_a_tick_begins_no_later_than_what_starts_in_it() -> None:
    line = process_table.Stat(1, 1234, 0.0, "")
    moment = Moment(12_349, 0, 0)
    assert process_table.tick_ms(moment.boot_ms) == process_table.started_ms(line, moment) == 12_340


def test_the_cpu_time_of_two_scans_adds_up() -> None:
    key, other = SessionKey("a", "ana", "1"), SessionKey("b", "ana", "1")
    both = Seen((), {}, {key: 2.0}).then(Seen((), {}, {key: 3.0, other: 1.0}))
    assert both.cpu_ms == {key: 5.0, other: 1.0}


def test_wake_ends_a_wait(bench: Bench) -> None:
    processes = bench.processes()
    processes.exits.wake()
    before = time.monotonic()
    assert processes.exits.wait(PATIENCE) == set()
    assert time.monotonic() - before < PATIENCE / 2
