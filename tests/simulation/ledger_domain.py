"""The ledger under simulation: mixed requests, and what its topics must say in the end."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final
from unittest.mock import patch

import msgspec
import orjson

from agents.ledger.machine import LedgerMachine
from agents.ledger.operations import release_quarantine
from schemas.events import LedgerEvent, Source, decode_event
from schemas.outcomes import Outcome, decode_balances, decode_outcome
from schemas.partitioning import partition_of
from schemas.topics import (
    DEAD_LETTERS,
    FRAUD_COMMANDS,
    INPUTS,
    INTERNAL_COMMANDS,
    LEDGER_EVENTS,
    OPERATOR_COMMANDS,
    SETTLEMENT_UPDATES,
    TRANSACTION_OUTCOMES,
    TRANSACTION_REQUESTS,
    WALLET_BALANCES,
    topic_named,
)
from streams.machine import Context, InputRecord, Machine, Output
from streams.overlay import Overlay
from tests.simulation.domain import Fold, History, Input
from tests.simulation.memory_log import StoredRecord

_ASSETS: Final = ("EUR", "USD")
_BOOM: Final = b'"order":"boom"'
_UNREADABLE: Final = (None, b"", b"{", b"\xff\xfe", b"[]", b'{"operation":"credit"}', b'{"operation":"mint"}')


class FragileLedger(LedgerMachine):
    """The ledger with a bug: it raises, when all is done, on records that ask for it. A portion is one record."""

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        with patch.object(release_quarantine, "PORTION", 1):
            super().step(state, record, context, out)
        if _BOOM in (record.value or b"").replace(b"\\", b""):
            raise ZeroDivisionError("a bug in the ledger")


class LedgerDomain:
    """See `tests.simulation.domain.Domain`."""

    name = "ledger"
    raised: ClassVar[tuple[type[Exception], ...]] = (ZeroDivisionError,)
    inputs: tuple[str, ...] = INPUTS
    event_log = LEDGER_EVENTS
    outcomes = TRANSACTION_OUTCOMES
    topics: ClassVar[dict[str, int]] = {
        name: topic_named(name).max_message_bytes
        for name in (*INPUTS, LEDGER_EVENTS, TRANSACTION_OUTCOMES, WALLET_BALANCES, DEAD_LETTERS)
    }

    def machine(self) -> Machine:
        return FragileLedger()

    def workload(self, rng: random.Random, partitions: int, count: int, prefix: str = "r") -> list[Input]:
        wallets = [f"w{number}" for number in range(rng.randint(2, 8))]
        records = [_open(wallet, partitions, prefix) for wallet in wallets] if prefix == "r" else []
        for number in range(count):
            if records and rng.random() < 0.15:
                records.append(rng.choice(records))  # a producer that retries
            else:
                records.append(_request(rng, rng.choice(wallets), wallets, partitions, f"{prefix}{number}"))
        return records

    def decode(self, value: bytes) -> LedgerEvent:
        return decode_event(value)

    def source(self, event: LedgerEvent) -> tuple[str, int]:
        assert event.cause is not None
        return event.cause.topic, event.cause.offset

    def is_deduplicated(self, record: StoredRecord) -> bool:
        return b'"operation":"transfer_' in (record.value or b"")

    def is_due(self, tables: Mapping[str, Mapping[str, bytes]]) -> bool:
        return False

    def mend(self, tables: Mapping[str, Mapping[str, bytes]], partition: int, number: int) -> list[Input]:
        """Operators release what is under quarantine."""
        quarantined = [id_ for id_, row in tables.get("wallets", {}).items() if msgspec.msgpack.decode(row)[5]]
        return [
            _record(
                OPERATOR_COMMANDS,
                partition,
                operation="release_quarantine",
                idempotency_key=f"release-{number}",
                wallet_id=id_,
                requested_by="ann",
                approved_by="bob",
                reason_code="looked_at",
            )
            for id_ in quarantined
        ]

    def check(self, history: History) -> list[str]:
        return [
            *_check_journals(history),
            *_check_answers(history),
            *_check_effects(history),
            *_check_projection(history),
        ]


# ---- workload --------------------------------------------------------------------------------------


def _record(topic: str, partition: int, **fields: Any) -> Input:
    return Input(topic, partition, str(fields["wallet_id"]).encode(), orjson.dumps(fields))


def _open(wallet: str, partitions: int, prefix: str) -> Input:
    return _record(
        TRANSACTION_REQUESTS,
        partition_of(wallet, partitions),
        operation="open_wallet",
        idempotency_key=f"open-{prefix}",
        wallet_id=wallet,
        owner_ref="o",
        assets=list(_ASSETS),
    )


def _request(rng: random.Random, wallet: str, wallets: list[str], partitions: int, key: str) -> Input:
    home = partition_of(wallet, partitions)
    if rng.random() < 0.03:
        topic = rng.choice((TRANSACTION_REQUESTS, OPERATOR_COMMANDS, FRAUD_COMMANDS, SETTLEMENT_UPDATES))
        return Input(topic, rng.randrange(partitions), wallet.encode(), rng.choice(_UNREADABLE))
    if rng.random() < 0.05:
        return _record(
            OPERATOR_COMMANDS,
            home,
            operation="set_wallet_state",
            idempotency_key=key,
            wallet_id=wallet,
            state=rng.choice(("active", "active", "locked", "disabled")),
            requested_by="ann",
            approved_by=rng.choice(("bob", "bob", "ann")),
            reason_code="test",
        )
    fields: dict[str, Any] = {
        "operation": rng.choice(("credit", "credit", "debit", "transfer", "transfer", "transfer")),
        "idempotency_key": key,
        "wallet_id": wallet,
        "amount_minor": rng.choice((rng.randint(1, 100), rng.randint(1, 100), 0)) if rng.random() < 0.1 else 40,
        "asset": rng.choice((*_ASSETS, "EUR", "XXX")) if rng.random() < 0.2 else "EUR",
    }
    if fields["operation"] == "transfer":
        fields["to_wallet_id"] = rng.choice([*wallets, "nobody"])
    if rng.random() < 0.03:
        fields["references"] = {"order": "boom"}
    if rng.random() < 0.03:
        fields["idempotency_key"] = f"{key[0]}{rng.randrange(10)}"  # somebody else's key
    partition = rng.randrange(partitions) if rng.random() < 0.1 else home
    return _record(TRANSACTION_REQUESTS, partition, **fields)


# ---- what must hold --------------------------------------------------------------------------------


def _balances(fold: Fold) -> dict[tuple[str, str], int]:
    """(account, asset) -> minor units, by the entries of the events alone."""
    balances: Counter[tuple[str, str]] = Counter()
    for event in fold.events:
        for entry in event.entries:
            balances[entry.account, entry.asset] += entry.credit_minor - entry.debit_minor
    return dict(balances)


def _check_journals(history: History) -> Iterator[str]:
    total: Counter[str] = Counter()
    for fold in history.folds:
        running: Counter[tuple[str, str]] = Counter()
        for event in fold.events:
            sides: Counter[str] = Counter()
            for entry in event.entries:
                sides[entry.asset] += entry.credit_minor - entry.debit_minor
                running[entry.account, entry.asset] += entry.credit_minor - entry.debit_minor
            if any(sides.values()):
                yield f"partition {fold.partition}: event {event.sequence} does not balance"
            for balance in event.balances:
                if running[balance.account, balance.asset] != balance.balance_minor:
                    yield f"partition {fold.partition}: event {event.sequence} says a wrong balance: {balance}"
        for (account, asset), balance_minor in running.items():
            total[asset] += balance_minor
            if account == "system/transit":
                total["transit"] += balance_minor
            elif not account.startswith("system/") and balance_minor < 0:
                yield f"{account} is overdrawn: {balance_minor} {asset}"
    if any(total.values()):
        yield f"accounts do not sum to zero, or money is in transit: {dict(total)}"


def _outcomes(history: History) -> Iterator[Outcome]:
    for partition in range(history.partitions):
        for record in history.records[TRANSACTION_OUTCOMES, partition]:
            yield decode_outcome(record.value or b"")


def _check_answers(history: History) -> Iterator[str]:
    """Every record of a command topic has exactly one answer, and it says what the event says."""
    answers: Counter[tuple[str, int, int]] = Counter()
    said: dict[tuple[str, int, int], str] = {}
    for outcome in _outcomes(history):
        if outcome.kind == "answer":
            where = (outcome.source.topic, outcome.source.partition, outcome.source.offset)
            answers[where] += 1
            said[where] = outcome.code
    due = {
        (topic, partition, record.offset)
        for (topic, partition), records in history.records.items()
        if topic in INPUTS and topic != INTERNAL_COMMANDS
        for record in records
    }
    if {*answers} != due or any(count != 1 for count in answers.values()):
        odd = {where: count for where, count in answers.items() if count != 1}
        yield f"answers differ from records: {due - {*answers}} without, {odd or ({*answers} - due)} too many"
    for fold in history.folds:
        for event in fold.events:
            cause = event.cause
            assert cause is not None
            source = cause.origin or Source(cause.topic, fold.partition, cause.offset)
            where = (source.topic, source.partition, source.offset)
            if event.request is not msgspec.UNSET and said.get(where) != (event.code or "ok"):
                yield f"{where} was answered {said.get(where)}, its event says {event.code}"


def _check_effects(history: History) -> Iterator[str]:
    """Each idempotency key took effect once; balances follow from what requesters were told."""
    accepted: Counter[tuple[str, str | None, str | None]] = Counter()
    final: dict[str, str] = {}
    first: list[tuple[str, dict[str, Any]]] = []
    values = {
        (topic, partition, record.offset): record.value
        for (topic, partition), records in history.records.items()
        if topic in INPUTS
        for record in records
    }
    for outcome in _outcomes(history):
        if outcome.transaction_id is not None and outcome.state is not None and not outcome.replayed:
            known = final.get(outcome.transaction_id)
            final[outcome.transaction_id] = outcome.state if known in (None, "processed") else str(known)
        if outcome.kind == "answer" and outcome.status == "accepted" and not outcome.replayed:
            source = outcome.source
            accepted[source.topic, outcome.wallet_id, outcome.idempotency_key] += 1
            command = orjson.loads(values[source.topic, source.partition, source.offset] or b"")
            first.append((outcome.transaction_id or "", command))
    for scope, count in accepted.items():
        if count != 1:
            yield f"{scope} was accepted {count} times"
    expected: Counter[tuple[str, str]] = Counter()
    for transaction_id, command in first:
        _expect(expected, command, final.get(transaction_id))
    found: Counter[tuple[str, str]] = Counter()
    for fold in history.folds:
        found.update({k: v for k, v in _balances(fold).items() if not k[0].startswith("system/")})
    if any(found[key] != expected[key] for key in {*found, *expected}):
        yield f"balances are {dict(found)}, the answers make {dict(expected)}"


def _expect(expected: Counter[tuple[str, str]], command: dict[str, Any], state: str | None) -> None:
    if command["operation"] not in ("credit", "debit", "transfer"):
        return
    own = (f"{command['wallet_id']}/main/available", command["asset"])
    amount_minor = command["amount_minor"]
    if command["operation"] == "credit":
        expected[own] += amount_minor
    elif command["operation"] == "debit":
        expected[own] -= amount_minor
    elif state == "settled":
        expected[own] -= amount_minor
        expected[f"{command['to_wallet_id']}/main/available", command["asset"]] += amount_minor
    elif state != "failed":
        expected[f"transfer left {state}", command["asset"]] += 1


def _check_projection(history: History) -> Iterator[str]:
    """The newest value of each key in `wallet-balances` is the fold."""
    for fold in history.folds:
        newest: dict[tuple[str, str], int] = {}
        for record in history.records[WALLET_BALANCES, fold.partition]:
            for account in decode_balances(record.value or b"").accounts:
                newest[account.account, account.asset] = account.balance_minor
        expected = _balances(fold)
        if any(newest.get(key, 0) != expected.get(key, 0) for key in {*newest, *expected}):
            yield f"partition {fold.partition}: {WALLET_BALANCES} says {newest}, the events make {expected}"
