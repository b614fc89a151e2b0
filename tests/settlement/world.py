"""The ledger and the settlement role in memory: the real machines in the real `BatchDecider`, topics that are lists.

Each partition of each role takes what it is told to, so that any interleaving can be tried; `restart` folds its log
from the beginning. The rail is whoever reads `to_send` and answers.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import orjson

from agents.ledger.machine import LedgerMachine
from agents.settlement.machine import SettlementMachine
from agents.settlement.turn import Limits
from ops.in_memory import FetchedRecord
from schemas.catalogue import TOPICS
from schemas.clock import rfc3339
from schemas.events import LedgerEvent, decode_event
from schemas.partitioning import partition_of
from schemas.rail_batches import InstructionAnswer, RailAnswer, RailBatch
from schemas.settlement_batches import AlertRecord, BatchRecord, PositionRecord, decode_settlement_record
from schemas.settlement_events import SettlementEvent, decode_settlement_event
from schemas.settlement_internal import RailAnswered, SettlementInternal, SubmissionFailed, encode_settlement_internal
from schemas.topics import (
    INPUTS,
    LEDGER_EVENTS,
    OPERATOR_COMMANDS,
    RAILS,
    SETTLEMENT_BATCHES,
    SETTLEMENT_COMMANDS,
    SETTLEMENT_EVENTS,
    SETTLEMENT_INPUTS,
    SETTLEMENT_INTERNAL,
    SETTLEMENT_UPDATES,
    TRANSACTION_REQUESTS,
)
from streams.batch import BatchDecider, Progress
from streams.box import Taken
from streams.machine import Headers, Machine
from streams.overlay import Overlay
from streams.persist import changes_of, forget_old_buckets, load_buckets
from streams.ports import Mark
from streams.seal import Span
from tests.ledger.store import DictStore

Json = dict[str, Any]
#: A Saturday, 04:50 in UTC.
START_MS = 1_795_409_400_000
SEPA: Json = {
    "name": "sepa",
    "settlement": "deferred",
    "adapter": {"kind": "simulated"},
    "batches": {"max_transactions": 3, "max_age_s": 60},
}


class Partition:
    """One partition of a role."""

    def __init__(self, world: World, make: Callable[[], Machine], inputs: tuple[str, ...], log: str, number: int):
        self.world, self.make, self.inputs, self.log_name, self.number = world, make, inputs, log, number
        self.store = DictStore()
        self.progress = Progress()
        self.taken = dict.fromkeys(inputs, 0)
        self.machine = make()
        world.teach(self.machine)
        self.overlay = self._overlay()

    def _overlay(self) -> Overlay:
        overlay = Overlay(self.machine.tables, self.store)
        load_buckets(overlay, self.store)
        return overlay

    @property
    def log(self) -> list[bytes]:
        """Events of the partition, seals left out."""
        records = self.world.topics[self.log_name, self.number]
        return [record.value or b"" for record in records if b'"type":"batch.sealed"' not in (record.value or b"")[:64]]

    def waiting(self) -> int:
        return sum(len(self.world.topics[topic, self.number]) - at for topic, at in self.taken.items())

    def tick(self) -> bool:
        """Send the tick that is due, if one is."""
        due_ms = self.machine.due_at_ms(self.overlay)
        if due_ms is None or due_ms > self.world.now_ms:
            return False
        message = self.machine.tick(due_ms, self.number)
        self.world.send(message.topic, message.partition, message.key, message.value)
        return True

    def run(self, most: int) -> None:
        """Decide a batch of at most so many records and commit it."""
        records = []
        for topic in self.inputs:
            found = self.world.topics[topic, self.number][self.taken[topic] :][:most]
            most -= len(found)
            if found:
                records.append((topic, found))
                self.taken[topic] += len(found)
        spans = {topic: Span(0, self.taken[topic]) for topic in self.inputs}
        taken = Taken(list(records), spans, sum(len(found) for _, found in records))
        logs = frozenset({LEDGER_EVENTS})
        decider = BatchDecider(self.machine, self.log_name, self.number, self.world.partitions, rfc3339, logs)
        decider.on_bug = lambda record, context, error: self.world.bugs.append(error)
        batch = decider.decide(self.overlay, self.progress, taken)
        for message in batch.messages:
            self.world.send(message.topic, message.partition, message.key, message.value, message.headers)
        self.store.write(changes_of(self.overlay), Mark(0, batch.seal))
        self.overlay.settle()
        self.progress = batch.after
        forget_old_buckets(self.overlay, self.store, self.progress.time_ms)

    def restart(self) -> None:
        """Lose everything local, and fold the log by a machine that knows no rails: the state is the same."""
        before = self.rows()
        self.machine = self.make()
        self.store = DictStore()
        self.overlay = self._overlay()
        for value in self.log:
            self.machine.fold(self.overlay, value)
        self.store.write(changes_of(self.overlay), Mark(0, b""))
        self.overlay.settle()
        forget_old_buckets(self.overlay, self.store, self.progress.time_ms)
        assert self.rows() == before
        self.world.teach(self.machine)

    def rows(self) -> dict[str, dict[str, bytes]]:
        return {table: dict(rows) for table, rows in self.store.rows.items() if rows}


def _tick_all(partitions: list[Partition]) -> bool:
    return bool([True for partition in partitions if partition.tick()])


class World:
    """All partitions of both roles, and their topics."""

    def __init__(self, *rails: Json, partitions: int = 2, limits: Limits | None = None):
        self.partitions = partitions
        self.limits = limits or Limits()
        self.topics: dict[tuple[str, int], list[FetchedRecord]] = {
            (topic.name, partition): [] for topic in TOPICS for partition in range(partitions)
        }
        self.bugs: list[Exception] = []
        self.now_ms = START_MS
        self.rails = {rail["name"]: rail for rail in rails or (SEPA,)}
        self.settlement = [
            Partition(self, lambda: SettlementMachine(self.limits), SETTLEMENT_INPUTS, SETTLEMENT_EVENTS, number)
            for number in range(partitions)
        ]
        self.ledger = [Partition(self, LedgerMachine, INPUTS, LEDGER_EVENTS, number) for number in range(partitions)]
        self._sent = 0

    def teach(self, machine: Machine) -> None:
        for name, rail in self.rails.items():
            machine.refer(RAILS, name, orjson.dumps(rail))

    def change_rail(self, rail: Json) -> None:
        self.rails[rail["name"]] = rail
        for partition in (*self.settlement, *self.ledger):
            partition.machine.refer(RAILS, rail["name"], orjson.dumps(rail))

    # ---- what others send ------------------------------------------------------------------------

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        records = self.topics[topic, partition]
        stamp = 0 if topic == LEDGER_EVENTS else 1
        records.append(FetchedRecord(len(records), self.now_ms, stamp, key, value, headers))

    def request(self, wallet_id: str, topic: str = TRANSACTION_REQUESTS, **fields: Any) -> str:
        """Send a command under a wallet's key; returns its idempotency key."""
        self._sent += 1
        command = {"idempotency_key": f"k{self._sent}", "wallet_id": wallet_id, **fields}
        partition = partition_of(wallet_id, self.partitions)
        self.send(topic, partition, wallet_id.encode(), orjson.dumps(command))
        return str(command["idempotency_key"])

    def open_wallet(self, wallet_id: str, funds_minor: int, kind: str = "customer", asset: str = "EUR") -> None:
        self.request(wallet_id, operation="open_wallet", owner_ref="o", assets=[asset], kind=kind)
        if funds_minor:
            self.request(wallet_id, operation="credit", amount_minor=funds_minor, asset=asset)

    def payout(self, wallet_id: str, amount_minor: int, rail: str = "sepa", **fields: Any) -> str:
        return self.request(
            wallet_id, **{"operation": "debit", "amount_minor": amount_minor, "asset": "EUR", "rail": rail, **fields}
        )

    def internal(self, rail: str, told: SettlementInternal) -> None:
        partition = partition_of(rail, self.partitions)
        self.send(SETTLEMENT_INTERNAL, partition, rail.encode(), encode_settlement_internal(told))

    def order(self, rail: str = "sepa", partition: int | None = None, **fields: Any) -> None:
        """An operator's command on settlement."""
        self._sent += 1
        command = {"rail": rail, "command_id": f"c{self._sent}", "by": "ops", "reason": "test", **fields}
        at = partition_of(rail, self.partitions) if partition is None else partition
        self.send(SETTLEMENT_COMMANDS, at, rail.encode(), orjson.dumps(command))

    def fund(self, amount_minor: int, rail: str = "sepa", asset: str = "EUR", **fields: Any) -> None:
        self.order(rail, kind="fund", asset=asset, amount_minor=amount_minor, **fields)

    def answer(self, batch: RailBatch | str, state: str, *parts: InstructionAnswer, **fields: Any) -> None:
        """The rail answers of a batch, once."""
        self._sent += 1
        batch_id = batch if isinstance(batch, str) else batch.batch_id
        fields = {"answer_id": f"a{self._sent}", "rail": "sepa", "at": rfc3339(self.now_ms), **fields}
        answer = RailAnswer(batch_id=batch_id, state=state, instructions=parts, **fields)  # type: ignore[arg-type]
        self.internal(fields["rail"], RailAnswered(answer=answer))

    def fail_attempt(self, batch: RailBatch, *, may_have_been_sent: bool = False, message: str = "down") -> None:
        failed = SubmissionFailed(
            rail=batch.rail,
            batch_id=batch.batch_id,
            attempt=batch.attempt,
            may_have_been_sent=may_have_been_sent,
            message=message,
        )
        self.internal(batch.rail, failed)

    # ---- time and turns --------------------------------------------------------------------------

    def run(self, rng: random.Random | None = None, roles: str = "both") -> None:
        """Everything, in some order; with `rng` in a random one, with restarts."""
        partitions = [*self.settlement, *(self.ledger if roles == "both" else ())]
        while True:
            waiting = [partition for partition in partitions if partition.waiting()]
            if not waiting and not _tick_all(partitions):
                return
            if not waiting:
                continue
            partition = rng.choice(waiting) if rng else waiting[0]
            partition.run(rng.randint(1, 7) if rng else 100)
            if rng and rng.random() < 0.05:
                rng.choice(self.settlement).restart()

    def later(self, seconds: float) -> None:
        """So much time passes, and what is due is done."""
        self.now_ms += int(seconds * 1000)
        self.run()

    # ---- what has come of it ---------------------------------------------------------------------

    def records(self, topic: str) -> list[bytes]:
        return [record.value or b"" for partition in range(self.partitions) for record in self.topics[topic, partition]]

    def told(self) -> list[BatchRecord | PositionRecord | AlertRecord]:
        return [decode_settlement_record(value) for value in self.records(SETTLEMENT_BATCHES)]

    def batches(self) -> dict[str, BatchRecord]:
        """Batches as they were told last, by id, in the order in which they were opened."""
        return {record.batch_id: record for record in self.told() if isinstance(record, BatchRecord)}

    def to_send(self, rail: str = "sepa") -> list[RailBatch]:
        """What waits for the courier."""
        return [batch.to_send for batch in self.batches().values() if batch.to_send and batch.rail == rail]

    def position(self, rail: str = "sepa", asset: str = "EUR") -> PositionRecord:
        found = [record for record in self.told() if isinstance(record, PositionRecord)]
        return {(one.rail, one.asset): one for one in found}[rail, asset]

    def alerts(self) -> dict[str, AlertRecord]:
        """Alerts that are open, by id."""
        last = {record.alert_id: record for record in self.told() if isinstance(record, AlertRecord)}
        return {alert_id: record for alert_id, record in last.items() if record.state == "open"}

    def updates(self, *operations: str) -> list[Json]:
        found = [orjson.loads(value) for value in self.records(SETTLEMENT_UPDATES)]
        return [update for update in found if update["operation"] in operations or not operations]

    def events(self, *types: str) -> list[SettlementEvent]:
        found = [decode_settlement_event(value) for partition in self.settlement for value in partition.log]
        return [event for event in found if event.type in types or not types]

    def ledger_events(self, *types: str) -> list[LedgerEvent]:
        found = [decode_event(value) for partition in self.ledger for value in partition.log]
        return [event for event in found if event.type in types or not types]

    def transactions(self) -> dict[str, str | None]:
        """Transactions over rails -> state in the ledger."""
        processed = {event.transaction_id for event in self.ledger_events("transaction.processed") if event.rail}
        return {
            event.transaction_id: event.to_state
            for event in self.ledger_events()
            if event.transaction_id in processed and event.transaction_id is not None and event.to_state is not None
        }

    def balance_minor(self, account: str, asset: str = "EUR") -> int:
        """Credits - debits of an account, over all partitions."""
        return sum(
            entry.credit_minor - entry.debit_minor
            for event in self.ledger_events()
            for entry in event.entries
            if entry.account == account and entry.asset == asset
        )

    def cancel(self, wallet_id: str, transaction_id: str) -> None:
        self.request(wallet_id, operation="cancel", transaction_id=transaction_id)

    def operate(self, wallet_id: str, **fields: Any) -> None:
        people = {"requested_by": "a", "approved_by": "b", "reason_code": "r"}
        self.request(wallet_id, OPERATOR_COMMANDS, **people, **fields)


def settled(batch: RailBatch, number: int = 0, **fields: Any) -> InstructionAnswer:
    """The rail has settled an instruction of a batch."""
    return InstructionAnswer(
        batch.instructions[number].end_to_end_id, "settled", **{"rail_reference": f"R{number}", **fields}
    )


def rejected(batch: RailBatch, number: int = 0, code: str = "AC04") -> InstructionAnswer:
    """The rail has refused an instruction of a batch."""
    return InstructionAnswer(batch.instructions[number].end_to_end_id, "rejected", code=code)


def returned(batch: RailBatch, number: int = 0, **fields: Any) -> InstructionAnswer:
    """The rail brings an instruction of a batch back."""
    return InstructionAnswer(
        batch.instructions[number].end_to_end_id, "returned", **{"rail_reference": f"B{number}", **fields}
    )
