"""Rules as they are published: checked, and taken or refused with the reason and what to do. Pure.

A rule that is taken can do no harm: it is bounded in size and cost, looks at fields that facts have, can fire, and
its version says what it is for ever. `agents.fraud.breaker` pauses one that says too much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from agents.fraud.compile import cost_of
from agents.fraud.rule_checks import Refusal, of_assets, of_contradictions, of_fields, of_lists, of_scores, of_windows
from agents.fraud.rule_records import MAX_BYTES, MAX_REASONS, RuleRefused, too_large, wire
from schemas.facts import FACT_FIELDS, FieldKind
from schemas.fraud_rules import MAX_WINDOW_S, Rule

#: Field of a live fact -> what it holds.
LIVE_FIELDS: Final[Mapping[str, FieldKind]] = MappingProxyType({name: kind for name, (kind, _) in FACT_FIELDS.items()})
_IN_EFFECT: Final = ("active", "shadow")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much rules may take.

    Attributes:
        retention_s: how far back histories reach: the longest window.
        cost_of_rule: most that a rule may cost for each fact, in about the time that one check of a filter takes.
        cost_of_all: the same of all rules in effect together.
        rules: most rules that are kept, whatever their state.
        kinds: most different keys that rules in effect have; facts are sent on once for each.
    """

    retention_s: int = MAX_WINDOW_S
    cost_of_rule: int = 250
    cost_of_all: int = 2_500
    rules: int = 1_000
    kinds: int = 16


def _members_first(rules: list[Rule]) -> list[Rule]:
    """Each combination after those that it adds up; those in a circle last, as they stand (Kahn's algorithm)."""
    waits_for: dict[int, int] = {}
    awaited: dict[str, list[int]] = {}
    names = {rule.rule_id for rule in rules}
    for index, rule in enumerate(rules):
        members = names & set(rule.combination.rules) if rule.combination is not None else set()
        waits_for[index] = len(members)
        for rule_id in members:
            awaited.setdefault(rule_id, []).append(index)
    ready = [index for index, count in waits_for.items() if not count]
    for index in ready:
        for other in awaited.pop(rules[index].rule_id, ()):
            waits_for[other] -= 1
            if not waits_for[other]:
                ready.append(other)
    done = set(ready)
    return [rules[index] for index in (*ready, *(index for index in waits_for if index not in done))]


class RuleBook:
    """The rules that were taken, the latest version of each.

    Attributes:
        has_list: see `__init__`.
    """

    def __init__(
        self,
        bounds: Bounds | None = None,
        fields: Mapping[str, FieldKind] = LIVE_FIELDS,
        has_list: Callable[[str], bool] | None = None,
    ):
        """
        Args:
            bounds: how much rules may take; the defaults where None.
            fields: fields of facts -> what they hold.
            has_list: whether there is a list of this name; None where that is not asked.
        """
        self.bounds = bounds or Bounds()
        self.fields = fields
        self.has_list = has_list
        self._rules: dict[str, Rule] = {}
        #: Of rules in effect: their costs.
        self._costs: dict[str, int] = {}
        self._cost = 0
        #: Of rules in effect: key -> how many have it.
        self._kinds: dict[tuple[str, ...], int] = {}
        self._combinations: dict[str, Rule] = {}
        #: Id of a rule -> ids of the combinations that add it up.
        self._added_up_by: dict[str, dict[str, None]] = {}

    @property
    def rules(self) -> Mapping[str, Rule]:
        """By id."""
        return MappingProxyType(self._rules)

    @property
    def cost(self) -> int:
        """Of all rules in effect, for one fact."""
        return self._cost

    def publish(self, rule: Rule, *, may_lack: bool = False) -> Rule | None:
        """Take a rule in the place of the one that has its id; returns that one.

        Args:
            may_lack: whether a combination is taken without rules that are not there.

        Raises:
            RuleRefused: with all reasons; nothing has changed.
        """
        refusals = self.refusals(rule, may_lack=may_lack)
        if refusals:
            raise RuleRefused(refusals)
        before = self.remove(rule.rule_id)
        self._rules[rule.rule_id] = rule
        if rule.combination is not None:
            self._combinations[rule.rule_id] = rule
            for member in rule.combination.rules:
                self._added_up_by.setdefault(member, {})[rule.rule_id] = None
        if rule.state in _IN_EFFECT:
            self._costs[rule.rule_id] = cost_of(rule)
            self._cost += self._costs[rule.rule_id]
            self._kinds[rule.key] = self._kinds.get(rule.key, 0) + 1
        return before

    def publish_all(self, rules: Iterable[Rule]) -> dict[str, RuleRefused]:
        """Take what can be taken, in whatever order it comes: rules before the combinations of them.

        Returns:
            Id -> why it was refused, for those that were.
        """
        refused: dict[str, RuleRefused] = {}
        for rule in _members_first(list(rules)):
            try:
                self.publish(rule)
            except RuleRefused as error:
                refused[rule.rule_id] = error
        return refused

    def remove(self, rule_id: str) -> Rule | None:
        """Forget a rule; returns it. Combinations that add it up go on without it."""
        rule = self._rules.pop(rule_id, None)
        combined = self._combinations.pop(rule_id, None)
        if combined is not None and combined.combination is not None:
            for member in dict.fromkeys(combined.combination.rules):
                del self._added_up_by[member][rule_id]
                if not self._added_up_by[member]:
                    del self._added_up_by[member]
        if rule is not None and rule.state in _IN_EFFECT:
            self._cost -= self._costs.pop(rule_id)
            self._kinds[rule.key] -= 1
            if not self._kinds[rule.key]:
                del self._kinds[rule.key]
        return rule

    def in_effect(self) -> list[Rule]:
        """Those that see facts, by id."""
        return [self._rules[rule_id] for rule_id in sorted(self._costs)]

    def refusals(self, rule: Rule, *, may_lack: bool = False) -> list[Refusal]:
        """All reasons why a rule would not be taken, at most ten; none where it would."""
        found = list(self._of_version(rule))
        if found:
            return found
        parts = (
            of_fields(rule, self.fields),
            of_lists(rule, None if self._rests(rule) else self.has_list),
            of_windows(rule, self.bounds.retention_s),
            of_assets(rule),
            of_scores(rule),
            of_contradictions(rule),
            self._of_combination(rule, may_lack or self._rests(rule)),
            self._of_bounds(rule),
        )
        found = [each for part in parts for each in part]
        more = len(found) - MAX_REASONS
        return [*found[:MAX_REASONS], Refusal("", f"{more} more reasons", "correct these first")] if more > 0 else found

    def _rests(self, rule: Rule) -> bool:
        """Whether a rule that is there is put out of effect, whatever has gone since it was published."""
        held = self._rules.get(rule.rule_id)
        return held is not None and held.version == rule.version and rule.state not in _IN_EFFECT

    def _of_version(self, rule: Rule) -> Iterator[Refusal]:
        held = self._rules.get(rule.rule_id)
        if held is None or rule.version > held.version:
            return
        remedy = f"publish it as version {held.version + 1}"
        if rule.version < held.version:
            yield Refusal("version", f"{rule.version} is older than {held.version}, which is there", remedy)
        elif rule.model_copy(update={"state": held.state}) != held:
            changed = [name for name in Rule.model_fields if getattr(rule, name) != getattr(held, name)]
            what = ", ".join(name for name in changed if name != "state")
            yield Refusal("version", f"{rule.version} is there already and has another {what}: versions stay", remedy)

    def _of_combination(self, rule: Rule, may_lack: bool) -> Iterator[Refusal]:
        where, named_by = "combination.rules", list(self._added_up_by.get(rule.rule_id, ()))
        for other in (self._combinations[rule_id] for rule_id in named_by):
            if other.key != rule.key:
                remedy = f"give it the key {', '.join(other.key)}, or another id"
                yield Refusal("key", f"{other.rule_id} adds it up and has another key", remedy)
        if rule.combination is None:
            return
        score, is_known = 0, True
        for rule_id in dict.fromkeys(rule.combination.rules):
            member = self._rules.get(rule_id)
            # Only what others add up can be in a circle.
            if rule_id == rule.rule_id or (named_by and rule.rule_id in self._reached(rule_id)):
                yield Refusal(where, f"{rule_id} is this rule itself, or adds it up", "break the circle")
            elif member is None:
                is_known = False
                if not may_lack:
                    yield Refusal(where, f"there is no rule {rule_id}", "publish it first")
            elif member.key != rule.key:
                yield Refusal(where, f"{rule_id} has the key {', '.join(member.key)}", "combine rules of one key only")
            score += 0 if member is None else member.score
        if is_known and score < rule.combination.threshold:
            reason = f"{rule.combination.threshold} is never reached: the scores of its rules add up to {score}"
            yield Refusal("combination.threshold", reason, "ask for less, or raise their scores")

    def _reached(self, rule_id: str) -> set[str]:
        """All rules that a combination rests on."""
        found: set[str] = set()
        waiting = [rule_id]
        while waiting:
            rule = self._combinations.get(waiting.pop())
            if rule is not None and rule.combination is not None:
                waiting += [each for each in rule.combination.rules if each not in found]
                found.update(rule.combination.rules)
        return found

    def _of_bounds(self, rule: Rule) -> Iterator[Refusal]:
        bounds = self.bounds
        if rule.rule_id not in self._rules and len(self._rules) >= bounds.rules:
            yield Refusal("", f"there are {bounds.rules:,} rules, as many as are kept", "remove one first")
        size = len(wire(rule))
        if size > MAX_BYTES:
            yield too_large(size, MAX_BYTES)
        cost = cost_of(rule)
        if cost > bounds.cost_of_rule:
            yield Refusal(
                "",
                f"it costs {cost} for each fact, at most {bounds.cost_of_rule} are allowed",
                "ask for less: a check costs 1, a window 6 or more, and both twice under party_id",
            )
        if rule.state not in _IN_EFFECT:
            return
        total = self._cost - self._costs.get(rule.rule_id, 0) + cost
        if total > bounds.cost_of_all:
            reason = f"with it all rules would cost {total} for each fact, at most {bounds.cost_of_all} are allowed"
            yield Refusal("state", reason, "pause another first, or publish it as a draft")
        if rule.key not in self._kinds and len(self._kinds) >= bounds.kinds:
            reason = f"rules in effect have {bounds.kinds} different keys, as many as facts are sent on for"
            yield Refusal("key", reason, "use one that is there, or pause the rules of another")
