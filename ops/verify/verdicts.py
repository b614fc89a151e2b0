"""What can be said of an event from its type, operation, command and states alone: once for all events alike."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, NamedTuple

from ops.verify.postings import NOTES, PLAIN, Rule, rule_of
from schemas import events as ev
from schemas.events import LedgerEvent
from schemas.lifecycle import TRANSITIONS, State, Verb, is_legal_path

_LAST_STATE: Final = {
    ev.TRANSACTION_INITIATED: "initiated",
    ev.TRANSACTION_PROCESSED: "processed",
    ev.TRANSACTION_SUBMITTED: "processed",
    ev.TRANSACTION_SETTLED: "settled",
    ev.TRANSACTION_FAILED: "failed",
    ev.TRANSACTION_CANCELED: "canceled",
    ev.TRANSACTION_DISPUTED: "disputed",
    ev.TRANSACTION_REVERSED: "reversed",
    ev.TRANSFER_RECEIVED: "settled",
    ev.TRANSFER_REFUSED: "failed",
}
#: Types of events that open a transaction, move one on, or are about one.
OF_TRANSACTIONS: Final = frozenset({*_LAST_STATE, ev.TRANSACTION_RETURNED, ev.REWARD_EXPIRED, *NOTES})


class Kind(Enum):
    """What an event does to a transaction."""

    #: It is of none.
    NONE = auto()
    #: Opens and settles one that acts on no other, as most events do.
    SETTLES = auto()
    OPENS = auto()
    MOVES = auto()
    #: Settles a transfer to another partition.
    ACCEPTED = auto()
    #: Is about one and leaves its state.
    NOTES = auto()


class Verdict(NamedTuple):
    """What holds of all events alike."""

    kind: Kind
    #: What is wrong with its path, empty where nothing is.
    why_illegal: str
    rule: Rule | None


def verdict_of(event: LedgerEvent) -> Verdict:
    """The verdict on an event, from nothing but its type, operation, leg, command, path and states."""
    if event.type in NOTES:
        why = "it leaves a state and must pass none" if event.path or event.from_state else ""
        return Verdict(Kind.NOTES, why, rule_of(event))
    if event.type not in OF_TRANSACTIONS and not event.path:
        return Verdict(Kind.NONE, "", None)
    kind = Kind.OPENS if event.from_state is None else Kind.MOVES
    if event.operation in PLAIN and event.type in (ev.TRANSACTION_SETTLED, ev.TRANSFER_RECEIVED):
        kind = Kind.SETTLES if kind is Kind.OPENS else Kind.MOVES
        if event.operation == "transfer" and event.command is None and kind is Kind.MOVES:
            kind = Kind.ACCEPTED
    return Verdict(kind, _why_illegal(event), rule_of(event))


def verb_of(event: LedgerEvent) -> str:
    """What has moved a transaction on; without a command the payee's partition has answered."""
    return event.command or ("accept" if event.to_state == "settled" else "refuse")


def _why_illegal(event: LedgerEvent) -> str:
    path, last = event.path, _LAST_STATE.get(event.type)
    if not is_legal_path(event.operation or "", path):
        return f"{event.operation} may not pass {' -> '.join(path) or 'no state'}"
    if event.to_state != path[-1] or (last is not None and last != path[-1]):
        return f"{event.type} says {event.to_state!r}, its path ends in {path[-1]!r}"
    first = State.INITIATED.value if event.from_state is None else event.from_state
    if path[0] != first:
        return f"the path begins with {path[0]!r} instead of {first!r}"
    return "" if event.from_state is None else _why_not_by(event)


def _why_not_by(event: LedgerEvent) -> str:
    """What is wrong with a move by what has caused it."""
    verb = verb_of(event)
    try:
        following = TRANSITIONS[event.operation or ""][State(event.from_state or "")].get(Verb(verb), frozenset())
    except (ValueError, KeyError):
        following = frozenset()
    if event.to_state in following:
        return ""
    return f"{verb} does not bring {event.operation} from {event.from_state} to {event.to_state}"
