"""An import that another one takes over from ends with one sentence."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.errors import ProducerFenced

from ops.reconcile import importing
from tests.ops.reconcile.statements import line


class Fenced:
    """A producer that is fenced while batches are under way."""

    def __init__(self) -> None:
        self.sent: list[asyncio.Future[Any]] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield

    def create_batch(self) -> Any:
        return Batch()

    async def send_batch(self, batch: Any, topic: str, partition: int) -> asyncio.Future[Any]:
        if len(self.sent) == 2:
            for one in self.sent:
                one.set_exception(ProducerFenced())
            raise ProducerFenced
        self.sent.append(asyncio.get_running_loop().create_future())
        return self.sent[-1]


class Batch:
    """Takes one record."""

    def __init__(self) -> None:
        self.count = 0

    def append(self, **_record: Any) -> object | None:
        self.count += 1
        return None if self.count > 1 else self


def test_what_was_under_way_is_not_told_besides() -> None:
    told: list[Any] = []

    async def fenced() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        reader: Any = type("Reader", (), {"namespace": "t."})()
        producer: Any = Fenced()
        with pytest.raises(ProducerFenced):
            await importing._write(reader, producer, 0, [line(f"l{n}", "s1") for n in range(5)])
        producer.sent.clear()

    asyncio.run(fenced())
    gc.collect()
    assert told == []
