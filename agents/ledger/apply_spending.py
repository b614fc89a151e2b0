"""The part of `apply` that counts what leaves wallets with terms, and what of it did not after all."""

from __future__ import annotations

from collections.abc import Sequence

from agents.ledger.accounts import FEES, available
from agents.ledger.spending import give_back, spend
from agents.ledger.state import LedgerState
from agents.ledger.transaction import Transaction
from schemas.clock import unix_ms
from schemas.events import Entry, LedgerEvent


def counted_minor(event: LedgerEvent) -> int:
    """What leaves the wallet by an event, and counts: of a capture what it takes beyond its authorization."""
    operation, amount_minor = event.operation, event.amount_minor or 0
    if event.to_state == "failed":
        return 0
    if operation in ("debit", "authorize"):
        return amount_minor
    if operation == "transfer":
        to = event.counterparty
        return 0 if to is not None and to.wallet_id == event.wallet_id else amount_minor
    if operation == "capture" or event.forced:
        return _taken_minor(event) - (0 if event.fee is None else event.fee.amount_minor)
    return 0


def _taken_minor(event: LedgerEvent) -> int:
    """What an event takes from the wallet in its asset."""
    own = available(event.wallet_id or "", event.sub_wallet or "")
    return -sum_minor(event.entries, own, event.asset or "")


def count_spent(state: LedgerState, event: LedgerEvent, minor: int) -> None:
    key = f"{event.wallet_id} {event.asset}"
    # The authorization of a capture was counted as one.
    count = 0 if event.operation == "capture" and event.from_state is None else 1
    state.spent.put(key, spend(state.spent.get(key), unix_ms(event.recorded_at), minor, count))


def count_forced(state: LedgerState, event: LedgerEvent) -> None:
    """What is taken without being asked for counts too."""
    minor = _taken_minor(event)
    wallet = state.wallets.get(event.wallet_id or "")
    if minor > 0 and wallet is not None and wallet.terms is not None:
        count_spent(state, event, minor)


def uncount_spent(state: LedgerState, event: LedgerEvent, before: Transaction) -> None:
    """What did not leave the wallet after all no longer counts in the windows that had counted it."""
    key = f"{before.wallet_id} {before.asset}"
    spent = state.spent.get(key)
    if spent is None:
        return
    if before.hold is not None:
        minor, count = before.hold.remaining_minor, 0 if before.hold.captured_minor else 1
    elif event.to_state in ("failed", "canceled", "initiated"):
        minor, count = _counted_minor_of(before), 0 if before.operation == "capture" else 1
    else:
        minor, count = min(_unsettled_minor(event, before), _counted_minor_of(before)), 0
        if not minor:
            return
    state.spent.put(key, give_back(spent, before.counted_at_ms, minor, count))


def uncount_captured(state: LedgerState, event: LedgerEvent, before: Transaction, authorization: Transaction) -> None:
    """What a capture took of what was held was counted with its authorization, and has not left the wallet.

    Where it failed while the authorization is open it is held again, and counts on.
    """
    spent = state.spent.get(f"{before.wallet_id} {before.asset}")
    has_failed = event.to_state in ("failed", "canceled")
    if spent is None or not authorization.counted_at_ms or (has_failed and authorization.hold is not None):
        return
    excess_minor = _counted_minor_of(before)
    held_minor = before.amount_minor - excess_minor
    minor = held_minor if has_failed else max(0, _unsettled_minor(event, before) - excess_minor)
    is_last = has_failed and authorization.counted.settled_minor == before.amount_minor
    if minor:
        back = give_back(spent, authorization.counted_at_ms, minor, 1 if is_last else 0)
        state.spent.put(f"{before.wallet_id} {before.asset}", back)


def _unsettled_minor(event: LedgerEvent, before: Transaction) -> int:
    """What the rail has not settled of what it has settled in part."""
    facts = event.rail_facts
    return 0 if facts is None or facts.settled_minor is None else before.amount_minor - facts.settled_minor


def _counted_minor_of(before: Transaction) -> int:
    if before.operation != "capture":
        return before.amount_minor
    # What went elsewhere than for its fee, less what was held.
    taken_minor = -sum_minor(before.journal, available(before.wallet_id, before.sub_wallet), before.asset)
    return taken_minor - sum_minor(before.journal, FEES, before.asset)


def sum_minor(entries: Sequence[Entry], account: str, asset: str) -> int:
    """Credits less debits of an account in an asset."""
    return sum([one.credit_minor - one.debit_minor for one in entries if one.account == account and one.asset == asset])
