"""Amounts as a page shows them: whole units, thousands apart. Pure."""

from __future__ import annotations

import re
from typing import Final

from ops.amounts import Amounts
from ops.reconcile.report_model import UNKNOWN_ASSET

_WHOLE: Final = re.compile(r"^(-?)([0-9]+)")


class PageAmounts:
    """Writes amounts as `Amounts` does, with a comma between thousands."""

    def __init__(self, amounts: Amounts):
        self._amounts: Final = amounts

    def number(self, minor: int, asset: str | None) -> str:
        """`1,234,567.89`, without the asset."""
        if asset == UNKNOWN_ASSET:
            return "-"
        return _WHOLE.sub(lambda found: f"{found[1]}{int(found[2]):,}", self._amounts.number(minor, asset))

    def amount(self, minor: int, asset: str | None) -> str:
        """`1,234,567.89 EUR`."""
        if asset == UNKNOWN_ASSET:
            return "not known"
        return f"{self.number(minor, asset)} {asset or ''}".rstrip()
