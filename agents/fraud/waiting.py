"""Combinations whose rules are not there yet: a compacted topic gives them in any order. Pure."""

from __future__ import annotations

from schemas.fraud_rules import Rule


class Waiting:
    """The combinations that wait, and by which rule each is to be looked at again."""

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}
        #: Id of a rule -> ids of the combinations that add it up; in the order in which they came.
        self._awaited: dict[str, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._rules)

    def __contains__(self, rule_id: str) -> bool:
        return rule_id in self._rules

    def put(self, rule: Rule) -> None:
        """A combination waits, in the place of the one that has its id."""
        self.drop(rule.rule_id)
        self._rules[rule.rule_id] = rule
        for member in _members(rule):
            self._awaited.setdefault(member, {})[rule.rule_id] = None

    def drop(self, rule_id: str) -> None:
        """It waits no more; nothing happens where it does not."""
        rule = self._rules.pop(rule_id, None)
        for member in () if rule is None else _members(rule):
            waiting = self._awaited[member]
            del waiting[rule_id]
            if not waiting:
                del self._awaited[member]

    def all(self) -> list[Rule]:
        """All that wait."""
        return list(self._rules.values())

    def for_rule(self, rule_id: str) -> list[Rule]:
        """Those that add up this rule."""
        return [self._rules[each] for each in self._awaited.get(rule_id, ())]


def _members(rule: Rule) -> dict[str, None]:
    return {} if rule.combination is None else dict.fromkeys(rule.combination.rules)
