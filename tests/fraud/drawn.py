"""Rules and facts at random: small worlds, in which windows overlap, times tie and fields are missing."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from schemas.fraud_rules import Rule

Facts = list[tuple[tuple[int, int, int], dict[str, Any]]]

KEYS = (
    ["wallet_id"],
    ["wallet_id"],
    ["wallet_id"],
    ["party_id"],
    ["party_id"],
    ["device"],
    ["wallet_id", "device"],
    ["hour"],
)
FUNCTIONS = (
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "stddev",
    "count_distinct",
    "time_since_last",
    "ratio",
    "share",
    "speed_kmh",
)
CHECKS: tuple[dict[str, Any], ...] = (
    {"field": "amount_minor", "op": "ge", "value": 2},
    {"field": "amount_minor", "op": "lt", "value": 10},
    {"field": "amount_minor", "op": "multiple_of", "value": 2},
    {"field": "anomaly_score", "op": "gt", "value": 0.2},
    {"field": "anomaly_score", "op": "le", "value": 0.2},
    {"field": "direction", "op": "eq", "value": "out"},
    {"field": "direction", "op": "ne", "value": "out"},
    {"field": "device", "op": "in", "value": ["d1", "d2"]},
    {"field": "device", "op": "not_in", "value": ["d1"]},
    {"field": "device", "op": "present"},
    {"field": "to_wallet_id", "op": "absent"},
    {"field": "asset", "op": "gt", "value": 1},
    {"field": "device", "op": "in_list", "value": "devices"},
    {"field": "device", "op": "not_in_list", "value": "devices"},
    {"field": "user", "op": "resembles", "value": "names"},
    {"field": "user", "op": "resembles", "value": "names", "at_least": 60},
)
#: Name -> values of a list.
LISTS = {"devices": {"d2", "d3"}, "names": {"John Smith", "Zoë Žižek"}}
#: Name -> how much it is like the nearest name on the list, in per cent: twice the longest common subsequence of both
#: with their words sorted, over both lengths.
USERS = {"smith JOHN": 100, "Jon Smith": 94, "Jane Smithers": 69, "Zizek, Zoe": 100, "Q": 0}
FIELDS = ("amount_minor", "amount_minor", "amount_minor", "anomaly_score", "hour", "device", "asset")
FACTORS = (-1, 0, 0.1, 0.5, 0.5, 1, 1, 1.5, 2, 3)
#: What functions come to in these worlds, so that about every second comparison holds.
NUMBERS: dict[str, tuple[float, ...]] = {
    "count": (0, 1, 2, 2, 3, 4),
    "count_distinct": (1, 1, 2, 2, 3),
    "stddev": (-1, 0, 0.5, 1.5, 3),
    "time_since_last": (0, 0.5, 1, 1, 2),
    "ratio": (0, 0.5, 0.5, 1),
    "share": (0.3, 0.5, 0.5, 1),
    "speed_kmh": (0, 1_000_000, 10_000_000),
}
AMOUNTS = (-1, 0.1, 1, 2, 3, 3, 5, 10)
OPS = ("gt", "ge", "ge", "lt", "le", "le", "eq", "ne")

checks = st.sampled_from(CHECKS)
filters = st.one_of(
    st.just({"all": []}),
    st.just({"all": []}),
    checks,
    checks.map(lambda each: {"not": each}),
    st.tuples(checks, checks).map(lambda two: {"all": list(two)}),
    st.tuples(checks, checks).map(lambda two: {"any": list(two)}),
)


@st.composite
def aggregates(draw: st.DrawFn) -> dict[str, Any]:
    """A part `aggregate`."""
    function = draw(st.sampled_from(FUNCTIONS))
    part: dict[str, Any] = {
        "function": function,
        "window_s": draw(st.integers(1, 6)),
        "min_events": draw(st.integers(0, 2)),
    }
    if function in ("sum", "avg", "min", "max", "stddev", "count_distinct", "share"):
        part["field"] = draw(st.sampled_from(FIELDS))
    if function == "ratio":
        part["numerator"] = draw(filters)
        part |= draw(st.sampled_from(({}, {"field": "amount_minor"}, {"denominator": CHECKS[4]})))
    if function == "share" and draw(st.booleans()):
        part["value"] = draw(st.sampled_from(("d1", 1, 3, "EUR")))
    if function not in ("time_since_last", "speed_kmh"):
        part["include_current"] = draw(st.booleans())
    if function == "speed_kmh" and draw(st.booleans()):
        part["at_least_km"] = draw(st.sampled_from((5_000, 8_000)))
    if part.get("field") == "amount_minor" and draw(st.integers(0, 3)) == 0:
        part["in_asset"] = "EUR"
    if draw(st.integers(0, 2)) == 0:
        part["filter"] = draw(filters)
    return part


@st.composite
def rules(draw: st.DrawFn, rule_id: str, key: list[str], members: list[str]) -> Rule:
    """One rule of a key."""
    part: dict[str, Any] = {
        "rule_id": rule_id,
        "version": 1,
        "state": draw(st.sampled_from(("active", "active", "shadow"))),
        "severity": "low",
        "score": draw(st.sampled_from((30, 60, 0))),
        "key": key,
        "filter": draw(filters),
        "cooldown_s": draw(st.sampled_from((0, 0, 1, 3))),
    }
    shapes = (
        ["aggregate"] * 5 + ["sequence", "sequence", "filter", "field"] + ["combination"] * 4 * min(2, len(members))
    )
    shape = draw(st.sampled_from(shapes))
    op = draw(st.sampled_from(OPS))
    if shape == "aggregate":
        part["aggregate"] = draw(aggregates())
        condition: dict[str, Any] = {"op": op}
        compared = draw(st.sampled_from(("value", "left", "against")))
        if compared == "value":
            condition["value"] = draw(st.sampled_from(NUMBERS.get(part["aggregate"]["function"], AMOUNTS)))
        else:
            condition["factor"] = draw(st.sampled_from(FACTORS))
            condition[compared] = "amount_minor" if compared == "left" else draw(aggregates())
        if op in ("gt", "ge") and draw(st.integers(0, 2)) == 0:
            least: float = condition["value"] if compared == "value" else condition["factor"]
            condition["at_most"] = least + draw(st.sampled_from((0, 0.5, 2) if op == "ge" else (0.5, 2)))
        part["condition"] = condition
    elif shape == "sequence":
        part["sequence"] = {
            "steps": draw(st.lists(filters, min_size=2, max_size=4)),
            "within_s": draw(st.integers(1, 9)),
        }
    elif shape == "field":
        part["condition"] = {"left": "amount_minor", "op": op, "value": draw(st.sampled_from(AMOUNTS))}
    elif shape == "combination":
        part["combination"] = {
            "rules": members,
            "within_s": draw(st.integers(1, 6)),
            "threshold": draw(st.sampled_from((1, 30, 60, 90))),
        }
    return Rule.model_validate_json(json.dumps(part))


@st.composite
def rule_sets(draw: st.DrawFn) -> list[Rule]:
    """A few rules; combinations come after what they add up."""
    found: list[Rule] = []
    key = draw(st.sampled_from(KEYS))
    for index in range(draw(st.integers(1, 4))):
        members = [rule.rule_id for rule in found if list(rule.key) == key]
        found.append(draw(rules(f"r{index}", key, members)))
        if draw(st.integers(0, 3)) == 0:
            key = draw(st.sampled_from(KEYS))
    return found


def _fact(drawn: tuple[Any, ...]) -> dict[str, Any]:
    names = ("wallet_id", "to_wallet_id", "direction", "amount_minor", "asset", "device", "anomaly_score", "user")
    fact = {name: value for name, value in zip(names, drawn[: len(names)], strict=True) if value is not None}
    if drawn[-1] is not None:
        fact["latitude"], fact["longitude"] = drawn[-1]
    if fact.get("asset") == "USD":
        fact["amount_minor>EUR"] = 2
    return fact | {"hour": 3}


_facts = st.tuples(
    st.sampled_from(("a", "a", "a", "a", "b", None)),
    st.sampled_from((None, "a", "b")),
    st.sampled_from(("out", "in")),
    st.sampled_from((1, 2, 3, 3, 10, 10, None)),
    st.sampled_from(("EUR", "EUR", "EUR", "USD", "JPY", None)),
    st.sampled_from(("d1", "d1", "d1", "d2", "d2", None)),
    st.sampled_from((None, 0.1, 0.2, 1)),
    st.sampled_from((None, *USERS)),
    st.sampled_from((None, (0, 0.5), (48.2, 16.4), (-33.9, 151.2))),
).map(_fact)
_times_ms = st.sampled_from(tuple(range(0, 9_001, 500)))


@st.composite
def histories(draw: st.DrawFn, size: int = 14) -> Facts:
    """Facts in the order in which they arrive: any order, some twice.

    Times tie; then the partition decides, then the offset. The offset is unique.
    """
    least = draw(st.sampled_from((1, size // 2, size // 2, size)))
    drawn = draw(st.lists(st.tuples(_times_ms, st.integers(0, 1), _facts), min_size=least, max_size=size))
    facts = [((t_ms, partition, offset), fact) for offset, (t_ms, partition, fact) in enumerate(drawn)]
    again = draw(st.lists(st.sampled_from(facts), max_size=2))
    return draw(st.permutations(facts + again))
