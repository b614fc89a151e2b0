"""What is asked of the simulated ledger: all operations, mixed, and what follows from what requesters were told."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final
from zlib import crc32

import orjson

from schemas.clock import rfc3339
from schemas.outcomes import Outcome
from schemas.partitioning import partition_of
from schemas.reference import Reference
from schemas.topics import (
    ASSETS,
    FEE_SCHEDULES,
    FRAUD_COMMANDS,
    FX_RATES,
    OPERATOR_COMMANDS,
    RAILS,
    SETTLEMENT_UPDATES,
    TRANSACTION_REQUESTS,
)
from tests.simulation.domain import Find, Input
from tests.simulation.world import EPOCH_MS

ASSETS_HELD: Final = ("EUR", "USD")
BOOM: Final = b'"order":"boom"'
_UNREADABLE: Final = (None, b"", b"{", b"\xff\xfe", b"[]", b'{"operation":"credit"}', b'{"operation":"mint"}')
_FRAUD_ORDERS: Final = ("lock", "require_step_up")
_FOUR_EYES: Final = {"requested_by": "ann", "approved_by": "bob", "reason_code": "test"}
#: What is due is due within a run, or long after it.
LONG_S: Final = 30 * 86_400

_RATE: Final = {
    "rate_id": "eurusd",
    "base": "EUR",
    "quote": "USD",
    "bid": "1.0834",
    "ask": "1.0837",
    "source": "test",
    "valid_from": "2020-01-01T00:00:00.000Z",
    "valid_until": "2100-01-01T00:00:00.000Z",
}


def _fee(name: str, operation: str, flat_minor: int, *, refundable: bool) -> tuple[str, str, dict[str, Any]]:
    tiers = [{"flat_minor": flat_minor, "basis_points": 150}]
    fields = {"name": name, "version": 1, "operation": operation, "asset": "EUR", "tiers": tiers}
    return FEE_SCHEDULES, name, {**fields, "refundable": refundable}


_REFERENCE: Final = (
    (RAILS, "sepa", {"name": "sepa", "settlement": "deferred"}),
    (ASSETS, "PTS", {"code": "PTS", "exponent": 0, "kind": "points", "name": "Points"}),
    (FX_RATES, "eurusd", _RATE),
    _fee("transfers", "transfer", 1, refundable=True),
    _fee("captures", "capture", 1, refundable=True),
    _fee("exchanges", "convert", 0, refundable=True),
    _fee("debits", "debit", 0, refundable=True),
)


def reference_data() -> Reference:
    """Rails, rates and fees that there are in every run."""
    reference = Reference()
    for topic, key, fields in _REFERENCE:
        reference = reference.with_record(topic, key, orjson.dumps(fields))
    return reference


def record(topic: str, partition: int, **fields: Any) -> Input:
    """A record of a command, keyed as it must be."""
    return Input(topic, partition, str(fields["wallet_id"]).encode(), orjson.dumps(fields))


def open_wallet(wallet: str, partitions: int, prefix: str) -> Input:
    """The request that opens a wallet."""
    return record(
        TRANSACTION_REQUESTS,
        partition_of(wallet, partitions),
        operation="open_wallet",
        idempotency_key=f"open-{prefix}",
        wallet_id=wallet,
        owner_ref="o",
        assets=list(ASSETS_HELD),
    )


def fund(wallet: str, partitions: int, prefix: str) -> Input:
    """The credit that a wallet begins with."""
    common = {"operation": "credit", "idempotency_key": f"fund-{prefix}", "wallet_id": wallet}
    return record(TRANSACTION_REQUESTS, partition_of(wallet, partitions), **common, amount_minor=300, asset="EUR")


def request(rng: random.Random, wallets: list[str], partitions: int, key: str) -> Input:
    """One request of any kind, of a wallet of these, under a key of its own but for a few."""
    wallet: str = rng.choice(wallets)
    home = partition_of(wallet, partitions)
    if rng.random() < 0.03:
        topic = rng.choice((TRANSACTION_REQUESTS, OPERATOR_COMMANDS, FRAUD_COMMANDS, SETTLEMENT_UPDATES))
        return Input(topic, rng.randrange(partitions), wallet.encode(), rng.choice(_UNREADABLE))
    common = {"idempotency_key": key, "wallet_id": wallet}
    if rng.random() < 0.05:
        return record(OPERATOR_COMMANDS, home, **common, **_ordered(rng, wallet))
    asked = _plain(rng, wallets) if rng.random() < 0.5 else _rarer(rng, wallets)
    fields: dict[str, Any] = {**common, **asked}
    if rng.random() < 0.015:
        fields["references"] = {"order": "boom"}
    if rng.random() < 0.03:
        fields["idempotency_key"] = f"{key[0]}{rng.randrange(10)}"  # somebody else's key
    partition = rng.randrange(partitions) if rng.random() < 0.1 else home
    # By what it is and not by chance, so that a seed's other requests are what they would be without.
    if (drawn := crc32(orjson.dumps(fields)) % 200) < len(_FRAUD_ORDERS):
        return record(FRAUD_COMMANDS, partition, **common, operation=_FRAUD_ORDERS[drawn], rule_ids=["velocity-out"])
    return record(TRANSACTION_REQUESTS, partition, **fields)


def _plain(rng: random.Random, wallets: list[str]) -> dict[str, Any]:
    """Credits, debits and transfers."""
    fields: dict[str, Any] = {
        "operation": rng.choice(("credit", "credit", "debit", "transfer", "transfer", "transfer")),
        "amount_minor": rng.choice((rng.randint(1, 100), rng.randint(1, 100), 0)) if rng.random() < 0.1 else 40,
        "asset": rng.choice((*ASSETS_HELD, "EUR", "XXX")) if rng.random() < 0.2 else "EUR",
    }
    if fields["operation"] == "credit":
        fields["amount_minor"] *= 2
    if fields["operation"] == "transfer":
        fields["to_wallet_id"] = rng.choice([*wallets, "nobody"])
    return fields


def _rarer(rng: random.Random, wallets: list[str]) -> dict[str, Any]:
    """One of all the other operations that name no transaction."""
    amount = {"amount_minor": rng.randint(1, 60), "asset": "EUR"}
    soon = rfc3339(EPOCH_MS + rng.randint(0, 25_000))
    after_s = rng.choice((1, 3, 8, LONG_S, LONG_S))
    to_wallet_id = rng.choice([*wallets, "nobody"])
    return rng.choice(
        (
            *[{"operation": "authorize", **amount, "expires_in_s": after_s}] * 9,
            {"operation": "credit", **amount, "rail": "sepa"},
            *[{"operation": "debit", **amount, "rail": "sepa"}] * 2,
            {"operation": "debit", **amount, "rail": "nowhere"},
            {"operation": "convert", **amount, "to_asset": rng.choice(("USD", "USD", "PTS"))},
            *[{"operation": "transfer", **amount, "to_wallet_id": to_wallet_id, "to_asset": "USD"}] * 2,
            {"operation": "transfer", **amount, "to_wallet_id": to_wallet_id, "execute_at": soon},
            {"operation": rng.choice(("credit", "debit")), **amount, "execute_at": soon},
            {"operation": "convert", **amount, "to_asset": "USD", "execute_at": soon},
            {"operation": "reward", **amount, "code": "r", "expires_in_s": after_s},
            {"operation": "fee", **amount, "code": "f"},
            {"operation": "batch", "items": [_item(rng) for _ in range(rng.randint(1, 4))]},
            {"operation": "enable_asset", "asset": "PTS"} if rng.random() < 0.5 else {"operation": "close_wallet"},
        )
    )


def _item(rng: random.Random) -> dict[str, Any]:
    amount: dict[str, Any] = {"amount_minor": rng.randint(1, 30), "asset": "EUR"}
    operation = rng.choice(("credit", "credit", "debit", "fee", "convert"))
    more: dict[str, str] = {"fee": {"code": "f"}, "convert": {"to_asset": "USD"}}.get(operation, {})
    return {"operation": operation, **amount, **more}


def _ordered(rng: random.Random, wallet: str) -> dict[str, Any]:
    """What operators order of a wallet."""
    by = {**_FOUR_EYES, "approved_by": rng.choice(("bob", "bob", "ann"))}
    if rng.random() < 0.5:
        return {"operation": "set_wallet_state", "state": rng.choice(("active", "active", "locked", "disabled")), **by}
    if rng.random() < 0.5:
        account, amount = f"{wallet}/main/available", {"amount_minor": rng.randint(1, 20), "asset": "EUR"}
        pair = rng.choice(((account, "system/adjustments"), ("system/adjustments", account)))
        return {"operation": "adjust", "from_account": pair[0], "to_account": pair[1], **amount, **by}
    agreed = {"credit_limit_minor": rng.choice((0, 30)), "balance_cap_minor": rng.choice((100, 10_000))}
    over = {"over_capture_bps": rng.choice((0, 5_000)), "refunds_below_zero": rng.random() < 0.5}
    return {"operation": "set_limits", "limits": {"EUR": agreed}, **over, **by}


# ---- what follows ----------------------------------------------------------------------------------


def following(rng: random.Random, partitions: int, outcome: Outcome, find: Find, prefix: str) -> list[Input]:
    """What is asked for once a requester has read this: of the transaction that it is about, by its id."""
    if outcome.transaction_id is None or outcome.replayed or outcome.code != "ok" or rng.random() < 0.3:
        return []
    source = outcome.source
    value = find(source.topic, source.partition, source.offset)
    asked = orjson.loads(value) if value else None
    if not isinstance(asked, dict) or asked.get("operation") != outcome.operation:
        return []
    made = list(_acts(rng, asked, outcome))
    inputs = []
    for number, (topic, fields) in enumerate(made):
        key = f"{prefix}-{number}"
        named: dict[str, Any] = {
            "idempotency_key": key,
            "wallet_id": outcome.wallet_id,
            "transaction_id": outcome.transaction_id,
        }
        if topic == OPERATOR_COMMANDS:
            named |= _FOUR_EYES
        whole = named | fields
        if rng.random() < 0.02:
            whole["references"] = {"order": "boom"}
        home = partition_of(whole["wallet_id"], partitions)
        inputs.append(record(topic, rng.randrange(partitions) if rng.random() < 0.05 else home, **whole))
    return inputs


_Act = tuple[str, dict[str, Any]]


def _acts(rng: random.Random, asked: dict[str, Any], outcome: Outcome) -> Iterator[_Act]:
    operation, state, to_wallet_id = outcome.operation, outcome.state, asked.get("to_wallet_id")
    if operation == "authorize" and state == "processed":
        for _ in range(rng.randint(1, 3)):
            yield TRANSACTION_REQUESTS, _on_hold(rng)
    elif operation == "dispute" and state == "disputed":
        yield OPERATOR_COMMANDS, {"operation": "resolve_dispute", "won": rng.random() < 0.5}
    elif state == "processed" and to_wallet_id is not None:
        yield TRANSACTION_REQUESTS, {"operation": rng.choice(("cancel", "refund"))}
    elif state == "processed" and operation in ("credit", "debit", "capture", "refund"):
        for _ in range(rng.randint(1, 2)):
            yield from _by_rail(rng)
    elif state == "initiated" and rng.random() < 0.3:
        yield TRANSACTION_REQUESTS, {"operation": "cancel"}
    elif state == "settled" and operation in ("transfer", "capture") and to_wallet_id is not None:
        yield _back(rng, {"wallet_id": to_wallet_id})
        if rng.random() < 0.4:
            yield _back(rng, {"wallet_id": to_wallet_id})
    elif state == "settled" and operation in ("credit", "debit", "capture"):
        yield _contested(rng, is_inflow=operation == "credit")
    elif state == "settled" and operation in ("convert", "fee", "reward") and rng.random() < 0.4:
        yield OPERATOR_COMMANDS, {"operation": "reverse"}


def _on_hold(rng: random.Random) -> dict[str, Any]:
    payee = {"to_wallet_id": rng.choice(["nobody", *(f"w{number}" for number in range(8))])}
    amount: dict[str, Any] = {"amount_minor": rng.randint(1, 40)} if rng.random() < 0.7 else {}
    final = {"final": True} if rng.random() < 0.3 else {}
    return rng.choice(
        (
            *[{"operation": "capture", **amount, **payee, **final}] * 4,
            {"operation": "capture", **amount, **final},
            {"operation": "capture", **amount, **final, "rail": "sepa"},
            {"operation": "release"},
            {"operation": "cancel"},
        )
    )


def _by_rail(rng: random.Random) -> Iterator[_Act]:
    """What the rail says, and sometimes the requester meanwhile."""
    reference = {"rail_reference": f"x{rng.randint(0, 3)}"}
    partly = {"settled_minor": rng.randint(1, 30)} if rng.random() < 0.3 else {}
    fee = {"rail_fee_minor": rng.randint(0, 3)} if rng.random() < 0.3 else {}
    if rng.random() < 0.5:
        yield SETTLEMENT_UPDATES, {"operation": "submit", "batch_id": rng.choice(("b1", "b1", "b2"))}
    if rng.random() < 0.3:
        yield TRANSACTION_REQUESTS, {"operation": "cancel"}
    if rng.random() < 0.75:
        yield SETTLEMENT_UPDATES, {"operation": "settle", **reference, **partly, **fee}
    else:
        yield SETTLEMENT_UPDATES, {"operation": "fail", "code": "AC04"}


def _back(rng: random.Random, of: dict[str, Any]) -> _Act:
    if rng.random() < 0.2:
        return OPERATOR_COMMANDS, {"operation": "reverse", **of}
    amount = {"amount_minor": rng.randint(1, 40)} if rng.random() < 0.7 else {}
    return TRANSACTION_REQUESTS, {"operation": "refund", **amount, **of}


def _contested(rng: random.Random, *, is_inflow: bool) -> _Act:
    amount = {"amount_minor": rng.randint(1, 40)} if rng.random() < 0.6 else {}
    chance = rng.random()
    if chance < 0.25:
        return TRANSACTION_REQUESTS, {"operation": "dispute", "reason": "10.4", **amount}
    if chance < 0.4:
        back = {"amount_minor": rng.randint(1, 40), "rail_reference": f"y{rng.randint(0, 1)}", "code": "MD06"}
        return SETTLEMENT_UPDATES, {"operation": "return", **back}
    if chance < 0.5:
        return OPERATOR_COMMANDS, {"operation": "reverse"}
    return TRANSACTION_REQUESTS, {"operation": "dispute", "reason": "10.4"} if is_inflow else {
        "operation": "refund",
        **amount,
    }
