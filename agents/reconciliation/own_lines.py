"""Own lines: what an event of the ledger posts on rails, on money on its way, and in suspense. Pure.

A line's id is the event's place in the ledger, so that it is one line however often the event is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from schemas.events import (
    REQUEST_DEAD_LETTERED,
    REQUEST_REJECTED,
    TRANSACTION_PROCESSED,
    TRANSACTION_RETURNED,
    TRANSACTION_SUBMITTED,
    Cause,
    Entry,
    RailFacts,
)
from schemas.external_statements import is_day
from schemas.reconciliation_lines import BookLine, LineSide
from schemas.topics import OPERATOR_COMMANDS

_RAIL: Final = "system/rail:"
_PENDING: Final = "system/rail-pending:"
_SUSPENSE: Final = "system/suspense"
_KEY: Final = "reconciliation/"
#: Book, exception, number of the proposal.
_OF_POSTING: Final = re.compile(rf"{_KEY}([A-Za-z0-9_.:-]{{1,64}})/([0-9a-f]{{32}})/([0-9]{{1,9}})")


class _Event(msgspec.Struct):
    """What is read of an event of the ledger."""

    type: str
    recorded_at: str = ""
    sequence: int = -1
    wallet_id: str | None = None
    transaction_id: str | None = None
    parent_transaction_id: str | None = None
    operation: str | None = None
    command: str | None = None
    to_state: str | None = None
    entries: tuple[Entry, ...] = ()
    rail: str | None = None
    rail_facts: RailFacts | None = None
    code: str | None = None
    message: str | None = None
    cause: Cause | None = None


class Answered(NamedTuple):
    """The ledger's answer to a posting of ours: which, and what it says."""

    book: str
    exception_id: str
    number: int
    code: str
    message: str | None


class LedgerFacts(NamedTuple):
    """What reconciliation takes from an event of the ledger.

    Attributes:
        lines: rail -> lines.
        traced: transaction id, key and batch id, where later events of the transaction will not repeat them.
        answered: where it answers a posting of a resolution.
    """

    lines: dict[str, list[BookLine]]
    traced: tuple[str, str | None, str | None] | None
    answered: Answered | None


_decode: Final = msgspec.json.Decoder(_Event).decode


def idempotency_key_of(book: str, exception_id: str, number: int) -> str:
    """Key of the posting of a proposal: the same whenever it is ordered."""
    return f"{_KEY}{book}/{exception_id}/{number}"


def read_ledger_event(value: bytes, partition: int) -> LedgerFacts | None:
    """What an event says that concerns reconciliation; None where nothing does.

    Raises:
        msgspec.MsgspecError: it is no event of the ledger.
    """
    event = _decode(value)
    answered = _answered(event)
    lines = _lines(event, partition) if event.entries else {}
    traced = _traced(event)
    if answered is None and traced is None and not lines:
        return None
    return LedgerFacts(lines, traced, answered)


def _answered(event: _Event) -> Answered | None:
    cause = event.cause
    if cause is None or cause.idempotency_key is None or not cause.idempotency_key.startswith(_KEY):
        return None
    topic = cause.topic if cause.origin is None else cause.origin.topic
    if topic != OPERATOR_COMMANDS:
        return None
    is_refusal = event.type in (REQUEST_REJECTED, REQUEST_DEAD_LETTERED)
    if not is_refusal and not (event.operation == "adjust" and event.to_state == "settled"):
        return None
    # Operators may give a command of their own whatever key they like.
    named = _OF_POSTING.fullmatch(cause.idempotency_key)
    if named is None:
        return None
    return Answered(named[1], named[2], int(named[3]), event.code or "internal_error", event.message)


def _traced(event: _Event) -> tuple[str, str | None, str | None] | None:
    if event.transaction_id is None:
        return None
    if event.type == TRANSACTION_PROCESSED and event.rail is not None and event.cause is not None:
        return event.transaction_id, event.cause.idempotency_key, None
    if event.type == TRANSACTION_SUBMITTED and event.rail_facts is not None:
        return event.transaction_id, None, event.rail_facts.batch_id
    return None


class Move(NamedTuple):
    """What a journal moves on one account that reconciliation follows, in minor units, above zero where debited."""

    #: Id of the line that it is; pending ones are put together by their transaction instead.
    line_id: str
    account: str
    asset: str
    amount_minor: int


def moves_of(entries: Iterable[Entry], partition: int, sequence: int) -> list[Move]:
    """What a journal moves on rails, on money on its way and in suspense, by account and asset."""
    sums: dict[tuple[str, str], int] = {}
    for entry in entries:
        if entry.account.startswith((_RAIL, _PENDING)) or entry.account == _SUSPENSE:
            name = (entry.account, entry.asset)
            sums[name] = sums.get(name, 0) + entry.debit_minor - entry.credit_minor
    return [
        Move(f"{partition}-{sequence}-{number}", account, asset, minor)
        for number, ((account, asset), minor) in enumerate(sorted(sums.items()))
    ]


def _lines(event: _Event, partition: int) -> dict[str, list[BookLine]]:
    moves = moves_of(event.entries, partition, event.sequence)
    rails = sorted({move.account.partition(":")[2] for move in moves if ":" in move.account})
    found: dict[str, list[BookLine]] = {}
    for line_id, account, asset, minor in moves:
        # Suspense belongs to the rail that it came over; without one, to an exception that it ends, or to nobody.
        rail = account.partition(":")[2] or (rails[0] if rails else "")
        if minor:
            found.setdefault(rail, []).append(_line(event, account, asset, minor, line_id))
    return found


def _line(event: _Event, account: str, asset: str, minor: int, line_id: str) -> BookLine:
    side: LineSide = "ledger"
    reason = None
    if account == _SUSPENSE:
        # What is owed to somebody, we do not know whom.
        side, minor, reason = "suspense", -minor, _reason(event)
    elif account.startswith(_PENDING):
        side, line_id = "pending", f"{event.transaction_id or line_id}-{asset}"
    facts = event.rail_facts or RailFacts()
    # The ledger keeps a value date as it was told: of one that is no day the book could never be matched again.
    is_valued = side == "ledger" and facts.value_date is not None and is_day(facts.value_date)
    day = facts.value_date if is_valued and facts.value_date else event.recorded_at[:10]
    return BookLine(
        line_id=line_id,
        side=side,
        amount_minor=minor,
        asset=asset,
        date=day,
        fee_minor=(facts.rail_fee_minor or 0) if side == "ledger" else 0,
        references=_references(event, facts),
        account=account,
        wallet_id=event.wallet_id,
        transaction_id=event.transaction_id,
        operation=event.command or event.operation,
        idempotency_key=None if event.cause is None else event.cause.idempotency_key,
        reversal=event.type == TRANSACTION_RETURNED,
        reason=reason,
        message=event.message if side == "suspense" else None,
    )


def _references(event: _Event, facts: RailFacts) -> dict[str, str]:
    given = {
        "provider_reference": facts.rail_reference,
        "transaction_id": event.transaction_id,
        "batch_id": facts.batch_id,
    }
    return {name: value for name, value in given.items() if value}


def _reason(event: _Event) -> str:
    """Why something is in suspense."""
    if event.type == TRANSACTION_RETURNED:
        return "unlinked_reversal"
    return "duplicate" if event.to_state == "settled" else "reference"
