"""Filters of fraud rules by the book, and what they compare. Shares nothing with what it tests but the rules' model."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from schemas.fraud_filters import All, Any_, Filter, Not
from tests.fraud.drawn import LISTS, USERS


def number(value: Any) -> Fraction | None:
    """A number, a float as it is written; None for anything else."""
    if isinstance(value, int | float | Decimal):
        return Fraction(str(value))
    return None


def passes(part: Filter, fact: dict[str, Any]) -> bool:
    """Whether a fact passes a filter."""
    if isinstance(part, All):
        return all(passes(each, fact) for each in part.all)
    if isinstance(part, Any_):
        return any(passes(each, fact) for each in part.any)
    if isinstance(part, Not):
        return not passes(part.not_, fact)
    found = fact.get(part.field)
    if part.op == "present":
        return found is not None
    if part.op == "absent":
        return found is None
    if part.op in ("in_list", "not_in_list"):
        return (found in LISTS[str(part.value)]) == (part.op == "in_list")
    if part.op == "resembles":
        return found is not None and USERS[found] >= (part.at_least or 90)
    if part.op in ("in", "not_in"):
        assert isinstance(part.value, tuple)
        return any(same(found, each) for each in part.value) == (part.op == "in")
    if part.op in ("eq", "ne"):
        return same(found, part.value) == (part.op == "eq")
    left, right = number(found), number(part.value)
    return left is not None and right is not None and compare(part.op, left, right)


def same(found: Any, value: Any) -> bool:
    """Text equals text, and a number a number."""
    if found is None or isinstance(found, str) != isinstance(value, str):
        return False
    return bool(found == value) if isinstance(found, str) else number(found) == number(value)


def compare(op: str, left: Fraction, right: Fraction) -> bool:
    """By the name of the comparison."""
    return {
        "gt": left > right,
        "ge": left >= right,
        "lt": left < right,
        "le": left <= right,
        "eq": left == right,
        "ne": left != right,
    }[op]


def field_of(field: str, in_asset: str | None, fact: dict[str, Any]) -> Any:
    """A field; an amount in `in_asset`, where that is named."""
    if field != "amount_minor" or in_asset in (None, fact.get("asset")):
        return fact.get(field)
    return fact.get(f"amount_minor>{in_asset}")
