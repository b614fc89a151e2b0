"""Rules of the kinds that wallets are watched with, to measure by; the first ten are the most common ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from ops.fraud.live_rules import publish
from ops.reading import open_reader
from schemas.fraud_rules import Rule

_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
_RETENTION_S: Final = 180 * _DAY_S


def _check(field: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "op": op} | ({} if value is None else {"value": value})


_OUT = _check("direction", "eq", "out")
_IN = _check("direction", "eq", "in")
_REJECTED = _check("status", "eq", "rejected")
_ACCEPTED_OUT = {"all": [_check("status", "eq", "accepted"), _OUT]}


def _rule(rule_id: str, key: str, **parts: Any) -> Rule:
    given = {
        "rule_id": rule_id,
        "version": 1,
        "state": "active",
        "severity": "medium",
        "score": 40,
        "key": key.split("+"),
    }
    return Rule.model_validate_json(json.dumps(given | {"cooldown_s": _HOUR_S} | parts))


def _window(
    rule_id: str,
    key: str,
    where: dict[str, Any],
    function: str,
    field: str | None,
    window_s: int,
    least: float,
    **more: Any,
) -> Rule:
    """A rule that compares an aggregate with a number."""
    aggregate = {"function": function, "window_s": window_s, "include_current": True} | more
    if field is not None:
        aggregate["field"] = field
    return _rule(rule_id, key, filter=where, aggregate=aggregate, condition={"op": "ge", "value": least})


def _above_own(rule_id: str, where: dict[str, Any], function: str, window_s: int, factor: float) -> Rule:
    """A rule that compares the amount with what is usual for the wallet."""
    aggregate = {"function": function, "field": "amount_minor", "window_s": window_s, "min_events": 5}
    condition = {"left": "amount_minor", "op": "gt", "factor": factor}
    return _rule(rule_id, "wallet_id", filter=where, aggregate=aggregate, condition=condition)


RULES: Final = (
    _window("velocity-out-1h", "wallet_id", _ACCEPTED_OUT, "count", None, _HOUR_S, 10),
    _window("sum-out-1d", "wallet_id", _ACCEPTED_OUT, "sum", "amount_minor", _DAY_S, 500_000),
    _above_own("own-mean-30d", _OUT, "avg", 30 * _DAY_S, 12),
    _window("fan-out-1h", "wallet_id", _OUT, "count_distinct", "to_wallet_id", _HOUR_S, 6),
    _window(
        "fan-in-1d", "to_wallet_id", _check("operation", "eq", "transfer"), "count_distinct", "wallet_id", _DAY_S, 30
    ),
    _window("failed-burst", "wallet_id", _REJECTED, "count", None, 600, 4),
    _rule("large", "wallet_id", filter=_OUT, condition={"left": "amount_minor", "op": "ge", "value": 200_000}),
    _window("device-shared", "device", _check("device", "present"), "count_distinct", "wallet_id", _DAY_S, 5),
    _rule(
        "too-quick",
        "wallet_id",
        filter=_ACCEPTED_OUT,
        aggregate={"function": "time_since_last", "window_s": 60},
        condition={"op": "lt", "value": 0.2},
    ),
    _rule(
        "deposit-then-exit",
        "wallet_id",
        sequence={"steps": [_IN, {"all": [_OUT, _check("amount_minor", "ge", 50_000)]}], "within_s": 600},
    ),
    _window("sum-in-1d", "wallet_id", _IN, "sum", "amount_minor", _DAY_S, 400_000),
    _window("structuring", "wallet_id", _check("amount_minor", "ge", 9_000), "count", None, _DAY_S, 12),
    _above_own("own-greatest-30d", _OUT, "max", 30 * _DAY_S, 4),
    _window("ip-shared", "ip", _check("ip", "present"), "count_distinct", "wallet_id", _HOUR_S, 8),
    _window("pair-1d", "wallet_id+to_wallet_id", _OUT, "count", None, _DAY_S, 4),
    _rule(
        "new-account",
        "wallet_id",
        filter={"all": [_check("wallet_age_s", "lt", _DAY_S), _check("amount_minor", "ge", 30_000)]},
    ),
    _rule("night", "wallet_id", filter={"all": [_check("hour", "lt", 5), _check("amount_minor", "ge", 150_000)]}),
    _window(
        "merchant-failures", "merchant", {"all": []}, "ratio", None, _HOUR_S, 0.3, numerator=_REJECTED, min_events=20
    ),
    _window("one-payee-share", "wallet_id", _OUT, "share", "to_wallet_id", _DAY_S, 0.9, min_events=8),
    _window("spread-1d", "wallet_id", _OUT, "stddev", "amount_minor", _DAY_S, 100_000, min_events=5),
    _window(
        "pass-through", "party_id", {"all": []}, "ratio", "amount_minor", _DAY_S, 40, numerator=_OUT, denominator=_IN
    ),
    _rule(
        "sum-above-own",
        "wallet_id",
        filter=_OUT,
        aggregate={"function": "sum", "field": "amount_minor", "window_s": _HOUR_S, "include_current": True},
        condition={
            "op": "gt",
            "factor": 30,
            "against": {"function": "avg", "field": "amount_minor", "window_s": 30 * _DAY_S, "min_events": 10},
        },
    ),
    _rule(
        "small-then-large",
        "wallet_id",
        sequence={
            "steps": [_check("amount_minor", "le", 200), _check("amount_minor", "ge", 60_000)],
            "within_s": _HOUR_S,
        },
    ),
    _window("payee-sum-1d", "to_wallet_id", _OUT, "sum", "amount_minor", _DAY_S, 900_000),
    _rule(
        "several",
        "wallet_id",
        combination={
            "rules": ["velocity-out-1h", "sum-out-1d", "own-mean-30d", "large", "deposit-then-exit"],
            "within_s": _DAY_S,
            "threshold": 80,
        },
    ),
)


#: For which models learn.
UNLIKE: Final = _rule("unlike", "wallet_id", condition={"left": "anomaly_score", "op": "ge", "value": 900})


def unhindered() -> list[Rule]:
    """The rules to measure by, with so large a budget of alerts that the breaker pauses none in the middle of it."""
    return [rule.model_copy(update={"alerts_per_hour": 1_000_000}) for rule in RULES]


async def put_rules(brokers: str, namespace: str, rules: Sequence[Rule]) -> None:
    """Publish rules, as `walletstream fraud publish` does."""
    async with open_reader(brokers, namespace) as reader:
        await publish(reader, list(rules), _RETENTION_S)


def probe(rule_id: str, key: str, mark: str) -> Rule:
    """A rule that fires at each transaction whose order has this name, with an alert of its own for each."""
    return _rule(rule_id, key, filter=_check("order", "eq", mark), cooldown_s=0, alerts_per_hour=1_000_000)


def every_function(window_s: int) -> list[Rule]:
    """One rule of each function over a window of so many seconds, none of which fires."""
    found = [
        _window("count", "wallet_id", {"all": []}, "count", None, window_s, 1e9),
        _window("count_distinct", "wallet_id", {"all": []}, "count_distinct", "to_wallet_id", window_s, 1e9),
        _window("share", "wallet_id", {"all": []}, "share", "operation", window_s, 2),
        _window("ratio", "wallet_id", {"all": []}, "ratio", None, window_s, 2, numerator=_OUT),
        _rule(
            "time_since_last",
            "wallet_id",
            aggregate={"function": "time_since_last", "window_s": window_s},
            condition={"op": "ge", "value": 1e9},
        ),
        _rule(
            "sequence", "wallet_id", sequence={"steps": [_check("amount_minor", "lt", 0), _OUT], "within_s": window_s}
        ),
    ]
    of_amounts = ("sum", "avg", "min", "max", "stddev")
    found += [_window(each, "wallet_id", {"all": []}, each, "amount_minor", window_s, 2**60) for each in of_amounts]
    return found
