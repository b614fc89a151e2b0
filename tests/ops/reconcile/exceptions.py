"""Exceptions, matches and books for tests of the commands on them."""

from __future__ import annotations

from typing import Any

from schemas.reconciliation_exceptions import HistoryEntry, Proposal, ReconciliationException
from schemas.reconciliation_lines import BookLine
from schemas.reconciliation_results import BookSummary, MatchRecord, RelationTotals

AT = "2026-11-24T06:30:00.000Z"
LEDGER = BookLine(
    line_id="l1",
    side="ledger",
    amount_minor=10_000,
    asset="EUR",
    date="2026-11-20",
    references={"provider_reference": "P-1"},
    account="system/rail:cards",
)
PARTNER = BookLine(
    line_id="p1",
    side="partner",
    amount_minor=9_975,
    asset="EUR",
    date="2026-11-20",
    references={"provider_reference": "P-1"},
)


def an_exception(exception_id: str, **fields: Any) -> ReconciliationException:
    """One of the book `cards`: the partner has 0.25 EUR less."""
    given: dict[str, Any] = {
        "exception_id": exception_id,
        "book": "cards",
        "relation": "ledger-partner",
        "reason": "amount_under",
        "state": "open",
        "severity": "low",
        "amount_minor": 25,
        "asset": "EUR",
        "difference_minor": -25,
        "lines": (LEDGER, PARTNER),
        "sentence": "The partner has 0.25 EUR less.",
        "due_date": "2026-11-27",
        "history": (HistoryEntry(at=AT, what="opened"),),
        "rules_version": 1,
        "opened_at": AT,
        "recorded_at": AT,
    }
    return ReconciliationException(**{**given, **fields})


def a_proposal(by: str = "op:ines") -> Proposal:
    """A write-off, number 1."""
    return Proposal(number=1, kind="write_off", reason_code="bank_error", proposed_by=by, proposed_at=AT)


def a_match(match_id: str) -> MatchRecord:
    """Of the book `cards`."""
    return MatchRecord(
        match_id=match_id,
        book="cards",
        relation="ledger-partner",
        pass_name="provider_reference",
        left_ids=("l9",),
        right_ids=("p9",),
        asset="EUR",
        amount_minor=500,
        confidence=100,
        rules_version=1,
        date="2026-11-24",
        recorded_at=AT,
    )


def a_summary() -> BookSummary:
    """Of the book `cards`."""
    return BookSummary(
        book="cards",
        as_of="2026-11-24",
        rules_version=1,
        totals=(RelationTotals("ledger-partner", "ledger", "EUR", 5, 50_000, 2, 7_000, 1, 25),),
        statements={"partner": "2026-11-23"},
        waiting=("partner-bank",),
        recorded_at=AT,
    )
