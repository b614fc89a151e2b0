"""Reference data of a worker: the latest good record of each key, told to every machine.

It is told and decided in the same thread, and deciding a batch awaits nothing: a machine knows the same from the first
record of a batch to the last. The log never needs it, for a decision writes what it took from it into its event.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple
from weakref import WeakSet

from streams import metrics
from streams.logs import fields
from streams.machine import Machine

log = logging.getLogger(__name__)


class ReferenceRecord(NamedTuple):
    """A record of a topic of reference data: short topic name, offset, key, value (None: a tombstone)."""

    topic: str
    offset: int
    key: bytes | None
    value: bytes | None


class ReferenceTable:
    """What the topics say, read from their begin: the latest good record of each key.

    A machine of its own judges the records, so that it is known which are good before anybody else hears of them.
    """

    def __init__(self, judge: Machine):
        self._judge = judge
        self._values: dict[tuple[str, str], bytes] = {}

    def take(self, record: ReferenceRecord) -> bool:
        """Take one record. A bad one is told and passed over (False): what was there before stays."""
        try:
            if record.key is None:
                raise ValueError("it has no key")
            key = record.key.decode()
            self._judge.refer(record.topic, key, record.value)
        except Exception as error:
            # Not only `ValueError`: a record on which the machine trips would stop every worker at every start.
            metrics.REFERENCE_RECORDS.labels(record.topic, "skipped").inc()
            log.error(
                "a record of reference data is passed over: %s",
                error if isinstance(error, ValueError) else repr(error),
                extra=fields(topic=record.topic, offset=record.offset, key=record.key),
            )
            return False
        metrics.REFERENCE_RECORDS.labels(record.topic, "applied").inc()
        if record.value is None:
            self._values.pop((record.topic, key), None)
        else:
            self._values[record.topic, key] = record.value
        return True

    @property
    def values(self) -> Mapping[tuple[str, str], bytes]:
        """Short topic name and key -> value."""
        return self._values


class ReferenceData:
    """What all machines of a worker know of reference data, and how they hear of news."""

    def __init__(self, make_machine: Callable[[], Machine]):
        """`make_machine` makes a machine of the worker's role, to judge records."""
        self._make_machine = make_machine
        self._table = self.new_table()
        self._machines: WeakSet[Machine] = WeakSet()

    @property
    def values(self) -> Mapping[tuple[str, str], bytes]:
        """Short topic name and key -> value, as it was accepted last."""
        return self._table.values

    def new_table(self) -> ReferenceTable:
        """An empty table, for the topics to be read into."""
        return ReferenceTable(self._make_machine())

    def teach(self, machine: Machine) -> None:
        """Tell a new machine all that is known, and from now on all news."""
        for (topic, key), value in self.values.items():
            machine.refer(topic, key, value)
        self._machines.add(machine)

    def take(self, record: ReferenceRecord) -> None:
        """Take one more record, and tell all machines if it is a good one."""
        if self._table.take(record):
            assert record.key is not None
            self._tell(record.topic, record.key.decode(), record.value)

    def replace(self, table: ReferenceTable) -> None:
        """Go on with a table that was read anew, and tell all machines what differs."""
        changes = list(_changes(self.values, table.values))
        self._table = table
        for (topic, key), value in changes:
            self._tell(topic, key, value)

    def _tell(self, topic: str, key: str, value: bytes | None) -> None:
        for machine in list(self._machines):
            try:
                machine.refer(topic, key, value)
            except ValueError as error:
                # Of a topic that was made anew, say, with another asset under an old code.
                where = fields(topic=topic, key=key)
                log.error("a running partition keeps its reference data until a restart: %s", error, extra=where)


def _changes(
    before: Mapping[tuple[str, str], bytes], after: Mapping[tuple[str, str], bytes]
) -> Iterator[tuple[tuple[str, str], bytes | None]]:
    """Tombstones for what has gone, values for what is new or different."""
    for name in before.keys() - after.keys():
        yield name, None
    for name, value in after.items():
        if before.get(name) != value:
            yield name, value
