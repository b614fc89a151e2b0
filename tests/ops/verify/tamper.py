"""Ways to tamper with a ledger's topics, as somebody might who knows how seals are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import orjson

from schemas import topics
from streams.seal import GENESIS, Span, is_seal, write_seal
from tests.ops.verify.honest import Ledger, LogRecord

EVENTS = topics.LEDGER_EVENTS
OUTCOMES = topics.TRANSACTION_OUTCOMES


def find(records: Iterable[LogRecord], **fields: Any) -> int:
    """Index of the first record whose JSON has these fields; a function is a condition on the field.

    Raises:
        LookupError: there is none.
    """
    for index, record in enumerate(records):
        try:
            value = orjson.loads(record.value or b"")
        except ValueError:
            continue
        if all(want(value.get(name)) if callable(want) else value.get(name) == want for name, want in fields.items()):
            return index
    raise LookupError(f"no record with {fields}")


def locate(ledger: Ledger, topic: str, **fields: Any) -> tuple[int, int]:
    """Partition and index of the first record of a topic whose JSON has these fields."""
    for partition, records in enumerate(ledger.topics[topic]):
        try:
            return partition, find(records, **fields)
        except LookupError:
            continue
    raise LookupError(f"no record of {topic} with {fields}")


def read(ledger: Ledger, topic: str, place: tuple[int, int]) -> dict[str, Any]:
    """The JSON of a record."""
    value: dict[str, Any] = orjson.loads(ledger.topics[topic][place[0]][place[1]].value or b"")
    return value


def edit(ledger: Ledger, topic: str, place: tuple[int, int], **changes: Any) -> None:
    """Change top-level fields of a record's JSON: a function gets the old value, None removes the field."""
    partition, index = place
    records = ledger.topics[topic][partition]
    value = msgspec.json.decode(records[index].value or b"")
    for name, change in changes.items():
        value[name] = change(value.get(name)) if callable(change) else change
        if value[name] is None:
            del value[name]
    records[index] = records[index]._replace(value=msgspec.json.encode(value))


def remove(ledger: Ledger, topic: str, place: tuple[int, int]) -> LogRecord:
    """Take a record out."""
    return ledger.topics[topic][place[0]].pop(place[1])


def double(ledger: Ledger, topic: str, place: tuple[int, int]) -> None:
    """Write a record a second time right behind itself; offsets behind it move up."""
    records = ledger.topics[topic][place[0]]
    records.insert(place[1], records[place[1]])
    records[place[1] + 1 :] = [r._replace(offset=r.offset + 1) for r in records[place[1] + 1 :]]


def forget_inputs(ledger: Ledger) -> dict[str, list[int]]:
    """All that the ledger has read of its inputs is past its retention; returns where they begin now."""
    starts = dict[str, list[int]]()
    for topic in topics.INPUTS:
        starts[topic] = [part[-1].offset + 1 if part else 0 for part in ledger.topics[topic]]
        ledger.topics[topic] = [[] for _ in range(ledger.partitions)]
    return starts


def reseal(ledger: Ledger, partitions: Iterable[int] | None = None) -> None:
    """Number all events anew and make every seal right, so that nothing but the contents can give the forger away."""
    for partition in range(ledger.partitions) if partitions is None else partitions:
        records = ledger.topics[EVENTS][partition]
        previous, sequence, batch = GENESIS, -1, list[bytes]()
        for index, record in enumerate(records):
            sequence += 1
            value = record.value or b""
            fields = orjson.loads(value)
            if not is_seal(value):
                fields["sequence"] = sequence
                value = orjson.dumps(fields)
                batch.append(value)
            else:
                value, previous = write_seal(
                    sequence=sequence,
                    first_sequence=sequence - len(batch),
                    inputs={name: Span(span["from"], span["to"]) for name, span in fields["inputs"].items()},
                    partition=fields["partition"],
                    partitions=fields["partitions"],
                    partition_time=fields["partition_time"],
                    previous_hash=previous,
                    events=batch,
                )
                batch = []
            records[index] = record._replace(value=value)
        ledger.topics[EVENTS][partition] = records


Tamper = Callable[[Ledger], None]
