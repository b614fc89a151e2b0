"""Wallets under quarantine: nothing new is done for them, and what is owed to them is parked."""

from __future__ import annotations

from typing import Final

from ops.verify.findings import Check, Here
from schemas import events as ev
from schemas.codes import Code
from schemas.events import LedgerEvent
from schemas.topics import INTERNAL_COMMANDS, SETTLEMENT_UPDATES, TRANSACTION_REQUESTS

#: What a request is still answered with: what is said before a wallet's quarantine is looked at, and that itself.
_STILL_SAID: Final = frozenset(code.value for code in list(Code)[: list(Code).index(Code.WALLET_QUARANTINED) + 1])
#: Events of records that nothing is done for.
_NOT_DONE: Final = frozenset({ev.REQUEST_REPLAYED, ev.REQUEST_DEAD_LETTERED, ev.REQUEST_PARKED, ev.WALLET_QUARANTINED})
_RELEASES: Final = frozenset({ev.WALLET_RELEASING, ev.WALLET_RELEASED})


class Quarantines:
    """The wallets of one partition that are under quarantine."""

    def __init__(self, here: Here):
        self._here = here
        self._wallets: set[str] = set()
        self._is_whole = True

    def begin_anywhere(self) -> None:
        """The log's beginning was deleted: a wallet may be under quarantine since then."""
        self._is_whole = False

    def event(self, event: LedgerEvent, *, is_opened: bool) -> None:
        """An event that answers a record of its own; `is_opened` where its wallet is one of this partition."""
        wallet_id, type_ = event.wallet_id or "", event.type
        if type_ == ev.REQUEST_DEAD_LETTERED:
            if is_opened and event.code == Code.INTERNAL_ERROR:
                sentence = f"the ledger failed on a record of {wallet_id}, which is not put under quarantine"
                self._here.report(Check.CODE_WRONG, sentence)
            return
        if wallet_id in self._wallets:
            self._under_quarantine(event, wallet_id)
        elif type_ == ev.REQUEST_PARKED and self._is_whole:
            self._here.report(Check.PARKED_LOST, f"a record of {wallet_id} is parked, which is not under quarantine")

    def change(self, event: LedgerEvent) -> None:
        """A wallet goes under quarantine, or comes out of it."""
        if event.type == ev.WALLET_QUARANTINED:
            self._wallets.add(event.wallet_id or "")
        elif event.type == ev.WALLET_RELEASED:
            self._wallets.discard(event.wallet_id or "")

    def _under_quarantine(self, event: LedgerEvent, wallet_id: str) -> None:
        cause, type_ = event.cause, event.type
        if cause is None or type_ in _NOT_DONE or type_ in _RELEASES:
            return
        topic = cause.first_topic
        is_said = type_ == ev.REQUEST_REJECTED and event.code in _STILL_SAID
        if topic == TRANSACTION_REQUESTS and not is_said:
            self._here.report(Check.CODE_WRONG, f"{wallet_id} is under quarantine, and {type_} answers its request")
        elif topic in (SETTLEMENT_UPDATES, INTERNAL_COMMANDS) and not is_said:
            self._here.report(Check.PARKED_LOST, f"{wallet_id} is under quarantine, and {type_} is not parked")
