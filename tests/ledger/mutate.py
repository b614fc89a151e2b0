"""Seeded mutations of records: of their structure, of their headers and keys, and of their bytes.

`generate` gives a stream in which mutated records stand among good ones. Good ones have wallets and an asset of their
own, so that whatever becomes of a mutated one, each good one must settle.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from tests.ledger.mutations import Headers, Json, encode, odd_headers, odd_key, of_bytes, of_structure, with_odd_text

GOOD_ASSET, MUTANT_ASSET = "EUR", "USD"
_WALLETS = 50
_FUNDS_MINOR = 1_000_000_000

#: So many records of `generate` open and fund the wallets of both assets. Nothing that follows them is good before
#: all partitions have answered them: a transfer may reach its payee's partition before the payee is open.
OPENINGS = 2 * 2 * _WALLETS


class Mutant(NamedTuple):
    """A record of a requests topic. A mutated record may still be a good command: it has to be answered, no more."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    is_good: bool


def generate(seed: int, n: int) -> list[Mutant]:
    """About `n` mutated records among as many good ones, after the commands that open and fund all wallets."""
    rng = Random(seed)
    records = list(_openings())
    for number in range(n):
        good, sound = _command(rng, "g", number, GOOD_ASSET), _sound(rng, number)
        records.append(_record(good, is_good=True))
        records.append(mutate(rng, sound, _command(rng, "m", rng.randrange(number + 1), MUTANT_ASSET)))
    return records


def mutate(rng: Random, command: Json, other: Json) -> Mutant:
    """A mutated record of `command`; `other` is another command, to splice with."""
    key: bytes = command["wallet_id"].encode()
    headers: Headers = (
        [("ce_id", b"id-1"), ("ce_type", b"wallet.transaction-requests.v1")] if rng.random() < 0.2 else []
    )
    kind = rng.random()
    if kind < 0.10:
        return Mutant(odd_key(rng, key), encode(command), headers, is_good=False)
    if kind < 0.20:
        return Mutant(key, encode(command), odd_headers(rng, headers), is_good=False)
    if kind < 0.22:
        return Mutant(key, rng.choice([None, b"", b"null", b"[]", b"0", b'""', b"\xff"]), headers, is_good=False)
    if kind < 0.60:
        value = with_odd_text(rng, of_structure(rng, command))
    else:
        value = of_bytes(rng, encode(command), encode(other))
    return Mutant(key, value, headers, is_good=False)


# ---- good commands -------------------------------------------------------------------------------------


def _openings() -> Iterator[Mutant]:
    for kind, asset in (("g", GOOD_ASSET), ("m", MUTANT_ASSET)):
        for number in range(_WALLETS):
            wallet_id = f"{kind}-{number}"
            opening = {"operation": "open_wallet", "owner_ref": "o", "assets": [asset]}
            funding = {"operation": "credit", "amount_minor": _FUNDS_MINOR, "asset": asset}
            for name, fields in (("open", opening), ("fund", funding)):
                yield _record({**fields, "idempotency_key": name, "wallet_id": wallet_id}, is_good=True)


def _record(command: Json, is_good: bool) -> Mutant:
    return Mutant(command["wallet_id"].encode(), encode(command), [], is_good)


def _command(rng: Random, kind: str, number: int, asset: str) -> Json:
    """A small credit, debit or transfer that nothing speaks against, with some of the optional fields."""
    payer, payee = rng.sample(range(_WALLETS), 2)
    command: Json = {
        "operation": rng.choice(["credit", "debit", "transfer"]),
        "idempotency_key": f"{kind}-{number}",
        "wallet_id": f"{kind}-{payer}",
        "amount_minor": rng.randint(1, 100),
        "asset": asset,
    }
    if command["operation"] == "transfer":
        command["to_wallet_id"] = f"{kind}-{payee}"
    return command | _optional(rng, number)


def _sound(rng: Random, number: int) -> Json:
    """A command to be mutated: one of those above, a hold, or one on a transaction that is not there."""
    command = _command(rng, "m", number, MUTANT_ASSET)
    operation = rng.choice([command["operation"]] * 3 + ["authorize", *_ON_TRANSACTIONS])
    if operation == "authorize":
        command |= {"operation": operation, "expires_in_s": rng.randint(1, 100)}
        command.pop("to_wallet_id", None)
    elif operation in _ON_TRANSACTIONS:
        kept = {name: value for name, value in command.items() if name not in ("asset", "to_wallet_id", "sub_wallet")}
        named = {"operation": operation, "transaction_id": f"{rng.getrandbits(128):032x}"}
        command = {**kept, **named, **_ON_TRANSACTIONS[operation]}
        if operation in ("release", "cancel"):
            del command["amount_minor"]
    return command


#: Operation -> fields that it must have beside the transaction's id.
_ON_TRANSACTIONS: dict[str, Json] = {
    "capture": {"final": True},
    "release": {},
    "cancel": {},
    "refund": {},
    "dispute": {"reason": "fraud"},
}


def _optional(rng: Random, number: int) -> Json:
    optional: Json = {
        "request_id": f"r-{number}",
        "occurred_at": "2026-01-01T00:00:00.000Z",
        "metadata": {"note": "tea", "é": "\U0001f600"},
        "references": {"order": "o-1", "merchant": "m-1"},
        "device": {"ip": "192.0.2.1", "latitude": 52.5, "longitude": 13.4},
        "sub_wallet": "main",
    }
    return {name: value for name, value in optional.items() if rng.random() < 0.3}
