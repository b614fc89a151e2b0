"""Life cycles: for each operation the states it may pass and the moves between them.

One table; the ledger moves by it, `verify` checks paths against it, the reference page is drawn from it.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import Final


class State(StrEnum):
    """State of a transaction, named alike on the wire, in the ledger and in the docs."""

    INITIATED = "initiated"
    PROCESSED = "processed"
    SETTLED = "settled"
    FAILED = "failed"
    DISPUTED = "disputed"
    REVERSED = "reversed"
    CANCELED = "canceled"


_INSTANT: Final = {
    State.INITIATED: {State.PROCESSED},
    State.PROCESSED: {State.SETTLED},
    State.SETTLED: set[State](),
}

#: operation -> state -> states that may follow.
MOVES: Final[dict[str, dict[State, frozenset[State]]]] = {
    operation: {state: frozenset(following) for state, following in moves.items()}
    for operation, moves in {
        "credit": _INSTANT,
        "debit": _INSTANT,
        "transfer": {
            State.INITIATED: {State.PROCESSED, State.FAILED},
            State.PROCESSED: {State.SETTLED, State.FAILED},
            State.SETTLED: set(),
            State.FAILED: set(),
        },
    }.items()
}

#: Path of a transaction that is accepted and settled in one step.
SETTLED_AT_ONCE: Final = (State.INITIATED.value, State.PROCESSED.value, State.SETTLED.value)
#: Path of a transaction that is accepted and waits for its other leg.
PROCESSED_AT_ONCE: Final = (State.INITIATED.value, State.PROCESSED.value)


def is_legal_path(operation: str, path: tuple[str, ...]) -> bool:
    """True where each step of `path` is an allowed move of `operation`; a path of one state moves nothing."""
    moves = MOVES.get(operation)
    if moves is None or not path or any(state not in moves for state in path):
        return False
    return all(State(after) in moves[State(before)] for before, after in pairwise(path))
