"""Writes a ledger in memory to a real broker, transaction by transaction, so that every offset is the same."""

from __future__ import annotations

from aiokafka import AIOKafkaProducer

from ops import admin
from ops.topics import plan, wanted_topics
from schemas.topics import INPUTS, full_name
from streams.machine import Message
from tests.ops.verify.honest import Ledger


async def create_topics(
    bootstrap_servers: str, namespace: str, partitions: int, *, are_inputs_stamped: bool = True
) -> None:
    """All topics of the catalogue; `are_inputs_stamped` where a ledger that is `write`-ten there is not to be verified.

    The broker would stamp its inputs with other times than those that they were decided at.
    """
    wanted = wanted_topics(namespace, partitions, "embedded")
    if not are_inputs_stamped:
        by_producer = {"message.timestamp.type": "CreateTime"}
        wanted = tuple(w._replace(config={**w.config, **by_producer}) if w.topic.name in INPUTS else w for w in wanted)
    async with admin.connect(bootstrap_servers) as connected:
        await connected.create(plan(wanted, {}).create)
        await connected.wait_until_visible({want.name: want.partitions for want in wanted})


async def write(ledger: Ledger, bootstrap_servers: str, namespace: str, *, since: int = 0) -> int:
    """Write the history from its `since`-th step on; returns how many steps there are."""
    plain = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all", max_request_size=4 << 20)
    committing = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        transactional_id=f"{namespace}writer",
        max_request_size=4 << 20,
    )
    await plain.start()
    await committing.start()
    try:
        for is_transaction, messages in ledger.history[since:]:
            if is_transaction:
                async with committing.transaction():
                    await _send(committing, namespace, messages)
            else:
                await _send(plain, namespace, messages)
    finally:
        await committing.stop()
        await plain.stop()
    return len(ledger.history)


async def _send(producer: AIOKafkaProducer, namespace: str, messages: list[Message]) -> None:
    sent = [
        await producer.send(
            full_name(namespace, m.topic), m.value, key=m.key, partition=m.partition, headers=list(m.headers)
        )
        for m in messages
    ]
    for future in sent:
        await future
