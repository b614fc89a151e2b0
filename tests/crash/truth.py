"""What the topics themselves say of the money, read once more by somebody who shares no code with the ledger.

Balances three times over: from the stream alone, from the journals of the event log, and as `wallet-balances` has them.
And the books, by what each transaction must make of its wallets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.clock import rfc3339
from schemas.topics import LEDGER_EVENTS, WALLET_BALANCES, full_name
from streams.settings import Settings
from tests.books.books import Balances, Books
from tests.books.events import decode_event
from tests.crash.stream import INTENTS, Stream
from tests.crash.witness import Verdict


class _Balance(msgspec.Struct):
    account: str
    asset: str
    balance_minor: int


class _Balances(msgspec.Struct):
    accounts: tuple[_Balance, ...]


_decode_balances: Final = msgspec.json.Decoder(_Balances).decode


@dataclass
class Truth:
    """What the topics hold."""

    events: int = 0
    #: Journals opened under the idempotency key `k<number>`, by number; only of commands, not of legs.
    journals: bytearray = field(default_factory=bytearray)
    #: What does not hold in the books, kept a second time from the events.
    problems: list[str] = field(default_factory=list)
    posted: Balances = field(default_factory=dict)
    published: Balances = field(default_factory=dict)


async def records(settings: Settings, topic: str) -> AsyncIterator[Any]:
    """Every committed record of a topic up to its end as it is now, partition by partition in order."""
    name = full_name(settings.namespace, topic)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 << 20,
    )
    await consumer.start()
    try:
        for partition in range(settings.partitions):
            tp = TopicPartition(name, partition)
            end = (await consumer.end_offsets([tp]))[tp]
            consumer.assign([tp])
            await consumer.seek_to_beginning(tp)
            while await consumer.position(tp) < end:
                for record in (await consumer.getmany(tp, timeout_ms=500, max_records=5_000)).get(tp, ()):
                    yield record
    finally:
        await consumer.stop()


async def _read(settings: Settings) -> Truth:
    truth = Truth()
    journals = truth.journals
    books = Books()
    # System accounts have one shard for each partition.
    published: dict[tuple[str, str, int], int] = {}
    async for record in records(settings, LEDGER_EVENTS):
        event = decode_event(record.value)
        truth.events += 1
        if event.type != "batch.sealed":
            books.take(record.partition, event)
        cause = event.cause
        if event.entries and cause is not None and not event.from_state and (key := cause.idempotency_key):
            number = int(key[1:]) if key[0] == "k" and key[1:].isdecimal() else 0
            if key[0] != "s":  # a story's
                journals.extend(bytes(max(0, number + 1 - len(journals))))
                journals[number] = min(255, journals[number] + 1)
    async for record in records(settings, WALLET_BALANCES):
        for balance in _decode_balances(record.value).accounts:
            shard = record.partition if balance.account.startswith("system/") else -1
            published[balance.account, balance.asset, shard] = balance.balance_minor
    truth.posted = books.posted()
    truth.problems = books.close(rfc3339(int(time.time() * 1000)))
    for (account, asset, _), balance_minor in published.items():
        truth.published[account, asset] = truth.published.get((account, asset), 0) + balance_minor
    return truth


def read_truth(settings: Settings) -> Truth:
    """Read the event log and the balances from their beginning to their end."""
    return asyncio.run(_read(settings))


def expected_balances(stream: Stream, produced: int, asset: str = "EUR") -> Balances:
    """What every account must hold after the first `produced` records of the stream, told from the stream alone."""
    wallets = [0] * stream.wallets
    rail_minor = 0
    for number in range(produced):
        if stream.kind(number) in INTENTS:
            for wallet, change_minor in (postings := stream.expected(number).postings):
                wallets[wallet] += change_minor
            rail_minor -= sum(change_minor for _, change_minor in postings)
    balances = {(f"{stream.wallet_id(wallet)}/main/available", asset): minor for wallet, minor in enumerate(wallets)}
    return {**balances, ("system/rail:instant", asset): rail_minor, ("system/transit", asset): 0}


def compare_balances(verdict: Verdict, expected: Balances, found: Balances, where: str) -> None:
    """Every account to the minor unit; an account that nobody expected is wrong too."""
    for account, asset in sorted({*expected, *found}):
        must_be, is_now = expected.get((account, asset), 0), found.get((account, asset), 0)
        if must_be != is_now:
            verdict.count("wrong", f"{where}: {account} holds {is_now} {asset}, must be {must_be}")


def judge_truth(
    verdict: Verdict, stream: Stream, produced: int, truth: Truth, besides: Mapping[tuple[str, str], int] | None = None
) -> None:
    """Each intent that moves money was posted exactly once, and every balance is what the stream and `besides` say."""
    for number in range(max(produced, len(truth.journals))):
        count = truth.journals[number] if number < len(truth.journals) else 0
        kind = stream.kind(number)
        if kind not in INTENTS or number >= produced:
            if count:
                verdict.count("wrong", f"a journal under key k{number}, which belongs to no intent")
            continue
        expected = stream.expected(number)
        if not expected.postings and expected.update is None:
            if count:
                verdict.count("wrong", f"intent {number}, {kind.name}, was posted, but must not be")
        elif count != 1:
            verdict.count("doubled" if count else "lost", f"intent {number}, {kind.name}, was posted {count} times")
    balances = expected_balances(stream, produced)
    for key, minor in (besides or {}).items():
        balances[key] = balances.get(key, 0) + minor
    for problem in truth.problems:
        verdict.count("wrong", problem)
    compare_balances(verdict, balances, truth.posted, "ledger-events")
    compare_balances(verdict, balances, truth.published, "wallet-balances")
