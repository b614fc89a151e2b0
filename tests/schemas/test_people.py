"""Whether two names are one person's."""

from __future__ import annotations

import pytest

from schemas.people import same_person

SPELLINGS = {
    "capitals": "ALICE Smith",
    "blanks": "  alice \t smith\n",
    "a blank that does not break": "alice\u00a0smith",
    "a blank within": "ali ce smith",
    "no blanks": "AliceSmith",
    "full width": "\uff41\uff4c\uff49\uff43\uff45 smith",
    "a space without width": "ali\u200bce smith",
    "a joiner": "ali\u200dce smith",
    "a hyphen that is not seen": "ali\u00adce smith",
    "a byte order mark": "\ufeffalice smith",
    "the other direction": "\u202dalice smith\u202c",
    "a selector of forms": "alice\ufe0f smith",
    "a tag": "alice\U000e0061 smith",
    "a control character": "alice\u0001 smith",
    "a mark that joins": "ali\u034fce smith",
    "an accent": "\u00e1lice smith",
    "a mark for symbols": "a\u20d7lice smith",
    "Cyrillic a": "\u0430lice smith",
    "Cyrillic capitals": "\u0410LI\u0421\u0415 SMI\u0422H",
    "Greek capitals": "\u0391L\u0399CE SM\u0399\u03a4H",
    "i with a dot above": "AL\u0130CE SM\u0130TH",
    "i without a dot": "al\u0131ce sm\u0131th",
}


@pytest.mark.parametrize("name", SPELLINGS.values(), ids=SPELLINGS)
def test_spellings_of_one_name(name: str) -> None:
    assert same_person("alice smith", name)
    assert same_person(name, "Alice Smith")


@pytest.mark.parametrize("other", ["alice smyth", "alice", "smith alice", "alicesmith2", "", "\u674e"])
def test_other_people(other: str) -> None:
    assert not same_person("alice smith", other)


def test_names_in_other_scripts_are_told_apart() -> None:
    assert not same_person("\u0438\u0432\u0430\u043d", "\u0438\u0440\u0438\u043d\u0430")
    assert not same_person("\u738b\u4f1f", "\u738b\u82b3")
    assert not same_person("\u0930\u093e\u092e", "\u0930\u092e\u093e")
