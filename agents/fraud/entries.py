"""Entries: facts in the history of a key, in their order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import msgspec

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


class Entry(msgspec.Struct, eq=False, gc=False):
    """One fact in the history of one key. There are as many as facts in memory: the collector does not look at them.

    Attributes:
        order: where it stands in the history; unique within it.
        fact: what rules see of it; not to be changed.
        fires: what rules said of it; None where none said anything.
        t_ms: event time, the first of `order`.
        asset: the fact's asset; None where it has none.
        transaction_id: the fact's transaction; None where it has none.
    """

    order: Order
    fact: Any
    fires: dict[RuleRef, Fire] | None
    t_ms: int
    asset: FactValue | None
    transaction_id: FactValue | None

    def evidence_id(self) -> str:
        """Id of its transaction; where it has none, source partition and offset."""
        found = self.transaction_id
        return f"{self.order[1]}:{self.order[2]}" if found is None else str(found)

    def __repr__(self) -> str:
        return f"Entry({self.order}, {dict(self.fact)})"


def entry_of(order: Order, fact: Fact, fires: dict[RuleRef, Fire] | None = None) -> Entry:
    """A fact as an entry."""
    get = fact.get
    # Noted here, where the fact is at hand: it is asked of many entries at once, long after.
    return Entry(order, fact, fires, order[0], get("asset"), get("transaction_id"))


def keyed_by(kind: Kind) -> Callable[[Fact], list[tuple[Key, Fact, int]]]:
    """How to find the keys of a fact: for each its value, the fact as seen from there, and the leg of its order.

    A fact without one of the fields has no key. Under `party_id` it has two: the payer's, `direction` out, and the
    payee's, `direction` in; one with `wallet_id` alone, or within one wallet, has that, with its own direction.
    """
    if "party_id" in kind:
        if len(kind) == 1:
            return lambda fact: [((whole(seen.get("party_id")),), seen, leg) for seen, leg in _parties(fact)]  # type: ignore[arg-type]
        return lambda fact: [
            (key, seen, leg) for seen, leg in _parties(fact) if (key := _key_of(kind, seen)) is not None
        ]
    if len(kind) == 1:
        name = kind[0]

        def keys_of_one(fact: Fact) -> list[tuple[Key, Fact, int]]:
            value = fact.get(name)
            if value is None:
                return []
            return [((whole(value) if value.__class__ is float else value,), fact, 0)]

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
        values.append(whole(value) if value.__class__ is float else value)
    return tuple(values)


def key_under(kind: Kind, leg: int, fact: Fact) -> Key:
    """The key that a fact has of a kind, under this leg.

    Raises:
        KeyError: it has none.
    """
    if len(kind) == 1 and kind[0] != "party_id":
        value = fact[kind[0]]
        return (whole(value) if value.__class__ is float else value,)
    key = _key_of(kind, seen_from(kind, leg, fact))
    if key is None:
        raise KeyError(f"a fact has no {', '.join(kind)}")
    return key


def whole(value: FactValue) -> FactValue:
    """1 for 1.0: one key, whichever came first."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class PartyFact(Mapping[str, FactValue]):
    """A fact as one of its parties sees it: another `direction`, and `party_id`.

    A copy would take as much memory as the fact, for each payment twice.
    """

    __slots__ = ("_direction", "_fact", "_party_id")

    def __init__(self, fact: Fact, party_id: FactValue, direction: FactValue | None):
        self._fact = fact
        self._party_id = party_id
        self._direction = direction

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field."""
        if name == "direction":
            return default if self._direction is None else self._direction
        return self._party_id if name == "party_id" else self._fact.get(name, default)

    def __getitem__(self, name: str) -> FactValue:
        found: FactValue | None = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __contains__(self, name: object) -> bool:
        if name == "direction":
            return self._direction is not None
        return name == "party_id" or name in self._fact

    def __iter__(self) -> Iterator[str]:
        yield from (name for name in self._fact if name not in ("direction", "party_id"))
        if self._direction is not None:
            yield "direction"
        yield "party_id"

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _parties(fact: Fact) -> list[tuple[Fact, int]]:
    payer, payee = fact.get("wallet_id"), fact.get("to_wallet_id")
    if payee is None or payee == payer:
        return [] if payer is None else [(PartyFact(fact, payer, fact.get("direction")), 0)]
    seen: list[tuple[Fact, int]] = []
    if payer is not None:
        seen.append((PartyFact(fact, payer, "out"), 0))
    seen.append((PartyFact(fact, payee, "in"), 1))
    return seen


def seen_from(kind: Kind, leg: int, fact: Fact) -> Fact:
    """A fact as it is seen from the key under which it has this leg; as `keyed_by` gave it."""
    if "party_id" not in kind:
        return fact
    if leg:
        return PartyFact(fact, fact["to_wallet_id"], "in")
    if fact.get("to_wallet_id") in (None, fact["wallet_id"]):
        return PartyFact(fact, fact["wallet_id"], fact.get("direction"))
    return PartyFact(fact, fact["wallet_id"], "out")
