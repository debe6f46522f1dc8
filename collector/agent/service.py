"""The loop: sense, meter, spool, deliver. The only place that sleeps, and that catches everything once.

One thread looks, meters and stores; the sensor has a thread of its own (see lookout.py), and so has delivery,
so that neither a display nor a network can hold up the metering.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from dataclasses import asdict, dataclass, field
from typing import Any

from collector.agent import VERSION
from collector.agent.clock import Clock, Moment, boot_id, host_zone
from collector.agent.delivery import Delivery
from collector.agent.errors import AgentProblem
from collector.agent.home import Enrolled, Home, write_private
from collector.agent.lookout import Look, Lookout
from collector.agent.meter import Meter
from collector.agent.policy import load_policy, store_policy
from collector.agent.processes import LogonSession, Processes, Seen
from collector.agent.project_list import store, version
from collector.agent.prompting import Prompting
from collector.agent.sample import Project, Sample
from collector.agent.sensors import Sensor
from collector.agent.spool import Spool
from collector.agent.wire import Wanted
from collector.protocol import CollectionPolicy, PresenceRecord, Record

log = logging.getLogger("process-meter-agent")

COMMIT_MS = 1_000
"""The spool is written at most this often."""
IDLE_LOOK_MS = 10_000
"""So often the desktop is looked at while nothing that is metered runs."""
DELIVERY_TICK_SECONDS = 1.0
STATUS_MS = 5_000
LAST_DELIVERY_SECONDS = 3.0
FAILED_STEP_SECONDS = 1.0


@dataclass(slots=True)
class Service:
    """One running agent."""

    home: Home
    clock: Clock
    sensor: Sensor
    own: LogonSession
    spool: Spool
    enrolled: Enrolled
    _zone: str = field(init=False)
    _meter: Meter = field(init=False)
    _processes: Processes = field(init=False)
    _lookout: Lookout = field(init=False)
    _delivery: Delivery = field(init=False)
    _prompting: Prompting = field(init=False)
    _policy: CollectionPolicy = field(init=False)
    _newer_policy: CollectionPolicy | None = None
    _presence: tuple[PresenceRecord, ...] = ()
    _boot_id: str = field(default_factory=boot_id)
    _waiting: list[Record] = field(default_factory=list)
    """Decided, and not stored yet."""
    _stored_ms: int = 0
    _looked_ms: int = 0
    _status_ms: int = 0
    _project: Project | None = None
    _project_stamp: int = 0
    _searches: bool = True
    _is_dirty: bool = False
    """Whether the meter's state is worth a checkpoint."""
    _stopping: threading.Event = field(default_factory=threading.Event)
    _stored_all: threading.Event = field(default_factory=threading.Event)
    _failures: int = 0
    _complaints: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take up what the last run left."""
        self._zone = host_zone() or self.enrolled.zone
        self._policy = load_policy(self.home.policy)
        self._meter = self._restored()
        self._processes = Processes(self.own)
        self._processes.meter(self._policy.applications)
        self._lookout = Lookout(self.sensor, self.clock)
        self._prompting = Prompting(self.home)
        self._delivery = Delivery(self.enrolled, self.spool, self.clock, self, _chance)

    def _restored(self) -> Meter:
        return Meter(lambda: os.urandom(16).hex(), self.spool.state())

    # --- What delivery sees --------------------------------------------------------------------------------

    def presence(self) -> tuple[PresenceRecord, ...]:
        """Return what every open session is doing now; nothing once the agent stops."""
        return self._presence

    def policy(self) -> CollectionPolicy:
        """Return the policy in force."""
        return self._newer_policy or self._policy

    def renew_policy(self, policy: CollectionPolicy) -> None:
        """Keep a newer policy, and put it in force with the next step."""
        store_policy(self.home.policy, policy)
        self._newer_policy = policy

    def projects_wanted(self) -> Wanted:
        """Return whose list of open projects is kept here, in which version, and where a newer one goes."""
        path = self.home.projects
        return Wanted(self.own.account, version(path), lambda chunks: store(path, chunks))

    # --- Running -------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End the loop soon; may be called from a signal handler."""
        self._stopping.set()
        self._processes.exits.wake()

    def run(self) -> None:
        """Meter until `stop` is called."""
        log.info("agent %s: policy %s, sensor %s", VERSION, self._policy.version, self.sensor.name)
        delivery = threading.Thread(target=self._deliver, name="delivery", daemon=True)
        delivery.start()
        while not self._stopping.is_set():
            try:
                self._step()
            except Exception:  # noqa: BLE001  (_recover logs it)
                self._recover()
            else:
                self._failures = 0
                self._wait(self._pause_seconds())
        self._end()
        delivery.join(LAST_DELIVERY_SECONDS)
        self._lookout.close()
        log.info("agent ended")

    def _recover(self) -> None:
        """Go on from the last checkpoint, as after a kill; what was not stored becomes unobserved."""
        self._failures += 1
        if self._failures & (self._failures - 1) == 0:  # 1, 2, 4, 8, ...: a log is not to fill the disk
            log.exception("step failed, %s in a row; going on from the last checkpoint", self._failures)
        self._wait(FAILED_STEP_SECONDS)
        self._waiting.clear()
        self._meter = self._restored()
        self._prompting.recover()

    def _wait(self, seconds: float) -> None:
        ended = self._processes.exits.wait(seconds)
        if ended:
            self._processes.note_exits(ended, self.clock.now().boot_ms)

    def _pause_seconds(self) -> float:
        """Return how long to wait: a poll, or until a gap would reach the floor."""
        poll_ms = min(self._policy.poll_ms, self._policy.gap_floor_ms // 2)
        last_input_ms = self._lookout.last.last_input_ms
        if last_input_ms is not None and self._presence:
            floor_in_ms = last_input_ms + self._policy.gap_floor_ms - self.clock.now().boot_ms
            if 0 < floor_in_ms < poll_ms:
                return (floor_in_ms + 1) / 1000
        return poll_ms / 1000

    # --- One step ------------------------------------------------------------------------------------------

    def _step(self) -> None:
        self._take_policy()
        seen, look = self._sense()
        moment = self.clock.now()
        self._waiting += self._meter.step(self._sample(moment, seen, look), self._policy)
        answered = self._prompting.step(self._meter, self._policy, moment.mono_ms)
        self._waiting += answered
        self._presence = self._meter.presence()
        self._is_dirty |= self._meter.changed or bool(answered)
        self._store(moment)
        self._tell(moment, look)

    def _sense(self) -> tuple[Seen, Look]:
        """Scan the processes, and look at the desktop.

        While something that is metered runs, launches are searched for with every other step, and when an
        unknown process has the focus: whenever a launch is found, its true start is known.
        """
        classes = self._lookout.window_classes
        self._searches = not (self._presence and self._searches)
        seen = self._processes.scan(self.clock.now(), classes, search=self._searches)
        look = self._look(bool(seen.instances))
        focus = look.sight.focus_pid
        if focus is not None and not self._searches and not self._processes.knows(focus):
            seen = seen.then(self._processes.scan(self.clock.now(), classes))
        return seen, look

    def _take_policy(self) -> None:
        newer = self._newer_policy
        if newer:
            self._policy, self._newer_policy = newer, None
            self._processes.meter(newer.applications)
            log.info("policy %s is in force", newer.version)

    def _look(self, wanted: bool) -> Look:
        """Look at the desktop, or remember what was seen while nothing that is metered runs."""
        now_ms = self.clock.now().mono_ms
        if not wanted and now_ms - self._looked_ms < IDLE_LOOK_MS:
            return self._lookout.last
        self._looked_ms = now_ms
        return self._lookout.look()

    def _sample(self, moment: Moment, seen: Seen, look: Look) -> Sample:
        sight = look.sight
        return Sample(
            moment=moment,
            boot_id=self._boot_id,
            zone=self._zone,
            instances=seen.instances,
            exits=seen.exits,
            searched_ms=seen.searched_ms,
            cpu_ms=seen.cpu_ms,
            sees_focus=sight.sees_focus,
            sees_input=sight.sees_input,
            sees_lock=sight.sees_lock,
            focus_pid=sight.focus_pid,
            last_input_ms=look.last_input_ms,
            locked=sight.locked,
            disconnected=sight.disconnected,
            inhibiting=sight.inhibiting,
            project=self._set_project(),
        )

    def _set_project(self) -> Project | None:
        """Return the project that is set; its file is read again when it changed."""
        try:
            stamp = self.home.project_file.stat().st_mtime_ns
        except OSError:
            return self._project
        if stamp != self._project_stamp:
            self._project_stamp, self._project = stamp, self.home.project() or self._project
        return self._project

    # --- Keeping -------------------------------------------------------------------------------------------

    def _store(self, moment: Moment) -> None:
        """Write down what was decided, with the meter's state: on change, and at each checkpoint."""
        since_ms = moment.mono_ms - self._stored_ms
        if since_ms < (COMMIT_MS if self._is_dirty else self._policy.checkpoint_ms):
            return
        self._stored_ms = moment.mono_ms
        try:
            self._commit()
        except AgentProblem as problem:
            self._complain("spool", f"{problem}; what was decided waits in memory")
        else:
            self._complain("spool", "")

    def _commit(self) -> None:
        self.spool.commit(self._waiting, self._meter.document())
        self._waiting.clear()
        self._is_dirty = False
        self._prompting.forget()

    def _tell(self, moment: Moment, look: Look) -> None:
        if moment.mono_ms - self._status_ms < STATUS_MS:
            return
        self._status_ms = moment.mono_ms
        self._zone = host_zone() or self._zone
        self._complain("sensor", "; ".join(look.sight.blind_spots))
        self._complain("prompt", self._prompting.complaint)
        if self._lookout.failure:
            log.warning("the sensor failed: %s", self._lookout.failure)
            self._lookout.failure = None
        self._write_status(look)

    def _complain(self, about: str, complaint: str) -> None:
        """Say in the log what is amiss, once, and when it is over."""
        if complaint != self._complaints.get(about, ""):
            self._complaints[about] = complaint
            log.warning("%s: %s", about, complaint or "all is well again")

    def _write_status(self, look: Look, *, running: bool = True) -> None:
        document: dict[str, Any] = {
            "running": running,
            "pid": os.getpid(),
            "version": VERSION,
            "policy_version": self._policy.version,
            "applications": [application.name for application in self._policy.applications],
            "sensor": self.sensor.name,
            "sees": {
                "focus": look.sight.sees_focus,
                "input": look.sight.sees_input,
                "lock": look.sight.sees_lock,
            },
            "blind_spots": list(look.sight.blind_spots),
            "prompt": self._prompting.describe(self._policy),
            "open": [asdict(record) for record in self._meter.presence()],
            "delivery": asdict(self._delivery.outcome),
            "written_ms": self.clock.now().wall_ms,
        }
        try:
            write_private(self.home.status, json.dumps(document), lasting=False)
        except AgentProblem as problem:
            log.error("%s", problem)

    # --- Delivering, and ending ----------------------------------------------------------------------------

    def _deliver(self) -> None:
        """Deliver until the agent stops; what is open then is no longer shown as open."""
        while not self._stopping.wait(DELIVERY_TICK_SECONDS):
            try:
                self._delivery.attempt()
            except Exception:
                log.exception("delivery failed; it is tried again")
            self._complain("delivery", self._delivery.outcome.error or "")
        self._stored_all.wait(LAST_DELIVERY_SECONDS)
        try:
            self._delivery.attempt(at_once=True)
        except Exception:
            log.exception("the last delivery failed; it follows with the next start")

    def _end(self) -> None:
        """Take a last sample and write all down; delivery then tries once more."""
        try:
            self._step()
            self._waiting += self._meter.stop()
            self._commit()
            self._write_status(self._lookout.last, running=False)
        except Exception:
            log.exception("the last step failed; what the last checkpoint holds stays")
        self._presence = ()
        self._stored_all.set()


def _chance() -> float:
    return int.from_bytes(os.urandom(4), "big") / 2**32
