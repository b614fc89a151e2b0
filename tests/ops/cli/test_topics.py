"""`walletstream topics` on a real broker."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops import admin
from ops.cli import main
from ops.topics import Alter, Create
from schemas.catalogue import TOPICS
from schemas.topics import full_name
from tests.broker import Kafka


def run(kafka: Kafka | None, namespace: str, *arguments: str, **settings: str) -> Result:
    address = kafka.bootstrap_servers if kafka is not None else "127.0.0.1:1"
    environ = {"WALLETSTREAM_BOOTSTRAP_SERVERS": address, "WALLETSTREAM_NAMESPACE": namespace}
    environ |= {f"WALLETSTREAM_{name.upper()}": value for name, value in settings.items()}
    return CliRunner().invoke(main, ["topics", *arguments], env=environ)


def loaded(result: Result) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(result.stdout)
    return value


@pytest.mark.kafka
def test_from_nothing_to_all_as_it_must_be(kafka: Kafka, namespace: str) -> None:
    checked = run(kafka, namespace, "check")
    assert checked.exit_code == 1
    assert f"{namespace}ledger-events.v1: does not exist\n    run `walletstream topics apply`" in checked.output
    planned = run(kafka, namespace, "plan")
    assert planned.exit_code == 0
    assert f"+ {namespace}ledger-events.v1  8 partitions, 1 replica\n" in planned.output
    assert f"{len(TOPICS)} to create, 0 to alter, 0 refused" in planned.output
    assert run(kafka, namespace, "check").exit_code == 1, "a plan changes nothing"
    applied = run(kafka, namespace, "apply", "--json")
    assert applied.exit_code == 0
    assert len(loaded(applied)["create"]) == len(TOPICS)
    assert run(kafka, namespace, "check").output == f"all {len(TOPICS)} topics are as they must be\n"
    again = run(kafka, namespace, "apply")
    assert (again.exit_code, again.output) == (0, "nothing to do: every topic is as it must be\n")
    assert loaded(run(kafka, namespace, "check", "--json")) == {"ok": True, "problems": []}


@pytest.mark.kafka
def test_what_differs_is_altered_and_what_others_have_set_stays(kafka: Kafka, namespace: str) -> None:
    run(kafka, namespace, "apply", partitions="2")
    topic = full_name(namespace, "ledger-events")

    async def disturb() -> None:
        async with admin.connect(kafka.bootstrap_servers) as connected:
            observed = (await connected.observe([topic]))[topic]
            wrong = {**observed.overrides, "retention.ms": "1000", "compression.type": "zstd"}
            await connected.alter([Alter(topic, {}, wrong)])

    async def overrides() -> dict[str, str]:
        async with admin.connect(kafka.bootstrap_servers) as connected:
            return dict((await connected.observe([topic]))[topic].overrides)

    asyncio.run(disturb())
    (problem,) = loaded(run(kafka, namespace, "check", "--json", partitions="2"))["problems"]
    assert problem["what"] == "retention.ms is 1000: the event log must be kept for ever (-1)"
    told = run(kafka, namespace, "check", partitions="2").output
    assert told.endswith("\n1 problem; on 1 of them no worker starts\n")
    assert "    retention.ms: 1000 -> -1\n" in run(kafka, namespace, "plan", partitions="2").output
    assert run(kafka, namespace, "apply", partitions="2").output.endswith("0 created, 1 altered, 0 refused\n")
    assert run(kafka, namespace, "check", partitions="2").exit_code == 0
    kept = asyncio.run(overrides())
    assert (kept["retention.ms"], kept["compression.type"]) == ("-1", "zstd")


@pytest.mark.kafka
def test_another_partition_count_is_refused_and_nothing_is_done(kafka: Kafka, namespace: str) -> None:
    topic = full_name(namespace, "transaction-requests")

    async def create() -> None:
        async with admin.connect(kafka.bootstrap_servers) as connected:
            await connected.create([Create(topic, 3, 1, {})])
            await connected.wait_until_visible({topic: 3})

    asyncio.run(create())
    applied = run(kafka, namespace, "apply", partitions="2")
    assert applied.exit_code == 1
    assert f"! {topic}: has 3 partitions instead of 2: refused" in applied.output
    assert "nothing was done" in applied.output
    refused = run(kafka, namespace, "apply", "--json", partitions="2")
    assert (refused.exit_code, loaded(refused)["applied"]) == (1, False)
    assert run(kafka, namespace, "plan", partitions="2").exit_code == 1
    assert f"{len(TOPICS) - 1} to create, 1 to alter, 0 refused" in run(kafka, namespace, "plan", partitions="3").output
    value = loaded(run(kafka, namespace, "apply", "--json", partitions="3"))
    assert (len(value["create"]), len(value["alter"]), value["applied"]) == (len(TOPICS) - 1, 1, True)
    assert run(kafka, namespace, "check", partitions="3").exit_code == 0


def test_no_broker_and_a_wrong_setting_are_errors() -> None:
    away = run(None, "x.", "check")
    assert away.exit_code == 1
    assert "no Kafka broker answers at 127.0.0.1:1" in away.output
    wrong = run(None, "x.", "plan", partitions="many")
    assert wrong.exit_code == 1
    assert "WALLETSTREAM_PARTITIONS=many" in wrong.output


@pytest.mark.kafka
def test_more_replicas_than_brokers_are_refused_with_what_to_do(kafka: Kafka, namespace: str) -> None:
    refused = run(kafka, namespace, "apply", durability="replicated")
    assert refused.exit_code == 1
    assert f"the broker did not create {namespace}" in refused.output
    assert refused.output.endswith("for development on a single one set WALLETSTREAM_DURABILITY=embedded\n")
