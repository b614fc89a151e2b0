"""A connection that was closed a moment ago is an error of the connection, on uvloop too.

aiokafka expects an `OSError` where it writes to one, marks the node and tries again. uvloop raises `RuntimeError`
there, for which aiokafka's group coordinator gives up for good, and the worker with it: a broker has to die just
between two requests.
"""

from __future__ import annotations

from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

_send: Final = AIOKafkaConnection.send


def _send_or_say_closed(connection: Any, *args: Any, **kwargs: Any) -> Any:
    """`AIOKafkaConnection.send`.

    Raises:
        KafkaConnectionError: the connection is closed.
    """
    writer = connection._writer
    try:
        return _send(connection, *args, **kwargs)
    except RuntimeError as error:
        if writer is None or not writer.is_closing():
            raise
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"the connection at {connection.host}:{connection.port} is closed") from error


def tell_apart_closed_connections() -> None:
    """Make every connection of aiokafka in this process do so. Calling it again does nothing more."""
    AIOKafkaConnection.send = _send_or_say_closed
