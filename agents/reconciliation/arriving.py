"""An event of the ledger arrives: its own lines go to the partitions in which their books live. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from agents.reconciliation.answering import take_answer
from agents.reconciliation.own_lines import Answered, LedgerFacts, read_ledger_event
from agents.reconciliation.state import line_key
from agents.reconciliation.turn import Turn
from schemas.partitioning import partition_of
from schemas.reconciliation_events import LINES_TAKEN, TRANSACTION_TRACED, Trace
from schemas.reconciliation_internal import PostingAnswer, RoutedLines, encode_reconciliation_internal
from schemas.reconciliation_lines import BookLine
from schemas.topics import RECONCILIATION_INTERNAL


def take_ledger_event(turn: Turn) -> None:
    """Take own lines, or send them on; nothing where the event concerns no rail.

    Raises:
        msgspec.MsgspecError: it is no event of the ledger.
    """
    facts = read_ledger_event(turn.record.value or b"", turn.context.partition)
    if facts is None:
        return
    if facts.traced is not None:
        _trace(turn, *facts.traced)
    others = facts.lines
    if facts.answered is not None:
        others = _answer(turn, facts, facts.answered)
    for book, lines in _by_book(turn, others).items():
        home = partition_of(book, turn.context.partitions)
        if home == turn.context.partition:
            take_lines(turn, book, lines)
        else:
            _send(turn, home, book, RoutedLines(book=book, lines=lines))


def take_lines(turn: Turn, book: str, lines: tuple[BookLine, ...]) -> None:
    """Own lines at home; those before the day from which the book is reconciled are passed over."""
    from_date = turn.followed.book(book).from_date
    counted = tuple(line for line in lines if _counts(turn, book, line, from_date))
    if not counted:
        return
    at_ms = turn.context.recorded_at_ms + turn.limits.rematch_interval_ms
    turn.write(turn.event(LINES_TAKEN, book=book, lines=counted, due_at_ms=turn.due_by(book, at_ms)))


def _counts(turn: Turn, book: str, line: BookLine, from_date: str | None) -> bool:
    """What is not on its way any more counts where it was counted before: else it would be there with the other sign.

    It was not where it was announced before the book began, or when its rail belonged to another one, or so long ago
    that people have ended its exception. `system/rail-pending:<name>` is debited with what is announced, and credited
    once it has come or will not.
    """
    if line.side == "pending" and line.amount_minor < 0:
        return turn.state.lines.get(line_key(book, line)) is not None
    return from_date is None or line.date >= from_date


def _by_book(turn: Turn, by_rail: Mapping[str, Sequence[BookLine]]) -> dict[str, tuple[BookLine, ...]]:
    found: dict[str, list[BookLine]] = {}
    for rail, lines in by_rail.items():
        book = turn.followed.book_of_rail(rail) if rail else None
        if book is not None:
            found.setdefault(book, []).extend(_named(turn, line) for line in lines)
    return {book: tuple(lines) for book, lines in found.items()}


def _named(turn: Turn, line: BookLine) -> BookLine:
    """With what earlier events of the transaction have said: the key that asked for it, and its batch."""
    if line.transaction_id is None:
        return line
    trace = turn.state.traces.get(line.transaction_id, turn.context.recorded_at_ms)
    if trace is None:
        return line
    references = dict(line.references)
    if trace.batch_id is not None:
        references.setdefault("batch_id", trace.batch_id)
    if trace.idempotency_key is not None:
        references.setdefault("customer_reference", trace.idempotency_key)
    return msgspec.structs.replace(line, references=references, idempotency_key=trace.idempotency_key)


def _trace(turn: Turn, transaction_id: str, idempotency_key: str | None, batch_id: str | None) -> None:
    held = turn.state.traces.get(transaction_id, turn.context.recorded_at_ms) or Trace()
    trace = Trace(idempotency_key or held.idempotency_key, batch_id or held.batch_id)
    if trace != held:
        turn.write(turn.event(TRANSACTION_TRACED, transaction_id=transaction_id, trace=trace))


def _answer(turn: Turn, facts: LedgerFacts, answered: Answered) -> dict[str, list[BookLine]]:
    """Tell the exception's book with the lines that are its; rail -> what is posted on rails of other books."""
    own, others = list[BookLine](), dict[str, list[BookLine]]()
    rails = ("", *turn.followed.rails_of(answered.book))
    for rail, of in facts.lines.items():
        for line in of:
            # What is taken from suspense, over whatever rail it goes, is what the exception is about.
            if rail in rails or line.side == "suspense":
                own.append(msgspec.structs.replace(line, exception_id=answered.exception_id))
            else:
                others.setdefault(rail, []).append(line)
    answer = PostingAnswer(
        book=answered.book,
        exception_id=answered.exception_id,
        number=answered.number,
        code=answered.code,
        message=answered.message,
        transaction_id=next((line.transaction_id for of in facts.lines.values() for line in of), None),
        lines=tuple(own),
    )
    home = partition_of(answered.book, turn.context.partitions)
    if home == turn.context.partition:
        take_answer(turn, answer)
    else:
        _send(turn, home, answered.book, answer)
    return others


def _send(turn: Turn, partition: int, book: str, record: RoutedLines | PostingAnswer) -> None:
    turn.out.send(RECONCILIATION_INTERNAL, partition, book.encode(), encode_reconciliation_internal(record))
