"""The partition processor: what else is there when a batch does not continue the one before."""

from __future__ import annotations

import asyncio

from streams.box import InputBatch
from tests.simulation import toy
from tests.streams.records import record
from tests.streams.surroundings import Surroundings, in_virtual_time


def test_what_was_under_way_behind_a_hole_leads_to_no_second_seek() -> None:
    """That one would come when the first has brought more, and the batch after it would look like a jump back."""

    async def check(s: Surroundings) -> None:
        await s.start()
        await asyncio.sleep(1)
        number = s.processor.box._seek[toy.REQUESTS]
        for start in (2, 3, 4):
            s.processor.offer(InputBatch(toy.REQUESTS, 0, start, start + 1, number, [record(start)]))
        assert s.notes.said.count("hole requests") == 1
        s.request("r1", 5)
        await asyncio.sleep(4)
        assert s.total == 5
        assert s.notes.said.count("restoring") == 1

    in_virtual_time(check)


def test_what_still_waits_before_a_hole_is_not_fetched_again() -> None:
    """It would look like a jump back, or be decided twice."""

    async def check(s: Surroundings) -> None:
        await s.start()
        await asyncio.sleep(1)
        number = s.processor.box._seek[toy.REQUESTS]
        s.request("r1", 5)
        s.request("r2", 3)
        first, _ = s.broker.partition(toy.REQUESTS, 0).committed()
        s.processor.offer(InputBatch(toy.REQUESTS, 0, 0, 1, number, [first]))
        s.processor.offer(InputBatch(toy.REQUESTS, 0, 2, 3, number, [record(2)]))
        await asyncio.sleep(4)
        assert s.total == 8
        assert len(s.events()) == 2
        assert s.notes.said.count("restoring") == 1

    in_virtual_time(check)
