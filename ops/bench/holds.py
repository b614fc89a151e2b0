"""Holds that expire: how long a tick takes that ends many of very many, and what open holds cost.

    python -m ops.bench.holds [--holds N] [--wallets N] [--expiring N] [--json]

Decides in this process as a worker's partition does, on a store on disk, without Kafka. Run it in a process of its own:
resident memory is the process's. One wallet has many holds of its own, for what a command costs on such a wallet.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import psutil

from agents.ledger.state import DUE, DUE_OF_WALLET, UNFINISHED
from ops.bench.core import Core
from ops.cli.running import print_json
from ops.load import Placed
from schemas.outcomes import decode_outcome
from schemas.topics import TRANSACTION_OUTCOMES
from streams.memory import collect_rarely
from streams.ports import Changes, Mark
from streams.rocks import RocksStore
from streams.rocks_memory import StoreMemory

_BATCH: Final = 2_000
_HOUR_S: Final = 3_600
#: Holds that are not to expire last between one and a hundred days.
_LONG_S: Final = 86_400
_SPREAD_S: Final = 99 * 86_400
#: How long after the first of a tick's holds the tick comes: after the last, and before those of the next.
_LATE_MS: Final = _HOUR_S * 500
_TICKS: Final = 3
_MANY: Final = "many"
_FEW: Final = "few"
#: Tables that have a row for each hold.
_OF_HOLDS: Final = (UNFINISHED.name, DUE.name, DUE_OF_WALLET.name)
#: Commands of each kind that are timed one by one.
_COMMANDS: Final = 50


@dataclass(frozen=True, slots=True)
class Holds:
    """What was measured with so many open holds."""

    holds: int
    wallets: int
    #: Holds that one tick ended; seconds of each of the ticks from deciding to persisted, and what of it was deciding.
    expired: int
    tick_s: tuple[float, ...]
    decide_s: tuple[float, ...]
    #: Rows of transactions, and of what is due, that were read from the store for each hold that a tick ended.
    rows_read: float
    #: Time to ask when something is due next, just after a tick.
    due_us: float
    #: A command alone in its batch, persisted, of a wallet with one hold and of one with very many.
    debit_few_us: float
    debit_many_us: float
    release_few_us: float
    release_many_us: float
    holds_of_many: int
    rss_mb: float
    disk_mb: float

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(self).items()}
        return rounded | {name: [round(s, 3) for s in getattr(self, name)] for name in ("tick_s", "decide_s")}

    def told(self) -> str:
        """For people."""
        ticks = zip(self.tick_s, self.decide_s, strict=True)
        shown = ", ".join(f"{tick:.2f} s ({decide:.2f} s of it deciding)" for tick, decide in ticks)
        return (
            f"{self.holds:,} open holds of {self.wallets:,} wallets: {self.rss_mb:,.0f} MB resident, "
            f"{self.disk_mb:,.0f} MB on disk\n"
            f"ticks that end {self.expired:,} each: {shown}; {self.rows_read:.2f} rows read for each hold\n"
            f"when something is due: {self.due_us:,.0f} us\n"
            f"of wallets with one hold, and with {self.holds_of_many:,}: a debit {self.debit_few_us:,.0f} us and "
            f"{self.debit_many_us:,.0f} us, a release {self.release_few_us:,.0f} us and {self.release_many_us:,.0f} us"
        )


class CountingStore:
    """A store that counts the rows that are read of transactions and of what is due."""

    def __init__(self, store: RocksStore):
        self._store = store
        self.rows = 0

    def get(self, table: str, key: str) -> bytes | None:
        self.rows += table.startswith(_OF_HOLDS)
        return self._store.get(table, key)

    def get_many(self, table: str, keys: Sequence[str]) -> Sequence[bytes | None]:
        self.rows += len(keys) * table.startswith(_OF_HOLDS)
        return self._store.get_many(table, keys)

    def scan(self, table: str, start: str = "") -> Iterator[tuple[str, bytes]]:
        for pair in self._store.scan(table, start):
            self.rows += table.startswith(_OF_HOLDS)
            yield pair

    def write(self, changes: Changes, mark: Mark) -> None:
        """Keep the changes of a batch."""
        self._store.write(changes, mark)


class _Timed(NamedTuple):
    total_s: float
    decide_s: float
    events: int


def _request(wallet: str, key: str, operation: str, more: str) -> Placed:
    value = f'{{"operation":"{operation}","idempotency_key":"{key}","wallet_id":"{wallet}"{more}}}'
    return Placed(0, wallet.encode(), value.encode())


def _authorize(wallet: str, key: str, expires_in_s: int) -> Placed:
    return _request(wallet, key, "authorize", f',"amount_minor":100,"asset":"EUR","expires_in_s":{expires_in_s}')


def _openings(wallets: list[str]) -> Iterator[Placed]:
    for wallet in wallets:
        yield _request(wallet, "open", "open_wallet", f',"owner_ref":"{wallet}","assets":["EUR"]')
        yield _request(wallet, "fund", "credit", ',"amount_minor":1000000000000,"asset":"EUR"')


def _holds(holds: int, wallets: int, expiring: int) -> Iterator[Placed]:
    """Wallet by wallet in turns; the holds of each tick are spread over all wallets."""
    ticked = expiring * _TICKS
    every = holds // ticked
    for number in range(holds):
        index, rest = divmod(number, every)
        is_ticked = not rest and index < ticked
        # The others end scattered, as holds do.
        expires_in_s = _HOUR_S * (index % _TICKS + 1) if is_ticked else _LONG_S + number * 7_919 % _SPREAD_S
        yield _authorize(f"w-{number % wallets}", f"h-{number}", expires_in_s)


def _own_holds(count: int) -> Iterator[Placed]:
    for number in range(_COMMANDS):
        yield _authorize(f"{_FEW}-{number}", "h", _LONG_S)
    for number in range(count):
        yield _authorize(_MANY, f"h-{number}", _LONG_S + number)


class Partition:
    """One partition of the ledger on a store on disk, with many holds."""

    def __init__(self, folder: Path):
        self._store = RocksStore(folder / "0", StoreMemory(64, 16))
        self.reads = CountingStore(self._store)
        self._core = Core(self.reads, from_disk=True)
        self._folder = folder
        self._keys = 0

    def feed_all(self, placed: Iterator[Placed], on_count: Callable[[int], None] = lambda _: None) -> dict[str, str]:
        """Decide all of it; returns the ids of the transactions of the wallets with holds of their own, by key."""
        found = {}
        while some := list(islice(placed, _BATCH)):
            for message in self._core.feed(some).messages:
                if message.topic == TRANSACTION_OUTCOMES:
                    outcome = decode_outcome(message.value or b"")
                    assert outcome.code == "ok", outcome
                    if outcome.transaction_id is not None and not (outcome.wallet_id or "").startswith("w-"):
                        found[f"{outcome.wallet_id}/{outcome.idempotency_key}"] = outcome.transaction_id
            on_count(len(some))
        return found

    def tick(self) -> _Timed:
        """Let time pass to shortly after what is due next, and end all that is due by then."""
        self._core.forget_times()
        due_at_ms = self._core.due_at_ms()
        assert due_at_ms is not None
        began = time.perf_counter()
        batch = self._core.tick(due_at_ms + _LATE_MS)
        total_s = time.perf_counter() - began
        return _Timed(total_s, self._core.decide_s, sum(type_ != "clock.ticked" for type_, _ in batch.labels))

    def due_us(self) -> float:
        """How long it takes to ask when something is due."""
        times = []
        for _ in range(20):
            began = time.perf_counter()
            self._core.due_at_ms()
            times.append(time.perf_counter() - began)
        return statistics.median(times) * 1e6

    def command_us(self, requests: Iterator[Placed]) -> float:
        """Median time of one command alone, persisted."""
        times = []
        for request in requests:
            began = time.perf_counter()
            batch = self._core.feed([request])
            times.append(time.perf_counter() - began)
            assert batch.labels[0][1] == "ok", batch.labels
        return statistics.median(times) * 1e6

    def disk_mb(self) -> float:
        """Size of the store once everything is on disk."""
        self._store.flush()
        return sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file()) / (1 << 20)

    def close(self) -> None:
        """Close the store."""
        self._store.close()


def measure_holds(
    folder: Path,
    holds: int,
    wallets: int,
    expiring: int,
    of_many: int = 10_000,
    on_count: Callable[[int], None] = lambda _: None,
) -> Holds:
    """Open wallets and holds, then measure ticks and commands.

    `of_many` more holds are those of a single wallet. `on_count` is told how many requests have been decided since.
    """
    partition = Partition(folder)
    names = [f"w-{number}" for number in range(wallets)]
    partition.feed_all(_openings([*names, _MANY, *(f"{_FEW}-{number}" for number in range(_COMMANDS))]))
    partition.feed_all(_holds(holds, wallets, expiring), on_count)
    ids = partition.feed_all(_own_holds(of_many))
    rss_mb, disk_mb = psutil.Process().memory_info().rss / (1 << 20), partition.disk_mb()
    ticks, rows, due = [], 0, []
    for _ in range(_TICKS):
        before = partition.reads.rows
        ticks.append(partition.tick())
        rows += partition.reads.rows - before
        due.append(partition.due_us())
    assert [tick.events for tick in ticks] == [expiring] * _TICKS, ticks
    few, many = [f"{_FEW}-{number}" for number in range(_COMMANDS)], [_MANY] * _COMMANDS
    debit = ',"amount_minor":1,"asset":"EUR"'

    def debit_us(of: list[str]) -> float:
        return partition.command_us(_request(w, f"d-{n}", "debit", debit) for n, w in enumerate(of))

    def release_us(of: list[str], names: list[str]) -> float:
        return partition.command_us(
            _request(w, f"r-{n}", "release", f',"transaction_id":"{ids[f"{w}/{name}"]}"')
            for n, (w, name) in enumerate(zip(of, names, strict=True))
        )

    found = Holds(
        holds=holds,
        wallets=wallets,
        expired=expiring,
        tick_s=tuple(tick.total_s for tick in ticks),
        decide_s=tuple(tick.decide_s for tick in ticks),
        rows_read=rows / (expiring * _TICKS),
        due_us=statistics.median(due),
        debit_few_us=debit_us(few),
        debit_many_us=debit_us(many),
        release_few_us=release_us(few, ["h"] * _COMMANDS),
        release_many_us=release_us(many, [f"h-{n}" for n in range(_COMMANDS)]),
        holds_of_many=of_many,
        rss_mb=rss_mb,
        disk_mb=disk_mb,
    )
    partition.close()
    return found


@click.command()
@click.option("--holds", type=click.IntRange(min=1), default=1_000_000, show_default=True, help="Holds that are open.")
@click.option("--wallets", type=click.IntRange(min=1), default=100_000, show_default=True, help="Wallets of the holds.")
@click.option("--expiring", type=click.IntRange(1, 10_000), default=10_000, show_default=True, help="Of one tick.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def main(holds: int, wallets: int, expiring: int, as_json: bool) -> None:
    """Measure how long a tick takes that ends many of very many holds."""
    if holds < expiring * _TICKS:
        raise click.UsageError(f"{_TICKS} ticks of {expiring} holds each need as many holds")
    with tempfile.TemporaryDirectory() as folder:
        found = measure_holds(Path(folder), holds, wallets, expiring)
    if as_json:
        print_json(found.as_json())
    else:
        click.echo(found.told())


if __name__ == "__main__":
    # As a worker does.
    collect_rarely()
    main()
