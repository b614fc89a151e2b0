"""Transactions of one partition that may yet be named: open ones, and those of which something may be taken."""

from __future__ import annotations

from ops.verify.known import Known
from ops.verify.remembered import Remembered
from schemas.events import LedgerEvent


class Kept:
    """What the auditor knows of transactions, for as long as the ledger knows them.

    Args:
        retained_ms: how long the ledger knows one that is finished, from its last change.
    """

    def __init__(self, retained_ms: int):
        self.open: dict[str, Known] = {}
        #: Those of them that act on another, which is kept as long as they are open, however long that takes.
        self._acting: dict[str, Known] = {}
        self.past = Remembered(retained_ms)
        #: Rewards that expire some day, until they do.
        self._rewards: dict[str, Known] = {}

    def of(self, transaction_id: str, leg: str | None) -> Known | None:
        """The transaction that an event moves on."""
        known = self.open.get(transaction_id) or self._rewards.get(transaction_id) if leg is None else None
        return known or self.past.find(transaction_id, leg) or self._acted_on(transaction_id, leg)

    def named(self, transaction_id: str) -> Known | None:
        """What another transaction acts on: its own, or the payee's side of it."""
        found = self.open.get(transaction_id) or self._rewards.get(transaction_id) or self.past.find(transaction_id)
        return found or self.past.find(transaction_id, "credit") or self._acted_on(transaction_id)

    def begins_again(self, event: LedgerEvent) -> bool:
        """True where the transaction that an event opens is there already."""
        transaction_id = event.transaction_id or ""
        is_open = event.leg is None and transaction_id in self.open
        return is_open or self.past.find(transaction_id, event.leg) is not None

    def keep(self, event: LedgerEvent, known: Known) -> None:
        """Keep a transaction as the event leaves it."""
        if known.is_open:
            self.open[known.transaction_id] = known
            if known.original is not None:
                self._acting[known.transaction_id] = known
            return
        if known.leg is None:
            self.end(known.transaction_id)
        if known.operation != "refund":
            known.original = None
        if known.may_be_named:
            self.past.keep(known, event.recorded_at)

    def end(self, transaction_id: str) -> None:
        """It is open no more."""
        self.open.pop(transaction_id, None)
        self._acting.pop(transaction_id, None)

    def keep_reward(self, known: Known) -> None:
        """A reward that expires is known until then."""
        self._rewards[known.transaction_id] = known

    def end_reward(self, transaction_id: str) -> None:
        """It has expired, or was taken back."""
        self._rewards.pop(transaction_id, None)

    def unfinished(self) -> set[str]:
        """The ids of transactions that are open, and of those that they act on."""
        return self.open.keys() | {o.transaction_id for known in self._acting.values() if (o := known.original)}

    def _acted_on(self, transaction_id: str, leg: str | None = None) -> Known | None:
        """One that is kept only because what acts on it is open."""
        originals = (known.original for known in self._acting.values() if known.original is not None)
        return next((o for o in originals if o.transaction_id == transaction_id and leg in (None, o.leg)), None)
