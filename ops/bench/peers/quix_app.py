"""The same job in Quix Streams with exactly-once processing.

    python quix_app.py INPUT PREFIX BROKERS STATE_DIR

Requests are deduplicated by idempotency key, balances kept in its RocksDB state with changelog topics, an event and
an outcome sent for each, all in its Kafka transactions. Runs in an environment of its own (requirements/bench.txt)
and imports nothing of ours.
"""

from __future__ import annotations

import sys
from typing import Any

from quixstreams import Application, State

#: Quix's default is 5 s. Shorter shows better when it is done, and costs it little.
_COMMIT_INTERVAL_S = 0.5


def decide(request: dict[str, Any], state: State) -> dict[str, Any]:
    """The event and the outcome of one request; state is that of the record's key, the wallet."""
    scope = f"answer/{request['idempotency_key']}"
    first = state.get(scope)
    if first is not None:
        return {"event": None, "outcome": {**first, "replayed": True}}
    code, entries, balance_minor = _apply(request, state)
    event = {
        "type": "transaction.settled" if code == "ok" else "request.rejected",
        "wallet_id": request["wallet_id"],
        "operation": request["operation"],
        "idempotency_key": request["idempotency_key"],
        "entries": entries,
        "balance_minor": balance_minor,
        "code": code,
    }
    outcome = {
        "kind": "answer",
        "request_id": request.get("request_id"),
        "idempotency_key": request["idempotency_key"],
        "wallet_id": request["wallet_id"],
        "status": "accepted" if code == "ok" else "rejected",
        "code": code,
        "balance_minor": balance_minor,
        "replayed": False,
    }
    state.set(scope, outcome)
    return {"event": event, "outcome": outcome}


def _apply(request: dict[str, Any], state: State) -> tuple[str, list[dict[str, Any]], int]:
    """Code, entries and the balance after; the state is changed."""
    wallet = request["wallet_id"]
    before_minor = state.get("balance_minor")
    if request["operation"] == "open_wallet":
        if before_minor is not None:
            return "wallet_exists", [], before_minor
        state.set("balance_minor", 0)
        return "ok", [], 0
    if before_minor is None:
        return "wallet_not_found", [], 0
    amount_minor, asset = request["amount_minor"], request["asset"]
    change_minor = amount_minor if request["operation"] == "credit" else -amount_minor
    if before_minor + change_minor < 0:
        return "insufficient_funds", [], before_minor
    state.set("balance_minor", before_minor + change_minor)
    sides = ("debit", "credit") if change_minor > 0 else ("credit", "debit")
    entries = [
        {"account": "system/rail:instant", "asset": asset, sides[0]: amount_minor},
        {"account": f"{wallet}/main/available", "asset": asset, sides[1]: amount_minor},
    ]
    return "ok", entries, before_minor + change_minor


def main() -> None:
    """Run until killed."""
    topic, prefix, brokers, state_dir = sys.argv[1:5]
    app = Application(
        broker_address=brokers,
        consumer_group=f"{prefix}quix",
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=_COMMIT_INTERVAL_S,
        state_dir=state_dir,
        loglevel="WARNING",
    )
    requests = app.topic(topic, key_deserializer="str", value_deserializer="json")
    events = app.topic(f"{prefix}events", key_serializer="str", value_serializer="json")
    outcomes = app.topic(f"{prefix}outcomes", key_serializer="str", value_serializer="json")
    decided = app.dataframe(requests).apply(decide, stateful=True)
    decided.filter(lambda both: both["event"] is not None).apply(lambda both: both["event"]).to_topic(events)
    decided.apply(lambda both: both["outcome"]).to_topic(outcomes)
    app.run()


if __name__ == "__main__":
    main()
