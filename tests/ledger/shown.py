"""What the ledger and its model say, in one form for both."""

from __future__ import annotations

from typing import Any

from tests.ledger.commands import Json
from tests.ledger.model.books import remaining


def shown(outcome: Json) -> Json:
    """An outcome as the model says it."""
    replayed = outcome.get("replayed", False)
    return {
        "kind": outcome["kind"],
        "wallet_id": outcome["wallet_id"],
        "key": outcome.get("idempotency_key"),
        "code": outcome["code"],
        "field": outcome.get("field"),
        "id": outcome.get("transaction_id"),
        "state": outcome.get("state"),
        "balances": sorted((one["account"], one["balance_minor"]) for one in outcome.get("balances", ())),
        "replayed": replayed,
        "current": (outcome.get("current_state"), outcome["current_code"]) if replayed else None,
    }


def left_of(t: Json, verb: str) -> int:
    """How much of a transaction this may be done to."""
    if verb == "capture":
        return int(t["hold"]["left"]) if t["hold"] else 1
    return int(t["amount"]) if verb == "settle" else remaining(t)


def told_by_model(item: tuple[Any, ...]) -> tuple[Any, ...]:
    """What one partition tells another, as the model has it."""
    kind, *what = item
    if kind == "leg":
        return kind, what[0]["id"], what[0]["to"], what[0]["sends"], what[0]["operation"]
    return (kind, what[0]["id"]) if kind == "answer" else (kind,)


def told_on_wire(told: Json) -> tuple[Any, ...]:
    """What one partition tells another, as it is on the wire."""
    kind = told["operation"]
    if kind == "transfer_credit":
        to = told["wallet_id"], told["sub_wallet"]
        return "leg", told["transaction_id"], to, told["amount_minor"], told.get("kind", "transfer")
    if kind == "transfer_answer":
        return "answer", told["transaction_id"]
    return ("portion" if kind == "release_portion" else kind,)
