"""Amounts of rows: column or columns, sign, unit, marks and fee, as the mapping says."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agents.statements.amounts import asset_of, minor_of, whole_minor_of
from agents.statements.mapping import Marks, StatementMapping
from agents.statements.refusal import Refusal, quoted
from schemas.assets import AssetRegistry


class RowAmounts:
    """Reads the amounts of rows by one mapping."""

    def __init__(self, mapping: StatementMapping, assets: AssetRegistry):
        self._mapping = mapping
        self._assets = assets
        mark = re.escape(mapping.thousands_mark)
        # Up to the decimals: groups of three, or no group at all.
        self._grouped = re.compile(rf"[-+]?[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+") if mark else None

    def of(self, row: Mapping[str, str], asset: str) -> tuple[int, int]:
        """Signed amount as it moved on the account, and the fee within it.

        Raises:
            Refusal: an amount or mark is none.
        """
        mapping = self._mapping
        amount_minor = self._sides(row, asset) if mapping.amount is None else self._one(row, mapping.amount, asset)
        fee = "" if mapping.fee is None else row[mapping.fee].strip()
        fee_minor = self.signed(fee, asset) if fee else 0
        return (amount_minor - fee_minor if mapping.amount_is == "gross" else amount_minor), fee_minor

    def _one(self, row: Mapping[str, str], column: str, asset: str) -> int:
        sign, text = self._mapping.sign, row[column].strip()
        if not isinstance(sign, Marks):
            return sign * self.signed(text, asset)
        mark = row[sign.column].strip()
        if (mark in sign.credit) is (mark in sign.debit):
            raise Refusal("sign", f"column {quoted(sign.column)} has {quoted(mark)}, which is no mark of the mapping")
        minor = self._unsigned(text, asset)
        return minor if mark in sign.credit else -minor

    def _sides(self, row: Mapping[str, str], asset: str) -> int:
        mapping = self._mapping
        incoming, outgoing = row[mapping.credit_amount or ""].strip(), row[mapping.debit_amount or ""].strip()
        found = [text for text in (incoming, outgoing) if text]
        amounts = [
            self._unsigned(incoming, asset) if incoming else 0,
            self._unsigned(outgoing, asset) if outgoing else 0,
        ]
        if not found or (amounts[0] and amounts[1]):
            raise Refusal("sign", "a row needs what came in, or what went out, and not both")
        return amounts[0] - amounts[1]

    def signed(self, text: str, asset: str) -> int:
        """Minor units of an amount that may have a sign.

        Raises:
            Refusal: it is none.
        """
        text = text.strip()
        if text[:1] in {"-", "+"}:
            minor = self._unsigned(text[1:], asset)
            return -minor if text[0] == "-" else minor
        return self._unsigned(text, asset)

    def _unsigned(self, text: str, asset: str) -> int:
        mapping, found = self._mapping, asset_of(asset, self._assets)
        if mapping.amount_unit == "minor":
            return whole_minor_of(text)
        if mapping.thousands_mark and mapping.thousands_mark in text:
            whole, mark, decimals = text.partition(mapping.decimal_mark)
            if self._grouped is None or not self._grouped.fullmatch(whole):
                raise Refusal("amount", f"{quoted(text)} is no amount in groups of three digits")
            text = whole.replace(mapping.thousands_mark, "") + mark + decimals
        return minor_of(text, found, mark=mapping.decimal_mark)
