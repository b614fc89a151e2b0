"""How tests publish rules, and what they are told where one is refused."""

from __future__ import annotations

from typing import Any

import pytest

from agents.fraud.published import RuleBook
from agents.fraud.rule_records import RuleRefused, read_rule
from tests.fraud.written import rule

DAY_S = 86_400


COUNT = {"function": "count", "window_s": 60}


PLAIN: dict[str, Any] = {
    "rule_id": "r",
    "version": 1,
    "state": "active",
    "severity": "low",
    "score": 50,
    "key": ["wallet_id"],
}


def refused(book: RuleBook, **parts: Any) -> str:
    """Why a rule is not taken."""
    with pytest.raises(RuleRefused) as caught:
        book.publish(rule("r", **parts))
    assert caught.value.refusals
    assert all(each.reason and each.remedy for each in caught.value.refusals)
    assert "r" not in book.rules
    return str(caught.value)


def unread(value: bytes | str, key: str | None = None) -> str:
    """Why a record is no rule."""
    with pytest.raises(RuleRefused) as caught:
        read_rule(value.encode() if isinstance(value, str) else value, key)
    assert len(caught.value.refusals) <= 11
    assert all(each.reason and each.remedy and len(str(each)) < 1_000 for each in caught.value.refusals)
    return str(caught.value)


def check(field: str, op: str, value: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}
