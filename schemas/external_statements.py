"""External statements: what banks and partners say moved on an account, on `external-statements`.

An importer reads a file, proves it, and writes in one Kafka transaction the lines of each of its statements and after
them the `statement` that they belong to; or `refused` for the whole file. The key of every record is the account's
name, so that an account has one order and one partition.

Amounts are signed as the account's holder, which is we, sees them: what came in is positive. For every statement with
balances `opening_minor` + the amounts of its lines = `closing_minor`, proven before anything is written.
"""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from typing import Final, Literal

import msgspec

#: Whose word a statement is: a partner's settlement report, or the bank's own account.
Side = Literal["partner", "bank"]

#: `booked`: what is final. `interim` (camt.052, MT942, BAI2 of the same day) and `advice` (camt.054) tell of movements
#: that come again in a booked statement: who adds them to booked lines counts them twice.
Basis = Literal["booked", "interim", "advice"]

#: What proves that no line was lost or added: opening and closing balance, totals and counts in the file, or nothing.
Proof = Literal["balances", "totals", "none"]

ReferenceName = Literal[
    "provider_reference",
    "transaction_id",
    "end_to_end_id",
    "instruction_id",
    "customer_reference",
    "bank_reference",
    "clearing_reference",
    "batch_id",
    "mandate_id",
    "creditor_reference",
    "cheque_number",
]

#: Names of references, and what each is. No other name is in `ExternalLine.references`.
REFERENCES: Final[dict[ReferenceName, str]] = {
    "provider_reference": "The partner's or rail's own id of the movement.",
    "transaction_id": "Our transaction id, where the other side repeats it in a field of its own.",
    "end_to_end_id": "What the payer gave, unchanged to the payee: camt `EndToEndId`, MT940 `EREF`.",
    "instruction_id": "What the instructing party gave its bank: camt `InstrId`.",
    "customer_reference": "What the account's holder gave: field 7 of MT940's `:61:`, BAI2's customer reference.",
    "bank_reference": "The account servicer's own: camt `AcctSvcrRef`, field 8 of `:61:`, BAI2's bank reference.",
    "clearing_reference": "The clearing system's or scheme's id: camt `TxId` or `UETR`.",
    "batch_id": "The batch in which it was booked: camt `PmtInfId`, else `MsgId`; MT940 `PREF`.",
    "mandate_id": "Mandate of a direct debit: camt `MndtId`, MT940 `MREF`.",
    "creditor_reference": "Structured remittance reference: camt `CdtrRefInf/Ref` (ISO 11649, Swiss QR, ISR).",
    "cheque_number": "Number of a cheque: camt `ChqNb`.",
}

RefusalReason = Literal[
    "too_large",
    "encoding",
    "format_unknown",
    "version_unknown",
    "malformed",
    "forbidden_xml",
    "mapping",
    "empty",
    "amount",
    "date",
    "currency",
    "sign",
    "account",
    "unbalanced",
    "totals",
    "page_gap",
    "sequence_gap",
    "sequence_repeated",
    "copy_differs",
]

#: Why a file was refused, and what to do about it.
REFUSALS: Final[dict[RefusalReason, str]] = {
    "too_large": "Larger than the limit: hashed only, and left where it is. Or too many lines. Have it split.",
    "encoding": "Bytes that are no text in the encoding that the file says or its format has.",
    "format_unknown": "No format that is read here can be told from its beginning. Name it, or give a mapping.",
    "version_unknown": "A message of ISO 20022, SWIFT or BAI that is not read here.",
    "malformed": "The file breaks its format: cut short, a field missing or where it may not be, too deep.",
    "forbidden_xml": "A document type, entity or external reference: no statement needs one.",
    "mapping": "The mapping does not fit: a column that is not there, or a value that it does not know.",
    "empty": "There is no statement in it.",
    "amount": "An amount that is no plain decimal number, has more decimals than its asset, or is beyond 64 bits.",
    "date": "A date that does not exist, or is not between 1970 and 2199.",
    "currency": "A currency that is not known, is not the account's, or is not the statement's.",
    "sign": "A debit or credit mark that is missing or unknown, or an amount with a sign where the mark gives it.",
    "account": "The file is of another account, or of several.",
    "unbalanced": "Opening balance + lines is not the closing balance, or a batch is not the sum of its parts.",
    "totals": "Totals or counts that the file gives are not those of its lines.",
    "page_gap": "A page is missing or there twice, or the first or last one does not say that it is.",
    "sequence_gap": "A statement before this one is missing: import that one first, or allow the gap.",
    "sequence_repeated": "A statement of this number, with other contents, was imported or stands in the same file.",
    "copy_differs": "A statement of the same id says something else than the one that was imported.",
}


class StatementSource(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Lineage: the file that a record comes from. The file itself is kept under its SHA-256."""

    #: Base name of the file, and SHA-256 of its bytes in hexadecimal digits.
    file: str
    sha256: str
    size_bytes: int
    #: What it was read as: `camt.053.001.08`, `MT940`, `BAI2`, `CSV`, `JSON`; absent where that is not known.
    format: str | None = None


class ExternalLine(msgspec.Struct, tag_field="kind", tag="line", omit_defaults=True, kw_only=True, gc=False):
    """One movement on the account."""

    #: Hash of statement and number: the same whenever the same file is read.
    line_id: str
    statement_id: str
    account: str
    side: Side
    basis: Basis = "booked"
    #: From 1 within the statement.
    number: int
    #: As it moved on the account, fee taken off, in minor units of `asset`: positive came in, negative went out.
    amount_minor: int
    asset: str
    #: `YYYY-MM-DD`. Where the file gives only one of both, each is that one.
    value_date: str
    booking_date: str
    #: By the names of `REFERENCES`; what the file gives as "none" (`NONREF`, `NOTPROVIDED`) is left out.
    references: dict[str, str] = {}
    #: Charge within `amount_minor`, which is `amount_minor + fee_minor` before it; negative where a fee came back. Fees
    #: that are booked apart are lines of their own.
    fee_minor: int = 0
    #: It takes an earlier movement back. The sign is already that of the reversal.
    reversal: bool = False
    #: The bank's code of the transaction: camt `PMNT/RCDT/ESCT`, MT940 `NTRF`, BAI2 `165`.
    code: str | None = None
    #: Why it came back, where it did: camt `RtrInf/Rsn` such as `AC04`, MT940 `RTRN`.
    return_code: str | None = None
    counterparty: str | None = None
    #: What was written with it, shortened to 1,000 characters.
    remittance: str | None = None
    #: Hash of what the line says, without its place; equal lines of a statement are told apart by `occurrence`, from 1.
    fingerprint: str
    occurrence: int = 1
    source: StatementSource
    #: Of the file, from 1, where the line begins; and the statement's index in the file, from 0.
    line_number: int
    statement_index: int


class ExternalStatement(msgspec.Struct, tag_field="kind", tag="statement", omit_defaults=True, kw_only=True, gc=False):
    """A statement, after the last of its lines: counts, totals and hashes of what must be there."""

    #: Hash of account, side, SHA-256 of the file and index in the file: who has seen it passes over it and its lines.
    statement_id: str
    account: str
    side: Side
    basis: Basis = "booked"
    #: The account as the file names it: IBAN, number.
    account_id: str | None = None
    asset: str
    #: The statement's id as the file gives it.
    reference: str | None = None
    #: Number in the bank's sequence, and the pages of it that are here; `complete` unless later pages follow.
    sequence_number: int | None = None
    first_page: int = 1
    last_page: int = 1
    complete: bool = True
    opening_minor: int | None = None
    closing_minor: int | None = None
    #: `YYYY-MM-DD`, of the balances, else of the earliest and latest line; absent where there is neither.
    opening_date: str | None = None
    closing_date: str | None = None
    proof: Proof
    line_count: int
    #: Sums of what came in and went out; both are 0 or more.
    credit_minor: int
    debit_minor: int
    #: Entries of the file that are not booked yet (pending, expected, for information): they are no lines.
    not_booked_count: int = 0
    #: SHA-256 over `line_id` and `fingerprint` of the lines in order.
    lines_hash: str
    #: Hash of what the statement says, without file and place: a copy in another file has the same.
    content_hash: str
    #: What was missing before it when somebody allowed that.
    gap_allowed: str | None = None
    source: StatementSource
    line_number: int
    statement_index: int
    #: Statements in the file.
    statement_count: int


class RefusedFile(msgspec.Struct, tag_field="kind", tag="refused", omit_defaults=True, kw_only=True, gc=False):
    """A file of which nothing was imported, and why."""

    account: str
    side: Side
    reason: RefusalReason
    #: One sentence that says what is wrong, with what was found and what should be there.
    detail: str
    #: Where, if that can be said; as in `ExternalLine`.
    line_number: int | None = None
    statement_index: int | None = None
    #: The file was too large to be kept.
    kept: bool = True
    source: StatementSource


ExternalRecord = ExternalLine | ExternalStatement | RefusedFile

encode_external: Final = msgspec.json.Encoder().encode
decode_external: Final = msgspec.json.Decoder(ExternalRecord).decode


def wrong_date(record: ExternalRecord) -> str | None:
    """A date of the record that is no day, or not between 1970 and 2199; None where all are as files are read."""
    dates: tuple[str | None, ...] = ()
    if isinstance(record, ExternalLine):
        dates = (record.value_date, record.booking_date)
    elif isinstance(record, ExternalStatement):
        dates = (record.opening_date, record.closing_date)
    return next((text for text in dates if text is not None and not is_day(text)), None)


def is_day(text: str) -> bool:
    """Whether it is a day between 1970 and 2199, as `2026-11-23`."""
    try:
        return date.fromisoformat(text).isoformat() == text and "1970" <= text[:4] <= "2199"
    except ValueError:
        return False


def statement_id_of(account: str, side: Side, file_sha256: str, statement_index: int) -> str:
    """Id of the statement at this index, from 0, of a file that is imported for an account: 32 hexadecimal digits.

    What a bank and a partner say under one name, even in the same bytes, are two statements.
    """
    return _id(account, side, file_sha256, str(statement_index))


def line_id_of(statement_id: str, number: int) -> str:
    """Id of a statement's line by its number, from 1: 32 hexadecimal digits."""
    return _id(statement_id, str(number))


def _id(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:32]
