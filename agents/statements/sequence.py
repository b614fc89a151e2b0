"""Whether statements follow each other: no number or page missing or repeated, each opening as the one before closed.

The same check serves the statements of one file, and a file among those that were imported before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Final, NamedTuple

from agents.statements.amounts import told
from agents.statements.parsed import Statement
from agents.statements.refusal import Refusal
from schemas.assets import AssetRegistry
from schemas.external_statements import ExternalStatement

#: A number may start again at 1 when the year changes, which a statement's closing day tells. Banks that do not count
#: write it on every statement.
_FIRST_NUMBER: Final = 1


class Head(NamedTuple):
    """What of a statement is looked at. Days are `YYYY-MM-DD`."""

    name: str
    asset: str
    number: int | None
    first_page: int
    last_page: int
    complete: bool
    opening_minor: int | None
    closing_minor: int | None
    opening_date: str | None
    closing_date: str | None

    @property
    def year(self) -> str:
        """Year in which it is numbered."""
        return (self.closing_date or self.opening_date or "")[:4]


#: A statement, and its line and index in the file.
Placed = tuple[Head, int, int]


def head_of(statement: Statement, days: tuple[date | None, date | None]) -> Head:
    """The head of a statement that was just read; `days` are its first and its last."""
    opening, closing = statement.opening, statement.closing
    first, last = days
    number = statement.sequence_number
    return Head(
        name=f"statement {number or statement.reference or statement.index}",
        asset=statement.asset or "",
        number=number,
        first_page=statement.first_page,
        last_page=statement.last_page,
        complete=statement.complete,
        opening_minor=None if opening is None else opening.minor,
        closing_minor=None if closing is None else closing.minor,
        opening_date=None if opening is None or first is None else first.isoformat(),
        closing_date=None if closing is None or last is None else last.isoformat(),
    )


def head_of_imported(statement: ExternalStatement) -> Head:
    """The head of a statement that was imported before."""
    number = statement.sequence_number
    return Head(
        name=f"statement {number or statement.reference or statement.statement_id} of {statement.source.file}",
        asset=statement.asset,
        number=number,
        first_page=statement.first_page,
        last_page=statement.last_page,
        complete=statement.complete,
        opening_minor=statement.opening_minor,
        closing_minor=statement.closing_minor,
        opening_date=statement.opening_date if statement.opening_minor is not None else None,
        closing_date=statement.closing_date if statement.closing_minor is not None else None,
    )


def check_sequence(
    before: Sequence[Head], new: Sequence[Placed], assets: AssetRegistry, *, gaps: bool, all_before: bool = False
) -> dict[int, str]:
    """Check statements of one account, booked ones, among those before. What `gaps` let pass is returned in words, by
    the index of the statement. `all_before`: there are no others, so that the first one begins with its first page.

    Raises:
        Refusal: `sequence_repeated`; `sequence_gap` or `page_gap`, unless `gaps`.
    """
    fresh = {id(head): (line_number, index) for head, line_number, index in new}
    ordered = _in_order([*before, *(head for head, _, _ in new)])
    allowed: dict[int, str] = {}
    pairs: list[tuple[Head | None, Head]] = list(pairwise(ordered))
    if all_before and ordered:
        pairs.insert(0, (None, ordered[0]))
    for earlier, later in pairs:
        place = fresh.get(id(later)) or fresh.get(id(earlier))
        if place is None:
            continue
        refusal = _at_the_beginning(later) if earlier is None else _between(earlier, later, assets)
        if refusal is None:
            continue
        if not gaps or refusal.reason == "sequence_repeated":
            refusal.line_number, refusal.statement_index = place
            raise refusal
        allowed.setdefault(place[1], refusal.detail)
    return allowed


def _in_order(heads: list[Head]) -> list[Head]:
    """By number and page where all have one, else by day and, within a day, as they came.

    The first number may be that of all: those are by day before they are by page.
    """
    if all(head.number is not None for head in heads):
        return sorted(heads, key=lambda head: (head.year, head.number or 0, _day_of_first(head), head.first_page))
    return sorted(heads, key=lambda head: head.closing_date or head.opening_date or "")


def _day_of_first(head: Head) -> str:
    """Of two days with the first number the balances alone say whether a statement is missing between them."""
    return head.closing_date or "" if head.number == _FIRST_NUMBER else ""


def _between(earlier: Head, later: Head, assets: AssetRegistry) -> Refusal | None:
    """What is wrong between two statements that follow each other, if anything."""
    numbered = earlier.number is not None and later.number is not None
    same_year = earlier.year == later.year
    is_uncounted = later.first_page == 1 and "" < _day_of_first(earlier) < _day_of_first(later)
    if numbered and same_year and earlier.number == later.number and not is_uncounted:
        return _between_pages(earlier, later, assets)
    if not earlier.complete:
        return Refusal(
            "page_gap", f"page {earlier.last_page} of {earlier.name} does not end it, but {later.name} follows"
        )
    if later.first_page > 1:
        return _at_the_beginning(later)
    if numbered and same_year and (later.number or 0) != (earlier.number or 0) + 1 and not is_uncounted:
        return Refusal(
            "sequence_gap",
            f"after {earlier.name} comes {later.name}: import what is missing first, or allow the gap",
        )
    if numbered and not same_year and later.number not in {_FIRST_NUMBER, (earlier.number or 0) + 1}:
        return Refusal(
            "sequence_gap",
            f"{later.name} of {later.year} comes after {earlier.name} of {earlier.year}: import what is missing first, "
            "or allow the gap",
        )
    return _between_balances(earlier, later, assets)


def _at_the_beginning(first: Head) -> Refusal | None:
    """What is wrong with a statement of which no page came before."""
    if first.first_page == 1:
        return None
    return Refusal("page_gap", f"{first.name} begins with page {first.first_page}: import the pages before it first")


def _between_pages(earlier: Head, later: Head, assets: AssetRegistry) -> Refusal | None:
    if earlier.complete or later.first_page <= earlier.last_page:
        return Refusal(
            "sequence_repeated", f"{later.name} has the same number and page as {earlier.name}, but other contents"
        )
    if later.first_page != earlier.last_page + 1:
        return Refusal("page_gap", f"after page {earlier.last_page} of {earlier.name} comes page {later.first_page}")
    return _between_balances(earlier, later, assets)


def _between_balances(earlier: Head, later: Head, assets: AssetRegistry) -> Refusal | None:
    closing, opening = earlier.closing_minor, later.opening_minor
    if closing is None or opening is None or closing == opening:
        return None
    return Refusal(
        "sequence_gap",
        f"{later.name} opens with {told(opening, later.asset, assets)}, but {earlier.name} closed with "
        f"{told(closing, earlier.asset, assets)}: import what is missing first, or allow the gap",
    )
