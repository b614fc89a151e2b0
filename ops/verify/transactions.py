"""Life cycles: every path is legal, and every transaction moves on from the state that it was in."""

from __future__ import annotations

from typing import Final, NamedTuple

from ops.verify.findings import Check, Here
from ops.verify.postings import Rule, rule_of, why_wrong_posting
from schemas import events as ev
from schemas.events import Entry, LedgerEvent
from schemas.lifecycle import MOVES, State, is_legal_path

_LAST_STATE: Final = {
    ev.TRANSACTION_PROCESSED: "processed",
    ev.TRANSACTION_SETTLED: "settled",
    ev.TRANSACTION_FAILED: "failed",
    ev.TRANSFER_RECEIVED: "settled",
    ev.TRANSFER_REFUSED: "failed",
}
_INITIATED: Final = State.INITIATED.value


class _Open(NamedTuple):
    """A transaction that can still move."""

    state: str
    operation: str | None
    wallet_id: str | None
    amount_minor: int | None
    asset: str | None
    sub_wallet: str | None
    entries: tuple[Entry, ...]


class _Verdict(NamedTuple):
    """What holds of all events with the same type, operation, leg and states."""

    #: What is wrong with its path, empty where nothing is.
    why_illegal: str
    can_move_on: bool
    rule: Rule | None


class Transactions:
    """Transactions of one partition that are not at their end; those at their end are forgotten."""

    def __init__(self, here: Here):
        self._here = here
        self._open: dict[str, _Open] = {}
        #: By type, operation, leg, path, from and to state.
        self._verdicts: dict[tuple[str | tuple[str, ...] | None, ...], _Verdict] = {}

    def event(self, event: LedgerEvent) -> None:
        """An event that says something of a transaction's state, or posts."""
        path = event.path
        if not path and event.type not in _LAST_STATE:
            if event.entries or event.to_state or event.from_state:
                self._here.report(Check.ILLEGAL_POSTING, f"{event.type} posts entries or moves a state")
            return
        key = (event.type, event.operation, event.leg, path, event.from_state, event.to_state)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._verdicts[key] = _Verdict(_why_illegal(event), _can_move_on(event), rule_of(event))
        why_illegal, can_move_on, rule = verdict
        if why_illegal:
            self._here.report(Check.ILLEGAL_PATH, why_illegal)
        why_wrong = why_wrong_posting(rule, event)
        if why_wrong:
            self._here.report(Check.WRONG_POSTING, why_wrong)
        self._move(event, can_move_on)

    def _move(self, event: LedgerEvent, can_move_on: bool) -> None:
        transaction_id = event.transaction_id
        if transaction_id is None:
            self._here.report(Check.BROKEN_TRANSITION, f"{event.type} names no transaction")
            return
        key = transaction_id if event.leg is None else f"{transaction_id}/{event.leg}"
        before = self._open.pop(key, None)
        if event.from_state is not None:
            self._continue(event, key, before)
        elif before is not None:
            self._here.report(
                Check.BROKEN_TRANSITION, f"transaction {key} begins again, but it is {before.state} already"
            )
        if can_move_on:
            entries = event.entries if before is None else before.entries
            self._open[key] = _Open(
                event.to_state or "",
                event.operation,
                event.wallet_id,
                event.amount_minor,
                event.asset,
                event.sub_wallet,
                entries,
            )

    def _continue(self, event: LedgerEvent, key: str, before: _Open | None) -> None:
        if before is None:
            self._here.report(
                Check.BROKEN_TRANSITION,
                f"transaction {key} moves on from {event.from_state}, but none of this id is under way",
            )
            return
        if before.state != event.from_state:
            self._here.report(
                Check.BROKEN_TRANSITION, f"transaction {key} moves on from {event.from_state}, but it is {before.state}"
            )
        now = (event.operation, event.wallet_id, event.amount_minor, event.asset, event.sub_wallet)
        if now != before[1:6]:
            self._here.report(Check.BROKEN_TRANSITION, f"transaction {key} was {before[1:6]}, now it is {now}")
        if event.to_state == "failed" and sorted(_inverse(before.entries)) != sorted(_sides(event.entries)):
            self._here.report(
                Check.WRONG_COMPENSATION, f"transaction {key} fails, but its journal is not taken back exactly"
            )


def _why_illegal(event: LedgerEvent) -> str:
    """What is wrong with the event's path; empty where it is legal."""
    path, last = event.path, _LAST_STATE.get(event.type)
    if not is_legal_path(event.operation or "", path):
        return f"{event.operation} may not pass {' -> '.join(path) or 'no state'}"
    if event.to_state != path[-1] or (last is not None and last != path[-1]):
        return f"{event.type} says {event.to_state!r}, its path ends in {path[-1]!r}"
    first = _INITIATED if event.from_state is None else event.from_state
    if path[0] != first:
        return f"the path begins with {path[0]!r} instead of {first!r}"
    return ""


def _can_move_on(event: LedgerEvent) -> bool:
    moves = MOVES.get(event.operation or "", {})
    try:
        return bool(moves.get(State(event.to_state or "")))
    except ValueError:
        return False


def _sides(entries: tuple[Entry, ...]) -> list[tuple[str, str, int, int]]:
    return [(e.account, e.asset, e.debit_minor, e.credit_minor) for e in entries]


def _inverse(entries: tuple[Entry, ...]) -> list[tuple[str, str, int, int]]:
    return [(e.account, e.asset, e.credit_minor, e.debit_minor) for e in entries]
