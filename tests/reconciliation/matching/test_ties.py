"""Who is nearer is taken; where nobody is, a person decides."""

from __future__ import annotations

import pytest

from agents.reconciliation.matching.match import match
from tests.reconciliation.matching.lines import candidates, line, matched, reasons, rules

BY_AMOUNT = {"keys": [], "date_window_days": [0, 3]}


def test_one_and_one_of_an_amount_belong_together() -> None:
    found = match(rules(BY_AMOUNT), [line("1", 100, 10)], [line("a", 100, 12)])
    assert (matched(found), found.matches[0].confidence) == ([("p0", "1", "a")], 73)


def test_amount_and_asset_are_compared_without_a_key_too() -> None:
    right = [line("a", 101), line("b", 100, asset="USD"), line("c", 100, 14), line("d", 100, 9)]
    assert matched(match(rules(BY_AMOUNT), [line("1", 100)], right)) == []


def test_two_for_one_are_tied() -> None:
    found = match(rules(BY_AMOUNT), [line("1", 100, id="x"), line("2", 100, id="y")], [line("a", 100)])
    assert reasons(found) == {"left 1": "ambiguous", "left 2": "ambiguous", "right a": "ambiguous"}
    assert candidates(found) == {"left 1": ("a",), "left 2": ("a",), "right a": ("1", "2")}


def test_two_and_two_that_say_different_things_are_tied() -> None:
    left = [line("1", 100, id="x"), line("2", 100, id="y")]
    right = [line("a", 100, text="u"), line("b", 100, text="v")]
    assert set(reasons(match(rules(BY_AMOUNT), left, right)).values()) == {"ambiguous"}


def test_two_and_two_of_which_two_say_the_same_are_not() -> None:
    left = [line("1", 100, id="x"), line("2", 100, id="y")]
    assert len(match(rules(BY_AMOUNT), left, [line("a", 100), line("b", 100)]).matches) == 2


def test_what_settles_a_day_later_is_not_taken_for_what_settles_at_once() -> None:
    left = [line("1", 100, 10, id="x"), line("2", 100, 11, id="y")]
    right = [line("a", 100, 11), line("b", 100, 12)]
    assert set(reasons(match(rules(BY_AMOUNT), left, right)).values()) == {"ambiguous"}
    # Whoever knows that it is always the same day says so in a pass of its own.
    same_day = {**BY_AMOUNT, "date_window_days": [0, 0]}
    assert matched(match(rules(same_day, BY_AMOUNT), left, right)) == [("p0", "2", "a"), ("p1", "1", "b")]


@pytest.mark.parametrize("day", [10, 11, 12])
def test_one_day_more_is_nearly_as_good(day: int) -> None:
    found = match(rules(BY_AMOUNT), [line("1", 100, 10)], [line("a", 100, day), line("b", 100, day + 1)])
    assert set(reasons(found).values()) == {"ambiguous"}
    assert candidates(found) == {"left 1": ("a", "b"), "right a": ("1",), "right b": ("1",)}


def test_what_is_tied_is_a_partner_all_the_same() -> None:
    """One of 1 and 2 is a's; the other one may be b's, and is nearer to it than 3."""
    left = [line("1", 100, 10, id="x"), line("2", 100, 10, id="y"), line("3", 100, 7)]
    right = [line("a", 100, 10), line("b", 100, 12)]
    found = match(rules({**BY_AMOUNT, "date_window_days": [0, 5]}), left, right)
    assert (matched(found), set(reasons(found).values())) == ([], {"ambiguous"})
    assert candidates(found)["right b"] == ("1", "2")
    assert candidates(found)["left 3"] == ("a",)


def test_what_is_tied_exactly_is_a_partner_within_the_tolerance() -> None:
    left = [line("1", 100, id="x"), line("2", 100, id="y"), line("3", 102)]
    right = [line("a", 100), line("b", 101)]
    found = match(rules({**BY_AMOUNT, "amount_tolerance_minor": 1}), left, right)
    assert (matched(found), set(reasons(found).values())) == ([], {"ambiguous"})
    assert candidates(found)["right b"] == ("1", "2", "3")


def test_two_days_more_are_not() -> None:
    found = match(rules(BY_AMOUNT), [line("1", 100, 10)], [line("a", 100, 11), line("b", 100, 13)])
    assert (matched(found), reasons(found)) == ([("p0", "1", "a")], {"right b": "missing_left"})


def test_a_tie_may_be_broken_by_a_later_pass() -> None:
    left = [line("1", 100, ref="A"), line("2", 100, ref="B")]
    found = match(rules(BY_AMOUNT, {"keys": ["ref"]}), left, [line("a", 100, ref="B")])
    assert (matched(found), reasons(found)) == ([("p1", "2", "a")], {"left 1": "missing_right"})


@pytest.mark.parametrize(("minor", "bp", "furthest"), [(5, 0, 5), (0, 10, 10), (5, 10, 10), (20, 10, 20), (0, 0, 0)])
def test_the_wider_tolerance_counts(minor: int, bp: int, furthest: int) -> None:
    by_ref = rules({"keys": ["ref"], "amount_tolerance_minor": minor, "amount_tolerance_bp": bp})
    for difference in (furthest, -furthest):
        found = match(by_ref, [line("1", 10_000, ref="A")], [line("a", 10_000 + difference, ref="A")])
        assert [each.difference_minor for each in found.matches] == [difference]
    for difference in (furthest + 1, -furthest - 1):
        assert not match(by_ref, [line("1", 10_000, ref="A")], [line("a", 10_000 + difference, ref="A")]).matches


def test_the_exact_amount_is_better_than_one_within_the_tolerance() -> None:
    near = rules({**BY_AMOUNT, "amount_tolerance_minor": 5})
    left = [line("1", 100, id="x"), line("2", 103, id="y")]
    found = match(near, left, [line("a", 100), line("b", 104)])
    assert matched(found) == [("p0", "1", "a"), ("p0", "2", "b")]
    found = match(near, [line("1", 100)], [line("a", 101), line("b", 104)])
    assert set(reasons(found).values()) == {"ambiguous"}


def test_with_a_key_the_nearer_amount_is_taken() -> None:
    near = rules({"keys": ["ref"], "amount_tolerance_minor": 5})
    found = match(near, [line("1", 100, ref="A")], [line("a", 101, ref="A"), line("b", 104, ref="A")])
    assert matched(found) == [("p0", "1", "a")]


def test_with_a_key_too_what_is_equally_near_is_tied() -> None:
    near = rules({"keys": ["ref"], "amount_tolerance_minor": 5})
    found = match(near, [line("1", 100, ref="A")], [line("a", 99, ref="A"), line("b", 101, ref="A")])
    assert set(reasons(found).values()) == {"ambiguous"}


def test_lines_of_a_key_that_say_different_things_do_not_stand_for_each_other() -> None:
    left = [line("1", 100, customer="C", order="x"), line("2", 100, customer="C", order="y")]
    found = match(rules({"keys": ["customer"]}), left, [line("a", 100, customer="C")])
    assert set(reasons(found).values()) == {"ambiguous"}


ALIKE = {"keys": [], "date_window_days": [0, 3], "fuzzy": {"reference": "text", "minimum": 80, "margin": 5}}


def test_references_that_are_alike() -> None:
    left = [line("1", 100, text="RF-18 5390"), line("2", 100, text="INV 77001"), line("3", 100, text="other")]
    right = [line("a", 100, text="rf185390/"), line("b", 100, text="INV 7701"), line("c", 100, text="nothing of it")]
    found = match(rules(ALIKE), left, right)
    assert matched(found) == [("p0", "1", "a"), ("p0", "2", "b")]


def test_references_that_are_equally_alike() -> None:
    right = [line("a", 100, text="INV 7700"), line("b", 100, text="INV 7001")]
    found = match(rules(ALIKE), [line("1", 100, text="INV 77001")], right)
    assert set(reasons(found).values()) == {"ambiguous"}


def test_references_that_are_alike_do_not_make_up_for_an_amount() -> None:
    found = match(rules(ALIKE), [line("1", 100, text="INV 77001")], [line("a", 101, text="INV 77001")])
    assert not found.matches


def test_references_of_nothing_but_signs_are_not_alike() -> None:
    found = match(rules(ALIKE), [line("1", 100, text="---")], [line("a", 100, text="/")])
    assert not found.matches


def test_too_many_to_compare_are_not_tried() -> None:
    left = [line("1", 100, text="INV 1")]
    right = [line(f"r{number}", 100, text=f"INV {number}") for number in range(1_001)]
    found = match(rules(ALIKE), left, right)
    assert (len(found.matches), found.not_tried) == (0, 1)


def test_ids_of_their_own_tell_lines_apart_without_a_key_only() -> None:
    left = [line("1", 100, ref="A", order="x"), line("2", 100, ref="A", order="y")]
    right = [line("a", 100, ref="A", own_id="a"), line("b", 100, ref="A", own_id="b")]
    assert len(match(rules({"keys": ["ref"]}), left, right).matches) == 2
    assert len(match(rules({"keys": ["ref"]}), right, left).matches) == 2
    assert set(reasons(match(rules(BY_AMOUNT), left, right)).values()) == {"ambiguous"}
    assert set(reasons(match(rules(BY_AMOUNT), right, left)).values()) == {"ambiguous"}


@pytest.mark.parametrize("keys", [[], ["ref"]])
@pytest.mark.parametrize(("theirs", "is_match"), [(9_900, True), (10_100, True), (9_899, False), (10_101, False)])
def test_basis_points_of_the_left_among_several_lines(keys: list[str], theirs: int, is_match: bool) -> None:
    near = rules({"keys": keys, "date_window_days": [0, 3], "amount_tolerance_bp": 100})
    left = [line("1", 10_000, ref="A"), line("2", 77, ref="A")]
    right = [line("a", theirs, ref="A"), line("b", 500_000, ref="A")]
    for one, other in ((left, right), (left[::-1], [*right, line("c", 9, ref="A")])):
        assert matched(match(near, one, other)) == ([("p0", "1", "a")] if is_match else [])


def test_of_partners_beyond_number_the_nearest_are_looked_at() -> None:
    near = rules({"keys": ["ref"], "date_window_days": [0, 3], "amount_tolerance_minor": 5_000})
    right = [line(f"r{number:04d}", 2 * number, ref="A") for number in range(2_400)]
    found = match(near, [line("1", 2_001, 9, ref="A"), line("2", 900, ref="A")], [*right, line("a", 2_002, 9, ref="A")])
    assert matched(found) == [("p0", "1", "a"), ("p0", "2", "r0450")]


def test_of_many_days_the_nearest_ones_are_looked_at() -> None:
    any_day = rules({"keys": ["ref"]})
    right = [line(f"r{day}", 100, day, ref="A") for day in range(80, 130, 2)]
    assert matched(match(any_day, [line("1", 100, 104, ref="A")], right)) == [("p0", "1", "r104")]
    left = [line(f"l{day}", 100, day, ref="A") for day in range(80, 130, 2)]
    assert matched(match(any_day, left, [line("a", 100, 104, ref="A")])) == [("p0", "l104", "a")]
    found = match(rules(BY_AMOUNT), [line("1", 100, 104)], [line(f"r{day}", 100, day) for day in range(90, 106)])
    assert set(reasons(found).values()) == {"ambiguous", "missing_left"}


def test_with_a_key_of_equally_near_amounts_the_nearer_day_is_taken() -> None:
    near = rules({"keys": ["ref"], "amount_tolerance_minor": 5})
    right = [line("a", 101, 10, ref="A"), line("b", 99, 9, ref="A")]
    assert matched(match(near, [line("1", 100, ref="A")], right)) == [("p0", "1", "a")]
