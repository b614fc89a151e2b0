"""Records as large as Kafka takes, compressed and not, among good ones: each is answered, and the worker goes on."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any, Final, NamedTuple

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from schemas.dead_letters import decode_reference, read_dead_letter_headers
from schemas.outcomes import decode_outcome
from schemas.partitioning import partition_of
from schemas.topics import DEAD_LETTERS, TRANSACTION_OUTCOMES, TRANSACTION_REQUESTS, full_name
from streams.machine import Headers
from streams.settings import Settings
from tests.crash.cluster import Cluster, wait_until
from tests.crash.mutated import UNSHAKEN
from tests.crash.truth import records
from tests.ledger.bad_input import WALLET
from tests.ledger.commands import credit, open_wallet

KEY: Final = WALLET.encode()
#: Together with their frame these are a record batch of just under 1 MiB.
LONG_KEY: Final = b"k" * 1_048_400
LONG_HEADERS: Final = [("x", b"\xff" * 1_000)] * 1_000
LARGE_VALUE: Final = b"\xff" * 5_000_000
#: More than the 100 MiB that a broker reads of one request.
HUGE_VALUE: Final = b"\xff" * (105 << 20)


class Put(NamedTuple):
    """A record, and what must become of it: code of the answer and reason of the dead letter."""

    value: bytes | None
    code: str
    reason: str | None = None
    key: bytes = KEY
    headers: Headers = ()
    compression: str | None = None
    #: Sent to a partition that is not its wallet's.
    astray: bool = False


def good() -> Put:
    """A credit of one minor unit."""
    return Put(orjson.dumps(credit(WALLET, 1)), "ok")


def padded(size_bytes: int) -> bytes:
    """A good credit behind white space."""
    return orjson.dumps(credit(WALLET, 1)).rjust(size_bytes)


LARGE: Final = (
    Put(None, "malformed", "malformed", key=LONG_KEY),
    Put(None, "malformed", "oversized", key=b"k" * 3_000_000, compression="gzip"),
    Put(LARGE_VALUE, "malformed", "oversized", compression="gzip"),
    Put(b"hello", "malformed", "malformed", headers=LONG_HEADERS),
    Put(b"hello", "malformed", "oversized", headers=LONG_HEADERS * 3, compression="gzip"),
    Put(HUGE_VALUE, "malformed", "oversized", compression="gzip"),
    Put(padded(5_000_000), "ok", compression="gzip"),
    Put(padded(1_000_000), "ok", astray=True),
    Put(orjson.dumps(credit(WALLET, 1)), "ok", headers=LONG_HEADERS, astray=True),
    Put(padded(5_000_000), "malformed", "oversized", compression="gzip", astray=True),
)


async def send(settings: Settings, puts: list[Put]) -> dict[tuple[int, int], Put]:
    """Produce one after the other; which record stands where."""
    topic, count = full_name(settings.namespace, TRANSACTION_REQUESTS), settings.partitions
    producers: dict[str | None, Any] = {
        compression: AIOKafkaProducer(
            bootstrap_servers=settings.bootstrap_servers, compression_type=compression, max_request_size=1 << 30
        )
        for compression in (None, "gzip")
    }
    placed = {}
    for producer in producers.values():
        await producer.start()
    try:
        for put in puts:
            partition = (partition_of(WALLET, count) + put.astray) % count
            sent = await producers[put.compression].send_and_wait(
                topic, put.value, key=put.key, partition=partition, headers=list(put.headers)
            )
            placed[partition, sent.offset] = put
    finally:
        for producer in producers.values():
            await producer.stop()
    return placed


class Found(NamedTuple):
    """Answers and dead letters of requests, by partition and offset of these."""

    answers: dict[tuple[int, int], list[Any]]
    dead: dict[tuple[int, int], list[Any]]


async def find(settings: Settings) -> Found:
    """Read every answer and every dead letter."""
    found = Found({}, {})
    async for record in records(settings, TRANSACTION_OUTCOMES):
        source = decode_outcome(record.value).source
        found.answers.setdefault((source.partition, source.offset), []).append(record)
    async for record in records(settings, DEAD_LETTERS):
        why = read_dead_letter_headers(record.headers)
        assert why.original_topic == TRANSACTION_REQUESTS
        found.dead.setdefault((why.original_partition, why.original_offset), []).append(record)
    return found


def judge_dead_letter(put: Put, record: Any) -> None:
    """Untouched, or a reference."""
    why = read_dead_letter_headers(record.headers)
    assert why.reason == put.reason
    own = record.headers[: len(record.headers) - len(why.encode())]
    if put.reason == "malformed":
        assert (record.key, record.value, list(own)) == (put.key, put.value, list(put.headers))
        return
    reference, value = decode_reference(record.value), put.value or b""
    assert (reference.size_bytes, reference.sha256) == (len(value), sha256(value).hexdigest())
    is_long = len(put.key) > 64 << 10
    assert record.key == (None if is_long else put.key)
    assert reference.key_sha256 == (sha256(put.key).hexdigest() if is_long else None)


@pytest.mark.kafka
@pytest.mark.slow
def test_large_records_stop_nobody(cluster: Cluster) -> None:
    worker = cluster.start("a")
    worker.wait_ready()
    puts = [Put(orjson.dumps(open_wallet(WALLET)), "ok"), good()]
    for large in LARGE:
        puts += [large, good()]
    placed = asyncio.run(send(cluster.settings, puts))

    def all_answered() -> bool:
        assert worker.running, worker.tail()
        return len(asyncio.run(find(cluster.settings)).answers) >= len(puts)

    wait_until("every record is answered", all_answered, timeout_s=120, every_s=1.0)
    assert {name: worker.metric(name) for name in UNSHAKEN} == dict.fromkeys(UNSHAKEN, 0)
    found = asyncio.run(find(cluster.settings))
    for place, put in placed.items():
        (answer,) = found.answers[place]
        assert decode_outcome(answer.value).code == put.code, place
        assert answer.key == (put.key if len(put.key) <= 64 << 10 else None)
        dead = found.dead.get(place, [])
        assert len(dead) == (put.reason is not None), place
        if put.reason is not None:
            judge_dead_letter(put, dead[0])
    assert worker.metric("walletstream_dead_letters_total") == len([put for put in puts if put.reason])
    assert worker.terminate() == 0
    assert cluster.verify()
