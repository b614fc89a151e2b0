"""How much a wallet's account can take: as much as leaves room, within int64, for all that may come back to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ops.verify.accounts import HELD, available, bucket
from ops.verify.journals import Case, returned_minor
from ops.verify.known import Known
from ops.verify.screening import held_minor
from schemas.events import LedgerEvent
from schemas.money import INT64_MAX


def is_short(case: Case) -> bool:
    """True where an event says that a wallet gets less than all that is left of what its rail returns to it."""
    known, facts = case.known, case.event.rail_facts
    if known is None or known.is_inflow or facts is None or facts.returned_minor is None:
        return False
    return facts.returned_minor < returned_minor(case, known)


def room_minor(event: LedgerEvent, known: Known, balances: Mapping[str, int], under_way: Iterable[Known]) -> int:
    """What the account of a transaction could take before an event, in minor units: 0 or more.

    `balances` are those after it, `under_way` all transactions that are open.
    """
    own = available(known.wallet_id, known.sub_wallet)
    gained = (e.credit_minor - e.debit_minor for e in event.entries if (e.account, e.asset) == (own, known.asset))
    before_minor = balances.get(f"{own} {known.asset}", 0) - sum(gained)
    may_come_minor = sum(
        _may_come_minor(one, known.asset)
        for one in under_way
        if (one.wallet_id, one.sub_wallet) == (known.wallet_id, known.sub_wallet)
    )
    return max(0, INT64_MAX - before_minor - may_come_minor)


def _may_come_minor(known: Known, asset: str) -> int:
    """The most of an asset that may yet come to what its wallet can spend: what it took, or what it has set aside."""
    if known.hold is not None or known.screening is not None:
        left_minor = held_minor(known) if known.hold is None else known.hold.remaining_minor
        return left_minor if known.asset == asset else 0
    own = available(known.wallet_id, known.sub_wallet)
    held, within = bucket(known.wallet_id, known.sub_wallet, HELD), own.rpartition("/")[0] + "/"
    took_minor = aside_minor = 0
    for entry in known.journal:
        minor = entry.credit_minor - entry.debit_minor
        if entry.asset == asset and entry.account in (own, held):
            took_minor -= minor
        elif entry.asset == asset and entry.account.startswith(within):
            aside_minor += minor
    return max(0, took_minor, aside_minor)
