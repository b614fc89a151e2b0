"""When a batch may go to its rail, and what follows where that fails: pauses, and a breaker for each rail. Pure.

The courier makes each attempt once. After some failures in a row the rail is left alone for a while; then a single
batch tries whether it is back, and the others wait for what comes of it. It is tried for ever: only the rail, or an
operator, can say that a batch has failed.
"""

from __future__ import annotations

from typing import Literal

from agents.settlement.state import BatchRow, RailRow
from agents.settlement.terms import next_attempt_ms
from agents.settlement.turn import Turn
from schemas import settlement_events as ev
from schemas.rail_settings import Retry
from schemas.settlement_batches import AlertRecord
from schemas.settlement_internal import SubmissionFailed

_DEFAULT = Retry()


def first_attempt_ms(turn: Turn, rail: str) -> int:
    """When a batch that is ready may go: now, unless its rail is left alone."""
    seen = turn.state.rails_seen.get(rail) or RailRow()
    return max(turn.now_ms, seen.open_until_ms)


def attempt_due(turn: Turn, batch_id: str) -> None:
    """An attempt was due at some time; nothing happens where another one is, or none."""
    batch = turn.state.batches.get(batch_id)
    if batch is not None and batch.state == "ready" and 0 < batch.attempt_due_ms <= turn.now_ms:
        begin_attempt(turn, batch_id)


def begin_attempt(turn: Turn, batch_id: str) -> None:
    """Tell the courier to hand the batch over, unless another one is trying whether the rail is back."""
    batch = turn.state.batch(batch_id)
    seen = turn.state.rails_seen.get(batch.rail) or RailRow()
    if seen.probe not in ("", batch_id) and _is_trying(turn, seen.probe):
        put_off = turn.event(ev.ATTEMPT_PUT_OFF, rail=batch.rail, batch_id=batch_id)
        put_off.due_ms = turn.now_ms + _retry_of(turn, batch.rail).breaker_open_ms
        turn.write(put_off)
        return
    event = turn.event(ev.ATTEMPT_DUE, rail=batch.rail, asset=batch.asset, batch_id=batch_id)
    event.attempt = batch.attempt + 1
    turn.write(event)


def _is_trying(turn: Turn, batch_id: str) -> bool:
    batch = turn.state.batches.get(batch_id)
    return batch is not None and batch.state == "ready" and batch.is_in_attempt


def take_failed_attempt(turn: Turn, failed: SubmissionFailed) -> None:
    """The courier could not hand a batch over, or does not know whether it could; each attempt is answered once."""
    batch = turn.state.batches.get(failed.batch_id)
    if batch is None or batch.state != "ready" or not batch.is_in_attempt or batch.attempt != failed.attempt:
        return
    fail_attempt(turn, failed.batch_id, batch, failed.message, may_have_been_sent=failed.may_have_been_sent)


def fail_attempt(turn: Turn, batch_id: str, batch: BatchRow, message: str, *, may_have_been_sent: bool) -> None:
    """Try again after a pause; the rail is left alone where that was one failure too many."""
    retry, seen = _retry_of(turn, batch.rail), turn.state.rails_seen.get(batch.rail) or RailRow()
    event = turn.event(ev.ATTEMPT_FAILED, rail=batch.rail, asset=batch.asset, batch_id=batch_id)
    event.attempt, event.message, event.may_have_been_sent = batch.attempt, message[:400], may_have_been_sent
    event.due_ms = next_attempt_ms(turn.rails.get(batch.rail), batch_id, batch.attempt, turn.now_ms)
    if seen.failures + 1 >= retry.breaker_failures:
        event.breaker_until_ms = turn.now_ms + retry.breaker_open_ms
        event.due_ms = max(event.due_ms, event.breaker_until_ms)
        told = (
            f"rail {batch.rail} has failed {seen.failures + 1} times in a row ({message[:200]}): it is left alone for "
            f"{retry.breaker_open_ms / 1000:g} s and then tried again; `walletstream settlement retry {batch_id}` "
            "tries it at once"
        )
        turn.alert(rail_alert(batch.rail, batch_id, "open", told))
    else:
        # Until it is closed by an answer the breaker lets a single batch try.
        event.due_ms = max(event.due_ms, seen.open_until_ms)
    turn.write(event)


def rail_is_back(turn: Turn, batch: BatchRow, batch_id: str) -> None:
    """The rail has answered: called before that is applied."""
    seen = turn.state.rails_seen.get(batch.rail)
    if seen is not None and seen.open_until_ms:
        turn.alert(rail_alert(batch.rail, batch_id, "closed", f"rail {batch.rail} answers again"))


def rail_alert(rail: str, batch_id: str, state: Literal["open", "closed"], message: str) -> AlertRecord:
    """An alert on a rail that does not answer."""
    return AlertRecord(
        alert_id=f"rail_unavailable {rail}",
        rail=rail,
        code="rail_unavailable",
        state=state,
        batch_id=batch_id,
        message=message,
        recorded_at="",
    )


def _retry_of(turn: Turn, name: str) -> Retry:
    rail = turn.rails.get(name)
    return _DEFAULT if rail is None else rail.retry
