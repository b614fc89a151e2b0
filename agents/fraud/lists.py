"""Lists of values and of names (block, allow, watch, sanctions), and what they say of a fact. Pure.

A fact is enriched once, when it is made. What a list says stands in it under names that no field can have:
`FIELD@LIST` the version of the list that holds the field's value, `FIELD~LIST` how much the field's value is like the
nearest name of it, in per cent, `FIELD~LIST~` that version, `FIELD~LIST=` that name. So an alert says by which version
it was raised.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final, NamedTuple

from rapidfuzz import fuzz, process

from schemas.facts import Fact, FactValue
from schemas.fraud_filters import checks_of
from schemas.fraud_rules import Rule

#: Likeness in per cent that `resembles` asks for where it says nothing.
LIKENESS: Final = 90
#: Least likeness that is worth noting: the least that a rule can ask for.
LEAST_LIKENESS: Final = 50
#: A value longer than this is compared by its beginning.
MAX_NAME: Final = 200
#: More than what floats lose of a likeness.
_ROUNDING: Final = 1e-6
#: How many likenesses are remembered.
MAX_REMEMBERED: Final = 10_000

#: Letters with strokes, without dots or of two letters: Unicode takes them not apart as it does those with accents.
_PLAIN_LETTERS: Final = str.maketrans(
    {
        "\N{LATIN SMALL LETTER L WITH STROKE}": "l",
        "\N{LATIN SMALL LETTER O WITH STROKE}": "o",
        "\N{LATIN SMALL LETTER D WITH STROKE}": "d",
        "\N{LATIN SMALL LETTER H WITH STROKE}": "h",
        "\N{LATIN SMALL LETTER T WITH STROKE}": "t",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
        "\N{LATIN SMALL LETTER ETH}": "d",
        "\N{LATIN SMALL LETTER THORN}": "th",
        "\N{LATIN SMALL LETTER AE}": "ae",
        "\N{LATIN SMALL LIGATURE OE}": "oe",
    }
)


class ListCheck(NamedTuple):
    """A field that some rule compares with a list, exactly or by likeness."""

    field: str
    list_name: str
    fuzzy: bool


def listed_field(field: str, list_name: str) -> str:
    """Where a fact holds the version of the list that its field's value is on."""
    return f"{field}@{list_name}"


def likeness_field(field: str, list_name: str) -> str:
    """Where a fact holds how much its field's value is like a name of the list, in per cent."""
    return f"{field}~{list_name}"


def nearest_field(field: str, list_name: str) -> str:
    """Where a fact holds the name of the list that its field's value is most like."""
    return f"{field}~{list_name}="


def list_checks(rules: Iterable[Rule]) -> frozenset[ListCheck]:
    """All that these rules compare with lists."""
    return frozenset(
        ListCheck(check.field, str(check.value), check.op == "resembles")
        for rule in rules
        for _, part in rule.filters()
        for _, check in checks_of(part)
        if check.op in ("in_list", "not_in_list", "resembles")
    )


def plain(name: str) -> str:
    """A name without case, accents and punctuation, its words parted by single spaces."""
    decomposed = unicodedata.normalize("NFKD", name[:MAX_NAME]).casefold().translate(_PLAIN_LETTERS)
    letters = (each if _is_letter(each) else " " for each in decomposed if _is_seen(each))
    return " ".join("".join(letters).split())


def _is_letter(each: str) -> bool:
    """Whether it is a part of a word: vowel signs of Indic scripts and Thai are marks, not letters."""
    return each.isalnum() or unicodedata.category(each) in ("Mc", "Mn")


def _is_seen(each: str) -> bool:
    """No accent, and nothing that a reader does not see, such as a zero-width space within a word."""
    hidden = unicodedata.category(each) == "Cf" or "\N{VARIATION SELECTOR-1}" <= each <= "\N{VARIATION SELECTOR-16}"
    return not (hidden or unicodedata.combining(each))


class NamedList(NamedTuple):
    """One version of a list."""

    version: int
    values: frozenset[str]
    names: tuple[str, ...]


class Lists:
    """The lists as they are now.

    Likeness is that of the words in alphabetical order (rapidfuzz's token_sort_ratio: normalised Indel distance),
    rounded down: `Smith, John` is like `john smith` to 100 %.
    """

    def __init__(self) -> None:
        self._lists: dict[str, NamedList] = {}
        self._remembered: dict[tuple[str, int, str], tuple[int, str]] = {}

    def put(self, name: str, version: int, values: Iterable[str]) -> None:
        """A new version of a list, whole."""
        held = frozenset(values)
        self._lists[name] = NamedList(version, held, tuple(sorted({plain(each) for each in held} - {""})))

    def remove(self, name: str) -> None:
        """A list that is gone matches nothing. One of its name that comes later may have any version again."""
        self._lists.pop(name, None)
        self._remembered.clear()

    def enrich(self, fact: Fact, checks: Iterable[ListCheck]) -> Fact:
        """The fact with what the lists say of it; the same object where they say nothing."""
        found: dict[str, FactValue] = {}
        for field, list_name, fuzzy in checks:
            value, held = fact.get(field), self._lists.get(list_name)
            if value is None or held is None:
                continue
            if not fuzzy:
                if str(value) in held.values:
                    found[listed_field(field, list_name)] = held.version
                continue
            likeness, name = self._likeness(list_name, held, str(value))
            if likeness:
                found[likeness_field(field, list_name)] = likeness
                found[likeness_field(field, list_name) + "~"] = held.version
                found[nearest_field(field, list_name)] = name
        return {**fact, **found} if found else fact

    def _likeness(self, list_name: str, held: NamedList, value: str) -> tuple[int, str]:
        """Of the nearest name, in per cent, and that name; 0 below the least that a rule can ask for."""
        asked = list_name, held.version, value[:MAX_NAME]
        known = self._remembered.get(asked)
        if known is None:
            nearest = process.extractOne(
                plain(value), held.names, scorer=fuzz.token_sort_ratio, score_cutoff=LEAST_LIKENESS, processor=None
            )
            # A float: 66 % comes as 65.99999999999999. Likenesses of names so short lie further apart than that.
            known = (0, "") if nearest is None else (int(nearest[1] + _ROUNDING), str(nearest[0]))
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[asked] = known
        return known
