"""Payments that wait for screening: what is held for them, who says that they may go, and what becomes of silence."""

from __future__ import annotations

from typing import Final, NamedTuple

from ops.verify import accounts
from ops.verify.expiry import place_of
from ops.verify.findings import Check
from ops.verify.journals import Case, from_to_minor, own
from ops.verify.known import Known, Sum
from ops.verify.originals import Wrong
from schemas.clock import unix_ms
from schemas.codes import Code
from schemas.events import TRANSACTION_OVERDUE, TRANSACTION_SCREENED, LedgerEvent, Source

_POLICIES: Final = frozenset({"fail", "review"})
#: No rail waits longer for a verdict.
_LONGEST_MS: Final = 86_400_000


class Screened(NamedTuple):
    """What must follow a verdict: the payment is executed, or fails because it is denied."""

    known: Known
    is_allowed: bool
    #: The record that the verdict came with.
    source: Source | None

    def is_by(self, event: LedgerEvent) -> bool:
        """True where the event is that."""
        known = self.known
        named = (event.transaction_id, event.leg, event.command) == (known.transaction_id, None, "execute")
        is_denied = event.to_state == "failed" and event.code == Code.SCREENING_DENIED
        return named and is_denied is not self.is_allowed and place_of(event) == self.source

    @property
    def then(self) -> None:
        """Nothing must follow behind it."""
        return

    @property
    def sentence(self) -> str:
        """What is missing where it does not come."""
        done = "executed, or refused by what counts now" if self.is_allowed else "failed as denied"
        return f"{self.known.operation} {self.known.transaction_id} must be {done} after its verdict, but is not"


def held_first(case: Case) -> list[Sum]:
    """All that a payment takes, its fee too, where it waits for a verdict; nothing where it waits for its time."""
    event = case.event
    if event.screening is None:
        return []
    held = accounts.bucket(event.wallet_id, event.sub_wallet, accounts.HELD)
    return from_to_minor(event, own(event), held, event.remaining_minor or 0)


def held_minor(known: Known) -> int:
    """What is held for a payment that waits."""
    return sum(entry.credit_minor for entry in known.journal)


def wrongs_of_waiting(event: LedgerEvent) -> list[Wrong]:
    """What is wrong with a payment that begins to wait, but for its postings."""
    wrongs: list[Wrong] = []
    if event.screening not in _POLICIES:
        wrongs.append((Check.BROKEN_TRANSITION, f"what becomes of it without a verdict is {event.screening!r}"))
    if event.due_at is None or not 0 < unix_ms(event.due_at) - unix_ms(event.recorded_at) <= _LONGEST_MS:
        wrongs.append((Check.EXPIRY_WRONG, f"its verdict is due by {event.due_at}"))
    if (event.remaining_minor or 0) < (event.amount_minor or 0):
        wrongs.append((Check.REMAINING_WRONG, f"{event.remaining_minor} is held for {event.amount_minor}"))
    return wrongs


def why_not_noted(event: LedgerEvent, known: Known) -> str:
    """What is wrong with a verdict, or with leaving a payment to a person; empty where nothing is."""
    if event.type == TRANSACTION_SCREENED:
        return "waits for no verdict" if known.screening is None else ""
    if event.type == TRANSACTION_OVERDUE:
        return "" if known.screening == "review" else f"is left to a person, but {known.screening or 'nothing'} is due"
    return "is not as noted"


def wrongs_of_silence(event: LedgerEvent, known: Known) -> list[Wrong]:
    """What is wrong with the end of a payment that nobody has judged in time."""
    if (known.screening, event.code) == ("fail", Code.SCREENING_DENIED.value):
        return []
    sentence = f"{known.transaction_id} fails with {event.code} without a verdict, its policy is {known.screening}"
    return [(Check.MOVE_UNFOUNDED, sentence)]
