"""Reads and writes the topics of reference data: the same checks as a worker's, before anything is written."""

from __future__ import annotations

import asyncio
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.structs import RecordMetadata

from ops.alone import alone, until_visible
from ops.amounts import Amounts
from ops.consuming import Record
from ops.errors import OperationError
from ops.reading import TopicReader
from ops.records import parsed
from schemas.clock import rfc3339
from schemas.rails import Rail
from schemas.reference import KEY_FIELDS, Reference, read_record
from schemas.topics import ASSETS, RAILS, full_name

_WORK = "reference"


class Line(NamedTuple):
    """A record of a file: the number of its line, from 1, its key and its value."""

    number: int
    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Held:
    """The latest record of a key, and why workers pass it over, if they do."""

    key: str
    record: Record
    problem: str | None

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "key": self.key,
            "offset": self.record.offset,
            "timestamp": rfc3339(self.record.timestamp),
            "value": parsed(self.record.value),
            "problem": self.problem,
        }


@dataclass(slots=True)
class Contents:
    """What a topic of reference data says."""

    #: By key; removed ones are absent.
    held: dict[str, Held] = field(default_factory=dict)
    reference: Reference = field(default_factory=Reference)

    def take(self, topic: str, record: Record) -> None:
        """Take the next record of the topic (its short name), as a worker does."""
        key, problem = (record.key or b"").decode(errors="replace"), None
        try:
            self.reference = self.reference.with_record(topic, key, record.value)
        except ValueError as error:
            problem = str(error)
        if record.value is None and problem is None:
            self.held.pop(key, None)
        else:
            self.held[key] = Held(key, record, problem)


def read_lines(lines: Iterable[bytes], topic: str) -> list[Line]:
    """The records of a file with one JSON object in each line; empty lines and byte order marks are passed over.

    Raises:
        OperationError: a line does not fit the contract of `topic` (its short name); it names line and field.
    """
    found = []
    for number, line in enumerate(lines, start=1):
        value = line.strip().removeprefix(BOM_UTF8)
        if not value:
            continue
        try:
            record = read_record(topic, value)
        except ValueError as error:
            one_line = "; a record is one JSON object on one line" if str(error).startswith("Invalid JSON") else ""
            raise OperationError(f"line {number}: {error}{one_line}; nothing was written") from error
        written = record.model_dump_json(exclude_unset=True).encode()
        found.append(Line(number, getattr(record, KEY_FIELDS[topic]), written))
    return found


def check_adapters(lines: Iterable[Line], adapters: str) -> None:
    """Whether the settings of each rail's adapter are such as its kind takes; `adapters` names modules with more kinds.

    Raises:
        OperationError: those of a line are not.
    """
    # Adapters are another role's: only who puts rails pays for importing them.
    from agents.settlement.rails.port import RailMisconfigured
    from agents.settlement.rails.registry import registry_of

    try:
        registry = registry_of(adapters)
    except RailMisconfigured as error:
        raise OperationError(str(error)) from error
    for line in lines:
        rail = read_record(RAILS, line.value)
        try:
            if isinstance(rail, Rail) and rail.adapter is not None:
                registry.settings_of(rail)
        except RailMisconfigured as error:
            raise OperationError(f"line {line.number}: {error}; nothing was written") from error


async def read_contents(reader: TopicReader, topic: str) -> Contents:
    """All that a topic says.

    Raises:
        OperationError: the topic is missing or cannot be read.
    """
    contents = Contents()
    async for records in reader.read(topic):
        for record in records:
            contents.take(topic, record)
    return contents


async def read_amounts(reader: TopicReader) -> Amounts:
    """How amounts are written: by the assets that are registered.

    Raises:
        OperationError: the topic is missing or cannot be read.
    """
    return Amounts((await read_contents(reader, ASSETS)).reference.assets)


async def put(reader: TopicReader, topic: str, lines: list[Line]) -> None:
    """Write records to a topic, in one transaction, once each fits what is known and what stands before it.

    Raises:
        OperationError: one of them does not fit, or the broker refused; then none is written.
    """
    async with alone(reader, _WORK, f"walletstream reference ls {topic}") as producer:
        reference = (await read_contents(reader, topic)).reference
        for line in lines:
            try:
                reference = reference.with_record(topic, line.key, line.value)
            except ValueError as error:
                raise OperationError(f"line {line.number}: {error}; nothing was written") from error
        async with producer.transaction():
            written = await _write(producer, full_name(reader.namespace, topic), lines)
        await until_visible(reader, topic, written)


async def _write(producer: AIOKafkaProducer, name: str, lines: list[Line]) -> list[RecordMetadata]:
    waiting: list[asyncio.Future[RecordMetadata]] = []
    written: list[RecordMetadata] = []
    for line in lines:
        with _told_if_too_large(line):
            waiting.append(await producer.send(name, line.value, key=line.key.encode()))
    for line, one in zip(lines, waiting, strict=True):
        with _told_if_too_large(line):
            written.append(await one)
    return written


@contextmanager
def _told_if_too_large(line: Line) -> Iterator[None]:
    """The client does not send what is too large for it; what is too large for the topic alone the broker refuses."""
    try:
        yield
    except MessageSizeTooLargeError as error:
        raise OperationError(
            f"line {line.number}: its {len(line.value):,} bytes are more than the topic takes in one record; put less "
            "into it, such as half of a list, and the rest into another with a name of its own; nothing was written"
        ) from error


async def remove(reader: TopicReader, topic: str, key: str) -> None:
    """Remove what a topic says of a key, by a tombstone.

    Raises:
        OperationError: it says nothing of it, it cannot be removed, or the broker refused.
    """
    look_at = f"walletstream reference ls {topic}"
    async with alone(reader, _WORK, look_at) as producer:
        contents = await read_contents(reader, topic)
        try:
            contents.reference.with_record(topic, key, None)
        except ValueError as error:
            raise OperationError(str(error)) from error
        if key not in contents.held:
            raise OperationError(f"{topic} has nothing under {key!r}: `{look_at}` lists what there is")
        async with producer.transaction():
            written = await producer.send_and_wait(full_name(reader.namespace, topic), None, key=key.encode())
        await until_visible(reader, topic, [written])
