"""A ledger of several partitions in memory: records in, events, answers, balances and dead letters out.

Every partition runs the real machine in the real `BatchDecider` over an `Overlay`. What is not there is Kafka: time
passes when `wait` says so, and internal commands reach another partition when `deliver` or `settle` says so.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

import orjson

from agents.ledger.machine import LedgerMachine
from schemas.clock import rfc3339
from schemas.commands import REQUESTS
from schemas.dead_letters import read_dead_letter_headers
from schemas.partitioning import partition_of
from schemas.reference import Reference
from schemas.topics import (
    FRAUD_COMMANDS,
    INPUTS,
    INTERNAL_COMMANDS,
    LEDGER_EVENTS,
    OPERATOR_COMMANDS,
    TRANSACTION_REQUESTS,
)
from streams.batch import BatchDecider, Progress
from streams.box import Taken
from streams.machine import Context, Headers, InputRecord, Message, Output
from streams.overlay import Overlay
from streams.persist import changes_of, forget_old_buckets
from streams.ports import Mark
from streams.seal import Span
from tests.ledger.store import DictStore

Json = dict[str, Any]

#: Thursday, 1 January 2026, 00:00:00 UTC, in Unix milliseconds.
START_MS = 1_767_225_600_000
DAY_MS = 86_400_000
#: Operation -> the topic of its commands.
TOPIC_OF: dict[str, str] = {
    get_args(model.model_fields["operation"].annotation)[0]: topic
    for topic, models in REQUESTS.items()
    for model in models
}
OPERATORS = frozenset(operation for operation, topic in TOPIC_OF.items() if topic == OPERATOR_COMMANDS)
FRAUD = frozenset(operation for operation, topic in TOPIC_OF.items() if topic == FRAUD_COMMANDS)


class Record(NamedTuple):
    """A record of an input topic."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Position(NamedTuple):
    """Where an input record is."""

    topic: str
    partition: int
    offset: int


class InjectedFault(Exception):
    """A bug of the ledger, on purpose."""


class FaultyMachine(LedgerMachine):
    """The ledger, with bugs where `fails` says so: after the step has changed and written all that it does."""

    def __init__(self, reference: Reference | None, retained_ms: int, transactions_retained_ms: int):
        super().__init__(reference, retained_ms, transactions_retained_ms)
        self.fails: Callable[[InputRecord, Context], bool] = lambda _record, _context: False

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        super().step(state, record, context, out)
        if self.fails(record, context):
            raise InjectedFault


@dataclass
class Shard:
    """One partition: its inputs, its state, its event log."""

    index: int
    overlay: Overlay
    store: DictStore
    decider: BatchDecider
    progress: Progress = field(default_factory=Progress)
    inputs: dict[str, list[Record]] = field(default_factory=lambda: {topic: [] for topic in INPUTS})
    decided: dict[str, int] = field(default_factory=lambda: dict.fromkeys(INPUTS, 0))
    log: list[bytes] = field(default_factory=list)
    batches: int = 0

    def take(self, limit: int) -> Taken:
        """The next records of all inputs, at most `limit`."""
        spans: dict[str, Span] = {}
        records: list[tuple[str, Sequence[InputRecord]]] = []
        count = 0
        for topic in INPUTS:
            start = self.decided[topic]
            part = self.inputs[topic][start : start + limit - count]
            count += len(part)
            self.decided[topic] = start + len(part)
            spans[topic] = Span(start, start + len(part))
            if part:
                records.append((topic, part))
        return Taken(records, spans, count)


class World:
    """Some partitions of a ledger, and all that came out of them as decoded JSON."""

    def __init__(
        self,
        partitions: int = 2,
        *,
        reference: Reference | None = None,
        retained_ms: int = 40 * DAY_MS,
        transactions_retained_ms: int = 540 * DAY_MS,
        cache_entries: int = 10,
    ):
        self.now_ms = START_MS
        self.machine = FaultyMachine(reference, retained_ms, transactions_retained_ms)
        self.shards = [self._shard(index, partitions, cache_entries) for index in range(partitions)]
        self.bugs: list[Exception] = []
        #: Internal commands under way: (from partition, to partition) -> messages, oldest first.
        self.under_way: dict[tuple[int, int], deque[Message]] = defaultdict(deque)
        self.events: list[Json] = []
        self.outcomes: list[Json] = []
        self.dead_letters: list[Message] = []
        #: (partition, holder) -> the latest record of `wallet-balances`.
        self.holdings: dict[tuple[int, str], Json] = {}
        self._answers: dict[Position, list[Json]] = defaultdict(list)
        self._updates: dict[str, list[Json]] = defaultdict(list)
        self._causes: dict[Position, list[Json]] = defaultdict(list)

    def _shard(self, index: int, partitions: int, cache_entries: int) -> Shard:
        store = DictStore()
        decider = BatchDecider(self.machine, LEDGER_EVENTS, index, partitions, rfc3339)
        decider.on_bug = lambda _record, _context, error: self.bugs.append(error)
        return Shard(index, Overlay(self.machine.tables, store, cache_entries), store, decider)

    # ---- in ------------------------------------------------------------------------------------------

    def owner(self, wallet_id: str) -> int:
        """The partition in which a wallet lives."""
        return partition_of(wallet_id, len(self.shards))

    def name_in(self, partition: int, name: str) -> str:
        """`name`, or `name` with the first number behind it that makes it live in `partition`."""
        candidates = (name if number == 0 else f"{name}{number}" for number in range(10_000))
        return next(candidate for candidate in candidates if self.owner(candidate) == partition)

    def wait(self, ms: int) -> None:
        """Let the brokers' clock go on."""
        self.now_ms += ms

    def append(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None,
        partition: int,
        headers: Headers = (),
        at_ms: int | None = None,
    ) -> Position:
        """Put a record into an input topic; it is decided by a later `decide`."""
        records = self.shards[partition].inputs[topic]
        stamp = self.now_ms if at_ms is None else at_ms
        records.append(Record(len(records), stamp, 1, key, value, headers))
        return Position(topic, partition, len(records) - 1)

    def put(self, command: Mapping[str, Any], *, partition: int | None = None, headers: Headers = ()) -> Position:
        """Put a command, keyed by its wallet, into its topic, by default where its wallet lives."""
        topic = TOPIC_OF.get(command["operation"], TRANSACTION_REQUESTS)
        wallet_id = command["wallet_id"]
        where = self.owner(wallet_id) if partition is None else partition
        value = json.dumps(command).encode()
        return self.append(topic, value, key=wallet_id.encode(), partition=where, headers=headers)

    # ---- through -------------------------------------------------------------------------------------

    def decide(self, partition: int, limit: int = 1_000) -> int:
        """Decide one batch of at most `limit` records; returns how many they were."""
        shard = self.shards[partition]
        taken = shard.take(limit)
        if not taken.count:
            return 0
        batch = shard.decider.decide(shard.overlay, shard.progress, taken)
        shard.store.write(changes_of(shard.overlay), Mark(len(shard.log), batch.seal))
        shard.overlay.settle()
        forget_old_buckets(shard.overlay, shard.store, batch.after.time_ms)
        shard.progress = batch.after
        shard.batches += 1
        first, letters = len(self.events), len(self.dead_letters)
        for message in batch.messages:
            self._write(shard, message)
        assert [(event["type"], event.get("code")) for event in self.events[first:-1]] == batch.labels
        said = [read_dead_letter_headers(letter.headers) for letter in self.dead_letters[letters:]]
        assert [(one.reason, one.stage) for one in said] == batch.dead_letters
        return taken.count

    def _write(self, shard: Shard, message: Message) -> None:
        topic, value = message.topic, message.value or b""
        assert topic == INTERNAL_COMMANDS or message.partition == shard.index, "only these may go to other partitions"
        if topic == LEDGER_EVENTS:
            shard.log.append(value)
            event = {**orjson.loads(value), "_key": message.key, "_partition": shard.index}
            self.events.append(event)
            if "cause" in event:
                self._causes[_position(event["cause"])].append(event)
        elif topic == INTERNAL_COMMANDS:
            self.under_way[shard.index, message.partition].append(message)
        elif topic == "transaction-outcomes":
            outcome = {**orjson.loads(value), "_key": message.key, "_partition": message.partition}
            self.outcomes.append(outcome)
            if outcome["kind"] == "answer":
                self._answers[_position(outcome["source"])].append(outcome)
            else:
                self._updates[outcome["transaction_id"]].append(outcome)
        elif topic == "wallet-balances":
            read = orjson.loads(value)
            assert message.key == read["wallet_id"].encode()
            now = (shard.index, shard.progress.sequence, rfc3339(shard.progress.time_ms))
            assert (read["partition"], read["sequence"], read["recorded_at"]) == now
            self.holdings[shard.index, read["wallet_id"]] = read
        else:
            assert topic == "dead-letters", topic
            self.dead_letters.append(message)

    def deliver(self, source: int, target: int, count: int = 1) -> int:
        """Let the next internal commands from one partition reach another; returns how many there were."""
        messages = self.under_way[source, target]
        delivered = min(count, len(messages))
        for _ in range(delivered):
            message = messages.popleft()
            self.append(message.topic, message.value, key=message.key, partition=target, headers=message.headers)
        return delivered

    def deliver_all(self) -> int:
        """Let everything that is under way arrive."""
        return sum(self.deliver(source, target, 1_000_000) for source, target in list(self.under_way))

    def settle(self, limit: int = 1_000) -> None:
        """Decide and deliver until nothing waits and nothing is under way."""
        while sum([self.decide(shard.index, limit) for shard in self.shards]) or self.deliver_all():
            pass

    def submit(self, command: Mapping[str, Any], *, partition: int | None = None, headers: Headers = ()) -> Json:
        """Put a command, let everything settle, and return the command's answer."""
        position = self.put(command, partition=partition, headers=headers)
        self.settle()
        return self.answer(position)

    # ---- out -----------------------------------------------------------------------------------------

    def answers(self, position: Position) -> list[Json]:
        """All answers to the record at `position`."""
        return self._answers.get(position, [])

    def answer(self, position: Position) -> Json:
        """The only answer to the record at `position`."""
        answers = self.answers(position)
        assert len(answers) == 1, f"{len(answers)} answers to {position}: {answers}"
        return answers[0]

    def events_of(self, position: Position) -> list[Json]:
        """The events that the record at `position` caused."""
        return self._causes.get(position, [])

    def updates(self, transaction_id: str) -> list[Json]:
        """The later changes of a transaction that were told to its requester."""
        return self._updates.get(transaction_id, [])

    def balance(self, account: str, asset: str, partition: int | None = None) -> int:
        """What `wallet-balances` says of an account; of a system account, the sum of its shards or one of them."""
        holder = account if account.startswith("system/") else account.partition("/")[0]
        found = 0
        for (index, name), read in self.holdings.items():
            if name == holder and partition in (None, index):
                found += sum(_balances(read["accounts"], account, asset))
        return found


def _balances(accounts: Iterable[Json], account: str, asset: str) -> list[int]:
    return [one["balance_minor"] for one in accounts if (one["account"], one["asset"]) == (account, asset)]


def _position(source: Json) -> Position:
    return Position(source["topic"], source["partition"], source["offset"])
