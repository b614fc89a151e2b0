"""Batches: all of their items follow them, in order, each as it was asked for."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from ops.verify.asked import Asked
from ops.verify.identity import scope_of, transaction_id
from ops.verify.told import told_beside, told_of_terms
from schemas.events import REQUEST_REJECTED, TRANSACTION_SETTLED, LedgerEvent


class Items:
    """Items of a batch that must follow, the next one first."""

    def __init__(self, batch_id: str, scope: str, asked: list[Asked], number: int = 0):
        self._batch_id = batch_id
        self._scope = scope
        self._asked = asked
        self._number = number

    def is_by(self, event: LedgerEvent) -> bool:
        """True where the event is the next item."""
        asked = self._asked[self._number]
        said = (event.type, event.parent_transaction_id, event.command, event.from_state)
        return (
            said == (TRANSACTION_SETTLED, self._batch_id, None, None)
            and (event.operation, event.wallet_id) == (asked.operation, asked.wallet_id)
            and event.sub_wallet == asked.sub_wallet
            and event.transaction_id == transaction_id(self._scope, event.recorded_at, self._number + 1)
            and all(wanted == made for _, wanted, made in told_of_terms(event, asked) + told_beside(event, asked))
        )

    @property
    def then(self) -> Items | None:
        """What must follow behind the next one."""
        number = self._number + 1
        return Items(self._batch_id, self._scope, self._asked, number) if number < len(self._asked) else None

    @property
    def sentence(self) -> str:
        """What is missing where it does not come."""
        return f"item {self._number} of batch {self._batch_id} must follow, as asked for, but does not"


def items_of(event: LedgerEvent, asked: Asked) -> Items | None:
    """What must follow a batch; None where it asks for nothing that can be read."""
    common: dict[str, Any] = {"wallet_id": event.wallet_id}
    if asked.references:
        common["references"] = asked.references
    try:
        items = [msgspec.convert({**item, **common}, Asked) for item in (() if asked.items is UNSET else asked.items)]
    except msgspec.ValidationError:
        return None
    cause = event.cause
    if not items or cause is None:
        return None
    return Items(event.transaction_id or "", scope_of(event, cause), items)


def is_item(event: LedgerEvent) -> bool:
    """True where an event that answers no command of its own opens a part of another transaction."""
    return (
        event.parent_transaction_id is not None
        and event.from_state is None
        and event.leg is None
        and event.type != REQUEST_REJECTED
    )
