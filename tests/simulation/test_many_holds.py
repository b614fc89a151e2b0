"""A tick that ends thousands of holds, and a worker that dies at each step of its batch."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace

import pytest

from agents.ledger.state import DUE
from schemas.partitioning import partition_of
from schemas.topics import TRANSACTION_REQUESTS
from tests.simulation.domain import History, Input
from tests.simulation.faults import STEPS, Kind, Planned, Point
from tests.simulation.ledger_domain import LedgerDomain
from tests.simulation.ledger_workload import fund, open_wallet, record
from tests.simulation.world import Profile, World

HOLDS = 3_000
_HELD_S = 40
_WALLETS = [f"w{number}" for number in range(12)]


class ManyHolds(LedgerDomain):
    """Thousands of holds that end at the same moment."""

    def __init__(self) -> None:
        #: How many holds each tick has ended, of all partitions.
        self.ended: Counter[tuple[int, int]] = Counter()

    def workload(self, rng: random.Random, partitions: int, count: int, prefix: str = "r") -> list[Input]:
        opened = [make(wallet, partitions, prefix) for make in (open_wallet, fund) for wallet in _WALLETS]
        return [*opened, *(self._hold(_WALLETS[number % len(_WALLETS)], partitions, number) for number in range(HOLDS))]

    def _hold(self, wallet: str, partitions: int, number: int) -> Input:
        fields = {"operation": "authorize", "idempotency_key": f"h{number}", "wallet_id": wallet, "amount_minor": 1}
        home = partition_of(wallet, partitions)
        return record(TRANSACTION_REQUESTS, home, **fields, asset="EUR", expires_in_s=_HELD_S)

    def check(self, history: History) -> list[str]:
        for fold in history.folds:
            for event in fold.events:
                if event.command == "expire":
                    self.ended[fold.partition, event.cause.offset] += 1
        return super().check(history)


class _AtOnce(World):
    """All is asked for at one moment; faults begin shortly before the holds end."""

    async def _main(self) -> None:
        self.injector.enabled = False
        for worker in self.workers:
            self.supervisor.start_within(worker, 0.0, 0.5)
        await asyncio.sleep(8.0)
        self.upstream.unsent = self.domain.workload(self.rng, self.partitions, 0)
        for one in self.upstream.unsent:
            self.upstream._send(one)
        self.upstream.unsent = []
        began_s = self.loop.time()
        await asyncio.sleep(_HELD_S - 2.0)
        assert sum(len(self.live_tables(n).get(DUE.name, {})) for n in range(self.partitions)) == HOLDS
        self.injector.enabled = True
        await asyncio.sleep(began_s + _HELD_S + 20.0 - self.loop.time())
        self.injector.enabled = False
        await self._until_quiet()


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_worker_dies_at_each_step_of_a_tick_that_ends_thousands_of_holds(step: Point) -> None:
    domain = ManyHolds()
    planned = tuple(Planned(step, nth, Kind.CRASH) for nth in (1, 2, 3, 5))
    world = _AtOnce(domain, 0, Profile(most_faults=0, planned=planned, following=(0, 0)))
    world.limits = replace(world.limits, batch_max_records=300, records_per_producer=1 << 30)
    world.fetch_most, world.box_records = 300, 1_000
    result = world.run()
    assert result.violations == []
    assert domain.ended.total() == HOLDS
    assert max(domain.ended.values()) > 700, "no tick ended many at once"
    assert result.struck.get((step, Kind.CRASH), 0) >= 2
