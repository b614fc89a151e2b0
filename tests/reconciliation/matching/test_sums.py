"""Sums: what they are looked for among, and that they end."""

from __future__ import annotations

import time

import pytest

from agents.reconciliation.matching.match import match
from agents.reconciliation.matching.subsets import Class, choices, steps
from tests.reconciliation.matching.lines import candidates, line, matched, reasons, rules

SUMS = {"keys": [], "cardinality": "1:n", "date_window_days": [0, 5]}
PARTS = {"keys": ["ref"], "cardinality": "1:n", "date_window_days": [0, 5]}


def test_the_only_choice_is_taken_and_the_rest_stays() -> None:
    right = [line("a", 60, n="a"), line("b", 39, n="b"), line("c", 41, n="c"), line("d", 40, n="d")]
    found = match(rules(SUMS), [line("1", 101)], right)
    assert (matched(found), found.matches[0].confidence) == ([("p0", "1", "a+c")], 58)


def test_two_choices_are_a_tie() -> None:
    right = [line("a", 60, n="a"), line("b", 40, n="b"), line("c", 60, n="c")]
    found = match(rules(SUMS), [line("1", 100)], right)
    assert set(reasons(found).values()) == {"ambiguous"}
    assert candidates(found)["left 1"] == ("b", "a", "c")


def test_two_lines_that_want_the_same_part_are_tied() -> None:
    left = [line("1", 100, n="x"), line("2", 70, n="y")]
    right = [line("a", 60, n="a"), line("b", 40, n="b"), line("c", 10, n="c")]
    found = match(rules(SUMS), left, right)
    assert not found.matches
    assert set(reasons(found).values()) == {"ambiguous"}


def test_several_wholes_of_one_key_each_take_their_parts() -> None:
    left = [line("1", 100, ref="A", n="x"), line("2", 7, ref="A", n="y")]
    right = [line("a", 60, ref="A"), line("b", 40, ref="A"), line("c", 4, ref="A"), line("d", 3, ref="A")]
    assert matched(match(rules(PARTS), left, right)) == [("p0", "1", "a+b"), ("p0", "2", "c+d")]


def test_an_exact_sum_is_better_than_one_within_the_tolerance() -> None:
    near = rules({**SUMS, "amount_tolerance_minor": 2})
    right = [line("a", 60, n="a"), line("b", 40, n="b"), line("c", 41, n="c")]
    assert matched(match(near, [line("1", 100)], right)) == [("p0", "1", "a+b")]
    assert matched(match(near, [line("1", 103)], [*right[:2], line("c", 90, n="c")])) == []


def test_what_is_nothing_is_in_no_choice() -> None:
    right = [line("a", 60), line("b", 40), line("z", 0)]
    found = match(rules(SUMS), [line("1", 100)], right)
    assert (matched(found), reasons(found)) == ([("p0", "1", "a+b")], {"right z": "missing_left"})


def test_of_too_many_without_a_key_none_is_tried() -> None:
    few = rules(SUMS, bounds={"subset_candidates": 5})
    right = [line(f"r{number}", 10 + number, n=f"{number}") for number in range(6)]
    found = match(few, [line("1", 21)], right[:5])
    assert (matched(found), found.not_tried) == ([("p0", "1", "r0+r1")], 0)
    found = match(few, [line("1", 21)], right)
    assert (matched(found), found.not_tried) == ([], 1)


def test_of_too_many_with_a_key_all_but_one_are() -> None:
    right = [line(f"r{number:02d}", 10 + number, ref="A", n=f"{number}") for number in range(40)]
    total = sum(each.amount_minor for each in right)
    found = match(rules(PARTS), [line("1", total - 17, ref="A")], right)
    assert [len(each.right_ids) for each in found.matches] == [39]
    assert "r07" not in found.matches[0].right_ids
    found = match(rules(PARTS), [line("1", total - 5, ref="A")], right)
    assert (matched(found), found.not_tried) == ([], 1)
    twice = [*right, line("r7b", 17, ref="A", n="other")]
    found = match(rules(PARTS), [line("1", total, ref="A")], twice)
    assert (matched(found), reasons(found)["left 1"]) == ([], "ambiguous")


def test_a_pass_forms_no_more_sums_than_it_may() -> None:
    """Some of the lines get their turn, always the same ones."""
    bounded = rules(SUMS, bounds={"subset_candidates": 20, "subset_steps": 10_000})
    left = [line(f"l{number}", 1_000_001 + 2 * number, n=f"{number}") for number in range(30)]
    right = [line(f"r{number}", 100_000 + 2 * number**2, n=f"{number}") for number in range(20)]
    assert steps([Class(1, 1)] * 20) == 2 * 2**10
    found = match(bounded, left, right)
    assert found.not_tried == 30 - 10_000 // 2_048
    assert match(bounded, left[::-1], right[::-1]) == found


@pytest.mark.parametrize("candidates", [24, 30])
def test_the_worst_search_ends_soon(candidates: int) -> None:
    classes = [Class(2 * (10**9 + number**3), 1) for number in range(candidates)]
    began = time.process_time()
    assert choices(classes, 3 * 10**9 + 1, 3 * 10**9 + 1, 2) == []
    assert time.process_time() - began < 2.0


def test_equal_parts_are_counted_and_not_chosen_one_by_one() -> None:
    assert steps([Class(5, 1_000)]) == 1_001 + 1
    assert choices([Class(5, 1_000), Class(7, 3)], 17, 17, 2) == [(2, 1)]
    right = [line(f"r{number}", 10, ref="A") for number in range(20)]
    found = match(rules(PARTS), [line("1", 120, ref="A")], right)
    assert [len(each.right_ids) for each in found.matches] == [12]
    assert set(reasons(found).values()) == {"duplicate"}


def test_sums_of_lines_that_go_both_ways() -> None:
    right = [line("a", 100, n="a"), line("b", -30, n="b"), line("c", 500, n="c")]
    assert matched(match(rules(SUMS), [line("1", 70)], right)) == [("p0", "1", "a+b")]
    right = [line("a", -100, n="a"), line("b", -30, n="b"), line("c", -500, n="c")]
    assert matched(match(rules(SUMS), [line("1", -130)], right)) == [("p0", "1", "a+b")]


def test_only_sums_that_are_accepted_are_chosen() -> None:
    classes = [Class(5, 1), Class(7, 1), Class(11, 1)]
    assert choices(classes, 0, 100, 9, accepts=lambda total: total == 12) == [(1, 1, 0)]
    assert choices(classes, 12, 16, 9) == [(1, 1, 0), (1, 0, 1)]
    assert choices(classes, 5, 16, 9, least_lines=2) == [(1, 1, 0), (1, 0, 1)]
    assert choices([], -1, 1, 9) == []


def test_a_payout_within_basis_points_of_what_it_pays() -> None:
    """The tolerance goes by the left, which is the sum: 1 % of 10,000 is 100, of 9,950 it is less."""
    by = rules({"keys": ["ref"], "cardinality": "n:1", "date_window_days": [0, 5], "amount_tolerance_bp": 100})
    left = [line("1", 6_000, ref="A"), line("2", 4_000, ref="A"), line("3", 77_000, ref="A")]
    assert matched(match(by, left, [line("a", 9_900, ref="A")])) == [("p0", "1+2", "a")]
    assert matched(match(by, left, [line("a", 10_100, ref="A")])) == [("p0", "1+2", "a")]
    assert matched(match(by, left, [line("a", 9_899, ref="A")])) == []
    assert matched(match(by, left, [line("a", 10_101, ref="A")])) == []


def test_a_payout_of_thousands_is_added_up_but_not_looked_through() -> None:
    parts = [line(f"r{number}", 10 + number, ref="A", n=f"{number}") for number in range(2_001)]
    total = sum(each.amount_minor for each in parts)
    found = match(rules(PARTS), [line("1", total, ref="A")], parts)
    assert ([len(each.right_ids) for each in found.matches], found.not_tried) == ([2_001], 0)
    found = match(rules(PARTS), [line("1", total, ref="A"), line("2", 21, ref="A")], parts)
    assert (matched(found), found.not_tried) == ([], 2)


@pytest.mark.parametrize(("whole", "is_match"), [(98, True), (102, True), (97, False), (103, False)])
def test_a_sum_within_the_tolerance(whole: int, is_match: bool) -> None:
    near = rules({**SUMS, "amount_tolerance_minor": 2})
    right = [line("a", 60, n="a"), line("b", 40, n="b"), line("c", 900, n="c")]
    found = match(near, [line("1", whole)], right)
    assert matched(found) == ([("p0", "1", "a+b")] if is_match else [])
    assert [(each.difference_minor, each.confidence) for each in found.matches] == (
        [(100 - whole, 49)] if is_match else []
    )


def test_parts_with_ids_of_their_own_stand_for_each_other_under_a_key_only() -> None:
    right = [line("a", 60, ref="A"), line("b", 40, ref="A", own_id="x"), line("c", 40, ref="A", own_id="y")]
    found = match(rules(PARTS), [line("1", 100, ref="A")], right)
    assert (matched(found), reasons(found)) == ([("p0", "1", "a+b")], {"right c": "duplicate"})
    found = match(rules(SUMS), [line("1", 100, ref="A")], right)
    assert set(reasons(found).values()) == {"ambiguous"}


def test_a_part_once_more_in_a_large_payout() -> None:
    right = [line(f"r{number:02d}", 100 + number**2, ref="A", own_id=f"{number}") for number in range(40)]
    total = sum(each.amount_minor for each in right)
    found = match(rules(PARTS), [line("1", total, ref="A")], [*right, line("s", 104, ref="A", own_id="z")])
    assert ([len(each.right_ids) for each in found.matches], reasons(found)) == ([40], {"right s": "duplicate"})
