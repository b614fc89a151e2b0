"""What is agreed with a wallet: its own limits, and where it has none those of its tier. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from agents.ledger.accounts import available
from agents.ledger.apply_spending import sum_minor
from agents.ledger.draft import Draft
from agents.ledger.journals import Journal
from agents.ledger.spending import end_of, spent_in
from agents.ledger.state import LedgerState, Terms, Wallet
from schemas.codes import Code
from schemas.events import LedgerEvent, LimitFacts
from schemas.money import INT64_MAX
from schemas.reference import Reference
from schemas.tiers import Tier

_WINDOWS = ("hour", "day", "month")


class _Agreed:
    """The limits of a wallet in one asset."""

    def __init__(self, terms: Terms, reference: Reference, asset: str):
        self._own = terms.limits.get(asset)
        self.tier: Tier | None = None if terms.tier is None else reference.tiers.get(terms.tier)
        self._of_tier = None if self.tier is None else self.tier.limits.get(asset)

    def find(self, *names: str) -> tuple[int | None, bool]:
        """The value under a name such as `("day", "sum_minor")`, and whether it is the tier's."""
        own = _value(self._own, names)
        return (own, False) if own is not None else (_value(self._of_tier, names), True)

    @property
    def tier_version(self) -> str | None:
        """Name and version of the tier, as events name it."""
        return None if self.tier is None else f"{self.tier.name}@{self.tier.version}"


def _value(limits: Any, names: tuple[str, ...]) -> int | None:
    for name in names:
        if limits is None:
            return None
        limits = getattr(limits, name)
    found: int | None = limits
    return found


def refuse_limits(
    draft: Draft,
    state: LedgerState,
    wallet: Wallet,
    reference: Reference,
    asset: str,
    amount_minor: int,
    counted_before_minor: int = 0,
) -> LedgerEvent | None:
    """A rejection where the amount, leaving the wallet now, would be more than was agreed: for wallets with terms.

    `counted_before_minor` of the amount has an authorization counted, and the transaction with it.
    """
    terms = wallet.terms
    assert terms is not None
    if terms.tier is not None and terms.tier not in reference.tiers:
        message = f"the tier {terms.tier!r} is not configured: nothing leaves a wallet whose limits are not known"
        return draft.reject(Code.LIMIT_EXCEEDED, message)
    agreed = _Agreed(terms, reference, asset)
    draft.tier = agreed.tier_version
    most_minor, is_tiers = agreed.find("single_max_minor")
    if most_minor is not None and amount_minor > most_minor:
        return _refuse(draft, agreed, LimitFacts("single_max_minor", most_minor, amount_minor), is_tiers)
    spent = state.spent.get(f"{draft.command.wallet_id} {asset}")
    at_ms = draft.context.recorded_at_ms
    for window in _WINDOWS:
        count, minor = spent_in(spent, window, at_ms)
        more_minor, more_count = amount_minor - counted_before_minor, 0 if counted_before_minor else 1
        for name, used, more in (("count", count, more_count), ("sum_minor", minor, more_minor)):
            most, is_tiers = agreed.find(window, name)
            if most is not None and more and used + more > most:
                facts = LimitFacts(f"{window}.{name}", most, used, end_of(window, at_ms))
                return _refuse(draft, agreed, facts, is_tiers)
    return None


def _refuse(draft: Draft, agreed: _Agreed, facts: LimitFacts, is_tiers: bool) -> LedgerEvent:
    version = agreed.tier_version if is_tiers else None
    message = f"{facts.name} is {facts.limit}, used {facts.used}"
    if facts.frees_up_at is not None:
        message += f"; it frees up at {facts.frees_up_at}"
    event = draft.reject(Code.LIMIT_EXCEEDED, message, "amount_minor")
    event.limit = LimitFacts(facts.name, facts.limit, facts.used, facts.frees_up_at, version)
    return event


def credit_limit_minor(wallet: Wallet, asset: str) -> int:
    """How far below zero what is available may go, in all sub-wallets together."""
    own = None if wallet.terms is None else wallet.terms.limits.get(asset)
    return 0 if own is None else own.credit_limit_minor or 0


def takes_below_credit(state: LedgerState, wallet: Wallet, journal: Journal, account: str, asset: str) -> bool:
    """True where a journal takes from the wallet's account and leaves it less than its credit: such a one is forced."""
    if sum_minor(journal.entries, account, asset) >= 0:
        return False
    after = {one.account: one.balance_minor for one in journal.balances if one.asset == asset}
    balance_minor = after[account]
    return balance_minor < 0 and balance_minor < -_credit_left_minor(state, wallet, account, asset, after)


def spendable_minor(state: LedgerState, wallet: Wallet, account: str, asset: str) -> int:
    """What may leave an account: what is available, and the wallet's credit."""
    available_minor = state.balance_minor(account, asset)
    if wallet.terms is None:
        return available_minor
    return available_minor + _credit_left_minor(state, wallet, account, asset)


def _credit_left_minor(
    state: LedgerState, wallet: Wallet, account: str, asset: str, after: Mapping[str, int] = MappingProxyType({})
) -> int:
    """What of the wallet's credit its other sub-wallets leave an account: what they owe is owed by the same wallet.

    An escrow has none: it keeps somebody else's money, and pays no more than was put into it. `after` has the balances
    that are about to be others, by account.
    """
    credit_minor = credit_limit_minor(wallet, asset)
    if not credit_minor or len(wallet.sub_wallets) == 1:
        return credit_minor
    wallet_id, sub_wallet, _ = account.split("/")
    if wallet.sub_wallets[sub_wallet].payee_wallet_id is not None:
        return 0
    others = [available(wallet_id, name) for name in wallet.sub_wallets]
    balances = [after.get(one, state.balance_minor(one, asset)) for one in others if one != account]
    return max(0, credit_minor + sum([minor for minor in balances if minor < 0]))


def tier_of(wallet: Wallet, reference: Reference) -> str | None:
    """Name and version of a wallet's tier; None where it has none, or one that is not configured any more."""
    return None if wallet.terms is None else _Agreed(wallet.terms, reference, "").tier_version


def over_cap(
    state: LedgerState, wallet: Wallet, wallet_id: str, reference: Reference, asset: str, amount_minor: int
) -> LimitFacts | None:
    """The cap that a wallet would hold more than with this amount; None where there is none, or room below it."""
    terms = wallet.terms
    if terms is None:
        return None
    agreed = _Agreed(terms, reference, asset)
    cap_minor, is_tiers = agreed.find("balance_cap_minor")
    if cap_minor is None:
        return None
    keys = [key for key in state.accounts.get(wallet_id) or () if key.endswith(f" {asset}")]
    held_minor = sum([state.balances.get(key) or 0 for key in keys])
    if held_minor + amount_minor <= cap_minor:
        return None
    version = agreed.tier_version if is_tiers else None
    # Each account of a wallet fits int64, which all of them together may not.
    return LimitFacts("balance_cap_minor", cap_minor, min(held_minor, INT64_MAX), tier=version)


def refuse_cap(
    draft: Draft, state: LedgerState, wallet: Wallet, reference: Reference, asset: str, amount_minor: int
) -> LedgerEvent | None:
    """A rejection where the wallet would hold more than was agreed."""
    facts = over_cap(state, wallet, draft.command.wallet_id, reference, asset, amount_minor)
    draft.tier = tier_of(wallet, reference)
    if facts is None:
        return None
    message = f"{facts.name} is {facts.limit}, the wallet holds {facts.used}"
    event = draft.reject(Code.LIMIT_EXCEEDED, message, "amount_minor")
    event.limit = facts
    return event
