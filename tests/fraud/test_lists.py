"""Lists of values and of names, and what they say of a fact."""

from __future__ import annotations

import pytest

from agents.fraud.compile import compile_rule
from agents.fraud.lists import ListCheck, Lists, list_checks, plain
from tests.fraud.written import rule

DEVICE = ListCheck("device", "blocked", False)
NAME = ListCheck("user", "sanctions", True)


@pytest.fixture
def lists() -> Lists:
    found = Lists()
    found.put("blocked", 7, ["d1", "d2", "42"])
    found.put("sanctions", 3, ["Smith, John", "Zoë Žižek", "Jane Doe-Brown", "   "])
    return found


def test_a_value_is_on_the_list_or_not(lists: Lists) -> None:
    fact = {"device": "d1"}
    assert lists.enrich(fact, [DEVICE]) == {"device": "d1", "device@blocked": 7}
    assert fact == {"device": "d1"}, "a fact is not changed"
    other = {"device": "D1"}
    assert lists.enrich(other, [DEVICE]) is other, "ids are compared as they are"
    assert lists.enrich({"device": 42}, [DEVICE])["device@blocked"] == 7
    assert "device@blocked" not in lists.enrich({"ip": "d1"}, [DEVICE])


@pytest.mark.parametrize(
    ("name", "likeness"),
    [
        ("John Smith", 100),
        ("SMITH JOHN", 100),
        ("Zoe Zizek", 100),
        ("jane doe brown", 100),
        ("Jon Smith", 94),
        ("Q", None),
        ("", None),
        ("!!!", None),
    ],
)
def test_names_are_compared_by_their_words(lists: Lists, name: str, likeness: int | None) -> None:
    found = lists.enrich({"user": name}, [NAME])
    assert found.get("user~sanctions") == likeness
    assert found.get("user~sanctions~") == (None if likeness is None else 3)


@pytest.mark.parametrize("alike", range(25, 51))
def test_a_likeness_of_whole_per_cent_is_not_one_less(alike: int) -> None:
    lists = Lists()
    lists.put("sanctions", 1, ["a" * alike + "b" * (50 - alike)])
    found = lists.enrich({"user": "a" * alike + "c" * (50 - alike)}, [NAME])
    assert found["user~sanctions"] == 2 * alike


@pytest.mark.parametrize(
    ("listed", "name"),
    [
        ("Łukasz Wałęsa", "Lukasz Walesa"),
        ("Søren Ørsted", "SOREN ORSTED"),
        ("Ahmet Yılmaz", "AHMET YILMAZ"),
        ("Đorđe Ćirić", "Dorde Ciric"),
        ("Æthelred", "Aethelred"),
        ("Weiß", "WEISS"),
    ],
)
def test_letters_that_do_not_decompose_are_without_their_strokes_too(listed: str, name: str) -> None:
    assert plain(listed) == plain(name)


def test_what_nobody_sees_hides_no_name() -> None:
    hidden = "Jo\N{ZERO WIDTH SPACE}hn\N{SOFT HYPHEN} S\N{VARIATION SELECTOR-16}mi\N{WORD JOINER}th"
    assert plain(hidden) == "john smith"


def test_vowel_signs_are_parts_of_a_word() -> None:
    """Of Indic and Thai scripts: without them Ram and Rom would be one name, and each a word of its own."""
    assert plain("राम") != plain("रोम")
    assert len(plain("मोहन राम").split()) == len(plain("สมชาย ใจดี").split()) == 2


def test_a_new_version_replaces_the_list_and_what_was_remembered(lists: Lists) -> None:
    assert lists.enrich({"user": "John Smith"}, [NAME])["user~sanctions"] == 100
    lists.put("sanctions", 4, ["Joan Smith"])
    assert lists.enrich({"user": "John Smith"}, [NAME]) == {
        "user": "John Smith",
        "user~sanctions": 90,
        "user~sanctions~": 4,
        "user~sanctions=": "joan smith",
    }
    lists.remove("sanctions")
    lists.remove("sanctions")
    assert lists.enrich({"user": "John Smith"}, [NAME]) == {"user": "John Smith"}


def test_what_rules_compare_with_lists_is_collected_of_all_their_filters() -> None:
    on = {"field": "device", "op": "in_list", "value": "blocked"}
    like = {"field": "user", "op": "resembles", "value": "sanctions"}
    both = [rule("a", filter={"not": {"any": [on, like]}}), rule("b", sequence={"steps": [on, on], "within_s": 1})]
    assert list_checks(both) == {DEVICE, NAME}
    assert list_checks([]) == set()


def test_a_rule_asks_what_the_fact_was_enriched_with(lists: Lists) -> None:
    like = compile_rule(rule("a", filter={"field": "user", "op": "resembles", "value": "sanctions"}))
    closer = compile_rule(rule("b", filter={"field": "user", "op": "resembles", "value": "sanctions", "at_least": 95}))
    off = compile_rule(rule("c", filter={"field": "device", "op": "not_in_list", "value": "blocked"}))
    fact = lists.enrich({"user": "Jon Smith", "device": "d1"}, [NAME, DEVICE])
    assert [each.passes(fact) for each in (like, closer, off)] == [True, False, False]
    assert [each.passes({}) for each in (like, closer, off)] == [False, False, True]


def test_a_hostile_name_is_cut_and_memory_is_bounded(lists: Lists) -> None:
    lists.enrich({"user": "Ж" * 1_000_000}, [NAME])
    assert len(plain("é" * 1_000_000)) == 200
    for number in range(10_050):
        lists.enrich({"user": f"user {number}"}, [NAME])
    assert len(lists._remembered) <= 10_000


def test_a_list_that_was_gone_is_asked_anew_though_its_version_is_that_of_before() -> None:
    lists = Lists()
    lists.put("sanctions", 1, ["Jane Doe"])
    assert "user~sanctions" not in lists.enrich({"user": "Zoë Žižek"}, [NAME])
    lists.remove("sanctions")
    lists.put("sanctions", 1, ["Zoë Žižek"])
    assert lists.enrich({"user": "Zoë Žižek"}, [NAME])["user~sanctions"] == 100
