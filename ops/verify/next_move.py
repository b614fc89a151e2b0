"""What must follow at once: the ledger's own moves behind the event that calls for them."""

from __future__ import annotations

from typing import Final

from ops.verify import originals
from ops.verify.batches import Items
from ops.verify.findings import Check, Here
from ops.verify.known import Known
from ops.verify.moves import FollowUp
from ops.verify.screening import Screened
from schemas.events import LedgerEvent

#: What the ledger does of its own when the time has come, behind whatever event.
BY_TIME: Final = frozenset({"expire", "execute"})


class Next:
    """What the next event of a partition must be.

    Attributes:
        due: that; None where it may be any.
        is_item: the event that is read is an item of a batch.
        is_screened: it is a payment that has its verdict.
    """

    __slots__ = ("_here", "due", "is_item", "is_screened")

    def __init__(self, here: Here):
        self._here = here
        self.due: FollowUp | Items | Screened | None = None
        self.is_item = self.is_screened = False

    def follow(self, event: LedgerEvent, is_own: bool) -> None:
        """The next event, where something is due or the ledger does something of its own (`is_own`)."""
        due = self.due
        is_due = due is not None and is_own and due.is_by(event)
        self.due = due.then if due is not None and is_due else None
        self.is_item = is_due and isinstance(due, Items)
        self.is_screened = is_due and isinstance(due, Screened)
        if due is not None and not is_due:
            self._miss(due)
        if is_own and not is_due and event.command not in BY_TIME:
            self._here.report(
                Check.MOVE_UNFOUNDED, f"{event.command} moves {event.transaction_id}, but nothing before calls for it"
            )

    def expect_state_of(self, original: Known, verb: str, *, is_sure: bool = True) -> None:
        """What was taken back of a transaction may call for another state of it."""
        state = originals.due_state(original, original.state)
        if state != original.state:
            self.due = FollowUp(original, verb, state, is_sure)

    def seal(self) -> None:
        """The batch ends: nothing may be due any more."""
        if self.due is not None:
            self._miss(self.due)
            self.due = None

    def _miss(self, due: FollowUp | Items | Screened) -> None:
        if not isinstance(due, FollowUp) or due.is_sure:
            self._here.report(Check.MOVE_MISSING, due.sentence)
