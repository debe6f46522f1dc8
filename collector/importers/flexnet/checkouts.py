"""Check-outs as sessions: what came back closes what was taken; a daemon that starts anew ends the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from collector.importers.records import Attention, Event, Hold, Paired, Step, StoredEvent

Holder = tuple[str, str, str]
"""Application, account, host."""


@dataclass(slots=True)
class _Checkout:
    key: int
    event: Event
    units: int
    """Not given back yet."""
    keys: list[int]
    shrinkings: list[tuple[int, int]] = field(default_factory=list)
    """When some of its licenses came back, and how many stayed out."""


@dataclass(slots=True)
class _Daemon:
    checkouts: dict[Holder, list[_Checkout]] = field(default_factory=dict)
    latest_ms: int = 0
    mark: int | None = None
    """The latest event, where it only says that the log was being written."""


def pair(events: Sequence[StoredEvent]) -> Iterator[Paired]:
    """Make one session of every check-out.

    Licenses that come back close check-outs of the same daemon, application, account and host: those of the
    same client process where the log names it; of these the oldest with exactly as many licenses; else the
    oldest ones, one after the other, the last of them in part. What comes back without having been taken is
    part of no session. When a daemon starts anew or ends, everything it had given out ended between its last
    line and that moment: the session ends at the former, and says how uncertain that is.

    Parameters
    ----------
    events
        In order of time, those of one instant in the order of the log.

    Returns
    -------
    Iterator[Paired]
        Closed sessions in order of their end, then the open ones in order of their start. The oldest open one
        of a daemon carries the mark up to which the daemon is known, too.
    """
    daemons: dict[str, _Daemon] = {}
    for key, event in sorted(events, key=_TIME):
        daemon = daemons.get(event.server)
        if daemon is None:
            daemon = daemons[event.server] = _Daemon()
        if event.kind == "start":
            _take(daemon, key, event)
        elif event.kind == "end":
            yield from _give_back(daemon, key, event)
        elif event.kind == "restart":
            yield from _end_all(daemon, event.at_ms)
        daemon.latest_ms = event.at_ms
        daemon.mark = key if event.kind == "mark" else None
    for _, daemon in sorted(daemons.items()):
        yield from _open(daemon)


_TIME = attrgetter("event.at_ms")


def _holder(event: Event) -> Holder:
    return event.application, event.account.lower(), event.host.lower()


def _take(daemon: _Daemon, key: int, event: Event) -> None:
    checkout = _Checkout(key, event, event.units, [key])
    holder = _holder(event)
    held = daemon.checkouts.get(holder)
    if held is None:
        daemon.checkouts[holder] = [checkout]
    else:
        held.append(checkout)


def _give_back(daemon: _Daemon, key: int, event: Event) -> Iterator[Paired]:
    holder = _holder(event)
    held = daemon.checkouts.get(holder)
    if held is None:
        return
    if len(held) == 1 and held[0].units == event.units:  # nearly always
        held[0].keys.append(key)
        yield _closed(held[0], event.at_ms, 0)
        del daemon.checkouts[holder]
        return
    left = event.units
    for checkout in _meant(held, event):
        checkout.keys.append(key)
        if checkout.units > left:
            _shrink(checkout, event.at_ms, checkout.units - left)
            break
        left -= checkout.units
        held.remove(checkout)
        yield _closed(checkout, event.at_ms, 0)
        if not left:
            break
    if not held:
        del daemon.checkouts[holder]


def _meant(held: list[_Checkout], event: Event) -> list[_Checkout]:
    """Return the check-outs that may have come back, in the order in which they are closed."""
    of_process = [each for each in held if each.event.subject == event.subject] or list(held)
    exact = [each for each in of_process if each.units == event.units]
    return exact[:1] or of_process


def _shrink(checkout: _Checkout, at_ms: int, units: int) -> None:
    checkout.units = units
    if checkout.shrinkings and checkout.shrinkings[-1][0] == at_ms:
        checkout.shrinkings.pop()
    checkout.shrinkings.append((at_ms, units))


def _end_all(daemon: _Daemon, at_ms: int) -> Iterator[Paired]:
    for held in daemon.checkouts.values():
        for checkout in held:
            yield _closed(checkout, daemon.latest_ms, at_ms - daemon.latest_ms)
    daemon.checkouts.clear()


def _closed(checkout: _Checkout, ended_ms: int, uncertainty_ms: int) -> Paired:
    hold = _hold(checkout, ended_ms, ended_ms, "held", uncertainty_ms)
    return Paired(hold, tuple(checkout.keys))


def _open(daemon: _Daemon) -> Iterator[Paired]:
    still = [checkout for held in daemon.checkouts.values() for checkout in held]
    still.sort(key=lambda checkout: (checkout.event.at_ms, checkout.key))
    mark = () if daemon.mark is None else (daemon.mark,)
    for checkout in still:
        hold = _hold(checkout, None, daemon.latest_ms, "unobserved", 0)
        yield Paired(hold, (*checkout.keys, *mark))
        mark = ()


def _hold(
    checkout: _Checkout, ended_ms: int | None, known_ms: int, attention: Attention, uncertainty_ms: int
) -> Hold:
    event = checkout.event
    return Hold(
        # The number of the event that took it: whatever else of the log is known, it stays.
        f"{checkout.key % 2**64:016x}",
        event.application,
        event.account,
        event.host,
        event.at_ms,
        ended_ms,
        known_ms,
        _steps(checkout, known_ms, attention),
        "",
        uncertainty_ms,
    )


def _steps(checkout: _Checkout, known_ms: int, attention: Attention) -> tuple[Step, ...]:
    """Return the numbers of licenses held, in order; those that came back at once held nothing."""
    if checkout.event.at_ms == known_ms:
        return ()
    whole = Step(checkout.event.at_ms, attention, checkout.event.units)
    if not checkout.shrinkings:
        return (whole,)
    shrunk = [Step(at_ms, attention, units) for at_ms, units in checkout.shrinkings if at_ms < known_ms]
    return tuple(shrunk) if shrunk and shrunk[0].at_ms == whole.at_ms else (whole, *shrunk)
