"""What the ledger itself costs, without Kafka: decode, decide, apply, encode, seal, and with `--disk` persist.

    python -m ops.bench.core [--requests N] [--batch N] [--mix credit=3,debit=2 | --mixed] [--disk] [--profile]

Prints processor time per request in microseconds, for the decision and for encoding the changed state. One
process, one partition, a store that is a dictionary. With `--disk` each batch is written to RocksDB in a temporary
directory too, as step 5 does it; what RocksDB's own threads do behind it is not counted.
"""

from __future__ import annotations

import cProfile
import math
import pstats
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import click

from agents.ledger.machine import LedgerMachine
from ops.cli.load import Mix
from ops.in_memory import DictStore, FetchedRecord
from ops.load import Placed, RequestMaker, Shape
from ops.mixed_load import MixedMaker, reference_records
from schemas.clock import rfc3339
from schemas.topics import (
    INTERNAL_COMMANDS,
    LEDGER_EVENTS,
    SETTLEMENT_UPDATES,
    TRANSACTION_OUTCOMES,
    TRANSACTION_REQUESTS,
)
from streams.batch import LOG_APPEND_TIME, Batch, BatchDecider, Progress
from streams.box import Taken
from streams.machine import InputRecord, Message
from streams.memory import collect_rarely
from streams.overlay import Overlay
from streams.persist import changes_of
from streams.ports import Changes, Mark
from streams.rocks import RocksStore
from streams.rocks_memory import StoreMemory
from streams.seal import Span

_START_MS = 1_790_000_000_000


class Disk(Protocol):
    """What persists the batches, and may be read."""

    def get(self, table: str, key: str) -> bytes | None: ...
    def get_many(self, table: str, keys: Sequence[str]) -> Sequence[bytes | None]: ...
    def scan(self, table: str, start: str = "") -> Iterator[tuple[str, bytes]]: ...
    def write(self, changes: Changes, mark: Mark) -> None: ...


class Core:
    """One partition of the ledger that is fed directly.

    `disk` is written to as well; it is read only with `from_disk`, in place of a store in memory.
    """

    def __init__(self, disk: Disk | None = None, *, from_disk: bool = False) -> None:
        self._memory = None if from_disk else DictStore()
        self._disk = disk
        reads = disk if self._memory is None else self._memory
        assert reads is not None
        self.machine = LedgerMachine()
        self._state = Overlay(self.machine.tables, reads, 20_000)
        self._decider = BatchDecider(self.machine, LEDGER_EVENTS, 0, 1, rfc3339)
        self._progress = Progress()
        self._offset = 0
        self.forget_times()

    def forget_times(self) -> None:
        """Measure from now."""
        #: Processor time of this thread in seconds.
        self.decide_s = self.encode_s = self.write_s = self.settle_s = 0.0

    def feed(self, requests: Sequence[Placed], updates: Sequence[Placed] = ()) -> Batch:
        """Decide one batch, what rails say before the requests, and keep what it changes."""
        timestamp = _START_MS + self._offset // 40
        return self._take({SETTLEMENT_UPDATES: updates, TRANSACTION_REQUESTS: requests}, timestamp)

    def due_at_ms(self) -> int | None:
        """When something is due next."""
        return self.machine.due_at_ms(self._state)

    def tick(self, at_ms: int) -> Batch:
        """Let time pass, in a batch that has nothing else."""
        tick = self.machine.tick(at_ms, 0)
        return self._take({INTERNAL_COMMANDS: [Placed(0, tick.key, tick.value or b"")]}, at_ms)

    def _take(self, inputs: Mapping[str, Sequence[Placed]], timestamp: int) -> Batch:
        records: list[tuple[str, Sequence[InputRecord]]] = []
        spans = {}
        for topic, placed in inputs.items():
            if placed:
                start, self._offset = self._offset, self._offset + len(placed)
                records.append((topic, _records(placed, start, timestamp)))
                spans[topic] = Span(start, self._offset)
        taken = Taken(records, spans, sum(map(len, inputs.values())))
        began = time.thread_time()
        batch = self._decider.decide(self._state, self._progress, taken)
        decided = time.thread_time()
        changes = changes_of(self._state)
        encoded = time.thread_time()
        if self._disk is not None:
            self._disk.write(changes, Mark(self._offset, batch.seal))
        written = time.thread_time()
        if self._memory is not None:
            self._memory.write(changes)
        kept = time.thread_time()
        self._state.settle()
        self.settle_s += time.thread_time() - kept
        self._progress = batch.after
        self.decide_s += decided - began
        self.encode_s += encoded - decided
        self.write_s += written - encoded
        return batch


def _records(placed: Sequence[Placed], offset: int, timestamp: int) -> list[FetchedRecord]:
    return [
        FetchedRecord(offset + index, timestamp, LOG_APPEND_TIME, request.key, request.value)
        for index, request in enumerate(placed)
    ]


class Cost(NamedTuple):
    """Processor time per request in microseconds, and bytes written per request by topic."""

    requests: int
    decide_us: float
    encode_us: float
    #: Step 5 with its encoding; None where there was no disk.
    persist_us: float | None
    bytes_by_topic: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "requests": self.requests,
            "decide_us": round(self.decide_us, 2),
            "encode_us": round(self.encode_us, 2),
            "persist_us": None if self.persist_us is None else round(self.persist_us, 2),
            "bytes_by_topic": {topic: round(size, 1) for topic, size in self.bytes_by_topic.items()},
        }


def measure(
    requests: int,
    batch: int,
    shape: Shape,
    profile: cProfile.Profile | None = None,
    disk: RocksStore | None = None,
    *,
    mixed: bool = False,
) -> Cost:
    """Open the wallets, then decide so many requests in batches of `batch`, and persist them where there is a disk.

    The mixed load takes the place of the shape's mix with `mixed`; what rails say comes on top of its requests.
    """
    core = Core(disk)
    maker = _seeded(core, shape, requests, batch) if mixed else RequestMaker(shape, 1)
    if not mixed:
        _feed_all(core, maker.openings(), batch)
    todo = [maker.make() for _ in range(requests)]
    updates = list(maker.updates()) if isinstance(maker, MixedMaker) else []
    batches = range(0, requests, batch)
    share = math.ceil(len(updates) / len(batches))
    total = requests + len(updates)
    core.forget_times()
    sizes: dict[str, int] = {}
    if profile is not None:
        profile.enable()
    for number, start in enumerate(batches):
        said = updates[number * share : (number + 1) * share]
        for message in core.feed(todo[start : start + batch], said).messages:
            sizes[message.topic] = sizes.get(message.topic, 0) + _size(message)
    if profile is not None:
        profile.disable()
    return Cost(
        total,
        core.decide_s / total * 1e6,
        core.encode_s / total * 1e6,
        None if disk is None else (core.encode_s + core.write_s + core.settle_s) / total * 1e6,
        {topic: size / total for topic, size in sizes.items()},
    )


def _seeded(core: Core, shape: Shape, requests: int, batch: int) -> MixedMaker:
    """The maker of the mixed load, once all is decided that it needs."""
    maker = MixedMaker(shape, 1, requests, _START_MS)
    for record in reference_records(shape.asset):
        core.machine.refer(*record)
    _feed_all(core, maker.openings(), batch)
    for message in _feed_all(core, maker.seeds(), batch):
        if message.topic == TRANSACTION_OUTCOMES:
            maker.learn(message.value or b"")
    return maker


def _feed_all(core: Core, placed: Iterator[Placed], batch: int) -> list[Message]:
    messages: list[Message] = []
    while some := list(islice(placed, batch)):
        messages += core.feed(some).messages
    return messages


def _size(message: Message) -> int:
    return len(message.key or b"") + len(message.value or b"")


def _on_disk(closing: ExitStack) -> RocksStore:
    """A store as a worker has it by default, in a directory that goes with `closing`."""
    folder = Path(closing.enter_context(tempfile.TemporaryDirectory()))
    store = RocksStore(folder / "0", StoreMemory(64, 16))
    closing.callback(store.close)
    return store


@click.command()
@click.option("--requests", type=click.IntRange(min=1), default=50_000, show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=500, show_default=True, help="Requests of one batch.")
@click.option("--wallets", type=click.IntRange(min=2), default=10_000, show_default=True)
@click.option("--mix", type=Mix(), default="credit=3,debit=2", show_default=True)
@click.option("--mixed", is_flag=True, help="Measure the mixed load in place of a mix.")
@click.option("--duplicates", type=click.FloatRange(0, 1), default=0.02, show_default=True)
@click.option("--disk", is_flag=True, help="Persist each batch in RocksDB too.")
@click.option("--profile", is_flag=True, help="Print where the time goes, by function; slows everything down.")
def main(
    requests: int,
    batch: int,
    wallets: int,
    mix: dict[str, float],
    mixed: bool,
    duplicates: float,
    disk: bool,
    profile: bool,
) -> None:
    """Measure what the ledger costs without Kafka."""
    profiler = cProfile.Profile() if profile else None
    with ExitStack() as closing:
        store = _on_disk(closing) if disk else None
        shape = Shape(wallets=wallets, mix=mix, duplicates=duplicates)
        cost = measure(requests, batch, shape, profiler, store, mixed=mixed)
    total_us = cost.decide_us + cost.encode_us
    click.echo(
        f"decide {cost.decide_us:.2f} us, encode state {cost.encode_us:.2f} us a request: {1e6 / total_us:,.0f}/s"
    )
    if cost.persist_us is not None:
        click.echo(f"persist {cost.persist_us:.2f} us a request, encoding the state included")
    click.echo("bytes a request: " + ", ".join(f"{t} {size:.0f}" for t, size in cost.bytes_by_topic.items()))
    if profiler is not None:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    # As a worker does.
    collect_rarely()
    main()
