"""Amounts: integers of minor units that fit a signed 64-bit integer."""

from __future__ import annotations

from typing import Final

INT64_MAX: Final = 2**63 - 1
INT64_MIN: Final = -(2**63)


def is_amount(amount_minor: int) -> bool:
    """True where `amount_minor` may be moved: at least 1 minor unit, at most int64."""
    return 0 < amount_minor <= INT64_MAX


def is_balance(balance_minor: int) -> bool:
    """True where a balance of `balance_minor` can be kept: it fits a signed 64-bit integer."""
    return INT64_MIN <= balance_minor <= INT64_MAX
