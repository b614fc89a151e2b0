"""What each transaction makes of the money of its wallets: told from its operation, state and amounts, never from
entries. Shares no code with the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

#: Wallet id, asset, minor units that it has more by a transaction, over all its buckets.
Money = tuple[str, str, int]

_NEVER_WAS: Final = ("initiated", "failed", "canceled")


@dataclass(slots=True)
class Known:
    """A transaction, or the payee's side of one, as its events tell it."""

    operation: str
    state: str
    wallet_id: str
    sub_wallet: str
    asset: str
    amount_minor: int
    #: The transaction that it acts on.
    parent: Known | None = None
    #: A rail that settles later; None for all else.
    rail: str | None = None
    #: The other wallet, where there is one.
    to_wallet_id: str | None = None
    #: Settled in the event that opened it, so that the other wallet lives in the same partition.
    is_at_once: bool = False
    is_leg: bool = False
    fee: tuple[str, int] | None = None
    #: Assets and amounts given and got.
    exchange: tuple[str, int, str, int] | None = None
    fee_returned_minor: int = 0
    settled_minor: int | None = None
    returned_minor: int = 0
    #: Of an authorization: what is still held. Of a capture: what it has taken of that.
    held_minor: int = 0
    #: Of a reward: what was taken back of it when its time was over.
    expired_minor: int = 0
    due_at: str | None = None
    #: Of an adjustment: the wallets that it takes from and gives to.
    moved: tuple[str | None, str | None] = (None, None)

    @property
    def is_saga(self) -> bool:
        """True where the other wallet lives in another partition."""
        return self.to_wallet_id is not None and not self.is_at_once and not self.is_leg

    @property
    def got_minor(self) -> int:
        """What a rail has settled of it, less what it has taken back."""
        settled_minor = self.amount_minor if self.settled_minor is None else self.settled_minor
        return settled_minor - self.returned_minor


def set_aside(of: Known) -> tuple[str, str, int] | None:
    """The bucket in which a transaction keeps money besides what is available, the asset, and how much."""
    name, minor = "", of.amount_minor
    if of.operation == "authorize" and of.state == "processed":
        name, minor = "held", of.held_minor
    elif of.operation == "dispute" and of.state == "disputed":
        name = "disputed"
    elif of.state == "processed" and of.to_wallet_id is None:
        name = {"credit": "incoming", "refund": "incoming", "debit": "outgoing", "capture": "outgoing"}[of.operation]
    return (f"{of.wallet_id}/{of.sub_wallet}/{name}", of.asset, minor) if name else None


def money(of: Known) -> Iterator[Money]:
    """What the wallets have more, or less, by a transaction in the state that it is in."""
    if of.operation == "adjust":
        for wallet_id, minor in zip(of.moved, (-of.amount_minor, of.amount_minor), strict=True):
            if wallet_id is not None:
                yield wallet_id, of.asset, minor
        return
    if of.is_leg:
        if of.state != "failed":
            yield from _given(of, of.wallet_id)
        return
    if of.fee is not None and (of.state not in _NEVER_WAS or of.operation == "authorize"):
        yield of.wallet_id, of.fee[0], -of.fee[1]
    if of.state not in _NEVER_WAS:
        yield of.wallet_id, of.asset, _own_minor(of)
        if of.operation in ("convert", "reverse") and of.exchange is not None and of.to_wallet_id is None:
            yield of.wallet_id, of.exchange[2], of.exchange[3]
        if of.fee_returned_minor and of.to_wallet_id is None:
            asset = of.asset if of.exchange is None else of.exchange[2]
            yield of.wallet_id, asset, of.fee_returned_minor
        if of.is_at_once and of.to_wallet_id is not None:
            yield from _given(of, of.to_wallet_id)


def _given(of: Known, wallet_id: str) -> Iterator[Money]:
    """What the other wallet gets, of a refund or reversal with what comes back of a fee."""
    asset, minor = of.asset, of.amount_minor
    is_back = of.operation in ("refund", "reverse")
    # The leg of a transfer carries what was exchanged already.
    if of.exchange is not None and (is_back or not of.is_leg):
        asset, minor = of.exchange[2:]
    yield wallet_id, asset, minor + of.fee_returned_minor


def _own_minor(of: Known) -> int:
    """What the own wallet has more in the transaction's asset, less its fee, once it is neither waiting nor failed."""
    amount_minor, parents = of.amount_minor, of.parent.operation if of.parent is not None else ""
    is_waiting = of.state == "processed"
    match of.operation:
        case "credit":
            return amount_minor if is_waiting else of.got_minor
        case "refund" if of.to_wallet_id is None:
            return amount_minor if is_waiting else of.got_minor
        case "debit":
            return 0 if is_waiting else -of.got_minor
        case "capture" if of.to_wallet_id is None:
            return 0 if is_waiting else -of.got_minor
        case "transfer" | "capture" | "refund" | "convert" | "fee":
            return -amount_minor
        case "reward":
            return amount_minor - of.expired_minor
        case "dispute" if parents == "credit":
            return -amount_minor if of.state == "reversed" else 0
        case "dispute":
            return 0 if of.state == "settled" else amount_minor
        case "reverse":
            gives_back = of.to_wallet_id is None and parents in ("debit", "capture", "fee")
            return amount_minor if gives_back else -amount_minor
        case "authorize" | "batch":
            return 0
    raise AssertionError(f"nothing is known of {of.operation}")


def in_transit(of: Known) -> tuple[str, int] | None:
    """Asset and amount that a transaction between partitions has under way."""
    if not of.is_saga or of.state != "processed":
        return None
    return of.exchange[2:] if of.exchange is not None and of.operation == "transfer" else (of.asset, of.amount_minor)


def received_minor(of: Known) -> int:
    """What has been moved by a transaction, in the asset in which it arrived, and can be taken back."""
    if of.settled_minor is not None:
        return of.settled_minor
    is_refund = of.operation in ("refund", "reverse")
    return of.exchange[3] if of.exchange is not None and not is_refund else of.amount_minor


def taken_back_minor(of: Known) -> int:
    """What a transaction takes back of the one that it acts on."""
    if of.operation in ("refund", "reverse") and not of.is_leg:
        is_over = of.state in _NEVER_WAS
        return 0 if is_over else of.amount_minor if of.settled_minor is None else of.settled_minor
    if of.operation == "dispute":
        return 0 if of.state == "settled" else of.amount_minor
    return 0


def adjusted(request: Any) -> tuple[str | None, str | None]:
    """The wallets of an adjustment's two accounts; None for those of the system."""
    holders = [request[name].partition("/")[0] for name in ("from_account", "to_account")]
    one, other = (None if holder == "system" else holder for holder in holders)
    return one, other
