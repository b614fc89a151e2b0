"""The simulated rail: takes batches into its journal, and answers when they are due. For demos and tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from agents.settlement.rails.port import RailMisconfigured, RailUnavailable, RailUnknown
from agents.settlement.rails.registry import AdapterKind, Surroundings
from agents.settlement.rails.simulated.behaviour import (
    Chance,
    PlannedAnswer,
    SimulatedSettings,
    answers_of,
    is_silent,
    payments_of,
    received,
    status_of,
)
from agents.settlement.rails.simulated.journal import (
    Acknowledged,
    Journal,
    Repeated,
    Taken,
    Totals,
    TurnedAway,
)
from agents.settlement.rails.threads import RailThreads
from schemas.rail_batches import RailAnswer, RailBatch
from schemas.rails import Rail

#: While a file of this name is in its folder, the rail answers nothing: `touch` it to see what an outage does.
DOWN_FILE: Final = "down"
#: A batch is turned away so often at most.
_TURNED_AWAY_AT_MOST: Final = 3


class SimulatedRail:
    """A `Rail` whose money is lines of a journal. Any number of processes may use the same folder."""

    def __init__(self, name: str, settings: SimulatedSettings, folder: Path, clock_ms: Callable[[], int]):
        self.name = name
        self._settings = settings
        self._folder = folder
        self._clock_ms = clock_ms
        self._journal = Journal(folder)
        self._chance = Chance(settings.seed)
        self._threads = RailThreads(name)
        self._plans: dict[str, list[PlannedAnswer]] = {}
        #: Batches whose answers are not all acknowledged.
        self._open: set[str] = set()
        self._planned = 0

    async def submit(self, batch: RailBatch) -> RailAnswer:
        """Take the batch, and pay what the seed says."""
        await self._call(batch.batch_id, "submit")
        return await self._threads.call(self._take, batch)

    async def status(self, batch_id: str) -> RailAnswer | None:
        """All that the rail knows of the batch."""
        await self._call(batch_id, "status")
        return await self._threads.call(self._status, batch_id)

    async def collect(self) -> Sequence[RailAnswer]:
        """What is due and not acknowledged; of silent batches nothing."""
        await self._call("", "collect")
        return await self._threads.call(self._due)

    async def acknowledge(self, answer_id: str) -> None:
        """Do not tell this answer again."""
        await self._call(answer_id, "acknowledge")
        await self._threads.call(self._acknowledge, answer_id)

    async def close(self) -> None:
        """Let go of the threads."""
        self._threads.close()

    async def _call(self, *about: str) -> None:
        """Take the time that a call takes; fails where the rail is down."""
        if self._settings.call_ms:
            await asyncio.sleep(self._chance.below(self._settings.call_ms + 1, "call", *about) / 1000)
        now_ms = self._clock_ms()
        down = any(outage.from_ms <= now_ms < outage.to_ms for outage in self._settings.outages)
        if down or (self._folder / DOWN_FILE).exists():
            raise RailUnavailable(f"rail {self.name} is down")

    # ---- under the journal's lock, in a thread ---------------------------------------------------------

    def _take(self, batch: RailBatch) -> RailAnswer:
        settings, now_ms, name = self._settings, self._clock_ms(), batch.batch_id
        with self._journal.held() as totals:
            known = totals.batches.get(name)
            if known is not None and settings.idempotent:
                self._check_same(known, batch)
                self._journal.append([Repeated(at_ms=now_ms, batch_id=name)])
                return self._status_of(known, now_ms)
            if self._is_turned_away(totals, name):
                self._journal.append([TurnedAway(at_ms=now_ms, batch_id=name)])
                raise RailUnavailable(f"rail {self.name} takes no batch at this moment")
            payments = payments_of(settings, batch, totals.paid)
            before = totals.executed[name]
            self._journal.append([Taken(at_ms=now_ms, batch=batch, payments=payments, before=before)])
        if self._chance.hits(settings.lost_bps, "lost", name):
            raise RailUnknown(f"rail {self.name} did not answer")
        return received(batch, now_ms)

    def _is_turned_away(self, totals: Totals, name: str) -> bool:
        if not self._chance.hits(self._settings.turned_away_bps, "turned away", name):
            return False
        return totals.turned_away[name] < 1 + self._chance.below(_TURNED_AWAY_AT_MOST, "times", name)

    def _check_same(self, known: Taken, batch: RailBatch) -> None:
        if not batch.pays_the_same_as(known.batch):
            raise RailMisconfigured(f"rail {self.name} knows batch {batch.batch_id} with other instructions")

    def _status(self, batch_id: str) -> RailAnswer | None:
        with self._journal.held() as totals:
            known = totals.batches.get(batch_id)
        return None if known is None else self._status_of(known, self._clock_ms())

    def _status_of(self, known: Taken, now_ms: int) -> RailAnswer:
        return status_of(self._settings, known.batch, known.payments, known.at_ms, now_ms)

    def _due(self) -> list[RailAnswer]:
        now_ms = self._clock_ms()
        with self._journal.held() as totals:
            self._open.update(list(totals.batches)[self._planned :])
            self._planned = len(totals.batches)
            found = [
                (known.at_ms + one.after_ms, one.answer)
                for known in map(totals.batches.__getitem__, sorted(self._open))
                for one in self._told(known, totals.acknowledged)
                if known.at_ms + one.after_ms <= now_ms
            ]
        return [answer for _, answer in sorted(found, key=lambda one: (one[0], one[1].answer_id))]

    def _told(self, known: Taken, acknowledged: set[str]) -> list[PlannedAnswer]:
        """What it will tell unasked of a batch and has not yet; forgets the batch once that is nothing."""
        name = known.batch.batch_id
        plan = [] if is_silent(self._settings, known.batch) else self._plan(known)
        left = [one for one in plan if one.answer.answer_id not in acknowledged]
        if not left:
            self._open.discard(name)
        return left

    def _acknowledge(self, answer_id: str) -> None:
        with self._journal.held() as totals:
            if answer_id not in totals.acknowledged:
                self._journal.append([Acknowledged(at_ms=self._clock_ms(), answer_id=answer_id)])

    def _plan(self, known: Taken) -> list[PlannedAnswer]:
        name = known.batch.batch_id
        if name not in self._plans:
            # The first attempt's, whichever is asked for: the same answers for ever.
            self._plans[name] = answers_of(self._settings, known.batch, known.payments, known.at_ms)
        return self._plans[name]


def _open_rail(rail: Rail, settings: SimulatedSettings, surroundings: Surroundings) -> SimulatedRail:
    return SimulatedRail(rail.name, settings, surroundings.folder, surroundings.clock_ms)


ADAPTER: Final = AdapterKind("simulated", SimulatedSettings, _open_rail)
