from __future__ import annotations

import pytest

from schemas.lifecycle import (
    MOVES,
    PROCESSED_AT_ONCE,
    SETTLED_AT_ONCE,
    TRANSITIONS,
    State,
    is_legal_path,
)

#: operation: each way through its states that comes through none of them twice.
_ENDS = ["failed", "canceled", "settled", "settled reversed"]
_OVER_RAIL = ["initiated failed", *(f"initiated processed {end}" for end in (*_ENDS, "settled disputed reversed"))]
_TO_PAYEE = ["initiated failed", "initiated processed failed", "initiated processed settled"]
_WITHIN = ["initiated failed", "initiated canceled", "initiated processed settled"]
WAYS = {
    "credit": [*_OVER_RAIL, "initiated canceled"],
    "debit": [*_OVER_RAIL, "initiated canceled"],
    "transfer": [*_TO_PAYEE, "initiated canceled", "initiated processed settled reversed"],
    "convert": [*_WITHIN, "initiated processed settled reversed"],
    "fee": [*_WITHIN, "initiated processed settled reversed"],
    "reward": ["initiated processed settled", "initiated processed settled reversed"],
    "batch": ["initiated processed settled"],
    "authorize": ["initiated processed canceled", "initiated processed settled"],
    "capture": _OVER_RAIL,
    "refund": ["initiated failed", *(f"initiated processed {end}" for end in _ENDS)],
    "dispute": ["initiated disputed settled", "initiated disputed reversed"],
    "reverse": _TO_PAYEE,
    "adjust": ["initiated processed settled"],
}


def ways(operation: str, path: tuple[State, ...] = (State.INITIATED,)) -> set[str]:
    """All paths without a state twice that end where a transaction may stay."""
    found = {" ".join(path)} if TRANSITIONS[operation][path[-1]] != {} or not MOVES[operation][path[-1]] else set()
    for state in MOVES[operation][path[-1]] - set(path):
        found |= ways(operation, (*path, state))
    return found


def test_the_ways_of_each_operation() -> None:
    for operation in TRANSITIONS:
        ends = {way for way in ways(operation) if way.rpartition(" ")[2] not in ("processed", "disputed", "initiated")}
        assert ends == set(WAYS[operation]), operation
    assert TRANSITIONS.keys() == WAYS.keys() == MOVES.keys()


def test_every_state_that_may_follow_has_moves_of_its_own() -> None:
    for moves in MOVES.values():
        assert set().union(*moves.values()) | {State.INITIATED} == set(moves)


@pytest.mark.parametrize("operation", ["credit", "debit", "transfer", "capture"])
def test_settled_at_once_is_legal_everywhere(operation: str) -> None:
    assert is_legal_path(operation, SETTLED_AT_ONCE)


def test_a_saga_in_two_steps() -> None:
    assert is_legal_path("transfer", PROCESSED_AT_ONCE)
    assert is_legal_path("transfer", ("processed", "settled"))
    assert is_legal_path("transfer", ("processed", "failed"))
    assert is_legal_path("transfer", ("settled",))


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("transfer", ()),
        ("transfer", ("initiated", "settled")),
        ("transfer", ("settled", "failed")),
        ("transfer", ("settled", "settled")),
        ("transfer", ("processed", "initiated")),
        ("transfer", ("processed", "nowhere")),
        ("credit", ("failed", "settled")),
        ("adjust", ("settled", "reversed")),
        ("no_such_operation", ("initiated",)),
        ("open_wallet", ("initiated",)),
    ],
)
def test_other_paths_are_illegal(operation: str, path: tuple[str, ...]) -> None:
    assert not is_legal_path(operation, path)
