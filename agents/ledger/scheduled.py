"""Transactions that wait for their time, or a verdict: accepted now, decided then, until then to be canceled."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from agents.ledger.draft import Draft, Named, Screening
from agents.ledger.guards import refuse_account, refuse_rail
from agents.ledger.operations import OPERATIONS
from agents.ledger.screening import why_not_screened
from agents.ledger.state import Wallet
from agents.ledger.turn import Turn
from schemas.clock import rfc3339, unix_ms
from schemas.codes import Code
from schemas.commands import MAX_HOLD_S
from schemas.events import (
    REQUEST_REJECTED,
    TRANSACTION_FAILED,
    TRANSACTION_INITIATED,
    Cause,
    LedgerEvent,
)
from schemas.lifecycle import SCHEDULED, State, Verb
from schemas.reading import READERS
from schemas.reference import Reference
from schemas.topics import TRANSACTION_REQUESTS

#: That a wallet does not hold an asset is said after that nobody knows another one.
_COMES_LATER: Final = (Code.ASSET_NOT_ENABLED.value, Code.ASSET_UNKNOWN.value)


def is_scheduled(execute_at: str | None, now_ms: int) -> bool:
    """True where a command is not to be executed yet."""
    return execute_at is not None and unix_ms(execute_at) > now_ms


def decide_schedule(wallet: Wallet, command: Any, draft: Draft, reference: Reference) -> LedgerEvent:
    """Accept a command for later. Funds, limits, fees and rates are those of its time; what nobody knows is none."""
    refused = refuse_account(draft, wallet, command.asset, reference)
    unknown = _refuse_unknown(command, draft, reference)
    if refused is None or (unknown is not None and (refused.code, unknown.code) == _COMES_LATER):
        refused = unknown
    if refused is not None:
        return refused
    if command.operation == "debit" and (rail := reference.rails.get(command.rail)) is not None:
        draft.screening = Screening.BARRED
        if (refused := why_not_screened(draft, rail)) is not None:
            return refused
    due_at_ms = unix_ms(command.execute_at)
    if due_at_ms > draft.context.recorded_at_ms + MAX_HOLD_S * 1000:
        message = f"execute_at is at most {MAX_HOLD_S // 86_400} days ahead"
        return draft.reject(Code.LIMIT_EXCEEDED, message, "execute_at")
    return draft.event(TRANSACTION_INITIATED, path=SCHEDULED, due_at=rfc3339(due_at_ms))


def _refuse_unknown(command: Any, draft: Draft, reference: Reference) -> LedgerEvent | None:
    """A rejection where it would go over a rail, or become an asset, that is not known: by its time it is forgotten."""
    if command.operation in ("credit", "debit"):
        return refuse_rail(draft, command.rail, reference)
    if command.operation in ("transfer", "convert"):
        to_asset = command.to_asset
        if to_asset is not None and reference.assets.get(to_asset) is None:
            return draft.reject(Code.ASSET_UNKNOWN, f"no asset {to_asset!r} is known", "to_asset")
    return None


def execute(turn: Turn, named: Named, cause: Cause) -> None:
    """Do what was scheduled, as if it were asked for now; where that is refused, it has failed."""
    draft = _draft(turn, named, cause)
    draft.screening = Screening.BARRED
    _execute(turn, named, draft, _decide(turn, draft))


def execute_screened(turn: Turn, named: Named, cause: Cause, *, is_allowed: bool, message: str) -> None:
    """Do what has waited for its verdict, as if it were asked for now; it fails where it is denied, or refused now."""
    draft = _draft(turn, named, cause)
    draft.screening = Screening.PASSED
    event = _decide(turn, draft) if is_allowed else draft.reject(Code.SCREENING_DENIED, message)
    _execute(turn, named, draft, event)


def _draft(turn: Turn, named: Named, cause: Cause) -> Draft:
    """The command that a transaction waits with, once more."""
    asked = turn.state.scheduled.get(named.transaction_id)
    assert asked is not None
    command = READERS[TRANSACTION_REQUESTS](asked)
    return Draft(command, turn.context, cause, named.transaction_id, asked)


def _decide(turn: Turn, draft: Draft) -> LedgerEvent:
    command = draft.command
    wallet = turn.state.wallets.get(command.wallet_id)
    return OPERATIONS[command.operation](turn.state, wallet, command, draft, turn.reference)


def _execute(turn: Turn, named: Named, draft: Draft, event: LedgerEvent) -> None:
    if event.type == REQUEST_REJECTED:
        event = _failed(event, named)
    event.from_state, event.command, event.request = State.INITIATED.value, Verb.EXECUTE.value, msgspec.UNSET
    turn.write(event, draft.command.wallet_id.encode())
    turn.tell_requester(event, named.transaction)
    turn.out.send_all(draft.messages)
    # Nothing that can wait is followed by anything.
    assert not draft.then


def _failed(rejection: LedgerEvent, named: Named) -> LedgerEvent:
    """A rejection, as the end of a transaction that there is already."""
    rejection.type, rejection.to_state = TRANSACTION_FAILED, State.FAILED.value
    rejection.path = (State.INITIATED.value, State.FAILED.value)
    rejection.transaction_id = named.transaction_id
    rejection.amount_minor, rejection.asset = named.transaction.amount_minor, named.transaction.asset
    return rejection
