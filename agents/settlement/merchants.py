"""The rolling reserve of merchants: payouts wait as long as too little of a merchant's money would be left. Pure.

Of all that a merchant's account has received within the last days, the rail's share of it stays: as what is available
in the wallet, and as payouts that wait. It lives in the wallet's partition, by account and asset.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agents.settlement.state import DAY_MS, Followed, MerchantAccount
from agents.settlement.terms import is_settled_here, next_day_ms
from agents.settlement.turn import Turn
from schemas import settlement_events as ev
from schemas.events import (
    SUB_WALLET_OPENED,
    TRANSACTION_SETTLED,
    TRANSFER_RECEIVED,
    WALLET_OPENED,
    AccountBalance,
    Entry,
    WalletFacts,
)
from schemas.rail_settings import MerchantReserve
from schemas.settlement_batches import AlertRecord
from schemas.settlement_internal import Payout

_AVAILABLE: Final = "/available"
#: What a merchant sells for. What was on its way out and comes back is no turnover.
_TURNOVER: Final = frozenset({"credit", "transfer", "capture"})


def observe_opened(turn: Turn, type_: str, wallet_id: str, opened: WalletFacts) -> None:
    """Note a wallet that is a merchant's, with all its accounts, or a sub-wallet that is."""
    if type_ == WALLET_OPENED and opened.kind == "merchant":
        turn.write(turn.event(ev.MERCHANT_OPENED, wallet_id=wallet_id))
    elif type_ == SUB_WALLET_OPENED and opened.sub_wallet_kind == "merchant":
        event = turn.event(ev.MERCHANT_OPENED, wallet_id=wallet_id)
        event.account = f"{wallet_id}/{opened.sub_wallet}"
        turn.write(event)


def _is_merchant(turn: Turn, account: str) -> bool:
    merchants = turn.state.merchants
    return bool(merchants.get(account.split("/")[0]) or merchants.get(account))


def observe_merchant(
    turn: Turn,
    type_: str,
    operation: str,
    own: str,
    entries: Sequence[Entry],
    balances: Sequence[AccountBalance],
) -> None:
    """Note what merchants receive and have, where some rail keeps a reserve; what is kept back may go on by it.

    Args:
        turn: see there.
        type_: of the ledger's event.
        operation: of its transaction.
        own: the account that pays by it, to which what comes back is no turnover; empty where there is none.
        entries: its journal.
        balances: of the accounts in it, afterwards.
    """
    if not any(rail.merchant_reserve is not None for rail in turn.rails.values()):
        return
    counts = operation in _TURNOVER and type_ in (TRANSACTION_SETTLED, TRANSFER_RECEIVED)
    received: dict[tuple[str, str], int] = {}
    for entry in entries:
        account = entry.account.removesuffix(_AVAILABLE)
        if account != entry.account and _is_merchant(turn, account):
            minor = entry.credit_minor if counts and account != own else 0
            received[account, entry.asset] = received.get((account, entry.asset), 0) + minor
    for (account, asset), minor in received.items():
        event = turn.event(ev.MERCHANT_RECEIVED, asset=asset, wallet_id=account.split("/")[0])
        event.account, event.day, event.received_minor = account, turn.now_ms // DAY_MS, minor
        found = [one for one in balances if one.account == account + _AVAILABLE and one.asset == asset]
        event.available_minor = found[0].balance_minor if found else None
        turn.write(event)
        release_kept(turn, account, asset)


def send_or_keep_back(turn: Turn, payout: Payout, sub_wallet: str) -> None:
    """Send a payout to its rail's partition; a merchant's only if enough of its money is left, and in order."""
    account = f"{payout.wallet_id}/{sub_wallet}"
    reserve = _reserve_of(turn, payout)
    if reserve is None or payout.direction != "out" or not _is_merchant(turn, account):
        turn.tell_rail(payout.rail, payout)
        return
    row = turn.state.accounts.get(f"{account} {payout.asset}") or MerchantAccount()
    required_minor = reserved_minor(row, reserve, turn.now_ms // DAY_MS)
    if not row.kept_minor and row.available_minor >= required_minor:
        turn.tell_rail(payout.rail, payout)
        return
    event = turn.event(
        ev.PAYOUT_KEPT_BACK, rail=payout.rail, transaction_id=payout.transaction_id, wallet_id=payout.wallet_id
    )
    event.payout, event.account, event.number = payout, account, row.next_number
    turn.write(event)
    turn.alert(_alert(payout, "open", _why(payout, row, required_minor)))
    _look_again(turn, account, payout.asset)


def release_kept(turn: Turn, account: str, asset: str) -> None:
    """Send what is kept back of an account, the first ones first, as far as enough is left."""
    name = f"{account} {asset}"
    while (row := turn.state.accounts.get(name)) is not None and row.kept_minor:
        _, payout = next(turn.state.kept.scan(f"{name} ", f"{name}!"))
        reserve = _reserve_of(turn, payout)
        if reserve is None:
            send_on(turn, payout, f"rail {payout.rail} keeps no reserve any more")
            continue
        left_minor = row.available_minor + row.kept_minor - payout.amount_minor
        if left_minor < reserved_minor(row, reserve, turn.now_ms // DAY_MS):
            return
        send_on(turn, payout, "enough of the merchant's money is left")


def send_on(turn: Turn, payout: Payout, why: str) -> None:
    """A payout that was kept back goes to its rail."""
    event = turn.event(
        ev.PAYOUT_SENT_ON, rail=payout.rail, transaction_id=payout.transaction_id, wallet_id=payout.wallet_id
    )
    event.payout, event.reason = payout, why
    turn.write(event)
    turn.alert(_alert(payout, "closed", why))
    turn.tell_rail(payout.rail, payout)


def no_longer_kept(turn: Turn, followed: Followed, what: str) -> None:
    """A payout that is kept back has ended: called before that is applied."""
    payout = turn.state.kept.get(followed.kept_in)
    assert payout is not None
    turn.alert(_alert(payout, "closed", f"the transaction is {what}"))


def look_at_all_merchants(turn: Turn) -> None:
    """Terms of rails have changed: perhaps less has to be kept back, or nothing."""
    for name in dict.fromkeys(key.rpartition(" ")[0] for key, _ in turn.state.kept.scan()):
        account, _, asset = name.rpartition(" ")
        release_kept(turn, account, asset)


def look_at_merchant(turn: Turn, name: str) -> None:
    """A day is over: perhaps less has to be kept back."""
    account, _, asset = name.rpartition(" ")
    release_kept(turn, account, asset)
    row = turn.state.accounts.get(name)
    if row is not None and row.kept_minor:
        _look_again(turn, account, asset)


def _look_again(turn: Turn, account: str, asset: str) -> None:
    event = turn.event(ev.MERCHANT_WAITS, asset=asset, wallet_id=account.split("/")[0])
    event.account, event.due_ms = account, next_day_ms(turn.now_ms)
    turn.write(event)


def _reserve_of(turn: Turn, payout: Payout) -> MerchantReserve | None:
    """What the payout's rail keeps of merchants' money; None where it keeps nothing, or nobody settles it here."""
    rail = turn.rails.get(payout.rail)
    return None if rail is None or not is_settled_here(rail) else rail.merchant_reserve


def reserved_minor(row: MerchantAccount, reserve: MerchantReserve, day: int) -> int:
    """What has to be left of a merchant's money on a day (days since 1970), in minor units, floored."""
    received_minor = sum(minor for at, minor in row.days if at > day - reserve.days)
    return received_minor * reserve.basis_points // 10_000


def _why(payout: Payout, row: MerchantAccount, required_minor: int) -> str:
    left_minor = row.available_minor + row.kept_minor
    return (
        f"the rolling reserve of merchant {payout.wallet_id} is {required_minor}, and {left_minor} would be left; it "
        "goes on as the reserve is released or more comes in, or with `walletstream settlement release "
        f"{payout.rail} {payout.transaction_id}`"
    )


def _alert(payout: Payout, state: str, message: str) -> AlertRecord:
    return AlertRecord(
        alert_id=f"kept_back {payout.transaction_id}",
        rail=payout.rail,
        asset=payout.asset,
        code="kept_back",
        state="open" if state == "open" else "closed",
        amount_minor=payout.amount_minor,
        transaction_id=payout.transaction_id,
        wallet_id=payout.wallet_id,
        message=message,
        recorded_at="",
    )
