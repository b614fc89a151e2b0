"""What operators have agreed with wallets: how far their money may go below zero, and how much more may be captured."""

from __future__ import annotations

from typing import Final, NamedTuple

from ops.verify.accounts import available, holder_of
from schemas.events import SUB_WALLET_OPENED, WALLET_LIMITS_SET, LedgerEvent

_WHOLE_BPS: Final = 10_000


class _Agreed(NamedTuple):
    """Of one wallet, as it was set last."""

    #: By asset, in minor units.
    credit_minor: dict[str, int]
    over_capture_bps: int
    refunds_below_zero: bool


class Agreements:
    """The agreements with one partition's wallets, from the events that have set them."""

    def __init__(self) -> None:
        self._agreed: dict[str, _Agreed] = {}
        #: What can be spent of sub-wallets that keep somebody else's money, and whose.
        self._escrows: dict[str, str] = {}

    def event(self, event: LedgerEvent) -> None:
        """An event that may set some: they take the place of all before. Or that opens an escrow, which has none."""
        facts = event.wallet
        if event.type == SUB_WALLET_OPENED and facts is not None and facts.payee_wallet_id is not None:
            self._escrows[available(event.wallet_id, facts.sub_wallet)] = facts.payee_wallet_id
        if event.type != WALLET_LIMITS_SET or facts is None:
            return
        credit = {asset: terms.credit_limit_minor or 0 for asset, terms in (facts.limits or {}).items()}
        agreed = _Agreed(credit, facts.over_capture_bps or 0, facts.refunds_below_zero is True)
        self._agreed[event.wallet_id or ""] = agreed

    def payee_of(self, account: str) -> str | None:
        """The wallet that an escrow's money is for; None where the account is of no escrow."""
        return self._escrows.get(account)

    def credit_minor(self, account: str, asset: str) -> int:
        """How far below zero what a wallet has available may go without being forced, where this account does."""
        agreed = None if account in self._escrows else self._agreed.get(holder_of(account))
        return 0 if agreed is None else agreed.credit_minor.get(asset, 0)

    def most_captured_minor(self, wallet_id: str, authorized_minor: int) -> int:
        """The most that may be captured in all of so much authorized."""
        agreed = self._agreed.get(wallet_id)
        return authorized_minor + (0 if agreed is None else authorized_minor * agreed.over_capture_bps // _WHOLE_BPS)

    def may_refund_below_zero(self, wallet_id: str | None) -> bool:
        """True where the wallet's refunds may be forced."""
        agreed = self._agreed.get(wallet_id or "")
        return agreed is not None and agreed.refunds_below_zero
