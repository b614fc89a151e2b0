"""MT940 customer statements and MT942 interim reports, in the dialects that banks write.

A parser of our own: the popular library searches for fields anywhere and passes over what it does not know, which may
be a line; it does not know pages, lines of the file, or which way the reversal of a credit went.
"""

from __future__ import annotations

import re
from typing import Final

from agents.statements.amounts import asset_of, minor_of
from agents.statements.mt_details import add_details
from agents.statements.mt_lines import Total, read_balance, read_line, read_total
from agents.statements.mt_messages import Field, Message, messages
from agents.statements.parsed import Control, Entry, ParsedFile, Statement, check_count
from agents.statements.refusal import Refusal, at, quoted
from agents.statements.texts import numbered_lines
from schemas.assets import Asset, AssetRegistry

_NUMBER: Final = re.compile(r"([0-9]{1,9})(?:/([0-9]{1,9}))?")
_FLOOR: Final = re.compile(r"([A-Z]{3})[DC]?[0-9]{1,15}(?:,[0-9]*)?")
#: Counts and sums of debits and credits, as one bank ends its statements: `D000004C000002D25,24C28,71`.
_ENDING: Final = re.compile(r"D([0-9]{6})C([0-9]{6})D([0-9]+,[0-9]*)C([0-9]+,[0-9]*)")
_OPENINGS: Final = frozenset({"60F", "60M"})
_CLOSINGS: Final = frozenset({"62F", "62M"})
_INTERIM: Final = frozenset({"34F", "13", "13D", "90D", "90C"})
#: Read by nobody here: related reference, available balances.
_IGNORED: Final = frozenset({"21", "64", "65"})


def read_mt(text: str, assets: AssetRegistry) -> ParsedFile:
    """The statements of a file of MT940 or MT942; consecutive pages of one statement are one.

    Raises:
        Refusal: with the line where it was seen.
    """
    found: list[_Page] = []
    count = 0
    for message in messages(numbered_lines(text)):
        with at(message.line_number):
            found.append(_Page(message, assets))
            count += len(found[-1].statement.entries)
            check_count(count)
    names = {"MT942" if page.is_interim else "MT940" for page in found}
    if len(names) > 1:
        raise Refusal("malformed", "MT940 and MT942 in one file: import them apart")
    file = ParsedFile(names.pop() if names else "MT940")
    last: _Page | None = None
    for page in found:
        statement = page.statement
        with at(statement.line_number, len(file.statements)):
            if last is not None and last.goes_on and statement.account_id == last.statement.account_id:
                page.follow(file.statements[-1])
            else:
                page.begin()
                statement.index = len(file.statements)
                file.statements.append(statement)
        last = page
    return file


class _Page:
    """One message: a page of a statement."""

    def __init__(self, message: Message, assets: AssetRegistry):
        self._assets = assets
        self._asset: Asset | None = None
        #: Tags seen, each at most once but for lines, details and forward balances.
        self._seen: dict[str, Field] = {}
        self._entry: Entry | None = None
        self._page: int | None = None
        self._totals: dict[str, Total] = {}
        self._ending: Field | None = None
        self.statement = Statement(index=0, line_number=message.line_number)
        for field in message.fields:
            with at(field.line_number):
                self._take(field)
        self._finish()

    @property
    def is_interim(self) -> bool:
        """It is an MT942."""
        return not _OPENINGS & self._seen.keys() and bool(_INTERIM & self._seen.keys())

    @property
    def goes_on(self) -> bool:
        """A page follows."""
        return "62M" in self._seen

    def _take(self, field: Field) -> None:
        tag = field.tag
        if tag == "61":
            self._line(field)
        elif tag == "86":
            self._details(field)
        elif tag not in _IGNORED:
            self._once(field)

    def _once(self, field: Field) -> None:
        tag = field.tag
        kind = tag if tag in _INTERIM else tag[:2]
        if kind in self._seen and kind != "34F":
            raise Refusal("malformed", f"a second :{tag}: in one message")
        self._seen[tag] = self._seen[kind] = field
        statement = self.statement
        if tag == "20":
            statement.reference = field.first or None
        elif tag in {"25", "25P"}:
            statement.account_id = field.first.replace(" ", "") or None
        elif tag in {"28", "28C"}:
            self._number(field.first)
        elif tag in _OPENINGS:
            statement.opening = read_balance(field, self._assets)
            self._asset = asset_of(statement.opening.asset, self._assets)
        elif tag in _CLOSINGS:
            statement.closing = read_balance(field, self._assets)
        elif tag == "34F":
            self._floor(field.first)
        elif tag in {"90D", "90C"}:
            self._totals[tag] = read_total(field, self._assets)
        elif tag not in _INTERIM:
            raise Refusal("malformed", f":{tag}: is no field of MT940 or MT942")

    def _number(self, text: str) -> None:
        found = _NUMBER.fullmatch(text)
        if found is None:
            raise Refusal("malformed", f":28C: is {quoted(text)}: a number is wanted, and perhaps / and a page")
        self.statement.sequence_number = int(found[1]) or None
        self._page = (int(found[2]) or None) if found[2] else None

    def _floor(self, text: str) -> None:
        found = _FLOOR.fullmatch(text)
        if found is None:
            raise Refusal("malformed", f":34F: is {quoted(text)}: a currency and amount are wanted")
        self._asset = asset_of(found[1], self._assets)

    def _line(self, field: Field) -> None:
        if self._asset is None:
            raise Refusal("malformed", ":61: stands before the opening balance (:60F:) or floor limit (:34F:)")
        if _CLOSINGS & self._seen.keys() or self._totals:
            raise Refusal("malformed", ":61: stands behind the closing balance or totals")
        entry = read_line(field, self._asset)
        self._entry = entry
        if entry is None:
            self.statement.not_booked_count += 1
            # Its details belong to nobody.
            self._entry = Entry(field.line_number, 0, self._asset.code)
        else:
            self.statement.entries.append(entry)

    def _details(self, field: Field) -> None:
        if _CLOSINGS & self._seen.keys() or self._totals:
            self._ending = self._ending or field
        elif self._entry is not None:
            add_details(self._entry, field.lines)

    def _finish(self) -> None:
        statement = self.statement
        for tag, what in (("25", "account"), ("28", "statement number")):
            if tag not in self._seen:
                raise Refusal("malformed", f"a message has no :{tag}: ({what})")
        if statement.account_id is None:
            raise Refusal("account", ":25: is empty")
        statement.needs_balances = not self.is_interim
        statement.basis = "interim" if self.is_interim else "booked"
        statement.asset = None if self._asset is None else self._asset.code
        statement.complete = not self.goes_on
        if statement.needs_balances and statement.opening is None:
            raise Refusal("malformed", "a message has no opening balance (:60F: or :60M:): is the file cut short?")
        if statement.needs_balances and statement.closing is None:
            raise Refusal("malformed", "a message has no closing balance (:62F: or :62M:): is the file cut short?")
        statement.controls = [*self._stated_totals(), *self._ending_totals()]

    def _stated_totals(self) -> list[Control]:
        found = []
        for tag, total in self._totals.items():
            sign = 1 if tag == "90C" else -1
            amounts = [sign * one.amount_minor for one in self.statement.entries if sign * one.amount_minor > 0]
            line_number = self._seen[tag].line_number
            if not self.statement.not_booked_count:
                found.append(Control(f":{tag}: count", total.entries, (len(amounts),), None, line_number))
                found.append(Control(f":{tag}: sum", total.minor, (sum(amounts),), total.asset, line_number))
        return found

    def _ending_totals(self) -> list[Control]:
        found = None if self._ending is None else _ENDING.fullmatch("".join(self._ending.lines).strip())
        if found is None or self._ending is None or self._asset is None:
            return []
        amounts = [one.amount_minor for one in self.statement.entries]
        debits, credits_ = [-one for one in amounts if one < 0], [one for one in amounts if one > 0]
        code, line_number = self._asset.code, self._ending.line_number
        sums = [minor_of(text, self._asset, mark=",") for text in (found[3], found[4])]
        return [
            Control(":86: count of debits", int(found[1]), (len(debits),), None, line_number),
            Control(":86: count of credits", int(found[2]), (len(credits_),), None, line_number),
            Control(":86: sum of debits", sums[0], (sum(debits),), code, line_number),
            Control(":86: sum of credits", sums[1], (sum(credits_),), code, line_number),
        ]

    def begin(self) -> None:
        """It is the first page that the file has of its statement.

        Raises:
            Refusal: `page_gap`, where page 1 does not open as such, or a later one opens as the first.
        """
        page = self._page or 1
        if page == 1 and "60M" in self._seen:
            raise Refusal("page_gap", "page 1 opens with an intermediate balance (:60M:): a page before it is missing")
        if page > 1 and "60F" in self._seen:
            raise Refusal("page_gap", f"page {page} opens as the first one does, with :60F:")
        self.statement.first_page = self.statement.last_page = page

    def follow(self, whole: Statement) -> None:
        """It goes on with the statement of the page before.

        Raises:
            Refusal: `page_gap`, where it is not the next page.
        """
        page = self._page or whole.last_page + 1
        mine = self.statement
        if mine.sequence_number != whole.sequence_number or page != whole.last_page + 1 or "60M" not in self._seen:
            raise Refusal(
                "page_gap",
                f"page {whole.last_page} of statement {whole.sequence_number or whole.reference} does not end it, but "
                f"page {page} of {mine.sequence_number or mine.reference} follows",
            )
        opening, closing = mine.opening, whole.closing
        if opening is None or closing is None or (opening.minor, opening.asset) != (closing.minor, closing.asset):
            raise Refusal(
                "page_gap", f"page {page} does not open (:60M:) with the balance that the page before closed with"
            )
        whole.entries += mine.entries
        whole.not_booked_count += mine.not_booked_count
        whole.controls += mine.controls
        whole.closing, whole.complete, whole.last_page = mine.closing, mine.complete, page
