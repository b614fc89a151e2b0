"""Records that wait for the end of a quarantine: all of them are applied on release, in order, portion by portion."""

from __future__ import annotations

import msgspec

from ops.verify.findings import Check, Here
from schemas.events import WALLET_RELEASED, WALLET_RELEASING, LedgerEvent
from schemas.internal import LegAnswer, TransferLeg, decode_internal

_Source = tuple[str, int, int]


class Parked:
    """What is parked in one partition, and which events of a release are still due."""

    def __init__(self, here: Here):
        self._here = here
        #: Wallet -> its parked records as (source, transaction id), in order.
        self._waiting: dict[str, list[tuple[_Source, str]]] = {}
        self._due: list[_Source] = []
        self._cause: _Source | None = None

    def event(self, event: LedgerEvent) -> bool:
        """The next event; True where it applies a parked record, as part of the release before it."""
        cause = event.cause
        if self._due and cause is not None and (cause.topic, cause.partition, cause.offset) == self._cause:
            return self._apply(event)
        self.settle()
        if event.parked is not None:
            self._park(event)
        if event.type in (WALLET_RELEASING, WALLET_RELEASED) and cause is not None:
            self._release(event)
            self._cause = (cause.topic, cause.partition, cause.offset)
        return False

    def _release(self, event: LedgerEvent) -> None:
        """The records that come before those which the event leaves parked are due, and after the last portion all."""
        wallet_id = event.wallet_id or ""
        waiting = self._waiting.pop(wallet_id, [])
        left = 0 if event.wallet is None or event.type == WALLET_RELEASED else event.wallet.parked or 0
        applied = max(0, len(waiting) - left)
        self._due = [source for source, _ in waiting[:applied]]
        if waiting[applied:]:
            self._waiting[wallet_id] = waiting[applied:]

    def _apply(self, event: LedgerEvent) -> bool:
        origin = None if event.cause is None else event.cause.origin
        source = None if origin is None else (origin.topic, origin.partition, origin.offset)
        if source != self._due[0]:
            self._here.report(Check.PARKED_LOST, f"{self._due[0]} was parked first, but {source} is applied")
        if source in self._due:
            self._due.remove(source)
        else:
            self._due.pop(0)
        return True

    def _park(self, event: LedgerEvent) -> None:
        assert event.parked is not None
        source = event.parked.source
        try:
            command = decode_internal(event.parked.value)
        except msgspec.DecodeError as error:
            self._here.report(Check.UNDECODABLE, f"the parked record is no internal command: {error}")
            return
        transaction_id = command.transaction_id if isinstance(command, TransferLeg | LegAnswer) else ""
        place = (source.topic, source.partition, source.offset)
        self._waiting.setdefault(event.wallet_id or "", []).append((place, transaction_id))

    def settle(self) -> None:
        """What is not part of a release follows: nothing may be due any more."""
        if self._due:
            self._here.report(Check.PARKED_LOST, f"a release did not apply what was parked: {self._due}")
            self._due = []

    @property
    def transactions(self) -> set[str]:
        """Transactions that a quarantine holds."""
        return {transaction_id for waiting in self._waiting.values() for _, transaction_id in waiting}
