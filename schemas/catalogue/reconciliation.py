"""What the reconciliation role reads and writes, statements and proofs."""

from __future__ import annotations

from typing import Final

from schemas.catalogue.entry import reference_data
from schemas.topics import (
    DAY_MS,
    ENVELOPE_MAX_BYTES,
    EXTERNAL_STATEMENTS,
    MATCHING_RULES,
    RECONCILIATION_DECISIONS,
    RECONCILIATION_EVENTS,
    RECONCILIATION_EXCEPTIONS,
    RECONCILIATION_INTERNAL,
    RECONCILIATION_PROOFS,
    RECONCILIATION_RESULTS,
    Topic,
)

RECONCILIATION_TOPICS: Final = (
    reference_data(
        MATCHING_RULES,
        "What is reconciled with what, by which rules: the latest version of each book. `walletstream reconcile rules` "
        "writes them.",
        readers=("reconciliation",),
        key="name of the book",
        value="Book",
        example="matching-rules.v1/book.json",
    ),
    Topic(
        name=RECONCILIATION_INTERNAL,
        description="What one partition of the reconciliation role tells another: own lines, statements and decisions "
        "on their way to their book's partition, answers to postings; ticks.",
        owner="reconciliation",
        readers=("reconciliation",),
        key="name of the book; none for ticks",
        value="ReconciliationInternal",
        retention_ms=7 * DAY_MS,
        max_message_bytes=ENVELOPE_MAX_BYTES,
        append_time=True,
        example="reconciliation-internal.v1/ledger_lines.json",
    ),
    Topic(
        name=RECONCILIATION_EVENTS,
        description="The reconciliation role's state log: lines, statements, matches made and undone, every step of "
        "every exception, decisions taken and refused; sealed as the ledger's.",
        owner="reconciliation",
        readers=("reconciliation", "operators' tools"),
        key="name of the book; empty for seals",
        value="ReconciliationEvent or Seal",
        retention_ms=None,
        max_message_bytes=ENVELOPE_MAX_BYTES,
        example="reconciliation-events.v1/match_made.json",
    ),
    Topic(
        name=RECONCILIATION_RESULTS,
        description="Matches that were made and undone, and where each book stands.",
        owner="reconciliation",
        readers=("operators' tools",),
        key="name of the book",
        value="ReconciliationResult",
        retention_ms=400 * DAY_MS,
        max_message_bytes=ENVELOPE_MAX_BYTES,
        example="reconciliation-results.v1/matched.json",
    ),
    Topic(
        name=RECONCILIATION_EXCEPTIONS,
        description="Exceptions; the last record of an exception's id is what counts, and repeats what was said "
        "before.",
        owner="reconciliation",
        readers=("operators' tools",),
        key="name of the book",
        value="ReconciliationException",
        retention_ms=400 * DAY_MS,
        max_message_bytes=ENVELOPE_MAX_BYTES,
        example="reconciliation-exceptions.v1/open.json",
    ),
    Topic(
        name=RECONCILIATION_DECISIONS,
        description="What people decide about exceptions and matches.",
        owner="operators' tools",
        readers=("reconciliation",),
        key="name of the book",
        value="Decision",
        strict=True,
        retention_ms=30 * DAY_MS,
        append_time=True,
        example="reconciliation-decisions.v1/propose.json",
    ),
    Topic(
        name=EXTERNAL_STATEMENTS,
        description="What banks and partners say moved on our accounts: the lines of each statement, then the "
        "statement; or that a file was refused. One file is one transaction.",
        owner="operators' tools",
        readers=("reconciliation", "operators' tools"),
        key="account name",
        value="ExternalRecord",
        retention_ms=None,
        append_time=True,
        example="external-statements.v1/line.json",
    ),
    Topic(
        name=RECONCILIATION_PROOFS,
        description="Proofs of days that are over: the safeguarding identity of each asset, and positions against "
        "statements; of the records with one proof_id that with the highest revision counts.",
        owner="reconciliation",
        readers=("auditors", "operators' tools"),
        key="proof_id",
        value="SafeguardingProof or BalanceProof",
        retention_ms=None,
        example="reconciliation-proofs.v1/safeguarding.json",
    ),
)
