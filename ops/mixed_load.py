"""The mixed load: all operations in the shares that a wallet ledger meets them, each used as it may be.

A capture or a refund names a transaction, whose id only the ledger's outcome tells. So there is more to do before the
load itself: reference data, wallets with funds, and seeds, the transactions that it names. Their outcomes are read.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from ops.errors import OperationError
from ops.load import FUNDING_MINOR, Placed, RequestMaker, Shape
from schemas.clock import rfc3339
from schemas.topics import ASSETS, FX_RATES, RAILS

_RAIL: Final = "load-deferred"
_POINTS: Final = "LOAD-POINTS"
#: What is converted to.
_QUOTE: Final = "USD"
_HOLD_S: Final = 7 * 86_400
_SCHEDULED_MS: Final = 30 * 86_400_000
#: Seeds are of so much, and what names them of a part of it.
_SEED_MINOR: Final = 10_000
_PART_MINOR: Final = 100
_BATCH_ITEMS: Final = 5

#: What is made of 200 records, by the name of its maker, in shares of the whole: debits 40 %, credits 25 %, transfers
#: 15 %, authorizations and captures 10 %, the rest 10 %. Two more records are what the rail says, see `UPDATES`.
REQUESTS: Final = {
    "debit": 80,
    "credit": 50,
    "transfer": 30,
    "authorize": 10,
    "capture": 10,
    "convert": 3,
    "refund": 2,
    "refund_transfer": 1,
    "release": 1,
    "cancel": 1,
    "cancel_scheduled": 1,
    "fee": 2,
    "reward": 2,
    "batch": 1,
    "credit_deferred": 1,
    "debit_deferred": 1,
    "dispute": 1,
    "schedule": 1,
}
UPDATES: Final = ("submit", "settle")
_CYCLE: Final = sum(REQUESTS.values())

#: Maker -> the operation of the seeds that it names.
_SEEDED: Final = {
    "capture": "authorize",
    "release": "authorize",
    "cancel": "debit_deferred",
    "cancel_scheduled": "schedule",
    "refund": "debit",
    "refund_transfer": "transfer",
    "dispute": "credit",
    "settle": "credit_deferred",
}


class Seed(NamedTuple):
    """A transaction that may be named, and the wallet under which."""

    wallet: tuple[int, bytes, str]
    transaction_id: str


class _Answer(msgspec.Struct, gc=False):
    """The part of an outcome that tells a seed's id."""

    kind: str
    code: str
    idempotency_key: str | None = None
    wallet_id: str | None = None
    transaction_id: str | None = None


_decode_answer: Final = msgspec.json.Decoder(_Answer).decode


def reference_records(asset: str) -> list[tuple[str, str, bytes]]:
    """The reference data that the load needs: topic, key and value."""
    rate = {"rate_id": "load-rate", "base": asset, "quote": _QUOTE, "bid": "1.10", "ask": "1.12", "source": "load"}
    rate |= {"valid_from": "2020-01-01T00:00:00.000Z", "valid_until": "2100-01-01T00:00:00.000Z"}
    records: tuple[tuple[str, str, dict[str, Any]], ...] = (
        (ASSETS, _POINTS, {"code": _POINTS, "exponent": 0, "kind": "points"}),
        (RAILS, _RAIL, {"name": _RAIL, "settlement": "deferred"}),
        (FX_RATES, "load-rate", rate),
    )
    return [(topic, key, orjson.dumps(record)) for topic, key, record in records]


class MixedMaker(RequestMaker):
    """Makes the requests of the mixed load; of the shape, its `mix` does not count.

    Args:
        shape: wallets, repeats, names and seed.
        partitions: of the topic.
        count: how many requests will be made: so many seeds are needed.
        now_ms: what is scheduled is scheduled for long after it.
    """

    def __init__(self, shape: Shape, partitions: int, count: int, now_ms: int):
        super().__init__(shape, partitions)
        self._cycles = math.ceil(count / _CYCLE)
        self._execute_at = rfc3339(now_ms + _SCHEDULED_MS)
        names = [name for name, share in REQUESTS.items() for _ in range(share)]
        Random(shape.seed).shuffle(names)
        self._cycle = [self._maker_named(name) for name in names]
        self._at = 0
        #: By maker, those that are not named yet.
        self._seeds: dict[str, deque[Seed]] = {name: deque() for name in _SEEDED}
        #: Key of a seed -> its maker, and the wallet that may name it.
        self._awaited: dict[str, tuple[str, tuple[int, bytes, str]]] = {}

    def _maker_named(self, name: str) -> Callable[[], Placed]:
        maker: Callable[[], Placed] = getattr(self, f"_make_{name}")
        return maker

    # ---- before the load ---------------------------------------------------------------------------

    def openings(self) -> Iterator[Placed]:
        """Every wallet is opened and funded, with points too."""
        own, asset = f'"assets":["{self._shape.asset}"]', self._shape.asset
        for placed in super().openings():
            if own.encode() not in placed.value:
                yield placed
                continue
            value = placed.value.decode().replace(own, f'"assets":["{asset}","{_QUOTE}","{_POINTS}"]')
            yield placed._replace(value=value.encode())
            points = {"operation": "credit", "idempotency_key": "points", "wallet_id": (placed.key or b"").decode()}
            points |= {"amount_minor": FUNDING_MINOR, "asset": _POINTS}  # type: ignore[dict-item]
            yield placed._replace(value=orjson.dumps(points))

    def seeds(self) -> Iterator[Placed]:
        """The transactions that the load names, once the wallets are funded; `learn` has to be told the outcomes."""
        for name, operation in _SEEDED.items():
            maker = self._maker_named(operation)
            for _ in range(self._cycles * REQUESTS.get(name, 1)):
                placed = maker()
                command = orjson.loads(placed.value)
                if operation != "schedule":
                    command["amount_minor"] = _SEED_MINOR
                command["idempotency_key"] = f"seed-{command['idempotency_key']}"
                payee = command.get("to_wallet_id")
                wallet = (placed.partition, placed.key or b"", command["wallet_id"])
                self._awaited[command["idempotency_key"]] = (name, wallet if payee is None else self._place(payee))
                self._made += 1
                yield placed._replace(value=orjson.dumps(command))

    def learn(self, outcome: bytes) -> None:
        """Take a seed's id from an outcome; others are passed over.

        Raises:
            OperationError: a seed was rejected.
        """
        answer = _decode_answer(outcome)
        if answer.kind != "answer" or answer.idempotency_key not in self._awaited:
            return
        if answer.code != "ok" or answer.transaction_id is None:
            raise OperationError(f"{answer.idempotency_key} was to be named by the load, but answered {answer.code}")
        name, wallet = self._awaited.pop(answer.idempotency_key)
        self._seeds[name].append(Seed(wallet, answer.transaction_id))

    @property
    def awaited(self) -> int:
        """Seeds whose ids are not known yet."""
        return len(self._awaited)

    # ---- the load ----------------------------------------------------------------------------------

    def updates(self) -> Iterator[Placed]:
        """What the rail says on `settlement-updates`: as many records as the whole has of them."""
        for number, seed in enumerate(self._seeds["settle"]):
            batch_id = f"load-{number // 1_000}"
            yield self._naming("submit", seed, f',"batch_id":"{batch_id}"')
            yield self._naming("settle", seed, f',"rail_reference":"load-{number}"')

    def _make_new(self) -> Placed:
        maker = self._cycle[self._at]
        self._at = (self._at + 1) % _CYCLE
        return maker()

    def _with(self, operation: str, more: str, asset: str | None = None) -> Placed:
        """A request of any wallet, an amount and more fields."""
        wallets = self._wallets
        partition, key, wallet = wallets[int(self._random() * len(wallets))]
        head = self._head(operation, wallet)
        if asset is not None:
            head = head.replace(f'"asset":"{self._shape.asset}"', f'"asset":"{asset}"')
        return Placed(partition, key, f"{head}{more}}}".encode())

    def _naming(self, operation: str, seed: Seed, more: str = "") -> Placed:
        partition, key, wallet = seed.wallet
        number, run = self._made, self._shape.run
        # A rail may say several things between two requests.
        name = f"{run}-{operation}-{seed.transaction_id}" if operation in UPDATES else f"{run}-{number}"
        value = (
            f'{{"operation":"{operation}","idempotency_key":"{name}","request_id":"{run}-r-{number}",'
            f'"wallet_id":"{wallet}","transaction_id":"{seed.transaction_id}"{more}}}'
        )
        return Placed(partition, key, value.encode())

    def _take(self, name: str) -> Seed:
        seeds = self._seeds[name]
        if not seeds:
            raise OperationError(f"no transaction is left for `{name}`: more is made than was seeded, or not learned")
        return seeds.popleft()

    def _make_debit(self) -> Placed:
        return self._rail("debit")

    def _make_credit(self) -> Placed:
        return self._rail("credit")

    def _make_transfer(self) -> Placed:
        return self._transfer()

    def _make_authorize(self) -> Placed:
        return self._with("authorize", f',"expires_in_s":{_HOLD_S}')

    def _make_capture(self) -> Placed:
        final = ',"final":true' if self._random() < 0.5 else ""
        return self._naming("capture", self._take("capture"), f',"amount_minor":{_PART_MINOR}{final}')

    def _make_convert(self) -> Placed:
        return self._with("convert", f',"to_asset":"{_QUOTE}"')

    def _make_refund(self) -> Placed:
        return self._naming("refund", self._take("refund"), f',"amount_minor":{_PART_MINOR}')

    def _make_refund_transfer(self) -> Placed:
        return self._naming("refund", self._take("refund_transfer"), f',"amount_minor":{_PART_MINOR}')

    def _make_release(self) -> Placed:
        return self._naming("release", self._take("release"))

    def _make_cancel(self) -> Placed:
        return self._naming("cancel", self._take("cancel"))

    def _make_cancel_scheduled(self) -> Placed:
        return self._naming("cancel", self._take("cancel_scheduled"))

    def _make_fee(self) -> Placed:
        points = _POINTS if self._random() < 0.5 else None
        return self._with("fee", ',"code":"load"', points)

    def _make_reward(self) -> Placed:
        return self._with("reward", f',"code":"load","expires_in_s":{_HOLD_S}', _POINTS)

    def _make_batch(self) -> Placed:
        wallets, asset = self._wallets, self._shape.asset
        partition, key, wallet = wallets[int(self._random() * len(wallets))]
        item = f'{{"operation":"debit","amount_minor":{_PART_MINOR},"asset":"{asset}"}}'
        number, run = self._made, self._shape.run
        value = (
            f'{{"operation":"batch","idempotency_key":"{run}-{number}","request_id":"{run}-r-{number}",'
            f'"wallet_id":"{wallet}","items":[{",".join([item] * _BATCH_ITEMS)}]}}'
        )
        return Placed(partition, key, value.encode())

    def _make_credit_deferred(self) -> Placed:
        return self._with("credit", f',"rail":"{_RAIL}"')

    def _make_debit_deferred(self) -> Placed:
        return self._with("debit", f',"rail":"{_RAIL}"')

    def _make_dispute(self) -> Placed:
        return self._naming("dispute", self._take("dispute"), ',"reason":"load"')

    def _make_schedule(self) -> Placed:
        return self._with("debit", f',"execute_at":"{self._execute_at}"')
