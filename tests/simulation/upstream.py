"""Who writes the inputs: producers, an operator who repeats a command, and the disaster that loses what they wrote."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.simulation.domain import Input

if TYPE_CHECKING:
    from tests.simulation.world import World


class Upstream:
    """What is sent to the input topics of a world, and sent again where a disaster has lost it."""

    def __init__(self, world: World, following: int):
        """
        Args:
            world: whose inputs are written.
            following: the most that is sent because of outcomes.
        """
        self._world = world
        self._left = self._following = following
        self.unsent: list[Input] = []
        #: What was sent and is not lost, and the offset that it got.
        self.sent: list[tuple[Input, int]] = []
        self._snapshots: list[dict[tuple[str, int], int]] = []
        self._intruders = 0

    async def produce(self, within_s: float) -> None:
        """Send what is unsent, in bursts; take snapshots and watch the outcomes on the way."""
        rng, world = self._world.rng, self._world
        pause_s = within_s / max(1, len(self.unsent) / 4)
        while self.unsent:
            for _ in range(rng.randint(1, 7)):
                if self.unsent:
                    self._send(self.unsent.pop(0))
            await asyncio.sleep(rng.random() * 2 * pause_s)
            world.observe()
            if rng.random() < 0.2 and (ends := world.broker.ends()) is not None:
                self._snapshots.append(ends)

    def _send(self, record: Input) -> None:
        topic, partition, key, value, headers = record
        offset = self._world.broker.produce(topic, partition, key, value, headers)
        self.sent.append((record, offset))

    def heard(self, outcome: bytes | None) -> None:
        """Somebody has read an outcome, and acts on it: soon, if at all."""
        world = self._world
        if self._left > 0:
            prefix = f"f{self._following - self._left}"
            for record in world.domain.following(world.rng, world.partitions, outcome, self._find, prefix):
                self._left -= 1
                self.unsent.insert(world.rng.randint(0, min(4, len(self.unsent))), record)

    def _find(self, topic: str, partition: int, offset: int) -> bytes | None:
        found, _ = self._world.broker.partition(topic, partition).fetch(offset, 1)
        return found[0].value if found and found[0].offset == offset else None

    def repeat_internal(self, index: int) -> None:
        """An internal command is written once more, now or in a while, as by an operator who replays a topic."""
        world = self._world
        delay_s = world.rng.choice((0.0, world.rng.uniform(0.0, 3.0)))
        world.loop.outside(delay_s, self._repeat_internal, index)

    def _repeat_internal(self, index: int) -> None:
        world = self._world
        topic = world.domain.inputs[0]
        found = [r for r in world.broker.partition(topic, index).committed() if world.domain.is_deduplicated(r)]
        if found:
            record = world.rng.choice(found)
            world.note(f"{topic} p{index}: {record.offset} once more")
            world.broker.produce(topic, index, record.key, record.value, record.headers)

    def intrude(self, index: int) -> None:
        """Somebody writes in a transaction to a topic that is not theirs, and never ends it: the broker aborts it."""
        world = self._world
        topic = world.rng.choice((world.domain.event_log, world.domain.event_log, *world.domain.inputs))
        self._intruders += 1
        intruder = world.broker.init_producer(f"intruder-{self._intruders}", world.rng.choice((1.0, 4.0, 12.0)))
        world.note(f"{topic} p{index}: an intruder's transaction")
        world.broker.produce_in(intruder, topic, index, [(b"k", b"never", ())])

    def disaster(self) -> None:
        """The cluster loses what came after a snapshot; producers send again what was lost of theirs."""
        world = self._world
        if not self._snapshots:
            return
        ends = world.rng.choice(self._snapshots)
        world.note("disaster: the cluster is restored from older disks")
        for process in list(world.supervisor.alive):
            world.supervisor.kill(process)
        world.broker.roll_back(ends)
        self._snapshots = [s for s in self._snapshots if all(s[name] <= ends[name] for name in ends)]
        lost = [record for record, offset in self.sent if offset >= ends[record.topic, record.partition]]
        self.sent = [(r, offset) for r, offset in self.sent if offset < ends[r.topic, r.partition]]
        self.unsent = lost + self.unsent
        world.seen.clear()
