"""Batches: behind the event of one, each of its items once, in their order, as they were asked for."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from ops.verify.asked import Asked, read_kept
from ops.verify.findings import Check, Here
from ops.verify.told import terms_told
from schemas.events import TRANSACTION_SETTLED, LedgerEvent


def is_item(event: LedgerEvent) -> bool:
    """True where an event whose cause names no key is an item of a batch: it opens a transaction of its parent's."""
    return event.parent_transaction_id is not None and event.from_state is None and event.leg is None


class Batches:
    """The items that must follow."""

    def __init__(self, here: Here):
        self._here = here
        #: The batch whose items may follow.
        self.batch: LedgerEvent | None = None
        #: Items that are still to come: numbers and what was asked for.
        self._due: deque[tuple[int, Asked]] = deque()
        self._is_wrong = False

    def begin(self, event: LedgerEvent) -> None:
        """The event of a batch that was done."""
        asked = read_kept(event)
        items = asked.items if isinstance(asked.items, list) else []
        self.batch, self._is_wrong = event, False
        self._due = deque(enumerate(_read(item, event) for item in items))

    def item(self, event: LedgerEvent) -> None:
        """The next item."""
        batch = self.batch
        if batch is None:
            self._here.report(Check.BATCH_WRONG, f"{event.operation} is an item, but no batch is before it")
            return
        if not self._due:
            self._wrong(f"{event.operation} follows behind the last item of the batch")
            return
        number, asked = self._due.popleft()
        why = _why_not(event, batch, asked)
        if why:
            self._wrong(f"item {number}: {why}")

    def settle(self) -> None:
        """What is no item follows: none may be due any more."""
        if self._due:
            self._wrong(f"item {self._due[0][0]} and those behind it are left out, {len(self._due)} in all")
        self.batch = None
        self._due.clear()

    def _wrong(self, sentence: str) -> None:
        """One finding for each batch: what follows an item that is wrong is beside its place."""
        if not self._is_wrong:
            self._here.report(Check.BATCH_WRONG, sentence)
        self._is_wrong = True


def _read(item: dict[str, Any], batch: LedgerEvent) -> Asked:
    try:
        return msgspec.convert({**item, "wallet_id": batch.wallet_id}, Asked)
    except msgspec.ValidationError:
        return Asked()


def _why_not(event: LedgerEvent, batch: LedgerEvent, asked: Asked) -> str:
    to = event.counterparty
    if event.parent_transaction_id != batch.transaction_id:
        return f"it is of {event.parent_transaction_id}, the batch is {batch.transaction_id}"
    if event.type != TRANSACTION_SETTLED or event.code not in (None, "ok"):
        return f"it is {event.to_state} with {event.code}: all of a batch is done, or nothing"
    if to is not None and to.wallet_id != batch.wallet_id:
        return f"it goes to {to.wallet_id}: a batch moves money within its wallet"
    told = [
        ("wallet_id", batch.wallet_id, event.wallet_id),
        ("operation", asked.operation, event.operation),
        ("sub_wallet", asked.sub_wallet, event.sub_wallet),
        *terms_told(event, asked),
    ]
    return "; ".join(f"{name} is {wanted!r}, the event says {said!r}" for name, wanted, said in told if said != wanted)
