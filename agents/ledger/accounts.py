"""Accounts: `(wallet, sub-wallet, bucket)` written `w1/main/available`, and the system's, `system/<name>`."""

from __future__ import annotations

from typing import Final

AVAILABLE: Final = "available"

#: Money on its way between two partitions: the open sagas. Zero when nothing is under way.
TRANSIT: Final = "system/transit"
RAIL_INSTANT: Final = "system/rail:instant"

_SYSTEM_PREFIX: Final = "system/"


def available(wallet_id: str, sub_wallet: str) -> str:
    """The account of what a sub-wallet can spend."""
    return f"{wallet_id}/{sub_wallet}/{AVAILABLE}"


def holder_of(account: str) -> str:
    """Who holds an account: a wallet id, or for a system account the account itself, whose shard is kept alone."""
    return account if account.startswith(_SYSTEM_PREFIX) else account.partition("/")[0]
