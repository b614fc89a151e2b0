"""`docs/reference/lifecycle.md`: states of transactions and the moves between them, drawn from the one table."""

from __future__ import annotations

from collections.abc import Mapping

from ops.reference.markdown import fenced, listed, page, table
from schemas.lifecycle import MOVES, State

_INTRODUCTION = """
The states that a transaction may have and the moves between them. The ledger moves by this table, `walletstream
verify` checks every path in the log against it. An event names in `path` all the states that it passes; a state that
is passed and left within one event is never seen from outside. Whatever is not here is `illegal_transition` and posts
nothing.
"""

_MEANING: dict[State, str] = {
    State.INITIATED: "Accepted by the ledger, nothing posted yet.",
    State.PROCESSED: "Money has left the payer and is on its way.",
    State.SETTLED: "Done: the money is where it was to go.",
    State.FAILED: "Could not be done. Nothing was posted, or everything was given back.",
    State.DISPUTED: "The transaction is contested and its money is set aside.",
    State.REVERSED: "Taken back after it was settled.",
    State.CANCELED: "Undone before it was settled.",
}


def lifecycle_page() -> str:
    """The page."""
    used = [state for state in State if any(state in moves for moves in MOVES.values())]
    states = table(("state", "meaning"), [(f"`{state.value}`", _MEANING[state]) for state in used])
    return page("Life cycles", "`schemas/lifecycle.py`", _INTRODUCTION, "## States", states, *_sections())


def _sections() -> list[str]:
    """One section for each shape of life cycle, naming the operations that share it."""
    shapes: list[tuple[Mapping[State, frozenset[State]], list[str]]] = []
    for operation, moves in MOVES.items():
        for shape, operations in shapes:
            if shape == moves:
                operations.append(operation)
                break
        else:
            shapes.append((moves, [operation]))
    return [f"## {listed(operations)}\n\n{_drawn(moves)}\n\n{_moves(moves)}" for moves, operations in shapes]


def _drawn(moves: Mapping[State, frozenset[State]]) -> str:
    lines = ["stateDiagram-v2", f"    [*] --> {State.INITIATED.value}"]
    for before in State:
        if before not in moves:
            continue
        lines += [f"    {before.value} --> {after.value}" for after in State if after in moves[before]]
        if not moves[before]:
            lines.append(f"    {before.value} --> [*]")
    return fenced("\n".join(lines), "mermaid")


def _moves(moves: Mapping[State, frozenset[State]]) -> str:
    rows = [
        (f"`{before.value}`", listed(after.value for after in State if after in following) or "nothing: it is final")
        for before, following in moves.items()
    ]
    return table(("from", "may become"), rows)
