"""Quarantine: after an internal error a wallet takes nothing new; what is owed to it waits, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from agents.ledger.keys import parked_key
from agents.ledger.legs import take_leg
from agents.ledger.operations.release_quarantine import next_portion
from agents.ledger.turn import Turn
from schemas.codes import Code
from schemas.events import (
    REQUEST_PARKED,
    REQUEST_REPLAYED,
    WALLET_QUARANTINED,
    WALLET_RELEASED,
    WALLET_RELEASING,
    Cause,
    LedgerEvent,
    ParkedRecord,
)
from schemas.internal import LegAnswer, ReleasePortion, TransferLeg, decode_internal, encode_internal
from schemas.topics import INTERNAL_COMMANDS, SETTLEMENT_UPDATES
from streams.machine import InputRecord

#: Decides a parked update, as the event with this cause lets it.
TakeUpdate = Callable[[Turn, ParkedRecord, Cause], None]

#: Types of the events behind which parked records are executed.
RELEASES: Final = frozenset({WALLET_RELEASING, WALLET_RELEASED})


def park(turn: Turn, wallet_id: str, record: InputRecord, cause: Cause, *, quarantine: bool = False) -> None:
    """Keep an internal command until the wallet is released; it is never refused and never dead-lettered.

    With `quarantine` the same event puts the wallet under quarantine.
    """
    assert record.value is not None
    event = LedgerEvent(
        type=WALLET_QUARANTINED if quarantine else REQUEST_PARKED,
        wallet_id=wallet_id,
        code=Code.INTERNAL_ERROR.value if quarantine else None,
        parked=ParkedRecord(turn.here(cause.offset), record.value.decode()),
        cause=cause,
        recorded_at=turn.context.recorded_at,
    )
    turn.write(event, wallet_id.encode())


def parked_records(turn: Turn, release: LedgerEvent) -> Sequence[ParkedRecord]:
    """What an event of `RELEASES` has executed, in order of arrival; to be read before the event is written."""
    assert release.wallet_id is not None
    wallet = turn.state.wallets.get(release.wallet_id)
    assert wallet is not None
    left = 0
    if release.wallet is not None:
        assert release.wallet.parked is not None
        left = release.wallet.parked
    numbers = range(wallet.first_parked, wallet.first_parked + wallet.parked - left)
    found = [turn.state.parked.get(parked_key(release.wallet_id, number)) for number in numbers]
    records = [record for record in found if record is not None]
    # What is owed must not be passed over.
    assert len(records) == len(numbers)
    return records


def park_update(turn: Turn, wallet_id: str, parked: ParkedRecord, cause: Cause) -> None:
    """Keep what a rail says until the wallet is released: it is answered then."""
    event = LedgerEvent(
        type=REQUEST_PARKED,
        wallet_id=wallet_id,
        parked=parked,
        cause=cause,
        recorded_at=turn.context.recorded_at,
    )
    turn.write(event, wallet_id.encode())


def execute_parked(turn: Turn, release: LedgerEvent, records: Sequence[ParkedRecord], take_update: TakeUpdate) -> None:
    """After an event of `RELEASES`: execute its records as if they arrived now, and ask for the next portion."""
    cause, wallet_id = release.cause, release.wallet_id
    assert cause is not None
    assert wallet_id is not None
    for record in records:
        if record.source.topic == SETTLEMENT_UPDATES:
            take_update(turn, record, cause)
            continue
        command = decode_internal(record.value.encode())
        assert isinstance(command, TransferLeg | LegAnswer)
        take_leg(turn, command, Cause(cause.topic, cause.partition, cause.offset, origin=record.source))
    if release.type == WALLET_RELEASING:
        told = encode_internal(ReleasePortion(wallet_id=wallet_id))
        turn.send(INTERNAL_COMMANDS, turn.context.partition, wallet_id.encode(), told)


def continue_release(turn: Turn, wallet_id: str, cause: Cause, take_update: TakeUpdate) -> None:
    """The next portion of a release under way. If it is not any more, nothing is executed: operators order another."""
    wallet = turn.state.wallets.get(wallet_id)
    type_, facts = (REQUEST_REPLAYED, None) if wallet is None or not wallet.releasing else next_portion(wallet)
    event = LedgerEvent(
        type=type_,
        wallet_id=wallet_id,
        operation="release_quarantine",
        code=Code.OK.value,
        wallet=facts,
        cause=cause,
        recorded_at=turn.context.recorded_at,
    )
    parked = parked_records(turn, event) if type_ in RELEASES else ()
    turn.write(event, wallet_id.encode())
    execute_parked(turn, event, parked, take_update)
