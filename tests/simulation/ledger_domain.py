"""The ledger under simulation: mixed requests, and what its topics must say in the end."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import ClassVar, Final
from unittest.mock import patch

import msgspec

from agents.ledger.machine import LedgerMachine
from agents.ledger.operations import release_quarantine
from agents.ledger.state import DUE, WALLETS
from schemas.catalogue import topic_named
from schemas.events import LedgerEvent, decode_event
from schemas.outcomes import decode_outcome
from schemas.reference import Reference
from schemas.topics import DEAD_LETTERS, INPUTS, LEDGER_EVENTS, OPERATOR_COMMANDS, TRANSACTION_OUTCOMES, WALLET_BALANCES
from streams.machine import Context, InputRecord, Machine, Output
from streams.overlay import Overlay
from tests.simulation.domain import Find, History, Input
from tests.simulation.ledger_checks import check_answers, check_books, check_told
from tests.simulation.ledger_workload import (
    BOOM,
    following,
    fund,
    open_wallet,
    record,
    reference_data,
    request,
)
from tests.simulation.memory_log import StoredRecord
from tests.simulation.world import EPOCH_MS

#: What is due before this is due within the run: no run lasts so long.
_RUN_ENDS_MS: Final = EPOCH_MS + 3_600_000
_REFERENCE: Final = reference_data()


class FragileLedger(LedgerMachine):
    """The ledger with a bug: it raises, when all is done, on records that ask for it. A portion is one record."""

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        with patch.object(release_quarantine, "PORTION", 1):
            super().step(state, record, context, out)
        if BOOM in (record.value or b"").replace(b"\\", b""):
            raise ZeroDivisionError("a bug in the ledger")


class LedgerDomain:
    """See `tests.simulation.domain.Domain`."""

    name = "ledger"
    raised: ClassVar[tuple[type[Exception], ...]] = (ZeroDivisionError,)
    inputs: tuple[str, ...] = INPUTS
    event_log = LEDGER_EVENTS
    outcomes = TRANSACTION_OUTCOMES
    topics: ClassVar[dict[str, int]] = {
        name: topic_named(name).max_message_bytes
        for name in (*INPUTS, LEDGER_EVENTS, TRANSACTION_OUTCOMES, WALLET_BALANCES, DEAD_LETTERS)
    }

    def machine(self) -> Machine:
        return FragileLedger(_REFERENCE)

    def folding_machine(self) -> Machine:
        """Knows no rates, rails and fees: the log has to say all of it."""
        return FragileLedger(Reference())

    def workload(self, rng: random.Random, partitions: int, count: int, prefix: str = "r") -> list[Input]:
        wallets = [f"w{number}" for number in range(rng.randint(2, 8))]
        makes = (open_wallet, fund) if prefix == "r" else ()
        records = [make(wallet, partitions, prefix) for make in makes for wallet in wallets]
        for number in range(count):
            if records and rng.random() < 0.15:
                records.append(rng.choice(records))  # a producer that retries
            else:
                records.append(request(rng, wallets, partitions, f"{prefix}{number}"))
        return records

    def following(
        self, rng: random.Random, partitions: int, outcome: bytes | None, find: Find, prefix: str
    ) -> list[Input]:
        return following(rng, partitions, decode_outcome(outcome or b""), find, prefix)

    def decode(self, value: bytes) -> LedgerEvent:
        return decode_event(value)

    def sources(self, event: LedgerEvent) -> list[tuple[str, int]]:
        assert event.cause is not None
        return [(event.cause.topic, event.cause.offset)]

    def may_leave_nothing(self, topic: str, record: StoredRecord) -> bool:
        return False

    def is_deduplicated(self, record: StoredRecord) -> bool:
        return b'"operation":"transfer_' in (record.value or b"")

    def is_due(self, tables: Mapping[str, Mapping[str, bytes]]) -> bool:
        """What is due of a wallet under quarantine waits for its end."""
        quarantined = _quarantined(tables)
        rows = tables.get(DUE.name, {})
        return any(int(k.split(" ")[0]) < _RUN_ENDS_MS and v.decode() not in quarantined for k, v in rows.items())

    def mend(self, tables: Mapping[str, Mapping[str, bytes]], partition: int, number: int) -> list[Input]:
        """Operators release what is under quarantine."""
        return [
            record(
                OPERATOR_COMMANDS,
                partition,
                operation="release_quarantine",
                idempotency_key=f"release-{number}",
                wallet_id=id_,
                requested_by="ann",
                approved_by="bob",
                reason_code="looked_at",
            )
            for id_ in _quarantined(tables)
        ]

    def check(self, history: History) -> list[str]:
        return [*check_books(history, _RUN_ENDS_MS), *check_answers(history), *check_told(history)]


def _quarantined(tables: Mapping[str, Mapping[str, bytes]]) -> list[str]:
    return [id_ for id_, row in tables.get(WALLETS.name, {}).items() if msgspec.msgpack.decode(row)[5]]
