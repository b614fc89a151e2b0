"""Plants breaks into clean books, and says of each line which reason it must have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from msgspec.structs import replace

from agents.reconciliation.matching.lines import CHARGEBACK_OF, OWN_ID, REVERSAL_OF, Line, Statement
from ops.reconcile.planted.books import FEE_MINOR, LAST_DAY, Books, Deal, statements_of
from schemas.reconciliation_reasons import REASONS, Reason, Side

#: Side and id of a line -> its reason.
Truth = dict[tuple[Side, str], Reason]


class Planted(NamedTuple):
    """Books with breaks in them."""

    left: list[Line]
    right: list[Line]
    statements: list[Statement]
    truth: Truth


class Injector:
    """Plants breaks.

    Args:
        books: makes deals that are then broken. Amounts of what is broken are no one else's: else nobody could say
            which reason is the true one.
    """

    def __init__(self, books: Books):
        self._books, self._chance = books, books.chance
        self.truth: Truth = {}
        self.unbalanced: set[str] = set()
        self._amounts: set[int] = set()
        self._how: Final[Mapping[Reason, Callable[[], Deal]]] = {
            "missing_left": self._missing_left,
            "missing_right": self._missing_right,
            "amount_over": self._amount_over,
            "amount_under": self._amount_under,
            "fee_variance": self._fee_variance,
            "currency": self._currency,
            "date": self._date,
            "duplicate": self._duplicate,
            "reference": self._reference,
            "split_incomplete": self._split_incomplete,
            "unlinked_reversal": self._unlinked_reversal,
            "unlinked_chargeback": self._unlinked_chargeback,
            "ambiguous": self._ambiguous,
            "statement_unbalanced": self._statement_unbalanced,
            "expected": self._expected,
        }
        assert tuple(self._how) == REASONS

    def plant(self, reason: Reason) -> Deal:
        """A deal with one break of this kind."""
        return self._how[reason]()

    def _say(self, reason: Reason, side: Side, *lines: Line) -> None:
        self.truth.update({(side, line.line_id): reason for line in lines})

    def _say_both(self, reason: Reason, deal: Deal) -> Deal:
        self._say(reason, "left", *deal.left)
        self._say(reason, "right", *deal.right)
        return deal

    def _single(self, day: int | None = None) -> Deal:
        amount = self._chance.randrange(20_000, 2_000_000_000)
        while amount in self._amounts:
            amount += 1
        self._amounts.add(amount)
        return self._books.single(amount, day)

    def _missing_left(self) -> Deal:
        deal = self._single()
        self._say("missing_left", "right", *deal.right)
        return Deal("", [], deal.right)

    def _missing_right(self) -> Deal:
        deal = self._single()
        self._say("missing_right", "left", *deal.left)
        return Deal("", deal.left, [])

    def _changed(self, reason: Reason, by: int) -> Deal:
        """The right has so much more than the left, or less, in the direction that it goes."""
        deal = self._single()
        line = deal.right[0]
        sign = 1 if line.amount_minor > 0 else -1
        return self._say_both(reason, Deal("", deal.left, [replace(line, amount_minor=line.amount_minor + sign * by)]))

    def _amount_over(self) -> Deal:
        # Of what goes out, more is a fee too.
        return self._changed("amount_over", FEE_MINOR + self._chance.randrange(1, 15_000))

    def _amount_under(self) -> Deal:
        return self._changed("amount_under", -FEE_MINOR - self._chance.randrange(1, 15_000))

    def _fee_variance(self) -> Deal:
        if self._chance.random() < 0.5:
            deal = self._single()
            line = deal.right[0]
            kept_back = self._chance.randrange(1, FEE_MINOR + 1)
            return self._say_both(
                "fee_variance", Deal("", deal.left, [replace(line, amount_minor=line.amount_minor - kept_back)])
            )
        deal = self._books.payout()
        line, fees = deal.right[0], sum(each.fee_minor for each in deal.left)
        # Less than any payment, else it could be that one which is not in the payout.
        least = min(each.amount_minor - each.fee_minor for each in deal.left)
        apart = self._chance.choice((-1, 1)) * self._chance.randrange(1, min(fees + 1, least))
        return self._say_both(
            "fee_variance", Deal("", deal.left, [replace(line, amount_minor=line.amount_minor + apart)])
        )

    def _currency(self) -> Deal:
        deal = self._single()
        line = deal.right[0]
        return self._say_both("currency", Deal("", deal.left, [replace(line, asset="GBP")]))

    def _date(self) -> Deal:
        deal = self._single()
        line = deal.right[0]
        day = deal.left[0].day + self._chance.choice((-3, -2, -1, 4, 5, 9))
        return self._say_both("date", Deal("", deal.left, [_on(line, day)]))

    def _duplicate(self) -> Deal:
        deal = self._single()
        line = deal.right[0]
        again = self._books.line("right", line.amount_minor, line.asset, line.day, {"ref": line.references["ref"]})
        # Of two equal lines the one that is later in the order of ids is once too often.
        self._say("duplicate", "right", again)
        return Deal("", deal.left, [*deal.right, again])

    def _reference(self) -> Deal:
        deal = self._single()
        line = deal.right[0]
        references = {OWN_ID: line.references[OWN_ID], "ref": self._books.name("P")}
        return self._say_both("reference", Deal("", deal.left, [replace(line, references=references)]))

    def _split_incomplete(self) -> Deal:
        deal = self._books.split(self._chance.randrange(3, 7))
        deal.right.pop(self._chance.randrange(len(deal.right)))
        return self._say_both("split_incomplete", deal)

    def _unlinked_reversal(self) -> Deal:
        deal = self._single()
        of = {"ref": self._books.name("R"), REVERSAL_OF: self._books.name("P")}
        paid = deal.right[0]
        line = self._books.line("right", -paid.amount_minor, paid.asset, paid.day, of, kind="reversal")
        self._say("unlinked_reversal", "right", line)
        return Deal("", deal.left, [*deal.right, line])

    def _unlinked_chargeback(self) -> Deal:
        deal = self._single()
        of = {"ref": self._books.name("B"), CHARGEBACK_OF: self._books.name("P")}
        paid = deal.right[0]
        line = self._books.line("right", -paid.amount_minor, paid.asset, paid.day, of, kind="chargeback")
        self._say("unlinked_chargeback", "right", line)
        return Deal("", deal.left, [*deal.right, line])

    def _ambiguous(self) -> Deal:
        deal = self._books.nameless()
        line = deal.left[0]
        references = {"customer": line.references["customer"], "order": self._books.name("N")}
        twin = self._books.line("left", line.amount_minor, line.asset, line.day, references)
        deal.left.append(twin)
        return self._say_both("ambiguous", deal)

    def _statement_unbalanced(self) -> Deal:
        """A statement of its own with a few lines and a wrong end. What it would have matched is missing."""
        statement_id = self._books.name("statement ")
        self.unbalanced.add(statement_id)
        deals = [self._single() for _ in range(self._chance.randrange(1, 6))]
        right = [replace(line, statement_id=statement_id) for deal in deals for line in deal.right]
        left = [line for deal in deals for line in deal.left]
        self._say("statement_unbalanced", "right", *right)
        self._say("missing_right", "left", *left)
        return Deal("", left, right)

    def _expected(self) -> Deal:
        deal = self._single(LAST_DAY)
        if self._chance.random() < 0.5:
            self._say("expected", "left", *deal.left)
            return Deal("", deal.left, [])
        line = _on(deal.right[0], LAST_DAY)
        self._say("expected", "right", line)
        return Deal("", [], [line])


def _on(line: Line, day: int) -> Line:
    """The same line on another day, in the statement of that day."""
    return replace(line, day=day, statement_id=f"statement {day}")


def planted_books(lines: int, breaks_of_a_kind: int, seed: int) -> Planted:
    """Books of about so many lines, with so many breaks of each kind, in an order that says nothing.

    Args:
        lines: of both sides together.
        breaks_of_a_kind: how many of each of the fifteen.
        seed: the same seed plants the same.
    """
    books = Books(seed)
    injector = Injector(books)
    deals = [injector.plant(reason) for reason in REASONS for _ in range(breaks_of_a_kind)]
    broken = sum(len(deal.left) + len(deal.right) for deal in deals)
    deals += books.deals(lines - broken)
    left = [line for deal in deals for line in deal.left]
    right = [line for deal in deals for line in deal.right]
    statements = [
        replace(each, closing_minor=each.closing_minor + books.chance.choice((-1, 1, 100)))
        if each.statement_id in injector.unbalanced
        else each
        for each in statements_of(right)
    ]
    books.chance.shuffle(left)
    books.chance.shuffle(right)
    return Planted(left, right, statements, injector.truth)
