"""What the simulation has to know of a machine: its topics, a workload, and what must hold in the end."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

from streams.machine import Headers, Machine
from tests.simulation.memory_log import StoredRecord


class Input(NamedTuple):
    """A record that somebody upstream produces."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


#: Topic, partition and offset -> value of a record that somebody sent.
Find = Callable[[str, int, int], bytes | None]


@dataclass
class Fold:
    """One partition, as its event log tells it."""

    partition: int
    #: Events of each sealed batch.
    batches: list[list[Any]] = field(default_factory=list)
    #: The same events, as they stand in the log.
    written: list[bytes] = field(default_factory=list)
    #: Tables of the state after all events: table -> key -> bytes.
    tables: dict[str, dict[str, bytes]] = field(default_factory=dict)

    @property
    def events(self) -> list[Any]:
        """All events in order."""
        return [event for batch in self.batches for event in batch]


@dataclass
class History:
    """What a run leaves on the topics: for each topic and partition the committed records."""

    partitions: int
    records: dict[tuple[str, int], list[StoredRecord]]
    folds: list[Fold]
    #: All that was produced upstream and not lost in a disaster.
    produced: Sequence[Input]


class Domain(Protocol):
    """A machine under simulation."""

    name: str
    #: What its machine raises where it is asked to; anything else that it raises is wrong.
    raised: ClassVar[tuple[type[Exception], ...]]
    #: Input topics in order; the first is internal, written by the machine itself.
    inputs: tuple[str, ...]
    event_log: str
    outcomes: str
    #: Topic -> largest record in bytes, all topics.
    topics: ClassVar[dict[str, int]]

    def machine(self) -> Machine:
        """A machine for one partition."""

    def folding_machine(self) -> Machine:
        """A machine that only folds the log, and knows nothing else."""

    def workload(self, rng: random.Random, partitions: int, count: int, prefix: str = "r") -> list[Input]:
        """Records for the input topics, in the order in which they are produced; `prefix` begins their ids."""

    def following(
        self, rng: random.Random, partitions: int, outcome: bytes | None, find: Find, prefix: str
    ) -> list[Input]:
        """What is sent by somebody who has read an outcome; `find` gives the value of a record, `prefix` begins ids."""

    def decode(self, value: bytes) -> Any:
        """An event of the log."""

    def sources(self, event: Any) -> list[tuple[str, int]]:
        """Topic and offset of the records that the event answers."""

    def may_leave_nothing(self, topic: str, record: StoredRecord) -> bool:
        """True where a record of an input may lead to no event."""

    def is_deduplicated(self, record: StoredRecord) -> bool:
        """True where an internal command does nothing when it comes a second time."""

    def is_due(self, tables: Mapping[str, Mapping[str, bytes]]) -> bool:
        """True where a local state waits for time to pass, within this run."""

    def mend(self, tables: Mapping[str, Mapping[str, bytes]], partition: int, number: int) -> list[Input]:
        """What operators send once all is at rest; `number` is the number of times they were asked."""

    def check(self, history: History) -> list[str]:
        """What does not hold, in words."""
