"""Which lines only one side has at the end of days, from the lines and what the role says of them.

A line of that day or before is open unless it stands in a match all of whose lines are of that day or before: what was
matched with a line of a later day was open then. Memory is that of the lines of the accounts that are proven; a match
is settled once, on the first day on which it is whole, so that many days cost little more than one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from agents.reconciliation.proofs.balances import OpenLine, Tolerated

Section = Literal["with_us", "in_file"]
#: After every day.
_NEVER: Final = "~"


class _Line(NamedTuple):
    statement_account: str
    asset: str
    minor: int
    section: Section
    day: str


class ItemsOfDay(NamedTuple):
    """What is open at the end of a day, and what matches differ by."""

    open_lines: Sequence[OpenLine]
    tolerated: Sequence[Tolerated]


class OpenItems:
    """Feed it what is known; the order makes no difference but for matches and what undoes them.

    Args:
        accounts: account of the ledger -> account of statements, of those that are proven.
        from_day: the day from which they are reconciled. Both sides agreed on what was there before: an older line is
            open only where it is matched with one that is not there yet.
    """

    def __init__(self, accounts: Mapping[str, str], from_day: str = ""):
        self._accounts = accounts
        self._from_day = from_day
        self._lines: dict[str, _Line] = {}
        #: Match id -> its lines.
        self._matches: dict[str, tuple[str, ...]] = {}
        #: Exception id -> its lines, of those that are open.
        self._exceptions: dict[str, tuple[str, ...]] = {}
        #: Books that the role has looked at.
        self._books: set[str] = set()

    def take_ledger_line(self, line_id: str, account: str, asset: str, minor: int, day: str) -> None:
        """A line of the ledger, and the day on which it was recorded."""
        statement_account = self._accounts.get(account)
        if statement_account is not None:
            self._lines[line_id] = _Line(statement_account, asset, minor, "with_us", day)

    def take_statement_line(self, line_id: str, account: str, asset: str, minor: int, day: str) -> None:
        """A line of a statement, and the day on which it was booked."""
        self._lines[line_id] = _Line(account, asset, minor, "in_file", day)

    @property
    def line_ids(self) -> Collection[str]:
        """Ids of the lines of both sides that were taken."""
        return self._lines.keys()

    def take_match(self, match_id: str, line_ids: Iterable[str]) -> None:
        """Lines that belong together, of both sides."""
        self._matches[match_id] = tuple(line_ids)

    def undo_match(self, match_id: str) -> None:
        """A match that does not count any more."""
        self._matches.pop(match_id, None)

    def take_exception(self, exception_id: str, line_ids: Iterable[str], *, is_open: bool) -> None:
        """An exception, as it was told last."""
        if is_open:
            self._exceptions[exception_id] = tuple(line_ids)
        else:
            self._exceptions.pop(exception_id, None)

    def take_book(self, account: str) -> None:
        """An account that the role has looked at; one whose lines it has matched or excepted is one anyway.

        Of others nothing is known to be expected.
        """
        self._books.add(account)

    def of(self, days: Iterable[str]) -> Iterator[ItemsOfDay]:
        """What is open at the end of each day, and what matches differ by; days go up."""
        lines, tolerated = self._counted(), list[Tolerated]()
        matches, at = self._in_order(), 0
        looked_at_from = self._looked_at_from()
        excepted = {line_id for ids in self._exceptions.values() for line_id in ids}
        for day in days:
            while at < len(matches) and matches[at][0] <= day:
                tolerated += _settle(lines, self._matches[matches[at][1]])
                at += 1
            yield ItemsOfDay(
                [
                    OpenLine(one.statement_account, one.asset, one.minor, one.section, line_id in excepted)
                    for line_id, one in sorted(lines.items())
                    if one.day <= day and looked_at_from.get(one.statement_account, _NEVER) <= day
                ],
                list(tolerated),
            )

    def _counted(self) -> dict[str, _Line]:
        if not self._from_day:
            return dict(self._lines)
        matched = {line_id for ids in self._matches.values() for line_id in ids}
        return {name: one for name, one in self._lines.items() if one.day >= self._from_day or name in matched}

    def _in_order(self) -> list[tuple[str, str]]:
        """Matches of which all lines are known: the first day on which each is whole, and its id."""
        found = []
        for match_id, ids in self._matches.items():
            lines = [self._lines.get(line_id) for line_id in ids]
            whole = [one.day for one in lines if one is not None]
            if whole and len(whole) == len(ids):
                found.append((max(whole), match_id))
        return sorted(found)

    def _looked_at_from(self) -> dict[str, str]:
        """Account -> the first day of a line that the role has told anything of; always, where it looks at its book."""
        found: dict[str, str] = dict.fromkeys(self._books, "")
        for ids in (*self._matches.values(), *self._exceptions.values()):
            for line_id in ids:
                if (one := self._lines.get(line_id)) is not None:
                    found[one.statement_account] = min(one.day, found.get(one.statement_account, _NEVER))
        return found


def _settle(lines: dict[str, _Line], ids: Sequence[str]) -> Iterator[Tolerated]:
    """Take out the lines of a match, unless another one has taken some; say what they differ by."""
    if not all(line_id in lines for line_id in ids):
        return
    whole = [lines.pop(line_id) for line_id in dict.fromkeys(ids)]
    net = sum(one.minor if one.section == "in_file" else -one.minor for one in whole)
    if net:
        yield Tolerated(whole[0].statement_account, whole[0].asset, net)
