"""The settlement role under simulation: payouts of a ledger's log, operators' funds, a ledger and rails that answer.

Some answers of the ledger come as its updates are read; the others, and all of the rails, once the role has come to
rest, as often as it takes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

import orjson

from agents.settlement.machine import SettlementMachine
from agents.settlement.state import BATCHES, DUE, INSTRUCTIONS, PAYOUTS, QUEUES, BatchRow, read_due_key
from agents.settlement.turn import Limits
from schemas.catalogue import topic_named
from schemas.clock import rfc3339
from schemas.partitioning import partition_of
from schemas.rail_batches import InstructionAnswer, RailAnswer
from schemas.settlement_events import SettlementEvent, decode_settlement_event
from schemas.settlement_internal import RailAnswered, encode_settlement_internal
from schemas.topics import (
    DEAD_LETTERS,
    LEDGER_EVENTS,
    RAILS,
    SETTLEMENT_BATCHES,
    SETTLEMENT_COMMANDS,
    SETTLEMENT_EVENTS,
    SETTLEMENT_INPUTS,
    SETTLEMENT_INTERNAL,
    SETTLEMENT_UPDATES,
)
from streams.machine import Context, InputRecord, Machine, Output
from streams.overlay import Overlay
from tests.simulation.domain import Find, History, Input
from tests.simulation.memory_log import StoredRecord
from tests.simulation.settlement_checks import BOOM, check

Json = dict[str, Any]
_BEGAN_MS: Final = 1_799_990_000_000
#: No run reaches so far.
_RUN_ENDS_MS: Final = 1_800_100_000_000

_RAILS: Final[dict[str, Json]] = {
    name: {
        "name": name,
        "settlement": "deferred",
        "adapter": {"kind": "simulated"},
        "batches": {"max_transactions": 4, "max_age_s": 2},
        "netting": netting,
        "minimum_reserve_minor": {"EUR": 100},
    }
    for name, netting in (("sepa", "gross"), ("ach", "beneficiary"))
}


#: Rounds in which the ledger answers: what it says of a payout whose record has failed leads to nothing.
_MOST_ROUNDS: Final = 12


class FragileSettlement(SettlementMachine):
    """The role with a bug: it raises, when all is done, on records that ask for it."""

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        super().step(state, record, context, out)
        if context.topic == LEDGER_EVENTS and BOOM in (record.value or b""):
            raise ZeroDivisionError("a bug in the settlement role")


class SettlementDomain:
    """See `tests.simulation.domain.Domain`."""

    name = "settlement"
    raised: ClassVar[tuple[type[Exception], ...]] = (ZeroDivisionError,)
    inputs: tuple[str, ...] = SETTLEMENT_INPUTS
    event_log = SETTLEMENT_EVENTS
    outcomes = SETTLEMENT_UPDATES
    topics: ClassVar[dict[str, int]] = {
        name: topic_named(name).max_message_bytes
        for name in (*SETTLEMENT_INPUTS, SETTLEMENT_EVENTS, SETTLEMENT_BATCHES, SETTLEMENT_UPDATES, DEAD_LETTERS)
    }

    def machine(self) -> Machine:
        machine = FragileSettlement(Limits(answers_wait_ms=3_000))
        for name, one in _RAILS.items():
            machine.refer(RAILS, name, orjson.dumps(one))
        return machine

    def folding_machine(self) -> Machine:
        """Knows no rails: the log has to say all of it."""
        return SettlementMachine()

    def __init__(self) -> None:
        self._partitions = 1

    def workload(self, rng: random.Random, partitions: int, count: int, prefix: str = "r") -> list[Input]:
        """Payouts as the ledger records them, each where its wallet lives, funds, and what cannot be read."""
        self._partitions = partitions
        now_ms = _BEGAN_MS if prefix == "r" else _BEGAN_MS + 1_000_000
        records = []
        for number in range(count):
            now_ms += rng.choice((0, 300, 2_000))
            if rng.random() < 0.15:
                rail = rng.choice(list(_RAILS))
                partition = partition_of(rail, partitions) if rng.random() < 0.8 else rng.randrange(partitions)
                command = _fund(rail, rng.choice((50, 400)), f"{prefix}{number}")
                if rng.random() < 0.1:
                    command.pop("by")
                records.append(Input(SETTLEMENT_COMMANDS, partition, rail.encode(), orjson.dumps(command)))
                continue
            wallet_id = f"w{rng.randrange(6)}"
            event = _payout(rng, wallet_id, f"{prefix}{number}", now_ms)
            records.append(Input(LEDGER_EVENTS, partition_of(wallet_id, partitions), b"", orjson.dumps(event)))
        return records

    def following(
        self, rng: random.Random, partitions: int, outcome: bytes | None, find: Find, prefix: str
    ) -> list[Input]:
        """The ledger answers an update, or will be asked for it later."""
        update = orjson.loads(outcome or b"")
        if rng.random() < 0.4:
            return []
        if update["operation"] == "submit":
            what = "canceled" if rng.random() < 0.15 else "submitted"
            return [_ledger_says(partitions, update["wallet_id"], update["transaction_id"], what, update["batch_id"])]
        return []

    def decode(self, value: bytes) -> SettlementEvent:
        return decode_settlement_event(value)

    def sources(self, event: SettlementEvent) -> list[tuple[str, int]]:
        return [(event.cause.topic, event.cause.offset)]

    def may_leave_nothing(self, topic: str, record: StoredRecord) -> bool:
        """What repeats, or is of no concern."""
        return topic != SETTLEMENT_COMMANDS and b'"kind":"tick"' not in (record.value or b"")

    def is_deduplicated(self, record: StoredRecord) -> bool:
        return b'"kind":"payout"' in (record.value or b"") or b'"kind":"rail_answer"' in (record.value or b"")

    def is_due(self, tables: Mapping[str, Mapping[str, bytes]]) -> bool:
        return any(read_due_key(key)[0] < _RUN_ENDS_MS for key in tables.get(DUE.name, {}))

    def mend(self, tables: Mapping[str, Mapping[str, bytes]], partition: int, number: int) -> list[Input]:
        """The ledger answers what it has not answered, rails answer what they were given, operators put money there."""
        batches = {key: BATCHES.decode(value) for key, value in tables.get(BATCHES.name, {}).items()}
        return [
            *(self._ledger(tables) if number < _MOST_ROUNDS else ()),
            *(
                _answer(tables, batch_id, batch, partition)
                for batch_id, batch in batches.items()
                if batch.is_in_attempt
            ),
            *(_funds(tables, partition, number)),
        ]

    def _ledger(self, tables: Mapping[str, Mapping[str, bytes]]) -> Iterator[Input]:
        """Every payout that the ledger was asked for and that has not gone: it is submitted, as it always was."""
        for value in tables.get(PAYOUTS.name, {}).values():
            row = PAYOUTS.decode(value)
            if row.place == "asked":
                payout = row.payout
                yield _ledger_says(self._partitions, payout.wallet_id, payout.transaction_id, "submitted", row.batch_id)

    def check(self, history: History) -> list[str]:
        return check(history)


def _fund(rail: str, amount_minor: int, command_id: str) -> Json:
    command = {"kind": "fund", "rail": rail, "asset": "EUR", "amount_minor": amount_minor}
    return {**command, "command_id": command_id, "by": "ann", "reason": "prefunding"}


def _payout(rng: random.Random, wallet_id: str, name: str, now_ms: int) -> Json:
    event: Json = {
        "type": "transaction.processed",
        "recorded_at": rfc3339(now_ms),
        "wallet_id": wallet_id,
        "transaction_id": name,
        "operation": rng.choice(("debit", "debit", "capture", "credit")),
        "to_state": "processed",
        "amount_minor": rng.choice((5, 70)),
        "asset": "EUR",
        "rail": rng.choice(list(_RAILS)),
        "sub_wallet": "main",
        "code": "ok",
        "request": {"instrument_ref": rng.choice(("iban1", "iban2"))},
    }
    if rng.random() < 0.1:
        event |= {"type": "transaction.settled", "rail": "instant", "to_state": "settled"}
    elif rng.random() < 0.05:
        event["references"] = {"merchant": "boom"}
    return event


def _ledger_says(partitions: int, wallet_id: str, transaction_id: str, what: str, batch_id: str) -> Input:
    event: Json = {
        "type": f"transaction.{what}",
        "recorded_at": rfc3339(_BEGAN_MS + 1_000_000),
        "wallet_id": wallet_id,
        "transaction_id": transaction_id,
        "operation": "debit",
        "code": "ok",
    }
    if what == "submitted":
        event["rail_facts"] = {"batch_id": batch_id}
    return Input(LEDGER_EVENTS, partition_of(wallet_id, partitions), b"", orjson.dumps(event))


def _answer(tables: Mapping[str, Mapping[str, bytes]], batch_id: str, batch: BatchRow, partition: int) -> Input:
    """The rail settles most, and always the same."""
    rows = [
        INSTRUCTIONS.decode(value)
        for key, value in tables.get(INSTRUCTIONS.name, {}).items()
        if key.startswith(batch_id)
    ]
    parts = tuple(
        InstructionAnswer(row.instruction.end_to_end_id, "rejected", code="AC04")
        if int(row.instruction.end_to_end_id[:4], 16) % 5 == 0
        else InstructionAnswer(row.instruction.end_to_end_id, "settled", rail_reference="R")
        for row in rows
    )
    answer = RailAnswer(
        answer_id=f"{batch_id} {batch.attempt}",
        batch_id=batch_id,
        rail=batch.rail,
        state="partially_settled",
        instructions=parts,
        at=rfc3339(_BEGAN_MS),
    )
    value = encode_settlement_internal(RailAnswered(answer=answer))
    return Input(SETTLEMENT_INTERNAL, partition, batch.rail.encode(), value)


def _funds(tables: Mapping[str, Mapping[str, bytes]], partition: int, number: int) -> Iterator[Input]:
    for name, value in tables.get(QUEUES.name, {}).items():
        if QUEUES.decode(value).reason == "liquidity":
            rail = name.split(" ")[0]
            command = _fund(rail, 5_000, f"mend-{rail}-{number}")
            yield Input(SETTLEMENT_COMMANDS, partition, rail.encode(), orjson.dumps(command))
