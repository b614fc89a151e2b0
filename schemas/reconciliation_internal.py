"""What one partition of the reconciliation role tells another over `reconciliation-internal`, and its ticks."""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.reconciliation_lines import BookLine


class RoutedLines(msgspec.Struct, tag_field="kind", tag="ledger_lines", omit_defaults=True, kw_only=True):
    """Own lines of one ledger event, on their way to the book's partition."""

    book: str
    lines: tuple[BookLine, ...]


class PostingAnswer(msgspec.Struct, tag_field="kind", tag="posting", frozen=True, omit_defaults=True, kw_only=True):
    """What the ledger says of an `adjust` that a resolution has ordered."""

    book: str
    exception_id: str
    #: Number of the proposal.
    number: int
    #: Code of the ledger: `ok`, or why it was rejected.
    code: str
    message: str | None = None
    transaction_id: str | None = None
    #: Own lines that it has posted.
    lines: tuple[BookLine, ...] = ()


class ForwardedStatement(msgspec.Struct, tag_field="kind", tag="external", kw_only=True):
    """A record of `external-statements` on its way to the book's partition: its value."""

    book: str
    value: str


class ForwardedDecision(msgspec.Struct, tag_field="kind", tag="decision", kw_only=True):
    """A decision that arrived in another partition than its book's: its value."""

    value: str


class Tick(msgspec.Struct, tag_field="kind", tag="tick", kw_only=True):
    """Time passes up to here, in Unix milliseconds."""

    due_at_ms: int


ReconciliationInternal = RoutedLines | PostingAnswer | ForwardedStatement | ForwardedDecision | Tick

encode_reconciliation_internal: Final = msgspec.json.Encoder().encode
decode_reconciliation_internal: Final = msgspec.json.Decoder(ReconciliationInternal).decode
