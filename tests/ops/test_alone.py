"""Writing alone: of two who do the same work at once one is told, in one sentence, that there is another."""

from __future__ import annotations

import gc

import click
import pytest

from ops.alone import alone
from ops.cli.running import run
from ops.reading import open_reader
from schemas.topics import FRAUD_RULES, full_name
from tests.broker import Kafka
from tests.ops.verify.on_kafka import create_topics

pytestmark = pytest.mark.kafka


def test_who_is_fenced_is_told_so_and_nothing_besides(
    kafka: Kafka, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def two() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, 1)
        topic = full_name(namespace, FRAUD_RULES)
        async with (
            open_reader(kafka.bootstrap_servers, namespace) as reader,
            alone(reader, "fraud-rules", "look") as first,
        ):
            async with alone(reader, "fraud-rules", "look"):
                pass
            async with first.transaction():
                sent = [await first.send(topic, b"{}", key=b"r") for _ in range(3)]
                for each in sent:
                    await each

    gc.collect()  # what other tests have left, in whatever order they ran, is not of this one
    caplog.clear()
    with pytest.raises(click.ClickException) as told:
        run(two())
    gc.collect()
    assert told.value.message == (
        "the broker did not take it (somebody else has begun to do the same, or this took too long): look at `look` "
        "before trying again"
    )
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []
