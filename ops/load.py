"""Generated load: seeded requests of a given shape, sent at a steady rate whatever the answers do (open loop).

An open loop does not wait for answers, so that a slow ledger cannot slow down the load that measures it; latency
counts from when a request was to be sent, so that a late generator shows as latency and not as less load.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from ops.errors import OperationError
from ops.requests import Request
from ops.sender import Sender
from schemas.partitioning import partition_of

OPERATIONS: Final = ("credit", "debit", "transfer")
#: What wallets are funded with, in minor units: more than any run of ours pays out.
FUNDING_MINOR: Final = 10**12
_MOST_MINOR: Final = 100_000
#: A retry comes soon after the request that it repeats.
_REMEMBERED: Final = 10_000
_TICK_S: Final = 0.001


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What kind of requests. The same shape makes the same requests."""

    wallets: int = 1_000
    #: Operation -> weight.
    mix: Mapping[str, float] = field(default_factory=lambda: {"credit": 3.0, "debit": 2.0})
    #: Share of requests that repeat an earlier one, byte by byte.
    duplicates: float = 0.0
    #: Share of transfers that pay one merchant's wallet.
    hot: float = 0.0
    asset: str = "EUR"
    #: Prefix of wallet ids.
    name: str = "load"
    #: Prefix of idempotency keys: another one makes the same requests new ones.
    run: str = "run"
    seed: int = 1

    def __post_init__(self) -> None:
        unknown = [operation for operation in self.mix if operation not in OPERATIONS]
        if unknown or not self.mix or min(self.mix.values()) < 0 or sum(self.mix.values()) <= 0:
            raise OperationError(f"the mix must name operations of {', '.join(OPERATIONS)} with weights above 0")
        if self.wallets < 2:
            raise OperationError("there must be at least 2 wallets, for transfers need a payee")


class Placed(NamedTuple):
    """A request and the partition that it belongs to."""

    partition: int
    key: bytes | None
    value: bytes


class RequestMaker:
    """Makes the requests of a shape, one after the other."""

    def __init__(self, shape: Shape, partitions: int):
        self._shape = shape
        self._partitions = partitions
        self._random = Random(shape.seed).random
        self._wallets = [self._place(f"{shape.name}-{number}") for number in range(shape.wallets)]
        self._merchant = f"{shape.name}-merchant"
        self._made = 0
        self._recent: list[Placed] = []
        self._makers = [(edge, self._maker_of(operation)) for operation, edge in _edges(shape.mix)]

    def _place(self, wallet_id: str) -> tuple[int, bytes, str]:
        return partition_of(wallet_id, self._partitions), wallet_id.encode(), wallet_id

    def openings(self) -> Iterator[Placed]:
        """What must be answered first: every wallet is opened and funded. Keys do not depend on the run."""
        shape = self._shape
        for partition, key, wallet in (*self._wallets, self._place(self._merchant)):
            opening = (
                f'{{"operation":"open_wallet","idempotency_key":"open","wallet_id":"{wallet}",'
                f'"owner_ref":"{wallet}","assets":["{shape.asset}"]}}'
            )
            funding = (
                f'{{"operation":"credit","idempotency_key":"fund","wallet_id":"{wallet}",'
                f'"amount_minor":{FUNDING_MINOR},"asset":"{shape.asset}"}}'
            )
            yield Placed(partition, key, opening.encode())
            yield Placed(partition, key, funding.encode())

    def make(self) -> Placed:
        """The next request."""
        random, recent = self._random, self._recent
        if recent and random() < self._shape.duplicates:
            return recent[int(random() * len(recent))]
        placed = self._make_new()
        if len(recent) < _REMEMBERED:
            recent.append(placed)
        else:
            recent[self._made % _REMEMBERED] = placed
        self._made += 1
        return placed

    def _make_new(self) -> Placed:
        at = self._random()
        return next(maker for edge, maker in self._makers if at < edge)()

    def _maker_of(self, operation: str) -> Callable[[], Placed]:
        return self._transfer if operation == "transfer" else lambda: self._rail(operation)

    def _head(self, operation: str, wallet: str) -> str:
        number, run = self._made, self._shape.run
        return (
            f'{{"operation":"{operation}","idempotency_key":"{run}-{number}","request_id":"{run}-r-{number}",'
            f'"wallet_id":"{wallet}","amount_minor":{int(self._random() * _MOST_MINOR) + 1},'
            f'"asset":"{self._shape.asset}"'
        )

    def _rail(self, operation: str) -> Placed:
        wallets = self._wallets
        partition, key, wallet = wallets[int(self._random() * len(wallets))]
        return Placed(partition, key, (self._head(operation, wallet) + "}").encode())

    def _transfer(self) -> Placed:
        wallets, random = self._wallets, self._random
        payer = int(random() * len(wallets))
        partition, key, wallet = wallets[payer]
        if random() < self._shape.hot:
            payee = self._merchant
        else:
            payee = wallets[(payer + 1 + int(random() * (len(wallets) - 1))) % len(wallets)][2]
        return Placed(partition, key, f'{self._head("transfer", wallet)},"to_wallet_id":"{payee}"}}'.encode())


def _edges(mix: Mapping[str, float]) -> list[tuple[str, float]]:
    """Operations with the upper edges of their shares of 0 to 1; the last one's edge is beyond every number."""
    total, edge = sum(mix.values()), 0.0
    edges = []
    for operation, weight in mix.items():
        edge += weight / total
        edges.append((operation, edge))
    edges[-1] = (edges[-1][0], 2.0)
    return edges


def place(request: Request, partitions: int) -> Placed:
    """A request in the partition of its wallet; one that names no wallet in the first."""
    if request.key is None:
        return Placed(0, None, request.value)
    return Placed(partition_of(request.key.decode(), partitions), request.key, request.value)


async def send_all(sender: Sender, requests: Iterator[Placed], on_progress: Callable[[int], None] | None = None) -> int:
    """Send requests as fast as they are taken, and return how many once the broker holds them all."""
    count = 0
    put, now = sender.put, time.perf_counter
    for partition, key, value in requests:
        put(partition, key, value, now())
        count += 1
        if count % 1_000 == 0:
            if on_progress is not None:
                on_progress(count)
            await asyncio.sleep(0)
            await sender.room()
    await sender.flush()
    return count


async def send_paced(
    sender: Sender,
    make: Callable[[], Placed],
    *,
    rate: float,
    count: int,
    on_progress: Callable[[int], None] | None = None,
) -> float:
    """Send `count` requests, `rate` of them a second; returns the seconds that it took until the last was sent.

    A request that is sent late is still timed from when it was to be sent.
    """
    put, now = sender.put, time.perf_counter
    start = now()
    sent = 0
    while sent < count:
        due = min(count, int((now() - start) * rate) + 1)
        for number in range(sent, due):
            partition, key, value = make()
            put(partition, key, value, start + number / rate)
        sent = due
        if on_progress is not None:
            on_progress(sent)
        await asyncio.sleep(_TICK_S)
    await sender.flush()
    return now() - start
