"""Life cycles: for each operation the states it may pass, what moves it on in each, and to where.

One table; the ledger moves by it, `verify` checks paths against it, the reference page is drawn from it.
"""

from __future__ import annotations

from collections.abc import Mapping
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


class Verb(StrEnum):
    """What is done to a transaction that there is already: by a command that names it, or by the ledger."""

    #: The ledger's own: its time has come.
    EXECUTE = "execute"
    #: The fraud role has said whether it may go.
    SCREEN = "screening_verdict"
    CAPTURE = "capture"
    RELEASE = "release"
    CANCEL = "cancel"
    SUBMIT = "submit"
    SETTLE = "settle"
    FAIL = "fail"
    RETURN = "return"
    REFUND = "refund"
    DISPUTE = "dispute"
    RESOLVE = "resolve_dispute"
    REVERSE = "reverse"
    #: The ledger's own: its time is over.
    EXPIRE = "expire"
    #: The payee's partition has answered.
    ACCEPT = "accept"
    REFUSE = "refuse"


_I, _P, _S, _F, _C = State.INITIATED, State.PROCESSED, State.SETTLED, State.FAILED, State.CANCELED
_D, _R = State.DISPUTED, State.REVERSED

_Cells = Mapping[State, Mapping[Verb, frozenset[State]]]


def _may(**verbs: set[State]) -> Mapping[Verb, frozenset[State]]:
    return {Verb[name.upper()]: frozenset(following) for name, following in verbs.items()}


_SCHEDULED: Final = _may(execute={_P, _S, _F}, cancel={_C})
#: A payment may wait for its time, or for the verdict of screening.
_SCREENED: Final = {**_SCHEDULED, **_may(screen={_P, _S, _F}, expire={_F})}
_UNDER_WAY: Final = {
    **_may(submit={_P}, settle={_S}, fail={_F}, cancel={_C}),
    **_may(accept={_S}, refuse={_F}),
}

#: Operation -> state -> what may be done to a transaction then -> states that it may leave it in. What is not here is
#: `illegal_transition`. An operation has all the states here that its transactions can be seen in, and those passed.
TRANSITIONS: Final[Mapping[str, _Cells]] = {
    "credit": {
        _I: _SCHEDULED,
        _P: _may(submit={_P}, settle={_S}, fail={_F}, cancel={_C}),
        _S: _may(**{"return": {_S, _R}}, dispute={_D}, reverse={_R}),
        _F: {},
        _C: {},
        _D: _may(**{"return": {_D}}, dispute={_D}, resolve={_D, _S, _R}),
        _R: _may(**{"return": {_R}}),
    },
    "debit": {
        _I: _SCREENED,
        _P: _may(submit={_P}, settle={_S}, fail={_F}, cancel={_C}),
        _S: _may(refund={_S}, **{"return": {_S, _R}}, dispute={_D}, reverse={_R}),
        _F: {},
        _C: {},
        _D: _may(refund={_D}, **{"return": {_D}}, dispute={_D}, resolve={_D, _S, _R}),
        _R: _may(**{"return": {_R}}),
    },
    "transfer": {
        _I: _SCHEDULED,
        _P: _may(accept={_S}, refuse={_F}),
        _S: _may(refund={_S}, reverse={_R}),
        _F: {},
        _C: {},
        _R: {},
    },
    "convert": {_I: _SCHEDULED, _P: {}, _S: _may(reverse={_R}), _F: {}, _C: {}, _R: {}},
    "fee": {_I: _SCHEDULED, _P: {}, _S: _may(reverse={_R}), _F: {}, _C: {}, _R: {}},
    "reward": {_I: {}, _P: {}, _S: _may(expire={_S}, reverse={_R}), _R: {}},
    "batch": {_I: {}, _P: {}, _S: {}},
    "authorize": {
        _I: {},
        _P: _may(capture={_P, _S}, release={_S, _C}, cancel={_C}, expire={_S, _C}),
        _S: {},
        _C: {},
    },
    "capture": {
        _I: {},
        _P: _UNDER_WAY,
        _S: _may(refund={_S}, **{"return": {_S, _R}}, dispute={_D}, reverse={_R}),
        _F: {},
        _C: {},
        _D: _may(refund={_D}, **{"return": {_D}}, dispute={_D}, resolve={_D, _S, _R}),
        _R: _may(**{"return": {_R}}),
    },
    "refund": {
        _I: {},
        _P: _UNDER_WAY,
        _S: _may(**{"return": {_S, _R}}),
        _F: {},
        _C: {},
        _R: _may(**{"return": {_R}}),
    },
    "dispute": {_I: {}, _D: _may(resolve={_S, _R}), _S: {}, _R: {}},
    "reverse": {_I: {}, _P: _may(accept={_S}, refuse={_F}), _S: {}, _F: {}},
    "adjust": {_I: {}, _P: {}, _S: {}},
}

#: What is done only to what goes over a rail, not to what goes to a payee.
OVER_RAIL: Final = frozenset({Verb.SUBMIT, Verb.SETTLE, Verb.FAIL, Verb.RETURN, Verb.DISPUTE, Verb.RESOLVE})

_AT_ONCE: Final = {_I: frozenset({_P}), _P: frozenset({_S})}
_AT_ONCE_OR_FAILED: Final = {_I: frozenset({_P, _F}), _P: frozenset({_S})}

#: Operation -> moves within the event that opens a transaction.
_OPENING: Final[Mapping[str, Mapping[State, frozenset[State]]]] = {
    "credit": _AT_ONCE,
    "debit": _AT_ONCE,
    "transfer": _AT_ONCE_OR_FAILED,
    "convert": _AT_ONCE,
    "fee": _AT_ONCE,
    "reward": _AT_ONCE,
    "batch": _AT_ONCE,
    "authorize": {_I: frozenset({_P})},
    "capture": _AT_ONCE_OR_FAILED,
    "refund": _AT_ONCE_OR_FAILED,
    "dispute": {_I: frozenset({_D})},
    "reverse": _AT_ONCE_OR_FAILED,
    "adjust": _AT_ONCE,
}


#: What brings a transaction that waits to where it would be without having waited.
_EXECUTES: Final = frozenset({Verb.EXECUTE, Verb.SCREEN})


def _moves(operation: str) -> Mapping[State, frozenset[State]]:
    opening = _OPENING[operation]
    return {
        state: opening.get(state, frozenset()).union(*_later(cells)) - {state}
        for state, cells in TRANSITIONS[operation].items()
    }


def _later(cells: Mapping[Verb, frozenset[State]]) -> list[frozenset[State]]:
    """The states that follow by what is done later. What is executed passes the states of the opening, or fails."""
    return [frozenset({_F}) if verb in _EXECUTES else following for verb, following in cells.items()]


#: Operation -> state -> other states that may follow.
MOVES: Final[Mapping[str, Mapping[State, frozenset[State]]]] = {
    operation: _moves(operation) for operation in TRANSITIONS
}

#: Path of a transaction that is accepted and settled in one step.
SETTLED_AT_ONCE: Final = (_I.value, _P.value, _S.value)
#: Path of a transaction that is accepted and waits: for its other leg, a capture, a rail.
PROCESSED_AT_ONCE: Final = (_I.value, _P.value)
#: Path of a transaction that waits for its time.
SCHEDULED: Final = (_I.value,)
#: Path of a dispute that is open.
DISPUTED_AT_ONCE: Final = (_I.value, _D.value)
#: States of a transaction that something is still to come of.
UNDER_WAY: Final = frozenset({_I.value, _P.value})
#: States of a transaction that is over and was never settled.
ENDED_UNSETTLED: Final = frozenset({_F.value, _C.value})
#: Path of a transaction that cannot be done, and posts nothing.
FAILED_AT_ONCE: Final = (_I.value, _F.value)


def is_allowed(operation: str, state: str, verb: Verb) -> bool:
    """True where this may be done to a transaction of `operation` that is in `state`."""
    return verb in TRANSITIONS[operation][State(state)]


def is_legal_path(operation: str, path: tuple[str, ...]) -> bool:
    """True where each step of `path` is an allowed move of `operation`; a path of one state moves nothing."""
    moves = MOVES.get(operation)
    if moves is None or not path or any(state not in moves for state in path):
        return False
    return all(State(after) in moves[State(before)] for before, after in pairwise(path))
