"""`python -m tests.crash.mutated --records 100000`: mutated records among good ones, on a real Kafka.

Every good one must settle, every mutated one must be answered, and dead-lettered untouched where it is no command; the
worker must not fail, restore or restart once.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from schemas.dead_letters import read_dead_letter_headers
from schemas.outcomes import decode_outcome
from schemas.partitioning import murmur2
from schemas.topics import DEAD_LETTERS, TRANSACTION_OUTCOMES, TRANSACTION_REQUESTS, full_name
from streams.settings import Settings
from tests.books.books import Balances
from tests.broker import embedded
from tests.crash.cluster import Cluster
from tests.crash.truth import compare_balances, read_truth, records
from tests.crash.witness import Verdict
from tests.ledger.mutate import GOOD_ASSET, OPENINGS, Mutant, generate

_AT_ONCE: Final = 2_000
#: Metrics of a worker that must stay at 0.
UNSHAKEN: Final = ("walletstream_failures_total", "walletstream_fenced_total", "walletstream_bugs_total")


@dataclass
class Sent:
    """What stands where in the topic: numbers of the records by partition and offset."""

    numbers: list[array[int]]
    #: Records that Kafka itself does not take.
    too_large: int = 0


@dataclass
class Found:
    """What became of the records, by partition and offset."""

    answers: dict[tuple[int, int], list[str]] = field(default_factory=lambda: defaultdict(list))
    updates: dict[tuple[int, int], list[str]] = field(default_factory=lambda: defaultdict(list))
    dead: dict[tuple[int, int], list[Any]] = field(default_factory=lambda: defaultdict(list))


async def send(settings: Settings, mutants: Sequence[Mutant]) -> Sent:
    """Produce the records in order, each to the partition that its key hashes to; without a key to any."""
    topic, count = full_name(settings.namespace, TRANSACTION_REQUESTS), settings.partitions
    sent = Sent([array("I") for _ in range(count)])
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers, enable_idempotence=True, linger_ms=5, max_batch_size=256 << 10
    )
    await producer.start()
    try:
        under_way: list[asyncio.Future[Any]] = []
        for number, mutant in enumerate(mutants):
            partition = (murmur2(mutant.key) & 0x7FFFFFFF) % count if mutant.key is not None else number % count
            try:
                future = await producer.send(
                    topic, mutant.value, key=mutant.key, partition=partition, headers=mutant.headers
                )
            except MessageSizeTooLargeError:
                sent.too_large += 1
                continue
            sent.numbers[partition].append(number)
            under_way.append(future)
            if len(under_way) >= _AT_ONCE:
                await asyncio.gather(*under_way)
                under_way.clear()
        await asyncio.gather(*under_way)
    finally:
        await producer.stop()
    return sent


async def find(settings: Settings) -> Found:
    """Read every answer and every dead letter."""
    found = Found()
    async for record in records(settings, TRANSACTION_OUTCOMES):
        outcome = decode_outcome(record.value)
        kept = found.answers if outcome.kind == "answer" else found.updates
        kept[outcome.source.partition, outcome.source.offset].append(outcome.code)
    async for record in records(settings, DEAD_LETTERS):
        why = read_dead_letter_headers(record.headers)
        if why.original_topic == TRANSACTION_REQUESTS:
            found.dead[why.original_partition, why.original_offset].append(record)
    return found


def judge(verdict: Verdict, mutants: Sequence[Mutant], sent: Sent, found: Found) -> None:
    """One answer for each record; `ok` and settled for each good one; a dead letter for each malformed one."""
    for partition, numbers in enumerate(sent.numbers):
        for offset, number in enumerate(numbers):
            mutant, place = mutants[number], (partition, offset)
            where = f"record {number} at {partition}/{offset}, {'good' if mutant.is_good else 'mutated'}"
            codes = found.answers.get(place, [])
            verdict.records += 1
            if len(codes) != 1:
                verdict.count("doubled" if codes else "lost", f"{where}: {len(codes)} answers")
                continue
            verdict.by_code[codes[0]] = verdict.by_code.get(codes[0], 0) + 1
            if codes[0] == "internal_error" or (mutant.is_good and codes[0] != "ok"):
                verdict.count("wrong", f"{where}: answered {codes[0]}: {(mutant.value or b'')[:200]!r}")
            if mutant.is_good and any(code != "ok" for code in found.updates.get(place, [])):
                verdict.count("wrong", f"{where}: did not settle")
            _judge_dead_letter(verdict, where, mutant, codes[0], found.dead.get(place, []))


def _judge_dead_letter(verdict: Verdict, where: str, mutant: Mutant, code: str, dead: Sequence[Any]) -> None:
    if len(dead) != (code == "malformed"):
        verdict.count("wrong", f"{where}: answered {code}, but there are {len(dead)} dead letters of it")
    for letter in dead:
        headers = list(letter.headers)[: len(mutant.headers)]
        if (letter.key, letter.value) != (mutant.key, mutant.value) or headers != list(mutant.headers):
            verdict.count("wrong", f"{where}: its dead letter is not what was sent")


def good_balances(mutants: Sequence[Mutant]) -> Balances:
    """What the good records alone make of the wallets that only they use."""
    balances = Counter[str]()
    for mutant in mutants:
        if mutant.is_good:
            command = orjson.loads(mutant.value or b"")
            amount_minor, payer = command.get("amount_minor", 0), command["wallet_id"]
            balances[payer] += amount_minor if command["operation"] == "credit" else -amount_minor
            if "to_wallet_id" in command:
                balances[command["to_wallet_id"]] += amount_minor
    return {
        (f"{wallet}/main/available", GOOD_ASSET): minor for wallet, minor in balances.items() if wallet.startswith("g-")
    }


def run(cluster: Cluster, count: int, seed: int, announce: Callable[[str], None] = lambda _line: None) -> Verdict:
    """All records through one worker.

    Raises:
        AssertionError: the worker failed, restored or ended, or `verify` does not hold.
    """
    mutants = generate(seed, count)
    # A transfer could overtake the opening of its payee's wallet: all openings come first.
    worker = cluster.start("a")
    worker.wait_ready()
    started, pid = time.monotonic(), worker.process.pid
    sent = asyncio.run(send(cluster.settings, mutants[:OPENINGS]))
    cluster.verify()
    rest = asyncio.run(send(cluster.settings, mutants[OPENINGS:]))
    for numbers, more in zip(sent.numbers, rest.numbers, strict=True):
        numbers.extend(number + OPENINGS for number in more)
    announce(cluster.verify()["line"])
    announce(f"{len(mutants):,} records sent and decided in {time.monotonic() - started:.0f} s")
    assert worker.running, worker.tail()
    assert (worker.starts, worker.process.pid) == (1, pid)
    shaken = {name: worker.metric(name) for name in UNSHAKEN}
    assert not any(shaken.values()), f"{shaken}\n{worker.tail()}"
    assert worker.metric("walletstream_restores_total") == cluster.partitions
    verdict, found = Verdict(), asyncio.run(find(cluster.settings))
    judge(verdict, mutants, sent, found)
    posted = read_truth(cluster.settings).posted
    good = {key: minor for key, minor in posted.items() if key[0].startswith("g-")}
    compare_balances(verdict, good_balances(mutants), good, "ledger-events")
    announce(f"{sent.too_large + rest.too_large} records were too large for Kafka itself")
    return verdict


@click.command(context_settings={"show_default": True})
@click.option("--records", "count", default=100_000, help="Mutated ones; as many good ones come with them.")
@click.option("--seed", default=1)
@click.option("--partitions", default=8)
def main(count: int, seed: int, partitions: int) -> None:
    """Mutated records among good ones: the good ones settle, the worker does not flinch."""
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="walletstream-mutated-") as temporary,
        embedded() as broker,
        Cluster(Path(temporary), broker.bootstrap_servers, "mutated.", partitions) as cluster,
    ):
        cluster.apply_topics()
        verdict = run(cluster, count, seed, lambda line: click.echo(line, err=True))
    codes = ", ".join(f"{code} {number:,}" for code, number in sorted(verdict.by_code.items()))
    click.echo(f"{count:,} mutated among {verdict.records:,} records ({codes})")
    click.echo(
        f"{verdict.lost} lost, {verdict.doubled} doubled, {verdict.wrong} wrong, 0 restarts, "
        f"{time.monotonic() - started:.0f} s: {'OK' if verdict.holds else 'FAILED'}"
    )
    for case in verdict.cases:
        click.echo(case)
    sys.exit(0 if verdict.holds else 1)


if __name__ == "__main__":
    main()
