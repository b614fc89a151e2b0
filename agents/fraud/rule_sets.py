"""The rules of one kind of key: what they have in common, settled once for all its histories. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from agents.fraud.compile import CompiledRule, Spec
from agents.fraud.evaluating import Evaluation, FactEvaluation, concern, least_of, maker_of
from agents.fraud.filters import Passes, compile_filter
from agents.fraud.windows import TrackSpec
from schemas.fraud_filters import EVERYTHING, Filter


class Combined(NamedTuple):
    """A combination: its rule, the scores of the rules that it adds up."""

    rule: CompiledRule
    scores: dict[str, int]
    threshold: int


class Group(NamedTuple):
    """What facts that pass a filter concern: what rules have in common is asked once.

    Attributes:
        least: with fewer entries in a history it concerns nothing.
        passes: the filter; None for each fact.
        tracks: numbers of the tracks that hold what passes.
        members: number in `plain` of each rule, and the entries and minor units with less than which it says nothing.
    """

    least: int
    passes: Passes | None
    tracks: tuple[int, ...]
    members: tuple[tuple[int, int, int], ...]


class RuleSet:
    """The rules of one kind of key.

    Attributes:
        is_over: others have taken their place.
        plain: those that look at facts.
        makers: of each of them what makes its evaluations.
        fresh: of each of them its evaluation, for all keys, where that holds nothing; else None.
        windows: of each of them its windows: what they compute, and the number of the track that they look at.
        tracks: what windows look at, once for all that look at the same.
        groups: those that look at facts by what they have in common. First what tracks hold.
        least: the least of them all: with fewer entries than that no rule says anything.
        weighs: whether it matters to one of them what amounts come to.
        combinations: those that look at other rules, each after those that it looks at.
        members: ids of the rules that combinations look at.
        retention_ms: how far back one of them looks.
    """

    __slots__ = (
        "combinations",
        "fresh",
        "groups",
        "is_over",
        "least",
        "makers",
        "members",
        "plain",
        "retention_ms",
        "tracks",
        "weighs",
        "windows",
    )

    def __init__(self, rules: Sequence[CompiledRule], retention_ms: int = 0):
        self.is_over = False
        self.plain = [each for each in rules if each.rule.combination is None]
        self.makers = [maker_of(each) for each in self.plain]
        self.fresh: list[Evaluation | None] = [
            maker(each, ()) if maker is FactEvaluation else None
            for maker, each in zip(self.makers, self.plain, strict=True)
        ]
        self.tracks: list[TrackSpec] = []
        self.windows: list[list[tuple[Spec, int]]] = []
        self.groups = self._grouped()
        self.weighs = any(minor for group in self.groups for _, _, minor in group.members)
        self.least = min((group.least for group in self.groups), default=1)
        self.combinations = _combinations(rules)
        self.members = {rule_id for each in self.combinations for rule_id in each.scores}
        self.retention_ms = max([retention_ms, *(each.retention_ms for each in rules)])

    def _grouped(self) -> list[Group]:
        #: Filter -> rules that it is the concern of, and tracks of what passes it. The rules that each fact concerns
        #: come last: by then all tracks hold it.
        members: dict[Filter | None, list[tuple[int, int, int]]] = {}
        tracks: dict[Filter | None, list[int]] = {}
        least: dict[Filter | None, int] = {}
        known: dict[tuple[Filter, Hashable], int] = {}
        for index, rule in enumerate(self.plain):
            needs, minor = least_of(rule)
            self.windows.append([])
            for spec in (rule.aggregate, rule.against):
                if spec is None:
                    continue
                part = rule.rule.filter if spec.filter is None else spec.filter
                number = known.setdefault((part, spec.source), len(self.tracks))
                if number == len(self.tracks):
                    self.tracks.append(TrackSpec(_passes(part), spec.extract))
                    tracks.setdefault(part, []).append(number)
                self.tracks[number].kept_ms = max(self.tracks[number].kept_ms, spec.window_ms)
                self.windows[-1].append((spec, number))
                least[part] = min(least.get(part, needs), needs)
            part_of_rule = concern(rule)
            members.setdefault(part_of_rule, []).append((index, needs, minor))
            least[part_of_rule] = min(least.get(part_of_rule, needs), needs)
        return [
            Group(least[part], _passes(part), tuple(tracks.get(part, ())), tuple(members.get(part, ())))
            for part in sorted(least, key=lambda each: each is None)
        ]


def _passes(part: Filter | None) -> Passes | None:
    return None if part is None or part == EVERYTHING else compile_filter(part)


def _combinations(rules: Sequence[CompiledRule]) -> list[Combined]:
    """In an order in which each comes after those that it looks at; those in a circle come last, as they stand.

    An active combination does not count what a rule in shadow says: nobody may feel that yet.
    """
    found: dict[str, Combined] = {}
    known = {each.rule.rule_id: each.rule for each in rules}
    for each in rules:
        combination = each.rule.combination
        if combination is not None:
            members = [known[rule_id] for rule_id in dict.fromkeys(combination.rules) if rule_id in known]
            scores = {
                member.rule_id: member.score
                for member in members
                if member.state != "shadow" or each.rule.state != "active"
            }
            found[each.rule.rule_id] = Combined(each, scores, combination.threshold)
    sorted_: list[Combined] = []
    waiting = list(found.values())
    while waiting:
        names = {each.rule.rule.rule_id for each in waiting}
        ready = [each for each in waiting if not names & each.scores.keys()] or waiting
        sorted_ += ready
        waiting = [each for each in waiting if each not in ready]
    return sorted_
