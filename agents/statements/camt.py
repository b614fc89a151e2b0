"""camt.052, camt.053 and camt.054 of ISO 20022, in all versions from .02 on: reports, statements, notifications.

Elements are found by their names, which all versions share; where a later version moved one, both places are looked
at. Source: ISO 20022 message definitions camt.052.001, camt.053.001, camt.054.001, Bank-to-Customer Cash Management.
"""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from agents.statements.amounts import asset_of, minor_of
from agents.statements.camt_entries import EntryReader
from agents.statements.camt_values import amount_of, count_of, sign_of
from agents.statements.dates import iso_day
from agents.statements.parsed import Balance, Control, ParsedFile, Statement, check_count
from agents.statements.refusal import Refusal, at, quoted
from agents.statements.xml import elements, find, find_all, line_of, local_name, namespace, release, text_of, wanted
from schemas.assets import AssetRegistry
from schemas.external_statements import Basis

_NAMESPACE: Final = re.compile(r"urn:(?:iso:std:iso:20022:tech:xsd|swift:xsd):(camt\.05[234]\.001\.([0-9]{2}))")
#: Elements that are looked at as they come.
_NAMES: Final = ("Document", "GrpHdr", "Stmt", "Rpt", "Ntfctn", "Ntry")
_MESSAGES: Final[dict[str, tuple[str, str, Basis]]] = {
    "camt.052": ("BkToCstmrAcctRpt", "Rpt", "interim"),
    "camt.053": ("BkToCstmrStmt", "Stmt", "booked"),
    "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn", "advice"),
}


def read_camt(data: bytes, assets: AssetRegistry) -> ParsedFile:
    """The statements, reports or notifications of all messages in a file.

    Raises:
        Refusal: with the line where it was seen.
    """
    return _Reader(data, assets).read()


class _Reader:
    def __init__(self, data: bytes, assets: AssetRegistry):
        self._data = data
        self._assets = assets
        self._file = ParsedFile("")
        self._basis: Basis = "booked"
        #: Local names of the message and of its parts.
        self._message, self._part = "", ""
        self._paging: tuple[int, bool] | None = None
        self._entries: EntryReader | None = None
        #: Lines so far.
        self._count = 0

    def read(self) -> ParsedFile:
        for event, element in elements(self._data, _NAMES):
            name = local_name(element)
            if event == "start":
                if name == "Document":
                    self._start_document(element)
                elif name == self._part and self._is_part(element):
                    self._entries = EntryReader(self._assets)
                continue
            with at(line_of(element), len(self._file.statements) if self._entries is not None else None):
                self._end(name, element)
        if not self._file.format:
            raise Refusal("version_unknown", "no Document of camt.052, camt.053 or camt.054 from version 02 on")
        return self._file

    def _start_document(self, element: etree._Element) -> None:
        found = _NAMESPACE.fullmatch(namespace(element))
        if found is None or int(found[2]) < 2:
            raise Refusal(
                "version_unknown",
                f"the namespace {quoted(namespace(element))} is not that of camt.052, .053 or .054 from version 02 on",
                line_of(element),
            )
        if self._file.format not in {"", found[1]}:
            raise Refusal("malformed", f"{self._file.format} and {found[1]} in one file", line_of(element))
        self._file.format = found[1]
        self._message, self._part, self._basis = _MESSAGES[found[1][:8]]

    def _is_part(self, element: etree._Element) -> bool:
        parent = element.getparent()
        return parent is not None and local_name(parent) == self._message

    def _end(self, name: str, element: etree._Element) -> None:
        if name == "GrpHdr":
            self._paging = _paging(find(element, "MsgPgntn"))
        elif name == "Ntry" and self._entries is not None and local_name(_parent(element)) == self._part:
            before = len(self._entries.entries)
            self._entries.take(element)
            self._count += len(self._entries.entries) - before
            check_count(self._count)
            release(element)
        elif name == self._part and self._entries is not None and self._is_part(element):
            self._file.statements.append(self._statement(element, self._entries))
            self._entries = None
            release(element)

    def _statement(self, element: etree._Element, entries: EntryReader) -> Statement:
        numbers = [
            count_of(text, f"{name}, the sequence number,")
            for name in ("LglSeqNb", "ElctrncSeqNb")
            if (text := text_of(element, name)) is not None
        ]
        page, last = _paging(_own_paging(element)) or self._paging or (1, True)
        balances = _Balances(element, self._assets)
        statement = Statement(
            index=len(self._file.statements),
            line_number=line_of(element),
            basis=self._basis,
            account_id=_account_id(element),
            reference=wanted(element, "Id"),
            sequence_number=numbers[0] if numbers else None,
            first_page=page,
            last_page=page,
            complete=last,
            needs_balances=self._basis == "booked",
            entries=entries.entries,
            not_booked_count=entries.not_booked_count,
        )
        whole = self._basis == "booked" and last
        statement.opening, statement.closing = balances.ends(page > 1 or self._basis != "booked", not whole)
        stated = text_of(element, "Acct/Ccy")
        statement.asset = None if stated is None else asset_of(stated, self._assets).code
        statement.controls = _controls(element, entries, self._assets, statement)
        return statement


def _parent(element: etree._Element) -> etree._Element:
    parent = element.getparent()
    assert parent is not None, "an entry is within a document"
    return parent


def _own_paging(element: etree._Element) -> etree._Element | None:
    for name in ("StmtPgntn", "RptPgntn", "NtfctnPgntn"):
        found = find(element, name)
        if found is not None:
            return found
    return None


def _paging(element: etree._Element | None) -> tuple[int, bool] | None:
    """(number of the page, is it the last)."""
    if element is None:
        return None
    page = count_of(wanted(element, "PgNb"), "page number")
    if page < 1:
        raise Refusal("page_gap", "page number 0: pages count from 1", line_of(element))
    return page, wanted(element, "LastPgInd") in {"true", "1"}


def _account_id(element: etree._Element) -> str:
    found = text_of(element, "Acct/Id/IBAN") or text_of(element, "Acct/Id/Othr/Id")
    if found is None:
        raise Refusal("malformed", f"{local_name(element)} does not say its account: Acct/Id is missing")
    return found.replace(" ", "")


class _Balances:
    """The booked balances of a statement by their type."""

    def __init__(self, element: etree._Element, assets: AssetRegistry):
        self._by_type: dict[str, list[Balance]] = {}
        for one in find_all(element, "Bal"):
            with at(line_of(one)):
                kind = text_of(one, "Tp/CdOrPrtry/Cd")
                if kind in {"OPBD", "PRCD", "CLBD", "ITBD"}:
                    self._by_type.setdefault(kind, []).append(_balance(one, assets))

    def ends(self, opens_within: bool, closes_within: bool) -> tuple[Balance | None, Balance | None]:
        """Opening and closing balance; interim ones may be them where a page before or after has the others.

        Raises:
            Refusal: `unbalanced`, where two of the same type and day, or opening and previous closing, contradict.
        """
        interim = sorted(self._by_type.get("ITBD", []), key=_by_day)
        opening = self._first("OPBD") or self._first("PRCD")
        previous = self._first("PRCD")
        if opening is not None and previous is not None and opening.minor != previous.minor:
            raise Refusal(
                "unbalanced",
                "the opening balance (OPBD) is not the closing balance of the day before (PRCD)",
                previous.line_number,
            )
        if opening is None and opens_within and len(interim) > (0 if self._by_type.get("CLBD") else 1):
            opening = interim.pop(0)
        closing = self._last("CLBD")
        if closing is None and closes_within and interim:
            closing = interim[-1]
        return opening, closing

    def _first(self, kind: str) -> Balance | None:
        return min(self._consistent(kind), key=_by_day, default=None)

    def _last(self, kind: str) -> Balance | None:
        return max(self._consistent(kind), key=_by_day, default=None)

    def _consistent(self, kind: str) -> list[Balance]:
        found = self._by_type.get(kind, [])
        by_day: dict[object, int] = {}
        for one in found:
            if by_day.setdefault(one.day, one.minor) != one.minor:
                raise Refusal("unbalanced", f"two balances {kind} of the same day that differ", one.line_number)
        return found


def _by_day(balance: Balance) -> int:
    return 0 if balance.day is None else balance.day.toordinal()


def _balance(element: etree._Element, assets: AssetRegistry) -> Balance:
    amount, asset = amount_of(element, "Amt", assets)
    day = text_of(element, "Dt/Dt") or text_of(element, "Dt/DtTm")
    return Balance(
        amount * sign_of(element, "CdtDbtInd"), asset, None if day is None else iso_day(day), line_of(element)
    )


def _controls(
    element: etree._Element, entries: EntryReader, assets: AssetRegistry, statement: Statement
) -> list[Control]:
    """Totals of `TxsSummry`. Whether they count entries that are not booked is the bank's choice: either may agree."""
    summary = find(element, "TxsSummry")
    if summary is None:
        return []
    first = statement.opening or statement.closing
    code = statement.asset or (first.asset if first else None) or (entries.first_asset or "EUR")
    asset = asset_of(code, assets)
    found = []
    for name, every, booked in (
        ("TtlNtries", entries.every, entries.booked),
        ("TtlCdtNtries", entries.every.credits(), entries.booked.credits()),
        ("TtlDbtNtries", entries.every.debits(), entries.booked.debits()),
    ):
        part = find(summary, name)
        if part is None:
            continue
        with at(line_of(part)):
            count, total = text_of(part, "NbOfNtries"), text_of(part, "Sum")
            if count is not None:
                expected = count_of(count, f"{name}/NbOfNtries")
                found.append(Control(f"{name}/NbOfNtries", expected, (every.count, booked.count), None, line_of(part)))
            if total is not None:
                expected = minor_of(total, asset)
                sums = (every.total_minor, booked.total_minor)
                found.append(Control(f"{name}/Sum", expected, sums, asset.code, line_of(part)))
    net = text_of(summary, "TtlNtries/TtlNetNtryAmt") or text_of(summary, "TtlNtries/TtlNetNtry/Amt")
    if net is not None:
        path = (
            "TtlNtries/CdtDbtInd"
            if find(summary, "TtlNtries/CdtDbtInd") is not None
            else "TtlNtries/TtlNetNtry/CdtDbtInd"
        )
        expected = minor_of(net, asset)
        if text_of(summary, path) is not None:
            expected *= sign_of(summary, path)
            nets = (entries.every.net_minor, entries.booked.net_minor)
        else:
            nets = (abs(entries.every.net_minor), abs(entries.booked.net_minor))
        found.append(Control("TtlNtries/TtlNetNtry", expected, nets, asset.code, line_of(summary)))
    return found
