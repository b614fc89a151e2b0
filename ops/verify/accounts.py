"""Accounts as the auditor names them: `<wallet>/<sub-wallet>/<bucket>`, and the system's, `system/<name>`."""

from __future__ import annotations

from typing import Final

SYSTEM: Final = "system/"
AVAILABLE: Final = "available"
HELD: Final = "held"
INCOMING: Final = "incoming"
OUTGOING: Final = "outgoing"
DISPUTED: Final = "disputed"

TRANSIT: Final = "system/transit"
FEES: Final = "system/fees"
FX: Final = "system/fx"
REWARDS: Final = "system/rewards"
SUSPENSE: Final = "system/suspense"
CHARGEBACKS: Final = "system/chargebacks"
ADJUSTMENTS: Final = "system/adjustments"
RAIL_PENDING: Final = "system/rail-pending:"

BUCKETS: Final = (AVAILABLE, HELD, INCOMING, OUTGOING, DISPUTED)
#: Buckets that hold what open transactions have set aside.
SET_ASIDE: Final = (f"/{HELD}", f"/{INCOMING}", f"/{OUTGOING}", f"/{DISPUTED}")


def bucket(wallet_id: str | None, sub_wallet: str | None, name: str) -> str:
    """The account of one bucket of a sub-wallet."""
    return f"{wallet_id}/{sub_wallet}/{name}"


def available(wallet_id: str | None, sub_wallet: str | None) -> str:
    """The account of what a sub-wallet can spend."""
    return f"{wallet_id}/{sub_wallet}/available"


def rail(name: str | None) -> str:
    """The account of what is settled with a rail; None is the instant one."""
    return f"system/rail:{name or 'instant'}"


def rail_pending(name: str | None) -> str:
    """The account of what is announced over a rail and not settled."""
    return f"system/rail-pending:{name}"


def holder_of(account: str) -> str:
    """Who holds an account: the wallet before the first `/`; a system account is its own holder."""
    return account if account.startswith(SYSTEM) else account.partition("/")[0]
