"""Entries of camt messages, and the transactions of which a batch booking consists.

The sign is that of `CdtDbtInd`, also where `RvslInd` says that the entry takes another one back. A batch booking
becomes one line for each transaction where every transaction has its amount and they add up to the entry; where they
have none, or the entry says that there are more, it stays one line with the references that all of them share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from lxml import etree

from agents.statements.camt_batches import check_batches, count_said, own_batch, read_batches
from agents.statements.camt_details import Detail, code_of, fee_of
from agents.statements.camt_values import amount_of, sign_of
from agents.statements.dates import iso_day
from agents.statements.parsed import Entry
from agents.statements.refusal import Refusal, quoted
from agents.statements.xml import line_of, text_of
from schemas.assets import AssetRegistry

_BOOKED: Final = "BOOK"
_NOT_BOOKED: Final = frozenset({"PDNG", "INFO", "FUTR"})
#: Code of the line that holds the charges of a batch whose transactions are before charges.
_CHARGES: Final = "CHRG"


@dataclass(slots=True)
class Tally:
    """Counts and sums of entries as the bank counts them: a batch is one."""

    credit_count: int = 0
    credit_minor: int = 0
    debit_count: int = 0
    debit_minor: int = 0

    def add(self, amount_minor: int, sign: int) -> None:
        """Count an entry; `amount_minor` without its sign."""
        if sign > 0:
            self.credit_count += 1
            self.credit_minor += amount_minor
        else:
            self.debit_count += 1
            self.debit_minor += amount_minor

    @property
    def count(self) -> int:
        """Entries."""
        return self.credit_count + self.debit_count

    @property
    def total_minor(self) -> int:
        """Their sum, signs aside."""
        return self.credit_minor + self.debit_minor

    @property
    def net_minor(self) -> int:
        """Their sum with signs."""
        return self.credit_minor - self.debit_minor

    def credits(self) -> Tally:
        """The credits alone."""
        return Tally(credit_count=self.credit_count, credit_minor=self.credit_minor)

    def debits(self) -> Tally:
        """The debits alone."""
        return Tally(debit_count=self.debit_count, debit_minor=self.debit_minor)


class EntryReader:
    """Takes the entries of one statement in order."""

    def __init__(self, assets: AssetRegistry):
        self._assets = assets
        self.entries: list[Entry] = []
        self.not_booked_count = 0
        self.every = Tally()
        self.booked = Tally()
        self.first_asset: str | None = None

    def take(self, element: etree._Element) -> None:
        """Take an `Ntry`.

        Raises:
            Refusal: it breaks the format, or its transactions do not add up to it.
        """
        amount_minor, asset = amount_of(element, "Amt", self._assets)
        sign = sign_of(element, "CdtDbtInd")
        status = text_of(element, "Sts/Cd") or text_of(element, "Sts/Prtry") or text_of(element, "Sts") or ""
        if status != _BOOKED and status not in _NOT_BOOKED:
            raise Refusal("malformed", f"Ntry has status {quoted(status)}: BOOK, PDNG, INFO or FUTR is wanted")
        self.first_asset = self.first_asset or asset
        self.every.add(amount_minor, sign)
        if status != _BOOKED:
            self.not_booked_count += 1
            return
        self.booked.add(amount_minor, sign)
        self.entries += _lines(element, amount_minor * sign, asset, self._assets)


def _lines(element: etree._Element, amount_minor: int, asset: str, assets: AssetRegistry) -> list[Entry]:
    entry = Entry(
        line_number=line_of(element),
        amount_minor=amount_minor,
        asset=asset,
        value_date=_day(element, "ValDt"),
        booking_date=_day(element, "BookgDt"),
        fee_minor=fee_of(element, asset, assets),
        reversal=_flag(element, "RvslInd"),
        code=code_of(element),
        remittance=text_of(element, "AddtlNtryInf"),
    )
    batches = read_batches(element, amount_minor, asset, assets)
    check_batches(batches, entry)
    own = _own_references(element) | own_batch(batches)
    details = [detail for one in batches for detail in one.details]
    are_all = count_said(batches) in {None, len(details)}
    if len(details) > 1 and all(one.amount_minor is not None for one in details) and are_all:
        return _split(entry, own, details)
    return [_together(entry, own, details, are_all=are_all)]


def _day(element: etree._Element, path: str) -> date | None:
    text = text_of(element, f"{path}/Dt") or text_of(element, f"{path}/DtTm")
    return None if text is None else iso_day(text)


def _flag(element: etree._Element, path: str) -> bool:
    text = text_of(element, path)
    if text not in {None, "true", "false", "1", "0"}:
        raise Refusal("malformed", f"{path} is {quoted(text or '')}: true or false is wanted")
    return text in {"true", "1"}


def _own_references(element: etree._Element) -> dict[str, str]:
    found = text_of(element, "AcctSvcrRef") or text_of(element, "NtryRef")
    return {} if found is None else {"bank_reference": found}


def _split(entry: Entry, own: dict[str, str], details: Sequence[Detail]) -> list[Entry]:
    """A line for each transaction; charges of the whole batch are a line of their own."""
    amounts = [one.amount_minor or 0 for one in details]
    fees = [one.fee_minor for one in details]
    rest = 0
    if sum(amounts) == entry.amount_minor:
        pass
    elif any(fees) and sum(amounts) - sum(fees) == entry.amount_minor:
        amounts = [amount - fee for amount, fee in zip(amounts, fees, strict=True)]
    elif entry.fee_minor and sum(amounts) - entry.fee_minor == entry.amount_minor:
        rest = -entry.fee_minor
    else:
        raise Refusal(
            "unbalanced",
            f"an entry of {entry.amount_minor} minor units of {entry.asset} has {len(details)} transactions of "
            f"{sum(amounts)} together",
        )
    lines = [
        _line(entry, own | one.references, one, amount, fee)
        for one, amount, fee in zip(details, amounts, fees, strict=True)
    ]
    if rest:
        lines.append(
            Entry(
                line_number=entry.line_number,
                amount_minor=rest,
                asset=entry.asset,
                value_date=entry.value_date,
                booking_date=entry.booking_date,
                references=own,
                code=_CHARGES,
                remittance=entry.remittance,
            )
        )
    return lines


def _line(entry: Entry, references: dict[str, str], detail: Detail, amount_minor: int, fee_minor: int) -> Entry:
    return Entry(
        line_number=detail.line_number,
        amount_minor=amount_minor,
        asset=entry.asset,
        value_date=entry.value_date,
        booking_date=entry.booking_date,
        references=references,
        fee_minor=fee_minor,
        reversal=entry.reversal,
        code=detail.code or entry.code,
        return_code=detail.return_code,
        counterparty=detail.counterparty,
        remittance=detail.remittance or entry.remittance,
    )


def _together(entry: Entry, own: dict[str, str], details: Sequence[Detail], *, are_all: bool) -> Entry:
    """One line: with all that its only transaction says, or with what all transactions agree on.

    Where there are more than are here, nobody knows whether those agree: but for the batch they are in.
    """
    if not details:
        entry.references = own
        return entry
    first, *others = details
    shared = {
        name: text for name, text in first.references.items() if all(one.references.get(name) == text for one in others)
    }
    if not are_all:
        shared = {name: text for name, text in shared.items() if name == "batch_id"}
    entry.references = own | shared
    entry.fee_minor = entry.fee_minor or sum(one.fee_minor for one in details)
    entry.code = entry.code or first.code
    if all(one.counterparty == first.counterparty for one in others):
        entry.counterparty = first.counterparty
    if all(one.return_code == first.return_code for one in others):
        entry.return_code = first.return_code
    if not others:
        entry.remittance = first.remittance or entry.remittance
    return entry
