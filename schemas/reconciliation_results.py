"""Results of matching on `reconciliation-results`: matches that were made and undone, and where each book stands."""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.reconciliation_lines import Relation


class MatchRecord(msgspec.Struct, tag_field="kind", tag="matched", frozen=True, omit_defaults=True, kw_only=True):
    """Lines that belong together."""

    match_id: str
    book: str
    relation: Relation
    #: The pass of the rules that found it; `resolution` where people did.
    pass_name: str
    left_ids: tuple[str, ...] = ()
    right_ids: tuple[str, ...] = ()
    asset: str
    #: Sum of the left side, in minor units.
    amount_minor: int
    #: Right side less left side: what tolerances have allowed.
    difference_minor: int = 0
    fee_minor: int = 0
    #: 0 to 100.
    confidence: int
    #: Where people have decided it: the exception, and who proposed and approved it.
    exception_id: str | None = None
    proposed_by: str | None = None
    approved_by: str | None = None
    rules_version: int
    #: Day on which it was matched, `YYYY-MM-DD`.
    date: str
    recorded_at: str


class UnmatchRecord(msgspec.Struct, tag_field="kind", tag="unmatched", frozen=True, omit_defaults=True, kw_only=True):
    """A match that does not count any more, and why."""

    match_id: str
    book: str
    relation: Relation
    why: str
    by: str | None = None
    recorded_at: str


class RelationTotals(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What stands on one side of a relation in one asset: lines and the sum of their absolute amounts."""

    relation: Relation
    side: str
    asset: str
    matched: int = 0
    matched_minor: int = 0
    expected: int = 0
    expected_minor: int = 0
    exceptions: int = 0
    exceptions_minor: int = 0


class OpenExceptions(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Open exceptions of one kind: how many, what is at risk, and since when the oldest is open."""

    relation: Relation
    reason: str
    severity: str
    asset: str
    count: int
    amount_minor: int
    oldest_at: str


class BookSummary(msgspec.Struct, tag_field="kind", tag="summary", frozen=True, omit_defaults=True, kw_only=True):
    """Where a book stands after it was matched: of lines that are kept, those matched long ago are not."""

    book: str
    as_of: str
    rules_version: int
    totals: tuple[RelationTotals, ...] = ()
    exceptions: tuple[OpenExceptions, ...] = ()
    #: Side -> closing date of the latest statement that was taken.
    statements: dict[str, str] = {}
    #: Relations that wait for their first statement.
    waiting: tuple[str, ...] = ()
    #: There was more to tell than fits at once; the rest follows.
    partial: bool = False
    recorded_at: str


ReconciliationResult = MatchRecord | UnmatchRecord | BookSummary

encode_result: Final = msgspec.json.Encoder().encode
decode_result: Final = msgspec.json.Decoder(ReconciliationResult).decode
