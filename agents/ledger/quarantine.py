"""Quarantine: after an internal error a wallet takes nothing new; what is owed to it waits, in order."""

from __future__ import annotations

from collections.abc import Sequence

from agents.ledger.draft import Draft
from agents.ledger.legs import take_leg
from agents.ledger.operations.set_wallet_state import refuse_four_eyes
from agents.ledger.state import Wallet, parked_key
from agents.ledger.turn import Turn
from schemas.codes import Code
from schemas.commands import ReleaseQuarantine
from schemas.events import REQUEST_PARKED, WALLET_QUARANTINED, WALLET_RELEASED, Cause, LedgerEvent, ParkedRecord
from schemas.internal import LegAnswer, TransferLeg, decode_internal


def park(turn: Turn, wallet_id: str, value: bytes, cause: Cause, *, quarantine: bool = False) -> None:
    """Keep an internal command until the wallet is released; it is never refused and never dead-lettered.

    With `quarantine` the same event puts the wallet under quarantine.
    """
    event = LedgerEvent(
        type=WALLET_QUARANTINED if quarantine else REQUEST_PARKED,
        wallet_id=wallet_id,
        code=Code.INTERNAL_ERROR.value if quarantine else None,
        parked=ParkedRecord(turn.here(cause.offset), value.decode()),
        cause=cause,
        recorded_at=turn.context.recorded_at,
    )
    turn.write(event, wallet_id.encode())


def decide_release(wallet: Wallet, command: ReleaseQuarantine, draft: Draft) -> LedgerEvent:
    """Release the wallet, if it is under quarantine and two people agree."""
    if not wallet.quarantined:
        return draft.reject(Code.ILLEGAL_TRANSITION, "the wallet is not under quarantine", "wallet_id")
    return refuse_four_eyes(command, draft) or draft.event(WALLET_RELEASED)


def parked_records(turn: Turn, wallet_id: str, wallet: Wallet) -> Sequence[ParkedRecord]:
    """What waits for the wallet's release, in order of arrival."""
    found = [turn.state.parked.get(parked_key(wallet_id, number)) for number in range(wallet.parked)]
    return [record for record in found if record is not None]


def apply_parked(turn: Turn, records: Sequence[ParkedRecord], released: Cause) -> None:
    """After `wallet.released`: execute what was parked, in order, as if it arrived now."""
    for record in records:
        command = decode_internal(record.value.encode())
        assert isinstance(command, TransferLeg | LegAnswer)
        take_leg(turn, command, Cause(released.topic, released.partition, released.offset, origin=record.source))
