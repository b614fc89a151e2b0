"""What open transactions have set aside: `held`, `incoming`, `outgoing`, `disputed` and the announced of each rail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ops.verify import accounts
from ops.verify.known import Known, Sum
from ops.verify.screening import held_minor


def wrong_buckets(balances: Mapping[str, int], open_: Iterable[Known]) -> Iterator[str]:
    """A sentence for each account that holds anything else than what open transactions have set aside there."""
    due: dict[str, int] = {}
    for known in open_:
        for account, asset, minor in _set_aside(known):
            key = f"{account} {asset}"
            due[key] = due.get(key, 0) + minor
    for key, minor in balances.items():
        if is_set_aside(key.rpartition(" ")[0]) and minor != due.get(key, 0):
            yield f"{key} is {minor}, open transactions make it {due.get(key, 0)}"
    for key in due.keys() - balances.keys():
        yield f"{key} has no balance, open transactions make it {due[key]}"


def is_set_aside(account: str) -> bool:
    """True where an account holds nothing but what open transactions have set aside."""
    if account.startswith(accounts.SYSTEM):
        return account.startswith(accounts.RAIL_PENDING)
    return account.endswith(accounts.SET_ASIDE)


def _set_aside(known: Known) -> Iterator[Sum]:
    """What one open transaction has set aside, from what is known of it and not from its journal."""
    owner, asset, minor = (known.wallet_id, known.sub_wallet), known.asset, known.amount_minor
    if known.state == "initiated":
        if known.screening is not None:
            yield accounts.bucket(*owner, accounts.HELD), asset, held_minor(known)
        return
    if known.hold is not None:
        yield accounts.bucket(*owner, accounts.HELD), asset, known.hold.remaining_minor
    elif known.operation == "dispute":
        yield accounts.bucket(*owner, accounts.DISPUTED), asset, minor
    elif known.other is None and known.is_inflow:
        yield accounts.bucket(*owner, accounts.INCOMING), asset, minor
        yield accounts.rail_pending(known.rail), asset, -minor
    elif known.other is None:
        yield accounts.bucket(*owner, accounts.OUTGOING), asset, minor
