"""process-meter-agent: enroll, run, status, project, show-my-data. The place that puts the parts together.

Modules are imported where a command needs them: a running agent carries what it uses and nothing else.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collector.agent import VERSION
from collector.agent.errors import AgentProblem
from collector.agent.home import Enrolled, Home, default_home

if TYPE_CHECKING:
    from collector.agent.sensors import Sensor
    from collector.protocol import CollectionPolicy

TOKEN_VARIABLE = "PROCESS_METER_ENROLLMENT_TOKEN"  # noqa: S105  (its name, not its value)
STANDARD_INPUT = "-"
EXAMPLES = {
    "enroll": "process-meter-agent enroll https://meter.example.org --token-file token.txt",
    "run": "process-meter-agent run",
    "status": "process-meter-agent status --json",
    "project": "process-meter-agent project set 2026-001 --phase 10",
    "show-my-data": "process-meter-agent show-my-data",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0 success, 1 failure, 2 wrong use."""
    given = _parser().parse_args(_joined(sys.argv[1:] if arguments is None else arguments))
    try:
        status: int = given.command(given)
    except AgentProblem as problem:
        if given.debug:
            traceback.print_exc()
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _joined(arguments: Sequence[str]) -> list[str]:
    """Join `--token` with what follows: a token may begin with a dash, which looks like an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--token":
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _parser() -> argparse.ArgumentParser:
    # Suppressed where not given, so that both places of `project --home DIR set --home DIR` work.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--home", type=Path, help="the agent's folder (default: PROCESS_METER_AGENT_HOME)")
    common.add_argument("--debug", action="store_true", help="show a traceback on failure")
    parser = argparse.ArgumentParser(
        prog="process-meter-agent",
        description="Meters the listed applications of this logon session.",
        epilog=f"example: {EXAMPLES['enroll']}",
        formatter_class=_formatter,
    )
    parser.add_argument("--version", action="version", version=VERSION)
    parser.set_defaults(home=None, debug=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=f"example: {EXAMPLES[name]}",
            parents=[common],
            formatter_class=_formatter,
        )

    _add_enroll(add("enroll", "Enroll this host with a manager, by a one-time token."))
    add("run", "Meter until ended by a signal.").set_defaults(command=_run)
    status = add("status", "Say how this agent is doing.")
    status.add_argument("--json", action="store_true", help="machine-readable output")
    status.set_defaults(command=_status)
    _add_project(add("project", "Show or set the project that billed applications work for."), common)
    shown = add("show-my-data", "Print everything that is held here and will be sent.")
    shown.set_defaults(command=_show_my_data)
    return parser


def _formatter(prog: str) -> argparse.HelpFormatter:
    # With a width it does not load shutil, and with that every compression there is.
    return argparse.HelpFormatter(prog, width=100)


def _add_enroll(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="the manager's address")
    tokens = parser.add_mutually_exclusive_group()
    tokens.add_argument("--token-file", type=Path, metavar="FILE", help="file with the token")
    tokens.add_argument(
        "--token",
        metavar="T",
        help=f"the token itself, which others can see in the list of processes: prefer --token-file, the "
        f"environment variable {TOKEN_VARIABLE}, or `-`, which reads it from standard input",
    )
    parser.add_argument("--zone", help="IANA zone of this host, if the system does not say it")
    parser.set_defaults(command=_enroll)


def _add_project(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="list|set|show")
    listed = actions.add_parser("list", help="list open projects, recent ones first", parents=[common])
    listed.add_argument("text", nargs="*", metavar="TEXT", help="a part of number, name or client")
    listed.set_defaults(command=_list_projects)
    shown = actions.add_parser("show", help="show the project", parents=[common])
    shown.set_defaults(command=_show_project)
    chosen = actions.add_parser("set", help="set the project, from now on", parents=[common])
    chosen.add_argument("number", metavar="NUMBER")
    chosen.add_argument("--phase", help="phase (WBS2)")
    chosen.add_argument("--task", help="task (WBS3)")
    chosen.add_argument(
        "--field", action="append", default=[], metavar="NAME=VALUE", help="a field of the organization's own"
    )
    chosen.set_defaults(command=_set_project)


def _home(given: argparse.Namespace) -> Home:
    return Home(given.home or default_home(os.environ))


# --- enroll ------------------------------------------------------------------------------------------------


def _enroll(given: argparse.Namespace) -> int:
    from collector.agent.clock import host_zone
    from collector.agent.installed import refuse_two_collectors
    from collector.agent.policy import store_policy

    refuse_two_collectors()
    zone = given.zone or host_zone()
    if zone is None:
        raise AgentProblem("This host does not say its time zone", "give it with --zone, as in Europe/Berlin")
    home = _home(given)
    with home.alone():
        enrolled, policy = _ask_to_enroll(given, zone)
        aside = home.put_spool_aside()
        home.enroll(enrolled)
        store_policy(home.policy, policy)
    names = ", ".join(application.name for application in policy.applications)
    print(f"Enrolled with {given.url} as {enrolled.host}. It meters: {names or 'nothing yet'}.")
    if aside:
        print(f"What the former enrollment had not delivered stays in {aside}.")
    return 0


def _ask_to_enroll(given: argparse.Namespace, zone: str) -> tuple[Enrolled, CollectionPolicy]:
    from collector.agent.policy import decode_policy
    from collector.agent.wire import Wire, post_enrollment
    from collector.protocol import EnrollmentRequest

    host = socket.gethostname()
    request = EnrollmentRequest(
        token=_token(given), host=host, zone=zone, system=sys.platform, agent_version=VERSION
    )
    with closing(Wire(given.url)) as wire:
        answer = post_enrollment(wire, request)
    agent, key = answer.get("agent"), answer.get("key")
    if not isinstance(agent, str) or not isinstance(key, str):
        raise AgentProblem(f"{given.url}: the answer names no agent", "see whether this is a manager's URL")
    return Enrolled(given.url, agent, key, host, zone), decode_policy(answer.get("policy"))


def _token(given: argparse.Namespace) -> str:
    """Return the token: from a file, the option, standard input, or the environment."""
    if given.token_file is not None:
        try:
            text = given.token_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise AgentProblem(
                f"{given.token_file}: it cannot be read: {error}", "give a file that holds the token"
            ) from error
    elif given.token == STANDARD_INPUT:
        text = sys.stdin.readline()
    else:
        text = given.token or os.environ.get(TOKEN_VARIABLE, "")
    if not text.strip():
        raise AgentProblem("There is no token, or it is empty", "ask for one, and give it with --token-file")
    return str(text.strip())


# --- run ---------------------------------------------------------------------------------------------------


def _run(given: argparse.Namespace) -> int:
    from collector.agent.installed import refuse_two_collectors_briefly

    os.umask(0o077)
    refuse_two_collectors_briefly()
    home = _home(given)
    enrolled = home.enrolled()
    if enrolled.url.startswith("http://"):
        _spare_openssl()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with home.alone():
        _serve(home, enrolled)
    return 0


def _spare_openssl() -> None:
    """Keep OpenSSL out of a process that talks to this machine alone: it would be a fifth of its memory.

    `http.client` loads `ssl` if it can, and `hashlib` its hashes; both do without.
    """
    for name in ("ssl", "_hashlib"):
        if name not in sys.modules:
            sys.modules[name] = None  # type: ignore[assignment]


def _serve(home: Home, enrolled: Enrolled) -> None:
    import signal

    from collector.agent.clock import SystemClock
    from collector.agent.process_table import account
    from collector.agent.processes import LogonSession
    from collector.agent.service import Service
    from collector.agent.spool import Spool

    sensor = load_sensor(sys.platform, os.environ)
    display = os.environ.get("DISPLAY") if sensor.name == "x11" else None
    own = LogonSession(account(), os.environ.get("XDG_SESSION_ID") or display or "host", display)
    with Spool(home.spool) as spool:
        if spool.set_aside:
            logging.error(
                "the spool was damaged; it was set aside as %s, and a new one begun", spool.set_aside
            )
        service = Service(home, SystemClock(), sensor, own, spool, enrolled)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: service.stop())
        service.run()


def load_sensor(platform: str, environment: Mapping[str, str]) -> Sensor:
    """Return the sensor for this desktop; where there is none, everything is metered as held, and says so."""
    from collector.agent.sensors import NoSensor

    held = "every session is metered as held"
    if platform in ("win32", "darwin"):
        return NoSensor(f"this agent does not see the desktop of {platform} yet: {held}")
    if environment.get("XDG_SESSION_TYPE") == "wayland" or environment.get("WAYLAND_DISPLAY"):
        return NoSensor(f"this agent does not see a Wayland desktop yet: {held}")
    if not environment.get("DISPLAY"):
        return NoSensor(f"there is no display: {held}")
    try:
        from collector.agent.sensors.x11 import X11Sensor
    except ImportError:
        return NoSensor(f"python-xlib is not installed, so the display is not seen: {held}")
    from collector.agent.login_manager import LoginLock

    return X11Sensor(environment["DISPLAY"], LoginLock(environment))


# --- status ------------------------------------------------------------------------------------------------


def _status(given: argparse.Namespace) -> int:
    document = _state_of(_home(given))
    if given.json:
        print(json.dumps(document, indent=2))
        return 0
    for name, value in document.items():
        print(f"{name.replace('_', ' ') + ':':<16}{_plain(name, value)}")
    return 0


def _state_of(home: Home) -> dict[str, Any]:
    from collector.agent.home import read_document
    from collector.agent.plain_words import moment
    from collector.agent.policy import load_policy
    from collector.agent.spool import SpoolReader

    enrolled = home.enrolled()
    policy = load_policy(home.policy)
    told = read_document(home.status) or {}
    running = home.is_running()
    backlog = refused = 0
    if home.spool.exists():
        reader = SpoolReader(home.spool)
        backlog, refused = reader.counts()
        reader.close()
    delivery = told.get("delivery") or {}
    return {
        "running": running,
        "manager": enrolled.url,
        "agent": enrolled.agent,
        "host": enrolled.host,
        "version": VERSION,
        "policy_version": policy.version,
        "applications": [application.name for application in policy.applications],
        "backlog": backlog,
        "refused": refused,
        "sensor": told.get("sensor"),
        "sees": told.get("sees"),
        "blind_spots": told.get("blind_spots"),
        "project_prompt": told.get("prompt"),
        "open": told.get("open", []) if running else [],
        "last_delivery": moment(delivery.get("delivered_ms")),
        "last_error": delivery.get("error"),
        "project_list": delivery.get("projects_error") or _list_of(home),
        "as_of": moment(told.get("written_ms")),
    }


def _list_of(home: Home) -> str:
    from collector.agent.project_list import version

    known = version(home.projects)
    return f"version {known[:12]}" if known else "none"


def _plain(name: str, value: Any) -> str:
    if name == "open":
        return ", ".join(f"{each['application']} ({each['attention']})" for each in value) or "no session"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {'yes' if seen else 'no'}" for key, seen in value.items())
    if isinstance(value, list):
        return "; ".join(value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


# --- project and show-my-data ------------------------------------------------------------------------------


def _list_projects(given: argparse.Namespace) -> int:
    from collector.agent.project_commands import listed

    print("\n".join(listed(_home(given), " ".join(given.text))))
    return 0


def _show_project(given: argparse.Namespace) -> int:
    from collector.agent.project_commands import in_force

    print("\n".join(in_force(_home(given))))
    return 0


def _set_project(given: argparse.Namespace) -> int:
    from collector.agent.project_commands import choice_of, put_in_force

    choice = choice_of(given.number, given.phase, given.task, given.field)
    print("\n".join(put_in_force(_home(given), choice)))
    return 0


def _show_my_data(given: argparse.Namespace) -> int:
    from collector.agent.plain_words import NEVER, describe, describe_open
    from collector.agent.project_commands import kept
    from collector.agent.spool import SpoolReader

    home = _home(given)
    reader = SpoolReader(home.spool)
    print(NEVER)
    print("\nWaiting to be sent to the manager (and deleted here once it has confirmed them):")
    lines = [line for row in reader.records() for line in describe(*row)]
    print("\n".join(lines) or "nothing")
    print("\nOpen now; their last stretches are sent once nothing about them can change any more:")
    open_sessions = [describe_open(session) for session in reader.sessions()]
    print("\n".join(line for lines in open_sessions for line in lines) or "nothing")
    reader.close()
    print("\n".join(["", *kept(home)]))
    return 0
