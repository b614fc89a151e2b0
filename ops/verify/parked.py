"""Records that wait for the end of a quarantine: all of them are applied on release, in order, portion by portion."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec
import orjson

from ops.verify.answered import SAYS_WHAT_WAS_ASKED, why_not_asked
from ops.verify.findings import Check, Here
from schemas.events import WALLET_RELEASED, WALLET_RELEASING, LedgerEvent, ParkedRecord, Source
from schemas.internal import LegAnswer, TransferLeg, decode_internal
from schemas.topics import SETTLEMENT_UPDATES

#: Types of the events behind which parked records are applied.
RELEASES: Final = frozenset({WALLET_RELEASING, WALLET_RELEASED})

_Source = tuple[str, int, int]


class _Waiting(NamedTuple):
    """A parked record; of an update its value, of a leg or its answer the transaction."""

    source: _Source
    transaction_id: str
    update: bytes | None


class Parked:
    """What is parked in one partition, and which events of a release are still due."""

    def __init__(self, here: Here):
        self._here = here
        #: Wallet -> its parked records, in order.
        self._waiting: dict[str, list[_Waiting]] = {}
        #: What the release that is under way must still apply.
        self.due: list[_Waiting] = []
        self._cause: _Source | None = None

    def event(self, event: LedgerEvent, first: int | None) -> bool:
        """The next event that answers a record; True where it applies a parked one, as part of the release before it.

        `first` is what `Keys.event` says of a replay.
        """
        cause = event.cause
        if self.due and cause is not None and (cause.topic, cause.partition, cause.offset) == self._cause:
            return self._apply(event, first)
        self.settle()
        if event.parked is not None:
            self._park(event, event.parked)
        if event.type in RELEASES and cause is not None:
            self._release(event)
            self._cause = (cause.topic, cause.partition, cause.offset)
        return False

    def _release(self, event: LedgerEvent) -> None:
        """The records that come before those which the event leaves parked are due, and after the last portion all."""
        wallet_id = event.wallet_id or ""
        waiting = self._waiting.pop(wallet_id, [])
        left = 0 if event.wallet is None or event.type == WALLET_RELEASED else event.wallet.parked or 0
        applied = max(0, len(waiting) - left)
        self.due = waiting[:applied]
        if waiting[applied:]:
            self._waiting[wallet_id] = waiting[applied:]

    def _apply(self, event: LedgerEvent, first: int | None) -> bool:
        origin = None if event.cause is None else event.cause.origin
        source = None if origin is None else _place(origin)
        due = self.due
        if source != due[0].source:
            self._here.report(Check.PARKED_LOST, f"{due[0].source} was parked first, but {source} is applied")
        applied = next((waiting for waiting in due if waiting.source == source), due[0])
        due.remove(applied)
        if applied.update is not None and event.type in SAYS_WHAT_WAS_ASKED:
            why = why_not_asked(event, first, SETTLEMENT_UPDATES, applied.update)
            if why:
                self._here.report(Check.NOT_AS_ASKED, why)
        return True

    def _park(self, event: LedgerEvent, parked: ParkedRecord) -> None:
        place, transaction_id, update = _place(parked.source), "", None
        if parked.source.topic == SETTLEMENT_UPDATES:
            update = parked.value.encode()
        else:
            try:
                command = decode_internal(parked.value)
            except msgspec.DecodeError as error:
                self._here.report(Check.UNDECODABLE, f"the parked record is no internal command: {error}")
                return
            transaction_id = command.transaction_id if isinstance(command, TransferLeg | LegAnswer) else ""
        self._waiting.setdefault(event.wallet_id or "", []).append(_Waiting(place, transaction_id, update))

    def settle(self) -> None:
        """What is not part of a release follows: nothing may be due any more."""
        if self.due:
            sources = [waiting.source for waiting in self.due]
            self._here.report(Check.PARKED_LOST, f"a release did not apply what was parked: {sources}")
            self.due = []

    @property
    def transactions(self) -> set[str]:
        """Transactions that a quarantine holds."""
        return {record.transaction_id for waiting in self._waiting.values() for record in waiting}


def key_of_parked(parked: ParkedRecord) -> str | None:
    """The idempotency key of a parked command; None where it has none that can be read."""
    try:
        key = orjson.loads(parked.value)["idempotency_key"]
    except (ValueError, KeyError, TypeError):
        return None
    return key if isinstance(key, str) else None


def _place(source: Source) -> _Source:
    return source.topic, source.partition, source.offset
