"""From proven statements to records of `external-statements`: ids, hashes, lineage. The same file gives the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

from agents.statements.gates import days_of, proof_of
from agents.statements.parsed import Entry, Statement
from schemas.external_statements import (
    Basis,
    ExternalLine,
    ExternalStatement,
    Side,
    StatementSource,
    line_id_of,
    statement_id_of,
)

#: Longest reference, name and remittance text that is kept; the file has the rest.
_MOST_REFERENCE: Final = 200
_MOST_NAME: Final = 200
_MOST_REMITTANCE: Final = 1_000

#: What a line says, apart from where it stands.
_SAID: Final = (
    *("amount_minor", "asset", "value_date", "booking_date", "references", "fee_minor", "reversal"),
    *("code", "return_code", "counterparty", "remittance"),
)

_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class StatementRecords(NamedTuple):
    """A statement and its lines."""

    statement: ExternalStatement
    lines: tuple[ExternalLine, ...]


def records_of(
    statement: Statement, count: int, account: str, side: Side, source: StatementSource, gap_allowed: str | None = None
) -> StatementRecords:
    """The records of one of the `count` statements of a file, which have passed their gates."""
    statement_id = statement_id_of(account, side, source.sha256, statement.index)
    seen: Counter[str] = Counter()
    lines = []
    for number, entry in enumerate(statement.entries, start=1):
        line = _line(entry, number, statement, statement_id, account, side, source)
        seen[line.fingerprint] += 1
        line.occurrence = seen[line.fingerprint]
        lines.append(line)
    return StatementRecords(_statement(statement, count, lines, account, side, source, gap_allowed), tuple(lines))


def _line(
    entry: Entry,
    number: int,
    statement: Statement,
    statement_id: str,
    account: str,
    side: Side,
    source: StatementSource,
) -> ExternalLine:
    assert entry.value_date is not None, "the gate of dates has passed"
    assert entry.booking_date is not None, "the gate of dates has passed"
    line = ExternalLine(
        line_id=line_id_of(statement_id, number),
        statement_id=statement_id,
        account=account,
        side=side,
        basis=statement.basis,
        number=number,
        amount_minor=entry.amount_minor,
        asset=entry.asset,
        value_date=entry.value_date.isoformat(),
        booking_date=entry.booking_date.isoformat(),
        references={name: text[:_MOST_REFERENCE] for name, text in sorted(entry.references.items())},
        fee_minor=entry.fee_minor,
        reversal=entry.reversal,
        code=_short(entry.code, _MOST_REFERENCE),
        return_code=_short(entry.return_code, _MOST_REFERENCE),
        counterparty=_short(entry.counterparty, _MOST_NAME),
        remittance=_short(entry.remittance, _MOST_REMITTANCE),
        fingerprint="",
        source=source,
        line_number=entry.line_number,
        statement_index=statement.index,
    )
    line.fingerprint = _hash([getattr(line, name) for name in _SAID])
    return line


def _short(text: str | None, most: int) -> str | None:
    return None if text is None else text[:most]


def _statement(
    statement: Statement,
    count: int,
    lines: list[ExternalLine],
    account: str,
    side: Side,
    source: StatementSource,
    gap_allowed: str | None,
) -> ExternalStatement:
    first, last = days_of(statement)
    opening, closing = statement.opening, statement.closing
    amounts = [line.amount_minor for line in lines]
    asset = statement.asset
    assert asset is not None, "the gate of currencies has passed"
    proof = proof_of(statement)
    said: dict[str, str | int | None] = {
        "account_id": _short(statement.account_id, _MOST_REFERENCE),
        "asset": asset,
        "sequence_number": statement.sequence_number,
        "first_page": statement.first_page,
        "last_page": statement.last_page,
        "complete": statement.complete,
        "opening_minor": None if opening is None else opening.minor,
        "closing_minor": None if closing is None else closing.minor,
        "opening_date": None if first is None else first.isoformat(),
        "closing_date": None if last is None else last.isoformat(),
    }
    return ExternalStatement(
        **said,  # type: ignore[arg-type]
        statement_id=statement_id_of(account, side, source.sha256, statement.index),
        account=account,
        side=side,
        basis=statement.basis,
        reference=_short(statement.reference, _MOST_REFERENCE),
        proof=proof,
        line_count=len(lines),
        credit_minor=sum(amount for amount in amounts if amount > 0),
        debit_minor=sum(-amount for amount in amounts if amount < 0),
        not_booked_count=statement.not_booked_count,
        lines_hash=lines_hash_of(lines),
        content_hash=_content_hash(said, statement.basis, None if proof == "balances" else statement.reference, lines),
        gap_allowed=gap_allowed,
        source=source,
        line_number=statement.line_number,
        statement_index=statement.index,
        statement_count=count,
    )


def lines_hash_of(lines: Iterable[ExternalLine]) -> str:
    """`lines_hash` of a statement with these lines, in order: who has read the lines can compare."""
    digest = sha256()
    for line in lines:
        digest.update(f"{line.line_id} {line.fingerprint}\n".encode())
    return digest.hexdigest()


def _content_hash(
    said: Mapping[str, str | int | None], basis: Basis, reference: str | None, lines: Iterable[ExternalLine]
) -> str:
    # Banks give a copy another id. Where balances do not tell statements of equal lines apart, the id has to.
    return _hash({**said, "basis": basis, "reference": reference, "lines": [line.fingerprint for line in lines]})


def _hash(said: object) -> str:
    return sha256(_encode(said)).hexdigest()[:32]
