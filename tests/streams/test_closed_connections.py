"""A broker that dies between two requests: aiokafka is told that the connection is closed, and tries again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from streams import closed_connections
from streams.closed_connections import tell_apart_closed_connections


def not_told_apart_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process, and without a broker."""

    async def no_lookup(_connection: object) -> None:
        """Whoever listens is no broker."""

    # Restored at the end, whatever it is set to meanwhile.
    monkeypatch.setattr(AIOKafkaConnection, "send", closed_connections._send)
    monkeypatch.setattr(AIOKafkaConnection, "_do_version_lookup", no_lookup)


@pytest.fixture(autouse=True)
def _as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    not_told_apart_yet(monkeypatch)


@asynccontextmanager
async def connected() -> AsyncIterator[Any]:
    """A connection to somebody who listens, whose end nobody has noticed yet when it is closed."""
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    connection = AIOKafkaConnection("127.0.0.1", server.sockets[0].getsockname()[1])
    await connection.connect()
    connection._versions = {MetadataRequest([]).API_KEY: (0, 1)}
    connection._read_task.cancel()
    try:
        yield connection
    finally:
        connection.close()
        server.close()


async def send_to_a_closed_one() -> None:
    async with connected() as connection:
        connection._writer.transport.abort()
        await asyncio.sleep(0.05)
        await connection.send(MetadataRequest([]))


def test_without_it_uvloop_raises_what_aiokafka_gives_up_for() -> None:
    with pytest.raises(RuntimeError, match="the handler is closed"):
        uvloop.run(send_to_a_closed_one())


def test_a_request_on_a_closed_connection_is_an_error_of_the_connection() -> None:
    tell_apart_closed_connections()
    tell_apart_closed_connections()
    with pytest.raises(KafkaConnectionError, match=r"127\.0\.0\.1:\d+ is closed"):
        uvloop.run(send_to_a_closed_one())


def test_other_errors_stay_what_they_are() -> None:
    async def with_a_bug() -> None:
        async with connected() as connection:
            connection._writer.write = lambda _data: (_ for _ in ()).throw(RuntimeError("a bug"))
            connection.send(MetadataRequest([]))

    tell_apart_closed_connections()
    with pytest.raises(RuntimeError, match="a bug"):
        uvloop.run(with_a_bug())
