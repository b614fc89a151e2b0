"""Reads at once what many records will look up, each by itself, when they are decided.

A row that RocksDB is asked for between two decisions takes three times as long as one among others, for what it takes
to find it has left the processor's caches by then. Nothing depends on what is read here: what is not, is looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agents.ledger.accounts import available
from agents.ledger.asked import read_asked
from agents.ledger.decode import Malformed, decode_told
from agents.ledger.keys import CREDIT_LEG, leg_key
from agents.ledger.turn import Turn
from schemas.internal import LegAnswer, TransferLeg
from schemas.topics import INTERNAL_COMMANDS
from streams.machine import Context, InputRecord

#: Operations that count what may come back to the account that they take from.
_COUNTED: Final = frozenset({"authorize", "transfer"})


def look_ahead(turn: Turn, records: Sequence[InputRecord], context: Context) -> None:
    """Decode records of one topic, which come next, and read the rows that they name."""
    turn.decoded = {}
    turn.decoded_topic = context.topic
    if context.topic == INTERNAL_COMMANDS:
        _look_at_told(turn, records, context.recorded_at_ms)
    else:
        _look_at_commands(turn, records, context)


def _look_at_commands(turn: Turn, records: Sequence[InputRecord], context: Context) -> None:
    state, decoded, topic = turn.state, turn.decoded, context.topic
    scopes, wallet_ids, named, opening = [], [], [], []
    at_ms = context.recorded_at_ms
    for record in records:
        # As partition time will be.
        at_ms = max(at_ms, record.timestamp)
        asked = decoded[record.offset] = read_asked(record, topic, at_ms)
        if isinstance(asked, Malformed):
            continue
        command = asked.command
        wallet_ids.append(command.wallet_id)
        scopes.append(asked.scope)
        if command.transaction_id is not None:
            named.append(command.transaction_id)
        if command.operation in _COUNTED:
            opening.append(f"{available(command.wallet_id, command.sub_wallet)} {command.asset}")
    state.under_way.read_ahead(opening)
    state.first_events.read_ahead(scopes, context.recorded_at_ms)
    state.read_wallets_ahead(wallet_ids)
    state.read_transactions_ahead(named, context.recorded_at_ms)


def _look_at_told(turn: Turn, records: Sequence[InputRecord], now_ms: int) -> None:
    decoded = turn.decoded
    wallet_ids, named = [], []
    for record in records:
        command = decoded[record.offset] = decode_told(record.value)
        if isinstance(command, TransferLeg):
            wallet_ids.append(command.wallet_id)
            named.append(leg_key(command.transaction_id, CREDIT_LEG))
            if command.parent_transaction_id is not None:
                named.append(command.parent_transaction_id)
        elif isinstance(command, LegAnswer):
            wallet_ids.append(command.wallet_id)
            named.append(command.transaction_id)
    turn.state.read_wallets_ahead(wallet_ids)
    turn.state.read_transactions_ahead(named, now_ms)
