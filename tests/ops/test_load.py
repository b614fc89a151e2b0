"""Generated load."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

import orjson
import pytest

from ops.errors import OperationError
from ops.load import Placed, RequestMaker, Shape, place
from ops.requests import Request
from schemas.commands import CONTRACTS
from schemas.partitioning import partition_of


def made(shape: Shape, count: int, partitions: int = 4) -> list[Placed]:
    maker = RequestMaker(shape, partitions)
    return [maker.make() for _ in range(count)]


def value(placed: Placed) -> dict[str, Any]:
    loaded: dict[str, Any] = orjson.loads(placed.value)
    return loaded


def test_every_request_meets_the_contract_and_lies_in_its_wallets_partition() -> None:
    shape = Shape(wallets=50, mix={"credit": 1, "debit": 1, "transfer": 2}, hot=0.3)
    requests = [*RequestMaker(shape, 4).openings(), *made(shape, 500)]
    for partition, key, raw in requests:
        command = CONTRACTS["transaction-requests"].validate_json(raw)
        assert command.wallet_id.encode() == key
        assert partition == partition_of(command.wallet_id, 4)
        if command.operation == "transfer":
            assert command.to_wallet_id != command.wallet_id
        elif command.operation != "open_wallet":
            assert command.amount_minor > 0
    assert {partition for partition, _, _ in requests} == {0, 1, 2, 3}


def test_every_wallet_is_opened_then_funded_the_merchants_too() -> None:
    openings = [value(placed) for placed in RequestMaker(Shape(wallets=3, name="x"), 4).openings()]
    wallets = ["x-0", "x-1", "x-2", "x-merchant"]
    assert [(o["operation"], o["wallet_id"]) for o in openings] == [
        (operation, wallet) for wallet in wallets for operation in ("open_wallet", "credit")
    ]


def test_openings_are_the_same_in_every_run_and_requests_are_new() -> None:
    first, second = Shape(wallets=5, run="a"), Shape(wallets=5, run="b")
    assert list(RequestMaker(first, 4).openings()) == list(RequestMaker(second, 4).openings())
    keys = {value(p)["idempotency_key"] for p in made(first, 50)} & {
        value(p)["idempotency_key"] for p in made(second, 50)
    }
    assert keys == set()


def test_the_same_shape_makes_the_same_requests() -> None:
    shape = Shape(mix={"credit": 1, "transfer": 1}, duplicates=0.1, seed=5)
    assert made(shape, 300) == made(shape, 300)
    assert made(shape, 300) != made(Shape(mix={"credit": 1, "transfer": 1}, duplicates=0.1, seed=6), 300)


def test_the_mix_is_by_weight() -> None:
    counts = Counter(value(p)["operation"] for p in made(Shape(mix={"credit": 3, "debit": 2, "transfer": 0}), 4_000))
    assert set(counts) == {"credit", "debit"}
    assert counts["credit"] / counts["debit"] == pytest.approx(1.5, rel=0.15)


def test_duplicates_repeat_an_earlier_request_byte_by_byte() -> None:
    requests = made(Shape(duplicates=0.05), 4_000)
    seen: dict[str, Placed] = {}
    repeated = 0
    for placed in requests:
        key = value(placed)["idempotency_key"]
        repeated += key in seen
        assert seen.setdefault(key, placed) == placed
    assert repeated / len(requests) == pytest.approx(0.05, abs=0.015)
    assert len({p.value for p in made(Shape(), 4_000)}) == 4_000


def test_a_hot_wallet_gets_its_share_of_transfers() -> None:
    shape = Shape(wallets=100, mix={"transfer": 1}, hot=0.5)
    counts = Counter(value(p)["to_wallet_id"] for p in made(shape, 4_000))
    assert counts["load-merchant"] / 4_000 == pytest.approx(0.5, abs=0.04)
    assert counts.most_common(2)[1][1] < 60


@pytest.mark.parametrize("mix", [{}, {"credit": 0.0}, {"steal": 1.0}, {"credit": -1.0, "debit": 2.0}])
def test_a_mix_of_nothing_is_refused(mix: dict[str, float]) -> None:
    with pytest.raises(OperationError, match="the mix must name operations"):
        Shape(mix=mix)


def test_a_request_is_placed_by_its_key() -> None:
    assert place(Request(b"w-7", b"{}"), 8) == (partition_of("w-7", 8), b"w-7", b"{}")
    assert place(Request(None, b"broken"), 8) == (0, None, b"broken")


def test_more_than_is_remembered_can_be_made() -> None:
    maker = RequestMaker(Shape(wallets=2, duplicates=0.5), 1)
    requests = list(islice(iter(maker.make, None), 45_000))
    keys = [int(value(p)["idempotency_key"].rpartition("-")[2]) for p in requests[-1_000:]]
    assert max(keys) - min(keys) < 11_000
