"""Small tables against a matcher that knows only what the rules say, and looks at every pair.

It does not know whom the matcher prefers; it knows what fits. What has one partner that has no other must be matched;
what was matched fits, and no other partner of it was as near; what is left has no partner that is left, or is told so.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.ops.reconcile.running import Ran, as_csv, run_files

_DECIMALS = {"EUR": 2, "JPY": 0, "KWD": 3}
_FORMATS = ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%y", "%d %b %Y"]
_FIRST_DAY = date(2026, 2, 26)
Sides = dict[str, list["Item"]]


class Item(NamedTuple):
    """What a row says."""

    row_id: str
    amount: int
    asset: str
    day: int
    ref: str
    e2e: str


def _items(chance: random.Random, count: int, amounts: int, references: int) -> list[Item]:
    return [
        Item(
            f"i{chance.randrange(2 * count)}",
            chance.randrange(-4, amounts) * chance.choice([1, 1, 100]),
            chance.choice(["EUR", "EUR", "EUR", *_DECIMALS]),
            chance.randrange(7),
            *(chance.choice(["", *(f"{name}{number}" for number in range(references))]) for name in "AE"),
        )
        for _ in range(count)
    ]


def _drawn(chance: random.Random) -> Sides:
    shape = chance.choice([3, 12, 25]), chance.choice([4, 10, 40]), chance.choice([1, 4, 20])
    left, right = _items(chance, *shape), _items(chance, *shape)
    for one in left:
        if chance.random() < 0.6:
            near = one._replace(amount=one.amount + chance.choice([0, 0, 1, 5]), day=one.day + chance.choice([0, 1, 3]))
            right[chance.randrange(len(right))] = near._replace(row_id="r", e2e=chance.choice(["", one.e2e]))
    return {"left": left, "right": right}


def _passes(chance: random.Random) -> list[dict[str, Any]]:
    passes = []
    for number in range(chance.randrange(1, 4)):
        first = chance.choice([-2, -1, 0, 0, 1])
        passes.append(
            {
                "name": f"p{number}",
                "keys": chance.choice([["ref"], ["ref"], [], ["e2e"], ["ref", "e2e"]]),
                "amount_tolerance_minor": chance.choice([0, 0, 1, 3]),
                "amount_tolerance_bp": chance.choice([0, 0, 100, 2_000]),
                "date_window_days": [first, first + chance.randrange(6)],
                "cardinality": chance.choice(["1:1", "1:1", "1:n", "n:1"]),
            }
        )
    return passes


class _Written:
    """One way to write a table, and its mapping."""

    def __init__(self, chance: random.Random):
        self._chance, self._is_json = chance, chance.random() < 0.3
        self._unit, self._sign = chance.choice(["major", "minor"]), chance.choice([None, -1, "way"])
        self._format = chance.choice(_FORMATS)

    def mapping(self) -> dict[str, Any]:
        columns = {"id": "no", "amount": "sum", "asset": "ccy", "date": "day", "references": {"ref": "r", "e2e": "e"}}
        return {**columns, "amount_unit": self._unit, "sign": self._sign, "date_format": self._format}

    def table(self, items: list[Item]) -> bytes:
        header = ["way", "sum", "e", "no", "r", "day", "ccy"]
        rows = [self._row(item) for item in items]
        if self._is_json:
            return json.dumps([dict(zip(header, row, strict=True)) for row in rows]).encode()
        return b"\xef\xbb\xbf" + as_csv(rows, header).replace(b"\n", b"\r\n")

    def _row(self, item: Item) -> list[str]:
        is_out = self._sign == "way" and self._chance.random() < 0.5
        amount = -item.amount if is_out or self._sign == -1 else item.amount
        text, decimals = str(amount), _DECIMALS[item.asset]
        if self._unit == "major" and decimals:
            digits = f"{abs(amount):0{decimals + 1}d}"
            text = f"{'-' if amount < 0 else ''}{digits[:-decimals]}.{digits[-decimals:]}"
        day = (_FIRST_DAY + timedelta(item.day)).strftime(self._format)
        return ["DBIT" if is_out else "CRDT", text, item.e2e, item.row_id, item.ref, day, item.asset]


def _run(folder: Path, sides: Sides, passes: list[dict[str, Any]], chance: random.Random) -> Ran:
    folder.mkdir()
    written = {side: _Written(chance) for side in sides}
    rules = {**{side: each.mapping() for side, each in written.items()}, "passes": passes}
    left, right = (written[side].table(items) for side, items in sides.items())
    ran = run_files(folder, left, right, rules)
    assert ran.exit_code == 0, ran.output
    return ran


def _fits(rule: dict[str, Any], one: Item, other: Item) -> bool:
    apart = abs(other.amount - one.amount)
    return (
        one.asset == other.asset
        and all(getattr(one, key) and getattr(one, key) == getattr(other, key) for key in rule["keys"])
        and (apart <= rule["amount_tolerance_minor"] or apart * 10_000 <= rule["amount_tolerance_bp"] * abs(one.amount))
        and rule["date_window_days"][0] <= other.day - one.day <= rule["date_window_days"][1]
    )


def _distance(one: Item, other: Item) -> tuple[int, int]:
    return abs(other.amount - one.amount), abs(other.day - one.day)


@pytest.mark.parametrize("seed", range(40))
def test_what_comes_out_is_what_the_rules_say(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    sides, passes = _drawn(chance), _passes(chance)
    ran = _run(tmp_path / "once", sides, passes, chance)
    groups: dict[str, dict[str, dict[str, list[int]]]] = {rule["name"]: {} for rule in passes}
    seen: Counter[tuple[str, int]] = Counter()
    for match_id, name, side, row, amount_minor, asset, _ in ran.rows("matches.csv"):
        item = sides[side][int(row) - 1]
        assert (int(amount_minor), asset) == (item.amount, item.asset)
        groups[name].setdefault(match_id, {"left": [], "right": []})[side].append(int(row))
        seen[side, int(row)] += 1
    reasons = {(side, int(row)): reason for side, row, reason, _ in ran.rows("exceptions.csv")}
    seen.update(reasons.keys())
    assert seen == Counter({(side, row): 1 for side, items in sides.items() for row in range(1, len(items) + 1)})
    still = {side: set(range(1, len(items) + 1)) for side, items in sides.items()}
    for rule in passes:
        _check_pass(rule, sides, still, list(groups[rule["name"]].values()))
    _check_reasons(passes, sides, still, reasons)
    for items in sides.values():
        chance.shuffle(items)
    again = _run(tmp_path / "again", sides, passes, chance)
    assert sorted(row[:1] + row[4:] for row in again.rows("matches.csv")) == sorted(
        row[:1] + row[4:] for row in ran.rows("matches.csv")
    )
    assert Counter(again.reasons.values()) == Counter(ran.reasons.values())


def _check_pass(
    rule: dict[str, Any], sides: Sides, still: dict[str, set[int]], groups: list[dict[str, list[int]]]
) -> None:
    lefts, rights = ({row: sides[side][row - 1] for row in still[side]} for side in ("left", "right"))
    for each in groups:
        assert len(each["left"]) == 1 or rule["cardinality"] == "n:1"
        assert len(each["right"]) == 1 or rule["cardinality"] == "1:n"
        ours, theirs = [lefts[row] for row in each["left"]], [rights[row] for row in each["right"]]
        one = ours[0]._replace(amount=sum(item.amount for item in ours))
        other = theirs[0]._replace(amount=sum(item.amount for item in theirs))
        for mine in ours:
            assert all(_fits(rule, one._replace(day=mine.day), other._replace(day=item.day)) for item in theirs)
        assert len({tuple(getattr(item, key) for key in (*rule["keys"], "asset")) for item in (*ours, *theirs)}) == 1
    if rule["cardinality"] == "1:1":
        _check_pairs(rule, lefts, rights, {each["left"][0]: each["right"][0] for each in groups})
    for each in groups:
        for side, rows in each.items():
            still[side] -= set(rows)


def _check_pairs(rule: dict[str, Any], lefts: dict[int, Item], rights: dict[int, Item], taken: dict[int, int]) -> None:
    fitting = {(a, b) for a, one in lefts.items() for b, other in rights.items() if _fits(rule, one, other)}
    of_left, of_right = Counter(a for a, _ in fitting), Counter(b for _, b in fitting)
    for a, b in fitting:
        if of_left[a] == of_right[b] == 1:
            assert taken.get(a) == b, "each other's only partners"
    back = {b: a for a, b in taken.items()}
    for a, b in taken.items():
        for left, right in fitting - {(a, b)}:
            if (left == a) == (right == b) or _distance(lefts[left], rights[right]) > _distance(lefts[a], rights[b]):
                continue
            # A partner that is as near is no guess where it is taken itself, or says the same.
            is_taken = left in taken if right == b else right in back
            says_the_same = (lefts[left][1:], rights[right][1:]) == (lefts[a][1:], rights[b][1:])
            assert is_taken or (rule["keys"] and says_the_same), "a guess"


def _check_reasons(
    passes: list[dict[str, Any]], sides: Sides, still: dict[str, set[int]], reasons: dict[tuple[str, int], str]
) -> None:
    for a in still["left"]:
        for b in still["right"]:
            one, other, said = sides["left"][a - 1], sides["right"][b - 1], {reasons["left", a], reasons["right", b]}
            if any(_fits(rule, one, other) for rule in passes if rule["cardinality"] == "1:1"):
                assert not said & {"missing_left", "missing_right", "reference"}
            shared = [key for rule in passes for key in rule["keys"][:1] if len(rule["keys"]) == 1]
            if any(getattr(one, key) and getattr(one, key) == getattr(other, key) for key in shared):
                assert said != {"missing_left", "missing_right"}
    assert not [
        each for each in reasons.items() if each[1] == {"left": "missing_left", "right": "missing_right"}[each[0][0]]
    ]
