"""Entries: facts in the history of a key, in their order. Pure."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from schemas.facts import Fact, FactValue

#: Event time in ms, source partition, source offset, leg (0; 1 for the payee's side of a fact under `party_id`).
#: In a backtest the partition is 0 and the offset the row.
Order = tuple[int, int, int, int]
#: Names of the key's fields, as the rule has them.
Kind = tuple[str, ...]
#: Their values.
Key = tuple[FactValue, ...]
#: Id and version of a rule.
RuleRef = tuple[str, int]
#: A number of which nothing is rounded: an int, or a Fraction where it is none.
Exact = int | Fraction


class Fire(NamedTuple):
    """What a rule said of a fact. Numbers are ints, or Fractions where they are none; None where there is none.

    `observed` is what was compared with `limit`; `normal` the key's own history where the rule compares with it;
    `events` how many facts the window held; `evidence` ids of transactions, oldest first, the fact's own last;
    `contributions` the rules that a combination added up, each with its score.
    """

    observed: Exact | None
    limit: Exact | None
    normal: Exact | None
    window_start_ms: int
    events: int
    evidence: tuple[str, ...]
    contributions: tuple[tuple[str, int], ...] = ()


class Entry:
    """One fact in the history of one key.

    Attributes:
        order: where it stands in the history; unique within it.
        t_ms: event time, the first of `order`.
        fact: what rules see of it; not to be changed.
        asset: the fact's asset; None where it has none.
        transaction_id: the fact's transaction; None where it has none.
        fires: what rules said of it; None where none said anything.
    """

    __slots__ = ("asset", "fact", "fires", "order", "t_ms", "transaction_id")

    def __init__(self, order: Order, fact: Fact, fires: dict[RuleRef, Fire] | None = None):
        self.order = order
        self.t_ms = order[0]
        self.fact = fact
        # Noted here, where the fact is at hand: it is asked of many entries at once, long after.
        self.asset = fact.get("asset")
        self.transaction_id = fact.get("transaction_id")
        self.fires = fires

    def evidence_id(self) -> str:
        """Id of its transaction; where it has none, source partition and offset."""
        found = self.transaction_id
        return f"{self.order[1]}:{self.order[2]}" if found is None else str(found)

    def __repr__(self) -> str:
        return f"Entry({self.order}, {dict(self.fact)})"


def keyed_by(kind: Kind) -> Callable[[Fact], list[tuple[Key, Fact, int]]]:
    """How to find the keys of a fact: for each its value, the fact as seen from there, and the leg of its order.

    A fact without one of the fields has no key. Under `party_id` it has two: the payer's, `direction` out, and the
    payee's, `direction` in; one with `wallet_id` alone has that, with its own direction.
    """
    if "party_id" in kind:
        return lambda fact: [
            (key, seen, leg) for seen, leg in _parties(fact) if (key := _key_of(kind, seen)) is not None
        ]
    if len(kind) == 1:
        name = kind[0]

        def keys_of_one(fact: Fact) -> list[tuple[Key, Fact, int]]:
            value = fact.get(name)
            if value is None:
                return []
            return [((_whole(value) if value.__class__ is float else value,), fact, 0)]

        return keys_of_one

    def keys_of(fact: Fact) -> list[tuple[Key, Fact, int]]:
        key = _key_of(kind, fact)
        return [] if key is None else [(key, fact, 0)]

    return keys_of


def _key_of(kind: Kind, fact: Fact) -> Key | None:
    values = []
    for name in kind:
        value = fact.get(name)
        if value is None:
            return None
        values.append(_whole(value) if value.__class__ is float else value)
    return tuple(values)


def _whole(value: FactValue) -> FactValue:
    """1 for 1.0: one key, whichever came first."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _parties(fact: Fact) -> list[tuple[Fact, int]]:
    payer, payee = fact.get("wallet_id"), fact.get("to_wallet_id")
    if payee is None:
        return [] if payer is None else [({**fact, "party_id": payer}, 0)]
    seen: list[tuple[Fact, int]] = []
    if payer is not None:
        seen.append(({**fact, "party_id": payer, "direction": "out"}, 0))
    seen.append(({**fact, "party_id": payee, "direction": "in"}, 1))
    return seen


def seen_from(kind: Kind, leg: int, fact: Fact) -> Fact:
    """A fact as it is seen from the key under which it has this leg; as `keyed_by` gave it."""
    if "party_id" not in kind:
        return fact
    return next(seen for seen, each in _parties(fact) if each == leg)
