"""Moves of a transaction that there is: what must stay as it was, what is left, and what becomes of it."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import UNSET

from ops.verify import screening
from ops.verify.findings import Check
from ops.verify.journals import Case, returned_minor
from ops.verify.known import Known
from ops.verify.originals import Wrong, count_end, due_state
from ops.verify.postings import NOTES
from ops.verify.verdicts import verb_of
from schemas.events import REWARD_EXPIRED, TRANSACTION_CONFIRMED, TRANSACTION_CONTRADICTED, LedgerEvent
from schemas.lifecycle import ENDED_UNSETTLED, OVER_RAIL, State, Verb, is_allowed


class FollowUp(NamedTuple):
    """A move that the ledger makes of its own right behind the event that calls for it."""

    known: Known
    command: str
    to_state: str
    #: False where the ledger may have forgotten the transaction, which then stays as it is.
    is_sure: bool = True

    def is_by(self, event: LedgerEvent) -> bool:
        """True where the event is that move."""
        known = self.known
        named = (event.transaction_id, event.leg, event.command, event.to_state)
        return named == (known.transaction_id, known.leg, self.command, self.to_state)

    @property
    def then(self) -> None:
        """Nothing must follow behind it."""
        return

    @property
    def sentence(self) -> str:
        """What is missing where it does not come."""
        known = self.known
        return f"{known.operation} {known.transaction_id} must be {self.to_state} after {self.command}, but stays"


def check_move(case: Case) -> list[Wrong]:
    """What is wrong with an event that moves `case.known` on, or is about it, but for its postings."""
    event, known = case.event, case.known
    assert known is not None
    key = known.transaction_id if known.leg is None else f"{known.transaction_id}/{known.leg}"
    is_note = event.type in NOTES
    wrongs: list[Wrong] = []
    if known.state != (event.to_state if is_note else event.from_state):
        sentence = f"transaction {key} moves on from {event.from_state}, but it is {known.state}"
        wrongs.append((Check.BROKEN_TRANSITION, sentence))
    was, now = _terms(known), _claims(event)
    if event.type == TRANSACTION_CONTRADICTED:
        was, now = was[:-1], now[:-1]
    if was != now:
        wrongs.append((Check.BROKEN_TRANSITION, f"transaction {key} was {was}, now it is {now}"))
    why = _why_not_noted(case, known) if is_note else _why_not_moved(case, known)
    if why:
        wrongs.append((Check.BROKEN_TRANSITION, f"transaction {key} {why}"))
    if event.type == TRANSACTION_CONTRADICTED and not isinstance(case.asked.settled_minor, int):
        if event.command == Verb.SETTLE and event.amount_minor != known.amount_minor:
            wrongs.append((Check.NOT_AS_ASKED, f"all of {known.amount_minor} was said to be settled"))
    elif not is_note and verb_of(event) == "settle" and not 0 < _settled_minor(event, known) <= known.amount_minor:
        sentence = f"{_settled_minor(event, known)} is settled of transaction {key}, which is {known.amount_minor}"
        wrongs.append((Check.EXCEEDS_ORIGINAL, sentence))
    elif not is_note and verb_of(event) == Verb.RETURN and _counted_minor(event) != returned_minor(case, known):
        sentence = f"{_counted_minor(event)} is returned of transaction {key}, it must be {returned_minor(case, known)}"
        wrongs.append((Check.WRONG_POSTING, sentence))
    return wrongs


def _counted_minor(event: LedgerEvent) -> int | None:
    return None if event.rail_facts is None else event.rail_facts.returned_minor


def _terms(known: Known) -> tuple[object, ...]:
    parent = known.parent_transaction_id
    return known.operation, known.wallet_id, known.sub_wallet, known.asset, parent, known.amount_minor


def _claims(event: LedgerEvent) -> tuple[object, ...]:
    parent = event.parent_transaction_id
    return event.operation, event.wallet_id, event.sub_wallet, event.asset, parent, event.amount_minor


def _settled_minor(event: LedgerEvent, known: Known) -> int:
    facts = event.rail_facts
    return known.amount_minor if facts is None or facts.settled_minor is None else facts.settled_minor


def _why_not_moved(case: Case, known: Known) -> str:
    """What forbids the move, beyond the table of states."""
    event = case.event
    verb = verb_of(event)
    if known.other is None and known.leg is None and verb in ("accept", "refuse"):
        return f"has no payee, and {verb} is its answer"
    if known.other is not None and verb in (*OVER_RAIL, Verb.CANCEL):
        return f"goes to another wallet, and {verb} is for what goes over a rail"
    if verb == Verb.CANCEL and known.batch_id is not None:
        return f"was submitted in batch {known.batch_id} and is canceled"
    if verb == Verb.CANCEL and known.hold is not None and known.hold.captured_minor:
        return "is canceled although something of it was captured"
    if verb == Verb.SUBMIT and known.batch_id is not None:
        return f"was submitted in batch {known.batch_id} and is submitted again"
    if verb == Verb.RESOLVE and known.operation != "dispute" and event.request is not UNSET:
        return "is no dispute, and resolve_dispute names one"
    if known.hold is not None:
        to_state = State.SETTLED if known.hold.captured_minor else State.CANCELED
        return "" if event.to_state == to_state else f"must be {to_state} by what was captured of it"
    if verb == Verb.RESOLVE and known.operation == "dispute" and isinstance(case.asked.won, bool):
        is_credit = known.original is not None and known.original.operation == "credit"
        to_state = State.SETTLED if case.asked.won is is_credit else State.REVERSED
        return "" if event.to_state == to_state else f"must be {to_state}, for won is {case.asked.won}"
    return ""


def _why_not_noted(case: Case, known: Known) -> str:
    """What is wrong with a note: what is confirmed has happened, what is contradicted has not."""
    event = case.event
    if known.other is not None:
        return "goes to another wallet, and no rail has a say in it"
    if event.type == TRANSACTION_CONTRADICTED:
        if event.command == Verb.RETURN:
            is_over = known.state in ENDED_UNSETTLED
            return "" if is_over else f"is {known.state}, and its return contradicts nothing"
        is_due = is_allowed(known.operation, known.state, Verb.SETTLE)
        return f"is {known.state} and can be settled: nothing contradicts it" if is_due else ""
    if event.command == Verb.SUBMIT and known.batch_id != case.asked.batch_id:
        return f"was submitted in batch {known.batch_id}, not as confirmed"
    if event.command == Verb.FAIL and known.state != State.FAILED:
        return f"is {known.state}, and its failure is confirmed"
    return "" if event.type == TRANSACTION_CONFIRMED else screening.why_not_noted(event, known)


def move(case: Case) -> None:
    """Change what is known as the event says, and what its original counts."""
    event, known = case.event, case.known
    assert known is not None
    verb, facts, was_open = verb_of(event), event.rail_facts, known.is_open
    known.state = event.to_state or ""
    if verb == Verb.SUBMIT:
        known.batch_id = "" if facts is None else facts.batch_id
    elif verb == Verb.SETTLE and _settled_minor(event, known) != known.amount_minor:
        known.counted().settled_minor = _settled_minor(event, known)
    elif verb == Verb.RETURN:
        _return(case, known)
    if was_open and not known.is_open:
        count_end(event, known)
        known.journal, known.hold = (), None


def _return(case: Case, known: Known) -> None:
    own_minor = returned_minor(case, known)
    known.counted().returned_minor += own_minor
    if known.original is not None:
        known.original.counted().refunded_minor -= own_minor


def remaining_after(case: Case, *, had_hold: bool) -> int | None:
    """What the event must say is left of the transaction after it."""
    event, known = case.event, case.known
    assert known is not None
    verb = verb_of(event)
    if (
        had_hold
        or verb == Verb.CANCEL
        or event.type == REWARD_EXPIRED
        or (verb == Verb.RESOLVE and known.operation == "dispute")
    ):
        return 0
    if verb in (Verb.RETURN, Verb.DISPUTE, Verb.RESOLVE, Verb.REVERSE):
        return known.left_minor
    return None


def why_not_due(known: Known, from_state: str) -> str:
    """What is wrong with the state of a transaction by what was taken back of it; empty where nothing is."""
    state = due_state(known, from_state)
    return "" if known.state == state else f"transaction {known.transaction_id} must be {state}, it is {known.state}"


def is_end_of_transfer(event: LedgerEvent, known: Known) -> bool:
    """True where the payee's partition has taken the money, and nothing else has to be looked at: as nearly always."""
    return (
        known.original is None
        and known.other is not None
        and not event.entries
        and event.remaining_minor is None
        and event.parent_transaction_id is None
        and known.state == event.from_state
        and known.amount_minor == event.amount_minor
        and known.asset == event.asset
        and known.wallet_id == event.wallet_id
        and known.sub_wallet == event.sub_wallet
        and known.operation == event.operation
    )
