"""What holds of every two sides under all rules."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.reconciliation.matching.gates import Gate
from agents.reconciliation.matching.lines import Line, Matching, content
from agents.reconciliation.matching.match import match
from schemas.matching_rules import Pass, Rules
from tests.reconciliation.matching.drawn import rule_sets, sides
from tests.reconciliation.matching.lines import check_accounts, line, reasons, rules

Sides = tuple[list[Line], list[Line]]


@given(sides(), rule_sets())
def test_each_line_is_in_one_place(both: Sides, by: Rules) -> None:
    check_accounts(match(by, *both, 12), *both)


@given(sides(), rule_sets(), st.randoms(use_true_random=False))
def test_order_says_nothing(both: Sides, by: Rules, chance: random.Random) -> None:
    expected = match(by, *both, 12)
    left, right = (list(side) for side in both)
    chance.shuffle(left)
    chance.shuffle(right)
    assert match(by, left, right, 12) == expected


@given(sides(), rule_sets(), st.randoms(use_true_random=False))
def test_ids_say_nothing(both: Sides, by: Rules, chance: random.Random) -> None:
    """As where the rows of a file are in another order: then other rows of equal ones are named, and no more."""
    renamed = []
    for side in both:
        ids = [each.line_id for each in side]
        chance.shuffle(ids)
        renamed.append([msgspec.structs.replace(each, line_id=new) for each, new in zip(side, ids, strict=True)])
    left, right = renamed
    assert _said(match(by, left, right, 12), left, right) == _said(match(by, *both, 12), *both)


def _said(found: Matching, left: list[Line], right: list[Line]) -> tuple[Counter[Any], Counter[Any]]:
    """What a result says of what lines say."""
    lines = {("left", each.line_id): each for each in left} | {("right", each.line_id): each for each in right}

    def contents(side: str, ids: tuple[str, ...]) -> tuple[Any, ...]:
        return tuple(sorted(content(lines[side, each]) for each in ids))

    matches: Counter[Any] = Counter(
        (each.match_id, contents("left", each.left_ids), contents("right", each.right_ids)) for each in found.matches
    )
    exceptions: Counter[Any] = Counter(
        (
            each.side,
            each.reason,
            contents(each.side, (each.line_id,)),
            contents("right" if each.side == "left" else "left", each.candidates),
        )
        for each in (*found.exceptions, *found.expected)
    )
    return matches, exceptions


@given(sides(), rule_sets())
def test_matches_are_what_their_pass_asks_for(both: Sides, by: Rules) -> None:
    left, right = ({each.line_id: each for each in side} for side in both)
    passes = {each.name: each for each in by.passes}
    found = match(by, *both)
    assert len({each.match_id for each in found.matches}) == len(found.matches)
    for each in found.matches:
        rule = passes[each.pass_name]
        lefts, rights = [left[i] for i in each.left_ids], [right[i] for i in each.right_ids]
        assert 0 <= each.confidence <= 100
        assert len({line.asset for line in (*lefts, *rights)}) == 1
        assert len(lefts) == 1 or rule.cardinality == "n:1"
        assert len(rights) == 1 or rule.cardinality == "1:n"
        for key in rule.keys:
            assert len({line.references.get(key) for line in (*lefts, *rights)} - {None}) == 1
        ours = sum(line.amount_minor - (line.fee_minor if rule.fees == "left" else 0) for line in lefts)
        theirs = sum(line.amount_minor - (line.fee_minor if rule.fees == "right" else 0) for line in rights)
        apart = abs(theirs - ours)
        assert each.difference_minor == theirs - ours
        assert apart <= rule.amount_tolerance_minor or apart * 10_000 <= rule.amount_tolerance_bp * abs(ours)
        assert rule.date_window_days is not None
        assert all(rule.date_window_days[0] <= b.day - a.day <= rule.date_window_days[1] for a in lefts for b in rights)


@given(sides(), rule_sets(fuzzy=False, cardinalities=("1:1",)))
def test_nothing_is_left_that_could_be_matched_unless_somebody_must_choose(both: Sides, by: Rules) -> None:
    found = match(by, *both)
    said = reasons(found)
    ours = [one for one in both[0] if f"left {one.line_id}" in said]
    theirs = [other for other in both[1] if f"right {other.line_id}" in said]
    linked = [(one, other) for one in ours for other in theirs if _are_linked(by, one, other)]
    for one in ours:
        for other in theirs:
            # Of an earlier pass: what it was tied with may have been matched by a later one, and nobody goes back.
            if not _fits(by.passes[-1], one, other):
                continue
            # A line that is left and shares a reference is the reason, however many others the amounts would allow.
            if not any(one is each for each, _ in linked) or not any(other is each for _, each in linked):
                why = {said[f"left {one.line_id}"], said[f"right {other.line_id}"]}
                assert "ambiguous" in why, (one, other)
                assert not {"missing_left", "missing_right"} & why, (one, other)


def _are_linked(by: Rules, one: Line, other: Line) -> bool:
    keys = {key for rule in by.passes for key in rule.keys}
    return any(one.references.get(key) and one.references.get(key) == other.references.get(key) for key in keys)


def _fits(rule: Pass, one: Line, other: Line) -> bool:
    gate = Gate(rule)
    keys = all(one.references.get(key) and one.references.get(key) == other.references.get(key) for key in rule.keys)
    amounts = gate.allows(gate.left_net(one), gate.right_net(other))
    return keys and amounts and one.asset == other.asset and gate.in_window(one.day, other.day)


@given(sides())
def test_without_a_key_what_is_matched_had_no_other_as_near(both: Sides) -> None:
    """Brute force: of every pair that was matched, each other partner is further away or has a nearer one itself."""
    by = rules({"date_window_days": [-1, 3]})
    found = match(by, *both)
    left, right = ({each.line_id: each for each in side} for side in both)
    distance = {
        (each.left_ids[0], each.right_ids[0]): abs(right[each.right_ids[0]].day - left[each.left_ids[0]].day)
        for each in found.matches
    }
    of_left, of_right = {one: days for (one, _), days in distance.items()}, {b: d for (_, b), d in distance.items()}
    equal = Counter(content(each) for side in both for each in side)
    for (one_id, other_id), days in distance.items():
        one, other = left[one_id], right[other_id]
        if equal[content(one)] > 1 or equal[content(other)] > 1:
            continue
        near = days + 1
        for each in right.values():
            if each is not other and _fits(by.passes[0], one, each) and abs(each.day - one.day) <= near:
                assert of_right[each.line_id] < abs(each.day - one.day)
        for each in left.values():
            if each is not one and _fits(by.passes[0], each, other) and abs(other.day - each.day) <= near:
                assert of_left[each.line_id] < abs(other.day - each.day)


@settings(max_examples=300)
@given(
    st.integers(-8, 30),
    st.lists(st.tuples(st.integers(-5, 12), st.integers(10, 12)), max_size=9),
    st.sampled_from([0, 1, 3]),
    st.booleans(),
    st.booleans(),
)
def test_sums_against_all_subsets(
    whole: int, parts: list[tuple[int, int]], tolerance: int, one_is_left: bool, is_keyed: bool
) -> None:
    """Brute force over all subsets: one answer is taken, two are a tie, none is none."""
    by = rules(
        {
            "keys": ["ref"] if is_keyed else [],
            "cardinality": "1:n" if one_is_left else "n:1",
            "date_window_days": [-5, 5],
            "amount_tolerance_minor": tolerance,
        }
    )
    one = [line("one", whole, 11, ref="A")]
    others = [line(f"p{number}", amount, day, ref="A") for number, (amount, day) in enumerate(parts)]
    found = match(by, one, others) if one_is_left else match(by, others, one)
    subsets = [some for size in range(1, len(others) + 1) for some in combinations(others, size)]
    if is_keyed and others and abs(sum(each.amount_minor for each in others) - whole) <= tolerance:
        answers = [tuple(others)]
    else:
        useful = [some for some in subsets if all(each.amount_minor for each in some)]
        exact = [some for some in useful if sum(each.amount_minor for each in some) == whole]
        answers = exact or [s for s in useful if abs(sum(each.amount_minor for each in s) - whole) <= tolerance]
    # Lines that say the same stand for each other.
    said = {tuple(sorted(content(each) for each in some)) for some in answers}
    if len(said) == 1:
        assert len(found.matches) == 1
        ids = found.matches[0].right_ids if one_is_left else found.matches[0].left_ids
        by_id = {each.line_id: each for each in others}
        assert tuple(sorted(content(by_id[each]) for each in ids)) == next(iter(said))
    else:
        assert not found.matches
        is_tied = "ambiguous" in reasons(found).values()
        assert is_tied == (len(said) > 1)
