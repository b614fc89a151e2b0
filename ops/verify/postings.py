"""What each event must post: one row for each move of a transaction, the whole of what moves money.

An operation that comes gets its rows here. An event that no row knows is wrong, whatever it posts. The sums of a row
follow from the event, from what its request asked for, and from what the auditor knows of the transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from ops.verify import accounts, journals, screening
from ops.verify.findings import Check
from ops.verify.journals import Case, Side, merged
from ops.verify.known import Sum, sums_of
from schemas import events as ev
from schemas.events import Entry, LedgerEvent


class Posting(NamedTuple):
    """Exactly two entries of the event's `amount_minor` and `asset`: `debit` is debited, `credit` credited."""

    debit: Side
    credit: Side


class Sums(NamedTuple):
    """Exactly one entry for each account and asset; `check` is what an event has failed that posts others."""

    of: Callable[[Case], Iterable[Sum]]
    check: Check = Check.WRONG_POSTING


class Nothing(NamedTuple):
    """No entries at all."""


Rule = Posting | Sums | Nothing


class Move(NamedTuple):
    """What tells one row from another: `command` as in the event, `is_later` where there was the transaction before."""

    type: str
    operation: str | None
    leg: str | None
    command: str | None
    is_later: bool


_PROCESSED, _SETTLED, _FAILED = ev.TRANSACTION_PROCESSED, ev.TRANSACTION_SETTLED, ev.TRANSACTION_FAILED
_CANCELED, _DISPUTED, _REVERSED = ev.TRANSACTION_CANCELED, ev.TRANSACTION_DISPUTED, ev.TRANSACTION_REVERSED

#: Operations whose transactions may go to another wallet, and then to another partition.
_TO_WALLETS: Final = ("transfer", "capture", "refund", "reverse")
#: Operations whose transactions may go over a rail that settles later.
_OVER_RAILS: Final = ("credit", "debit", "capture", "refund")
#: Operations that may be asked for ahead of their time.
_SCHEDULED: Final = ("credit", "debit", "transfer", "convert", "fee")

_OUTGOING: Final = journals.own_bucket(accounts.OUTGOING)
_INCOMING: Final = journals.own_bucket(accounts.INCOMING)

#: Type and operation of an event that opens a transaction -> what it must post.
_OPENING: Final[dict[tuple[str, str], Rule]] = {
    (_SETTLED, "credit"): Posting(journals.rail, journals.own),
    (_PROCESSED, "credit"): Posting(journals.rail_pending, _INCOMING),
    (_SETTLED, "debit"): Posting(journals.own, journals.rail),
    (_PROCESSED, "debit"): Posting(journals.own, _OUTGOING),
    (_SETTLED, "transfer"): Posting(journals.own, journals.other),
    (_PROCESSED, "transfer"): Posting(journals.own, journals.transit),
    (_PROCESSED, "authorize"): Posting(journals.own, journals.own_bucket(accounts.HELD)),
    (_SETTLED, "capture"): Sums(journals.captured(journals.rail, journals.other)),
    (_PROCESSED, "capture"): Sums(journals.captured(_OUTGOING, journals.transit)),
    (_SETTLED, "convert"): Posting(journals.own, journals.own),
    (_SETTLED, "fee"): Posting(journals.own, journals.fees),
    (_SETTLED, "reward"): Posting(journals.rewards, journals.own),
    (_SETTLED, "batch"): Nothing(),
    (_SETTLED, "refund"): Sums(journals.refunded),
    (_PROCESSED, "refund"): Sums(journals.refund_begun),
    (_DISPUTED, "dispute"): Sums(journals.contested),
    (_SETTLED, "reverse"): Sums(journals.taken_back),
    (_PROCESSED, "reverse"): Sums(journals.reverse_begun),
    (_SETTLED, "adjust"): Sums(journals.adjusted),
    **{(_FAILED, operation): Nothing() for operation in _TO_WALLETS},
    **{(ev.TRANSACTION_INITIATED, operation): Nothing() for operation in _SCHEDULED},
    (ev.TRANSACTION_INITIATED, "debit"): Sums(screening.held_first),
}

#: What fails or is canceled gives back what it had set aside.
GIVEN_BACK: Final = Sums(journals.given_back, Check.WRONG_COMPENSATION)
_RELEASED: Final = Sums(journals.released)

#: Type, operation and command of an event that moves a transaction on -> what it must post. Without a command the
#: payee's partition has answered.
_MOVING: Final[dict[tuple[str, str, str | None], Rule]] = {
    **{(_SETTLED, operation, None): Nothing() for operation in _TO_WALLETS},
    **{(_FAILED, operation, None): GIVEN_BACK for operation in _TO_WALLETS},
    **{(ev.TRANSACTION_SUBMITTED, operation, "submit"): Nothing() for operation in _OVER_RAILS},
    **{(_SETTLED, operation, "settle"): Sums(journals.settled) for operation in _OVER_RAILS},
    **{(_FAILED, operation, "fail"): GIVEN_BACK for operation in _OVER_RAILS},
    **{(_CANCELED, operation, "cancel"): GIVEN_BACK for operation in _OVER_RAILS},
    **{(ev.TRANSACTION_RETURNED, operation, "return"): Sums(journals.returned) for operation in _OVER_RAILS},
    (_CANCELED, "authorize", "cancel"): _RELEASED,
    **{
        (type_, "authorize", command): _RELEASED
        for type_, command in (
            *((_CANCELED, "release"), (_SETTLED, "release"), (_CANCELED, "expire"), (_SETTLED, "expire")),
            (_SETTLED, "capture"),
        )
    },
    **{(type_, "dispute", "resolve_dispute"): Sums(journals.resolved) for type_ in (_SETTLED, _REVERSED)},
    # Originals, by what acted on them.
    **{
        (type_, operation, command): Nothing()
        for operation in ("credit", "debit", "capture")
        for type_, command in (
            *((_DISPUTED, "dispute"), (_SETTLED, "resolve_dispute"), (_REVERSED, "resolve_dispute")),
            (_REVERSED, "reverse"),
        )
    },
    **{(_REVERSED, operation, "reverse"): Nothing() for operation in ("transfer", "convert", "fee", "reward")},
    (ev.REWARD_EXPIRED, "reward", "expire"): Sums(journals.reward_expired),
    # What was asked for ahead of its time is opened then, or fails; canceled, it has set nothing aside.
    **{
        (type_, operation, "execute"): rule
        for (type_, operation), rule in _OPENING.items()
        if operation in _SCHEDULED and type_ in (_SETTLED, _PROCESSED)
    },
    **{(_FAILED, operation, "execute"): Nothing() for operation in _SCHEDULED},
    **{(_CANCELED, operation, "cancel"): Nothing() for operation in ("transfer", "convert", "fee")},
    # Nobody has said in time that it may go.
    (_FAILED, "debit", "expire"): GIVEN_BACK,
}

POSTINGS: Final[dict[Move, Rule]] = {
    **{Move(*key, None, None, False): rule for key, rule in _OPENING.items()},
    **{Move(type_, operation, None, command, True): rule for (type_, operation, command), rule in _MOVING.items()},
    # The payee's side.
    **{
        Move(ev.TRANSFER_RECEIVED, kind, "credit", None, False): Posting(journals.transit, journals.own)
        for kind in ("transfer", "capture")
    },
    **{
        Move(ev.TRANSFER_RECEIVED, kind, "credit", None, False): Sums(journals.received_back)
        for kind in ("refund", "reverse")
    },
    **{Move(ev.TRANSFER_REFUSED, kind, "credit", None, False): Nothing() for kind in _TO_WALLETS},
    **{Move(_REVERSED, kind, "credit", "reverse", True): Nothing() for kind in ("transfer", "capture")},
    # What a rail says again, or says otherwise than the ledger.
    **{
        Move(ev.TRANSACTION_CONFIRMED, operation, None, command, True): Nothing()
        for operation in _OVER_RAILS
        for command in ("submit", "settle", "fail", "return")
    },
    **{
        Move(ev.TRANSACTION_CONTRADICTED, operation, None, command, True): Sums(journals.contradicted)
        for operation in _OVER_RAILS
        for command in ("settle", "return")
    },
    # What screening says of a payment that waits for it, or does not say.
    Move(ev.TRANSACTION_SCREENED, "debit", None, "screening_verdict", True): GIVEN_BACK,
    Move(ev.TRANSACTION_OVERDUE, "debit", None, "expire", True): Nothing(),
}

#: Operations that act on no other transaction and may be settled when they are opened -> what they must post then.
PLAIN: Final[dict[str | None, Rule]] = {
    operation: _OPENING[_SETTLED, operation] for operation in ("credit", "debit", "transfer")
}

#: Commands that nothing refuses: they may take what a wallet has available below zero.
MAY_BE_FORCED: Final = frozenset({"refund", "dispute", "return", "reverse", "resolve_dispute"})

#: Operations that may charge a fee in their own journal.
MAY_CHARGE_FEES: Final = frozenset(
    {"credit", "debit", "transfer", "authorize", "capture", "convert", "refund", "dispute"}
)


def rule_of(event: LedgerEvent) -> Rule | None:
    """The row for an event of a transaction; None where there is none."""
    is_later = event.from_state is not None or event.type in NOTES
    return POSTINGS.get(Move(event.type, event.operation, event.leg, event.command, is_later))


#: Types of events that are about a transaction and leave it in its state.
NOTES: Final = frozenset(
    {ev.TRANSACTION_CONFIRMED, ev.TRANSACTION_CONTRADICTED, ev.TRANSACTION_SCREENED, ev.TRANSACTION_OVERDUE}
)


def may_be_forced(event: LedgerEvent) -> bool:
    """True where what the event is caused by may take available money below zero."""
    if event.operation == "refund" and event.command in ("fail", "cancel"):
        return True  # the fee that came back with it may be spent
    return (event.command or event.operation) in MAY_BE_FORCED


def why_wrong_posting(rule: Rule | None, case: Case) -> str:
    """What is wrong with the event's entries by its row; empty where they are as they must be."""
    event = case.event
    entries = event.entries
    if rule is None:
        return f"no posting is known for {event.type} of {event.operation}"
    if event.fee is not None or event.exchange is not None:
        return _why_wrong_within(rule, case)
    if type(rule) is Posting:
        debit, credit = rule.debit(event), rule.credit(event)
        if moves(entries, debit, credit, event.asset, event.amount_minor):
            return ""
        return f"{event.amount_minor} {event.asset} must go from {debit} to {credit}, it posts {_told(entries)}"
    if type(rule) is Sums:
        return _difference(rule.of(case), event)
    if entries:
        return f"{event.type} of {event.operation} must post nothing here, it posts {_told(entries)}"
    return ""


def _why_wrong_within(rule: Rule, case: Case) -> str:
    """A journal with something else in it: a row for itself, exchanged on its way, and what is posted beside."""
    event = case.event
    is_charged = event.fee is not None and event.leg is None
    if is_charged and event.operation not in MAY_CHARGE_FEES:
        return f"no fee is known of {event.operation}"
    if is_charged and event.operation == "dispute" and (case.original is None or case.original.operation != "credit"):
        return "a dispute of what went out costs its wallet nothing"
    plain: Iterable[Sum] = ()
    if type(rule) is Posting:
        # What is exchanged for a payee elsewhere was exchanged where it comes from.
        through = journals.through if event.leg is None else journals.from_to
        plain = through(event, rule.debit(event), rule.credit(event))
    elif type(rule) is Sums:
        plain = rule.of(case)
    return _difference(merged([*plain, *(journals.fee(event) if is_charged else ())]), event)


def moves(entries: tuple[Entry, ...], debit: str, credit: str, asset: str | None, amount_minor: int | None) -> bool:
    """True where the entries move the amount from one account to another, and nothing else."""
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


def _difference(expected: Iterable[Sum], event: LedgerEvent) -> str:
    wanted = sorted(expected)
    if sorted(merged(sums_of(event.entries))) == wanted:
        return ""
    due = ", ".join(f"{account} {minor:+} {asset}" for account, asset, minor in wanted) or "nothing"
    return f"{event.command or event.operation} must post {due}, it posts {_told(event.entries)}"


def _told(entries: tuple[Entry, ...]) -> str:
    return ", ".join(f"{e.account} -{e.debit_minor} +{e.credit_minor} {e.asset}" for e in entries) or "nothing"
