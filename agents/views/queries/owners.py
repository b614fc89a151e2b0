"""One balance for each owner: cash, points and vouchers of all wallets, in one asset."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select

from agents.views.fold import storable
from agents.views.queries.reflected import Reflected, reflected
from agents.views.queries.wallets import BalanceView
from agents.views.rates import Converting
from agents.views.tables import BALANCES, WALLETS


class Holding(NamedTuple):
    """An account of the owner, and what it comes to in the asset asked for; None where no rate leads there."""

    balance: BalanceView
    converted_minor: int | None
    #: None where it is in that asset, or where it was not converted.
    rate_id: str | None


class OwnerBalance(NamedTuple):
    """What an owner has in all wallets, in one asset."""

    owner_ref: str
    asset: str
    wallet_ids: tuple[str, ...]
    holdings: tuple[Holding, ...]
    #: Sum of what was converted, account by account: each is floored for itself.
    total_minor: int
    #: The same of the bucket `available` alone: what could be spent.
    available_minor: int
    #: Assets that no rate leads from; their balances are in neither sum.
    not_converted: tuple[str, ...]
    #: Of the partitions that the wallets live in.
    reflects: tuple[Reflected, ...]


def owner_balance(connection: Connection, owner_ref: str, asset: str, rates: Converting) -> OwnerBalance | None:
    """The balance of an owner in `asset`; None where the views know no wallet of this owner."""
    w, b = WALLETS.c, BALANCES.c
    owned = select(w.wallet_id, w.partition).where(w.owner_ref == storable(owner_ref)).order_by(w.wallet_id)
    partitions = {row.wallet_id: row.partition for row in connection.execute(owned)}
    if not partitions:
        return None
    asked = (
        select(*(b[name] for name in BalanceView._fields))
        .join_from(WALLETS, BALANCES, w.wallet_id == b.wallet_id)
        .where(w.owner_ref == storable(owner_ref))
        .order_by(b.wallet_id, b.account, b.asset)
    )
    holdings = tuple(_holding(BalanceView(*row), asset, rates) for row in connection.execute(asked))
    return OwnerBalance(
        owner_ref,
        asset,
        tuple(partitions),
        holdings,
        _sum(holdings),
        _sum(tuple(one for one in holdings if one.balance.bucket == "available")),
        tuple(sorted({one.balance.asset for one in holdings if one.converted_minor is None})),
        tuple(reflected(connection, set(partitions.values())).values()),
    )


def _holding(balance: BalanceView, asset: str, rates: Converting) -> Holding:
    if balance.asset == asset:
        return Holding(balance, balance.balance_minor, None)
    converted = rates.convert(balance.balance_minor, balance.asset, asset)
    return Holding(balance, None, None) if converted is None else Holding(balance, *converted)


def _sum(holdings: tuple[Holding, ...]) -> int:
    return sum(one.converted_minor for one in holdings if one.converted_minor is not None)
