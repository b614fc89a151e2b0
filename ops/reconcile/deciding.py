"""What people decide on `reconciliation-decisions`: written, and waited for until the role has taken it."""

from __future__ import annotations

import json
import uuid
from typing import Any, Final

from pydantic import ValidationError

from ops import ordering
from ops.errors import OperationError
from ops.reading import TopicReader
from schemas.people import same_person
from schemas.reconciliation_decisions import read_decision
from schemas.reconciliation_events import DECISION_REFUSED, ReconciliationEvent, decode_reconciliation_event
from schemas.reconciliation_exceptions import OPEN_STATES, ReconciliationException
from schemas.topics import RECONCILIATION_DECISIONS, RECONCILIATION_EVENTS

_BY_STATE: Final[dict[str, tuple[str, ...]]] = {
    "open": ("assign", "propose", "hold", "comment"),
    "assigned": ("propose", "assign", "hold", "comment"),
    "proposed": ("approve", "reject", "assign", "hold", "comment"),
    "approved": ("comment",),
    "rejected": ("propose", "assign", "hold", "comment"),
}


def can_be_done(exception: ReconciliationException) -> tuple[str, ...]:
    """Commands that the exception's state allows, the likeliest first."""
    return _BY_STATE.get(exception.state, ("comment",))


def check_allowed(exception: ReconciliationException, command: str, by: str) -> None:
    """Whether somebody may do this now. The role checks it once more: what is known here may be old.

    Raises:
        OperationError: not; it says what can be done instead.
    """
    name, proposal = exception.exception_id[:12], exception.proposal
    if command not in can_be_done(exception):
        why = (
            "the ledger has not answered its posting yet"
            if exception.state == "approved"
            else f"what can be done: {', '.join(can_be_done(exception))}"
        )
        if exception.state not in OPEN_STATES:
            why = "only comments are added"
        raise OperationError(f"{name} is {exception.state}: {why}")
    if command == "approve" and proposal is not None and same_person(by, proposal.proposed_by):
        raise OperationError(
            f"{proposal.proposed_by} has proposed it and cannot approve it: somebody else has to. Nothing was sent"
        )


def decision_of(book: str, by: str, decision_id: str, **fields: Any) -> bytes:
    """A record of `reconciliation-decisions`; fields that are None are left out.

    Raises:
        OperationError: it does not fit its contract; each field that is wrong is named.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    value = json.dumps({"book": book, "decision_id": decision_id, "by": by, **given}).encode()
    try:
        read_decision(value)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in error.errors(include_url=False)
        )
        raise OperationError(f"this is no decision: {wrong}") from error
    return value


async def decide(reader: TopicReader, book: str, by: str, **fields: Any) -> ReconciliationEvent:
    """Write a decision, and wait for the event that says what became of it.

    Raises:
        OperationError: it does not fit its contract, was refused, or was not taken in time.
    """
    decision_id = uuid.uuid4().hex
    value = decision_of(book, by, decision_id, **fields)

    def answer(raw: bytes, _offset: int) -> ReconciliationEvent | None:
        event = decode_reconciliation_event(raw)
        # Approvals and the like write more events; the one with the decision says how it ended.
        if event.decision is None or event.decision.decision_id != decision_id:
            return None
        if event.type == DECISION_REFUSED:
            raise OperationError(f"it was refused: {event.message}")
        return event

    ordered = ordering.Ordered(RECONCILIATION_DECISIONS, RECONCILIATION_EVENTS, book, value)
    event = await ordering.order(reader, ordered, answer)
    if event is not None:
        return event
    raise OperationError(
        "it is written, but no worker of reconciliation has taken it yet: is `worker reconciliation` running? It is "
        "done once one does; do not order it again"
    )
