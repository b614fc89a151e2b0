"""What the ledger must write, put together by hand: events, answers and journals in whole."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import rfc8785

from tests.ledger.commands import Json, credit, open_wallet
from tests.ledger.world import START_MS, Position, World

AT = "2026-01-01T00:00:00.000Z"
SETTLED = ["initiated", "processed", "settled"]
EXTRAS: Json = {
    "request_id": "r-1",
    "occurred_at": "2025-12-31T23:59:59.000Z",
    "device": {"fingerprint": "f", "ip": "192.0.2.1", "latitude": 1.5, "longitude": -2},
    "references": {"order": "o-1", "merchant": "m-1", "user": "u-1"},
    "metadata": {"b": "2", "a": "1"},
}
DEVICE = {"fingerprint": "f", "ip": "192.0.2.1", "latitude": 1.5, "longitude": -2.0}
#: Defaults that a command is validated with.
DEFAULTS: dict[str, Json] = {
    "open_wallet": {"kind": "customer"},
    "credit": {"rail": "instant"},
    "debit": {"rail": "instant"},
    "transfer": {"to_sub_wallet": "main"},
}
#: Where `two_wallets` has its wallets.
ALICE_IN, BOB_IN = 1, 0
#: A wallet in the partition of alice, not open yet.
ANNA = "anna1"


def two_wallets() -> World:
    """Wallets `alice` in partition 1 and `bob` in partition 0, with 100 EUR each."""
    world = World(2)
    for wallet_id in ("alice", "bob"):
        assert world.submit(open_wallet(wallet_id))["code"] == "ok"
        assert world.submit(credit(wallet_id, 100))["code"] == "ok"
    assert (world.owner("alice"), world.owner("bob")) == (ALICE_IN, BOB_IN)
    return world


def plain(written: Json) -> Json:
    """What was written, without what the world added to it."""
    return {name: value for name, value in written.items() if not name.startswith("_") and name != "sequence"}


def canonical(asked: Json) -> Json:
    """The command with its defaults, and without what says nothing of what is asked for."""
    fields = {"sub_wallet": "main", **DEFAULTS.get(asked["operation"], {}), **asked}
    return {name: value for name, value in fields.items() if name not in ("request_id", "occurred_at", "device")}


def cause_of(asked: Json, at: Position, **more: Any) -> Json:
    """The cause of an event that decided a command."""
    digest = sha256(rfc8785.dumps(canonical(asked))).hexdigest()
    given = {"request_id": asked["request_id"]} if "request_id" in asked else {}
    return {**at._asdict(), **given, "idempotency_key": asked["idempotency_key"], "fingerprint": digest, **more}


def transaction_id(asked: Json, topic: str, ms: int = START_MS) -> str:
    """Input topic, wallet, key, first recorded, item of a batch."""
    identity = "\0".join([topic, asked["wallet_id"], asked["idempotency_key"], str(ms), "0"])
    return sha256(identity.encode()).hexdigest()[:32]


def accepted(asked: Json, at: Position, type_: str, **more: Any) -> Json:
    """The event of a command that was accepted."""
    return {
        "type": type_,
        "wallet_id": asked["wallet_id"],
        "transaction_id": transaction_id(asked, at.topic),
        "operation": asked["operation"],
        "sub_wallet": asked.get("sub_wallet", "main"),
        "code": "ok",
        "request": canonical(asked),
        "cause": cause_of(asked, at),
        "recorded_at": AT,
        **more,
    }


def answered(asked: Json, at: Position, **more: Any) -> Json:
    """The answer to a command that was accepted."""
    given = {"request_id": asked["request_id"]} if "request_id" in asked else {}
    return {
        "kind": "answer",
        **given,
        "idempotency_key": asked["idempotency_key"],
        "wallet_id": asked["wallet_id"],
        "transaction_id": transaction_id(asked, at.topic),
        "operation": asked["operation"],
        "status": "accepted",
        "code": "ok",
        "source": at._asdict(),
        "recorded_at": AT,
        **more,
    }


def posted(debited: str, credited: str, amount_minor: int, *balances: int) -> Json:
    """Two entries in EUR and the balances after them."""
    after = zip((debited, credited), balances, strict=True)
    return {
        "entries": [
            {"account": debited, "asset": "EUR", "debit_minor": amount_minor},
            {"account": credited, "asset": "EUR", "credit_minor": amount_minor},
        ],
        "balances": [{"account": account, "asset": "EUR", "balance_minor": minor} for account, minor in after],
    }


def own(account: str, balance_minor: int) -> list[Json]:
    """The balances that an answer shows."""
    return [{"account": account, "asset": "EUR", "balance_minor": balance_minor}]


def decide(world: World, asked: Json) -> tuple[Position, Json, Json]:
    """Where a command is, its event and its answer."""
    at = world.put(asked)
    world.decide(at.partition)
    (event,) = world.events_of(at)
    assert event["_key"] == asked["wallet_id"].encode()
    answer = world.answer(at)
    assert (answer["_key"], answer["_partition"]) == (asked["wallet_id"].encode(), at.partition)
    return at, plain(event), plain(answer)
