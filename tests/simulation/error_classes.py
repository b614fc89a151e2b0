"""The classes of errors that a step of the commit can raise, by name: what aiokafka's producer and our ports raise."""

from __future__ import annotations

import asyncio
from typing import Final

from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidTxnState,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    ProducerFenced,
    RecordListTooLargeError,
    UnknownProducerId,
)

from streams.errors import Fenced, MessageTooLarge, StoreError, Unavailable

#: What the writer turns into an error of the ports.
_FENCED: Final = (ProducerFenced, InvalidProducerEpoch)
_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)
#: What it passes on.
_PASSED_ON: Final = (
    KafkaTimeoutError,
    OutOfOrderSequenceNumber,
    UnknownProducerId,
    NotLeaderForPartitionError,
    KafkaConnectionError,
    InvalidTxnState,
    ProducerClosed,
    KafkaError,
)
#: What no broker says: the time limit (`asyncio.TimeoutError` is this class), a cancellation from within, the
#: machine, a bug.
_ANY: Final = (TimeoutError, asyncio.CancelledError, MemoryError, OSError, RuntimeError)

_CLASSES: Final[dict[str, type[BaseException]]] = {
    class_.__name__: class_ for class_ in (*_FENCED, *_TOO_LARGE, *_PASSED_ON, *_ANY, Fenced, StoreError, Unavailable)
}


def _names(*classes: type[BaseException]) -> tuple[str, ...]:
    return tuple(class_.__name__ for class_ in classes)


TOO_LARGE: Final = _names(*_TOO_LARGE)
#: From the producer, while it writes or commits.
PRODUCER: Final = _names(*_FENCED, *_PASSED_ON, *_ANY)
#: From any port, anywhere.
PORTS: Final = _names(Fenced, StoreError, *_PASSED_ON, *_ANY)
#: From a writer that fences.
FENCE: Final = (*PORTS, *_names(Unavailable))
#: From a store that is read: the store's own failure, or no memory for the row.
STORE_READ: Final = _names(StoreError, MemoryError)
#: From a store that is written or opened: all that RocksDB raises has become this.
STORE: Final = _names(StoreError)


def make(name: str, where: str) -> BaseException:
    """An error of the class `name`, raised at `where`."""
    if name == "OSError":
        return OSError(5, f"injected at {where}")
    return _CLASSES[name](f"injected at {where}")


def as_the_ports_raise(name: str) -> type[BaseException]:
    """The class that a `LogWriter` raises where its producer raises the class `name`."""
    class_ = _CLASSES[name]
    if class_ in _FENCED:
        return Fenced
    return MessageTooLarge if class_ in _TOO_LARGE else class_
