"""The ledger as a machine of the runtime: from a record to events and answers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from agents.ledger.accounts import holder_of_key
from agents.ledger.apply import apply
from agents.ledger.apply_originals import Forgotten
from agents.ledger.asked import read_asked
from agents.ledger.decode import Malformed, decode_told, read_what_can_be
from agents.ledger.due import fail_tick, first_due_ms, take_tick
from agents.ledger.legs import refuse_leg, take_leg
from agents.ledger.look_ahead import look_ahead
from agents.ledger.quarantine import continue_release, park
from agents.ledger.requests import take_request, take_update
from agents.ledger.state import (
    ACCOUNTS,
    BALANCES,
    DAY_MS,
    DUE,
    DUE_OF_WALLET,
    LOT_ASSETS,
    LOTS,
    PARKED,
    SCHEDULED,
    SPENT,
    UNDER_WAY,
    UNFINISHED,
    WALLETS,
    LedgerState,
    first_events_table,
    transactions_table,
)
from agents.ledger.turn import Turn
from agents.ledger.unread import refuse_failed, refuse_malformed, refuse_unfit
from schemas.codes import Code
from schemas.events import EVENT_TYPES, AccountBalance, Cause, decode_event
from schemas.internal import ForwardedRecord, InternalCommand, LegAnswer, ReleasePortion, Tick, TransferLeg
from schemas.internal import encode_internal as encode_command
from schemas.outcomes import WalletBalances, encode_balances
from schemas.reference import Reference
from schemas.topics import INTERNAL_COMMANDS, WALLET_BALANCES
from streams.bucketed_view import BucketedView
from streams.errors import Refused, require_known
from streams.machine import Context, Headers, InputRecord, Message, Output
from streams.overlay import Overlay
from streams.tables import Table

_KNOWN_TYPES: Final = frozenset(EVENT_TYPES)


class _Arrived(NamedTuple):
    """A forwarded record as it was where it first arrived."""

    key: bytes | None
    value: bytes | None
    headers: Headers


class LedgerMachine:
    """Decides the ledger's inputs.

    Args:
        reference: the assets, rails and rates that there are.
        retained_ms: how long idempotency keys are remembered.
        transactions_retained_ms: how long transactions are, once they are finished; no shorter than their keys.
    """

    def __init__(
        self,
        reference: Reference | None = None,
        retained_ms: int = 40 * DAY_MS,
        transactions_retained_ms: int = 540 * DAY_MS,
    ):
        self._reference = Reference() if reference is None else reference
        self._first_events = first_events_table(retained_ms)
        self._transactions = transactions_table(transactions_retained_ms)
        plain = (
            WALLETS,
            BALANCES,
            ACCOUNTS,
            PARKED,
            UNDER_WAY,
            SPENT,
            SCHEDULED,
            LOTS,
            LOT_ASSETS,
            DUE,
            DUE_OF_WALLET,
            UNFINISHED,
        )
        self.tables: tuple[Table[Any], ...] = (*plain, self._transactions, self._first_events)

    # ---- reference data ----------------------------------------------------------------------------

    def refer(self, topic: str, key: str, value: bytes | None) -> None:
        """Take one record of reference data into what is decided by from now on.

        Raises:
            ValueError: the record is bad; the message says why.
        """
        self._reference = self._reference.with_record(topic, key, value)

    # ---- decide ----------------------------------------------------------------------------------

    def look_ahead(self, state: Overlay, records: Sequence[InputRecord], context: Context) -> None:
        """Read at once what deciding each of these records would look up by itself."""
        look_ahead(self._turn_of(state), records, context)

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        """Decide one record: exactly one event answers it, more where parked records are released."""
        turn = self._turn(state, context, out)
        if context.topic == INTERNAL_COMMANDS:
            self._internal(turn, record)
            return
        asked = turn.ahead(record.offset) or read_asked(record, context.topic, context.recorded_at_ms)
        if isinstance(asked, Malformed):
            refuse_malformed(turn, record, asked)
        else:
            take_request(turn, record, asked, record.key, None)

    def _internal(self, turn: Turn, record: InputRecord) -> None:
        command = turn.ahead(record.offset) or decode_told(record.value)
        if isinstance(command, Malformed):
            refuse_malformed(turn, record, command)
            return
        here = turn.here(record.offset)
        cause = Cause(here.topic, here.partition, here.offset)
        if isinstance(command, Tick):
            take_tick(turn, cause, record.key)
        elif isinstance(command, ForwardedRecord):
            self._forwarded(turn, record, command)
        elif isinstance(command, ReleasePortion):
            continue_release(turn, command.wallet_id, cause, take_update)
        else:
            wallet = turn.state.wallets.get(command.wallet_id)
            if wallet is not None and wallet.quarantined:
                park(turn, command.wallet_id, record, cause)
            else:
                take_leg(turn, command, cause)

    def _forwarded(self, turn: Turn, record: InputRecord, forwarded: ForwardedRecord) -> None:
        """A request that arrived in another partition: decided here, answered with its first source."""
        arrived = _Arrived(forwarded.key.encode(), forwarded.value.encode(), forwarded.headers)
        asked = read_asked(arrived, forwarded.source.topic, turn.context.recorded_at_ms)
        if isinstance(asked, Malformed):
            refuse_malformed(turn, record, asked, forwarded.source)
        else:
            take_request(turn, record, asked, arrived.key, forwarded.source)

    # ---- what decide cannot ------------------------------------------------------------------------

    def failed(self, state: Overlay, record: InputRecord, context: Context, error: Exception, out: Output) -> None:
        """`step` raised: quarantine the wallet. A leg or an answer to one is kept, for money is under way."""
        turn = self._turn(state, context, out)
        if context.topic != INTERNAL_COMMANDS:
            refuse_failed(turn, record, _what_failed(record.value, error))
            return
        command = decode_told(record.value)
        if isinstance(command, Tick):
            # It has ended nothing after all.
            turn.due_from_then = ""
            here = turn.here(record.offset)
            if not fail_tick(turn, Cause(here.topic, here.partition, here.offset), record.key):
                refuse_failed(turn, record, _what_failed(record.value, error))
        elif isinstance(command, ForwardedRecord):
            refuse_failed(turn, record, _what_failed(command.value.encode(), error), command.source)
        elif not _keep_leg(turn, record, command):
            refuse_failed(turn, record, _what_failed(record.value, error))

    def oversized(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        """What the record leads to does not fit through the broker. A leg or an answer to one is kept here too."""
        turn = self._turn(state, context, out)
        turn.due_from_then = ""
        value, origin = record.value, None
        if context.topic == INTERNAL_COMMANDS:
            command = decode_told(value)
            if isinstance(command, ForwardedRecord):
                value, origin = command.value.encode(), command.source
            elif _keep_leg(turn, record, command):
                return
        refuse_unfit(turn, record, value, origin)

    # ---- fold ------------------------------------------------------------------------------------

    def fold(self, state: Overlay, value: bytes) -> None:
        """Apply one event of the log.

        Raises:
            Refused: it is of a type that a newer version writes, or acts on a transaction that a shorter retention has
                forgotten.
        """
        event = decode_event(value)
        require_known(event.type, _KNOWN_TYPES)
        try:
            apply(self._turn_of(state).state, event, value)
        except Forgotten as error:
            raise Refused(str(error)) from error

    def complete(self, state: Overlay, context: Context, out: Output) -> None:
        """Each record has its events already."""

    def finish(self, state: Overlay, context: Context, last_sequence: int, out: Output) -> None:
        """`wallet-balances`: all accounts of every holder that the batch has touched."""
        turn = self._turn_of(state)
        ledger, turn.due_from = turn.state, turn.due_from_then or turn.due_from
        turn.due_from_then = ""
        balances, accounts = ledger.balances, ledger.accounts
        holders = dict.fromkeys([holder_of_key(key) for key in balances.changed_keys])
        for holder in holders:
            named = []
            for key in accounts.get(holder) or ():
                account, _, asset = key.rpartition(" ")
                named.append(AccountBalance(account, asset, balances.get(key) or 0))
            value = WalletBalances(
                wallet_id=holder,
                partition=context.partition,
                sequence=last_sequence,
                accounts=tuple(named),
                recorded_at=context.recorded_at,
            )
            out.send(WALLET_BALANCES, context.partition, holder.encode(), encode_balances(value))

    # ---- time ------------------------------------------------------------------------------------

    def due_at_ms(self, state: Overlay) -> int | None:
        """When the first transaction is due, or the oldest bucket of a table has outlived its retention."""
        turn = self._turn_of(state)
        first_ms = first_due_ms(turn)
        due = [] if first_ms is None else [first_ms]
        due += [
            (view.buckets[-1] + 1) * view.table.bucket_ms + view.table.retained_ms
            for view in state.views
            if isinstance(view, BucketedView) and view.buckets
        ]
        return min(due, default=None)

    def tick(self, due_at_ms: int, partition: int) -> Message:
        """The record that lets partition time reach `due_at_ms`."""
        return Message(INTERNAL_COMMANDS, partition, b"", encode_command(Tick(due_at_ms=due_at_ms)))

    def _turn_of(self, state: Overlay) -> Turn:
        turn: Turn | None = state.typed
        if turn is None:
            turn = state.typed = Turn(LedgerState(state, self._transactions, self._first_events))
        return turn

    def _turn(self, state: Overlay, context: Context, out: Output) -> Turn:
        turn: Turn = state.typed or self._turn_of(state)
        turn.reference = self._reference
        turn.context = context
        turn.out = out
        return turn


def _keep_leg(turn: Turn, record: InputRecord, command: InternalCommand | Malformed) -> bool:
    """Money is under way with a leg or its answer: park it and quarantine its wallet; False where neither is done.

    A wallet that is not here cannot take it, so that the payer's partition is told to give it back.
    """
    if not isinstance(command, TransferLeg | LegAnswer):
        return False
    here = turn.here(record.offset)
    cause = Cause(here.topic, here.partition, here.offset)
    if turn.state.wallets.get(command.wallet_id) is not None:
        park(turn, command.wallet_id, record, cause, quarantine=True)
        return True
    if isinstance(command, TransferLeg):
        refuse_leg(turn, command, cause, Code.INTERNAL_ERROR)
        return True
    return False


def _what_failed(value: bytes | None, error: Exception) -> Malformed:
    """What can be read of a record that made `step` raise. The message names the error's class, never its data."""
    return read_what_can_be(value, f"the ledger failed on this record ({type(error).__name__})")
