from __future__ import annotations

import pytest

from schemas.lifecycle import MOVES, PROCESSED_AT_ONCE, SETTLED_AT_ONCE, State, is_legal_path

#: operation: each path that a transaction of it may take from its first state to a last one.
WHOLE_PATHS = {
    "credit": ["initiated processed settled"],
    "debit": ["initiated processed settled"],
    "transfer": ["initiated processed settled", "initiated processed failed", "initiated failed"],
}


def whole_paths(operation: str, path: tuple[State, ...] = (State.INITIATED,)) -> list[str]:
    following = MOVES[operation][path[-1]]
    if not following:
        return [" ".join(path)]
    return [found for state in following for found in whole_paths(operation, (*path, state))]


def test_the_paths_of_each_operation() -> None:
    assert {operation: sorted(whole_paths(operation)) for operation in MOVES} == {
        operation: sorted(paths) for operation, paths in WHOLE_PATHS.items()
    }


def test_every_state_that_may_follow_has_moves_of_its_own() -> None:
    for moves in MOVES.values():
        assert set().union(*moves.values()) | {State.INITIATED} == set(moves)


@pytest.mark.parametrize("operation", MOVES)
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
        ("credit", ("processed", "failed")),
        ("credit", ("initiated", "processed", "settled", "reversed")),
        ("no_such_operation", ("initiated",)),
        ("open_wallet", ("initiated",)),
    ],
)
def test_other_paths_are_illegal(operation: str, path: tuple[str, ...]) -> None:
    assert not is_legal_path(operation, path)
