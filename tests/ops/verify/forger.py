"""A forger who does everything else right: after a tampering all balances, answers and seals are made to fit."""

from __future__ import annotations

from typing import Any

import orjson

from ops.verify.accounts import holder_of
from schemas import topics
from streams.seal import is_seal
from tests.ops.verify.honest import Ledger
from tests.ops.verify.tamper import EVENTS, OUTCOMES, edit, reseal

BALANCES = topics.WALLET_BALANCES


def make_fit(ledger: Ledger) -> None:
    """Add all entries up anew, and state the sums wherever balances are stated."""
    for partition in range(ledger.partitions):
        books, answers = _state_in_events(ledger, partition)
        _state_in_outcomes(ledger, partition, answers)
        _publish(ledger, partition, books)
    reseal(ledger)


def _state_in_events(ledger: Ledger, partition: int) -> tuple[dict[tuple[str, str], int], dict[Any, Any]]:
    books: dict[tuple[str, str], int] = {}
    answers: dict[Any, Any] = {}
    firsts: dict[Any, Any] = {}
    for index, record in enumerate(ledger.topics[EVENTS][partition]):
        if is_seal(record.value or b""):
            continue
        event = orjson.loads(record.value or b"")
        touched = []
        for entry in event.get("entries", ()):
            key = (entry["account"], entry["asset"])
            books[key] = books.get(key, 0) + entry.get("credit_minor", 0) - entry.get("debit_minor", 0)
            touched.append(key)
        stated = [_balance(key, books[key]) for key in dict.fromkeys(touched)]
        edit(ledger, EVENTS, (partition, index), balances=stated or None)
        cause = event["cause"]
        source = cause.get("origin") or cause
        own = [balance for balance in stated if balance["account"].startswith(f"{event.get('wallet_id')}/")]
        of_key = source["topic"], event.get("wallet_id"), cause.get("idempotency_key")
        if event["type"] == "request.replayed":
            own = firsts[of_key]
        elif "fingerprint" in cause:
            firsts.setdefault(of_key, own)
        follows = "command" in event and "idempotency_key" not in cause
        if not follows and event["type"] != "request.parked":
            answers.setdefault(_place(source), own)
        if "from_state" in event:
            answers.setdefault((event["transaction_id"], event["to_state"]), []).append(own)
    return books, answers


def _state_in_outcomes(ledger: Ledger, partition: int, answers: dict[Any, Any]) -> None:
    for index, record in enumerate(ledger.topics[OUTCOMES][partition]):
        outcome = orjson.loads(record.value or b"")
        is_update = outcome["kind"] == "update"
        if is_update:
            own = answers[outcome.get("transaction_id"), outcome.get("state")].pop(0)
        else:
            own = answers[_place(outcome["source"])]
        edit(ledger, OUTCOMES, (partition, index), balances=own or None)


def _publish(ledger: Ledger, partition: int, books: dict[tuple[str, str], int]) -> None:
    records = ledger.topics[BALANCES][partition]
    pattern = orjson.loads(records[-1].value or b"")
    latest = {record.key: index for index, record in enumerate(records)}
    for holder in {holder_of(account) for account, _ in books} | {(key or b"").decode() for key in latest}:
        accounts = [_balance(key, minor) for key, minor in books.items() if holder_of(key[0]) == holder]
        value = orjson.dumps({**pattern, "wallet_id": holder, "accounts": accounts})
        index = latest.get(holder.encode())
        if index is None:
            records.append(records[-1]._replace(offset=records[-1].offset + 1, key=holder.encode(), value=value))
        else:
            records[index] = records[index]._replace(value=value)


def _balance(key: tuple[str, str], minor: int) -> dict[str, Any]:
    return {"account": key[0], "asset": key[1], "balance_minor": minor}


def _place(source: dict[str, Any]) -> tuple[str, int, int]:
    return source["topic"], source["partition"], source["offset"]
