"""The courier of one worker: a desk for each rail whose partition it owns. Knows no Kafka."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agents.settlement.rails import port
from agents.settlement.rails.courier.book import Book, attempt_of, is_with_the_rail
from agents.settlement.rails.courier.breaker import backoff_ms
from agents.settlement.rails.courier.desk import Desk
from agents.settlement.rails.courier.ports import Clock, CourierObserver, Reports
from agents.settlement.rails.courier.unopened import Unopened
from agents.settlement.rails.port import RailMisconfigured
from agents.settlement.rails.registry import Registry, Surroundings
from schemas.assets import AssetRegistry
from schemas.partitioning import partition_of
from schemas.rail_settings import Retry
from schemas.rails import Rail
from schemas.settlement_batches import BatchRecord, SettlementRecord
from streams.logs import fields

log = logging.getLogger(__name__)


@dataclass
class _Running:
    """A rail's desk, the record that it was opened by (None: there was none), and the task that runs it."""

    desk: Desk
    rail: Rail | None
    task: asyncio.Task[None]


@dataclass
class _Partition:
    """A partition that this worker owns."""

    book: Book
    #: False until the log was read to where it ended: what stands there first may be long over.
    is_current: bool = False


class Courier:
    """Hands batches over and brings answers back, for the rails of the partitions it owns.

    Its methods only post; the desks' tasks do the work. What it knows is a fold of `settlement-batches` and of the
    rails' records, so that another worker's courier can go on from there at any time.
    """

    def __init__(
        self,
        registry: Registry,
        reports: Reports,
        clock: Clock,
        folder: Path,
        partitions: int,
        observer: CourierObserver | None = None,
        assets: Callable[[], AssetRegistry] = AssetRegistry,
        share: Callable[[], float] = random.random,
    ):
        """
        Args:
            registry: the kinds of adapters.
            reports: where answers go.
            clock: the time.
            folder: where each rail has a folder of its name.
            partitions: how many partitions co-partitioned topics have.
            observer: is told what happens.
            assets: the assets that are known now.
            share: numbers in [0, 1) for jitter.
        """
        self._registry = registry
        self._reports = reports
        self._clock = clock
        self._folder = folder
        self._partition_count = partitions
        self._observer = observer or CourierObserver()
        self._assets = assets
        self._share = share
        self._rails: Mapping[str, Rail] = {}
        self._owned: dict[int, _Partition] = {}
        self._desks: dict[str, _Running] = {}
        #: Cancelled, but not at their end yet.
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def desks(self) -> list[str]:
        """Names of the rails that it cares for now."""
        return sorted(self._desks)

    # ---- news --------------------------------------------------------------------------------------------

    def configure(self, rails: Mapping[str, Rail]) -> None:
        """The rails' records are these now. A desk whose record has changed is opened anew."""
        self._rails = dict(rails)
        self._arrange()

    def own(self, partition: int) -> Book:
        """This worker owns the partition from now on; returns its book. Nothing is done until `current`."""
        self._owned[partition] = _Partition(Book())
        self._arrange()
        return self._owned[partition].book

    def take(self, partition: int, offset: int, record: SettlementRecord) -> None:
        """The next record of an owned partition; one of a partition that is not owned any more is passed over."""
        owned = self._owned.get(partition)
        batch = None if owned is None else owned.book.take(offset, record)
        if owned is None or batch is None or not owned.is_current:
            return
        self._arrange()
        if batch.rail in self._desks:
            _offer(self._desks[batch.rail].desk, batch)

    def current(self, partition: int) -> None:
        """The log was read to its end: what is open now is to be done."""
        self._owned[partition].is_current = True
        self._arrange()

    def disown(self, partition: int) -> None:
        """Another worker owns the partition from now on, or will soon: its desks stop where they are."""
        self._owned.pop(partition, None)
        self._arrange()

    async def close(self) -> None:
        """Stop all desks."""
        self._owned.clear()
        self._arrange()
        if self._ending:
            await asyncio.wait(self._ending)

    # ---- desks -------------------------------------------------------------------------------------------

    def _arrange(self) -> None:
        """Have a desk for each rail that is to be cared for here, opened by the record as it is now."""
        wanted = self._wanted()
        for name in self._desks.keys() - wanted:
            self._stop(name)
        for name in sorted(wanted):
            running = self._desks.get(name)
            if running is not None and running.rail != self._rails.get(name):
                self._stop(name)
                running = None
            if running is None:
                self._start(name)

    def _wanted(self) -> set[str]:
        """Rails with an adapter, and those that batches name, in partitions that are current."""
        current = {number: owned for number, owned in self._owned.items() if owned.is_current}
        named = {name for owned in current.values() for name in owned.book.rails}
        settled = {name for name, rail in self._rails.items() if rail.adapter is not None}
        return {name for name in named | settled if self._home(name) in current}

    def _home(self, rail: str) -> int:
        return partition_of(rail, self._partition_count)

    def _start(self, name: str) -> None:
        record = self._rails.get(name)
        desk = self._open_desk(name, record)
        self._desks[name] = _Running(desk, record, asyncio.ensure_future(self._keep(name, desk)))
        log.info("desk opened", extra=fields(rail=name, waiting=len(desk.waiting)))

    def _open_desk(self, name: str, record: Rail | None) -> Desk:
        retry = Retry() if record is None else record.retry
        desk = Desk(self._open_rail(name, record), retry, self._reports, self._clock, self._observer, self._share)
        self._observer.opened(name)
        for batch in list(self._owned[self._home(name)].book.of_rail(name)):
            _offer(desk, batch, is_taken_over=True)
        return desk

    def _open_rail(self, name: str, record: Rail | None) -> port.Rail:
        surroundings = Surroundings(self._folder / name, self._clock.now_ms, self._assets)
        try:
            if record is None:
                raise RailMisconfigured(f"there is no rail {name} among the reference data; put it there again")
            return self._registry.open(record, surroundings)
        except RailMisconfigured as error:
            log.error("a rail cannot be opened: %s", error, extra=fields(rail=name))
            return Unopened(name, error)
        except Exception as error:
            log.exception("a rail cannot be opened", extra=fields(rail=name))
            return Unopened(name, RailMisconfigured(f"its adapter cannot be opened: {error!r}"))

    async def _keep(self, name: str, desk: Desk) -> None:
        """Run the desk; one that trips is opened anew after a pause, and holds up no other."""
        failures = 0
        while True:
            try:
                await desk.run()
            except Exception:
                failures += 1
                log.exception("a desk has tripped and is opened anew", extra=fields(rail=name, failures=failures))
                self._observer.tripped(name)
            await self._clock.sleep_ms(backoff_ms(Retry(), failures, self._share()))
            running = self._desks[name]
            desk = running.desk = self._open_desk(name, running.rail)

    def _stop(self, name: str) -> None:
        running = self._desks.pop(name)
        running.task.cancel()
        self._ending.add(running.task)
        running.task.add_done_callback(lambda task: self._ended(name, task))
        log.info("desk closed", extra=fields(rail=name))

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        self._ending.discard(task)
        if name not in self._desks:
            self._observer.closed(name)


def _offer(desk: Desk, record: BatchRecord, *, is_taken_over: bool = False) -> None:
    """Tell a desk what a batch's last record asks of it; `is_taken_over`: it did so before the desk was there."""
    batch = attempt_of(record)
    if batch is not None:
        desk.attempt(batch, is_taken_over=is_taken_over)
    elif is_with_the_rail(record):
        desk.follow(record.batch_id)
    else:
        desk.forget(record.batch_id)
