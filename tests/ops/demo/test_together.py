"""Two things at the same time: neither outlives the other."""

from __future__ import annotations

import asyncio

import pytest

from ops.demo.together import both
from ops.errors import OperationError


async def _told(value: str) -> str:
    await asyncio.sleep(0)
    return value


def test_both_are_done() -> None:
    assert asyncio.run(both(_told("one"), _told("other"))) == ("one", "other")


@pytest.mark.parametrize("is_first", [True, False])
def test_one_that_fails_ends_the_other_in_order(is_first: bool) -> None:
    ended: list[str] = []

    async def fails() -> None:
        await asyncio.sleep(0.01)
        raise OperationError("no")

    async def goes_on() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append("in order")

    with pytest.raises(OperationError, match="no"):
        asyncio.run(both(fails(), goes_on()) if is_first else both(goes_on(), fails()))
    assert ended == ["in order"]


def test_canceled_it_cancels_both() -> None:
    ended: list[int] = []

    async def goes_on(number: int) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(number)

    async def run() -> None:
        task = asyncio.ensure_future(both(goes_on(1), goes_on(2)))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sorted(ended) == [1, 2]

    asyncio.run(run())
