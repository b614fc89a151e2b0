"""`batch`: operations of one wallet, all of them or none. They are tried first; only if all succeed are they done."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import msgspec

from agents.ledger.apply import apply
from agents.ledger.draft import Draft
from agents.ledger.exchanging import refuse_least
from agents.ledger.guards import is_deferred, refuse_state
from agents.ledger.keys import scope, transaction_id_of
from agents.ledger.operations import OPERATIONS
from agents.ledger.state import Wallet
from agents.ledger.turn import Turn
from schemas.codes import Code
from schemas.events import REQUEST_REJECTED, TRANSACTION_FAILED, TRANSACTION_SETTLED, Cause, LedgerEvent
from schemas.lifecycle import SETTLED_AT_ONCE
from schemas.money import is_amount
from schemas.reading import READERS, ReadCommand
from schemas.reference import Reference
from schemas.topics import TRANSACTION_REQUESTS

#: What a batch says for its items, which have no such fields: fraud rules look at each of them.
_OF_ALL: Final = ("occurred_at", "device", "references")
#: Items that may say what is to be got for their amount at least.
_EXCHANGED: Final = frozenset({"transfer", "convert"})
#: Codes that come before it.
_BEFORE_ILLEGAL: Final = frozenset(code.value for code in list(Code)[: list(Code).index(Code.ILLEGAL_IN_BATCH)])


def refuse_amounts(command: Any, draft: Draft) -> LedgerEvent | None:
    """A rejection where an item's amount is out of range; asked before anything is looked at."""
    for number, item in enumerate(command.items):
        if not is_amount(item.amount_minor):
            message, field = "an amount is between 1 and 2^63 - 1", f"items.{number}.amount_minor"
            return draft.reject(Code.AMOUNT_OUT_OF_RANGE, message, field)
        refused = refuse_least(item, draft) if item.__struct_config__.tag in _EXCHANGED else None
        if refused is not None:
            refused.field = f"items.{number}.{refused.field}"
            return refused
    return None


def decide_batch(turn: Turn, wallet: Wallet, command: Any, draft: Draft) -> LedgerEvent:
    """The event of the batch, or the rejection of its first item that cannot be done; `field` says which."""
    refused = refuse_state(draft, wallet)
    if refused is not None:
        return refused
    items = list(_items(command))
    with turn.state.overlay.attempt():
        for number, item in enumerate(items):
            event = _try(turn, draft, item, number)
            if event.type in (REQUEST_REJECTED, TRANSACTION_FAILED):
                field = f"items.{number}" if event.field is None else f"items.{number}.{event.field}"
                rejection = draft.reject(Code(event.code or "ok"), event.message or "", field)
                rejection.limit = event.limit
                return rejection
            apply(turn.state, event, b"")
    draft.then = (partial(_do_all, draft=draft, items=items),)
    return draft.event(TRANSACTION_SETTLED, path=SETTLED_AT_ONCE)


def _try(turn: Turn, batch: Draft, item: ReadCommand, number: int) -> LedgerEvent:
    """An item's event, or of its rejections the first by precedence."""
    event = _decide(turn, batch, item, number)
    elsewhere = _refuse_elsewhere(item, batch, turn.reference)
    if elsewhere is None or (event.type == REQUEST_REJECTED and event.code in _BEFORE_ILLEGAL):
        return event
    return elsewhere


def _items(command: Any) -> Iterator[ReadCommand]:
    """The items as commands of the batch's wallet, said when and from where the batch was."""
    read = READERS[TRANSACTION_REQUESTS]
    common = {"wallet_id": command.wallet_id, "idempotency_key": command.idempotency_key}
    for name in _OF_ALL:
        value = getattr(command, name)
        if value is not None:
            common[name] = msgspec.to_builtins(value)
    for item in command.items:
        yield read(msgspec.json.encode(msgspec.to_builtins(item) | common))


def _refuse_elsewhere(item: Any, draft: Draft, reference: Reference) -> LedgerEvent | None:
    """A rejection of an item that posts outside the wallet, or waits for anything."""
    if item.operation == "transfer" and item.to_wallet_id != item.wallet_id:
        return draft.reject(Code.ILLEGAL_IN_BATCH, "a batch moves money within its wallet", "to_wallet_id")
    if item.operation in ("credit", "debit") and item.rail in reference.rails:
        if is_deferred(reference, item.rail):
            return draft.reject(Code.ILLEGAL_IN_BATCH, f"the rail {item.rail} settles later", "rail")
        if item.operation == "debit" and reference.rails[item.rail].screening:
            return draft.reject(Code.ILLEGAL_IN_BATCH, f"payments over the rail {item.rail} are screened first", "rail")
    return None


def _decide(turn: Turn, batch: Draft, item: ReadCommand, number: int) -> LedgerEvent:
    """An item's event, as it stands behind the batch's own."""
    cause = batch.cause
    follows = Cause(cause.topic, cause.partition, cause.offset, cause.request_id, origin=cause.origin)
    topic = cause.topic if cause.origin is None else cause.origin.topic
    within = scope(topic, item.wallet_id, item.idempotency_key)
    transaction_id = transaction_id_of(within, turn.context.recorded_at_ms, number + 1)
    draft = Draft(item, turn.context, follows, transaction_id, b"")
    wallet = turn.state.wallets.get(item.wallet_id)
    event = OPERATIONS[item.operation](turn.state, wallet, item, draft, turn.reference)
    event.parent_transaction_id, event.request = batch.transaction_id, msgspec.UNSET
    return event


def _do_all(turn: Turn, draft: Draft, items: list[ReadCommand]) -> None:
    for number, item in enumerate(items):
        turn.write(_decide(turn, draft, item, number), item.wallet_id.encode())
