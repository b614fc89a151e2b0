"""What the doctor makes of the brokers' answers, and of a real one's."""

from __future__ import annotations

import asyncio

import pytest

from ops import admin
from ops.cli.topics import apply_topics
from ops.doctor import Level, diagnose
from ops.doctor.kafka import broker_faults, clock_finding, isolation_advice
from schemas.topics import TOPICS
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


def test_consumers_are_told_what_committed_means() -> None:
    advice = isolation_advice(Settings(namespace="x."))
    assert advice.level is Level.NOTE
    assert advice.mend is not None
    assert "x.*.v1" in advice.mend
    assert "isolation.level=read_committed" in advice.mend


@pytest.mark.kafka
def test_a_real_broker(kafka: Kafka, namespace: str) -> None:
    settings = Settings(bootstrap_servers=kafka.bootstrap_servers, namespace=namespace)

    async def diagnosed() -> tuple[list[tuple[str, Level]], list[tuple[str, Level]], list[str]]:
        before = await diagnose(settings, {})
        await apply_topics(settings)
        after = await diagnose(settings, {})
        async with admin.connect(kafka.bootstrap_servers) as connected:
            left = await connected.names(f"{namespace}doctor")
        return [f[:2] for f in before], [f[:2] for f in after], left

    before, after, left = asyncio.run(diagnosed())
    assert [level for area, level in before if area == "topics"] == [Level.PROBLEM] * len(TOPICS)
    assert [level for area, level in after if area == "topics"] == [Level.OK]
    assert ("clock", Level.OK) in after
    assert all(level is Level.OK for area, level in after if area == "broker")
    assert left == []


def test_no_broker_is_the_one_problem() -> None:
    settings = Settings(bootstrap_servers="127.0.0.1:1")
    found = asyncio.run(diagnose(settings, {}))
    (problem,) = [finding for finding in found if finding.level is Level.PROBLEM]
    assert problem.area == "broker"
    assert "no Kafka broker answers at 127.0.0.1:1" in problem.what
