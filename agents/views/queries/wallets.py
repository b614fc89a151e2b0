"""A wallet as the views have it: facts, balances by bucket."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select

from agents.views.tables import BALANCES, SUB_WALLETS, WALLETS


class SubWalletView(NamedTuple):
    """A sub-wallet; an escrow names the only wallet that it may pay."""

    sub_wallet: str
    kind: str
    payee_wallet_id: str | None
    opened_at_ms: int


class WalletView(NamedTuple):
    """Facts of a wallet, as of the event at `ledger_offset` of its partition."""

    wallet_id: str
    owner_ref: str
    kind: str
    state: str
    quarantined: bool
    assets: tuple[str, ...]
    sub_wallets: tuple[SubWalletView, ...]
    opened_at_ms: int
    changed_at_ms: int
    partition: int
    ledger_offset: int


class BalanceView(NamedTuple):
    """Balance of one account in one asset, as of the event at `ledger_offset` of its partition."""

    wallet_id: str
    #: None for system accounts.
    sub_wallet: str | None
    #: `available`, `held`, `incoming`, `outgoing`, `disputed`, `reserved`; of a system account its name.
    bucket: str
    account: str
    asset: str
    balance_minor: int
    recorded_at_ms: int
    partition: int
    ledger_offset: int


def wallet_of(connection: Connection, wallet_id: str) -> WalletView | None:
    """The wallet, or None where the views know none of this id."""
    row = connection.execute(select(WALLETS).where(WALLETS.c.wallet_id == wallet_id)).one_or_none()
    if row is None:
        return None
    fields = [SUB_WALLETS.c[name] for name in SubWalletView._fields]
    subs = connection.execute(
        select(*fields).where(SUB_WALLETS.c.wallet_id == wallet_id).order_by(SUB_WALLETS.c.ledger_offset)
    )
    facts = {
        **row._mapping,
        "assets": tuple((row.assets or "").split()),
        "sub_wallets": tuple(SubWalletView(*sub) for sub in subs),
    }
    return WalletView(**{name: facts[name] for name in WalletView._fields})


def balances_of(connection: Connection, wallet_id: str) -> list[BalanceView]:
    """Balances of a wallet by account and asset; of `system` those of every partition's shards."""
    asked = (
        select(*(BALANCES.c[name] for name in BalanceView._fields))
        .where(BALANCES.c.wallet_id == wallet_id)
        .order_by(BALANCES.c.account, BALANCES.c.asset, BALANCES.c.partition)
    )
    return [BalanceView(*row) for row in connection.execute(asked)]
