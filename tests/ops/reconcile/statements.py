"""Statements and their lines, for tests."""

from __future__ import annotations

from typing import Any

from schemas.external_statements import ExternalLine, ExternalStatement, StatementSource

DAY = "2026-11-20"
SOURCE = StatementSource("s.xml", "00", 1)


def statement(statement_id: str, closing_minor: int | None, **fields: Any) -> ExternalStatement:
    given: dict[str, Any] = {
        "statement_id": statement_id,
        "account": "cards",
        "side": "bank",
        "asset": "EUR",
        "closing_minor": closing_minor,
        "closing_date": DAY,
        "proof": "balances",
        "line_count": 0,
        "credit_minor": 0,
        "debit_minor": 0,
        "lines_hash": "",
        "content_hash": statement_id,
        "source": SOURCE,
        "line_number": 1,
        "statement_index": 0,
        "statement_count": 1,
    }
    return ExternalStatement(**{**given, **fields})


def line(line_id: str, statement_id: str, day: str = DAY, **fields: Any) -> ExternalLine:
    given: dict[str, Any] = {
        "line_id": line_id,
        "statement_id": statement_id,
        "account": "cards",
        "side": "bank",
        "number": 1,
        "amount_minor": 5,
        "asset": "EUR",
        "value_date": day,
        "booking_date": day,
        "fingerprint": line_id,
        "source": SOURCE,
        "line_number": 2,
        "statement_index": 0,
    }
    return ExternalLine(**{**given, **fields})
