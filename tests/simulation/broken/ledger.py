"""The ledger without one of its rules."""

from __future__ import annotations

from functools import partial
from typing import Any

from agents.ledger import apply as applying
from agents.ledger import apply_begin, apply_originals, apply_transactions, due, guards, legs, requests
from agents.ledger.accounts import available, held
from agents.ledger.draft import Draft
from agents.ledger.journals import Journal, inverse, renamed
from agents.ledger.operations import debit, transfer
from agents.ledger.state import LedgerState
from agents.ledger.transaction import Transaction
from agents.ledger.turn import Turn
from schemas.codes import Code
from schemas.events import TRANSACTION_FAILED, LedgerEvent
from schemas.outcomes import Outcome, decode_outcome
from schemas.topics import TRANSACTION_OUTCOMES
from tests.simulation.broken.registry import Patch, without
from tests.simulation.faults import Kind, Planned, Point

#: Legs and answers to them that come once more.
_REPEATED = tuple(Planned(Point.DELIVER, 2 * n + 4, Kind.REPEATED) for n in range(20))
_without = partial(without, machine="ledger")

# ---- sagas -----------------------------------------------------------------------------------------


@_without("a refused transfer is compensated")
def _(patch: Patch) -> None:
    patch.setattr(legs, "taken_back", lambda _state, _transaction, _now_ms: Journal((), ()))


@_without("a leg is executed once", planned=_REPEATED, requests=(40, 60))
def _(patch: Patch) -> None:
    patch.setattr(legs, "leg_key", lambda transaction_id, leg: "not to be found")


@_without("a transfer that has failed is compensated once", planned=_REPEATED, requests=(40, 60))
def _(patch: Patch) -> None:
    honest = applying._CHANGES[TRANSACTION_FAILED]

    def failed(state: LedgerState, event: LedgerEvent) -> None:
        if event.from_state is None:
            honest(state, event)

    patch.setitem(applying._CHANGES, TRANSACTION_FAILED, failed)


@_without("what a refused capture took is held again while its authorization is open")
def _(patch: Patch) -> None:
    def taken_back(state: LedgerState, transaction: Transaction, _now_ms: int) -> Journal:
        own = (transaction.wallet_id, transaction.sub_wallet)
        return inverse(state, renamed(transaction.journal, held(*own), available(*own)))

    patch.setattr(legs, "taken_back", taken_back)


@_without("what a refused capture took is available once its authorization is over")
def _(patch: Patch) -> None:
    patch.setattr(legs, "taken_back", lambda state, transaction, _now_ms: inverse(state, transaction.journal))


@_without("what waits for the end of a quarantine is applied then")
def _(patch: Patch) -> None:
    patch.setattr(requests, "parked_records", lambda _turn, _release: ())


# ---- requests --------------------------------------------------------------------------------------


@_without("the first answer is frozen under its idempotency key")
def _(patch: Patch) -> None:
    patch.setattr(applying, "_NOT_FROZEN", frozenset(code.value for code in Code))


@_without("no balance of a wallet becomes negative")
def _(patch: Patch) -> None:
    def refuse_funds(draft: Draft, balance_minor: int, amount_minor: int) -> None:
        """Whoever asks gets the money."""

    patch.setattr(debit, "refuse_funds", refuse_funds)
    patch.setattr(transfer, "refuse_funds", refuse_funds)


# ---- what there is already ---------------------------------------------------------------------------


@_without("what is due ends, at its time or later")
def _(patch: Patch) -> None:
    patch.setattr(due, "_end_all", lambda _turn, _transaction_ids, _cause: None)


@_without("what was refunded is counted on its original", following=(40, 80))
def _(patch: Patch) -> None:
    for module in (apply_begin, apply_transactions, apply_originals):
        patch.setattr(module, "count_on_parent", lambda *_: None)


@_without("a transaction is moved on only from a state that allows it", following=(40, 80))
def _(patch: Patch) -> None:
    patch.setattr(guards, "is_allowed", lambda _operation, _state, _verb: True)


# ---- answers ---------------------------------------------------------------------------------------


def _drop(patch: Patch, is_dropped: Any) -> None:
    honest = Turn.send

    def send(self: Turn, topic: str, partition: int, key: bytes | None, value: bytes) -> None:
        outcome: Outcome | None = decode_outcome(value) if topic == TRANSACTION_OUTCOMES else None
        if outcome is None or not is_dropped(outcome):
            honest(self, topic, partition, key, value)

    patch.setattr(Turn, "send", send)


@_without("every request is answered, a repeated one too")
def _(patch: Patch) -> None:
    _drop(patch, lambda outcome: outcome.replayed)


@_without("a rejection is answered")
def _(patch: Patch) -> None:
    _drop(patch, lambda outcome: outcome.kind == "answer" and outcome.status == "rejected")


@_without("the requester is told of every later change of a transaction")
def _(patch: Patch) -> None:
    patch.setattr(Turn, "tell_requester", lambda _turn, _event, _transaction: None)
