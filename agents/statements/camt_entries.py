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

from agents.statements.camt_details import Detail, code_of, fee_of, read_detail
from agents.statements.camt_values import amount_of, count_of, sign_of
from agents.statements.dates import iso_day
from agents.statements.parsed import Entry
from agents.statements.refusal import Refusal, at, quoted
from agents.statements.xml import find_all, line_of, text_of
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
    own = _own_references(element)
    details = _details(element, asset, 1 if amount_minor >= 0 else -1, assets)
    _check_batches(element, entry, details, assets)
    if len(details) > 1 and all(one.amount_minor is not None for one in details) and _are_all(element, details):
        return _split(entry, own, details)
    return [_together(entry, own, details, are_all=_are_all(element, details))]


def _day(element: etree._Element, path: str) -> date | None:
    text = text_of(element, f"{path}/Dt") or text_of(element, f"{path}/DtTm")
    return None if text is None else iso_day(text)


def _flag(element: etree._Element, path: str) -> bool:
    text = text_of(element, path)
    if text not in {None, "true", "false", "1", "0"}:
        raise Refusal("malformed", f"{path} is {quoted(text or '')}: true or false is wanted")
    return text in {"true", "1"}


def _own_references(element: etree._Element) -> dict[str, str]:
    found = {
        "bank_reference": text_of(element, "AcctSvcrRef") or text_of(element, "NtryRef"),
        "batch_id": text_of(element, "NtryDtls/Btch/PmtInfId") or text_of(element, "NtryDtls/Btch/MsgId"),
    }
    return {name: text for name, text in found.items() if text is not None}


def _details(element: etree._Element, asset: str, sign: int, assets: AssetRegistry) -> list[Detail]:
    found = []
    for one in find_all(element, "NtryDtls/TxDtls"):
        with at(line_of(one)):
            found.append(read_detail(one, asset, sign, assets))
    return found


def _are_all(element: etree._Element, details: Sequence[Detail]) -> bool:
    """The entry does not say that it has more transactions than are here."""
    said = _count_said(element)
    return said is None or said == len(details)


def _count_said(element: etree._Element) -> int | None:
    """How many transactions the entry has by what its batches say."""
    counts = [text_of(one, "NbOfTxs") for one in find_all(element, "NtryDtls/Btch")]
    said = [count_of(count, "Btch/NbOfTxs") for count in counts if count is not None]
    return sum(said) if said else None


def _check_batches(element: etree._Element, entry: Entry, details: Sequence[Detail], assets: AssetRegistry) -> None:
    """A batch may have transactions that are not here, but no fewer, and none where these are the whole entry. Its
    total is the entry, before or after charges.
    """
    gross = sum(one.amount_minor or 0 for one in details)
    every = len(details) > 1 and all(one.amount_minor is not None for one in details)
    said = _count_said(element)
    if said is not None and (said < len(details) or (every and gross == entry.amount_minor and said != len(details))):
        raise Refusal("totals", f"Btch/NbOfTxs is {said}, but the entry has {len(details)} transactions")
    totals = [amount_of(one, "TtlAmt", assets) for one in find_all(element, "NtryDtls/Btch") if text_of(one, "TtlAmt")]
    if not totals or any(asset != entry.asset for _, asset in totals):
        return
    fees = {0, entry.fee_minor, sum(one.fee_minor for one in details)}
    whole = {abs(entry.amount_minor + fee) for fee in fees} | ({abs(gross)} if every else set())
    if (total := sum(minor for minor, _ in totals)) not in whole:
        raise Refusal(
            "totals",
            f"Btch/TtlAmt is {total} minor units of {entry.asset}, but the entry is {abs(entry.amount_minor)}",
        )


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
