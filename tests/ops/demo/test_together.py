"""Things at the same time: none outlives the other."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from ops.broker import BrokerError, EmbeddedBroker
from ops.demo.together import both, unless_it_dies
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


class _Broker:
    """One that lives until it is said otherwise."""

    def __init__(self) -> None:
        self.running = True

    def failure(self) -> str:
        return "the broker ended with exit code 1: the disk is full"


def test_with_a_broker_that_lives_the_work_is_done() -> None:
    assert asyncio.run(unless_it_dies(cast(EmbeddedBroker, _Broker()), _told("done"))) == "done"


def test_a_broker_that_dies_ends_the_work_in_order_and_says_why() -> None:
    """Clients go on trying for a minute, and then say only that nobody answers."""
    broker, ended = _Broker(), []

    async def goes_on() -> None:
        broker.running = False
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append("in order")

    with pytest.raises(BrokerError, match="the disk is full"):
        asyncio.run(unless_it_dies(cast(EmbeddedBroker, broker), goes_on()))
    assert ended == ["in order"]
