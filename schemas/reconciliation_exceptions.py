"""Exceptions: what does not match, on `reconciliation-exceptions`. The last record of an exception's id is what counts.

A case goes from `open` over `assigned`, `proposed` and `approved` to `resolved`, or is `rejected` and proposed anew.
`closed` is what nobody needs to resolve any more: late truth has matched it.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from schemas.reconciliation_lines import BookLine, Relation

ExceptionState = Literal["open", "assigned", "proposed", "approved", "rejected", "resolved", "closed"]
#: States in which somebody has to do something.
OPEN_STATES: Final = frozenset({"open", "assigned", "proposed", "approved", "rejected"})

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("low", "medium", "high", "critical")

ResolutionKind = Literal["match", "split", "write_off", "correct", "no_posting", "rematch"]

#: Kind of resolution -> what it does.
RESOLUTIONS: Final[dict[ResolutionKind, str]] = {
    "match": "the lines belong together, with others that are named perhaps; their amounts agree, nothing is posted",
    "split": "the lines belong together in groups, each of which agrees; a group of one side stays a case of its own",
    "write_off": "the difference goes against `system/writeoffs`, so that the ledger is as the other side says",
    "correct": "the difference is posted between two accounts that the proposer names",
    "no_posting": "it is explained and nothing is posted; the evidence says why",
    "rematch": "the lines go back to the matcher, which had been kept away from them",
}


class Posting(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The `adjust` that a resolution posts, and what became of it."""

    idempotency_key: str
    wallet_id: str
    from_account: str
    to_account: str
    amount_minor: int
    asset: str
    state: Literal["planned", "sent", "posted", "rejected"] = "planned"
    #: The ledger's answer.
    code: str | None = None
    message: str | None = None
    transaction_id: str | None = None


class Proposal(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How somebody wants to resolve it; another person approves or rejects it."""

    #: From 1 within the exception: what is approved is this one and no other.
    number: int
    kind: ResolutionKind
    reason_code: str
    comment: str | None = None
    evidence_ref: str | None = None
    #: Lines beyond those of the exception that belong to it.
    line_ids: tuple[str, ...] = ()
    #: Of a split.
    groups: tuple[tuple[str, ...], ...] = ()
    posting: Posting | None = None
    proposed_by: str
    proposed_at: str
    decided_by: str | None = None
    decided_at: str | None = None


class HistoryEntry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One thing that happened to it. `by` is a person, or absent where the role itself did it."""

    at: str
    what: str
    by: str | None = None
    text: str | None = None
    evidence_ref: str | None = None


class ReconciliationException(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One case."""

    #: Hash of book, relation and the lines with which it was opened: the same wherever it is computed.
    exception_id: str
    book: str
    relation: Relation
    #: One of `schemas.reconciliation_reasons`.
    reason: str
    state: ExceptionState
    severity: Severity
    #: What is at risk: the absolute difference, in minor units of `asset`.
    amount_minor: int
    asset: str
    #: Right side less left side, signed; of a relation with one side, what is there too much.
    difference_minor: int
    lines: tuple[BookLine, ...] = ()
    #: Ids of lines that resemble these.
    candidates: tuple[str, ...] = ()
    sentence: str
    #: `YYYY-MM-DD`: when it should be resolved.
    due_date: str
    overdue: bool = False
    held_until: str | None = None
    assignee: str | None = None
    #: The matcher is kept away from its lines until somebody resolves it.
    pinned: bool = False
    proposals: int = 0
    proposal: Proposal | None = None
    #: Newest last; the oldest of them are left out where they are many, and are in `reconciliation-events`.
    history: tuple[HistoryEntry, ...] = ()
    #: Where it was closed because its lines are part of another one.
    merged_into: str | None = None
    rules_version: int
    opened_at: str
    recorded_at: str


encode_exception: Final = msgspec.json.Encoder().encode
decode_exception: Final = msgspec.json.Decoder(ReconciliationException).decode
