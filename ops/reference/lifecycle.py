"""`docs/reference/lifecycle.md`: states of transactions and what may be done in each, drawn from the one table."""

from __future__ import annotations

from typing import Final

from ops.reference.markdown import fenced, page, table
from schemas.commands import OPERATIONS
from schemas.lifecycle import MOVES, OVER_RAIL, TRANSITIONS, State, Verb

_INTRODUCTION = """
The states that a transaction may have, and what may be done to it in each. The ledger moves by this table,
`walletstream verify` checks every path in the log against it. An event names in `path` all the states that it passes;
a state that is passed and left within one event is never seen from outside. Whatever is not here is
`illegal_transition` and posts nothing; a settlement that the table does not allow is
[kept in suspense](operations/settle.md), and so is a [return](operations/return.md) of what failed or was canceled.
"""

STATE_MEANING: Final[dict[State, str]] = {
    State.INITIATED: "Accepted by the ledger, and waits: for its time, nothing posted yet, or for the verdict of "
    "screening, its money held.",
    State.PROCESSED: "Money is set aside or on its way: held, with a rail, or on the way to another partition.",
    State.SETTLED: "Done: the money is where it was to go. Of an authorization: something of it was captured.",
    State.FAILED: "Could not be done. Nothing was posted, or everything was given back.",
    State.DISPUTED: "The transaction is contested, wholly or in part, and that money is set aside.",
    State.REVERSED: "Taken back after it was settled; of a dispute, the transaction that it was about was.",
    State.CANCELED: "Undone before anything of it was settled.",
}

VERB_MEANING: Final[dict[Verb, str]] = {
    Verb.EXECUTE: "Its time has come: what was asked for is done, or has failed.",
    Verb.SCREEN: "The fraud role says whether a payment that waits may go: it is done, or has failed.",
    Verb.CAPTURE: "A part of what is held is taken, or all of it.",
    Verb.RELEASE: "What is still held is given back.",
    Verb.CANCEL: "It is undone: not once its rail has been given it, something of it was captured, or it is on its way "
    "to another wallet.",
    Verb.SUBMIT: "It goes to its rail in a batch.",
    Verb.SETTLE: "Its rail has moved the money.",
    Verb.FAIL: "Its rail has refused it.",
    Verb.RETURN: "Its rail has taken the money back after all, wholly or in part.",
    Verb.REFUND: "Who received the money gives it back, wholly or in part.",
    Verb.DISPUTE: "It is contested, wholly or in part.",
    Verb.RESOLVE: "A dispute ends: the one named, and so that of its original.",
    Verb.REVERSE: "Operators take back what is left of it.",
    Verb.EXPIRE: "Its time is over: what is still held is given back, a payment without a verdict fails, what is "
    "left of a reward is taken back.",
    Verb.ACCEPT: "The payee's partition has taken the money.",
    Verb.REFUSE: "The payee's partition has refused the money: it comes back.",
}


def lifecycle_page() -> str:
    """The page."""
    states = table(("state", "meaning"), [(f"`{state.value}`", STATE_MEANING[state]) for state in State])
    verbs = table(
        ("what is done", "by", "meaning"),
        [(_verb(verb, "operations/"), _by(verb), VERB_MEANING[verb]) for verb in Verb],
    )
    over_rail = ", ".join(f"`{verb.value}`" for verb in Verb if verb in OVER_RAIL)
    kinds = (
        f"{over_rail} are only of what goes over a rail, `accept` and `refuse` only of what goes to a wallet in "
        "another partition: a capture or a refund may be either."
    )
    sections = [f"## `{operation}`\n\n{drawn(operation)}\n\n{allowed(operation)}" for operation in TRANSITIONS]
    return page(
        "Life cycles",
        "`schemas/lifecycle.py`",
        _INTRODUCTION,
        "## States",
        states,
        "## What is done",
        verbs,
        kinds,
        *sections,
    )


def drawn(operation: str) -> str:
    """The states of an operation's transactions and the moves between them, as a diagram."""
    moves = MOVES[operation]
    lines = ["stateDiagram-v2", f"    [*] --> {State.INITIATED.value}"]
    for before in (state for state in State if state in moves):
        lines += [f"    {before.value} --> {after.value}" for after in State if after in moves[before]]
        if not moves[before]:
            lines.append(f"    {before.value} --> [*]")
    return fenced("\n".join(lines), "mermaid")


def allowed(operation: str, folder: str = "operations/") -> str:
    """A row for each state, a column for each thing that may be done, and the state that it leads to.

    `folder` is where the pages of operations are, seen from the page that this is on.
    """
    cells = TRANSITIONS[operation]
    verbs = [verb for verb in Verb if any(verb in may for may in cells.values())]
    if not verbs:
        return "Nothing may be done to it: it is settled at once."
    rows = [
        (
            f"`{state.value}`",
            *(" or ".join(f"`{after.value}`" for after in State if after in may.get(verb, ())) for verb in verbs),
        )
        for state, may in sorted(cells.items(), key=lambda cell: list(State).index(cell[0]))
        if may
    ]
    return table(("in state", *(_verb(verb, folder) for verb in verbs)), rows)


def _verb(verb: Verb, folder: str) -> str:
    return f"[`{verb.value}`]({folder}{verb.value}.md)" if verb.value in OPERATIONS else f"`{verb.value}`"


def _by(verb: Verb) -> str:
    return f"a command on `{OPERATIONS[verb.value][0]}`" if verb.value in OPERATIONS else "the ledger itself"
