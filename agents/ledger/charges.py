"""The fee within another operation: what a wallet of its kind pays, by the schedule that is in force. Pure."""

from __future__ import annotations

from agents.ledger.accounts import FEES
from agents.ledger.fees import fee_of
from agents.ledger.journals import Journal, Move, post, post_moves
from agents.ledger.state import LedgerState, Wallet
from schemas.events import Fee
from schemas.reference import Reference


def charge(
    wallet: Wallet, sub_wallet: str, reference: Reference, operation: str, asset: str, amount_minor: int
) -> Fee | None:
    """The fee on an amount, which may be more than the amount; None where there is none.

    An escrow pays none: its money is for the wallet that it names, or goes back.
    """
    if not reference.fees:
        return None
    schedule = reference.fees.get((operation, wallet.kind, asset))
    if schedule is None:
        return None
    purse = wallet.sub_wallets.get(sub_wallet)
    if purse is not None and purse.payee_wallet_id is not None:
        return None
    fee_minor = fee_of(schedule, amount_minor)
    if not fee_minor:
        return None
    return Fee(schedule.name, schedule.version, asset, fee_minor, schedule.refundable)


def minor_of(fee: Fee | None) -> int:
    """The fee in minor units, 0 where there is none."""
    return 0 if fee is None else fee.amount_minor


def post_charged(
    state: LedgerState, account: str, to: str, asset: str, amount_minor: int, fee: Fee | None
) -> Journal | None:
    """The journal that moves an amount from an account, and pays the fee from it too."""
    if fee is None:
        return post(state, account, to, asset, amount_minor)
    moves = ((account, asset, -amount_minor), (to, asset, amount_minor), *paid(fee, account))
    return post_moves(state, moves)


def paid(fee: Fee | None, account: str) -> tuple[Move, ...]:
    """The moves that pay a fee from an account."""
    if fee is None:
        return ()
    return ((account, fee.asset, -fee.amount_minor), (FEES, fee.asset, fee.amount_minor))
