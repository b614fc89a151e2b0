"""Transactions that wait for their time: accepted, then executed as they were asked for, or canceled before."""

from __future__ import annotations

from typing import Final

from ops.verify.asked import Asked
from ops.verify.told import terms_told
from schemas.clock import unix_ms
from schemas.events import TRANSACTION_FAILED, TRANSACTION_INITIATED, LedgerEvent
from schemas.lifecycle import TRANSITIONS, State, Verb

#: Operations that may be asked for at a time to come.
SCHEDULED: Final = tuple(
    operation for operation, cells in TRANSITIONS.items() if Verb.EXECUTE in cells.get(State.INITIATED, ())
)


def why_not_as_scheduled(event: LedgerEvent, asked: Asked) -> str:
    """What is wrong with the execution of what was asked for before; empty where nothing is."""
    if event.type == TRANSACTION_FAILED and event.rail is None and event.counterparty is None:
        return ""  # refused before it came to that
    return "; ".join(
        f"{name} was scheduled as {wanted!r}, executed as {said!r}"
        for name, wanted, said in terms_told(event, asked)
        if wanted != said
    )


def why_not_now(event: LedgerEvent, asked: Asked) -> str:
    """What is wrong with whether it waits: what is asked for a time to come does, all else does not."""
    at = asked.execute_at
    is_to_wait = isinstance(at, str) and unix_ms(at) > unix_ms(event.recorded_at)
    if is_to_wait is (event.type == TRANSACTION_INITIATED):
        return ""
    return f"it is to be executed at {at}, and is {event.to_state} at {event.recorded_at}"
