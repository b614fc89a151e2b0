"""What the auditor knows of a transaction: from the events that it has read, never from what a later one claims."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ops.verify.asked import Asked
from schemas.events import Counterparty, Entry, Exchange, LedgerEvent
from schemas.lifecycle import UNDER_WAY, State

#: An account, an asset and what a journal adds to it in minor units, less than 0 taking from it.
Sum = tuple[str, str, int]

#: Operations of transactions that act on another one, their original.
ACTS_ON_ANOTHER: Final = frozenset({"capture", "refund", "dispute", "reverse"})
#: Operations that bring money in over a rail; the others over a rail take it out.
INFLOWS: Final = frozenset({"credit", "refund"})
#: Operations of which something may be taken back once they are settled.
TAKEN_BACK: Final = frozenset({"credit", "debit", "transfer", "capture", "convert", "fee", "reward"})

_SETTLED: Final = State.SETTLED.value


class Hold:
    """What an authorization still holds, and what was captured of it, in minor units."""

    __slots__ = ("captured_minor", "due_at", "remaining_minor")

    def __init__(self, due_at: str, remaining_minor: int):
        self.due_at = due_at
        self.remaining_minor = remaining_minor
        self.captured_minor = 0


class Counter:
    """What has become of a settled transaction, in minor units."""

    __slots__ = (
        *("charged_back_minor", "disputed_minor", "refunded_minor", "returned_minor", "reversed_minor"),
        "settled_minor",
        *("exchange_returned_minor", "fee_returned_minor", "reversed_by"),
    )

    def __init__(self, settled_minor: int):
        self.settled_minor = settled_minor
        self.refunded_minor = 0
        #: Of disputes that are open.
        self.disputed_minor = 0
        self.charged_back_minor = 0
        self.reversed_minor = 0
        #: The rail's reference of the return that operators have reversed it by.
        self.reversed_by: str | None = None
        self.returned_minor = 0
        #: Given back with refunds and reversals, of the original's fee and of what was exchanged for it.
        self.fee_returned_minor = 0
        self.exchange_returned_minor = 0

    @property
    def left_minor(self) -> int:
        """What may still be taken back."""
        gone_minor = self.refunded_minor + self.charged_back_minor + self.reversed_minor + self.returned_minor
        return self.settled_minor - self.disputed_minor - gone_minor

    @property
    def state(self) -> str:
        """The state of a settled transaction of which so much was taken back."""
        if self.disputed_minor:
            return State.DISPUTED.value
        undone_minor = self.charged_back_minor + self.reversed_minor + self.returned_minor
        if undone_minor == self.settled_minor or (self.reversed_minor and not self.left_minor):
            return State.REVERSED.value
        return _SETTLED


class Known:
    """One transaction, or the payee's side of one (`leg`)."""

    __slots__ = (
        *("asked", "due_at", "exchange", "fee_minor"),
        *("amount_minor", "asset", "batch_id", "counter", "hold", "journal", "leg", "operation", "original"),
        *("other", "parent_transaction_id", "rail", "screening", "state", "sub_wallet", "transaction_id", "wallet_id"),
    )

    def __init__(
        self,
        transaction_id: str,
        operation: str,
        leg: str | None,
        state: str,
        owner: tuple[str, str],
        amount_minor: int,
        asset: str,
        rail: str | None,
        other: Counterparty | None,
    ):
        self.transaction_id = transaction_id
        self.operation = operation
        self.leg = leg
        self.state = state
        self.wallet_id, self.sub_wallet = owner
        self.amount_minor = amount_minor
        self.asset = asset
        #: None where it goes to, or comes from, another wallet.
        self.rail = rail
        #: The other wallet; of a leg that is the payer.
        self.other = other
        self.parent_transaction_id: str | None = None
        #: What it acts on.
        self.original: Known | None = None
        #: What it has set aside, while it may have to give it back.
        self.journal: tuple[Entry, ...] = ()
        self.hold: Hold | None = None
        #: None as long as the whole amount is settled and nothing of it taken back.
        self.counter: Counter | None = None
        #: The settlement batch that it was submitted in.
        self.batch_id: str | None = None
        self.exchange: Exchange | None = None
        #: Its fee, as far as it is given back; of what takes back, what it has given back.
        self.fee_minor = 0
        #: What is to be done at its time, and when that is.
        self.asked: Asked | None = None
        self.due_at = ""
        #: What becomes of it where no verdict of screening comes; None where it waits for none.
        self.screening: str | None = None

    @property
    def is_open(self) -> bool:
        """True where something is still to come of it."""
        return self.state in UNDER_WAY or (self.operation == "dispute" and self.state == State.DISPUTED)

    @property
    def is_inflow(self) -> bool:
        """True where it brings money in over a rail."""
        return self.operation in INFLOWS

    @property
    def receiver(self) -> tuple[str, str]:
        """The wallet and sub-wallet under which it is taken back: of what another wallet got, that one."""
        if self.other is None or self.leg is not None:
            return self.wallet_id, self.sub_wallet
        return self.other.wallet_id, self.other.sub_wallet

    @property
    def payer(self) -> tuple[str, str] | None:
        """Where money that is taken back goes; None where it went over a rail."""
        if self.other is None:
            return None
        if self.leg is not None:
            return self.other.wallet_id, self.other.sub_wallet
        return self.wallet_id, self.sub_wallet

    @property
    def received_minor(self) -> int:
        """What the other side got of it."""
        return self.amount_minor if self.exchange is None else self.exchange.to_minor

    @property
    def received_asset(self) -> str:
        """The asset that the other side got."""
        return self.asset if self.exchange is None else self.exchange.to_asset

    @property
    def left_minor(self) -> int:
        """What may still be taken back of it, once it is settled."""
        return self.received_minor if self.counter is None else self.counter.left_minor

    @property
    def may_be_named(self) -> bool:
        """True where a command may yet name it, if it is not open: to take it back, or because its rail does."""
        if self.rail is not None:
            return True
        is_with_payee = self.leg is not None or self.other is None or self.state != "settled"
        return self.operation in TAKEN_BACK and (is_with_payee or self.operation in ("transfer", "capture"))

    def counted(self) -> Counter:
        """Its counter, made where it has none yet."""
        if self.counter is None:
            self.counter = Counter(self.received_minor)
        return self.counter


def opened(event: LedgerEvent, original: Known | None) -> Known:
    """What an event that opens a transaction tells of it."""
    known = Known(
        event.transaction_id or "",
        event.operation or "",
        event.leg,
        event.to_state or "",
        (event.wallet_id or "", event.sub_wallet or ""),
        event.amount_minor or 0,
        event.asset or "",
        event.rail,
        event.counterparty,
    )
    known.parent_transaction_id = event.parent_transaction_id
    known.original = original
    known.exchange = event.exchange
    known.screening = event.screening
    known.fee_minor = event.fee_returned_minor or 0
    if event.fee is not None and event.fee.refundable and event.operation not in ("refund", "reverse"):
        known.fee_minor = event.fee.amount_minor
    if known.is_open:
        known.journal = event.entries
    return known


def sums_of(entries: Iterable[Entry]) -> tuple[Sum, ...]:
    """What a journal adds to its accounts, entry by entry."""
    return tuple([(e.account, e.asset, e.credit_minor - e.debit_minor) for e in entries])
