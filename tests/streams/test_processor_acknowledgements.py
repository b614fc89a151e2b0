"""The partition processor: what it tells the consumer group, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tests.simulation import toy
from tests.streams.surroundings import Surroundings, in_virtual_time


def test_an_acknowledgement_that_comes_late_overtakes_no_newer_one() -> None:
    """Kafka's client tries again for seconds: lag tools would show records that wait where none do."""

    async def check(s: Surroundings) -> None:
        group, released = s.processor.ports.group, asyncio.Event()
        acknowledge, asked = group.acknowledge, list[int]()

        async def first_one_late(partition: int, positions: Mapping[str, int]) -> None:
            asked.append(positions[toy.REQUESTS])
            if len(asked) == 1:
                await released.wait()
            await acknowledge(partition, positions)

        group.acknowledge = first_one_late  # type: ignore[method-assign]
        await s.start()
        for number in range(3):
            s.request(f"r{number}")
            await asyncio.sleep(2)
        assert s.total == 3, "nothing waits for the group's answer"
        released.set()
        await asyncio.sleep(5)
        assert s.group.committed[toy.REQUESTS, 0] == 3
        assert asked == sorted(asked)

    in_virtual_time(check)
