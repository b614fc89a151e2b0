"""What the topics of a ledger that has come to rest must say: proved from what is written there alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

from schemas.clock import rfc3339
from schemas.events import Source
from schemas.outcomes import Outcome, decode_balances, decode_outcome
from schemas.topics import INPUTS, INTERNAL_COMMANDS, TRANSACTION_OUTCOMES, WALLET_BALANCES
from tests.books.books import Books
from tests.books.events import decode_event
from tests.simulation.domain import History

#: Events that change nothing of a transaction, though they name its state.
_NOTES: Final = ("transaction.confirmed", "transaction.contradicted")


def outcomes(history: History) -> Iterator[Outcome]:
    """Every outcome, each partition's in order."""
    for partition in range(history.partitions):
        for record in history.records[TRANSACTION_OUTCOMES, partition]:
            yield decode_outcome(record.value or b"")


def check_books(history: History, due_by_ms: int) -> Iterator[str]:
    """The books kept a second time, and `wallet-balances`: all agree. Nothing waits that was due by `due_by_ms`."""
    books = Books()
    for fold in history.folds:
        for value in fold.written:
            books.take(fold.partition, decode_event(value))
    yield from books.close(rfc3339(due_by_ms))
    for fold in history.folds:
        newest: dict[tuple[str, str], int] = {}
        for record in history.records[WALLET_BALANCES, fold.partition]:
            for account in decode_balances(record.value or b"").accounts:
                newest[account.account, account.asset] = account.balance_minor
        expected = books.posted_in(fold.partition)
        if any(newest.get(key, 0) != expected.get(key, 0) for key in {*newest, *expected}):
            yield f"partition {fold.partition}: {WALLET_BALANCES} says {newest}, the events make {expected}"


def check_answers(history: History) -> Iterator[str]:
    """Every record of a command topic has exactly one answer, and it says what the event says."""
    answers: Counter[tuple[str, int, int]] = Counter()
    said: dict[tuple[str, int, int], str] = {}
    for outcome in outcomes(history):
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


def check_told(history: History) -> Iterator[str]:
    """Each idempotency key took effect once, and each later change of a transaction was told once, as it is."""
    accepted: Counter[tuple[str, str | None, str | None]] = Counter()
    told: Counter[tuple[str | None, str | None, str]] = Counter()
    for outcome in outcomes(history):
        if outcome.kind == "update":
            told[outcome.transaction_id, outcome.state, outcome.code] += 1
        elif outcome.status == "accepted" and not outcome.replayed:
            accepted[outcome.source.topic, outcome.wallet_id, outcome.idempotency_key] += 1
    for scope, count in accepted.items():
        if count != 1:
            yield f"{scope} was accepted {count} times"
    moved: Counter[tuple[str | None, str | None, str]] = Counter(
        (event.transaction_id, event.to_state, event.code or "ok")
        for fold in history.folds
        for event in fold.events
        if event.from_state is not None and event.leg is None and event.type not in _NOTES
    )
    for change in sorted({*told, *moved}, key=str):
        if told[change] != moved[change]:
            yield f"{change} happened {moved[change]} times and was told {told[change]} times"
