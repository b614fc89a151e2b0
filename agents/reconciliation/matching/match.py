"""The matcher: passes in order over what is open, then a reason for what is left."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from agents.reconciliation.matching.consumed import MatchedIndex
from agents.reconciliation.matching.explain import Explaining, Ties
from agents.reconciliation.matching.found import Found, Matched
from agents.reconciliation.matching.lag import Lag
from agents.reconciliation.matching.lines import Exception_, Line, Match, Matching, Statement, content, in_order
from agents.reconciliation.matching.singles import match_singles
from agents.reconciliation.matching.splits import match_splits
from schemas.matching_rules import Pass, Rules
from schemas.reconciliation_reasons import SIDES, Side


def match(
    rules: Rules,
    left: Sequence[Line],
    right: Sequence[Line],
    as_of_day: int | None = None,
    *,
    holidays: Collection[int] = frozenset(),
    statements: Sequence[Statement] = (),
) -> Matching:
    """Match two sides. The result is a function of the set of lines: their order says nothing.

    Args:
        rules: passes, best first.
        left: our lines; their ids are distinct.
        right: the other side's; their ids are distinct.
        as_of_day: the day on which it is asked what is late; None: whatever is not there is missing.
        holidays: days, beside Saturdays and Sundays, that are no business days.
        statements: those whose lines must add up; lines of one that does not are not matched.

    Raises:
        ValueError: two lines of one side have the same id.
    """
    check_ids("left", left)
    check_ids("right", right)
    wrong = unbalanced(statements, _sums_of(statements, left, right))
    lefts, left_out = _apart(left, "left", wrong)
    rights, right_out = _apart(right, "right", wrong)
    matched: list[Matched] = []
    ties: list[Ties] = []
    not_tried = 0
    for rule in rules.passes:
        found = run_pass(rule, rules, lefts, rights)
        lefts, rights = found.left, found.right
        matched += found.matched
        ties.append(found.ties)
        not_tried += found.not_tried
    exceptions = _explain(rules, lefts, rights, ties, matched, (left_out, right_out))
    open_lines: dict[Side, list[Line]] = {"left": [*lefts, *left_out], "right": [*rights, *right_out]}
    lag = Lag(rules.expected_lag_business_days, as_of_day, holidays)
    broken, expected = lag.part(exceptions, open_lines)
    return Matching(tuple(sorted(tell(matched), key=_match_id)), tuple(broken), tuple(expected), not_tried)


def run_pass(rule: Pass, rules: Rules, left: Sequence[Line], right: Sequence[Line], steps_before: int = 0) -> Found:
    """One pass of some rules over open lines; of its sums so many were formed for other lines before."""
    if rule.cardinality == "1:1":
        return match_singles(rule, left, right)
    return match_splits(rule, rules, left, right, steps_before)


def _explain(
    rules: Rules,
    left: Sequence[Line],
    right: Sequence[Line],
    ties: Sequence[Ties],
    matched: Iterable[Matched],
    quarantined: tuple[Sequence[Line], Sequence[Line]],
) -> list[Exception_]:
    """The reason of each line that is left, and of those whose statements do not add up: left, right, each in order."""
    index = MatchedIndex(rules, (*left, *right))
    index.add(matched)
    exceptions = Explaining(rules, left, right, ties, index).explain()
    for side, lines in zip(SIDES, quarantined, strict=True):
        exceptions += [Exception_(side, line.line_id, "statement_unbalanced") for line in in_order(lines)]
    return sorted(exceptions, key=lambda each: each.side)


def tell(matched: Iterable[Matched]) -> Iterator[Match]:
    """Matches with their ids. Matches that say the same are numbered; which is which makes no difference."""
    encode = msgspec.msgpack.Encoder().encode
    seen: dict[bytes, int] = {}
    for each in sorted(matched, key=_first_ids):
        said = encode((each.pass_name, [content(line) for line in each.lefts], [content(line) for line in each.rights]))
        digest = hashlib.blake2b(said, digest_size=10).digest()
        number = seen[digest] = seen.get(digest, -1) + 1
        if number:
            digest = hashlib.blake2b(digest + number.to_bytes(8), digest_size=10).digest()
        yield Match(
            digest.hex(),
            each.pass_name,
            tuple([line.line_id for line in each.lefts]),
            tuple([line.line_id for line in each.rights]),
            each.confidence,
            each.fee_minor,
            each.difference_minor,
        )


def _first_ids(matched: Matched) -> tuple[str, str]:
    return matched.lefts[0].line_id, matched.rights[0].line_id


def _match_id(found: Match) -> str:
    return found.match_id


def check_ids(side: Side, lines: Sequence[Line]) -> None:
    """
    Raises:
        ValueError: two lines have the same id.
    """
    if len({line.line_id for line in lines}) != len(lines):
        twice = next(line_id for line_id, count in Counter(line.line_id for line in lines).items() if count > 1)
        raise ValueError(f"two lines on the {side} have the id {twice!r}: ids name lines")


#: Sum of the lines of each statement, by side and id.
Sums = Mapping[tuple[Side, str], int]


def _sums_of(statements: Sequence[Statement], left: Iterable[Line], right: Iterable[Line]) -> Sums:
    sums: dict[tuple[Side, str], int] = {}
    for side, lines in zip(SIDES, (left, right) if statements else ((), ()), strict=True):
        for line in lines:
            if line.statement_id:
                sums[side, line.statement_id] = sums.get((side, line.statement_id), 0) + line.amount_minor
    return sums


def unbalanced(statements: Iterable[Statement], sums: Sums) -> frozenset[tuple[Side, str]]:
    """Side and id of the statements that do not add up: opening + lines = closing."""
    return frozenset(
        (each.side, each.statement_id)
        for each in statements
        if each.opening_minor + sums.get((each.side, each.statement_id), 0) != each.closing_minor
    )


def _apart(lines: Sequence[Line], side: Side, wrong: Collection[tuple[Side, str]]) -> tuple[list[Line], list[Line]]:
    """Lines that are matched, and those of statements that do not add up."""
    if not wrong:
        return list(lines), []
    kept: list[Line] = []
    out: list[Line] = []
    for line in lines:
        (out if (side, line.statement_id) in wrong else kept).append(line)
    return kept, out
