"""The learned score: what is unlike is told from what is not, by integers that are the same everywhere."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.fraud.learned import NEW, WINDOW, Learned, Model, is_learned, learn
from schemas.facts import MOST_ANOMALOUS

DAY_MS = 86_400_000
START_MS = 20_000 * DAY_MS
Fact = dict[str, Any]


def payment(**fields: Any) -> Fact:
    return {"direction": "out", "wallet_id": "w", "amount_minor": 1_000, **fields}


def usual(chance: random.Random) -> Fact:
    amount_minor = int(chance.lognormvariate(8, 0.5))
    return payment(amount_minor=amount_minor, to_wallet_id=f"p{chance.randrange(6)}")


def history(payments: int, seed: int = 1) -> tuple[Model, list[int | None], int]:
    """A wallet that pays about as much to six payees each afternoon: its model, the scores, and the time after it."""
    chance, model, scores, t_ms = random.Random(seed), NEW, [], START_MS
    for number in range(payments):
        t_ms = START_MS + number // 2 * DAY_MS + int(chance.gauss(14, 1.5) * 3_600_000)
        score, model = learn(model, usual(chance), t_ms)
        scores.append(score)
    return model, scores, (t_ms // DAY_MS + 1) * DAY_MS + 14 * 3_600_000


def test_it_says_nothing_until_a_window_has_gone_by() -> None:
    _, scores, _ = history(WINDOW + 5)
    assert scores[:WINDOW] == [None] * WINDOW
    assert all(score is not None for score in scores[WINDOW:])


@pytest.mark.parametrize("seed", range(5))
def test_what_is_unlike_scores_higher_the_more_it_is(seed: int) -> None:
    model, scores, t_ms = history(40 * WINDOW, seed)
    warm = sorted(score for score in scores if score is not None)
    ordinary = payment(amount_minor=3_000, to_wallet_id="p1")
    night_ms = t_ms - 11 * 3_600_000

    def score(fact: Fact, at_ms: int = t_ms) -> int:
        found = learn(model, fact, at_ms).score
        assert found is not None
        return found

    median, rare = warm[len(warm) // 2], warm[len(warm) * 95 // 100]
    assert score(ordinary) <= rare
    assert score(payment(amount_minor=3_000, to_wallet_id="new")) > rare
    one = score(payment(amount_minor=300_000, to_wallet_id="p1"))
    two = score(payment(amount_minor=300_000, to_wallet_id="new"))
    three = score(payment(amount_minor=300_000, to_wallet_id="new"), night_ms)
    assert median < one < two <= MOST_ANOMALOUS
    assert min(two, three) > 850


def test_what_becomes_usual_scores_low_again() -> None:
    model, _, t_ms = history(10 * WINDOW)
    large = payment(amount_minor=400_000, to_wallet_id="landlord")
    first = learn(model, large, t_ms).score
    for number in range(4 * WINDOW):
        model = learn(model, large, t_ms + number * DAY_MS).model
    again = learn(model, large, t_ms + 4 * WINDOW * DAY_MS).score
    assert first is not None
    assert again is not None
    assert first > 600
    assert again < 150


PAYMENTS = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63),
        st.one_of(st.none(), st.text(max_size=5), st.integers(0, 60).map(str)),
        st.integers(-(10**12), 10**13),
    ),
    max_size=120,
)


@settings(max_examples=100, deadline=None)
@given(PAYMENTS)
def test_a_model_is_bounded_and_goes_on_from_its_bytes_as_if_nothing_had_been(payments: list[Any]) -> None:
    kept = restored = NEW
    for amount_minor, payee, t_ms in payments:
        fact = payment(amount_minor=amount_minor) | ({} if payee is None else {"merchant": payee})
        found = learn(kept, fact, t_ms)
        assert found == learn(restored, fact, t_ms)
        assert found.score is None or 0 <= found.score <= MOST_ANOMALOUS
        kept = found.model
        raw = msgspec.msgpack.encode(kept)
        assert len(raw) < 3_400
        restored = msgspec.msgpack.decode(raw, type=Model)
        assert msgspec.msgpack.encode(restored) == raw
    assert kept.seen == len(payments)


def test_it_is_the_same_on_every_machine() -> None:
    """Scores stand in the log: another version may not find others for the same payments."""
    _, scores, _ = history(WINDOW + 12)
    assert scores[WINDOW:] == EXPECTED


def test_wallets_have_forests_of_their_own() -> None:
    found: set[Learned] = set()
    for wallet_id in ("w", "x", "y"):
        chance, model, last = random.Random(1), NEW, None
        for number in range(3 * WINDOW):
            last = learn(model, usual(chance) | {"wallet_id": wallet_id}, START_MS + number * DAY_MS)
            model = last.model
        assert last is not None
        found.add(last)
    assert len({each.score for each in found}) > 1


@pytest.mark.parametrize(
    ("fact", "learned"),
    [
        (payment(), True),
        (payment(direction="in"), False),
        ({"direction": "out", "wallet_id": "w"}, False),
        ({"direction": "out", "amount_minor": 1}, False),
        (payment(amount_minor="1"), False),
    ],
)
def test_what_leaves_a_wallet_is_learned(fact: Fact, learned: bool) -> None:
    assert is_learned(fact) is learned


EXPECTED = [72, 61, 56, 102, 45, 122, 46, 59, 45, 52, 42, 74]
