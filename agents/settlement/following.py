"""In the wallet's partition: transactions that wait for a rail are followed, from the ledger's events. Pure.

A transaction over a deferred rail is sent to its rail's partition once it is `processed`, and so is all that the ledger
says of it later. Both go the same way, so that they arrive in order.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from agents.settlement.merchants import no_longer_kept, observe_merchant, observe_opened, send_or_keep_back
from agents.settlement.state import Followed
from agents.settlement.turn import Turn
from schemas import events as ledger
from schemas import settlement_events as ev
from schemas.clock import unix_ms
from schemas.rail_batches import Direction
from schemas.rails import INSTANT
from schemas.settlement_internal import LedgerSaid, Payout

#: Operation -> where its money goes, of transactions that a rail settles.
_DIRECTIONS: Final[dict[str, Direction]] = {"credit": "in", "refund": "in", "debit": "out", "capture": "out"}

_What = Literal["submitted", "refused", "settled", "failed", "canceled", "reversed"]
_SAID: Final[dict[str, _What]] = {
    ledger.TRANSACTION_SUBMITTED: "submitted",
    ledger.TRANSACTION_SETTLED: "settled",
    ledger.TRANSACTION_FAILED: "failed",
    ledger.TRANSACTION_CANCELED: "canceled",
    ledger.TRANSACTION_REVERSED: "reversed",
}


class _References(msgspec.Struct, gc=False):
    merchant: str | None = None
    order: str | None = None


class _Request(msgspec.Struct, gc=False):
    """Of the command as the event keeps it."""

    instrument_ref: str | None = None
    rail: str | None = None
    transaction_id: str | None = None


class Seen(msgspec.Struct):
    """Of a ledger event."""

    type: str
    recorded_at: str
    wallet_id: str | None = None
    transaction_id: str | None = None
    operation: str | None = None
    leg: str | None = None
    amount_minor: int | None = None
    asset: str | None = None
    rail: str | None = None
    sub_wallet: str | None = None
    counterparty: ledger.Counterparty | None = None
    code: str | None = None
    message: str | None = None
    entries: tuple[ledger.Entry, ...] = ()
    balances: tuple[ledger.AccountBalance, ...] = ()
    wallet: ledger.WalletFacts | None = None
    rail_facts: ledger.RailFacts | None = None
    references: _References | None = None
    request: _Request | None = None


_decode: Final = msgspec.json.Decoder(Seen).decode


def take_ledger_event(turn: Turn, value: bytes) -> None:
    """Follow a transaction that begins to wait for its rail, and tell the rail's partition what becomes of it.

    Raises:
        msgspec.MsgspecError: it is no event of the ledger.
    """
    seen = _decode(value)
    if seen.wallet is not None:
        observe_opened(turn, seen.type, seen.wallet_id or "", seen.wallet)
    if seen.type in _SAID:
        # Before its money counts as the merchant's again: what has ended must not be let go by that.
        _tell(turn, seen, seen.transaction_id, _SAID[seen.type])
    if seen.entries:
        # What a capture gives back to the account that it takes from was on its way out.
        is_own = seen.operation == "capture" and seen.type == ledger.TRANSACTION_SETTLED
        own = f"{seen.wallet_id}/{seen.sub_wallet or 'main'}" if is_own else ""
        observe_merchant(turn, seen.type, seen.operation or "", own, seen.entries, seen.balances)
    if seen.type == ledger.REQUEST_REJECTED:
        if seen.operation == "submit" and seen.request is not None:
            _tell(turn, seen, seen.request.transaction_id, "refused")
    elif seen.type == ledger.TRANSACTION_PROCESSED:
        _begins_to_wait(turn, seen)
    elif seen.type == ledger.TRANSACTION_INITIATED:
        _is_scheduled(turn, seen)


def _begins_to_wait(turn: Turn, seen: Seen) -> None:
    direction = _DIRECTIONS.get(seen.operation or "")
    if direction is None or seen.rail in (None, INSTANT.name) or seen.counterparty is not None or seen.leg is not None:
        return
    assert seen.transaction_id is not None
    assert seen.wallet_id is not None
    assert seen.rail is not None
    assert seen.asset is not None
    assert seen.amount_minor is not None
    scheduled = turn.state.followed.get(seen.transaction_id)
    payout = Payout(
        transaction_id=seen.transaction_id,
        wallet_id=seen.wallet_id,
        operation=seen.operation or "",
        rail=seen.rail,
        asset=seen.asset,
        direction=direction,
        amount_minor=seen.amount_minor,
        beneficiary=_beneficiary(seen, scheduled),
        remittance=None if seen.references is None else seen.references.order,
        ledger_time_ms=unix_ms(seen.recorded_at),
    )
    event = turn.event(
        ev.PAYOUT_FOLLOWED, rail=payout.rail, transaction_id=payout.transaction_id, wallet_id=payout.wallet_id
    )
    event.payout = payout
    turn.write(event)
    send_or_keep_back(turn, payout, seen.sub_wallet or "main")


def _is_scheduled(turn: Turn, seen: Seen) -> None:
    """Its event says whom it is for; that of its execution, much later, does not."""
    request = seen.request
    if request is None or request.instrument_ref is None or request.rail in (None, INSTANT.name):
        return
    event = turn.event(
        ev.PAYOUT_FOLLOWED, rail=request.rail, transaction_id=seen.transaction_id, wallet_id=seen.wallet_id
    )
    event.message = request.instrument_ref
    turn.write(event)


def _beneficiary(seen: Seen, scheduled: Followed | None) -> str:
    """Whom the request names, as an earlier event says of a scheduled one; else the merchant, else the wallet."""
    instrument = None if seen.request is None else seen.request.instrument_ref
    merchant = None if seen.references is None else seen.references.merchant
    return instrument or (scheduled and scheduled.beneficiary) or merchant or seen.wallet_id or ""


def _tell(turn: Turn, seen: Seen, transaction_id: str | None, what: _What) -> None:
    """Tell the rail's partition of a transaction that it knows; what has ended is forgotten here."""
    followed = None if transaction_id is None else turn.state.followed.get(transaction_id)
    if followed is None:
        return
    assert transaction_id is not None
    if what not in ("submitted", "refused"):
        if followed.kept_in:
            no_longer_kept(turn, followed, what)
        ended = turn.event(
            ev.PAYOUT_ENDED, rail=followed.rail, transaction_id=transaction_id, wallet_id=followed.wallet_id
        )
        ended.reason = what
        turn.write(ended)
    if _is_there(followed):
        facts = seen.rail_facts
        batch_id = None if facts is None else facts.batch_id
        message = None if what != "refused" else f"{seen.code}: {seen.message}"
        said = LedgerSaid(
            transaction_id=transaction_id, rail=followed.rail, what=what, batch_id=batch_id, message=message
        )
        turn.tell_rail(followed.rail, said)


def _is_there(followed: Followed) -> bool:
    """Whether the rail's partition knows of it."""
    return not followed.kept_in and not followed.is_scheduled
