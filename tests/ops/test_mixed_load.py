"""The mixed load."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

import orjson
import pytest

from ops.bench.core import Core
from ops.errors import OperationError
from ops.load import Placed, Shape
from ops.mixed_load import REQUESTS, MixedMaker, reference_records
from schemas.commands import CONTRACTS
from schemas.outcomes import Outcome, decode_outcome
from schemas.partitioning import partition_of
from streams.machine import Message

NOW_MS = 1_790_000_000_000
CYCLE = sum(REQUESTS.values())


def value(placed: Placed) -> dict[str, Any]:
    loaded: dict[str, Any] = orjson.loads(placed.value)
    return loaded


def told(maker: MixedMaker) -> None:
    """Every seed answered, as a ledger would."""
    for number, placed in enumerate(list(maker.seeds())):
        answer = {"kind": "answer", "code": "ok", "transaction_id": f"{number:032x}"}
        maker.learn(orjson.dumps(answer | {"idempotency_key": value(placed)["idempotency_key"]}))


def outcomes(messages: list[Message]) -> list[Outcome]:
    return [decode_outcome(m.value or b"") for m in messages if m.topic == "transaction-outcomes"]


def test_every_record_meets_its_contract_and_lies_in_its_wallets_partition() -> None:
    maker = MixedMaker(Shape(wallets=20), 4, CYCLE, NOW_MS)
    told(maker)
    requests = [maker.make() for _ in range(CYCLE)]
    for topic, records in (
        ("transaction-requests", [*maker.openings(), *requests]),
        ("settlement-updates", list(maker.updates())),
    ):
        for partition, key, raw in records:
            command = CONTRACTS[topic].validate_json(raw)
            assert command.wallet_id.encode() == key
            assert partition == partition_of(command.wallet_id, 4)


def test_the_shares_are_exact_in_every_200_records() -> None:
    maker = MixedMaker(Shape(wallets=20), 4, 2 * CYCLE, NOW_MS)
    told(maker)
    requests = [value(maker.make()) for _ in range(2 * CYCLE)]
    counts = Counter(request["operation"] for request in requests)
    rails = sum(request.get("rail") is not None for request in requests)
    scheduled = sum("execute_at" in request for request in requests)
    assert (rails, scheduled) == (4, 2)
    assert {name: count / 4 for name, count in counts.items()} == {
        "debit": 41.0,
        "credit": 25.5,
        "transfer": 15.0,
        "authorize": 5.0,
        "capture": 5.0,
        "convert": 1.5,
        "refund": 1.5,
        "release": 0.5,
        "cancel": 1.0,
        "fee": 1.0,
        "reward": 1.0,
        "batch": 0.5,
        "dispute": 0.5,
    }
    assert Counter(value(placed)["operation"] for placed in maker.updates()) == {"submit": 2, "settle": 2}


def test_the_ledger_accepts_all_of_it() -> None:
    core, maker = Core(), MixedMaker(Shape(wallets=30, duplicates=0.05), 1, 3 * CYCLE, NOW_MS)
    for record in reference_records("EUR"):
        core.machine.refer(*record)
    opened = outcomes(list(core.feed(list(maker.openings())).messages))
    assert len(opened) == 3 * 31
    seeded = list(core.feed(list(maker.seeds())).messages)
    for message in seeded:
        if message.topic == "transaction-outcomes":
            maker.learn(message.value or b"")
    assert maker.awaited == 0
    requests = [maker.make() for _ in range(3 * CYCLE)]
    updates = list(maker.updates())
    done = outcomes(list(core.feed(requests, updates).messages))
    answers = [outcome for outcome in done if outcome.kind == "answer"]
    assert len(answers) == len(requests) + len(updates)
    assert {outcome.code for outcome in [*opened, *outcomes(seeded), *done]} == {"ok"}
    assert sum(outcome.replayed for outcome in answers) > 5


def test_the_same_shape_makes_the_same_requests_and_another_run_new_ones() -> None:
    made = []
    for run in ("a", "a", "b"):
        maker = MixedMaker(Shape(wallets=20, run=run), 4, CYCLE, NOW_MS)
        told(maker)
        made.append([maker.make() for _ in range(CYCLE)])
    assert made[0] == made[1]
    keys = [{value(placed)["idempotency_key"] for placed in placeds} for placeds in made]
    assert len(keys[0]) == CYCLE
    assert not keys[0] & keys[2]


def test_no_transaction_is_named_twice() -> None:
    maker = MixedMaker(Shape(wallets=20), 4, 3 * CYCLE, NOW_MS)
    told(maker)
    named = [value(maker.make()).get("transaction_id") for _ in range(3 * CYCLE)]
    counts = Counter(transaction_id for transaction_id in named if transaction_id is not None)
    assert set(counts.values()) == {1}
    assert len(counts) == 3 * 17


def test_more_than_was_seeded_is_refused_and_so_is_a_seed_that_was_rejected() -> None:
    maker = MixedMaker(Shape(wallets=20), 4, CYCLE, NOW_MS)
    with pytest.raises(OperationError, match="no transaction is left for"):
        list(islice(iter(maker.make, None), CYCLE))
    (first, *_) = maker.seeds()
    answer = {"kind": "answer", "code": "insufficient_funds", "idempotency_key": value(first)["idempotency_key"]}
    with pytest.raises(OperationError, match="answered insufficient_funds"):
        maker.learn(orjson.dumps(answer))
