"""Couriers under faults by seed: calls that fail, hang or are lost, crashes, zombies; in time that is moved by hand.

Every batch ends up paid once, and what the rail says of it is told. A seed that fails is run alone by its number.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.settlement.rails import port
from agents.settlement.rails.courier.courier import Courier
from agents.settlement.rails.courier.ports import Report
from agents.settlement.rails.port import RailUnavailable, RailUnknown
from agents.settlement.rails.registry import AdapterKind, Registry, Surroundings
from schemas.contract import Contract
from schemas.partitioning import partition_of
from schemas.rail_batches import InstructionAnswer, RailAnswer, RailBatch, answer_id_of
from schemas.rail_settings import Adapter, BatchLimits, Retry
from schemas.rails import Rail
from schemas.settlement_batches import SettlementRecord
from schemas.settlement_internal import RailAnswered, SubmissionFailed
from tests.settlement.rails.batches import batch
from tests.settlement.rails.stage import VirtualClock, record

PARTITIONS = 2
NAMES = ("sim", "other", "third")
BATCHES = 12
RETRY = Retry(timeout_ms=500, first_ms=20, longest_ms=400, breaker_failures=3, breaker_open_ms=200, poll_ms=100)


class NoSettings(Contract):
    pass


class Bank:
    """A bank that outlives all couriers: what it has paid, and what it has to say."""

    def __init__(self, seed: int, clock: VirtualClock, *, idempotent: bool):
        self.chance = random.Random(seed)
        self.clock = clock
        self.idempotent = idempotent
        self.paid: Counter[str] = Counter()
        self.batches: dict[str, tuple[int, RailBatch]] = {}
        self.unasked: dict[str, list[RailAnswer]] = {name: [] for name in NAMES}
        #: Batches of which it says the last word unasked, and only so.
        self.speaking: set[str] = set()
        self.calm = False

    def take(self, one: RailBatch) -> None:
        if one.batch_id in self.batches and self.idempotent:
            return
        self.paid[one.batch_id] += 1
        if one.batch_id not in self.batches:
            self.batches[one.batch_id] = self.clock.ms, one
            if self.chance.random() < 0.7:
                self.speaking.add(one.batch_id)
                self.unasked[one.rail].append(self.answer(one.batch_id, final=True))

    def answer(self, batch_id: str, *, final: bool) -> RailAnswer:
        taken_ms, one = self.batches[batch_id]
        final = final or (batch_id not in self.speaking and self.clock.ms > taken_ms + 3_000)
        facts = tuple(InstructionAnswer(part.end_to_end_id, "settled") for part in one.instructions) if final else ()
        return RailAnswer(
            answer_id=answer_id_of(batch_id, str(final)),
            batch_id=batch_id,
            rail=one.rail,
            state="settled" if final else "received",
            instructions=facts,
            at="2026-11-23T04:50:00.000Z",
        )

    async def fault(self, *, after: bool) -> None:
        """What may go wrong with a call, before it is done or after it."""
        await asyncio.sleep(0)
        draw = 1.0 if self.calm else self.chance.random()
        if draw < 0.15:
            raise RailUnknown("lost") if after else RailUnavailable("down")
        if draw < 0.25:
            raise RailUnknown("lost")
        if draw < 0.32:
            await self.clock.sleep_ms(10_000)
        elif draw < 0.36:
            raise KeyError("a bug of the adapter")
        elif draw < 0.6:
            await self.clock.sleep_ms(self.chance.randrange(50))


class Branch:
    """One courier's connection to the bank, for one rail."""

    def __init__(self, name: str, bank: Bank):
        self.name, self._bank = name, bank

    async def submit(self, one: RailBatch) -> RailAnswer:
        await self._bank.fault(after=False)
        self._bank.take(one)
        await self._bank.fault(after=True)
        return self._bank.answer(one.batch_id, final=False)

    async def status(self, batch_id: str) -> RailAnswer | None:
        await self._bank.fault(after=True)
        return self._bank.answer(batch_id, final=False) if batch_id in self._bank.batches else None

    async def collect(self) -> Sequence[RailAnswer]:
        await self._bank.fault(after=True)
        return list(self._bank.unasked[self.name])

    async def acknowledge(self, answer_id: str) -> None:
        await self._bank.fault(after=False)
        kept = [one for one in self._bank.unasked[self.name] if one.answer_id != answer_id]
        self._bank.unasked[self.name] = kept

    async def close(self) -> None:
        pass


class World:
    """The log of batches, settlement that writes it, and couriers that come and go."""

    def __init__(self, seed: int, *, zombies: bool):
        self.clock = VirtualClock()
        self.chance = random.Random(seed)
        self.zombies = zombies
        self.bank = Bank(seed + 1, self.clock, idempotent=zombies)
        self.log: list[SettlementRecord] = []
        self.couriers: list[Courier] = []
        self.attempts: Counter[str] = Counter()
        self.states: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        self.told: set[str] = set()
        self.answers: dict[str, RailAnswer] = {}

    # ---- settlement ----------------------------------------------------------------------------------

    async def put(self, rail: str, report: Report) -> None:
        """`Reports`: may fail, having kept the report or not."""
        await asyncio.sleep(0)
        draw = 1.0 if self.bank.calm else self.chance.random()
        if draw < 0.1:
            raise ConnectionError("not kept")
        self._take(report)
        if draw < 0.2:
            raise ConnectionError("kept all the same")

    def _take(self, report: Report) -> None:
        if isinstance(report, RailAnswered):
            answer = report.answer
            assert self.answers.setdefault(answer.answer_id, answer) == answer
            self.told |= {fact.end_to_end_id for fact in answer.instructions}
            wanted = {part.end_to_end_id for part in batch(self.numbers[answer.batch_id]).instructions}
            self._become(answer.batch_id, "final" if wanted <= self.told else "submitted")
            return
        assert isinstance(report, SubmissionFailed)
        if self.states[report.batch_id] == "ready" and report.attempt == self.attempts[report.batch_id]:
            self.hand_over(self.numbers[report.batch_id])

    def _become(self, batch_id: str, state: str) -> None:
        if self.states[batch_id] in ("final", state):
            return
        self.states[batch_id] = state
        self._write(
            record(self.batch(batch_id), "settled" if state == "final" else "submitted", is_final=state == "final")
        )

    def hand_over(self, number: int) -> None:
        name = batch(number).batch_id
        self.numbers[name] = number
        self.attempts[name] += 1
        self.states[name] = "ready"
        self._write(record(self.batch(name)))

    def batch(self, batch_id: str) -> RailBatch:
        number = self.numbers[batch_id]
        return batch(number, rail=NAMES[number % len(NAMES)], attempt=max(1, self.attempts[batch_id]))

    def _write(self, told: SettlementRecord) -> None:
        self.log.append(told)
        for courier in self.couriers:
            courier.take(partition_of(told.rail, PARTITIONS), len(self.log) - 1, told)

    # ---- couriers ------------------------------------------------------------------------------------

    def start(self) -> None:
        registry = Registry()
        registry._loaded["bank"] = AdapterKind("bank", NoSettings, self._branch)
        courier = Courier(registry, self, self.clock, Path("none"), PARTITIONS, share=self.chance.random)
        courier.configure({name: self._rail(name) for name in NAMES})
        for partition in range(PARTITIONS):
            courier.own(partition)
        for offset, told in enumerate(self.log):
            courier.take(partition_of(told.rail, PARTITIONS), offset, told)
        for partition in range(PARTITIONS):
            courier.current(partition)
        self.couriers.append(courier)

    def _branch(self, rail: Rail, settings: NoSettings, surroundings: Surroundings) -> port.Rail:
        return Branch(rail.name, self.bank)

    def _rail(self, name: str) -> Rail:
        limits, adapter = BatchLimits(max_age_s=60), Adapter(kind="bank")
        return Rail(name=name, settlement="deferred", adapter=adapter, batches=limits, retry=RETRY)

    async def crash(self) -> None:
        """A courier ends wherever it is; without zombies before the next one starts."""
        if self.couriers:
            await self.couriers.pop(self.chance.randrange(len(self.couriers))).close()

    async def play(self) -> None:
        numbers = iter(range(BATCHES))
        self.start()
        for _ in range(BATCHES // 2):
            for number in (next(numbers), next(numbers)):
                self.hand_over(number)
            await self.clock.pass_ms(self.chance.randrange(1, 700))
            if self.zombies and self.chance.random() < 0.5:
                self.start()
            if self.chance.random() < 0.6:
                await self.crash()
            if not self.couriers:
                self.start()
        await self.clock.pass_ms(self.chance.randrange(1, 3_000))
        self.bank.calm = True
        await self.clock.until(lambda: set(self.states.values()) == {"final"}, at_most_ms=600_000)
        for courier in self.couriers:
            await courier.close()


@pytest.mark.slow
@pytest.mark.parametrize("zombies", [False, True])
@pytest.mark.parametrize("first", [0, 20, 40])
def test_every_batch_is_paid_once_and_told(first: int, zombies: bool) -> None:
    for seed in range(first, first + 20):
        world = World(seed, zombies=zombies)
        asyncio.run(world.play())
        wanted: Any = {batch(number).batch_id: 1 for number in range(BATCHES)}
        assert world.bank.paid == wanted, f"seed {seed}"
        assert {answer.batch_id for answer in world.answers.values()} == set(wanted), f"seed {seed}"
