"""What is due: batches to close or try again, answers no longer waited for, queues and merchants to look at. Pure."""

from __future__ import annotations

from collections.abc import Callable

from agents.settlement.attempts import attempt_due
from agents.settlement.batching import close_due, give_up_waiting
from agents.settlement.merchants import look_at_all_merchants, look_at_merchant
from agents.settlement.queueing import advance, advance_all, look_at_queue
from agents.settlement.state import due_key, read_due_key
from agents.settlement.turn import Turn
from schemas import settlement_events as ev
from streams.errors import StoreError

#: What is due then is that terms of rails have changed: all that waits is looked at.
NEWS_MS = 1


def take_tick(turn: Turn, due_at_ms: int) -> None:
    """Time has passed, or the terms of rails have changed: look at all that is due."""
    due = _due(turn)
    turn.write(turn.event(ev.CLOCK_TICKED))
    for key in due:
        _look(turn, key)
    if due_at_ms == NEWS_MS:
        look_at_all_merchants(turn)
        advance_all(turn)


def fail_tick(turn: Turn) -> None:
    """The role failed on a tick: leave alone what it fails on, so that the next tick does the others.

    Without that, one batch would hold up those of all rails.
    """
    for key in _due(turn):
        written, failure = turn.out.so_far(), None
        with turn.state.overlay.attempt():
            try:
                _look(turn, key)
            except (StoreError, MemoryError):
                raise
            except Exception as error:
                failure = error
        turn.out.return_to(written)
        if failure is not None:
            event = turn.event(ev.DUE_FAILED)
            event.reason, event.message = key, type(failure).__name__
            turn.write(event)


def _due(turn: Turn) -> list[str]:
    return [key for key, _ in turn.state.due.scan("", due_key(turn.now_ms + 1, "", ""))]


def _look(turn: Turn, key: str) -> None:
    _, kind, what = read_due_key(key)
    if kind == "close":
        _look_at_batch(turn, what, close_due)
    elif kind == "answers":
        _look_at_batch(turn, what, give_up_waiting)
    elif kind == "attempt":
        attempt_due(turn, what)
    elif kind == "queue":
        look_at_queue(turn, what)
    elif kind == "merchant":
        look_at_merchant(turn, what)
    else:
        turn.write(turn.event(ev.BATCH_FORGOTTEN, batch_id=what))


def _look_at_batch(turn: Turn, batch_id: str, look: Callable[[Turn, str], None]) -> None:
    """What is then no longer set aside for the batch lets what waits go."""
    before = turn.state.batches.get(batch_id)
    look(turn, batch_id)
    after = turn.state.batches.get(batch_id)
    if before is not None and after is not None and after.committed_minor < before.committed_minor:
        advance(turn, after.rail, after.asset, after.direction)
