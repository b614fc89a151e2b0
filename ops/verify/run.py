"""Reads a ledger from Kafka and hands it to the audit, all partitions at the same pace.

The partition whose time is furthest behind is read next, and with each part of its event log as much of its inputs
and outcomes as the part speaks of. So what has to wait for its counterpart is little, however long the log.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path
from typing import cast

from ops.consuming import Bounds, Stream
from ops.errors import OperationError
from ops.reading import Brokers, TopicReader, open_reader
from ops.verify.audit import DAY_MS, LedgerAudit
from ops.verify.idle import wait_until_idle
from ops.verify.partition import PartitionAudit, ReadInput
from ops.verify.report import Report
from ops.verify.stores import RocksCopy, find_copies
from schemas.topics import INPUTS, LEDGER_EVENTS, TRANSACTION_OUTCOMES, WALLET_BALANCES

#: Between asking for the end of the events and for those of the topics written with them: a transaction's
#: partitions show its records one after the other.
_MARKERS_S = 0.3
#: Outcomes and balances whose events are there already may be so late, at most.
_LATE_S = 5.0

#: Called with records of the event log read so far, and how many offsets it has.
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Bounds:
    """What is read: bounds of every topic, taken in an order that makes the other topics reach past the events."""

    events: Mapping[int, Bounds]
    outcomes: Mapping[int, Bounds]
    balances: Mapping[int, Bounds]
    inputs: Mapping[str, Mapping[int, Bounds]]


@dataclass
class _Reading:
    """One partition's streams and audit."""

    partition: int
    audit: PartitionAudit
    events: Stream
    outcomes: Stream
    balances: Stream
    inputs: dict[str, Stream]
    ended: set[str] = field(default_factory=set)

    async def step(self) -> int:
        """Read on in the event log; returns how many records there were, 0 at its end."""
        records = await self.events.next()
        if records is None:
            return 0
        self.audit.take_events(records)
        while self.audit.answers.is_behind and await self._take_outcomes():
            pass
        for topic in INPUTS:
            while self.audit.inputs.is_behind(topic) and await self._take_inputs(topic):
                pass
        return len(records)

    async def _take_outcomes(self) -> bool:
        records = await self.outcomes.next()
        if records is None:
            return False
        self.audit.take_outcomes(records)
        return True

    async def _take_inputs(self, topic: str) -> bool:
        records = await self.inputs[topic].next()
        if records is None:
            return False
        # aiokafka's records say who has stamped them; nobody else asks for it.
        self.audit.take_inputs(topic, cast("list[ReadInput]", records))
        return True

    async def drain(self, reader: TopicReader) -> None:
        """The event log has ended: read the other topics to their ends."""
        await self.events.close()
        for topic, stream in self.inputs.items():
            while await self._take_inputs(topic):
                pass
            await stream.close()
        while await self._take_outcomes():
            pass
        deadline = time.monotonic() + _LATE_S
        while self.audit.answers.is_behind and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            self.outcomes.extend((await reader.bounds(TRANSACTION_OUTCOMES, [self.partition]))[self.partition].end)
            while await self._take_outcomes():
                pass
        await self.outcomes.close()
        while (records := await self.balances.next()) is not None:
            self.audit.take_balances(records)
        self.audit.finish_balances()
        await self.balances.close()


async def verify(
    brokers: Brokers,
    namespace: str,
    partitions: int,
    *,
    retained_ms: int = 40 * DAY_MS,
    transactions_retained_ms: int = 540 * DAY_MS,
    data_dir: Path | None = None,
    wait_s: float | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Audit the ledger as it is now.

    Args:
        brokers: where to connect to.
        namespace: prefix of the ledger's topics.
        partitions: partition count of the ledger.
        retained_ms: how long idempotency keys are kept.
        transactions_retained_ms: how long transactions can be named.
        data_dir: where workers of this machine keep their local state; it is compared as well.
        wait_s: wait so long at most until the ledger has decided everything; None audits it as it stands.
        on_progress: told how far the reading has come.

    Raises:
        OperationError: the audit cannot be made, or the ledger is not idle after `wait_s`.
    """
    began = time.perf_counter()
    async with open_reader(brokers, namespace) as reader:
        await _check_partitions(reader, partitions)
        if wait_s is not None:
            await wait_until_idle(reader, wait_s)
        copies, notes = ({}, []) if data_dir is None else find_copies(data_dir, partitions)
        was_enabled = gc.isenabled()
        gc.disable()  # nothing here makes cycles, and millions of live objects make each collection slow
        try:
            bounds = await _bounds(reader)
            retentions = (retained_ms, transactions_retained_ms)
            audit = await _read_all(reader, bounds, partitions, retentions, copies, on_progress)
            grown = await _grown(reader, audit, bounds)
            return audit.finish(notes, time.perf_counter() - began, grown=grown)
        finally:
            if was_enabled:
                gc.enable()
            for copy in (copy for found in copies.values() for copy in found):
                copy.close()


async def _check_partitions(reader: TopicReader, partitions: int) -> None:
    for name in (LEDGER_EVENTS, TRANSACTION_OUTCOMES, WALLET_BALANCES, *INPUTS):
        count = await reader.partition_count(name)
        if count != partitions:
            raise OperationError(
                f"{reader.namespace}{name} has {count} partitions, WALLETSTREAM_PARTITIONS says {partitions}; "
                "set it to the ledger's own"
            )


async def _read_all(
    reader: TopicReader,
    bounds: _Bounds,
    partitions: int,
    retained_ms: tuple[int, int],
    copies: Mapping[int, list[RocksCopy]],
    on_progress: OnProgress | None,
) -> LedgerAudit:
    audit = LedgerAudit(
        partitions,
        retained_from={topic: [found[p].start for p in range(partitions)] for topic, found in bounds.inputs.items()},
        retained_ms=retained_ms[0],
        transactions_retained_ms=retained_ms[1],
        copies=copies,
    )
    readings = [await _begin(reader, audit, bounds, p) for p in range(partitions)]
    total = sum(found.end - found.start for found in bounds.events.values())
    done = 0
    behind = [("", reading.partition) for reading in readings]
    while behind:
        _, partition = heappop(behind)
        reading = readings[partition]
        count = await reading.step()
        if count:
            heappush(behind, (reading.audit.chain.partition_time, partition))
            done += count
        else:
            await reading.drain(reader)
        if on_progress is not None:
            on_progress(done if behind else total, total)
    return audit


async def _bounds(reader: TopicReader) -> _Bounds:
    # Of the inputs what can be read is all that the ledger has read before its log had these ends.
    events = await reader.whole_bounds(LEDGER_EVENTS)
    await asyncio.sleep(_MARKERS_S)
    return _Bounds(
        events,
        await reader.whole_bounds(TRANSACTION_OUTCOMES),
        await reader.whole_bounds(WALLET_BALANCES),
        {topic: await reader.bounds(topic) for topic in INPUTS},
    )


async def _grown(reader: TopicReader, audit: LedgerAudit, bounds: _Bounds) -> set[int]:
    """Partitions whose event log has another end now than the one it was read to.

    A log that still ends where it did has nothing to show for what was found beyond it. As a transaction's
    partitions show its records one after the other, the log is given time to show them.
    """
    deadline = time.monotonic() + _LATE_S
    while True:
        now = await reader.bounds(LEDGER_EVENTS)
        grown = {partition for partition, found in now.items() if found.end != bounds.events[partition].end}
        resting = now.keys() - grown
        if time.monotonic() >= deadline or not any(audit.is_open(partition) for partition in resting):
            return grown
        await asyncio.sleep(0.1)


async def _begin(reader: TopicReader, audit: LedgerAudit, bounds: _Bounds, partition: int) -> _Reading:
    part = audit.partitions[partition]
    events, outcomes = bounds.events[partition], bounds.outcomes[partition]
    if events.start > 0:
        part.begin_at(events.start)
    for topic, found in bounds.inputs.items():
        part.inputs.end_at(topic, found[partition].end)
    reading = _Reading(
        partition,
        part,
        reader.stream(LEDGER_EVENTS, partition, *events),
        reader.stream(TRANSACTION_OUTCOMES, partition, *outcomes),
        reader.stream(WALLET_BALANCES, partition, *bounds.balances[partition]),
        {topic: reader.stream(topic, partition, *found[partition]) for topic, found in bounds.inputs.items()},
    )
    if outcomes.start > 0:
        records = await reading.outcomes.next() or []
        part.answers.begin_at(records[0].value if records else None)
        part.take_outcomes(records)
    return reading
