"""Delivery against a small real HTTP server that answers what a test tells it to."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trustme
from small_manager import AGENT, KEY, Answer, SmallManager, acknowledge

from collector.agent.clock import Moment
from collector.agent.delivery import MAX_DELAY_HERE_MS, Backoff, Delivery
from collector.agent.errors import AgentProblem
from collector.agent.home import Enrolled
from collector.agent.spool import Spool, SpoolReader
from collector.agent.wire import Wanted, address
from collector.protocol import (
    CollectionPolicy,
    MonitoredApplication,
    PresenceRecord,
    Signature,
    WatchRecord,
)

POLICY = CollectionPolicy(version=1, applications=())
PRESENT = PresenceRecord(
    session="0" * 32,
    application="cad",
    account="ana",
    attention="input",
    attention_since_ms=1,
    since_ms=2,
    started_ms=0,
)


@dataclass
class Host:
    """What delivery sees of the service, and a clock that a test moves."""

    manager: SmallManager
    spool: Spool
    present: tuple[PresenceRecord, ...] = ()
    in_force: CollectionPolicy = POLICY
    mono_ms: int = 1_000_000
    taken: list[bytes] = field(default_factory=list)
    delivery: Delivery = field(init=False)

    def __post_init__(self) -> None:
        enrolled = Enrolled(self.manager.url, AGENT, KEY, "host", "Etc/UTC")
        self.delivery = Delivery(enrolled, self.spool, self, self, lambda: 0.5)

    def now(self) -> Moment:
        return Moment(self.mono_ms, 1_800_000_000_000 + self.mono_ms, self.mono_ms)

    def presence(self) -> tuple[PresenceRecord, ...]:
        return self.present

    def policy(self) -> CollectionPolicy:
        return self.in_force

    def renew_policy(self, policy: CollectionPolicy) -> None:
        self.in_force = policy

    def projects_wanted(self) -> Wanted:
        return Wanted("MERIDIAN\\ana k", "7", self.take)

    def take(self, chunks: Iterator[bytes]) -> None:
        self.taken.append(b"".join(chunks))
        if self.taken[-1] == b"damaged":
            raise AgentProblem("The list is damaged", "the last good list stays")

    def after(self, seconds: float) -> None:
        self.mono_ms += round(seconds * 1000)
        self.delivery.attempt()

    def record(self, count: int = 1) -> None:
        records = [
            WatchRecord(start_ms=n, end_ms=n + 1, sees_focus=True, sees_input=True, sees_lock=True)
            for n in range(count)
        ]
        self.spool.commit(records, {})


@pytest.fixture
def manager() -> Iterator[SmallManager]:
    with SmallManager() as made:
        made.policy = asdict(POLICY)
        yield made


@pytest.fixture
def host(manager: SmallManager, tmp_path: Path) -> Iterator[Host]:
    with Spool(tmp_path / "spool.sqlite") as spool:
        made = Host(manager, spool)
        yield made
        made.delivery.close()


def test_what_waits_is_sent_signed_and_forgotten(host: Host) -> None:
    host.record(3)
    host.after(0)
    (batch,) = host.manager.batches
    assert [(row["sequence"], row["record"]["start_ms"]) for row in batch["records"]] == [
        (1, 0),
        (2, 1),
        (3, 2),
    ]
    assert (batch["protocol"], batch["epoch"], batch["backlog"]) == (1, host.spool.epoch, 3)
    assert batch["sent_ms"] == 1_800_001_000_000
    assert host.spool.backlog() == 0
    assert host.manager.unsigned == 0
    assert host.delivery.outcome.delivered_ms == 1_800_001_000_000


def test_presence_goes_every_five_seconds_while_something_is_open(host: Host) -> None:
    host.present = (PRESENT,)
    for _ in range(11):
        host.after(1)
    assert [batch["presence"] for batch in host.manager.batches] == [[asdict(PRESENT)]] * 3


def test_a_session_that_ended_is_told_at_once_by_its_absence(host: Host) -> None:
    host.present = (PRESENT,)
    host.after(0)
    host.present = ()
    host.after(5)
    host.after(5)
    assert [len(batch["presence"]) for batch in host.manager.batches] == [1, 0]


def test_records_alone_go_every_ten_seconds_and_silence_is_broken_once_a_minute(host: Host) -> None:
    host.after(0)
    host.record()
    sent = []
    for second in range(1, 101):
        host.after(1)
        sent += [second] * (len(host.manager.batches) - 1 - len(sent))
    assert sent == [10, 70]


def test_one_connection_serves_many_batches(host: Host) -> None:
    host.present = (PRESENT,)
    for _ in range(5):
        host.after(5)
    assert (len(host.manager.batches), host.manager.connections) == (5, 1)


def test_a_connection_that_the_manager_closed_is_opened_again_without_a_failure(host: Host) -> None:
    host.present = (PRESENT,)
    host.after(0)
    host.delivery._wire._connection.sock.shutdown(2)
    host.after(5)
    assert (len(host.manager.batches), host.delivery.outcome.error) == (2, None)


def test_failures_back_off_from_one_second_to_a_minute_and_nothing_is_lost(host: Host) -> None:
    host.record()
    host.manager.answer = lambda _: (503, {"error": "away"})
    attempts = []
    for second in range(400):
        host.after(1)
        attempts += [second] * (len(host.manager.batches) - len(attempts))
    waits = [after - before for before, after in pairwise(attempts)]
    assert waits[:6] == [1, 2, 3, 6, 12, 24]
    assert max(waits) <= MAX_DELAY_HERE_MS / 1000
    assert host.delivery.outcome.error == "away"
    host.manager.answer = acknowledge
    host.after(60)
    assert (host.spool.backlog(), host.delivery.outcome.error) == (0, None)


def test_a_manager_that_is_away_is_an_error_that_names_it(
    host: Host, manager: SmallManager, tmp_path: Path
) -> None:
    gone = Enrolled("http://127.0.0.1:9", AGENT, KEY, "host", "Etc/UTC")
    delivery = Delivery(gone, host.spool, host, host, lambda: 0.5)
    delivery.attempt()
    assert delivery.outcome.error is not None
    assert delivery.outcome.error.startswith("127.0.0.1: no answer")


@pytest.mark.parametrize(
    "bad",
    [
        (200, b"<html>a proxy's page</html>"),
        (200, {"acknowledged": "7"}),
        (200, {"acknowledged": True, "policy_version": 1}),
        (200, {"acknowledged": 0, "policy_version": 1}),
        (200, []),
        (302, {"location": "elsewhere"}),
        (401, {"error": "The request is not signed", "remedy": "enroll again"}),
        (500, b""),
    ],
)
def test_one_bad_answer_loses_nothing_and_stops_nothing(host: Host, bad: Answer) -> None:
    host.record()
    host.manager.answer = lambda _: bad
    host.after(0)
    assert host.spool.backlog() == 1
    assert host.delivery.outcome.error
    host.manager.answer = acknowledge
    host.after(5)
    assert host.spool.backlog() == 0


def test_an_acknowledgement_of_a_part_leaves_the_rest(host: Host) -> None:
    host.record(5)
    host.manager.answer = lambda _: (200, {"acknowledged": 2, "policy_version": 1})
    host.after(0)
    assert [row.sequence for row in host.spool.peek(9, 9999)] == [3, 4, 5]


def test_a_manager_that_has_more_than_we_know_is_followed(host: Host) -> None:
    host.record(5)
    host.manager.answer = lambda _: (409, {"error": "gap", "fields": {"expected_sequence": "4"}})
    host.after(0)
    assert [row.sequence for row in host.spool.peek(9, 9999)] == [4, 5]


def test_a_manager_that_was_set_back_gets_a_new_epoch(host: Host) -> None:
    host.record(5)
    host.spool.acknowledge(3)
    epoch = host.spool.epoch
    host.manager.answer = lambda _: (409, {"error": "gap", "fields": {"expected_sequence": "2"}})
    host.after(0)
    assert host.spool.epoch != epoch
    assert [row.sequence for row in host.spool.peek(9, 9999)] == [1, 2]


def test_a_spool_that_was_set_back_gets_a_new_epoch(host: Host) -> None:
    host.record(2)
    epoch = host.spool.epoch
    host.manager.answer = lambda _: (200, {"acknowledged": 900, "policy_version": 1})
    host.after(0)
    assert host.spool.epoch != epoch
    assert host.spool.backlog() == 2


def test_a_record_that_is_refused_is_found_by_halving_and_set_aside(host: Host, tmp_path: Path) -> None:
    host.record(8)

    def refuse_five(batch: dict[str, Any]) -> Answer:
        if any(row["record"]["start_ms"] == 5 for row in batch["records"]):
            return 422, {"error": "no such thing"}
        return acknowledge(batch)

    host.manager.answer = refuse_five
    for _ in range(60):
        host.after(60)
    assert host.spool.backlog() == 0
    reader = SpoolReader(tmp_path / "spool.sqlite")
    assert [(row["start_ms"], reason) for _, row, reason in reader.records()] == [(5, "no such thing")]
    reader.close()


def test_a_large_backlog_goes_in_batches_one_after_the_other(host: Host) -> None:
    host.record(1200)
    for _ in range(3):
        host.after(1)
    assert [len(batch["records"]) for batch in host.manager.batches] == [500, 500]
    host.after(10)
    assert host.spool.backlog() == 0


def test_a_newer_policy_is_fetched_when_an_answer_names_it(host: Host) -> None:
    host.present = (PRESENT,)
    host.after(0)
    assert host.manager.policies == 1
    host.manager.policy = asdict(replace(POLICY, version=2, presence_ms=1_000))
    host.manager.answer = lambda batch: acknowledge(batch, version=2)
    host.after(5)
    assert (host.manager.policies, host.in_force.version) == (2, 2)
    host.after(1)
    host.after(1)
    assert host.manager.policies == 2


def test_a_bad_policy_leaves_the_last_good_one_in_force(host: Host) -> None:
    host.manager.policy = {"version": 2, "applications": "all"}
    host.after(0)
    assert host.in_force == POLICY
    assert "last good policy" in (host.delivery.outcome.error or "")
    host.record()
    host.after(10)
    assert host.spool.backlog() == 0


def test_the_first_delay_is_one_second_and_the_others_are_spread() -> None:
    backoff = Backoff(300_000)
    assert [backoff.fail(0.0) for _ in range(4)] == [1_000, 1_000, 2_000, 4_000]
    assert [backoff.fail(1.0) for _ in range(8)] == [
        16_000,
        32_000,
        64_000,
        128_000,
        256_000,
        300_000,
        300_000,
        300_000,
    ]


def test_an_encrypted_manager_is_believed_only_with_a_certificate_that_is_trusted(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with SmallManager(context) as secure:
        enrolled = Enrolled(secure.url, AGENT, KEY, "host", "Etc/UTC")
        host.record()
        stranger = Delivery(enrolled, host.spool, host, host, lambda: 0.5)
        stranger.attempt()
        assert "certificate verify failed" in (stranger.outcome.error or "")
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        trusting = Delivery(enrolled, host.spool, host, host, lambda: 0.5)
        trusting.attempt()
        trusting.close()
        assert (trusting.outcome.error, host.spool.backlog()) == (None, 0)


@pytest.mark.parametrize(
    "url",
    [
        "http://meter.example.org",
        "ftp://127.0.0.1",
        "127.0.0.1:8610",
        "",
        "https://",
        "http://127.0.0.1.evil",
    ],
)
def test_a_url_that_is_none_or_not_safe_is_refused(url: str) -> None:
    with pytest.raises(AgentProblem, match="give"):
        address(url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8610", "http://localhost/x/", "http://[::1]:1", "https://a.example"]
)
def test_encrypted_or_local_urls_are_taken(url: str) -> None:
    assert address(url).host


# --- The list of open projects -----------------------------------------------------------------------------

BILLED = CollectionPolicy(
    version=1,
    applications=(
        MonitoredApplication(code="cad", name="CAD", billed=True, signatures=(Signature(executable="cad"),)),
    ),
)


@pytest.fixture
def billing(host: Host) -> Host:
    host.in_force = BILLED
    host.manager.policy = asdict(BILLED)
    return host


def test_the_list_is_asked_for_at_its_time_with_the_version_at_hand(billing: Host) -> None:
    billing.manager.project_list = (200, b"projects")
    billing.after(0)
    billing.after(299)
    assert billing.manager.listed == [("/v1/projects?account=MERIDIAN%5Cana%20k", '"7"')]
    billing.after(1)
    assert len(billing.manager.listed) == 2
    assert billing.taken == [b"projects", b"projects"]
    assert billing.manager.unsigned == 0


def test_a_list_that_is_as_it_was_is_not_taken_again(billing: Host) -> None:
    billing.manager.project_list = (304, b"")
    billing.after(0)
    assert (len(billing.manager.listed), billing.taken) == (1, [])
    assert billing.delivery.outcome.projects_error is None


def test_where_nothing_is_billed_no_list_is_asked_for(host: Host) -> None:
    host.after(0)
    host.after(300)
    assert host.manager.policies == 2
    assert host.manager.listed == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, {"error": "GET /v1/projects: Not Found"}), "GET /v1/projects: Not Found"),
        ((200, b"damaged"), "The list is damaged; the last good list stays"),
    ],
)
def test_a_list_that_does_not_come_holds_nothing_up(billing: Host, answer: Answer, said: str) -> None:
    billing.manager.project_list = answer
    billing.record()
    billing.after(0)
    assert billing.delivery.outcome.projects_error == said
    assert billing.delivery.outcome.error is None
    billing.record()
    billing.after(10)
    assert billing.spool.backlog() == 0
    billing.manager.project_list = (200, b"whole")
    billing.after(300)
    assert (billing.taken[-1], billing.delivery.outcome.projects_error) == (b"whole", None)
