"""What a journal must add to which account: computed from an event, its request, and what is known without it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from ops.verify import accounts
from ops.verify.asked import Asked, read_kept
from ops.verify.known import Known, Sum, sums_of
from schemas.events import LedgerEvent
from schemas.money import INT64_MAX

#: Names the account that one side of a posting must be of, from the event's own fields.
Side = Callable[[LedgerEvent], str]


class Case(NamedTuple):
    """An event that moves a transaction, and what is known without it."""

    event: LedgerEvent
    #: The transaction as it was before; None where the event opens it.
    known: Known | None
    #: The transaction that it acts on.
    original: Known | None
    #: Of a reward that expires what is left to take back, wherever its wallet has moved it.
    left: tuple[Sum, ...] = ()
    #: Of a return what the wallet can take.
    room_minor: int = INT64_MAX

    @property
    def asked(self) -> Asked:
        """The request that the event keeps; without any field where it keeps none."""
        return read_kept(self.event)


def merged(sums: Iterable[Sum]) -> list[Sum]:
    """One sum for each account and asset, without those that are 0."""
    total: dict[tuple[str, str], int] = {}
    for account, asset, minor in sums:
        total[account, asset] = total.get((account, asset), 0) + minor
    return [(account, asset, minor) for (account, asset), minor in total.items() if minor]


# ---- sides, from the event alone ------------------------------------------------------------------------


def own(event: LedgerEvent) -> str:
    """What its own sub-wallet can spend."""
    return f"{event.wallet_id}/{event.sub_wallet}/available"


def own_bucket(name: str) -> Side:
    """Another bucket of its own sub-wallet."""
    return lambda event: accounts.bucket(event.wallet_id, event.sub_wallet, name)


def other(event: LedgerEvent) -> str:
    """What the other wallet can spend."""
    party = event.counterparty
    return "" if party is None else f"{party.wallet_id}/{party.sub_wallet}/available"


def rail(event: LedgerEvent) -> str:
    """What is settled with the event's rail."""
    return f"system/rail:{event.rail}"


def rail_pending(event: LedgerEvent) -> str:
    """What is announced over the event's rail."""
    return accounts.rail_pending(event.rail)


def fees(_event: LedgerEvent) -> str:
    """What was charged."""
    return accounts.FEES


def rewards(_event: LedgerEvent) -> str:
    """What was given as rewards."""
    return accounts.REWARDS


def transit(_event: LedgerEvent) -> str:
    """What is on its way to another partition."""
    return accounts.TRANSIT


#: Where what is reversed within a wallet goes from and to, by what it was.
_AGAINST: Final[dict[str, tuple[Side, Side]]] = {
    "convert": (own, own),
    "fee": (fees, own),
    "reward": (own, rewards),
}


# ---- sums, from what is known ---------------------------------------------------------------------------


def _flow(asset: str | None, *moves: tuple[str, int]) -> list[Sum]:
    return merged((account, asset or "", minor) for account, minor in moves)


def from_to_minor(event: LedgerEvent, debit: str, credit: str, minor: int) -> list[Sum]:
    """So much of the event's asset from one account to another."""
    return _flow(event.asset, (debit, -minor), (credit, minor))


def from_to(event: LedgerEvent, debit: str, credit: str) -> list[Sum]:
    """The event's amount from one account to another."""
    amount_minor = event.amount_minor or 0
    return _flow(event.asset, (debit, -amount_minor), (credit, amount_minor))


def through(event: LedgerEvent, debit: str, credit: str) -> list[Sum]:
    """The same, exchanged on its way where the event says so."""
    exchange = event.exchange
    if exchange is None:
        return from_to(event, debit, credit)
    given = (
        (debit, exchange.from_asset, -exchange.from_minor),
        (accounts.FX, exchange.from_asset, exchange.from_minor),
    )
    got = ((accounts.FX, exchange.to_asset, -exchange.to_minor), (credit, exchange.to_asset, exchange.to_minor))
    return merged((*given, *got))


def captured(to_rail: Side, to_payee: Side) -> Callable[[Case], list[Sum]]:
    """Held, as far as there is any left, and available for the rest, to the rail or the payee."""

    def sums(case: Case) -> list[Sum]:
        event, hold = case.event, None if case.original is None else case.original.hold
        amount_minor = event.amount_minor or 0
        held_minor = 0 if hold is None else min(amount_minor, hold.remaining_minor)
        to = to_rail if event.counterparty is None else to_payee
        held = accounts.bucket(event.wallet_id, event.sub_wallet, accounts.HELD)
        moves = ((held, -held_minor), (own(event), held_minor - amount_minor), (to(event), amount_minor))
        return _flow(event.asset, *moves)

    return sums


def released(case: Case) -> list[Sum]:
    """Held, as far as there is any left, to available."""
    known = case.known
    if known is None or known.hold is None:
        return []
    left_minor = known.hold.remaining_minor
    held = accounts.bucket(known.wallet_id, known.sub_wallet, accounts.HELD)
    return _flow(known.asset, (held, -left_minor), (accounts.available(known.wallet_id, known.sub_wallet), left_minor))


def given_back(case: Case) -> list[Sum]:
    """The inverse of what was set aside; what was held is available where its authorization is over."""
    known = case.known
    if known is None:
        return []
    held = accounts.bucket(known.wallet_id, known.sub_wallet, accounts.HELD)
    is_held_again = known.original is not None and known.original.hold is not None
    to = held if is_held_again else accounts.available(known.wallet_id, known.sub_wallet)
    set_aside = sums_of(known.journal)
    if known.screening is not None:
        to = held  # it is held for itself, not for an authorization
    return merged((to if account == held else account, asset, -minor) for account, asset, minor in set_aside)


def settled(case: Case) -> list[Sum]:
    """What the rail has settled is the wallet's or the rail's, the rest goes back; the rail's fee is ours."""
    known, facts = case.known, case.event.rail_facts
    if known is None or facts is None:
        return []
    amount_minor, fee_minor = known.amount_minor, facts.rail_fee_minor or 0
    settled_minor = amount_minor if facts.settled_minor is None else facts.settled_minor
    available, over = accounts.available(known.wallet_id, known.sub_wallet), accounts.rail(known.rail)
    fee = ((accounts.FEES, -fee_minor), (over, fee_minor))
    if known.is_inflow:
        incoming = accounts.bucket(known.wallet_id, known.sub_wallet, accounts.INCOMING)
        announced = ((incoming, -amount_minor), (accounts.rail_pending(known.rail), amount_minor))
        return _flow(known.asset, *announced, (available, settled_minor), (over, -settled_minor), *fee)
    outgoing = accounts.bucket(known.wallet_id, known.sub_wallet, accounts.OUTGOING)
    back = (available, amount_minor - settled_minor)
    return _flow(known.asset, (outgoing, -amount_minor), back, (over, settled_minor), *fee)


def contradicted(case: Case) -> list[Sum]:
    """Between the rail and suspense: the wallet has nothing to do with it."""
    event, known = case.event, case.known
    if known is None:
        return []
    over, facts = accounts.rail(known.rail), event.rail_facts
    fee_minor = 0 if facts is None else facts.rail_fee_minor or 0
    is_in = known.is_inflow is (event.command != "return")
    booked = from_to(event, *((over, accounts.SUSPENSE) if is_in else (accounts.SUSPENSE, over)))
    return merged([*booked, *_flow(known.asset, (accounts.FEES, -fee_minor), (over, fee_minor))])


def unbooked_minor(case: Case, known: Known) -> int:
    """What of a return operators have not booked: they may have reversed the transaction by it."""
    asked, counter = case.asked, known.counter
    if not isinstance(asked.amount_minor, int):
        return 0
    is_reversed = counter is not None and counter.reversed_by == asked.rail_reference
    return max(0, asked.amount_minor - (counter.reversed_minor if counter is not None and is_reversed else 0))


def returned_minor(case: Case, known: Known) -> int:
    """What of a return is the wallet's to bear, or to get: what is left of the transaction, and has room there."""
    return min(unbooked_minor(case, known), max(0, known.left_minor), case.room_minor)


def returned(case: Case) -> list[Sum]:
    """The wallet's part, and beyond that suspense."""
    known = case.known
    if known is None:
        return []
    total_minor, own_minor = unbooked_minor(case, known), returned_minor(case, known)
    sign = -1 if known.is_inflow else 1
    return _flow(
        known.asset,
        (accounts.available(known.wallet_id, known.sub_wallet), sign * own_minor),
        (accounts.SUSPENSE, sign * (total_minor - own_minor)),
        (accounts.rail(known.rail), -sign * total_minor),
    )


def refunded(case: Case) -> list[Sum]:
    """Back over the rail, or to the wallet that paid."""
    event = case.event
    back = (rail(event), own(event)) if event.counterparty is None else (own(event), other(event))
    return merged([*through(event, *back), *fee_returned(event)])


def refund_begun(case: Case) -> list[Sum]:
    """Announced over the rail, or on its way to the wallet that paid."""
    event = case.event
    if event.counterparty is not None:
        return from_to(event, own(event), accounts.TRANSIT)
    announced = from_to(
        event, rail_pending(event), accounts.bucket(event.wallet_id, event.sub_wallet, accounts.INCOMING)
    )
    return merged([*announced, *fee_returned(event)])


def received_back(case: Case) -> list[Sum]:
    """What is taken back from another partition: exchanged back, with what is given back of the fee."""
    event = case.event
    return merged([*through(event, accounts.TRANSIT, own(event)), *fee_returned(event)])


def reverse_begun(case: Case) -> list[Sum]:
    """On its way to the wallet that paid, in the asset that was got."""
    return from_to(case.event, own(case.event), accounts.TRANSIT)


def contested(case: Case) -> list[Sum]:
    """Of a credit the wallet's money, of what went out an advance."""
    event, original = case.event, case.original
    is_credit = original is not None and original.operation == "credit"
    disputed = accounts.bucket(event.wallet_id, event.sub_wallet, accounts.DISPUTED)
    return from_to(event, own(event) if is_credit else accounts.CHARGEBACKS, disputed)


def resolved(case: Case) -> list[Sum]:
    """Of a credit: back, or to the rail; of what went out: the advance back, or the wallet's and the rail's to bear."""
    known = case.known
    if known is None or known.original is None:
        return []
    original, minor = known.original, known.amount_minor
    disputed = accounts.bucket(known.wallet_id, known.sub_wallet, accounts.DISPUTED)
    available, over = accounts.available(known.wallet_id, known.sub_wallet), accounts.rail(original.rail)
    is_settled = case.event.to_state == "settled"
    if original.operation == "credit":
        return _flow(known.asset, (disputed, -minor), (available if is_settled else over, minor))
    if is_settled:
        return _flow(known.asset, (disputed, -minor), (accounts.CHARGEBACKS, minor))
    advanced = ((over, -minor), (accounts.CHARGEBACKS, minor))
    return _flow(known.asset, (disputed, -minor), (available, minor), *advanced)


def taken_back(case: Case) -> list[Sum]:
    """To the wallet that paid, or over the rail: against adjustments, or the rail where it has returned the money."""
    event, original = case.event, case.original
    if event.counterparty is not None:
        return merged([*through(event, own(event), other(event)), *fee_returned(event)])
    if original is not None and original.operation in _AGAINST:
        debit, credit = (side(event) for side in _AGAINST[original.operation])
        return merged([*through(event, debit, credit), *fee_returned(event)])
    against = accounts.ADJUSTMENTS
    if original is not None and isinstance(case.asked.rail_reference, str):
        against = accounts.rail(original.rail)
    is_credit = original is not None and original.operation == "credit"
    sides = (own(event), against) if is_credit else (against, own(event))
    return merged([*from_to(event, *sides), *fee_returned(event)])


def adjusted(case: Case) -> list[Sum]:
    """Between the two accounts that operators name."""
    asked = case.asked
    return from_to(case.event, str(asked.from_account), str(asked.to_account))


def reward_expired(case: Case) -> list[Sum]:
    """What is left of it, as far as it is still there: forced postings may have taken it."""
    taken = [(account, asset, -minor) for account, asset, minor in case.left]
    return merged([*taken, *((accounts.REWARDS, asset, minor) for _, asset, minor in case.left)])


def fee_returned(event: LedgerEvent) -> list[Sum]:
    """What is given back of the original's fee: to whom the rest is given back, in the asset that it was paid in."""
    minor, exchange = event.fee_returned_minor or 0, event.exchange
    to = other(event) if event.counterparty is not None and event.leg is None else own(event)
    return _flow(event.asset if exchange is None else exchange.to_asset, (accounts.FEES, -minor), (to, minor))


def fee(event: LedgerEvent) -> list[Sum]:
    """A fee within another operation: in the same journal, from what is available."""
    charged = event.fee
    if charged is None:
        return []
    return _flow(charged.asset, (own(event), -charged.amount_minor), (accounts.FEES, charged.amount_minor))
