"""What the fraud role costs without Kafka: ledger events to facts, events and alerts, with all hops between partitions.

    python -m ops.bench.fraud_role [--events N] [--rules N] [--partitions N] [--batch N] [--json | --profile]

Prints ledger events a second of processor time: the real machines of all partitions in one process, each batch decided,
sealed and its changed state encoded, as a worker does; Kafka and RocksDB are lists and dictionaries. As many events
again go first, so that the wallets have histories; they are not counted.
"""

from __future__ import annotations

import cProfile
import pstats
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import click
import msgspec

from agents.fraud.machine import FraudMachine
from agents.fraud.shared_facts import SharedFacts
from ops.bench.fraud_engine import make_facts
from ops.bench.fraud_rules import RULES, UNLIKE
from ops.cli.running import print_json
from ops.in_memory import DictStore, FetchedRecord
from schemas.clock import rfc3339
from schemas.events import REQUEST_REJECTED
from schemas.fraud_rules import Rule
from schemas.partitioning import partition_of
from schemas.topics import FRAUD_ALERTS, FRAUD_EVENTS, FRAUD_INPUTS, FRAUD_INTERNAL, FRAUD_RULES, LEDGER_EVENTS
from streams.batch import LOG_APPEND_TIME, BatchDecider, Progress
from streams.box import Taken
from streams.machine import Message
from streams.memory import collect_once
from streams.overlay import Overlay
from streams.persist import changes_of
from streams.seal import Span

_START_MS: Final = 1_790_000_000_000
#: Fields that a fact has as its event has them.
_ALIKE: Final = ("wallet_id", "transaction_id", "operation", "amount_minor", "asset", "rail", "code")
#: What an overlay of a worker keeps of each table.
_CACHE_ENTRIES: Final = 20_000

encode_event: Final = msgspec.json.Encoder().encode

#: Partition and value.
Recorded = tuple[int, bytes]


def ledger_events(count: int, partitions: int, start: int = 0) -> Iterator[Recorded]:
    """The facts that the engine is measured with, from the one numbered `start` on, as the ledger tells of them."""
    for (t_ms, _, number), fact in islice(make_facts(start + count), start, None):
        wallet_id = fact["wallet_id"]
        yield partition_of(wallet_id, partitions), encode_event(event_of(t_ms, number, fact))


def event_of(t_ms: int, number: int, fact: dict[str, Any]) -> dict[str, Any]:
    """A fact as an event of the ledger, before it is encoded."""
    rejected = fact["status"] == "rejected"
    event: dict[str, Any] = {
        "sequence": number,
        "type": REQUEST_REJECTED if rejected else fact["type"],
        "recorded_at": rfc3339(t_ms + fact["late_ms"]),
        "occurred_at": rfc3339(t_ms),
        "references": {"merchant": fact.get("merchant"), "order": f"o-{number}"},
    }
    event |= {name: fact[name] for name in _ALIKE if name in fact}
    if not rejected:
        event["to_state"] = "settled"
    if "to_wallet_id" in fact:
        event["counterparty"] = {"wallet_id": fact["to_wallet_id"], "sub_wallet": "main"}
    if "device" in fact:
        event["device"] = {"fingerprint": fact["device"], "ip": fact["ip"]}
    return event


class Partition:
    """One partition of the role, fed directly."""

    def __init__(self, number: int, partitions: int, rules: Sequence[Rule], facts: SharedFacts):
        machine = FraudMachine(facts=facts)
        for rule in rules:
            value = rule.model_dump_json(exclude_unset=True, by_alias=True).encode()
            machine.refer(FRAUD_RULES, rule.rule_id, value)
        self._store = DictStore()
        self._state = Overlay(machine.tables, self._store, _CACHE_ENTRIES)
        self._decider = BatchDecider(machine, FRAUD_EVENTS, number, partitions, rfc3339, frozenset({LEDGER_EVENTS}))
        self._progress = Progress()
        self.inputs: dict[str, list[FetchedRecord]] = {topic: [] for topic in FRAUD_INPUTS}
        self._taken = dict.fromkeys(FRAUD_INPUTS, 0)
        #: Processor time of this thread in seconds: deciding, and encoding the changed state.
        self.decide_s = self.encode_s = 0.0
        self.sent: dict[str, int] = {}
        #: How many facts were counted.
        self.facts = 0

    def put(self, topic: str, timestamp: int, key: bytes | None, value: bytes | None) -> None:
        """A record arrives."""
        records = self.inputs[topic]
        records.append(FetchedRecord(len(records), timestamp, LOG_APPEND_TIME, key, value))

    def run(self, most: int) -> list[Message]:
        """Decide one batch of at most so many records: what is written; nothing where nothing waits."""
        records: list[tuple[str, Sequence[FetchedRecord]]] = []
        spans: dict[str, Span] = {}
        for topic, waiting in self.inputs.items():
            start = self._taken[topic]
            found = waiting[start : start + most]
            most -= len(found)
            if found:
                records.append((topic, found))
                self._taken[topic] += len(found)
                spans[topic] = Span(start, self._taken[topic])
        if not records:
            return []
        taken = Taken(list(records), spans, sum(len(found) for _, found in records))
        began = time.thread_time()
        batch = self._decider.decide(self._state, self._progress, taken)
        decided = time.thread_time()
        changes = changes_of(self._state)
        self.encode_s += time.thread_time() - decided
        self.decide_s += decided - began
        self._store.write(changes)
        self._state.settle()
        self._progress = batch.after
        self.facts += len(batch.labels)
        messages = list(batch.messages)
        for message in messages:
            self.sent[message.topic] = self.sent.get(message.topic, 0) + 1
        return messages


@dataclass(frozen=True)
class RoleCost:
    """What so many ledger events cost, and what was written for them; `facts` counts one in each partition."""

    events: int
    rules: int
    partitions: int
    decide_us: float
    encode_us: float
    facts: int
    written: dict[str, int]

    @property
    def per_s(self) -> float:
        """Ledger events in a second of processor time."""
        return 1e6 / (self.decide_us + self.encode_us)


def measure(
    events: int,
    rules: int,
    partitions: int = 4,
    batch: int = 500,
    profile: cProfile.Profile | None = None,
    learned: bool = False,
) -> RoleCost:
    """Feed so many ledger events twice, and measure the second time; `learned` adds a rule on the learned score."""
    held = (*RULES[:rules], UNLIKE) if learned else RULES[:rules]
    facts = SharedFacts()
    every = [Partition(number, partitions, held, facts) for number in range(partitions)]
    _feed(every, ledger_events(events, partitions), batch)
    for each in every:
        each.decide_s = each.encode_s = 0.0
        each.sent.clear()
        each.facts = 0
    made = list(ledger_events(events, partitions, events))
    if profile is not None:
        profile.enable()
    _feed(every, made, batch)
    if profile is not None:
        profile.disable()
    written: dict[str, int] = {}
    for each in every:
        for topic, count in each.sent.items():
            written[topic] = written.get(topic, 0) + count
    decide_s, encode_s = sum(each.decide_s for each in every), sum(each.encode_s for each in every)
    counted = sum(each.facts for each in every)
    return RoleCost(events, len(held), partitions, decide_s / events * 1e6, encode_s / events * 1e6, counted, written)


def _feed(every: Sequence[Partition], events: Iterator[Recorded] | Sequence[Recorded], batch: int) -> None:
    """All events in batches of so many records, in turn, and what they send until nothing waits."""
    now_ms = _START_MS
    for partition, value in events:
        every[partition].put(LEDGER_EVENTS, now_ms, b"", value)
    waits = True
    while waits:
        waits = False
        for each in every:
            now_ms += 1
            for sent in each.run(batch):
                waits = True
                if sent.topic in FRAUD_INPUTS:
                    every[sent.partition].put(sent.topic, now_ms, sent.key, sent.value)


@click.command()
@click.option("--events", type=click.IntRange(min=1), default=20_000, show_default=True)
@click.option("--rules", type=click.IntRange(min=1, max=len(RULES)), default=len(RULES), show_default=True)
@click.option("--partitions", type=click.IntRange(min=1), default=4, show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=500, show_default=True, help="Records of one batch.")
@click.option("--learned", is_flag=True, help="One rule more, on the learned score.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--profile", is_flag=True, help="Print where the time goes, by function; slows everything down.")
def main(events: int, rules: int, partitions: int, batch: int, learned: bool, as_json: bool, profile: bool) -> None:
    """Measure what the fraud role costs without Kafka."""
    profiler = cProfile.Profile() if profile else None
    cost = measure(events, rules, partitions, batch, profiler, learned)
    if as_json:
        print_json({**msgspec.to_builtins(cost), "per_s": round(cost.per_s)})
    else:
        written = cost.written
        click.echo(
            f"{cost.per_s:,.0f} ledger events/s with {cost.rules} rules: "
            f"decide {cost.decide_us:.1f} us, encode state {cost.encode_us:.1f} us an event"
        )
        click.echo(
            f"written for {events:,}: {written.get(FRAUD_EVENTS, 0):,} events of {cost.facts:,} facts, "
            f"{written.get(FRAUD_INTERNAL, 0):,} records between partitions, {written.get(FRAUD_ALERTS, 0):,} alerts"
        )
    if profiler is not None:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    # As a worker does.
    collect_once()
    main()
