"""What a process waits for before its work, on what it refuses to begin, and what it says meanwhile."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from ops.broker.ports import free_ports
from streams.foreground import Foreground, Needs
from streams.health import WorkerStatus
from streams.refusals import Refusal
from streams.settings import Settings
from streams.topic_rules import Problem
from tests.streams.toy import EVENTS, REQUESTS, TOPICS

MISSING = Problem("w.toy-events.v1", "does not exist", "run `walletstream topics apply`")
OTHER = Problem("w.toy-requests.v1", "has 3 partitions instead of 2", "set WALLETSTREAM_PARTITIONS=3")
LOGIN = Refusal("k:1 refuses the login of user w", "see whether the password is right")


class Cluster:
    """What the cluster answers whenever it is asked; the last answer for ever."""

    def __init__(self, *answers: list[Problem] | Exception, refusal: Refusal | None = None):
        self.answers = list(answers)
        self.refusal = refusal
        self.asked: list[tuple[object, ...]] = []
        self.is_left = False
        #: By the clock of the process, which each question takes on.
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    async def check(self, _settings: Settings, *needs: object) -> list[Problem]:
        self.asked.append(needs)
        self.now_s += 1.0
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def why_refused(self, _settings: Settings) -> Refusal | None:
        return self.refusal


class Process(Foreground):
    """A process whose work is done at once."""

    def __init__(self, settings: Settings):
        self.status = WorkerStatus()
        super().__init__("toy", settings, Needs(TOPICS, [REQUESTS], EVENTS), self.status)
        self.has_served = False
        #: What it says while it works on and on; where it is empty it is done at once.
        self.works_for = ""

    async def serve(self) -> int:
        self.has_served = True
        if self.works_for:
            self.status.waiting_for = self.works_for
            await self.stopped.wait()
        return 0


def start(
    monkeypatch: pytest.MonkeyPatch,
    cluster: Cluster,
    meanwhile: Callable[[Process], Coroutine[Any, Any, None]] | None = None,
    **settings: Any,
) -> tuple[int, Process]:
    """Run a process to its end; returns its code."""

    async def main() -> tuple[int, Process]:
        process = Process(Settings(bootstrap_servers="k:1", **({"web_port": 0} | settings)))
        running = asyncio.create_task(process.run())
        try:
            if meanwhile is not None:
                await asyncio.wait_for(meanwhile(process), 5)
            # Not cancelled where it is late: it would end then.
            await asyncio.wait([running], timeout=5)
            assert running.done()
            return running.result(), process
        finally:
            running.cancel()

    monkeypatch.setattr("streams.foreground._FIRST_WAIT_S", 0.001)
    monkeypatch.setattr("streams.foreground._LONGEST_WAIT_S", 0.005)
    monkeypatch.setattr("streams.foreground.time", cluster)
    monkeypatch.setattr("streams.foreground.check_cluster", cluster.check)
    monkeypatch.setattr("streams.foreground.why_refused", cluster.why_refused)
    return asyncio.run(main())


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def test_a_cluster_that_is_as_it_must_be_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster([])
    code, process = start(monkeypatch, cluster)
    assert (code, process.has_served) == (0, True)
    assert cluster.asked == [(TOPICS, [REQUESTS], EVENTS)]


def test_each_thing_that_is_wrong_is_named_and_nothing_is_begun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster([MISSING, OTHER])
    code, process = start(monkeypatch, cluster)
    assert (code, process.has_served) == (2, False)
    assert len(cluster.asked) > 1, "a topic just created is not known to every broker at once"
    told = capsys.readouterr().err.splitlines()
    assert told[-3:] == ["the cluster is not as toy needs it:", f"  {MISSING}", f"  {OTHER}"]


def test_bad_news_that_pass_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    code, process = start(monkeypatch, Cluster([MISSING], [MISSING], []))
    assert (code, process.has_served) == (0, True)


@pytest.mark.parametrize("error", [KafkaConnectionError("nobody"), TimeoutError("too slow"), OSError("no route")])
def test_brokers_that_are_away_are_waited_for(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """For as long as it takes: all workers of a fleet exiting at once would help nobody."""
    cluster = Cluster(error)

    async def meanwhile(process: Process) -> None:
        assert process.status.reasons() == ["starting"]
        await until(lambda: "connecting" in process.status.waiting_for)
        await until(lambda: len(cluster.asked) > 50)
        assert process.status.reasons() == [f"connecting: Kafka at k:1 does not answer: {error}"]
        cluster.answers = [[]]

    code, process = start(monkeypatch, cluster, meanwhile)
    assert (code, process.has_served) == (0, True)


def test_it_says_whom_it_asks_while_nothing_has_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster([])

    async def never(*_needs: object) -> list[Problem]:
        try:
            await asyncio.Event().wait()
        finally:
            cluster.is_left = True
        raise AssertionError

    async def meanwhile(process: Process) -> None:
        await until(lambda: process.status.waiting_for != "starting")
        assert process.status.reasons() == ["connecting to Kafka at k:1"]
        process.stop()

    monkeypatch.setattr(cluster, "check", never)
    code, process = start(monkeypatch, cluster, meanwhile)
    assert (code, process.has_served) == (0, False)
    assert cluster.is_left, "asking ends with the process"


@pytest.mark.parametrize(
    ("error", "refusal", "says"),
    [
        (KafkaConnectionError("closed"), LOGIN, str(LOGIN)),
        (TopicAuthorizationFailedError("w.events"), None, "this user may not use topic w.events"),
    ],
)
def test_brokers_that_refuse_us_end_it_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    refusal: Refusal | None,
    says: str,
) -> None:
    cluster = Cluster(error, refusal=refusal)

    async def meanwhile(process: Process) -> None:
        await until(lambda: says in process.status.waiting_for)

    code, process = start(monkeypatch, cluster, meanwhile)
    assert (code, process.has_served) == (2, False)
    assert len(cluster.asked) > 1, "a user that is just being created is there by then"
    assert f"Kafka does not let toy in: {says}" in capsys.readouterr().err.splitlines()[-1]


def test_a_refusal_that_passes_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as of a broker that starts with the others' users, and is away afterwards for longer."""
    cluster = Cluster(KafkaConnectionError("closed"), refusal=LOGIN)

    async def meanwhile(process: Process) -> None:
        await until(lambda: str(LOGIN) in process.status.waiting_for)
        cluster.refusal = None
        await until(lambda: "does not answer" in process.status.waiting_for)
        asked = len(cluster.asked)
        await until(lambda: len(cluster.asked) > asked + 10)
        cluster.refusal = LOGIN
        await until(lambda: str(LOGIN) in process.status.waiting_for)
        cluster.answers = [[]]

    code, process = start(monkeypatch, cluster, meanwhile)
    assert (code, process.has_served) == (0, True)


async def get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
        return response.status, await response.text()


def test_a_login_that_is_refused_while_it_works_shows_in_its_readiness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as after a password was changed."""
    (port,) = free_ports("127.0.0.1", 1)
    cluster = Cluster([], refusal=LOGIN)

    async def meanwhile(process: Process) -> None:
        process.works_for = "rebalancing"
        await until(lambda: process.has_served)
        body = ""
        while str(LOGIN) not in body:
            code, body = await get(port, "/readyz")
        assert (code, '"reasons":["rebalancing","connecting: ' in body) == (503, True)
        process.stop()

    monkeypatch.setattr("streams.door.why_refused", cluster.why_refused)
    monkeypatch.setattr("streams.door._LOOK_EVERY_S", 0.001)
    code, _ = start(monkeypatch, cluster, meanwhile, web_port=port, security_protocol="SSL")
    assert code == 0


def test_probes_are_answered_from_the_begin_and_the_port_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports("127.0.0.1", 1)
    cluster = Cluster(KafkaConnectionError("nobody"))

    async def meanwhile(process: Process) -> None:
        await until(lambda: len(cluster.asked) > 1)
        assert (await get(port, "/livez"))[0] == 200
        code, body = await get(port, "/readyz")
        assert (code, "does not answer: KafkaConnectionError: nobody" in body) == (503, True)
        process.stop()

    code, _ = start(monkeypatch, cluster, meanwhile, web_port=port)
    assert code == 0
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
