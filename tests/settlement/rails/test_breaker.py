"""The circuit breaker and backoff: pure, by properties."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.settlement.rails.courier.breaker import Breaker, backoff_ms, jittered_ms
from schemas.rail_settings import Retry

RETRY = Retry(first_ms=100, longest_ms=5_000, breaker_failures=3, breaker_open_ms=1_000)
shares = st.floats(0, 1, exclude_max=True)


def opened(now_ms: int = 0, share: float = 0.0) -> Breaker:
    breaker = Breaker(RETRY)
    for _ in range(3):
        breaker.failed(now_ms, share)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = Breaker(RETRY)
    assert [breaker.failed(0, 0.0) for _ in range(2)] == [False, False]
    breaker.succeeded()
    assert [breaker.failed(0, 0.0) for _ in range(3)] == [False, False, True]
    assert breaker.state(999) == "open"
    assert not breaker.begin(999)
    assert breaker.wait_ms(400) == 600


def test_one_call_tries_and_decides() -> None:
    breaker = opened()
    assert breaker.state(1_000) == "half_open"
    assert breaker.begin(1_000)
    assert not breaker.begin(1_000), "one is enough"
    assert breaker.wait_ms(1_000) > 0
    breaker.succeeded()
    assert breaker.state(1_000) == "closed"
    assert breaker.begin(1_000)
    assert breaker.begin(1_000)


def test_each_failed_try_doubles_the_pause_up_to_a_bound() -> None:
    breaker, now_ms, pauses = opened(), 1_000, []
    for _ in range(6):
        assert breaker.begin(now_ms)
        assert breaker.failed(now_ms, 0.0)
        pauses.append(breaker.wait_ms(now_ms))
        now_ms += pauses[-1]
    assert pauses == [2_000, 4_000, 5_000, 5_000, 5_000, 5_000]
    assert breaker.begin(now_ms)
    breaker.succeeded()
    for _ in range(3):
        breaker.failed(now_ms, 0.0)
    assert breaker.wait_ms(now_ms) == 1_000, "a success forgets"


def test_a_call_that_was_under_way_when_it_opened_does_not_open_it_again() -> None:
    breaker = opened()
    assert not breaker.failed(10, 0.0)
    assert breaker.wait_ms(0) == 1_000


def test_who_gives_up_lets_another_try() -> None:
    breaker = opened()
    assert breaker.begin(1_000)
    breaker.given_up()
    assert breaker.begin(1_000)


@given(st.integers(1, 10**9), shares)
def test_jitter_takes_at_most_half(pause_ms: int, share: float) -> None:
    assert max(1, pause_ms // 2) <= jittered_ms(pause_ms, share) <= pause_ms


@given(st.integers(1, 10**6), shares)
def test_backoff_is_bounded_however_many_failures(failures: int, share: float) -> None:
    assert 1 <= backoff_ms(RETRY, failures, share) <= RETRY.longest_ms
    assert backoff_ms(RETRY, 1, 0.0) == RETRY.first_ms
    assert backoff_ms(RETRY, failures, 0.0) <= backoff_ms(RETRY, failures + 1, 0.0)


@given(st.lists(st.tuples(st.sampled_from(["ok", "bad", "gone"]), st.integers(0, 3_000), shares), max_size=60))
def test_at_most_one_call_is_let_through_while_it_is_not_closed(
    turns: list[tuple[str, int, float]],
) -> None:
    breaker, now_ms = Breaker(RETRY), 0
    for result, later_ms, share in turns:
        now_ms += later_ms
        before = breaker.state(now_ms)
        if not breaker.begin(now_ms):
            assert before == "open"
            assert breaker.wait_ms(now_ms) > 0
            continue
        if before != "closed":
            assert not breaker.begin(now_ms)
        if result == "ok":
            breaker.succeeded()
            assert breaker.state(now_ms) == "closed"
        elif result == "bad":
            breaker.failed(now_ms, share)
        else:
            breaker.given_up()
