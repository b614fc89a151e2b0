"""What partners and banks say: lines wait for their statement, and count once it is complete. Pure.

A statement that was taken before, also as a copy in another file, is passed over with its lines, so that importing
again changes nothing. One whose lines are not those that it says is refused whole, as a file is that does not add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from agents.reconciliation.cases import close_case, open_refused
from agents.reconciliation.state import begun_key, content_key, staged_key
from agents.reconciliation.turn import Turn
from schemas.external_statements import (
    ExternalLine,
    ExternalStatement,
    RefusedFile,
    decode_external,
    statement_id_of,
    wrong_date,
)
from schemas.partitioning import partition_of
from schemas.reconciliation_events import (
    LINE_STAGED,
    STATEMENT_BEGUN,
    STATEMENT_NOTED,
    STATEMENT_REFUSED,
    STATEMENT_REPEATED,
    STATEMENT_TAKEN,
    StatementFacts,
)
from schemas.reconciliation_internal import ForwardedStatement, encode_reconciliation_internal
from schemas.reconciliation_lines import BookLine
from schemas.topics import RECONCILIATION_INTERNAL

#: Refusals that say that a statement does not add up, or that one is missing: somebody has to get it right.
_UNPROVEN: Final = frozenset(
    {"unbalanced", "totals", "page_gap", "sequence_gap", "sequence_repeated", "copy_differs", "sign", "amount"}
)


def take_external(turn: Turn, value: bytes) -> None:
    """Take one record of `external-statements`, or send it on to its book's partition.

    Raises:
        msgspec.MsgspecError: it is no such record.
        ValueError: no book can have the account, or a date of it is none.
    """
    record = decode_external(value)
    if (text := wrong_date(record)) is not None:
        # With it the book could never be matched again.
        raise ValueError(f"{text!r} is no day between 1970 and 2199, as in 2026-11-23")
    book = _book_of(turn, record)
    if book is None:
        return
    home = partition_of(book, turn.context.partitions)
    if home != turn.context.partition:
        forwarded = ForwardedStatement(book=book, value=value.decode())
        turn.out.send(RECONCILIATION_INTERNAL, home, book.encode(), encode_reconciliation_internal(forwarded))
        return
    take_at_home(turn, book, record)


def _book_of(turn: Turn, record: ExternalLine | ExternalStatement | RefusedFile) -> str | None:
    """The book that a record goes to; None where its account is not reconciled.

    That of a statement is the one that its first line went to: rules that are published between two of its records
    would leave half of it in another book, and neither half is what the statement says.
    """
    book = turn.followed.book_of_account(record.account)
    if isinstance(record, RefusedFile):
        return book
    begun = turn.state.begun.get(begun_key(record.account, record.side))
    if begun is not None and begun.statement_id == record.statement_id:
        return begun.book
    if isinstance(record, ExternalLine):
        turn.write(turn.event(STATEMENT_BEGUN, book=book, statement=_facts_of_line(record)))
    return book


def _facts_of_line(line: ExternalLine) -> StatementFacts:
    """What a line says of its statement: not yet what is in it."""
    return StatementFacts(
        statement_id=line.statement_id,
        content_hash="",
        side=line.side,
        account=line.account,
        asset=line.asset,
        line_count=0,
        file=line.source.file,
    )


def take_at_home(turn: Turn, book: str, record: ExternalLine | ExternalStatement | RefusedFile) -> None:
    """Take a record in the partition of its book."""
    if isinstance(record, RefusedFile):
        _refused_file(turn, book, record)
    elif isinstance(record, ExternalLine):
        _line(turn, book, record)
    else:
        _statement(turn, book, record)


def _line(turn: Turn, book: str, line: ExternalLine) -> None:
    state = turn.state
    is_known = state.statements.get(line.statement_id) is not None
    if is_known or state.staged.get(staged_key(line.statement_id, line.number)) is not None:
        return
    if line.basis in turn.followed.book(book).bases:
        turn.write(turn.event(LINE_STAGED, book=book, lines=(_kept(line),)))


def _kept(line: ExternalLine) -> BookLine:
    return BookLine(
        line_id=line.line_id,
        side=line.side,
        amount_minor=line.amount_minor,
        asset=line.asset,
        date=line.value_date,
        fee_minor=line.fee_minor,
        references=line.references,
        account=line.account,
        statement_id=line.statement_id,
        number=line.number,
        reversal=line.reversal,
        counterparty=line.counterparty,
        remittance=None if line.remittance is None else line.remittance[:200],
    )


def _statement(turn: Turn, book: str, statement: ExternalStatement) -> None:
    state = turn.state
    facts = _facts(statement)
    seen = state.statements.get(facts.statement_id) or state.statements.get(content_key(facts))
    if seen is not None:
        message = f"{_named(statement)} was taken before, from {seen.file}; nothing is done"
        turn.write(turn.event(STATEMENT_REPEATED, book=book, statement=facts, message=message))
        return
    if statement.basis not in turn.followed.book(book).bases:
        message = f"{_named(statement)} is {statement.basis}: what it tells comes again in one that is booked"
        turn.write(turn.event(STATEMENT_NOTED, book=book, statement=facts, message=message))
        return
    waiting = [line for _, line in state.staged.scan(f"{facts.statement_id} ", f"{facts.statement_id}!")]
    problem = _problem(statement, waiting)
    if problem is not None:
        turn.write(turn.event(STATEMENT_REFUSED, book=book, statement=facts, message=problem))
        open_refused(turn, book, f"{facts.statement_id}", f"{_named(statement)}: {problem}", facts.asset)
        return
    # Matched by the next tick: once for all statements of a file, and one that is taken stays so if matching fails.
    due_at_ms = turn.due_by(book, turn.context.recorded_at_ms)
    turn.write(turn.event(STATEMENT_TAKEN, book=book, statement=facts, due_at_ms=due_at_ms))
    close_case(turn, book, facts.statement_id, f"{_named(statement)} was imported again and adds up")


def _facts(statement: ExternalStatement) -> StatementFacts:
    return StatementFacts(
        statement_id=statement.statement_id,
        content_hash=statement.content_hash,
        side=statement.side,
        account=statement.account,
        asset=statement.asset,
        line_count=statement.line_count,
        opening_date=statement.opening_date,
        closing_date=statement.closing_date,
        file=statement.source.file,
    )


def _problem(statement: ExternalStatement, lines: Sequence[BookLine]) -> str | None:
    """Why the lines that came are not those of the statement; None where they are."""
    if len(lines) != statement.line_count:
        return f"it has {statement.line_count} lines, but {len(lines)} of them came"
    credit_minor = sum(line.amount_minor for line in lines if line.amount_minor > 0)
    debit_minor = -sum(line.amount_minor for line in lines if line.amount_minor < 0)
    if (credit_minor, debit_minor) != (statement.credit_minor, statement.debit_minor):
        return (
            f"its lines come to {credit_minor} in and {debit_minor} out (minor units), but it says "
            f"{statement.credit_minor} and {statement.debit_minor}"
        )
    opening, closing = statement.opening_minor, statement.closing_minor
    if opening is not None and closing is not None and opening + credit_minor - debit_minor != closing:
        return f"opening {opening} + lines {credit_minor - debit_minor} is not closing {closing} (minor units)"
    return None


def _named(statement: ExternalStatement) -> str:
    return f"statement {statement.reference or statement.statement_id[:12]} of {statement.account}"


def _refused_file(turn: Turn, book: str, refused: RefusedFile) -> None:
    file = refused.source.file
    turn.write(
        turn.event(STATEMENT_REFUSED, book=book, code=refused.reason, message=f"{file} was refused: {refused.detail}")
    )
    if refused.reason in _UNPROVEN:
        number = 0 if refused.statement_index is None else refused.statement_index
        seed = statement_id_of(refused.account, refused.side, refused.source.sha256, number)
        open_refused(turn, book, seed, f"{file} was refused ({refused.reason}): {refused.detail}", "")


def decode_forwarded(value: str) -> ExternalLine | ExternalStatement | RefusedFile:
    """The record of another partition.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    record: Any = decode_external(value.encode())
    assert isinstance(record, msgspec.Struct)
    return record  # type: ignore[return-value]
