"""What each event must post: one row for each move of a transaction, the whole of what moves money.

An operation that comes gets its rows here. An event that no row knows is wrong, whatever it posts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from schemas import events as ev
from schemas.events import Entry, LedgerEvent

#: Names the account that one side of a posting must be of, from the event's own fields.
Side = Callable[[LedgerEvent], str]


class Posting(NamedTuple):
    """Exactly two entries of the event's `amount_minor` and `asset`: `debit` is debited, `credit` credited."""

    debit: Side
    credit: Side


class Inverse(NamedTuple):
    """Exactly what the transaction's first move has posted, taken back; `Transactions` knows what that was."""


class Nothing(NamedTuple):
    """No entries at all."""


Rule = Posting | Inverse | Nothing


class Move(NamedTuple):
    """What tells one row from another; `is_later` where the transaction was under way before the event."""

    type: str
    operation: str | None
    leg: str | None
    is_later: bool


def _own(event: LedgerEvent) -> str:
    return f"{event.wallet_id}/{event.sub_wallet}/available"


def _payee(event: LedgerEvent) -> str:
    payee = event.counterparty
    return "" if payee is None else f"{payee.wallet_id}/{payee.sub_wallet}/available"


def _rail(event: LedgerEvent) -> str:
    return f"system/rail:{event.rail}"


def _transit(_event: LedgerEvent) -> str:
    return "system/transit"


_FIRST, _LATER = False, True

POSTINGS: Final[dict[Move, Rule]] = {
    Move(ev.TRANSACTION_SETTLED, "credit", None, _FIRST): Posting(_rail, _own),
    Move(ev.TRANSACTION_SETTLED, "debit", None, _FIRST): Posting(_own, _rail),
    Move(ev.TRANSACTION_SETTLED, "transfer", None, _FIRST): Posting(_own, _payee),
    Move(ev.TRANSACTION_FAILED, "transfer", None, _FIRST): Nothing(),
    Move(ev.TRANSACTION_PROCESSED, "transfer", None, _FIRST): Posting(_own, _transit),
    Move(ev.TRANSFER_RECEIVED, "transfer", "credit", _FIRST): Posting(_transit, _own),
    Move(ev.TRANSFER_REFUSED, "transfer", "credit", _FIRST): Nothing(),
    Move(ev.TRANSACTION_SETTLED, "transfer", None, _LATER): Nothing(),
    Move(ev.TRANSACTION_FAILED, "transfer", None, _LATER): Inverse(),
}

#: Operations that may take a balance below its limit. None does in this release.
MAY_BE_FORCED: Final[frozenset[str]] = frozenset()


def rule_of(event: LedgerEvent) -> Rule | None:
    """The row for an event that moves a transaction; None where there is none."""
    return POSTINGS.get(Move(event.type, event.operation, event.leg, event.from_state is not None))


def why_wrong_posting(rule: Rule | None, event: LedgerEvent) -> str:
    """What is wrong with the event's entries by its row; empty where they are as they must be.

    Whether a compensation is the inverse of what was posted first is not judged here.
    """
    entries = event.entries
    if rule is None:
        return f"no posting is known for {event.type} of {event.operation}"
    if type(rule) is Posting:
        debit, credit = rule.debit(event), rule.credit(event)
        if _moves(entries, debit, credit, event.asset, event.amount_minor):
            return ""
        return f"{event.amount_minor} {event.asset} must go from {debit} to {credit}, it posts {_told(entries)}"
    if type(rule) is Nothing and entries:
        return f"{event.type} of {event.operation} must post nothing here, it posts {_told(entries)}"
    return ""


def _moves(entries: tuple[Entry, ...], debit: str, credit: str, asset: str | None, amount_minor: int | None) -> bool:
    if len(entries) != 2:
        return False
    first, second = entries
    if first.credit_minor:
        first, second = second, first
    return (
        first.account == debit
        and second.account == credit
        and first.debit_minor == amount_minor
        and second.credit_minor == amount_minor
        and first.asset == asset
        and second.asset == asset
        and not first.credit_minor
        and not second.debit_minor
    )


def _told(entries: tuple[Entry, ...]) -> str:
    return ", ".join(f"{e.account} -{e.debit_minor} +{e.credit_minor} {e.asset}" for e in entries) or "nothing"
