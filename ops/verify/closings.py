"""Wallets that are closed: they have nothing left, in any sub-wallet, bucket or asset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ops.verify.accounts import BUCKETS, bucket
from ops.verify.findings import Check, Here
from schemas.events import SUB_WALLET_OPENED, WALLET_STATE_CHANGED, LedgerEvent


class Closings:
    """The sub-wallets of one partition's wallets beside `main`, and whether they are empty at the end.

    Args:
        here: where findings are told.
        balances: `<account> <asset>` -> minor units, as they are by then.
    """

    def __init__(self, here: Here, balances: Mapping[str, int]):
        self._here = here
        self._balances = balances
        self._sub_wallets: dict[str | None, list[str]] = {}

    def event(self, event: LedgerEvent, assets: Sequence[str]) -> None:
        """An event that opens a sub-wallet or closes its wallet, which has these assets."""
        facts = event.wallet
        if facts is None:
            return
        if event.type == SUB_WALLET_OPENED and facts.sub_wallet is not None:
            self._sub_wallets.setdefault(event.wallet_id, []).append(facts.sub_wallet)
        if event.type == WALLET_STATE_CHANGED and facts.state == "closed":
            for sub_wallet in ("main", *self._sub_wallets.get(event.wallet_id, ())):
                for name in BUCKETS:
                    self._empty(bucket(event.wallet_id, sub_wallet, name), assets)

    def _empty(self, account: str, assets: Sequence[str]) -> None:
        for asset in assets:
            if left_minor := self._balances.get(f"{account} {asset}", 0):
                self._here.report(Check.NOT_EMPTY, f"a wallet is closed while {account} {asset} holds {left_minor}")
