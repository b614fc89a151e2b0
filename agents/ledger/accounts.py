"""Accounts: `(wallet, sub-wallet, bucket)` written `w1/main/available`, and the system's, `system/<name>`."""

from __future__ import annotations

from typing import Final

AVAILABLE: Final = "available"
#: Authorized: still the wallet's, and kept for captures.
HELD: Final = "held"
#: On its way in, and out, over a rail that settles later.
INCOMING: Final = "incoming"
OUTGOING: Final = "outgoing"
#: Contested, and set aside until the dispute is over.
DISPUTED: Final = "disputed"

#: Money on its way between two partitions: the open sagas. Zero when nothing is under way.
TRANSIT: Final = "system/transit"
RAIL_INSTANT: Final = "system/rail:instant"
#: What a rail has moved and the ledger has otherwise, until somebody puts it right.
SUSPENSE: Final = "system/suspense"
#: What was advanced in disputes that are open, or were lost by those who are paid.
CHARGEBACKS: Final = "system/chargebacks"
ADJUSTMENTS: Final = "system/adjustments"
FEES: Final = "system/fees"
#: The other side of every exchange.
FX: Final = "system/fx"
#: What compensations give to and take from, beside transit, while everything else does so too.
SHARED: Final = frozenset({FEES, FX})
REWARDS: Final = "system/rewards"

_SYSTEM_PREFIX: Final = "system/"


def available(wallet_id: str, sub_wallet: str) -> str:
    """The account of what a sub-wallet can spend."""
    return f"{wallet_id}/{sub_wallet}/{AVAILABLE}"


def bucket(wallet_id: str, sub_wallet: str, name: str) -> str:
    """The account of one bucket of a sub-wallet."""
    return f"{wallet_id}/{sub_wallet}/{name}"


def held(wallet_id: str, sub_wallet: str) -> str:
    """The account of what a sub-wallet has authorized."""
    return f"{wallet_id}/{sub_wallet}/{HELD}"


def rail(name: str | None) -> str:
    """The account of what is settled with a rail; None is the instant one."""
    return RAIL_INSTANT if name is None else f"system/rail:{name}"


def rail_pending(name: str | None) -> str:
    """The account of what is announced over a rail and not settled."""
    return f"system/rail-pending:{name}"


def is_system(account: str) -> bool:
    """True where an account is the system's, not a wallet's."""
    return account.startswith(_SYSTEM_PREFIX)


def holder_of(account: str) -> str:
    """Who holds an account: a wallet id, or for a system account the account itself, whose shard is kept alone."""
    return account if account.startswith(_SYSTEM_PREFIX) else account.partition("/")[0]


def holder_of_key(key: str) -> str:
    """Who holds the account of a balance's key, `<account> <asset>`."""
    return key.rpartition(" ")[0] if key.startswith(_SYSTEM_PREFIX) else key.partition("/")[0]
