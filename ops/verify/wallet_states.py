"""What states of wallets forbid: money leaves none that is locked, one that is disabled or closed does nothing new."""

from __future__ import annotations

from typing import Final

from ops.verify.findings import Check, Here
from schemas import events as ev
from schemas.events import LedgerEvent
from schemas.topics import TRANSACTION_REQUESTS

#: Operations by which money leaves; a refund only where it pays another wallet back.
_LEAVING: Final = frozenset({"debit", "transfer", "convert", "fee", "authorize", "capture"})
#: What requesters may ask for whatever the state: it gives back, or contests what was.
_IN_EVERY_STATE: Final = frozenset({"release", "cancel", "dispute"})
#: Answers by which nothing is done.
_NOT_DONE: Final = frozenset(
    {
        *(ev.REQUEST_REJECTED, ev.REQUEST_REPLAYED, ev.REQUEST_DEAD_LETTERED, ev.REQUEST_PARKED),
        *(ev.REQUEST_FORWARDED, ev.WALLET_QUARANTINED),
    }
)
#: Events by which a payee has money at once.
_PAID: Final = frozenset({ev.TRANSACTION_SETTLED, ev.TRANSFER_RECEIVED})


class WalletStates:
    """The wallets of one partition that are not active."""

    def __init__(self, here: Here):
        self._here = here
        self._states: dict[str, str] = {}

    def change(self, event: LedgerEvent) -> None:
        """An event that may change the state of its wallet."""
        if event.type != ev.WALLET_STATE_CHANGED or event.wallet is None or event.wallet_id is None:
            return
        state = event.wallet.state
        if state is None or state == "active":
            self._states.pop(event.wallet_id, None)
        else:
            self._states[event.wallet_id] = state

    def event(self, event: LedgerEvent, *, is_own: bool) -> None:
        """Any event; `is_own` where the ledger goes on by itself."""
        if not self._states:
            return
        state = self._states.get(event.wallet_id or "")
        if state is not None and not is_own:
            self._asked(event, state)
        if event.type in _PAID and event.operation != "reverse":
            self._paid(event, state)

    def _asked(self, event: LedgerEvent, state: str) -> None:
        """By what a requester asks for; operators, rails and other partitions are held up by no state."""
        cause, operation = event.cause, event.operation
        if cause is None or event.type in _NOT_DONE or operation in _IN_EVERY_STATE:
            return
        if cause.first_topic != TRANSACTION_REQUESTS:
            return
        # What is for later is looked at in its time.
        if state == "locked" and (event.type == ev.TRANSACTION_INITIATED or not _leaves(event)):
            return
        self._here.report(
            Check.STATE_FORBIDS, f"{event.wallet_id} is {state}, and {event.type} answers its {operation}"
        )

    def _paid(self, event: LedgerEvent, state: str | None) -> None:
        """What operators reverse goes back whatever became of the wallet."""
        payee_id = event.wallet_id
        if event.type == ev.TRANSACTION_SETTLED:
            payee_id = None if event.counterparty is None else event.counterparty.wallet_id
            state = self._states.get(payee_id or "")
        if state is not None and state != "locked":
            self._here.report(Check.STATE_FORBIDS, f"{payee_id} is {state}, and {event.type} pays it")


def _leaves(event: LedgerEvent) -> bool:
    return event.operation in _LEAVING or (event.operation == "refund" and event.counterparty is not None)
