"""Commands as JSON objects, with keys of their own unless one is given."""

from __future__ import annotations

from itertools import count
from typing import Any

Json = dict[str, Any]

_numbers = count()


def command(operation: str, wallet_id: str, key: str | None = None, **fields: Any) -> Json:
    """A command with the fields that every command has, and those given."""
    idempotency_key = f"key-{next(_numbers)}" if key is None else key
    return {"operation": operation, "idempotency_key": idempotency_key, "wallet_id": wallet_id, **fields}


def open_wallet(wallet_id: str, *assets: str, key: str | None = None, **fields: Any) -> Json:
    """`open_wallet`, by default with EUR."""
    return command("open_wallet", wallet_id, key, owner_ref="o-1", assets=list(assets) or ["EUR"], **fields)


def credit(wallet_id: str, amount_minor: Any, asset: str = "EUR", key: str | None = None, **fields: Any) -> Json:
    """`credit` over the instant rail."""
    return command("credit", wallet_id, key, amount_minor=amount_minor, asset=asset, **fields)


def debit(wallet_id: str, amount_minor: Any, asset: str = "EUR", key: str | None = None, **fields: Any) -> Json:
    """`debit` over the instant rail."""
    return command("debit", wallet_id, key, amount_minor=amount_minor, asset=asset, **fields)


def transfer(
    wallet_id: str, to_wallet_id: str, amount_minor: Any, asset: str = "EUR", key: str | None = None, **fields: Any
) -> Json:
    """`transfer` to another wallet."""
    return command(
        "transfer", wallet_id, key, to_wallet_id=to_wallet_id, amount_minor=amount_minor, asset=asset, **fields
    )


def operator(operation: str, wallet_id: str, key: str | None = None, **fields: Any) -> Json:
    """An operator command, asked for by one and approved by another."""
    signed = {"requested_by": "olga", "approved_by": "piet", "reason_code": "test", **fields}
    return command(operation, wallet_id, key, **signed)


def set_state(wallet_id: str, state: str, key: str | None = None, **fields: Any) -> Json:
    """`set_wallet_state`."""
    return operator("set_wallet_state", wallet_id, key, state=state, **fields)


def fraud(operation: str, wallet_id: str, key: str | None = None, **fields: Any) -> Json:
    """A command of the fraud role."""
    return command(operation, wallet_id, key, **{"rule_ids": ["velocity-out"], **fields})


def release(wallet_id: str, key: str | None = None, **fields: Any) -> Json:
    """`release_quarantine`."""
    return operator("release_quarantine", wallet_id, key, **fields)
