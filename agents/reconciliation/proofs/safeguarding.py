"""The safeguarding identity: confirmed rail and bank cash, less what is owed to customers, is the surplus or shortfall.

Its two sides are computed apart. From the side of the money: what rails and banks hold, less wallets, transit and
suspense. From the side of the books: what belongs to neither, such as fees. That both are the same is the identity.

What is announced over a deferred rail is in `incoming` and as much in `rail-pending`: not here yet, and not owed yet.
Suspense counts as owed where it is a credit; a debit is a claim, and a claim is no cash.

Source: funds that have been received are to be safeguarded, by Directive (EU) 2015/2366, article 10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from agents.reconciliation.proofs.books import DayTotals, added
from agents.reconciliation.proofs.chart import (
    BANKS,
    INCOMING,
    RAIL_PENDING,
    RAILS,
    SUSPENSE,
    TRANSIT,
    UNCLASSIFIED,
    WALLETS,
    class_of,
)
from schemas.reconciliation_proofs import Amount, PartitionCut, SafeguardingProof, SafeguardingVerdict

#: The sum of what is only announced, as `made_of` names it.
ANNOUNCED: str = "announced, both sides"
CURRENCY: str = "currency"


def cuts_of(parts: Iterable[DayTotals]) -> tuple[PartitionCut, ...]:
    """How far the log of each partition goes."""
    cuts = [PartitionCut(part.partition, part.last_sequence, part.seal_hash) for part in parts]
    return tuple(sorted(cuts, key=lambda cut: cut.partition))


def safeguarding_proofs(
    day: str, parts: Sequence[DayTotals], kind_of: Callable[[str], str] = lambda _asset: CURRENCY
) -> list[SafeguardingProof]:
    """A proof for each asset, by asset. The order of `parts` makes no difference.

    Args:
        day: the UTC day, as `2026-11-23`.
        parts: totals of every partition whose last day is `day`.
        kind_of: asset -> `currency`, `points` or `voucher`.
    """
    balances: dict[str, dict[str, int]] = {}
    for one in added(parts):
        balances.setdefault(one.asset, {})[one.account] = one.closing_minor
    cuts = cuts_of(parts)
    return [_proof(day, asset, of, kind_of(asset), cuts) for asset, of in sorted(balances.items())]


def _proof(
    day: str, asset: str, balances: Mapping[str, int], kind: str, cuts: tuple[PartitionCut, ...]
) -> SafeguardingProof:
    cash, owed, made_of, announced_minor = [], [], [], 0
    unconfirmed_minor = 0
    for account, minor in sorted(balances.items()):
        if class_of(account) in (RAILS, BANKS):
            cash.append(Amount(account, -minor))
        elif account == INCOMING:
            announced_minor, unconfirmed_minor = minor, unconfirmed_minor + minor
        elif account.startswith(RAIL_PENDING):
            unconfirmed_minor += minor
        elif _is_owed(account, minor):
            owed.append(Amount(account, minor))
        else:
            made_of.append(Amount(account, minor))
    if unconfirmed_minor:
        made_of.append(Amount(ANNOUNCED, unconfirmed_minor))
    cash_minor, owed_minor = (sum(one.amount_minor for one in of) for of in (cash, owed))
    sum_minor = sum(balances.values())
    return SafeguardingProof(
        proof_id=f"safeguarding/{asset}/{day}",
        revision=1,
        day=day,
        asset=asset,
        asset_kind=kind,
        verdict=_verdict(kind, sum_minor, cash_minor - owed_minor),
        surplus_minor=cash_minor - owed_minor,
        cash_minor=cash_minor,
        cash=tuple(cash),
        owed_minor=owed_minor,
        owed=tuple(owed),
        announced_minor=announced_minor,
        made_of=tuple(one for one in made_of if one.amount_minor),
        sum_minor=sum_minor,
        cuts=cuts,
    )


def _is_owed(account: str, minor: int) -> bool:
    """Whose it is decides; of what is not known a credit is taken for owed."""
    if account.startswith(WALLETS) or account == TRANSIT:
        return True
    return minor > 0 and (account == SUSPENSE or class_of(account) == UNCLASSIFIED)


def _verdict(kind: str, sum_minor: int, surplus_minor: int) -> SafeguardingVerdict:
    if sum_minor:
        return "unbalanced"
    if kind != CURRENCY:
        return "not_money"
    if surplus_minor:
        return "surplus" if surplus_minor > 0 else "shortfall"
    return "even"
