"""What rules and reference data say now, as the topics have told; made ready for deciding. Pure.

A rule sees the first fact of each transaction only, unless one of its filters names a `type`: then it sees them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, NamedTuple

from agents.fraud.compile import CompiledRule, compile_rule, exchange_assets, exchanged_field
from agents.fraud.entries import Key, Kind, RuleRef, keyed_by
from agents.fraud.evaluating import concern
from agents.fraud.exchanging import exchanged_minor
from agents.fraud.filters import Passes, any_of, compile_filter
from agents.fraud.lists import ListCheck, Lists, list_checks
from agents.fraud.published import Bounds, RuleBook
from agents.fraud.rule_records import RuleRefused, read_rule
from agents.fraud.uses import uses
from agents.fraud.waiting import Waiting
from schemas.facts import ANOMALY_SCORE, Fact, FactValue
from schemas.fraud_filters import All, Check, Filter
from schemas.fraud_internal import KeyUse
from schemas.fraud_rules import Aggregate, Rule
from schemas.reference import Reference
from schemas.topics import FRAUD_RULES, LISTS

#: Marks facts of a transaction that come after its first; no field has such a name.
LATER: Final = "@later"
#: Made without its model: a rule of somebody's cannot name such a field.
_IS_FIRST: Final = Check.model_construct(field=LATER, op="absent", value=None, at_least=None)
#: The key under which each fact is kept, so that rules to come have a history to look at.
BY_WALLET: Final[Kind] = ("wallet_id",)
#: How far back histories reach at least, in seconds.
BY_WALLET_KEPT_S: Final = 30 * 86_400
LEAST_KEPT_S: Final = 86_400


class KindInUse(NamedTuple):
    """A kind of key that some rule in effect has.

    Attributes:
        number: which of the uses of all kinds its first is.
        field: the only field of the key; None where it is more than that.
        kept_s: how far back its histories are kept.
        sees_all: whether all facts count, not only the first of each transaction.
        keys_of: the keys of a fact.
        uses: what a fact is counted under, by leg.
        concerns: what a fact must pass to be counted, since some rule looks at it; None where each is.
    """

    number: int
    field: str | None
    kept_s: int
    sees_all: bool
    keys_of: Callable[[Fact], list[tuple[Key, Fact, int]]]
    uses: tuple[KeyUse, KeyUse]
    concerns: Passes | None


class Followed:
    """Rules, lists, rates.

    Attributes:
        generation: higher with every change of the rules; `prepare` brings the others up to it.
        rules: compiled, those in effect.
        kinds: the kinds of keys that facts are counted under.
        uses: what facts are counted under: of each of `kinds` one for each leg.
        keyed: the same kinds to go through for the first fact of a transaction, and those for all that come later.
        learns: whether a rule in effect looks at what is learned.
        book: the rules that were taken.
    """

    def __init__(self, retention_s: int):
        self.generation = 0
        self.rules: tuple[CompiledRule, ...] = ()
        self.kinds: Mapping[Kind, KindInUse] = {}
        self.uses: list[KeyUse] = []
        self.keyed: tuple[list[KindInUse], list[KindInUse]] = ([], [])
        self.learns = False
        self.book = RuleBook(Bounds(retention_s=retention_s))
        self._waiting = Waiting()
        #: By id, and whether rules of its key see all facts: what was compiled, and of which rule.
        self._compiled: dict[tuple[str, bool], tuple[Rule, CompiledRule]] = {}
        self._prepared = -1
        self._reference = Reference()
        self._lists = Lists()
        self._list_checks: frozenset[ListCheck] = frozenset()
        self._assets: frozenset[str] = frozenset()
        self.prepare()

    def take(self, topic: str, key: str, value: bytes | None) -> None:
        """Take one record of reference data; None is a tombstone.

        Raises:
            ValueError: the record is bad; the message says why. What was known before stays.
        """
        if topic == FRAUD_RULES:
            self._take_rule(key, value)
            return
        self._reference = self._reference.with_record(topic, key, value)
        if topic == LISTS:
            held = self._reference.lists.get(key)
            if held is None:
                self._lists.remove(key)
            else:
                self._lists.put(key, held.version, held.entries)

    def _take_rule(self, key: str, value: bytes | None) -> None:
        if value is None:
            self._waiting.drop(key)
            self.book.remove(key)
        else:
            rule = _read_rule(value, key)
            if self._lacks_rules(rule):
                self._wait(rule)
            else:
                self.book.publish(rule)
                self._waiting.drop(key)
                self._publish_waiting(key)
        self.generation += 1

    def _lacks_rules(self, rule: Rule) -> bool:
        """Whether it adds up rules that are not there."""
        return rule.combination is not None and not self.book.rules.keys() >= set(rule.combination.rules)

    def _wait(self, rule: Rule) -> None:
        """Take a combination once its rules are there; no more of them wait than rules are kept."""
        if rule.rule_id not in self._waiting and len(self._waiting) >= self.book.bounds.rules:
            raise RuleRefused(self.book.refusals(rule))
        self._waiting.put(rule)

    def _publish_waiting(self, rule_id: str) -> None:
        """A rule is there: so may be all of a combination, and with that all of another one."""
        there = [rule_id]
        for each in there:
            for rule in self._waiting.for_rule(each):
                if self._lacks_rules(rule):
                    continue
                self._waiting.drop(rule.rule_id)
                if not self.book.refusals(rule):
                    self.book.publish(rule)
                    there.append(rule.rule_id)

    def _take_waiting(self) -> None:
        """Rules that combinations still wait for are gone; the combinations go on without them, as those that were
        there before do."""
        for rule in self._waiting.all():
            self._waiting.drop(rule.rule_id)
            with suppress(RuleRefused):
                self.book.publish(rule, may_lack=True)

    def prepare(self) -> None:
        """Work out what follows of the rules, where they have changed: all that are to be decided by have come."""
        if self._prepared == self.generation:
            return
        self._prepared = self.generation
        self._take_waiting()
        effective = self.book.in_effect()
        held, self._compiled = self._compiled, {}
        typed = {rule.key for rule in effective if sees_all(rule)}
        self.rules = tuple(self._compile(held, rule, rule.key in typed) for rule in effective)
        kept_s: dict[Kind, int] = {}
        # Paused ones and drafts too: whoever goes on with one finds its history.
        for rule in self.book.rules.values():
            wanted_s = max(_looks_back_s(rule), rule.cooldown_s, LEAST_KEPT_S)
            kept_s[rule.key] = max(kept_s.get(rule.key, 0), wanted_s)
        kept_s[BY_WALLET] = max(kept_s.get(BY_WALLET, 0), BY_WALLET_KEPT_S)
        kinds = dict.fromkeys([BY_WALLET, *(rule.key for rule in effective)])
        self.kinds = {
            kind: KindInUse(
                2 * at,
                _only_field(kind),
                kept_s[kind],
                kind in typed,
                keyed_by(kind),
                (KeyUse(kind, kept_s[kind], 0), KeyUse(kind, kept_s[kind], 1)),
                self._concerns(kind),
            )
            for at, kind in enumerate(kinds)
        }
        self.uses = [use for kind in self.kinds.values() for use in kind.uses]
        in_use = list(self.kinds.values())
        self.keyed = (in_use, [kind for kind in in_use if kind.sees_all])
        self.learns = any(use.field == ANOMALY_SCORE for rule in effective for use in uses(rule))
        self._list_checks = list_checks(effective)
        self._assets = exchange_assets(effective)

    def _concerns(self, kind: Kind) -> Passes | None:
        """A fact that concerns no rule need not be counted; under its wallet it is, for rules to come."""
        if kind == BY_WALLET:
            return None
        parts = dict.fromkeys(concern(rule) for rule in self.rules if rule.kind == kind and not rule.rule.combination)
        return None if None in parts else any_of([compile_filter(part) for part in parts if part is not None])

    def _compile(
        self, held: Mapping[tuple[str, bool], tuple[Rule, CompiledRule]], rule: Rule, is_mixed: bool
    ) -> CompiledRule:
        """`is_mixed`: rules of its key see all facts, so that it must see to it itself that it does not."""
        name = rule.rule_id, is_mixed
        of, compiled = held.get(name, (None, None))
        # Not by its version: one that was removed may have come back with other content.
        if compiled is None or of != rule:
            compiled = compile_rule(only_first(rule) if is_mixed and not sees_all(rule) else rule)
        self._compiled[name] = rule, compiled
        return compiled

    def enrich(self, fact: dict[str, FactValue], t_ms: int) -> dict[str, FactValue]:
        """The fact with what lists and rates say of it, as far as rules ask."""
        if not (self._list_checks or self._assets):
            return fact
        found = self._lists.enrich(fact, self._list_checks) if self._list_checks else fact
        amount, asset = fact.get("amount_minor"), fact.get("asset")
        if self._assets and isinstance(amount, int) and isinstance(asset, str):
            rates, asset_of = self._reference.rates, self._reference.assets.get
            exchanged = {
                exchanged_field(to_asset): minor
                for to_asset in sorted(self._assets - {asset})
                if (minor := exchanged_minor(amount, asset, to_asset, t_ms, rates, asset_of)) is not None
            }
            found = {**found, **exchanged}
        return dict(found)


@lru_cache(maxsize=4_096)
def _read_rule(value: bytes, key: str) -> Rule:
    """The machines of a worker read the same records one after the other, and share them."""
    return read_rule(value, key)


def _looks_back_s(rule: Rule) -> int:
    """How far back a rule looks at most."""
    against = None if rule.condition is None else rule.condition.against
    windows_s = [aggregate.window_s for aggregate in (rule.aggregate, against) if aggregate is not None]
    return max(
        0,
        *windows_s,
        0 if rule.sequence is None else rule.sequence.within_s,
        0 if rule.combination is None else rule.combination.within_s,
    )


def _only_field(kind: Kind) -> str | None:
    """The field that a key is; None where it is made of several, or not of the fact's own."""
    return kind[0] if len(kind) == 1 and kind != ("party_id",) else None


def sees_all(rule: Rule) -> bool:
    """Whether a filter of the rule names a `type`."""
    return any(use.field == "type" for use in uses(rule))


def only_first(rule: Rule) -> Rule:
    """The rule, which passes over all but the first fact of each transaction."""
    against = None if rule.condition is None else rule.condition.against
    changes: dict[str, Any] = {"filter": _first(rule.filter)}
    if rule.aggregate is not None:
        changes["aggregate"] = _first_of(rule.aggregate)
    if rule.condition is not None and against is not None:
        changes["condition"] = rule.condition.model_copy(update={"against": _first_of(against)})
    return rule.model_copy(update=changes)


def _first_of(aggregate: Aggregate) -> Aggregate:
    """Without a filter it goes by the rule's."""
    if aggregate.filter is None:
        return aggregate
    return aggregate.model_copy(update={"filter": _first(aggregate.filter)})


def _first(part: Filter) -> Filter:
    return All.model_construct(all=(part, _IS_FIRST))


def in_effect_but(rules: Iterable[CompiledRule], paused: set[RuleRef]) -> list[CompiledRule]:
    """The rules but those that are paused."""
    return [rule for rule in rules if rule.ref not in paused]
