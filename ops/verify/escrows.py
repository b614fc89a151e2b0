"""What keeps money for somebody: it leaves an escrow as a transfer to the wallet that it names, or goes back."""

from __future__ import annotations

from typing import Final

from ops.verify.accounts import available
from ops.verify.agreements import Agreements
from schemas.events import LedgerEvent

#: Operations by which a requester takes money that is available.
_TAKES: Final = frozenset({"debit", "transfer", "convert", "fee", "authorize", "capture"})


def wrong_payee(event: LedgerEvent, agreements: Agreements) -> str | None:
    """A sentence where an event with entries takes money out of an escrow for anybody else; None where it does not."""
    if event.operation not in _TAKES:
        return None
    account = available(event.wallet_id, event.sub_wallet)
    payee_id = agreements.payee_of(account)
    if payee_id is None or not any(entry.account == account and entry.debit_minor for entry in event.entries):
        return None
    to = event.counterparty if event.operation == "transfer" else None
    if to is not None and to.wallet_id == payee_id:
        return None
    said = "a rail" if to is None else to.wallet_id
    return f"{account} keeps money for {payee_id}, and {event.operation} takes it for {said}"
