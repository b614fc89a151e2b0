"""Ledger and settlement on a real broker, to be killed: their workers, payouts over simulated rails, what was told."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaProducer

from agents.settlement.rails.simulated.journal import Totals, read_totals
from ops.processes import WorkerProcess, wait_until_ready
from ops.reading import open_reader
from ops.settlement.told import Told, told_by
from schemas.events import TRANSACTION_PROCESSED, decode_event
from schemas.settlement_batches import decode_settlement_record
from schemas.settlement_events import SettlementEvent, decode_settlement_event
from schemas.topics import (
    LEDGER_EVENTS,
    RAILS,
    SETTLEMENT_BATCHES,
    SETTLEMENT_COMMANDS,
    SETTLEMENT_EVENTS,
    TRANSACTION_REQUESTS,
    full_name,
)
from streams.seal import is_seal
from tests.ops.verify.on_kafka import create_topics

Json = dict[str, Any]
PARTITIONS: Final = 3
WALLETS: Final = 12
FUNDS_MINOR: Final = 10_000_000
RETRY: Final = {
    "first_ms": 50,
    "longest_ms": 500,
    "poll_ms": 100,
    "breaker_open_ms": 500,
    "breaker_failures": 4,
    "timeout_ms": 2_000,
}
#: What a rail does wrong, in hundredths of a percent.
FAULTS: Final = {
    "answer_min_ms": 20,
    "answer_max_ms": 400,
    "call_ms": 20,
    "fee_minor": 1,
    "rejected_bps": 1_000,
    "partial_bps": 1_000,
    "returned_bps": 300,
    "split_bps": 3_000,
    "repeated_bps": 3_000,
    "late_bps": 500,
    "late_ms": 2_000,
    "contradicted_bps": 100,
    "silent_bps": 1_000,
    "lost_bps": 2_000,
    "turned_away_bps": 1_000,
}


def rail(name: str, **fields: Any) -> Json:
    """A simulated rail whose batches are small and close soon."""
    return {
        "name": name,
        "settlement": "deferred",
        "batches": {"max_transactions": 5, "max_age_s": 1},
        "minimum_reserve_minor": {"EUR": 1_000},
        "fees": {"EUR": {"instruction_minor": 1}},
        "adapter": {"kind": "simulated", "settings": {**FAULTS, "seed": len(name)}},
        "retry": RETRY,
        **fields,
    }


RAIL_RECORDS: Final = (rail("sepa"), rail("ach-net", netting="beneficiary"))


class Cluster:
    """Topics and workers, whose rails keep their journals in one folder; a worker's name begins with its role."""

    names: tuple[str, ...] = ("ledger-1", "settlement-1", "settlement-2")

    def __init__(self, bootstrap_servers: str, namespace: str, folder: Path, **environ: str):
        self.bootstrap_servers, self.namespace, self.folder = bootstrap_servers, namespace, folder
        self.environ = {
            "WALLETSTREAM_BOOTSTRAP_SERVERS": bootstrap_servers,
            "WALLETSTREAM_NAMESPACE": namespace,
            "WALLETSTREAM_PARTITIONS": str(PARTITIONS),
            "WALLETSTREAM_DATA_DIR": str(folder / "data"),
            "WALLETSTREAM_SESSION_TIMEOUT_S": "3",
            "WALLETSTREAM_SETTLEMENT_ANSWERS_WAIT_S": "10",
            **environ,
        }
        self.workers = {
            name: WorkerProcess(name, self.environ, folder / f"{name}.log", role=name.partition("-")[0])
            for name in self.names
        }
        self.sent = self.payouts = 0
        #: Rail -> what was put at its disposal.
        self.funded_minor: Counter[str] = Counter()

    async def start(self, **references: Sequence[Json]) -> None:
        """Topics, rails and further reference data by topic, workers, and wallets with money."""
        await create_topics(self.bootstrap_servers, self.namespace, PARTITIONS)
        for topic, records in {RAILS: RAIL_RECORDS, **references}.items():
            await self.send(topic, *((one["name"], one) for one in records))
        for worker in self.workers.values():
            worker.start()
        await asyncio.to_thread(wait_until_ready, self.workers.values())
        wallets = [f"w{number}" for number in range(WALLETS)]
        opened = [self.request(name, operation="open_wallet", owner_ref="o", assets=["EUR"]) for name in wallets]
        funded = [self.request(name, operation="credit", amount_minor=1_000_000, asset="EUR") for name in wallets]
        await self.send(TRANSACTION_REQUESTS, *opened, *funded)

    async def fund(self, name: str, amount_minor: int) -> None:
        self.sent += 1
        self.funded_minor[name] += amount_minor
        command = {"kind": "fund", "rail": name, "asset": "EUR", "amount_minor": amount_minor}
        command |= {"command_id": f"f{self.sent}", "by": "campaign", "reason": "prefunding"}
        await self.send(SETTLEMENT_COMMANDS, (name, command))

    def request(self, wallet_id: str, **fields: Any) -> tuple[str, Json]:
        self.sent += 1
        return wallet_id, {"idempotency_key": f"k{self.sent}", "wallet_id": wallet_id, **fields}

    def payout(self, rng: random.Random) -> tuple[str, Json]:
        return self.request(
            f"w{rng.randrange(WALLETS)}",
            operation="debit" if rng.random() < 0.85 else "credit",
            amount_minor=rng.randint(1, 500),
            asset="EUR",
            rail=rng.choice(RAIL_RECORDS)["name"],
            instrument_ref=f"iban-{rng.randrange(4)}",
        )

    async def send(self, topic: str, *records: tuple[str, Json | bytes]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap_servers)
        await producer.start()
        try:
            for key, value in records:
                data = value if isinstance(value, bytes) else orjson.dumps(value)
                await producer.send(full_name(self.namespace, topic), data, key=key.encode())
        finally:
            await producer.stop()

    async def values(self, *topics: str) -> list[bytes]:
        """Committed values, partition by partition."""
        return [value for topic in topics for part in await self.values_by_partition(topic) for value in part]

    async def values_by_partition(self, topic: str) -> list[list[bytes]]:
        """Committed values of each partition."""
        found: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        async with open_reader(self.bootstrap_servers, self.namespace) as reader:
            async for records in reader.read(topic):
                for record in records:
                    found[record.partition].append(record.value or b"")
        return found

    async def told(self) -> Told:
        return told_by([decode_settlement_record(value) for value in await self.values(SETTLEMENT_BATCHES)])

    async def events(self) -> list[SettlementEvent]:
        return [decode_settlement_event(value) for value in await self.values(SETTLEMENT_EVENTS) if not is_seal(value)]

    async def states(self) -> dict[str, str]:
        """Transactions over rails -> state in the ledger."""
        found: dict[str, str] = {}
        over_rails: set[str] = set()
        for value in await self.values(LEDGER_EVENTS):
            if is_seal(value):
                continue
            event = decode_event(value)
            if event.transaction_id is None:
                continue
            if event.type == TRANSACTION_PROCESSED and event.rail is not None:
                over_rails.add(event.transaction_id)
            if event.transaction_id in over_rails and event.to_state is not None:
                found[event.transaction_id] = event.to_state
        return found

    def journals(self) -> dict[str, Totals]:
        folder = self.folder / "data" / "rails"
        return {one["name"]: read_totals(folder / one["name"]) for one in RAIL_RECORDS}

    def taken(self) -> int:
        """Transactions that rails have taken."""
        batches = [taken.batch for totals in self.journals().values() for taken in totals.batches.values()]
        return sum(len(one.transaction_ids) for batch in batches for one in batch.instructions)

    async def until_more_is_taken(self, timeout_s: float = 60.0) -> None:
        """Until rails have taken more than now: work goes on."""
        before, deadline = self.taken(), time.monotonic() + timeout_s
        while self.taken() <= before and time.monotonic() < deadline:  # noqa: ASYNC110 - files know no events
            await asyncio.sleep(0.1)

    async def until_at_rest(self, timeout_s: float) -> None:
        """Until nothing of what was sent is under way any more; workers that end are no excuse."""
        deadline = time.monotonic() + timeout_s
        while reasons := await self.under_way():
            for worker in self.workers.values():
                assert worker.running, worker.failure()
            assert time.monotonic() < deadline, f"not at rest within {timeout_s:.0f} s: {'; '.join(reasons[:10])}"
            await asyncio.sleep(0.5)

    async def under_way(self) -> list[str]:
        """What of all that was sent is under way. No payout is refused: every wallet has enough."""
        told, states = await self.told(), await self.states()
        reasons = [] if len(states) == self.payouts else [f"{len(states)} of {self.payouts} payouts are in the ledger"]
        counts = Counter(states.values())
        reasons += [f"{counts['processed']} transactions are under way"] if counts["processed"] else []
        reasons += [f"{batch}" for batch in told.batches.values() if not batch.is_final]
        return reasons + [f"{one}" for one in told.positions.values() if one.waiting]
