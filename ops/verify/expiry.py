"""What is due is done when it is due: not before, and no later than the first tick or command of its wallet."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final

from msgspec import UNSET

from ops.verify.findings import Check, Here
from ops.verify.known import Known
from schemas.events import CLOCK_TICKED, REQUEST_REJECTED, WALLET_RELEASED, LedgerEvent, Source

#: So many a command ends of its own wallet at most, and a tick of all; the next tick ends the rest.
ENDED_BY_COMMAND: Final = 1_000
ENDED_BY_TICK: Final = 10_000
#: Rejections that may have been decided before time was looked at.
_BEFORE_TIME: Final = frozenset(
    {"amount_out_of_range", "key_mismatch", "idempotency_mismatch", "wallet_not_found", "malformed"}
)


def place_of(event: LedgerEvent) -> Source | None:
    """The record that an event answers or follows from."""
    cause = event.cause
    return None if cause is None else Source(cause.topic, cause.partition, cause.offset)


class Expiries:
    """What is due in one partition: holds and rewards that end, and what waits for its time; and who was to do it."""

    def __init__(self, here: Here):
        self._here = here
        #: Wallet -> transaction id -> when it is due.
        self._due: dict[str, dict[str, str]] = {}
        #: When, wallet, transaction id; of those that have ended too.
        self._heap: list[tuple[str, str, str]] = []
        #: What was ended since the last record's own event: the first such event, and how many.
        self._ended: LedgerEvent | None = None
        #: Wallets of which nothing is done that is due.
        self._quarantined: set[str] = set()
        self._count = 0
        self._last: LedgerEvent | None = None
        #: The tick that was last has ended nothing, for the ledger has failed on something.
        self._has_failed = False
        #: When what was done last was due, and its transaction; and the record for which it was done.
        self._latest = ("", "")
        self._latest_for: Source | None = None

    @property
    def is_watching(self) -> bool:
        """True where there is anything to be told of the next record's event."""
        return bool(self._due) or self._ended is not None

    def add(self, wallet_id: str, transaction_id: str, due_at: str) -> None:
        """Something of a transaction is due some day; a later time takes the place of the one before."""
        self._due.setdefault(wallet_id, {})[transaction_id] = due_at
        heappush(self._heap, (due_at, wallet_id, transaction_id))

    def ended(self, known: Known) -> None:
        """Nothing is due of it any more, by whatever."""
        of_wallet = self._due.get(known.wallet_id)
        if of_wallet is not None and known.transaction_id in of_wallet:
            del of_wallet[known.transaction_id]
            if not of_wallet:
                del self._due[known.wallet_id]

    def done(self, event: LedgerEvent) -> None:
        """The ledger has done of its own what was due, or what was not."""
        due_at = self._due.get(event.wallet_id or "", {}).get(event.transaction_id or "")
        if due_at is None or event.recorded_at < due_at:
            sentence = f"{event.command} at {event.recorded_at} of what is due at {due_at}"
            self._here.report(Check.EXPIRY_WRONG, sentence)
        elif event.wallet_id in self._quarantined:
            self._here.report(Check.EXPIRY_WRONG, f"{event.wallet_id} is under quarantine: what is due of it waits")
        else:
            self._in_order(event, due_at)
        last = self._last
        is_ticked = last is not None and last.type == CLOCK_TICKED and place_of(last) == place_of(event)
        if not is_ticked:
            self._ended_ahead(event)
        self._count += 1

    def _ended_ahead(self, event: LedgerEvent) -> None:
        """What a command ends is all of its own wallet, and ahead of its own event."""
        first = self._ended
        if first is None:
            self._ended = event
        elif (place_of(first), first.wallet_id) != (place_of(event), event.wallet_id):
            sentence = f"{event.wallet_id} has something done ahead of another record than {first.wallet_id} before it"
            self._here.report(Check.MOVE_UNFOUNDED, sentence)

    def _in_order(self, event: LedgerEvent, due_at: str) -> None:
        """For one record what is due is done in the order of the times, and of one time in that of the ids."""
        place, due = place_of(event), (due_at, event.transaction_id or "")
        if place == self._latest_for and due < self._latest:
            sentence = f"what was due at {due_at} is done behind what was due at {self._latest[0]}"
            self._here.report(Check.EXPIRY_WRONG, sentence)
            return
        self._latest, self._latest_for = due, place

    def record(self, event: LedgerEvent) -> None:
        """The next event that answers a record: it is what was ended ahead of it for, and nothing is overdue."""
        self.settle()
        ended = self._ended
        if ended is not None and (place_of(ended) != place_of(event) or ended.wallet_id != event.wallet_id):
            self._here.report(Check.MOVE_UNFOUNDED, f"{ended.wallet_id} has something done ahead of another's record")
        of_wallet = None if event.wallet_id in self._quarantined else self._due.get(event.wallet_id or "")
        if of_wallet and self._count < ENDED_BY_COMMAND and _looks_at_time(event):
            first = min(of_wallet.values())
            if first <= event.recorded_at:
                self._here.report(Check.EXPIRY_WRONG, f"the wallet has something left that was due at {first}")
        self._ended, self._count, self._last = None, 0, event

    def quarantine(self, event: LedgerEvent) -> None:
        """A wallet goes under quarantine, or comes out of it: until then what is due of it waits."""
        wallet_id = event.wallet_id or ""
        if event.type == WALLET_RELEASED:
            self._quarantined.discard(wallet_id)
            for transaction_id, due_at in self._due.get(wallet_id, {}).items():
                heappush(self._heap, (due_at, wallet_id, transaction_id))
            return
        if event.command is not None:
            self._fail(event, wallet_id)
        self._quarantined.add(wallet_id)

    def _fail(self, event: LedgerEvent, wallet_id: str) -> None:
        """The ledger says that it has failed on what is due of a wallet: a tick then does nothing else."""
        last = self._last
        is_ticked = last is not None and last.type == CLOCK_TICKED and place_of(last) == place_of(event)
        due = self._due.get(wallet_id)
        if not is_ticked or self._count or not due or min(due.values()) > event.recorded_at:
            self._here.report(Check.MOVE_UNFOUNDED, f"{wallet_id} is put under quarantine, but nothing calls for it")
        self._has_failed = True

    def settle(self) -> None:
        """Another record follows, or a seal: a tick has ended all that was due."""
        last, heap = self._last, self._heap
        if last is None or last.type != CLOCK_TICKED:
            return
        # What waits for the end of a quarantine comes back with it.
        while heap and (heap[0][1] in self._quarantined or self._due.get(heap[0][1], {}).get(heap[0][2]) != heap[0][0]):
            heappop(heap)
        if heap and heap[0][0] <= last.recorded_at and self._count < ENDED_BY_TICK and not self._has_failed:
            sentence = f"a tick at {last.recorded_at} leaves open what was due at {heap[0][0]}"
            self._here.report(Check.EXPIRY_WRONG, sentence)
        self._last, self._has_failed = None, False

    def seal(self) -> None:
        """The batch ends: nothing was ended ahead of a record that does not follow."""
        self.settle()
        if self._ended is not None:
            self._here.report(Check.MOVE_UNFOUNDED, f"{self._ended.wallet_id} has something done ahead of no record")
        self._ended, self._count, self._last = None, 0, None


def _looks_at_time(event: LedgerEvent) -> bool:
    """True where the command was decided as far as the wallet's time."""
    if event.request is UNSET:
        return False
    return event.type != REQUEST_REJECTED or event.code not in _BEFORE_TIME
