"""The chart of accounts: which class of a general ledger each account of the ledger belongs to.

Numbers follow the usual order of a chart: 1 assets, 2 liabilities, 3 clearing, 4 revenue, 5 expense, 9 not classified.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, NamedTuple

Kind = Literal["asset", "liability", "clearing", "revenue", "expense", "unclassified"]

SYSTEM: Final = "system/"
WALLETS: Final = "wallets/"
RAIL: Final = "system/rail:"
RAIL_PENDING: Final = "system/rail-pending:"
BANK: Final = "system/bank:"
TRANSIT: Final = "system/transit"
SUSPENSE: Final = "system/suspense"
#: What is announced over a deferred rail and not confirmed.
INCOMING: Final = "wallets/incoming"


class AccountClass(NamedTuple):
    """A class of the chart. `covers` says in words which accounts of the ledger it is made of."""

    code: str
    name: str
    kind: Kind
    covers: str


RAILS: Final = AccountClass("1100", "rails", "asset", "`system/rail:<name>`: settled positions with rails")
RAILS_PENDING: Final = AccountClass(
    "1150", "rails, announced", "asset", "`system/rail-pending:<name>`: what rails have announced and not settled"
)
BANKS: Final = AccountClass("1200", "banks", "asset", "`system/bank:<name>`: money in our own bank accounts")
UNCLASSIFIED: Final = AccountClass("9000", "not classified", "unclassified", "any account that the chart does not know")

#: Bucket of a wallet -> its class.
_BUCKETS: Final = {
    "available": AccountClass("2100", "wallets, available", "liability", "`<wallet>/<sub-wallet>/available`"),
    "held": AccountClass("2110", "wallets, held", "liability", "`<wallet>/<sub-wallet>/held`: authorized"),
    "incoming": AccountClass("2120", "wallets, incoming", "liability", "`<wallet>/<sub-wallet>/incoming`: announced"),
    "outgoing": AccountClass("2130", "wallets, outgoing", "liability", "`<wallet>/<sub-wallet>/outgoing`: on its way"),
    "disputed": AccountClass("2140", "wallets, disputed", "liability", "`<wallet>/<sub-wallet>/disputed`: contested"),
    "reserved": AccountClass("2150", "wallets, reserved", "liability", "`<wallet>/<sub-wallet>/reserved`: kept back"),
}
#: System account -> its class.
_SYSTEM: Final = {
    "transit": AccountClass("3100", "transit", "clearing", "`system/transit`: transfers between two partitions"),
    "suspense": AccountClass("3200", "suspense", "clearing", "`system/suspense`: what only the rail says"),
    "fx": AccountClass("3300", "exchange", "clearing", "`system/fx`: the other side of every exchange"),
    "fees": AccountClass("4100", "fees", "revenue", "`system/fees`: fees charged, less what rails keep"),
    "rewards": AccountClass("5100", "rewards", "expense", "`system/rewards`: rewards given, less what expired"),
    "chargebacks": AccountClass("5200", "chargebacks", "expense", "`system/chargebacks`: advanced in disputes"),
    "writeoffs": AccountClass("5300", "write-offs", "expense", "`system/writeoffs`: what was given up"),
    "adjustments": AccountClass("5900", "adjustments", "expense", "`system/adjustments`: corrections of operators"),
}

#: All classes, in the order of their codes.
CHART: Final = tuple(sorted([RAILS, RAILS_PENDING, BANKS, *_BUCKETS.values(), *_SYSTEM.values(), UNCLASSIFIED]))
BY_CODE: Final = {one.code: one for one in CHART}
#: The buckets of wallets, in the order of their classes.
BUCKETS: Final = tuple(_BUCKETS)


@lru_cache(maxsize=65_536)
def ledger_account(account: str) -> str:
    """The account of the general ledger that an account of the ledger belongs to.

    A system account is one itself; all wallets' accounts of one bucket are one together, `wallets/available`.
    """
    if account.startswith(SYSTEM):
        return account
    parts = account.split("/")
    return f"{WALLETS}{parts[2]}" if len(parts) == 3 else account


@lru_cache(maxsize=65_536)
def class_of(account: str) -> AccountClass:
    """The class of an account, or of an account of the general ledger."""
    if account.startswith(SYSTEM):
        name, _, of = account.removeprefix(SYSTEM).partition(":")
        if of:
            return {"rail": RAILS, "rail-pending": RAILS_PENDING, "bank": BANKS}.get(name, UNCLASSIFIED)
        return _SYSTEM.get(name, UNCLASSIFIED)
    return _BUCKETS.get(ledger_account(account).removeprefix(WALLETS), UNCLASSIFIED)
