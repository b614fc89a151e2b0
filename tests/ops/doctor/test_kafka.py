"""What the doctor makes of the brokers' answers, and of a real one's."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from ops import admin
from ops.cli.topics import apply_topics
from ops.doctor import Finding, Level, diagnose
from ops.doctor.kafka import broker_faults, clock_finding, isolation_advice, speed_finding
from schemas.catalogue import TOPICS
from streams.settings import Settings
from tests.broker import Kafka

FIT = {
    "auto.create.topics.enable": "false",
    "group.max.session.timeout.ms": "1800000",
    "group.min.session.timeout.ms": "6000",
    "offsets.topic.replication.factor": "3",
    "transaction.max.timeout.ms": "900000",
    "transaction.state.log.min.isr": "2",
    "transaction.state.log.replication.factor": "3",
}


def test_a_broker_that_fits() -> None:
    assert list(broker_faults(FIT, Settings(durability="replicated"))) == []
    assert list(broker_faults({}, Settings(durability="replicated"))) == []


@pytest.mark.parametrize(
    ("setting", "value", "level"),
    [
        ("transaction.max.timeout.ms", "9999", Level.PROBLEM),
        ("group.min.session.timeout.ms", "10001", Level.PROBLEM),
        ("group.max.session.timeout.ms", "9999", Level.PROBLEM),
        ("offsets.topic.replication.factor", "2", Level.PROBLEM),
        ("transaction.state.log.replication.factor", "1", Level.PROBLEM),
        ("transaction.state.log.min.isr", "1", Level.PROBLEM),
        ("auto.create.topics.enable", "true", Level.WARNING),
    ],
)
def test_a_broker_that_does_not(setting: str, value: str, level: Level) -> None:
    ((found, what, mend),) = broker_faults(FIT | {setting: value}, Settings(durability="replicated"))
    assert found is level
    assert what.startswith(f"{setting} is {value}")
    assert mend


def test_one_copy_is_enough_where_it_is_said_to_be() -> None:
    assert list(broker_faults(FIT | {"transaction.state.log.min.isr": "1"}, Settings(durability="embedded"))) == []


@pytest.mark.parametrize(
    ("ahead_ms", "level", "says"),
    [
        (900, Level.OK, "0.900 s ahead of"),
        (-900, Level.OK, "0.900 s behind"),
        (1_500, Level.WARNING, "1.500 s ahead of"),
        (-301_000, Level.PROBLEM, "301.000 s behind"),
        (301_000, Level.PROBLEM, "301.000 s ahead of"),
    ],
)
def test_clocks(ahead_ms: float, level: Level, says: str) -> None:
    found = clock_finding(ahead_ms, 300)
    assert found.level is level
    assert says in found.what
    assert ("workers take nothing" in (found.mend or "")) == (ahead_ms > 300_000)


@pytest.mark.parametrize(("took_ms", "level"), [(0.4, Level.OK), (50.0, Level.OK), (50.1, Level.WARNING)])
def test_speed(took_ms: float, level: Level) -> None:
    found = speed_finding(took_ms, "1 at k:9092")
    assert (found.level, found.what) == (level, f"1 at k:9092, {took_ms} ms for a request")
    assert ("near the brokers" in (found.mend or "")) == (level is Level.WARNING)


def test_the_speed_of_a_broker_is_not_that_of_its_topics() -> None:
    """Asked of all topics, as aiokafka does for the cluster, a broker with a thousand of them takes 200 ms."""
    asked = []

    class Client:
        async def describe_topics(self, names: list[str] | None) -> list[Any]:
            asked.append(names)
            return []

    assert asyncio.run(admin.Admin(Client(), "").round_trip_ms()) < 50
    assert asked == [[]] * 5


def test_consumers_are_told_what_committed_means() -> None:
    advice = isolation_advice(Settings(namespace="x."))
    assert advice.level is Level.NOTE
    assert advice.mend is not None
    assert "x.*.v1" in advice.mend
    assert "isolation.level=read_committed" in advice.mend


@pytest.mark.kafka
def test_a_real_broker(kafka: Kafka, namespace: str) -> None:
    settings = Settings(bootstrap_servers=kafka.bootstrap_servers, namespace=namespace)

    async def diagnosed() -> tuple[list[Finding], list[Finding], list[str]]:
        before = await diagnose(settings, {})
        await apply_topics(settings)
        after = await diagnose(settings, {})
        async with admin.connect(kafka.bootstrap_servers) as connected:
            left = await connected.names(f"{namespace}doctor")
        return before, after, left

    before, after, left = asyncio.run(diagnosed())
    assert [f.level for f in before if f.area == "topics"] == [Level.PROBLEM] * len(TOPICS)
    assert [f.level for f in after if f.area == "topics"] == [Level.OK]
    assert [f.level for f in after if f.area == "clock"] == [Level.OK]
    # How quick the machine is just now is not the test's to say.
    version, speed, *faults = [f for f in after if f.area == "broker"]
    assert (version.level, faults) == (Level.OK, [])
    assert re.fullmatch(rf"1 at {re.escape(kafka.bootstrap_servers)}, [0-9.]+ ms for a request", speed.what)
    assert left == []


def test_no_broker_is_the_one_problem() -> None:
    settings = Settings(bootstrap_servers="127.0.0.1:1")
    found = asyncio.run(diagnose(settings, {}))
    (problem,) = [finding for finding in found if finding.level is Level.PROBLEM]
    assert problem.area == "broker"
    assert "no Kafka broker answers at 127.0.0.1:1" in problem.what
