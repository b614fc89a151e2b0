"""Books are matched when they are due, and one that cannot be matched does not hold up the others. Pure."""

from __future__ import annotations

from typing import Final

from agents.reconciliation.rematch import rematch
from agents.reconciliation.turn import Turn
from schemas.reconciliation_events import RECORD_FAILED
from schemas.topics import RECONCILIATION_EVENTS, RECONCILIATION_RESULTS
from streams.errors import StoreError

#: A book that could not be matched is tried again so much later, or when something comes.
TRY_AGAIN_MS: Final = 600_000


def take_tick(turn: Turn) -> None:
    """Match every book that is due."""
    for book in _due(turn):
        rematch(turn, book)


def fail_tick(turn: Turn) -> None:
    """The role failed on a tick: put off the books that it fails on, so that the next tick matches the others.

    Without that the same tick would be due again at once, for ever, and one book would hold up all.
    """
    for book in _due(turn):
        written, failure = turn.out.so_far(), None
        with turn.state.overlay.attempt():
            try:
                rematch(turn, book)
            except (StoreError, MemoryError):
                raise
            except Exception as error:
                failure = error
        turn.out.return_to(written)
        if failure is not None:
            _later(turn, book, f"it cannot be matched ({type(failure).__name__}: {failure})")


def put_off(turn: Turn) -> None:
    """What a tick leads to is too large for the broker: put off the book of the largest record.

    The next tick matches the others. Where it is too large as well, the next one is put off.
    """
    sizes = {book: _largest_record(turn, book) for book in _due(turn)}
    if not sizes:
        return
    book = max(sizes, key=lambda name: (sizes[name], name))
    _later(
        turn,
        book,
        f"what its matching leads to is too large for the broker, a record of {sizes[book]} bytes: perhaps a match of "
        f"very many lines. Raise max.message.bytes of {RECONCILIATION_EVENTS} and {RECONCILIATION_RESULTS} (8 MiB at "
        "most), or change the rules of the book so that it is not made",
    )


def _largest_record(turn: Turn, book: str) -> int:
    """Bytes of the largest record that matching a book leads to; it is not matched."""
    before = turn.out.so_far()
    with turn.state.overlay.attempt():
        rematch(turn, book)
    of_targets = turn.out.outgoing.by_target.items()
    written = [record for target, records in of_targets for record in records[before.records.get(target, 0) :]]
    turn.out.return_to(before)
    return max((len(value or b"") for _, value, _ in written), default=0)


def _later(turn: Turn, book: str, why: str) -> None:
    due_at_ms = turn.context.recorded_at_ms + TRY_AGAIN_MS
    turn.write(turn.event(RECORD_FAILED, book=book, message=why[:500], due_at_ms=due_at_ms))


def _due(turn: Turn) -> list[str]:
    until = f"{turn.context.recorded_at_ms + 1:015d}"
    return [name.partition(" ")[2] for name, _ in turn.state.due.scan("", until)]
