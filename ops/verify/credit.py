"""What operators have agreed with wallets: how far each may go below zero, and what its captures and refunds may do."""

from __future__ import annotations

from typing import Final, NamedTuple

from ops.verify import postings
from ops.verify.accounts import AVAILABLE
from schemas.events import AssetTerms, LedgerEvent, WalletFacts


class _Agreed(NamedTuple):
    limits: dict[str, AssetTerms]
    over_capture_bps: int
    refunds_below_zero: bool


_NOTHING: Final = _Agreed({}, 0, False)


class Agreements:
    """The last limits and policies of each wallet that has any, by wallet id."""

    def __init__(self) -> None:
        self._agreed: dict[str, _Agreed] = {}

    def agree(self, wallet_id: str, facts: WalletFacts) -> None:
        """Limits and policies are set, in place of all before."""
        limits, bps = facts.limits or {}, facts.over_capture_bps or 0
        self._agreed[wallet_id] = _Agreed(limits, bps, facts.refunds_below_zero or False)

    def lowest_minor(self, account: str, asset: str, event: LedgerEvent) -> int:
        """How low an event may take a wallet's account without being forced: below zero only what is available.

        What operators adjust is covered by what is there.
        """
        wallet_id, _, bucket = account.partition("/")
        agreed = self._agreed.get(wallet_id)
        if agreed is None or not bucket.endswith(f"/{AVAILABLE}") or event.operation == "adjust":
            return 0
        terms = agreed.limits.get(asset)
        return 0 if terms is None else -(terms.credit_limit_minor or 0)

    def over_capture_bps(self, wallet_id: str) -> int:
        """How much more than authorized may be captured, in basis points of it."""
        return self._agreed.get(wallet_id, _NOTHING).over_capture_bps

    def may_be_forced(self, event: LedgerEvent) -> bool:
        """True where the event may take available money below all that is agreed: a refund only by its policy."""
        if not postings.may_be_forced(event):
            return False
        if (event.command or event.operation) != "refund":
            return True
        return self._agreed.get(event.wallet_id or "", _NOTHING).refunds_below_zero
