"""What is due is done when it is: not before, the soonest first, and no later than the first tick or command.

Authorizations end, rewards expire, and what was scheduled is executed.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final

from msgspec import UNSET

from ops.verify.findings import Check, Here
from schemas.events import CLOCK_TICKED, REQUEST_REJECTED, WALLET_RELEASED, LedgerEvent, Source

#: What the ledger does by itself, for its time has come.
BY_TIME: Final = frozenset({"expire", "execute"})
#: So many a command ends of its own wallet at most, and a tick of all; the next tick ends the rest.
ENDED_BY_COMMAND: Final = 1_000
ENDED_BY_TICK: Final = 10_000
#: Rejections that may have been decided before time was looked at.
_BEFORE_TIME: Final = frozenset(
    {"amount_out_of_range", "key_mismatch", "idempotency_mismatch", "wallet_not_found", "malformed"}
)
_WHAT: Final = {
    Check.EXPIRY_WRONG: "an authorization or a reward",
    Check.SCHEDULE_WRONG: "a scheduled transaction",
}


def place_of(event: LedgerEvent) -> Source | None:
    """The record that an event answers or follows from."""
    cause = event.cause
    return None if cause is None else Source(cause.topic, cause.partition, cause.offset)


class Expiries:
    """What is due in one partition, and who was to do it."""

    def __init__(self, here: Here):
        self._here = here
        #: Wallet -> transaction id -> when it is due.
        self._due: dict[str, dict[str, str]] = {}
        #: When, transaction id, wallet; of those that are done too.
        self._heap: list[tuple[str, str, str]] = []
        #: Transactions that wait to be executed.
        self._schedules: set[str] = set()
        #: What was done ahead of the next record: the first such event, and how much of its wallet.
        self._ended: LedgerEvent | None = None
        self._count = 0
        #: The last record's event, and how much was done behind it, where it is a tick.
        self._last: LedgerEvent | None = None
        self._ticked = 0
        #: When what was done last was due, and its transaction; and the record for which it was done.
        self._latest = ("", "")
        self._latest_for: Source | None = None
        #: Wallets of which nothing is done that is due -> what of theirs a tick has passed over.
        self._quarantined: dict[str, list[tuple[str, str, str]]] = {}

    @property
    def is_watching(self) -> bool:
        """True where there is anything to be told of the next record's event."""
        return bool(self._due) or self._ended is not None

    def watch(
        self, wallet_id: str, transaction_id: str, due_at: str, *, is_schedule: bool = False, was_due: bool = False
    ) -> None:
        """Something is due of a transaction then, and not at another time; `was_due` where that is by now."""
        self._due.setdefault(wallet_id, {})[transaction_id] = due_at
        heappush(self._heap, (due_at, transaction_id, wallet_id))
        if is_schedule:
            self._schedules.add(transaction_id)
        if was_due:
            self._count += 1
            self._ticked += 1

    def forget(self, wallet_id: str, transaction_id: str) -> None:
        """Nothing is due of it any more, by whatever."""
        of_wallet = self._due.get(wallet_id)
        self._schedules.discard(transaction_id)
        if of_wallet is not None and transaction_id in of_wallet:
            del of_wallet[transaction_id]
            if not of_wallet:
                del self._due[wallet_id]

    def done(self, event: LedgerEvent, due_at: str | None) -> None:
        """The ledger has done what was due, or what is said to have been."""
        transaction_id = event.transaction_id or ""
        check, place = self._check(transaction_id), place_of(event)
        if place != self._latest_for:
            self._latest, self._latest_for = ("", ""), place
        if due_at is None or event.recorded_at < due_at:
            due = "is not due" if due_at is None else f"is due at {due_at}"
            self._here.report(check, f"{event.command} at {event.recorded_at} of what {due}")
        elif (due_at, transaction_id) < self._latest:
            self._here.report(check, f"what was due at {due_at} comes behind what was due at {self._latest[0]}")
        else:
            self._latest = (due_at, transaction_id)
        last = self._last
        if last is not None and last.type == CLOCK_TICKED and place_of(last) == place:
            self._ticked += 1
            return
        if self._ended is None:
            self._ended = event
        self._count += 1

    def record(self, event: LedgerEvent) -> None:
        """The next event that answers a record: it is what was done ahead of it for, and nothing is overdue."""
        self.settle()
        ended = self._ended
        if ended is not None and (place_of(ended) != place_of(event) or ended.wallet_id != event.wallet_id):
            sentence = f"{ended.wallet_id} has an {ended.command} ahead of another's record"
            self._here.report(Check.MOVE_UNFOUNDED, sentence)
        of_wallet = None if event.wallet_id in self._quarantined else self._due.get(event.wallet_id or "")
        if of_wallet and self._count < ENDED_BY_COMMAND and _looks_at_time(event):
            first, transaction_id = min((due_at, key) for key, due_at in of_wallet.items())
            if first <= event.recorded_at:
                check = self._check(transaction_id)
                self._here.report(check, f"the wallet has {_WHAT[check]} that was due at {first}")
        self._ended, self._count, self._last, self._ticked = None, 0, event, 0

    def quarantine(self, event: LedgerEvent) -> None:
        """A wallet goes under quarantine, or comes out of it: until then what is due of it waits."""
        if event.type == WALLET_RELEASED:
            for waiting in self._quarantined.pop(event.wallet_id or "", ()):
                heappush(self._heap, waiting)
            return
        self._quarantined.setdefault(event.wallet_id or "", [])
        last = self._last
        if last is not None and last.type == CLOCK_TICKED and place_of(last) == place_of(event):
            self._last = None  # the ledger has failed on the tick: the next one does the others

    def settle(self) -> None:
        """Another record follows, or a seal: a tick has done all that was due."""
        last = self._last
        if last is None or last.type != CLOCK_TICKED:
            return
        first = self._first()
        if first is not None and first[0] <= last.recorded_at and self._ticked < ENDED_BY_TICK:
            sentence = f"a tick at {last.recorded_at} leaves open what was due at {first[0]}"
            self._here.report(self._check(first[1]), sentence)
        self._last = None

    def _first(self) -> tuple[str, str, str] | None:
        """What is due next, but of wallets under quarantine."""
        heap = self._heap
        while heap:
            due_at, transaction_id, wallet_id = heap[0]
            is_due = self._due.get(wallet_id, {}).get(transaction_id) == due_at
            if is_due and wallet_id not in self._quarantined:
                return heap[0]
            waiting = heappop(heap)
            if is_due:
                self._quarantined[wallet_id].append(waiting)
        return None

    def seal(self) -> None:
        """The batch ends: nothing was done ahead of a record that does not follow."""
        self.settle()
        if self._ended is not None:
            ended = self._ended
            self._here.report(Check.MOVE_UNFOUNDED, f"{ended.wallet_id} has an {ended.command} ahead of no record")
        self._ended, self._count, self._last, self._ticked = None, 0, None, 0

    def _check(self, transaction_id: str) -> Check:
        return Check.SCHEDULE_WRONG if transaction_id in self._schedules else Check.EXPIRY_WRONG


def _looks_at_time(event: LedgerEvent) -> bool:
    """True where the command was decided as far as the wallet's time."""
    if event.request is UNSET:
        return False
    return event.type != REQUEST_REJECTED or event.code not in _BEFORE_TIME
