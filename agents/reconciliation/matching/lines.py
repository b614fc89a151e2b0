"""What is matched: lines of two sides, and what the matcher says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, Literal

import msgspec

from schemas.reconciliation_reasons import Reason, Side

LineKind = Literal["payment", "reversal", "chargeback"]

#: Names of references by which a line says what it takes back. A line that has one is of that kind.
REVERSAL_OF: Final = "reversal_of"
CHARGEBACK_OF: Final = "chargeback_of"
#: Name under which a line carries an id that is its own and no reference: it tells lines apart and never matches.
OWN_ID: Final = "#id"


class Line(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One line of a side: of a ledger, a partner's report, a bank statement.

    Lines that differ in nothing but `line_id` are two lines that say the same.
    """

    #: Names it within its side; it never decides what matches, only which of two equal lines comes first.
    line_id: str
    #: Signed; both sides write inflow with the same sign.
    amount_minor: int
    asset: str
    #: Proleptic Gregorian ordinal, as `date.toordinal` has it.
    day: int
    #: Name -> value; a value is never empty.
    references: Mapping[str, str] = {}
    #: What was or will be kept back of the amount; the pass says whether it is taken off.
    fee_minor: int = 0
    kind: LineKind = "payment"
    #: The statement that it is part of, if those are checked.
    statement_id: str = ""


class Statement(msgspec.Struct, frozen=True, gc=False):
    """What a statement says of itself: opening + its lines = closing."""

    statement_id: str
    side: Side
    opening_minor: int
    closing_minor: int


class Match(msgspec.Struct, frozen=True, gc=False):
    """Lines that belong together."""

    #: 20 hex digits: a hash of the pass and of what the lines say, so the same for the same lines in any order.
    match_id: str
    pass_name: str
    left_ids: tuple[str, ...]
    right_ids: tuple[str, ...]
    #: 0 to 100; how it comes about is in docs/concepts/reconciliation.md.
    confidence: int
    #: Fees that were taken off the side that the pass names.
    fee_minor: int = 0
    #: Right less left, after fees; 0 without a tolerance.
    difference_minor: int = 0


class Exception_(msgspec.Struct, frozen=True, gc=False):  # noqa: N801
    """A line without a match, and the one reason why."""

    side: Side
    line_id: str
    reason: Reason
    #: Ids of lines of the other side that could be its counterpart, nearest first; at most `MOST_CANDIDATES`.
    candidates: tuple[str, ...] = ()
    #: Right less left of what shares its reference, where the reason is one of amounts.
    difference_minor: int = 0


class Matching(msgspec.Struct, frozen=True):
    """All that the matcher says. Each line is in exactly one match, exception or expectation."""

    #: By match id.
    matches: tuple[Match, ...]
    #: By side, then as lines are ordered: by day, amount, and what else they say.
    exceptions: tuple[Exception_, ...]
    #: Those whose reason is `expected`, in the same order.
    expected: tuple[Exception_, ...]
    #: Lines for which no sum or likeness was looked for, since there were more candidates than the bounds allow.
    not_tried: int = 0


#: Most candidates that an exception names.
MOST_CANDIDATES: Final = 10


def content(line: Line) -> tuple[Any, ...]:
    """All that a line says, without its id: lines are ordered by it, and equal ones say the same."""
    references = tuple(line.references.items())
    if len(references) > 1:
        references = tuple(sorted(references))
    return (
        line.day,
        line.amount_minor,
        line.asset,
        line.kind,
        line.fee_minor,
        line.statement_id,
        references,
    )


def order(line: Line) -> tuple[Any, ...]:
    """Sorts lines whatever the order they came in."""
    return (*content(line), line.line_id)


_first_of_order = attrgetter("day", "amount_minor", "asset")


def in_order(lines: Iterable[Line]) -> list[Line]:
    """Lines by `order`. Of most lines day, amount and asset say enough, so that a million of them are sorted in little
    memory.
    """
    found: list[Line] = []
    for _, some in groupby(sorted(lines, key=_first_of_order), key=_first_of_order):
        equal = list(some)
        found += equal if len(equal) == 1 else sorted(equal, key=order)
    return found
