"""Events of the reconciliation role on `reconciliation-events`: its state is a fold of them, and needs no rule for it.

One struct for all types, as on `ledger-events`; a field that does not apply is not there.
"""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.reconciliation_exceptions import ReconciliationException
from schemas.reconciliation_lines import BookLine, Relation
from schemas.reconciliation_results import MatchRecord

LINES_TAKEN: Final = "lines.taken"
LINE_STAGED: Final = "line.staged"
LINES_ARCHIVED: Final = "lines.archived"
LINES_SET_ASIDE: Final = "lines.set_aside"
LINES_RECALLED: Final = "lines.recalled"
LINES_FORGOTTEN: Final = "lines.forgotten"
TRANSACTION_TRACED: Final = "transaction.traced"
STATEMENT_BEGUN: Final = "statement.begun"
STATEMENT_TAKEN: Final = "statement.taken"
STATEMENT_REPEATED: Final = "statement.repeated"
STATEMENT_REFUSED: Final = "statement.refused"
STATEMENT_NOTED: Final = "statement.noted"
MATCH_MADE: Final = "match.made"
MATCH_UNDONE: Final = "match.undone"
EXCEPTION_CHANGED: Final = "exception.changed"
DECISION_TAKEN: Final = "decision.taken"
DECISION_REPEATED: Final = "decision.repeated"
DECISION_REFUSED: Final = "decision.refused"
POSTING_UNEXPECTED: Final = "posting.unexpected"
BOOK_MATCHED: Final = "book.matched"
RECORD_FAILED: Final = "record.failed"

#: Type -> what it says.
RECONCILIATION_EVENT_TYPES: Final[dict[str, str]] = {
    LINES_TAKEN: "lines of the ledger have come to a book",
    LINE_STAGED: "a line of a statement waits for the statement that it belongs to",
    LINES_ARCHIVED: "lines that were matched long ago are not kept any more",
    LINES_SET_ASIDE: "lines that were matched long ago are kept for a side that has stated nothing yet",
    LINES_RECALLED: "lines that were set aside count again, since that side has stated something; `what` names a side "
    "of which all are back",
    LINES_FORGOTTEN: "lines that were set aside for too long are not kept any more",
    TRANSACTION_TRACED: "what later lines of a transaction are told apart by: its key, the batch that it is sent in",
    STATEMENT_BEGUN: "the first line of a statement has come to the partition of its account: all goes to `book`, "
    "whatever is published meanwhile; without `book` its account is not reconciled, and all of it is passed over",
    STATEMENT_TAKEN: "a statement is complete; its lines count from now on",
    STATEMENT_REPEATED: "a statement, or a copy of it, was taken before; its lines are dropped",
    STATEMENT_REFUSED: "a statement is not what its lines say, or its file was refused; none of it counts",
    STATEMENT_NOTED: "a statement does not count in its book, since it is not booked yet",
    MATCH_MADE: "lines belong together",
    MATCH_UNDONE: "a match does not count any more; `message` says why",
    EXCEPTION_CHANGED: "an exception is from now on as `exception` says; `what` names the step",
    DECISION_TAKEN: "what somebody has decided is done",
    DECISION_REPEATED: "a decision that was taken or refused before came again; nothing is done",
    DECISION_REFUSED: "a decision is not done; `code` and `message` say why",
    POSTING_UNEXPECTED: "the ledger answers a posting that no exception waits for; its lines count as all others",
    BOOK_MATCHED: "a book was matched; what has changed by it precedes",
    RECORD_FAILED: "a record could not be handled; it is dead-lettered",
}


class ReconciliationCause(msgspec.Struct, frozen=True, gc=False):
    """The record that was decided."""

    topic: str
    partition: int
    offset: int


class Trace(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a transaction's later lines are told apart by."""

    idempotency_key: str | None = None
    batch_id: str | None = None


class StatementFacts(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is remembered of a statement."""

    statement_id: str
    content_hash: str
    side: str
    account: str
    asset: str
    line_count: int
    opening_date: str | None = None
    closing_date: str | None = None
    file: str | None = None


class DecisionFacts(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who decided what; the digest is of the whole decision."""

    decision_id: str
    kind: str
    by: str
    digest: str
    exception_id: str | None = None


class ReconciliationEvent(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One event."""

    #: Gapless in its partition; set when it is written.
    sequence: int = -1
    type: str
    cause: ReconciliationCause
    book: str | None = None
    relation: Relation | None = None
    lines: tuple[BookLine, ...] = ()
    line_ids: tuple[str, ...] = ()
    transaction_id: str | None = None
    trace: Trace | None = None
    statement: StatementFacts | None = None
    match: MatchRecord | None = None
    match_id: str | None = None
    exception: ReconciliationException | None = None
    #: Step of an exception: `opened`, `updated`, `assigned`, `proposed`, `approved`, `resolved`, `closed`, ...
    what: str | None = None
    decision: DecisionFacts | None = None
    by: str | None = None
    #: When the book is to be matched next, in Unix milliseconds; 0: not before something comes.
    due_at_ms: int | None = None
    code: str | None = None
    message: str | None = None
    recorded_at: str


encode_reconciliation_event: Final = msgspec.json.Encoder().encode
decode_reconciliation_event: Final = msgspec.json.Decoder(ReconciliationEvent).decode
