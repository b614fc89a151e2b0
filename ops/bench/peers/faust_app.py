"""The same job the way Faust's documentation teaches it: an agent, tables, `topic.send`, all settings at default.

    python -m ops.bench.peers.faust_app INPUT PREFIX BROKERS

Requests are deduplicated by idempotency key, balances kept, an event and an outcome sent for each. Tables are kept
in memory, Faust's default and its quickest; nothing is written exactly once.
"""

from __future__ import annotations

import sys
from typing import Any

import faust

_INPUT, _PREFIX, _BROKERS = sys.argv[1:4]
sys.argv[1:] = ["worker", "--loglevel", "warn", "--without-web"]


class Request(faust.Record):
    """What of a request the job needs."""

    operation: str
    idempotency_key: str
    wallet_id: str
    amount_minor: int = 0
    asset: str = ""
    request_id: str = ""


app = faust.App(
    f"{_PREFIX}faust",
    broker=f"kafka://{_BROKERS}",
    topic_partitions=4,
    topic_replication_factor=1,
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
)
requests = app.topic(_INPUT, key_type=str, value_type=Request)
events = app.topic(f"{_PREFIX}events", key_type=str, value_serializer="json")
outcomes = app.topic(f"{_PREFIX}outcomes", key_type=str, value_serializer="json")
wallets = app.Table("wallets", default=bool)
balances = app.Table("balances", default=int)
answers = app.Table("answers")


@app.agent(requests)
async def decide(stream: Any) -> None:
    """Decide one request after the other."""
    async for request in stream:
        scope = f"{request.wallet_id}/{request.idempotency_key}"
        first = answers.get(scope)
        if first is not None:
            await outcomes.send(key=request.wallet_id, value={**first, "replayed": True})
            continue
        code, entries, balance_minor = _apply(request)
        await events.send(
            key=request.wallet_id,
            value={
                "type": "transaction.settled" if code == "ok" else "request.rejected",
                "wallet_id": request.wallet_id,
                "operation": request.operation,
                "idempotency_key": request.idempotency_key,
                "entries": entries,
                "balance_minor": balance_minor,
                "code": code,
            },
        )
        answer = {
            "kind": "answer",
            "request_id": request.request_id,
            "idempotency_key": request.idempotency_key,
            "wallet_id": request.wallet_id,
            "status": "accepted" if code == "ok" else "rejected",
            "code": code,
            "balance_minor": balance_minor,
            "replayed": False,
        }
        answers[scope] = answer
        await outcomes.send(key=request.wallet_id, value=answer)


def _apply(request: Request) -> tuple[str, list[dict[str, Any]], int]:
    """Code, entries and the balance after; the tables are changed."""
    wallet, amount_minor = request.wallet_id, request.amount_minor
    if request.operation == "open_wallet":
        if wallets[wallet]:
            return "wallet_exists", [], balances[wallet]
        wallets[wallet] = True
        return "ok", [], 0
    if not wallets[wallet]:
        return "wallet_not_found", [], 0
    before_minor = balances[wallet]
    change_minor = amount_minor if request.operation == "credit" else -amount_minor
    if before_minor + change_minor < 0:
        return "insufficient_funds", [], before_minor
    balances[wallet] = before_minor + change_minor
    sides = ("debit", "credit") if change_minor > 0 else ("credit", "debit")
    entries = [
        {"account": "system/rail:instant", "asset": request.asset, sides[0]: amount_minor},
        {"account": f"{wallet}/main/available", "asset": request.asset, sides[1]: amount_minor},
    ]
    return "ok", entries, before_minor + change_minor


if __name__ == "__main__":
    app.main()
