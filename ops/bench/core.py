"""What the ledger itself costs, without Kafka: decode, decide, apply, encode, seal, and with `--disk` persist.

    python -m ops.bench.core [--requests N] [--batch N] [--mix credit=3,debit=2] [--disk] [--profile]

Prints processor time per request in microseconds, for the decision and for encoding the changed state. One
process, one partition, a store that is a dictionary. With `--disk` each batch is written to RocksDB in a temporary
directory too, as step 5 does it; what RocksDB's own threads do behind it is not counted.
"""

from __future__ import annotations

import cProfile
import pstats
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import click

from agents.ledger.machine import LedgerMachine
from ops.cli.load import Mix
from ops.in_memory import DictStore, FetchedRecord
from ops.load import Placed, RequestMaker, Shape
from schemas.clock import rfc3339
from schemas.topics import LEDGER_EVENTS, TRANSACTION_REQUESTS
from streams.batch import LOG_APPEND_TIME, Batch, BatchDecider, Progress
from streams.box import Taken
from streams.machine import Message
from streams.overlay import Overlay
from streams.persist import changes_of
from streams.ports import Mark
from streams.rocks import RocksStore
from streams.rocks_memory import StoreMemory
from streams.seal import Span

_START_MS = 1_790_000_000_000


class Core:
    """One partition of the ledger that is fed directly. `disk` is written to as well, and never read."""

    def __init__(self, disk: RocksStore | None = None) -> None:
        self.store = DictStore()
        self._disk = disk
        machine = LedgerMachine()
        self._state = Overlay(machine.tables, self.store, 20_000)
        self._decider = BatchDecider(machine, LEDGER_EVENTS, 0, 1, rfc3339)
        self._progress = Progress()
        self._offset = 0
        self.forget_times()

    def forget_times(self) -> None:
        """Measure from now."""
        #: Processor time of this thread in seconds.
        self.decide_s = self.encode_s = self.write_s = self.settle_s = 0.0

    def feed(self, requests: Sequence[Placed]) -> Batch:
        """Decide one batch and keep what it changes."""
        first = self._offset
        records = [
            FetchedRecord(first + index, _START_MS + first // 40, LOG_APPEND_TIME, request.key, request.value)
            for index, request in enumerate(requests)
        ]
        self._offset += len(records)
        taken = Taken(
            [(TRANSACTION_REQUESTS, records)], {TRANSACTION_REQUESTS: Span(first, self._offset)}, len(records)
        )
        start = time.thread_time()
        batch = self._decider.decide(self._state, self._progress, taken)
        decided = time.thread_time()
        changes = changes_of(self._state)
        encoded = time.thread_time()
        if self._disk is not None:
            self._disk.write(changes, Mark(self._offset, batch.seal))
        written = time.thread_time()
        self.store.write(changes)
        kept = time.thread_time()
        self._state.settle()
        self.settle_s += time.thread_time() - kept
        self._progress = batch.after
        self.decide_s += decided - start
        self.encode_s += encoded - decided
        self.write_s += written - encoded
        return batch


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
    requests: int, batch: int, shape: Shape, profile: cProfile.Profile | None = None, disk: RocksStore | None = None
) -> Cost:
    """Open the wallets, then decide so many requests in batches of `batch`, and persist them where there is a disk."""
    core, maker = Core(disk), RequestMaker(shape, 1)
    openings = maker.openings()
    while opened := list(islice(openings, batch)):
        core.feed(opened)
    todo = [maker.make() for _ in range(requests)]
    core.forget_times()
    sizes: dict[str, int] = {}
    if profile is not None:
        profile.enable()
    for start in range(0, requests, batch):
        for message in core.feed(todo[start : start + batch]).messages:
            sizes[message.topic] = sizes.get(message.topic, 0) + _size(message)
    if profile is not None:
        profile.disable()
    return Cost(
        requests,
        core.decide_s / requests * 1e6,
        core.encode_s / requests * 1e6,
        None if disk is None else (core.encode_s + core.write_s + core.settle_s) / requests * 1e6,
        {topic: size / requests for topic, size in sizes.items()},
    )


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
@click.option("--duplicates", type=click.FloatRange(0, 1), default=0.02, show_default=True)
@click.option("--disk", is_flag=True, help="Persist each batch in RocksDB too.")
@click.option("--profile", is_flag=True, help="Print where the time goes, by function; slows everything down.")
def main(
    requests: int, batch: int, wallets: int, mix: dict[str, float], duplicates: float, disk: bool, profile: bool
) -> None:
    """Measure what the ledger costs without Kafka."""
    profiler = cProfile.Profile() if profile else None
    with ExitStack() as closing:
        store = _on_disk(closing) if disk else None
        cost = measure(requests, batch, Shape(wallets=wallets, mix=mix, duplicates=duplicates), profiler, store)
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
    main()
