"""The simulated world: a cluster, workers, producers, an observer of the outcomes, and everything that goes wrong.

One seed is one run; the same seed gives the same run, to the last callback.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from dataclasses import dataclass

from streams.commit import Limits
from tests.simulation.checker import check_run, last_positions
from tests.simulation.domain import Domain
from tests.simulation.faults import Injector, Kind, Planned, Point, plan
from tests.simulation.loop import SimulatedLoop
from tests.simulation.memory_broker import Broker, Identity
from tests.simulation.memory_group import GroupCoordinator
from tests.simulation.supervisor import Supervisor
from tests.simulation.upstream import Upstream
from tests.simulation.worker import Worker

EPOCH_MS = 1_800_000_000_000
TOLERANCE_MS = 5_000
#: A run that is not quiet so long after the last fault never will be.
PATIENCE_S = 240.0
#: Nor one in which so much has happened since.
PATIENCE_LINES = 2_500


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to."""

    seed: int
    violations: list[str]
    struck: dict[tuple[Point, Kind], int]
    digest: str
    trace: list[str]
    requests: int
    virtual_s: float
    #: Errors raised, by point and class.
    raised: dict[tuple[Point, str], int]


@dataclass(frozen=True, slots=True)
class Profile:
    """Which faults a run may suffer, and how many; for tests that look for one thing."""

    kinds: tuple[Kind, ...] | None = None
    most_faults: int = 9
    planned: tuple[Planned, ...] = ()
    requests: tuple[int, int] = (15, 60)
    records_per_producer: int | None = None
    retention: bool = False
    #: The most that is sent because of outcomes that were read.
    following: tuple[int, int] = (0, 50)


class World:
    """One run."""

    def __init__(self, domain: Domain, seed: int, profile: Profile | None = None):
        self.domain, self.seed = domain, seed
        self.profile = profile = profile or Profile()
        rng = self.rng = random.Random(f"{domain.name}/{seed}")
        self.partitions = rng.choice((1, 2, 2, 3))
        self.fetch_most = rng.choice((2, 5, 10))
        self.box_records = rng.choice((4, 10, 50))
        self.flush_chance = rng.choice((0.0, 0.3, 1.0))
        self.limits = Limits(
            batch_max_records=rng.choice((1, 4, 8, 30)),
            clock_tolerance_ms=TOLERANCE_MS,
            seal_interval_ms=rng.choice((4_000, 86_400_000)),
            acknowledge_interval_s=rng.choice((0.0, 0.1, 0.5)),
            cache_entries=rng.choice((0, 3, 100)),
            records_per_producer=profile.records_per_producer or rng.choice((40, 1 << 30, 1 << 30)),
        )
        planned = [*profile.planned, *plan(rng, profile.most_faults, profile.kinds)]
        self.injector = Injector(planned)
        self.loop = SimulatedLoop()
        self.broker_offset_ms = 0
        self.latest_clock_ms = 0
        self.broker = Broker(self.broker_ms, self.loop.outside, self._marker_delay_s)
        for topic, max_bytes in domain.topics.items():
            self.broker.create(topic, self.partitions, max_bytes, append_time=topic in domain.inputs)
        self.broker.on_readable = lambda _partition: self._wake()
        self.broker.on_decided = self._decided
        self.group = GroupCoordinator(self.partitions, self.loop.outside)
        self.workers = [Worker(f"w{n}") for n in range(rng.choice((1, 2, 2, 3)))]
        self.supervisor = Supervisor(self)
        self.over = False
        self.violations: list[str] = []
        self.trace: list[str] = []
        self._digest = hashlib.sha256()
        #: What producers raised when they were stopped: nobody may mind.
        self.errors_of_stop: list[BaseException] = []
        self._mended = 0
        self.upstream = Upstream(self, rng.randint(*profile.following))
        #: Outcomes that an observer has seen: (partition, offset) -> value.
        self.seen: dict[tuple[int, int], bytes | None] = {}

    # ---- time, trace, violations -------------------------------------------------------------------

    def true_ms(self) -> int:
        """Unix milliseconds of a clock that is right."""
        return EPOCH_MS + int(self.loop.time() * 1000)

    def broker_ms(self) -> int:
        """The broker's clock, which stamps the records."""
        return self.true_ms() + self.broker_offset_ms

    def note(self, what: str) -> None:
        """A line of the trace."""
        line = f"{self.loop.time():10.4f} {what}"
        self._digest.update(line.encode())
        self.trace.append(line)

    def violated(self, what: str) -> None:
        """Something that must never be."""
        self.note(f"VIOLATION {what}")
        self.violations.append(what)

    def check_clock(self, partition: int, partition_time_ms: int) -> None:
        """Partition time may not run away from the workers' clocks."""
        if partition_time_ms > self.latest_clock_ms + TOLERANCE_MS:
            self.violated(f"partition {partition} took a record from too far in the future")

    def _decided(self, identity: Identity, commit: bool) -> None:
        self.note(f"{identity.transactional_id} epoch {identity.epoch} {'commits' if commit else 'aborts'}")

    def _marker_delay_s(self) -> float:
        return self.rng.random() * (1.0 if self.rng.random() < 0.1 else 0.006)

    def _wake(self) -> None:
        for process in self.supervisor.alive:
            process.wake_inputs()

    # ---- the run -----------------------------------------------------------------------------------

    def run(self) -> Result:
        """Run to the end and check."""
        said = logging.root.manager.disable
        logging.disable()
        try:
            self.loop.run_until_complete(self._main())
            if not self.violations:
                self.violations += check_run(self)
            for partition in self.broker.partitions.values():
                for record in partition.committed():
                    self._digest.update(repr(record).encode())
        except Exception as error:
            self.violated(f"the run broke: {error!r}")
        finally:
            self._end()
            logging.disable(said)
        return Result(
            self.seed,
            self.violations,
            dict(self.injector.struck),
            self._digest.hexdigest(),
            self.trace,
            len(self.upstream.sent),
            self.loop.time(),
            dict(self.injector.raised),
        )

    async def _main(self) -> None:
        rng = self.rng
        for worker in self.workers:
            self.supervisor.start_within(worker, 0.0, 0.5)
        self.upstream.unsent = self.domain.workload(rng, self.partitions, rng.randint(*self.profile.requests))
        await self.upstream.produce(rng.choice((0.5, 3.0, 8.0)))
        await self._linger(rng.choice((0.5, 4.0, 15.0)))
        self.injector.enabled = False
        self.note("no more faults")
        await self.upstream.produce(0.5)
        await self._until_quiet()
        if self.limits.seal_interval_ms < 60_000 and (self.profile.retention or rng.random() < 0.2):
            await self._outlive_retention()

    async def _linger(self, seconds: float) -> None:
        """Let time pass; what is sent meanwhile follows from outcomes."""
        until_s = self.loop.time() + seconds
        while (left_s := until_s - self.loop.time()) > 0:
            await asyncio.sleep(min(0.5, left_s))
            self.observe()
            await self.upstream.produce(0.1)

    async def _outlive_retention(self) -> None:
        """Idle for long, all inputs are deleted by retention, workers start again, and go on."""
        # Retention has to be longer than the seals are apart, by more than the clocks leap.
        await asyncio.sleep(2 * self.limits.seal_interval_ms / 1000 + 20.0)
        self.note("retention")
        for topic in self.domain.inputs:
            for index in range(self.partitions):
                partition = self.broker.partition(topic, index)
                partition.delete_before(partition.end)
        for process in list(self.supervisor.alive):
            self.supervisor.kill(process)
        self.upstream.unsent = self.domain.workload(self.rng, self.partitions, 5, "late")
        await self.upstream.produce(0.5)
        await self._until_quiet()

    def observe(self) -> None:
        """An observer with `read_committed`: what it has seen once must stay."""
        for index in range(self.partitions):
            partition = self.broker.partition(self.domain.outcomes, index)
            first = 1 + max((offset for p, offset in self.seen if p == index), default=-1)
            for record in partition.fetch(first, 1 << 30)[0]:
                self.seen[index, record.offset] = record.value
                self.upstream.heard(record.value)

    def unseen(self) -> list[str]:
        """Outcomes that were seen and are not there any more."""
        there = {
            (index, record.offset): record.value
            for index in range(self.partitions)
            for record in self.broker.partition(self.domain.outcomes, index).committed()
        }
        return [f"outcome {where} was seen and is gone" for where, v in self.seen.items() if there.get(where) != v]

    async def _until_quiet(self) -> None:
        deadline_s, most_lines = self.loop.time() + PATIENCE_S, len(self.trace) + PATIENCE_LINES
        while self.loop.time() < deadline_s and len(self.trace) < most_lines:
            await asyncio.sleep(1.0)
            self.observe()
            if self.upstream.unsent:
                await self.upstream.produce(0.5)
            if self._is_quiet():
                ends = self.broker.ends()
                await asyncio.sleep(3.0)
                if self._is_quiet() and ends == self.broker.ends() and not self._mend():
                    self.note("quiet")
                    return
        self.violated("the system never came to rest")

    def _mend(self) -> bool:
        """True where operators have something to do first."""
        self._mended += 1
        for index in range(self.partitions):
            self.upstream.unsent += self.domain.mend(self.live_tables(index), index, self._mended)
        return bool(self.upstream.unsent)

    def _is_quiet(self) -> bool:
        if not self.supervisor.is_settled or self.broker.ends() is None:
            return False
        if any(partition.last_stable < partition.end for partition in self.broker.partitions.values()):
            return False
        return all(self._is_done(index) for index in range(self.partitions))

    def _is_done(self, index: int) -> bool:
        owner = next((p for p in self.supervisor.alive if p.name == self.group.owner(index)), None)
        run = owner.runs.get(index) if owner else None
        progress = run.processor.progress if run and not run.task.done() else None
        if progress is None or self.domain.is_due(self.live_tables(index)):
            return False
        return all(
            last < progress.positions.get(topic, 0) for topic, last in last_positions(self.broker, self.domain, index)
        )

    def live_tables(self, index: int) -> dict[str, dict[str, bytes]]:
        """The tables in the store of the partition's owner."""
        owner = next(p for p in self.supervisor.alive if p.name == self.group.owner(index))
        return next((files.tables for files in owner.held_files() if files.partition == index), {})

    def _end(self) -> None:
        self.over = True
        self.injector.enabled = False
        processes = [*self.supervisor.alive, *self.supervisor.dead]
        for process in processes:
            process.link.down = True
        self.loop.bury([process.process for process in processes])
        self.loop.close()


def simulate(domain: Domain, seed: int, profile: Profile | None = None) -> Result:
    """One run of one seed."""
    return World(domain, seed, profile).run()
